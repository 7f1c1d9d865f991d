"""OpenFlow 1.4 on a bridge's management socket: bundles of packed messages, dumps of cookies.

Promise: a bundle is one pipelined write (adds, commit) and one answer; nothing waits for a turn
of the loop in between. Answers come in the order of the calls. Knows headers and errors, not what
a flow means.

What Open vSwitch 3.1 does with a rejected ADD, found by experiment and held by tests/netns:

* The first ADD opens a bundle by itself (OpenFlow 1.4 section 7.3.9.2): no message of ours does,
  for its answer would wake the agent twice a change.
* An ADD whose message does not decode (bad match, bad table) gets an error with its own xid,
  the bundle stays open, and the commit **succeeds with the others**. Where there are no others,
  there is no bundle to commit either, and the error says so.
* An ADD that decodes and cannot be executed (a group that does not exist) passes, and fails
  the commit: an error with the ADD's xid, then MSG_FAILED for the commit; **nothing** of the
  bundle is applied.

So ``Outcome`` says both: which messages were refused, and whether the rest is in the switch.

A management socket is open to root alone and speaks only with the local switch; no more of
the protocol is defended here than a switch that restarts needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, cast

from sdnctl_vrouter.platform.transports import hang_up

VERSION: Final = 5

HELLO: Final = 0
ERROR: Final = 1
ECHO_REQUEST: Final = 2
ECHO_REPLY: Final = 3
SET_CONFIG: Final = 9
PACKET_IN: Final = 10
PACKET_OUT: Final = 13
EXPERIMENTER: Final = 4
NICIRA: Final = 0x00002320
NXT_CT_FLUSH_ZONE: Final = 29
NXT_CT_FLUSH: Final = 32
CT_ORIGINAL, CT_ZONE = 0, 2
CT_SOURCE, CT_DESTINATION = 0, 1
MAPPED: Final = b"\xff\xff"
_CT_FLUSH: Final = struct.Struct("!II8xHH4xHH10x2s4s4xHHH2x").pack
"""One address, mapped into IPv6, of the direction that began a connection, and its zone."""
FLOW_MOD: Final = 14
GROUP_MOD: Final = 15
MULTIPART_REQUEST: Final = 18
MULTIPART_REPLY: Final = 19
BUNDLE_CONTROL: Final = 33
BUNDLE_ADD: Final = 34

MULTIPART_FLOW: Final = 1
MULTIPART_GROUP_DESC: Final = 7
REPLY_MORE: Final = 1

REASON_ACTION: Final = 1
_OXM_IN_PORT: Final = b"\x80\0\0\x04"

BUNDLE_COMMIT: Final = 4
ATOMIC_ORDERED: Final = 3

FLOW_DELETE: Final = 3
ALL_TABLES: Final = 0xFF
ANY: Final = 0xFFFFFFFF
NO_BUFFER: Final = 0xFFFFFFFF
CONTROLLER: Final = 0xFFFFFFFD

SEND_BUFFER: Final = 16 << 20
_SO_SNDBUFFORCE: Final = 32

_HEADER: Final = struct.Struct("!BBHI")
_CONTROL: Final = struct.Struct("!BBHIIHH")
_ADD: Final = struct.Struct("!BBHIIHHBBHI")
_DELETE: Final = struct.Struct("!QQBBHHHIIIHHHH4x").pack
_MULTIPART: Final = struct.Struct("!BBHIHH4x")
_FLOW_REQUEST: Final = struct.Struct("!B3xII4xQQHH4x")
_ERROR: Final = struct.Struct("!HH")
_LENGTH: Final = struct.Struct("!H")
_COOKIE: Final = struct.Struct("!Q")
_GROUP: Final = struct.Struct("!I")


Message = tuple[int, bytes]
"""A message's type, and the message without its OpenFlow header."""


class Refusal(NamedTuple):
    """An error of the switch (OpenFlow 1.4 section 7.5.4)."""

    type: int
    code: int

    def __str__(self) -> str:
        return f"the switch refused it: OpenFlow error {self.type}/{self.code}"


NO_SUCH_BUNDLE: Final = Refusal(17, 2)


class Outcome(NamedTuple):
    """What became of a bundle; ``refused`` maps a message's place in it to its error."""

    committed: bool
    refused: dict[int, Refusal]


class _Bundle(NamedTuple):
    """On its way: the number of its first ADD and of its commit, and what is known of it."""

    first: int
    commit: int
    future: asyncio.Future[Outcome]
    refused: dict[int, Refusal]
    through: Callable[[Outcome], None] | None


def delete_by_cookie(cookie: int) -> Message:
    """Delete the flows with that cookie, found by the switch through its index."""
    body = _DELETE(
        cookie, (1 << 64) - 1, ALL_TABLES, FLOW_DELETE, 0, 0, 0, NO_BUFFER, ANY, ANY, 0, 0, 1, 4
    )
    return FLOW_MOD, body


