"""Echo requests and their answers (RFC 792, RFC 4443), from one address of this host.

Promise: nothing here blocks or raises but ``send``, with what the kernel says. Needs CAP_NET_RAW.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Final

from sdnctl.types import Ip

_HEADER: Final = struct.Struct("!BBHHH")
_REQUEST: Final = {4: 8, 6: 128}
_ANSWER: Final = {4: 0, 6: 129}
_PROTOCOL: Final = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_ICMPV6_FILTER: Final = 1
"""Linux's names that Python's socket module lacks (linux/icmp.h, linux/icmpv6.h)."""


class Echo:
    """A raw socket for each IP version, opened when it is first needed.

    Args:
        source: where the requests come from; another version's come from where the kernel likes.
        on_answer: is told who answered.
    """

    def __init__(self, source: Ip, on_answer: Callable[[Ip], None]) -> None:
        self._source = source
        self._on_answer = on_answer
        self._identifier = secrets.randbits(16)
        self._sockets: dict[int, socket.socket] = {}

    def send(self, target: Ip, sequence: int) -> None:
        """One request; OSError if it cannot leave."""
        version = target.version
        sock = self._sockets.get(version)
        if sock is None:
            sock = self._sockets[version] = self._open(version)
        head = _HEADER.pack(_REQUEST[version], 0, 0, self._identifier, sequence & 0xFFFF)
        if version == 4:
            total = sum(struct.unpack("!4H", head))
            total = (total & 0xFFFF) + (total >> 16)
            head = head[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[4:]
        sock.sendto(head, (str(target), 0))

    def receive(self) -> None:
        """Tell of the answers that wait in the kernel."""
        for version, sock in self._sockets.items():
            self._read(version, sock)

    def close(self) -> None:
        """No answer is told any more."""
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _open(self, version: int) -> socket.socket:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_RAW, _PROTOCOL[version])
        try:
            sock.setblocking(False)
            # A mask of the types that are left out: every type but the answer.
            if version == 4:
                blocked = ~(1 << _ANSWER[4]) & 0xFFFFFFFF
                sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", blocked))
            else:
                words = [0xFFFFFFFF] * 8
                words[_ANSWER[6] // 32] &= ~(1 << _ANSWER[6] % 32)
                sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *words))
            if self._source.version == version:
                sock.bind((str(self._source), 0))
        except OSError:
            sock.close()
            raise
        asyncio.get_running_loop().add_reader(sock, self._read, version, sock)
        return sock

    def _read(self, version: int, sock: socket.socket) -> None:
        while True:
            try:
                data, address = sock.recvfrom(2048)
            except OSError:  # nothing more; or an error that an earlier request met
                return
            start = (data[0] & 0xF) * 4 if version == 4 and data else 0
            if len(data) < start + _HEADER.size:
                continue
            kind, _code, _sum, identifier, _sequence = _HEADER.unpack_from(data, start)
            if (kind, identifier) == (_ANSWER[version], self._identifier):
                self._on_answer(Ip.parse(address[0].partition("%")[0]))
