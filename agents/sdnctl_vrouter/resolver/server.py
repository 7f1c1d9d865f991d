"""The resolver's sockets: UDP and TCP, and the way to the resolvers that know the rest.

Promise: a guest that asks much waits for itself alone; a resolver that does not answer costs a
guest some seconds and the agent nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from sdnctl.types import Ip
from sdnctl_vrouter.allowance import Allowance
from sdnctl_vrouter.metadata.addresses import asker
from sdnctl_vrouter.metadata.interface import bound, cut_off
from sdnctl_vrouter.resolver import dns, names
from sdnctl_vrouter.resolver.names import Names
from sdnctl_vrouter.responder.guest import Guest

log = logging.getLogger(__name__)

PORT: Final = 53
PATIENCE: Final = 2.0
"""Seconds for each of the resolvers."""

QUESTIONS: Final = 64
"""Of one port on their way at a time."""

RATE: Final = 200.0
BURST: Final = 400.0
"""Questions of a port, a second and at once."""

CONNECTIONS: Final = 16
"""Of one port at a time."""

IDLE: Final = 10.0
"""Seconds that a TCP connection may be silent."""


class Resolver:
    """See the module.

    Args:
        guest: Who is on an OpenFlow port.
        names: The names of a guest's network.
        forwarders: Resolvers for all the rest, tried in turn.
    """

    def __init__(
        self,
        guest: Callable[[int], Guest | None],
        names_of: Callable[[Guest], Names],
        forwarders: Sequence[Ip],
    ) -> None:
        self._guest = guest
        self._names = names_of
        self._forwarders = forwarders
        self._allowance = Allowance(RATE, BURST)
        self._busy: Counter[int] = Counter()
        self._connections: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, interface: str, address: Ip) -> list[Callable[[], None]]:
        """Open sockets there; what closes them."""
        loop = asyncio.get_running_loop()
        udp = bound(interface, address, PORT, socket.SOCK_DGRAM)
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        tcp = bound(interface, address, PORT, socket.SOCK_STREAM)
        server = await asyncio.start_server(self._accept, sock=tcp)
        return [transport.close, server.close, lambda: cut_off(self._tasks)]

    def start(self, transport: asyncio.DatagramTransport, data: bytes, peer: Any) -> None:
        """A question by UDP; who asks too often gets no answer."""
        ip = Ip.parse(peer[0])
        who = asker(ip)
        if who is None or self._allowance.take(who.ofport, time.monotonic()):
            return
        task = asyncio.create_task(self._by_udp(transport, data, ip, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _by_udp(
        self, transport: asyncio.DatagramTransport, data: bytes, ip: Ip, peer: Any
    ) -> None:
        reply = await self._resolve(data, ip, self._ask_udp)
        if reply is not None and not transport.is_closing():
            transport.sendto(reply, peer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        peer = Ip.parse(writer.get_extra_info("peername")[0])
        who = asker(peer)
        ofport = who.ofport if who is not None else -1
        self._connections[ofport] += 1
        try:
            while self._connections[ofport] <= CONNECTIONS:
                async with asyncio.timeout(IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                reply = await self._resolve(data, peer, self._ask_tcp)
                if reply is None:
                    return
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._connections[ofport] -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _resolve(self, data: bytes, peer: Ip, ask: Callable[..., Any]) -> bytes | None:
        """The response, or None for silence."""
        question, who = dns.parse(data), asker(peer)
        guest = self._guest(who.ofport) if who is not None else None
        if question is None or who is None or guest is None:
            return None
        reply = names.answer(question, guest, self._names(guest))
        if reply is not None:
            return reply
        if not self._forwarders:
            return dns.answer(question, dns.REFUSED)
        if self._busy[who.ofport] >= QUESTIONS:
            return dns.answer(question, dns.SERVER_FAILURE)
        self._busy[who.ofport] += 1
        try:
            return await self._forward(data, ask) or dns.answer(question, dns.SERVER_FAILURE)
        finally:
            self._busy[who.ofport] -= 1
            if not self._busy[who.ofport]:
                del self._busy[who.ofport]

    async def _forward(self, data: bytes, ask: Callable[..., Any]) -> bytes | None:
        # A number and a port of our own: a guest's may be easy to guess (RFC 5452).
        number = secrets.token_bytes(2)
        for server in self._forwarders:
            try:
                async with asyncio.timeout(PATIENCE):
                    reply: bytes = await ask(server, number + data[2:])
            except (OSError, asyncio.IncompleteReadError) as error:
                log.debug("resolver %s: %s", server, error)
                continue
            return data[:2] + reply[2:]
        return None

    async def _ask_udp(self, server: Ip, data: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answer(data[:2], reply), remote_addr=(str(server), PORT)
        )
        try:
            transport.sendto(data)
            return await reply
        finally:
            transport.close()

    async def _ask_tcp(self, server: Ip, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(str(server), PORT)
        try:
            writer.write(len(data).to_bytes(2, "big") + data)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    """Questions."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._resolver.start(self._transport, data, addr)


class _Answer(asyncio.DatagramProtocol):
    """The answer with that number."""

    def __init__(self, number: bytes, reply: asyncio.Future[bytes]) -> None:
        self._number = number
        self._reply = reply

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        if data[:2] == self._number and not self._reply.done():
            self._reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(exc)