class Connection(asyncio.Protocol):
    """One connection to the switch; of no use once it is lost."""

    def __init__(self, on_packet: Callable[[int, bytes], None] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._on_packet = on_packet
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._buffer = b""
        self._xid = 0
        self._bundle_id = 0
        self._bundles: deque[_Bundle] = deque()
        self._dumps: dict[int, tuple[list[bytes], asyncio.Future[list[bytes]]]] = {}

    @classmethod
    async def open(
        cls, path: str, on_packet: Callable[[int, bytes], None] | None = None
    ) -> Connection:
        """Connect to the unix socket and agree on the version; OSError if it cannot.

        ``on_packet`` gets the OpenFlow port and the frame that a flow sends to the agent;
        without it none are asked for.
        """
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(lambda: cls(on_packet), path)
        try:
            async with asyncio.timeout(5):
                await connection.ready
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Hang up, and wait until it is so."""
        await hang_up(self._transport, self.lost)

    # ---- requests

    def bundle(
        self,
        slices: Iterable[Sequence[Message]],
        through: Callable[[Outcome], None] | None = None,
    ) -> asyncio.Future[Outcome]:
        """All or nothing, in order, seen by packets at one instant.

        Each slice is on its way to the switch while the next is made. The places in the
        outcome count through all slices. No message at all is a success at once.
        ``through`` hears of the answer, should one come, in the turn of the loop that reads it.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(ConnectionResetError("the switch hung up"))
            return future
        self._bundle_id = self._bundle_id % 0x7FFFFFFF + 1
        bundle_id = self._bundle_id
        # One run of numbers tells an error's place; nothing else is numbered in between.
        if self._xid > 0x7FFFFFFF:
            self._xid = 0
        before = xid = self._xid
        add = _ADD.pack
        parts: list[bytes] = []
        for messages in slices:
            if parts and messages:
                # What came before goes now; the last slice goes with the commit, in one write.
                self._transport.write(b"".join(parts))
                parts.clear()
            for kind, body in messages:
                xid += 1
                size = 8 + len(body)
                head = (VERSION, BUNDLE_ADD, 16 + size, xid, bundle_id, 0, ATOMIC_ORDERED)
                parts.append(add(*head, VERSION, kind, size, xid))
                parts.append(body)
        if xid == before:
            nothing = Outcome(committed=True, refused={})
            future.set_result(nothing)
            if through is not None:
                self._loop.call_soon(through, nothing)
            return future
        commit = self._xid = xid + 1
        self._bundles.append(_Bundle(before + 1, commit, future, {}, through))
        end = (VERSION, BUNDLE_CONTROL, 16, commit, bundle_id, BUNDLE_COMMIT, ATOMIC_ORDERED)
        parts.append(_CONTROL.pack(*end))
        self._transport.write(b"".join(parts))
        return future

    async def cookies(self, owner: int, mask: int) -> set[int]:
        """The cookies under ``mask`` equal to ``owner``, of all tables."""
        request = _FLOW_REQUEST.pack(ALL_TABLES, ANY, ANY, owner, mask, 1, 4)
        return {
            _COOKIE.unpack_from(entry, 24)[0]
            for entry in _entries(await self._dump(MULTIPART_FLOW, request))
        }

    async def packets(self, table: int, owner: int, mask: int) -> dict[int, int]:
        """How many packets the flows of a table saw, by cookie."""
        request = _FLOW_REQUEST.pack(table, ANY, ANY, owner, mask, 1, 4)
        return {
            _COOKIE.unpack_from(entry, 24)[0]: _COOKIE.unpack_from(entry, 32)[0]
            for entry in _entries(await self._dump(MULTIPART_FLOW, request))
        }

    async def groups(self) -> set[int]:
        """The numbers of all groups."""
        replies = await self._dump(MULTIPART_GROUP_DESC, b"")
        return {_GROUP.unpack_from(entry, 4)[0] for entry in _entries(replies)}

    def packet_out(self, actions: bytes, frame: bytes) -> None:
        """Send a frame through ``actions``; nothing answers."""
        body = struct.pack("!IIH6x", NO_BUFFER, CONTROLLER, len(actions)) + actions + frame
        self._send(PACKET_OUT, body, 0)

    def forget_connections(self, zone: int) -> None:
        """Empty a zone of the connection tracker; nothing answers (NXT_CT_FLUSH_ZONE)."""
        self._send(EXPERIMENTER, struct.pack("!II6xH", NICIRA, NXT_CT_FLUSH_ZONE, zone), 0)

    def forget_translated(self, zone: int, fixed: bytes, floating: bytes) -> None:
        """Have connections of a zone forgotten that ``fixed`` began, or others with ``floating``.

        Both are IPv4 addresses. Nothing answers; a switch before Open vSwitch 3.1 passes it over.
        """
        for which, ip in ((CT_SOURCE, fixed), (CT_DESTINATION, floating)):
            self._send(
                EXPERIMENTER,
                _CT_FLUSH(
                    NICIRA, NXT_CT_FLUSH, CT_ORIGINAL, 32, which, 20, MAPPED, ip, CT_ZONE, 8, zone
                ),
                0,
            )

    def flow(self, cookie: int, body: bytes) -> None:
        """Put one flow, outside of any bundle; nothing answers, a refusal is passed over."""
        self._send(FLOW_MOD, cookie.to_bytes(8, "big") + body, 0)

    def _dump(self, kind: int, request: bytes) -> asyncio.Future[list[bytes]]:
        future: asyncio.Future[list[bytes]] = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(ConnectionResetError("the switch hung up"))
            return future
        self._xid += 1
        xid = self._xid
        self._dumps[xid] = ([], future)
        size = _MULTIPART.size + len(request)
        self._transport.write(
            _MULTIPART.pack(VERSION, MULTIPART_REQUEST, size, xid, kind, 0) + request
        )
        return future

    def _send(self, kind: int, body: bytes, xid: int) -> None:
        self._transport.write(_HEADER.pack(VERSION, kind, 8 + len(body), xid) + body)

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello with this version alone (OpenFlow 1.4 section 7.5.1)."""
        self._transport = cast("asyncio.Transport", transport)
        # Room for a bundle, so that the switch reads while the agent still packs. The kernel's
        # ceiling falls only to root; without it the bundle waits in the transport.
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, _SO_SNDBUFFORCE, SEND_BUFFER
            )
        self._send(HELLO, struct.pack("!HHI", 1, 8, 1 << 5), 0)
        if self._on_packet is not None:
            self._send(SET_CONFIG, struct.pack("!HH", 0, 0xFFFF), 0)

    def data_received(self, data: bytes) -> None:
        """Cut into messages."""
        data = self._buffer + data if self._buffer else data
        at, end = 0, len(data)
        while end - at >= 8:
            _, kind, size, xid = _HEADER.unpack_from(data, at)
            if end - at < size or size < 8:
                break
            self._receive(kind, xid, data[at + 8 : at + size])
            at += size
        self._buffer = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits."""
        error = ConnectionResetError(f"the switch hung up: {exc}" if exc else "the switch hung up")
        waiting: list[asyncio.Future[Outcome] | asyncio.Future[list[bytes]]] = []
        waiting += [bundle.future for bundle in self._bundles]
        waiting += [future for _, future in self._dumps.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # who does not wait for it is no bug
        if not self.ready.done():
            self.ready.set_exception(error)
        if not self.lost.done():
            self.lost.set_result(None)

    # ---- answers

    def _receive(self, kind: int, xid: int, body: bytes) -> None:
        match kind:
            case 0:
                if not self.ready.done():
                    self.ready.set_result(None)
            case 1:
                self._refused(xid, Refusal(*_ERROR.unpack_from(body)))
            case 2:
                self._send(ECHO_REPLY, body, xid)
            case 10:
                self._packet(body)
            case 19:
                self._dumped(xid, body)
            case 33:
                if self._bundles and xid == self._bundles[0].commit:
                    self._finish(committed=True)

    def _packet(self, body: bytes) -> None:
        """A packet-in (OpenFlow 1.4 section 7.4.1); others than by a flow's action pass by."""
        reason, size = body[6], int.from_bytes(body[18:20], "big")
        at = 16 + -(-size // 8) * 8 + 2
        port = body.find(_OXM_IN_PORT, 20, 16 + size)
        if reason == REASON_ACTION and port >= 0 and self._on_packet is not None:
            self._on_packet(int.from_bytes(body[port + 4 : port + 8], "big"), body[at:])

    def _refused(self, xid: int, refusal: Refusal) -> None:
        if xid in self._dumps:
            _, future = self._dumps.pop(xid)
            if not future.done():
                future.set_exception(OSError(str(refusal)))
            return
        # The switch answers in order: an error belongs to the oldest bundle, or to no one's.
        if not self._bundles:
            return
        bundle = self._bundles[0]
        if bundle.first <= xid < bundle.commit:
            bundle.refused[xid - bundle.first] = refusal
        elif xid == bundle.commit:
            self._finish(committed=refusal == NO_SUCH_BUNDLE)

    def _finish(self, *, committed: bool) -> None:
        bundle = self._bundles.popleft()
        outcome = Outcome(committed, bundle.refused)
        if not bundle.future.done():
            bundle.future.set_result(outcome)
        if bundle.through is not None:
            bundle.through(outcome)

    def _dumped(self, xid: int, body: bytes) -> None:
        if xid not in self._dumps:
            return
        parts, future = self._dumps[xid]
        parts.append(body[8:])
        if not int.from_bytes(body[2:4], "big") & REPLY_MORE:
            del self._dumps[xid]
            if not future.done():
                future.set_result(parts)


def _entries(replies: list[bytes]) -> Iterator[bytes]:
    """Cut multipart replies into entries, each of which opens with its length."""
    for reply in replies:
        at = 0
        while at < len(reply):
            size = _LENGTH.unpack_from(reply, at)[0]
            yield reply[at : at + size]
            at += max(size, 1)
