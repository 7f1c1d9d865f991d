"""DHCP (RFC 2131): the answer of a server that has one client, and one lease that never ends.

Promise: only an address of the asking port is ever offered or acknowledged. What is addressed to
another server, comes through a relay or makes no sense gets no answer. Nothing is remembered, so
RELEASE and DECLINE change nothing: the address stays the port's.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sdnctl.desired import SubnetOptions
from sdnctl.types import Ip, Mac, Prefix
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import (
    BROADCAST_IP,
    BROADCAST_MAC,
    SERVICE_IP,
    SERVICE_MAC,
    UDP,
    Datagram,
    Packet,
    build_udp,
)

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68

DISCOVER: Final = 1
OFFER: Final = 2
REQUEST: Final = 3
ACK: Final = 5
NAK: Final = 6
INFORM: Final = 8

PAD: Final = 0
SUBNET_MASK: Final = 1
ROUTER: Final = 3
DNS_SERVERS: Final = 6
HOST_NAME: Final = 12
DOMAIN: Final = 15
MTU: Final = 26
BROADCAST_ADDRESS: Final = 28
REQUESTED_ADDRESS: Final = 50
LEASE_TIME: Final = 51
OVERLOAD: Final = 52
MESSAGE_TYPE: Final = 53
SERVER: Final = 54
MESSAGE: Final = 56
MAX_SIZE: Final = 57
RENEWAL: Final = 58
REBINDING: Final = 59
CLIENT: Final = 61
TFTP_SERVER: Final = 66
BOOT_FILE: Final = 67
CLASSLESS_ROUTES: Final = 121
END: Final = 255

NEXT_SERVER: Final = 0
"""As a port's option: the header's ``siaddr``."""

_HEADER: Final = struct.Struct("!BBBBIHH4s4s4s4s6s10x64s128s4s")
_COOKIE: Final = b"\x63\x82\x53\x63"
_BROADCAST_FLAG: Final = 0x8000
_NONE: Final = Ip(bytes(4))

_SMALLEST: Final = 300
"""Octets of a BOOTP message (RFC 1542 section 2.1)."""

_DEFAULT_SIZE: Final = 576
"""Octets of the IP packet that any client takes (RFC 2131 section 2)."""


class Message(NamedTuple):
    """A client's message."""

    xid: int
    flags: int
    ciaddr: Ip
    mac: Mac
    options: dict[int, bytes]

    @property
    def kind(self) -> int:
        """The message type; 0 if it is BOOTP."""
        kind = self.options.get(MESSAGE_TYPE, b"")
        return kind[0] if len(kind) == 1 else 0

    def address(self, code: int) -> Ip | None:
        """An option that is an address."""
        value = self.options.get(code, b"")
        return Ip(value) if len(value) == 4 else None


def parse(data: bytes) -> Message | None:
    """A request that came straight from its client over Ethernet."""
    if len(data) < _HEADER.size:
        return None
    (
        op,
        hardware,
        size,
        _hops,
        xid,
        _secs,
        flags,
        ciaddr,
        _yi,
        _si,
        giaddr,
        mac,
        sname,
        file,
        magic,
    ) = _HEADER.unpack_from(data)
    if (op, hardware, size, giaddr, magic) != (1, 1, 6, _NONE, _COOKIE):
        return None
    options: dict[int, bytes] = {}
    _read_options(data[_HEADER.size :], options)
    overload = options.get(OVERLOAD, b"\0")
    # RFC 2131 section 4.1: `file` before `sname`.
    for bit, field in ((1, file), (2, sname)):
        if overload[:1] and overload[0] & bit:
            _read_options(field, options)
    return Message(xid, flags, Ip(ciaddr), Mac(mac), options)


def _read_options(data: bytes, options: dict[int, bytes]) -> None:
    """Parts of one option are joined (RFC 3396); what is cut short ends the reading."""
    at = 0
    while at < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return
        value = data[at + 2 : at + 2 + data[at + 1]]
        options[data[at]] = options.get(data[at], b"") + value
        at += 2 + len(value)


def answer(guest: Guest, asked: Datagram) -> bytes | None:
    """The frame that answers a datagram to the server's port, or None."""
    message = parse(asked.payload)
    if message is None or message.mac != guest.port.mac:
        return None
    leases = guest.leased(4)
    if not leases:
        return None
    match message.kind:
        case 1:
            wanted = message.address(REQUESTED_ADDRESS)
            ip, subnet = next((lease for lease in leases if lease[0] == wanted), leases[0])
            return _lease(guest, message, OFFER, ip, subnet)
        case 3:
            return _request(guest, message, leases)
        case 8:
            for ip, subnet in leases:
                if ip == message.ciaddr:
                    return _inform(guest, message, ip, subnet)
            return None
        case _:
            return None


def _request(
    guest: Guest, message: Message, leases: list[tuple[Ip, SubnetOptions]]
) -> bytes | None:
    """RFC 2131 section 4.3.2: selecting, rebooting, renewing, rebinding."""
    server = message.address(SERVER)
    ours = {server_identifier(subnet) for _, subnet in leases}
    if SERVER in message.options and server not in ours:
        return None  # the client has chosen another
    wanted = message.address(REQUESTED_ADDRESS)
    if wanted is None:
        wanted = message.ciaddr
    for ip, subnet in leases:
        if ip == wanted:
            return _lease(guest, message, ACK, ip, subnet)
    _, subnet = leases[0]
    options = {
        MESSAGE_TYPE: bytes((NAK,)),
        SERVER: server_identifier(subnet),
        MESSAGE: b"the address is not this port's",
    }
    # RFC 2131 section 4.3.2: to everybody, for the client's address may be wrong.
    return _reply(guest, message, subnet, options, target=BROADCAST_IP)


