"""A BGP peer made of a socket: it sends what it is told to, right or wrong."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NamedTuple

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
VPNV4 = b"\0\1\x80"
EVPN = b"\0\x19\x46"
MEMBERSHIPS = b"\0\1\x84"
CONNECT_SECONDS = 2
IP_MINTTL = 21
"""Of linux/in.h; Python does not know it."""
END_OF_RIB = b"\0\0\0\6\x80\x0f\3"


class Message(NamedTuple):
    """What came."""

    kind: int
    body: bytes


def frame(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def attribute(flags: int, code: int, value: bytes) -> bytes:
    return struct.pack("!BBH", flags | 0x10, code, len(value)) + value


def update(*attributes: bytes) -> bytes:
    """An UPDATE with ORIGIN IGP, an empty AS_PATH, LOCAL_PREF 100 and these attributes."""
    usual = b"\x40\1\1\0" + b"\x40\2\0" + b"\x40\5\4\0\0\0\x64"
    body = usual + b"".join(attributes)
    return frame(UPDATE, b"\0\0" + struct.pack("!H", len(body)) + body)


def vpnv4(host: int, label: int = 100, path_id: bytes = b"") -> bytes:
    """MP_REACH_NLRI of 203.0.113.HOST/32, RD 64512:1, with one label."""
    nlri = (
        path_id + b"\x78" + (label << 4 | 1).to_bytes(3, "big") + bytes.fromhex("0000fc0000000001")
    )
    next_hop = b"\x0c" + bytes(8) + bytes((127, 0, 0, 9)) + b"\0"
    return attribute(0x80, 14, VPNV4 + next_hop + nlri + bytes((203, 0, 113, host)))


def membership(*prefixes: bytes) -> bytes:
    """MP_REACH_NLRI of route target memberships, each a length in bits and its octets."""
    next_hop = b"\4" + bytes((127, 0, 0, 9)) + b"\0"
    return attribute(0x80, 14, MEMBERSHIPS + next_hop + b"".join(prefixes))


def end_of_rib(family: bytes) -> bytes:
    """End-of-RIB of a family (RFC 4724 section 2)."""
    return frame(UPDATE, END_OF_RIB + family)


def _connected(host: str, port: int, ttl: int, least: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET)
    sock.settimeout(CONNECT_SECONDS)
    if ttl:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    if least:
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, least)
    try:
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class RawPeer:
    """Listens on the loopback; one session at a time. It reads while ``reading`` is set."""

    def __init__(
        self,
        *,
        families: tuple[bytes, ...] = (VPNV4,),
        restart_time: int | None = None,
        capabilities: bytes = b"",
        asn: int = 64512,
        host: str = "127.0.0.1",
    ) -> None:
        self.host = host
        self.families = families
        self.restart_time = restart_time
        self.capabilities = capabilities
        self.asn = asn
        self.port = 0
        self.sessions = 0
        self.received: list[Message] = []
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def call_until_answered(self, port: int, ttl: int = 0, least: int = 0) -> None:
        """Connect to the speaker, instead of waiting for it; ``least`` TTL of what it sends."""
        async with asyncio.timeout(15):
            while True:
                try:
                    streams = await asyncio.open_connection(
                        sock=_connected(self.host, port, ttl, least)
                    )
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    break
        self._caller = asyncio.create_task(self._serve(*streams))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()

    def drop(self) -> None:
        """Close the connection without a word."""
        if self._writer is not None:
            self._writer.close()

    def send(self, message: bytes) -> None:
        assert self._writer is not None
        self._writer.write(message)

    def updates(self) -> list[bytes]:
        return [message.body for message in self.received if message.kind == UPDATE]

    def refreshes(self) -> list[bytes]:
        return [message.body for message in self.received if message.kind == ROUTE_REFRESH]

    def notifications(self) -> list[tuple[int, int]]:
        return [(m.body[0], m.body[1]) for m in self.received if m.kind == NOTIFICATION]

    def _open(self) -> bytes:
        capabilities = b"".join(b"\1\4" + f[:2] + b"\0" + f[2:] for f in self.families)
        capabilities += b"\x41\4" + struct.pack("!I", self.asn) + self.capabilities
        if self.restart_time is not None:
            kept = b"".join(f + b"\x80" for f in self.families)
            capabilities += bytes((64, 2 + len(kept))) + struct.pack("!H", self.restart_time) + kept
        parameters = bytes((2, len(capabilities))) + capabilities
        head = struct.pack("!BHH4sB", 4, self.asn, 90, bytes((127, 0, 0, 9)), len(parameters))
        return frame(OPEN, head + parameters)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.up.clear()
        self.down.clear()
        writer.write(self._open())
        try:
            while await self.reading.wait():
                head = await reader.readexactly(19)
                length, kind = struct.unpack("!HB", head[16:])
                body = await reader.readexactly(length - 19)
                self.received.append(Message(kind, body))
                if kind == OPEN:
                    writer.write(frame(KEEPALIVE))
                elif kind == KEEPALIVE and not self.up.is_set():
                    self.sessions += 1
                    self.up.set()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            # The end of a connection that a newer one has replaced already says nothing.
            if self._writer is writer:
                self.up.clear()
                self.down.set()
            writer.close()
