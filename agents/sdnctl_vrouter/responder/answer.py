"""A guest's frame to the frame that answers it."""

from __future__ import annotations

from sdnctl_vrouter.responder import dhcpv4
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import parse, parse_udp


def answer(guest: Guest, frame: bytes) -> bytes | None:
    """What to send back to the port, or None for silence; never raises on what a guest sent."""
    packet = parse(frame)
    if packet is None:
        return None
    datagram = parse_udp(packet)
    if datagram is None:
        return None
    if packet.source.version == 4 and datagram.target_port == dhcpv4.SERVER_PORT:
        return dhcpv4.answer(guest, datagram)
    return None
