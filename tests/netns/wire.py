"""Raw Ethernet in a namespace, from the test's own process."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

from sdnctl.types import Ip, Mac
from tests.netns.harness import Namespace

CLONE_NEWNET = 0x40000000
ALL_PROTOCOLS = 0x0003
BROADCAST = Mac(b"\xff" * 6)

_libc = ctypes.CDLL(None, use_errno=True)


def packet_socket(namespace: str, interface: str) -> socket.socket:
    """A packet socket stays in the namespace in which it was opened: open it in a thread."""
    opened: list[socket.socket] = []

    def enter() -> None:
        fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if _libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
            sock.bind((interface, 0))
            opened.append(sock)
        finally:
            os.close(fd)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return opened[0]


class Wire:
    """An interface, to send frames and to see those that pass."""

    def __init__(self, namespace: Namespace, interface: str = "eth0") -> None:
        self._socket = packet_socket(namespace.name, interface)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        """Put frames on the wire."""
        for frame in frames:
            self._socket.send(frame)

    def count(self, part: bytes, within: float = 0.4, enough: int = 1 << 30) -> int:
        """Received frames that contain ``part``, until there are ``enough`` or time is up."""
        seen, end = 0, time.monotonic() + within
        while time.monotonic() < end and seen < enough:
            try:
                frame, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                time.sleep(0.005)
                continue
            if address[2] != socket.PACKET_OUTGOING and part in frame:
                seen += 1
        return seen


def arp_request(source: Mac, sender: Mac, sender_ip: Ip, target_ip: Ip) -> bytes:
    """A broadcast request (RFC 826)."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + sender_ip + bytes(6) + target_ip
    return BROADCAST + source + b"\x08\x06" + body


def _checksum(data: bytes) -> bytes:
    """The Internet checksum of an even number of octets (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def _ip(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip, protocol: int, body: bytes) -> bytes:
    if ip_from.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
        return target + source + b"\x86\xdd" + head + ip_from + ip_to + body
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), 0, 0, 64, protocol)
    checksum = _checksum(head + b"\0\0" + ip_from + ip_to)
    return target + source + b"\x08\x00" + head + checksum + ip_from + ip_to + body


def udp(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip, port: int, payload: bytes) -> bytes:
    """A UDP packet without a checksum, IPv4 or IPv6 as the addresses are."""
    datagram = struct.pack("!HHHH", port, 9999, 8 + len(payload), 0) + payload
    return _ip(source, target, ip_from, ip_to, 17, datagram)


def tcp(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip, port: int, payload: bytes) -> bytes:
    """The same with a TCP header."""
    segment = struct.pack("!HHIIBBHHH", port, 9999, 1, 0, 0x50, 2, 1024, 0, 0) + payload
    return _ip(source, target, ip_from, ip_to, 6, segment)


def neighbor_advert(source: Mac, target: Mac, ip_from: Ip, claimed: Ip, owner: Mac) -> bytes:
    """An unsolicited advertisement of ``claimed`` (RFC 4861 section 4.4)."""
    to = Ip(bytes.fromhex("ff020000000000000000000000000001"))
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + claimed + b"\x02\x01" + owner
    checksum = _checksum(ip_from + to + struct.pack("!II", len(body), 58) + body)
    head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
    packet = head + ip_from + to + body[:2] + checksum + body[4:]
    return target + source + b"\x86\xdd" + packet
