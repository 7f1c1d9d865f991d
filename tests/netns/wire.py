"""Raw Ethernet in a namespace, from the test's own process."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

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
        self.close()

    def close(self) -> None:
        """Let go of the interface."""
        self._socket.close()

    def received(self) -> list[bytes]:
        """The frames that came and were not read yet."""
        frames: list[bytes] = []
        while True:
            try:
                frame, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return frames
            if address[2] != socket.PACKET_OUTGOING:
                frames.append(frame)

    def send(self, *frames: bytes) -> None:
        """Put frames on the wire."""
        for frame in frames:
            self._socket.send(frame)

    def count(self, part: bytes, within: float = 0.4, enough: int = 1 << 30) -> int:
        """Received frames that contain ``part``, until there are ``enough`` or time is up."""
        return len(self.frames(part, within, enough))

    def frames(self, part: bytes, within: float = 0.4, enough: int = 1 << 30) -> list[bytes]:
        """The same, with what is in them."""
        seen: list[bytes] = []
        end = time.monotonic() + within
        while time.monotonic() < end and len(seen) < enough:
            try:
                frame, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                time.sleep(0.005)
                continue
            if address[2] != socket.PACKET_OUTGOING and part in frame:
                seen.append(frame)
        return seen


def pour(
    source: Namespace, target: Namespace, frame: bytes, mark: bytes, seconds: float = 2.0
) -> tuple[int, int, float]:
    """Frames sent, a thousand a second, and those with ``mark`` that arrived; how long it took."""
    sent = arrived = 0
    with Wire(source) as out, Wire(target) as into:
        begin = time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            for _ in range(int((now - begin) * 1000) + 1 - sent):
                out.send(frame)
                sent += 1
            arrived += sum(mark in found for found in into.received())
            time.sleep(0.002)
        taken = time.monotonic() - begin
        arrived += into.count(mark, within=0.5)
    return sent, arrived, taken


def arp_request(source: Mac, sender: Mac, sender_ip: Ip, target_ip: Ip) -> bytes:
    """A broadcast request (RFC 826)."""
    request = ARP(op="who-has", hwsrc=str(sender), psrc=str(sender_ip), pdst=str(target_ip))
    return bytes(Ether(src=str(source), dst=str(BROADCAST)) / request)


def _packet(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip) -> Any:
    network = IP if ip_from.version == 4 else IPv6
    return Ether(src=str(source), dst=str(target)) / network(src=str(ip_from), dst=str(ip_to))


def udp(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip, port: int, payload: bytes) -> bytes:
    """A UDP packet, IPv4 or IPv6 as the addresses are."""
    return bytes(_packet(source, target, ip_from, ip_to) / UDP(sport=port, dport=9999) / payload)


def tcp(source: Mac, target: Mac, ip_from: Ip, ip_to: Ip, port: int, payload: bytes) -> bytes:
    """The same with a TCP header."""
    return bytes(_packet(source, target, ip_from, ip_to) / TCP(sport=port, dport=9999) / payload)


def neighbor_advert(source: Mac, target: Mac, ip_from: Ip, claimed: Ip, owner: Mac) -> bytes:
    """An unsolicited advertisement of ``claimed`` (RFC 4861 section 4.4)."""
    network = IPv6(src=str(ip_from), dst="ff02::1", hlim=255)
    advert = ICMPv6ND_NA(R=0, S=0, O=1, tgt=str(claimed))
    option = ICMPv6NDOptDstLLAddr(lladdr=str(owner))
    return bytes(Ether(src=str(source), dst=str(target)) / network / advert / option)
