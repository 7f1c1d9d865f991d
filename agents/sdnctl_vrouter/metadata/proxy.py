"""The metadata service of a host: its sockets, and the way to Nova.

Promise: it stays there while the agent does, whatever becomes of Nova; a guest can hold a few
connections for some seconds, and no more. Without the agent there is no metadata; nothing else
depends on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from sdnctl.types import Ip
from sdnctl_vrouter.metadata import http
from sdnctl_vrouter.metadata.addresses import Asker, asker
from sdnctl_vrouter.metadata.interface import bound, cut_off
from sdnctl_vrouter.responder.guest import Guest

log = logging.getLogger(__name__)

PORT: Final = 80
PATIENCE: Final = 30.0
"""Seconds for a request and its answer: the guest's part and Nova's."""

CONNECTIONS: Final = 16
"""Of one port at a time."""

_CHUNK: Final = 65536


class Upstream(NamedTuple):
    """Nova's metadata service."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``http://nova:8775``; ValueError otherwise."""
        parts = urlsplit(url)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.path not in {"", "/"}
        ):
            raise ValueError(f"{url!r} is not the URL of a metadata service: http://HOST:PORT")
        return cls(parts.hostname, parts.port or 8775, parts.scheme == "https")


class MetadataProxy:
    """See the module.

    Args:
        guest: Who is on an OpenFlow port.
        upstream: Where requests go on to; None finds nothing.
        secret: What Nova has as ``[neutron] metadata_proxy_shared_secret``.
    """

    def __init__(
        self,
        guest: Callable[[int], Guest | None],
        upstream: Upstream | None,
        secret: bytes,
    ) -> None:
        self._guest = guest
        self._upstream = upstream
        self._secret = secret
        self._busy: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, interface: str, address: Ip) -> list[Callable[[], None]]:
        """Open a socket there; what closes it."""
        sock = bound(interface, address, PORT, socket.SOCK_STREAM)
        server = await asyncio.start_server(self._accept, sock=sock, limit=http.LONGEST_HEAD)
        return [server.close, lambda: cut_off(self._tasks)]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        peer = writer.get_extra_info("peername")
        who = asker(Ip.parse(peer[0])) if peer else None
        ofport = who.ofport if who else -1
        self._busy[ofport] += 1
        try:
            if who is not None and self._busy[ofport] <= CONNECTIONS:
                async with asyncio.timeout(PATIENCE):
                    await self._answer(who, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("metadata for port %s: %s", ofport, error)
        finally:
            self._busy[ofport] -= 1
            if not self._busy[ofport]:
                del self._busy[ofport]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(
        self, who: Asker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = http.parse(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(head.length)
            guest = self._guest(who.ofport)
            if guest is None:
                raise http.RefusedError(HTTPStatus.NOT_FOUND)
            four = [ip for ip in guest.port.addresses if ip.version == 4] or guest.port.addresses
            address = four[max(who.place, 0)] if max(who.place, 0) < len(four) else Ip(bytes(4))
            asked = http.request(head, body, guest, address, self._secret)
            nova, to_nova = await self._connect()
        except http.RefusedError as refused:
            writer.write(http.refusal(refused.status))
            await writer.drain()
            return
        try:
            to_nova.write(asked)
            await to_nova.drain()
            while data := await nova.read(_CHUNK):
                writer.write(data)
                await writer.drain()
        finally:
            to_nova.close()
            with contextlib.suppress(OSError):
                await to_nova.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream is None:
            raise http.RefusedError(HTTPStatus.NOT_FOUND)
        host, port, tls = self._upstream
        try:
            return await asyncio.open_connection(
                host, port, ssl=ssl.create_default_context() if tls else None
            )
        except OSError as error:
            log.warning("metadata from %s: %s", host, error)
            raise http.RefusedError(HTTPStatus.BAD_GATEWAY) from None