def server_identifier(subnet: SubnetOptions) -> Ip:
    """Where clients renew: the same on every hypervisor."""
    return subnet.gateway or SERVICE_IP


def _lease(guest: Guest, message: Message, kind: int, ip: Ip, subnet: SubnetOptions) -> bytes:
    seconds = subnet.lease_time
    options = {
        MESSAGE_TYPE: bytes((kind,)),
        SERVER: server_identifier(subnet),
        LEASE_TIME: struct.pack("!I", seconds),
        RENEWAL: struct.pack("!I", seconds // 2),
        REBINDING: struct.pack("!I", seconds * 7 // 8),
    }
    target = message.ciaddr if any(message.ciaddr) else ip
    if not any(message.ciaddr) and message.flags & _BROADCAST_FLAG:
        target = BROADCAST_IP
    options |= _configuration(guest, ip, subnet)
    return _reply(guest, message, subnet, options, yiaddr=ip, target=target)


def _inform(guest: Guest, message: Message, ip: Ip, subnet: SubnetOptions) -> bytes:
    """Options for who has its address by hand (RFC 2131 section 4.3.5)."""
    options = {MESSAGE_TYPE: bytes((ACK,)), SERVER: server_identifier(subnet)}
    options |= _configuration(guest, ip, subnet)
    return _reply(guest, message, subnet, options, target=message.ciaddr)


def _configuration(guest: Guest, ip: Ip, subnet: SubnetOptions) -> dict[int, bytes]:
    """What holds while the lease does, the most important first."""
    length = subnet.prefix.length
    mask = (1 << 32) - (1 << (32 - length))
    options = {
        SUBNET_MASK: mask.to_bytes(4, "big"),
        ROUTER: subnet.gateway or b"",
        DNS_SERVERS: guest.dns_servers((subnet,), 4),
        MTU: struct.pack("!H", guest.port.mtu) if guest.port.mtu >= 68 else b"",
        CLASSLESS_ROUTES: _routes(subnet),
        HOST_NAME: _text(guest.port.host_name),
        DOMAIN: _text(subnet.domain.rstrip(".")),
    }
    if length < 31:
        options[BROADCAST_ADDRESS] = (ip.number & mask | ~mask & 0xFFFFFFFF).to_bytes(4, "big")
    return options


def _text(text: str) -> bytes:
    return text.encode("ascii", "ignore")[:255]


def _routes(subnet: SubnetOptions) -> bytes:
    """RFC 3442; the default route is among them, for who reads this ignores the router option."""
    routes = list(subnet.routes)
    if subnet.gateway is None:
        # On link, which is what a router of 0.0.0.0 means: metadata without a way out.
        routes.append((Prefix.host(SERVICE_IP), _NONE))
    if not routes:
        return b""
    default = Prefix(_NONE, 0)
    if subnet.gateway is not None and all(destination != default for destination, _ in routes):
        routes.append((default, subnet.gateway))
    return b"".join(
        bytes((prefix.length,)) + prefix.ip[: (prefix.length + 7) // 8] + hop
        for prefix, hop in routes
        if prefix.ip.version == hop.version == 4
    )


def _reply(
    guest: Guest,
    message: Message,
    subnet: SubnetOptions,
    options: dict[int, bytes],
    *,
    target: Ip,
    yiaddr: Ip = _NONE,
) -> bytes:
    if options[MESSAGE_TYPE][0] != NAK:
        kept = {code: options[code] for code in (MESSAGE_TYPE, SERVER)}
        options = guest.override(4, options) | kept
    if CLIENT in message.options:
        options[CLIENT] = message.options[CLIENT]  # RFC 6842
    siaddr = options.pop(NEXT_SERVER, _NONE)
    server = server_identifier(subnet)
    head = _HEADER.pack(
        *(2, 1, 6, 0, message.xid, 0, message.flags),
        *(message.ciaddr, yiaddr, siaddr[:4], _NONE, message.mac),
        *(_field(options, TFTP_SERVER, 64), _field(options, BOOT_FILE, 128), _COOKIE),
    )
    # RFC 2132 section 9.10: of the whole IP packet.
    limit = int.from_bytes(message.options.get(MAX_SIZE, b""), "big")
    room = max(limit, _DEFAULT_SIZE) - 28 - len(head) - 1
    body = _write_options(options, room) + bytes((END,))
    datagram = Datagram(
        Packet(guest.gateway(subnet.gateway) or SERVICE_MAC, server, target, UDP, b""),
        SERVER_PORT,
        CLIENT_PORT,
        (head + body).ljust(_SMALLEST, b"\0"),
    )
    return build_udp(BROADCAST_MAC if target == BROADCAST_IP else guest.port.mac, datagram)


def _field(options: dict[int, bytes], code: int, size: int) -> bytes:
    """What old boot ROMs read in the header instead of the option."""
    value = options.get(code, b"")
    return value if len(value) < size else b""


def _write_options(options: dict[int, bytes], room: int) -> bytes:
    """As many as there is room for; long ones in parts (RFC 3396)."""
    out = b""
    for code, value in options.items():
        parts = [value[at : at + 255] for at in range(0, len(value), 255)]
        packed = b"".join(bytes((code, len(part))) + part for part in parts)
        if code < END and len(out) + len(packed) <= room:
            out += packed
    return out
