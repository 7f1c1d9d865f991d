"""ExaBGP's NLRIs and attributes to routes of the house.

Promise: any NLRI and attributes that ExaBGP took from the wire give a route, or a route that is
not feasible (a path of None: RFC 7606's treat-as-withdraw), or None where the house has no such
route; nothing raises. Knows nothing of peers, sessions or tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from exabgp.bgp.message import Action
from exabgp.bgp.message.update.attribute import Attribute
from exabgp.bgp.message.update.attribute.aspath import SEQUENCE, SET
from exabgp.bgp.message.update.attribute.pmsi import PMSIIngressReplication
from exabgp.bgp.message.update.nlri import IPVPN
from exabgp.bgp.message.update.nlri.evpn.mac import MAC as EvpnMac  # noqa: N811
from exabgp.bgp.message.update.nlri.evpn.multicast import Multicast as EvpnMulticast
from exabgp.bgp.message.update.nlri.evpn.prefix import Prefix as EvpnPrefix
from exabgp.protocol.ip import IP

from sdnctl.bgp.codec import FAMILIES, V4_MAPPED, Attachment
from sdnctl.bgp.membership import ASN_BITS, Membership
from sdnctl.bgp.peer import Family
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
)
from sdnctl.types import (
    IPV6_BYTES,
    Encapsulation,
    Ip,
    Label,
    Mac,
    Prefix,
    RouteDistinguisher,
    RouteTarget,
    Vni,
)

PLAIN_MPLS: Final = 10
"""Tunnel type "MPLS" (RFC 9012 section 11): a label without a tunnel around it."""

MPLS_IN_GRE: Final = 11
"""Tunnel type "MPLS in GRE", which some send where others send "GRE"; the packets are alike."""

LLGR_STALE: Final = 0xFFFF0006
NO_LLGR: Final = 0xFFFF0007
"""Communities of RFC 9494 sections 4.4 and 4.5."""

FIRST_LABEL: Final = 16
"""Those below are reserved (RFC 3032 section 2.1)."""


class Decoded(NamedTuple):
    """A route from a peer; a path of None withdraws it, or says that it is not feasible."""

    family: Family
    nlri: Nlri
    path: Path | None
    path_id: int = 0


class Decoder:
    """Decodes what one session receives; the attributes of one UPDATE are read once."""

    def __init__(self, session: Attachment) -> None:
        self._session = session
        self._attributes: Any = None
        self._base: Path | None = None

    def decode(self, nlri: Any, attributes: Any) -> Decoded | None:
        """One NLRI of an UPDATE with the UPDATE's attributes."""
        family = FAMILIES.get((nlri.afi, nlri.safi))
        if family is None:
            return None
        route = _decode_nlri(nlri)
        if route is None:
            return None
        path_id = _path_id(nlri)
        if nlri.action == Action.WITHDRAW:
            return Decoded(family, route, None, path_id)
        next_hop = _next_hop(nlri)
        if next_hop is None:
            return None
        if attributes is not self._attributes:
            self._attributes, self._base = attributes, _base_path(attributes, self._session)
        if self._base is None or not any(next_hop):
            return Decoded(family, route, None, path_id)
        path = _with_label(self._base, family, nlri, attributes)
        if path is not None:
            path = msgspec.structs.replace(path, next_hop=next_hop)
        return Decoded(family, route, path, path_id)


def _path_id(nlri: Any) -> int:
    """RFC 7911 section 3; 0 where the session has no ADD-PATH."""
    info = nlri.path_info if isinstance(nlri, IPVPN) else nlri.addpath
    return int.from_bytes(info.pack(), "big")


def _decode_nlri(nlri: Any) -> Nlri | None:
    if isinstance(nlri, IPVPN):
        rd = RouteDistinguisher(nlri.rd.pack())
        return IpPrefixRoute(rd, Prefix.covering(Ip(nlri.cidr.ton()), nlri.cidr.mask))
    if isinstance(nlri, Membership):
        if nlri.bits <= ASN_BITS:  # any target: of that AS only, but we do not tell origins apart
            return MembershipRoute(int.from_bytes(nlri.value[:4], "big"), None, 0)
        target = RouteTarget(nlri.value[4:])
        return MembershipRoute(int.from_bytes(nlri.value[:4], "big"), target, nlri.bits - ASN_BITS)
    # An Ethernet tag other than 0 is a VLAN-aware bundle (RFC 7432 section 6.3): no such thing.
    if not isinstance(nlri, EvpnPrefix | EvpnMac | EvpnMulticast) or nlri.etag.tag != 0:
        return None
    rd = RouteDistinguisher(nlri.rd.pack())
    if isinstance(nlri, EvpnMulticast):
        return InclusiveMulticastRoute(rd, Ip(nlri.ip.pack()))
    if isinstance(nlri, EvpnMac):
        return MacIpRoute(rd, Mac(nlri.mac.pack()), Ip(nlri.ip.pack()) if nlri.ip else None)
    ip = Ip(nlri.ip.pack())
    # RFC 9136 section 3.1. With a gateway address the route needs recursion: no such thing.
    if nlri.iplen > ip.bits or any(nlri.gwip.pack()):
        return None
    return IpPrefixRoute(rd, Prefix.covering(ip, nlri.iplen))


def _next_hop(nlri: Any) -> Ip | None:
    """The next hop; None for the link-local one that may follow the global one (RFC 2545)."""
    packed = nlri.nexthop.ton() if isinstance(nlri.nexthop, IP) else b""
    if len(packed) == IPV6_BYTES:
        if packed.startswith(V4_MAPPED):
            return Ip(packed[len(V4_MAPPED) :])
        if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
            return None
    return Ip(packed)


