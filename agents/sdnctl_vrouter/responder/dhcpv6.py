"""DHCPv6 (RFC 8415): the answer of a server that has one client, stateful and stateless.

Promise: only addresses of the asking port are ever leased; any other that it names is told to be
of no use. What is addressed to another server, comes through a relay or makes no sense gets no
answer. Nothing is remembered. The server's identifier is the same on every hypervisor.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sdnctl.desired import SubnetOptions
from sdnctl.types import Ip
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import (
    SERVICE_MAC,
    UDP,
    UNSPECIFIED,
    Datagram,
    Packet,
    build_udp,
    dns_name,
    link_local,
    options_6,
)

SERVER_PORT: Final = 547
CLIENT_PORT: Final = 546

SOLICIT: Final = 1
ADVERTISE: Final = 2
REQUEST: Final = 3
CONFIRM: Final = 4
RENEW: Final = 5
REBIND: Final = 6
REPLY: Final = 7
RELEASE: Final = 8
DECLINE: Final = 9
INFORMATION_REQUEST: Final = 11

CLIENT_ID: Final = 1
SERVER_ID: Final = 2
IA_NA: Final = 3
IA_ADDRESS: Final = 5
STATUS: Final = 13
RAPID_COMMIT: Final = 14
DNS_SERVERS: Final = 23
DOMAINS: Final = 24
REFRESH_TIME: Final = 32

NO_ADDRESSES: Final = 2
NOT_ON_LINK: Final = 4

DUID: Final = b"\0\3\0\1" + SERVICE_MAC
"""DUID-LL (RFC 8415 section 11.4)."""

_WITH_SERVER: Final = {REQUEST, RENEW, RELEASE, DECLINE}
"""Messages to one server, which name it; the others must not (RFC 8415 section 16)."""


class Identity(NamedTuple):
    """An IA_NA: its number, and the addresses that the client names."""

    number: int
    addresses: tuple[Ip, ...]


class Message(NamedTuple):
    """A client's message."""

    kind: int
    transaction: bytes
    client: bytes
    server: bytes
    identities: tuple[Identity, ...]
    rapid: bool


def parse(data: bytes) -> Message | None:
    """A message that came straight from its client."""
    if len(data) < 4:
        return None
    client = server = b""
    identities = []
    rapid = False
    for code, value in options_6(data[4:]):
        if code == CLIENT_ID:
            client = value
        elif code == SERVER_ID:
            server = value
        elif code == IA_NA and len(value) >= 12:
            named = [v[:16] for c, v in options_6(value[12:]) if c == IA_ADDRESS and len(v) >= 24]
            identities.append(Identity(int.from_bytes(value[:4], "big"), tuple(map(Ip, named))))
        elif code == RAPID_COMMIT:
            rapid = True
    return Message(data[0], data[1:4], client, server, tuple(identities), rapid)


def answer(guest: Guest, asked: Datagram) -> bytes | None:
    """The frame that answers a datagram to the server's port, or None."""
    message = parse(asked.payload)
    if message is None or not _is_for_us(message) or asked.packet.source == UNSPECIFIED:
        return None
    if message.kind == INFORMATION_REQUEST:
        subnets = [subnet for subnet in guest.subnets if subnet.stateless or _leases(subnet)]
        if not subnets:
            return None
        refresh = _option(REFRESH_TIME, struct.pack("!I", max(subnets[0].lease_time, 600)))
        return _reply(guest, asked, message, REPLY, refresh + _configuration(guest, subnets))
    if not any(_leases(subnet) for subnet in guest.subnets):
        return None
    leases = guest.leased(6)
    kind, body = _leased(message, leases)
    if kind is None:
        return None
    body += _configuration(guest, [subnet for _, subnet in leases])
    return _reply(guest, asked, message, kind, body)


def _is_for_us(message: Message) -> bool:
    """RFC 8415 section 16: who must name the server, who may, and who must not."""
    if message.kind == INFORMATION_REQUEST:
        return message.server in {b"", DUID}
    wanted = DUID if message.kind in _WITH_SERVER else b""
    # RFC 8415 section 11.1: at most 128 octets and the type.
    return message.server == wanted and 0 < len(message.client) <= 130


def _leases(subnet: SubnetOptions) -> bool:
    return subnet.dhcp and subnet.prefix.version == 6


def _leased(message: Message, leases: list[tuple[Ip, SubnetOptions]]) -> tuple[int | None, bytes]:
    """RFC 8415 section 18.3: the answer's type, and what it says of addresses."""
    match message.kind:
        case 1:
            body = _identities(message, leases)
            if message.rapid and leases:
                return REPLY, _option(RAPID_COMMIT, b"") + body
            return ADVERTISE, body
        case 3 | 5 | 6:
            return REPLY, _identities(message, leases)
        case 4:
            named = [ip for identity in message.identities for ip in identity.addresses]
            if not named or not leases:
                return None, b""
            good = all(any(ip in subnet.prefix for _, subnet in leases) for ip in named)
            return REPLY, _status(0 if good else NOT_ON_LINK)
        case 8 | 9:
            return REPLY, _status(0)
        case _:
            return None, b""


def _identities(message: Message, leases: list[tuple[Ip, SubnetOptions]]) -> bytes:
    """The port's addresses in the first association; what else is named is worth nothing."""
    out = b""
    own = {ip for ip, _ in leases}
    rest = leases
    for number, named in message.identities:
        body = b"".join(_address(ip, subnet.lease_time) for ip, subnet in rest)
        # RFC 8415 section 18.3.4: lifetimes of 0 take an address back.
        body += b"".join(_address(ip, 0) for ip in named if ip not in own)
        if not rest:
            body += _status(NO_ADDRESSES)
        seconds = rest[0][1].lease_time if rest else 0
        times = struct.pack("!III", number, seconds // 2, seconds * 4 // 5)
        out += _option(IA_NA, times + body)
        rest = []
    return out


def _address(ip: Ip, seconds: int) -> bytes:
    return _option(IA_ADDRESS, ip + struct.pack("!II", seconds, seconds))


def _status(code: int) -> bytes:
    return _option(STATUS, code.to_bytes(2, "big"))


def _configuration(guest: Guest, subnets: list[SubnetOptions]) -> bytes:
    options: dict[int, bytes] = {}
    if subnets:
        options[DNS_SERVERS] = guest.dns_servers(subnets, 6)
        options[DOMAINS] = dns_name(subnets[0].domain) if subnets[0].domain else b""
    return b"".join(_option(code, value) for code, value in guest.override(6, options).items())


def _reply(guest: Guest, asked: Datagram, message: Message, kind: int, body: bytes) -> bytes:
    head = bytes((kind,)) + message.transaction + _option(SERVER_ID, DUID)
    if message.client:
        head += _option(CLIENT_ID, message.client)
    mac = guest.router_6 or SERVICE_MAC
    packet = Packet(mac, link_local(mac), asked.packet.source, UDP, b"")
    return build_udp(guest.port.mac, Datagram(packet, SERVER_PORT, CLIENT_PORT, head + body))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value
