"""VPNv4 and VPNv6 routes to UPDATE messages, in one step.

Promise: what ExaBGP would say of the same routes, in a third of the time: it makes seven objects of
each route, and these are the routes that come by the hundred thousand. All attributes but
MP_REACH_NLRI are still ExaBGP's. Knows nothing of which peer wants what.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from exabgp.bgp.message.update.attribute import Attributes

from sdnctl.bgp.codec import AFI_SAFI, V4_MAPPED, WITHDRAW_LABEL
from sdnctl.bgp.peer import Family
from sdnctl.routes import IpPrefixRoute, Path
from sdnctl.types import IPV4_BYTES, Ip

FAMILIES: Final = frozenset((Family.IPV4_VPN, Family.IPV6_VPN))


_HEADER: Final = 16 + 2 + 1 + 2 + 2
"""Octets of an UPDATE without withdrawn routes, attributes and NLRI (RFC 4271 section 4.3)."""

_MARKER: Final = b"\xff" * 16
_BOTTOM: Final = 1
"""Of the label stack (RFC 8277 section 2.2)."""


class Said(NamedTuple):
    """One route: its path id (0 for none), its next hop (None: withdrawn) and its NLRI, packed."""

    path_id: int
    next_hop: Ip | None
    nlri: bytes


def said(nlri: IpPrefixRoute, path: Path | None, path_id: int = 0) -> Said:
    """A route as it is announced, or withdrawn; OverflowError if its label is none."""
    ip, length = nlri.prefix
    label = WITHDRAW_LABEL if path is None else path.label << 4 | _BOTTOM
    packed = b"".join(
        (bytes((88 + length,)), label.to_bytes(3, "big"), nlri.rd, ip[: (length + 7) // 8])
    )
    return Said(path_id, None if path is None else path.next_hop, packed)


class Labelled:
    """Routes of one family that differ in NLRI and next hop alone; withdrawn without attributes."""

    def __init__(self, family: Family, routes: list[Said], attributes: Attributes | None) -> None:
        self._afi_safi = AFI_SAFI[family]
        self._is_v6 = family is Family.IPV6_VPN
        self._routes = routes
        self._attributes = attributes

    def messages(self, negotiated: Any, include_withdraw: bool = True) -> Iterator[bytes]:
        """The UPDATE messages, ready to be sent; none if the family was not negotiated."""
        if self._afi_safi not in negotiated.families:
            return
        afi, safi = self._afi_safi
        family = int(afi).to_bytes(2, "big") + bytes((safi,))
        with_ids = negotiated.addpath.send(afi, safi)
        by_hop: dict[Ip | None, list[bytes]] = {}
        for path_id, next_hop, nlri in self._routes:
            packed = path_id.to_bytes(4, "big") + nlri if with_ids else nlri
            by_hop.setdefault(next_hop, []).append(packed)
        attributes = b"" if self._attributes is None else self._attributes.pack(negotiated)
        for hop, nlris in by_hop.items():
            if hop is None:
                if include_withdraw:
                    yield from _cut(b"", 15, family, nlris, negotiated.msg_size)
                continue
            # RFC 4364 section 4.3.4, RFC 4659 section 3.2.1: the next hop has an RD of zero.
            end = V4_MAPPED + hop if self._is_v6 and len(hop) == IPV4_BYTES else hop
            reach = family + bytes((8 + len(end),)) + bytes(8) + end + b"\0"
            yield from _cut(attributes, 14, reach, nlris, negotiated.msg_size)


def _cut(
    attributes: bytes, kind: int, head: bytes, nlris: list[bytes], size: int
) -> Iterator[bytes]:
    """MP_REACH_NLRI or MP_UNREACH_NLRI (``kind``) in as few messages as they fit into."""
    room = size - _HEADER - len(attributes) - 4 - len(head)
    part: list[bytes] = []
    used = 0
    for nlri in nlris:
        if used + len(nlri) > room and part:
            yield _message(attributes, kind, head + b"".join(part))
            part, used = [], 0
        part.append(nlri)
        used += len(nlri)
    if part:
        yield _message(attributes, kind, head + b"".join(part))


def _message(attributes: bytes, kind: int, value: bytes) -> bytes:
    # Optional and non-transitive, the length in as many octets as it takes (RFC 4271 section 4.3).
    long = len(value) > 0xFF
    head = bytes((0x90, kind)) if long else bytes((0x80, kind))
    body = attributes + head + len(value).to_bytes(2 if long else 1, "big") + value
    size = (_HEADER + len(body)).to_bytes(2, "big")
    return b"".join((_MARKER, size, b"\2\0\0", len(body).to_bytes(2, "big"), body))