def _base_path(attributes: Any, session: Attachment) -> Path | None:
    """What all NLRIs of an UPDATE share; None if no route with these attributes is feasible."""
    code = Attribute.CODE
    origin = attributes.get(code.ORIGIN)
    # ExaBGP gives no attribute for an empty AS_PATH, which is usual from an iBGP peer.
    as_path = attributes.get(code.AS_PATH)
    if origin is None or (as_path is None and session.ebgp):
        return None  # RFC 7606 section 3 (d)
    segments = as_path.aspath if as_path is not None else []
    if any(session.local_asn in segment for segment in segments):
        return None  # RFC 4271 section 9.1.2: a loop
    # RFC 7606 sections 7.9 and 7.10: from another AS, what reflectors say is discarded.
    originator = None if session.ebgp else attributes.get(code.ORIGINATOR_ID)
    clusters = () if session.ebgp else getattr(attributes.get(code.CLUSTER_LIST), "clusters", ())
    router_id = Ip(originator.ton()) if originator is not None else session.router_id
    if router_id == session.local_router_id:
        return None  # RFC 4456 section 8: our own, come back from a route reflector
    if any(cluster.ton() == session.local_router_id for cluster in clusters):
        return None  # RFC 4456 section 8: it has been here
    local_preference = attributes.get(code.LOCAL_PREF)
    if session.ebgp:
        local_preference = None  # RFC 4271 section 5.1.5
    med = attributes.get(code.MED)
    plain = {int.from_bytes(c.pack(), "big") for c in attributes.get(code.COMMUNITY, ())}
    communities = [c.pack() for c in attributes.get(code.EXTENDED_COMMUNITY, ())]
    tunnels = {int.from_bytes(c[6:], "big") for c in communities if c[:2] == b"\x03\x0c"}
    if MPLS_IN_GRE in tunnels:
        tunnels.add(Encapsulation.MPLS_GRE)
    encapsulations = tuple(e for e in Encapsulation if e in tunnels)
    if tunnels and not encapsulations and PLAIN_MPLS not in tunnels:
        return None  # only tunnels that nobody here can build
    router_mac = next((Mac(c[2:]) for c in communities if c[:2] == b"\x06\x03"), None)
    mobility = next((c for c in communities if c[:2] == b"\x06\x00"), bytes(8))
    default_gateway = any(c[:2] == b"\x03\x0d" for c in communities)
    targets = {c for c in communities if c[0] in (0, 1, 2) and c[1] == 2}
    return Path(
        next_hop=Ip(),
        route_targets=tuple(RouteTarget(c) for c in sorted(targets)),
        encapsulations=encapsulations,
        router_mac=router_mac,
        local_preference=local_preference.localpref if local_preference is not None else 100,
        as_path=_flat(segments),
        origin=origin.origin,
        med=med.med if med is not None else 0,
        peer=True,
        ebgp=session.ebgp,
        router_id=router_id,
        sequence=int.from_bytes(mobility[4:], "big"),
        sticky=bool(mobility[2] & 1),
        communities=tuple(sorted(plain)),
        default_gateway=default_gateway,
        stale=LLGR_STALE in plain,
    )


def _flat(segments: Iterable[Any]) -> tuple[int, ...]:
    """The path as a sequence of the right length: a set counts once (RFC 4271 9.1.2.2 a)."""
    flat: list[int] = []
    for segment in segments:
        if isinstance(segment, SEQUENCE):
            flat.extend(int(asn) for asn in segment)
        elif isinstance(segment, SET) and segment:
            flat.append(int(min(segment)))
    return tuple(flat)


def _with_label(base: Path, family: Family, nlri: Any, attributes: Any) -> Path | None:
    """``base`` with the label or VNI of this NLRI; None if it has to have one and has not."""
    if family is Family.ROUTE_TARGET:
        return base
    mpls = tuple(e for e in base.encapsulations if e is not Encapsulation.VXLAN)
    if family is not Family.EVPN:
        labels = nlri.labels.labels
        if not labels or (base.encapsulations and not mpls):
            return None
        return msgspec.structs.replace(base, label=Label(labels[0]), encapsulations=mpls)
    if isinstance(nlri, EvpnMulticast):
        pmsi = attributes.get(Attribute.CODE.PMSI_TUNNEL)
        if pmsi is None or pmsi.TUNNEL_TYPE != PMSIIngressReplication.TUNNEL_TYPE:
            return None  # no other way to replicate (RFC 7432 section 11.2)
        raw = pmsi.raw_label or pmsi.label << 4
    else:
        raw = nlri.label.raw_labels[0] if nlri.label.raw_labels else 0
    if isinstance(nlri, EvpnMac):
        base = msgspec.structs.replace(base, l3_vni=_second_label(nlri))
    label = Label(raw >> 4)
    if Encapsulation.VXLAN not in base.encapsulations:
        return msgspec.structs.replace(base, label=label, l3_vni=Vni(0))
    # RFC 8365 section 5.1.3: one field for all; 24 bits of it are the VNI, 20 the MPLS label.
    if not mpls or label < FIRST_LABEL:
        only = (Encapsulation.VXLAN,)
        return msgspec.structs.replace(base, vni=Vni(raw), encapsulations=only)
    return msgspec.structs.replace(base, vni=Vni(raw), label=label)


def _second_label(nlri: Any) -> Vni:
    """The VRF's (RFC 9135 section 5.1), which ExaBGP leaves unread; 0 if there is none."""
    packed: bytes = nlri.pack_nlri()
    one_label = 2 + 33 + (len(nlri.ip) if nlri.ip else 0)
    return Vni(int.from_bytes(packed[one_label:], "big"))
