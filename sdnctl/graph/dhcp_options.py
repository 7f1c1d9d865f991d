"""DHCP options as people write them: to codes and octets.

The names are dnsmasq's, for those are what Neutron's users write; or numbers.

Promise: ``encode`` gives what goes on the wire, or raises ValueError with a reason for a person.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from sdnctl.types import Ip, Prefix

Encode = Callable[[str], bytes]


def _ips(version: int) -> Encode:
    def encode(text: str) -> bytes:
        found = [Ip.parse(part.strip().strip("[]")) for part in text.split(",")]
        if any(ip.version != version for ip in found):
            raise ValueError(f"'{text}' is not a list of IPv{version} addresses")
        return b"".join(found)

    return encode


def _server(text: str) -> bytes:
    """The next server of a boot; DHCPv4 has no room for an IPv6 address and says nothing."""
    if Ip.parse(text.strip()).version == 6:
        return b""
    data = _ips(4)(text)
    if len(data) != 4:
        raise ValueError(f"'{text}' is not one address")
    return data


def _integer(code: str, *, signed: bool = False) -> Encode:
    size = struct.calcsize(code)

    def encode(text: str) -> bytes:
        try:
            return int(text, 0).to_bytes(size, "big", signed=signed)
        except (ValueError, OverflowError):
            raise ValueError(f"'{text}' is not a number of {8 * size} bits") from None

    return encode


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 255:
        raise ValueError("a text is of at most 255 octets")
    return data


def _flag(text: str) -> bytes:
    if text not in {"0", "1"}:
        raise ValueError(f"'{text}' is not 0 or 1")
    return bytes((int(text),))


def _octets(text: str) -> bytes:
    """Hexadecimal with colons, a number, addresses, or else text: as dnsmasq guesses."""
    parts = text.split(":")
    if len(parts) > 1 and all(0 < len(part) <= 2 for part in parts):
        try:
            return bytes(int(part, 16) for part in parts)
        except ValueError:
            return _text(text)
    try:
        return _ips(4)(text)
    except ValueError:
        return _text(text)


def _routes(text: str) -> bytes:
    """Pairs of destination and router (RFC 3442)."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) % 2:
        raise ValueError(f"'{text}' is not a list of destinations, each with its router")
    out = b""
    for destination, router in zip(parts[::2], parts[1::2], strict=True):
        prefix = Prefix.parse(destination)
        hop = Ip.parse(router)
        if prefix.version != 4 or hop.version != 4:
            raise ValueError(f"'{text}' holds what is not IPv4")
        out += bytes((prefix.length,)) + prefix.ip[: (prefix.length + 7) // 8] + hop
    return out


def _names(text: str) -> bytes:
    """A list of domain names as the DNS writes them (RFC 1035 section 3.1)."""
    out = b""
    for name in text.split(","):
        for label in name.strip().strip(".").split("."):
            data = label.encode("ascii", "replace")
            if not 0 < len(data) < 64:
                raise ValueError(f"'{name}' is not a domain name")
            out += bytes((len(data),)) + data
        out += b"\0"
    return out


_IPS: Final = _ips(4)
_U8, _U16, _U32 = (_integer(code) for code in ("!B", "!H", "!I"))

_OPTIONS_4: Final[dict[int, tuple[tuple[str, ...], Encode]]] = {
    0: (("server-ip-address",), _server),
    1: (("netmask",), _IPS),
    2: (("time-offset",), _integer("!i", signed=True)),
    3: (("router",), _IPS),
    4: (("time-server",), _IPS),
    6: (("dns-server", "domain-name-servers"), _IPS),
    7: (("log-server",), _IPS),
    9: (("lpr-server",), _IPS),
    12: (("hostname", "host-name"), _text),
    13: (("boot-file-size",), _U16),
    15: (("domain-name",), _text),
    16: (("swap-server",), _IPS),
    17: (("root-path",), _text),
    18: (("extension-path",), _text),
    19: (("ip-forward-enable",), _flag),
    20: (("non-local-source-routing",), _flag),
    21: (("policy-filter",), _IPS),
    22: (("max-datagram-reassembly",), _U16),
    23: (("default-ttl",), _U8),
    26: (("mtu", "interface-mtu"), _U16),
    27: (("all-subnets-local",), _flag),
    28: (("broadcast",), _IPS),
    31: (("router-discovery",), _flag),
    32: (("router-solicitation",), _IPS),
    33: (("static-route",), _IPS),
    34: (("trailer-encapsulation",), _flag),
    35: (("arp-timeout",), _U32),
    36: (("ethernet-encap",), _flag),
    37: (("tcp-ttl",), _U8),
    38: (("tcp-keepalive",), _U32),
    40: (("nis-domain",), _text),
    41: (("nis-server",), _IPS),
    42: (("ntp-server", "ntp-servers"), _IPS),
    43: (("vendor-encap",), _octets),
    44: (("netbios-ns",), _IPS),
    45: (("netbios-dd",), _IPS),
    46: (("netbios-nodetype",), _U8),
    47: (("netbios-scope",), _text),
    48: (("x-windows-fs",), _IPS),
    49: (("x-windows-dm",), _IPS),
    51: (("lease-time",), _U32),
    58: (("T1",), _U32),
    59: (("T2",), _U32),
    60: (("vendor-class",), _text),
    64: (("nis+-domain",), _text),
    65: (("nis+-server",), _IPS),
    66: (("tftp-server", "tftp-server-name"), _text),
    67: (("bootfile-name",), _text),
    68: (("mobile-ip-home",), _IPS),
    69: (("smtp-server",), _IPS),
    70: (("pop3-server",), _IPS),
    71: (("nntp-server",), _IPS),
    74: (("irc-server",), _IPS),
    93: (("client-arch",), _U16),
    100: (("posix-timezone",), _text),
    101: (("tzdb-timezone",), _text),
    119: (("domain-search",), _names),
    121: (("classless-static-route",), _routes),
    150: (("tftp-server-address",), _IPS),
    210: (("path-prefix",), _text),
    252: (("wpad", "wpad-url"), _text),
}
"""RFC 2132 and after: names and value of a code. 0 is the header's ``siaddr``."""

_IPS_6: Final = _ips(6)

_OPTIONS_6: Final[dict[int, tuple[tuple[str, ...], Encode]]] = {
    21: (("sip-server-domain",), _names),
    22: (("sip-server",), _IPS_6),
    23: (("dns-server",), _IPS_6),
    24: (("domain-search",), _names),
    27: (("nis-server",), _IPS_6),
    28: (("nis+-server",), _IPS_6),
    29: (("nis-domain",), _names),
    30: (("nis+-domain",), _names),
    31: (("sntp-server",), _IPS_6),
    32: (("information-refresh-time",), _U32),
    59: (("bootfile-url",), _text),
}
"""DHCPv6: RFC 3319, 3646, 3898, 4075, 8415, 5970."""

_OPTIONS: Final = {4: _OPTIONS_4, 6: _OPTIONS_6}

_CODES: Final = {
    version: {name: code for code, (names, _) in options.items() for name in names}
    for version, options in _OPTIONS.items()
}

_OURS: Final = {4: frozenset({50, 52, 53, 54, 55, 57, 61, 82}), 6: frozenset(range(1, 21))}
"""What the protocol itself speaks with: nobody's to choose."""


def encode(name: str, value: str, ip_version: int) -> tuple[int, bytes]:
    """The code and octets of an option; no octets for the value "", which sends none."""
    plain = name.removeprefix("option6:" if ip_version == 6 else "option:")
    most = 254 if ip_version == 4 else 0xFFFF
    if plain.isascii() and plain.isdigit() and 1 <= int(plain[:6]) <= most:
        code = int(plain)
    elif plain in _CODES[ip_version]:
        code = _CODES[ip_version][plain]
    else:
        raise ValueError(f"'{name}' is not the name or number of an option of DHCPv{ip_version}")
    if code in _OURS[ip_version]:
        raise ValueError(f"'{name}' cannot be chosen")
    if not value:
        return code, b""
    _names_of, convert = _OPTIONS[ip_version].get(code, ((), _octets))
    return code, convert(value)
