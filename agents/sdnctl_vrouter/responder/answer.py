"""A guest's frame to the frame that answers it."""

from __future__ import annotations

from sdnctl_vrouter.responder import advertisement, dhcpv4, dhcpv6
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import parse, parse_udp


def answer(guest: Guest, frame: bytes) -> bytes | None:
    """What to send back to the port, or None for silence; never raises on what a guest sent."""
    packet = parse(frame)
    if packet is None:
        return None
    if packet.source.version == 6 and advertisement.is_solicitation(packet):
        return advertisement.answer(guest, packet)
    datagram = parse_udp(packet)
    if datagram is None:
        return None
    match packet.source.version, datagram.target_port:
        case 4, dhcpv4.SERVER_PORT:
            return dhcpv4.answer(guest, datagram)
        case 6, dhcpv6.SERVER_PORT:
            return dhcpv6.answer(guest, datagram)
        case _:
            return None
