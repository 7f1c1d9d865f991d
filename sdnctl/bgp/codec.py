"""Routes of the house <-> ExaBGP's NLRIs and attributes.

Promise of encoding: one family, one NLRI; the encapsulation extended community (RFC 9012
section 4.1) names what the label in that NLRI is for: MPLS tunnels in VPNv4 and VPNv6, VXLAN in
EVPN where the path has a VNI, MPLS tunnels in EVPN else.

Promise of decoding: any NLRI and attributes that ExaBGP took from the wire give a route, or a
route that is not feasible (a path of None: RFC 7606's treat-as-withdraw), or None where the
house has no such route; nothing raises. Knows nothing of peers, sessions or tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from exabgp.bgp.message import Action
from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.update.attribute import (
    MED,
    Attribute,
    Attributes,
    LocalPreference,
    Origin,
)
from exabgp.bgp.message.update.attribute.aspath import SEQUENCE, SET, ASPath
from exabgp.bgp.message.update.attribute.community.extended import (
    ExtendedCommunities,
    ExtendedCommunity,
)
from exabgp.bgp.message.update.attribute.pmsi import PMSIIngressReplication
from exabgp.bgp.message.update.nlri import IPVPN
from exabgp.bgp.message.update.nlri.cidr import CIDR
from exabgp.bgp.message.update.nlri.evpn.mac import MAC as EvpnMac  # noqa: N811
from exabgp.bgp.message.update.nlri.evpn.multicast import Multicast as EvpnMulticast
from exabgp.bgp.message.update.nlri.evpn.prefix import Prefix as EvpnPrefix
from exabgp.bgp.message.update.nlri.qualifier import ESI, EthernetTag, Labels
from exabgp.bgp.message.update.nlri.qualifier import MAC as MacQualifier  # noqa: N811
from exabgp.bgp.message.update.nlri.qualifier import RouteDistinguisher as ExaRd
from exabgp.protocol.family import AFI, SAFI
from exabgp.protocol.ip import IP

from sdnctl.bgp.peer import Family
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Nlri, Path, rd_of
from sdnctl.types import (
    IPV4_BYTES,
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

AFI_SAFI: Final[dict[Family, tuple[Any, Any]]] = {
    Family.IPV4_VPN: (AFI.ipv4, SAFI.mpls_vpn),
    Family.IPV6_VPN: (AFI.ipv6, SAFI.mpls_vpn),
    Family.EVPN: (AFI.l2vpn, SAFI.evpn),
    Family.ROUTE_TARGET: (AFI.ipv4, SAFI.rtc),
}
FAMILIES: Final = {afi_safi: family for family, afi_safi in AFI_SAFI.items()}

WITHDRAW_LABEL: Final = 0x800000
"""The compatibility field of a withdrawal (RFC 8277 section 2.4); ExaBGP itself leaves it out."""

PLAIN_MPLS: Final = 10
"""Tunnel type "MPLS" (RFC 9012 section 11): a label without a tunnel around it."""

MPLS_IN_GRE: Final = 11
"""Tunnel type "MPLS in GRE", which some send where others send "GRE"; the packets are alike."""

_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_NO_ESI: Final = ESI()
_TAG_0: Final = EthernetTag(0)


class Attachment(NamedTuple):
    """What decides how attributes read and are written: the two ends of a session."""

    local_asn: int
    asn: int
    local_router_id: Ip
    router_id: Ip

    @property
    def ebgp(self) -> bool:
        """The peer is in another AS."""
        return self.local_asn != self.asn


# ---- encoding -----------------------------------------------------------------------------------


def attribute_key(nlri: Nlri, path: Path) -> Path:
    """Paths with the same key have the same attributes: what the NLRI carries is left out."""
    if isinstance(nlri, InclusiveMulticastRoute):
        return path
    return msgspec.structs.replace(path, next_hop=Ip(), label=Label(0), vni=Vni(bool(path.vni)))


def encode_attributes(family: Family, nlri: Nlri, path: Path, session: Attachment) -> Attributes:
    """All path attributes but MP_REACH_NLRI, which comes of ``encode_nlri``."""
    attributes = Attributes()
    attributes.add(Origin(path.origin))
    if path.as_path:
        own = [session.local_asn] if session.ebgp else []
        attributes.add(ASPath([SEQUENCE([ASN(n) for n in (*own, *path.as_path)])]))
    if path.med:
        attributes.add(MED(path.med))
    attributes.add(LocalPreference(path.local_preference))
    communities = [bytes(target) for target in path.route_targets]
    communities += [_encapsulation(e) for e in _encapsulations(family, path)]
    if path.router_mac is not None and family is Family.EVPN:
        communities.append(b"\x06\x03" + path.router_mac)  # RFC 9135 section 8.1
    if isinstance(nlri, MacIpRoute) and (path.sequence or path.sticky):
        communities.append(  # RFC 7432 section 7.7
            b"\x06\x00" + bytes((path.sticky, 0)) + path.sequence.to_bytes(4, "big")
        )
    if communities:
        attributes.add(ExtendedCommunities([ExtendedCommunity(c) for c in sorted(communities)]))
    if isinstance(nlri, InclusiveMulticastRoute):
        # RFC 7432 section 11.2: ingress replication, with the label that the copy shall carry.
        label = path.vni if _vxlan(path) else path.label << 4
        end = bytes(path.next_hop)
        attributes.add(PMSIIngressReplication(str(path.next_hop), raw_label=label, tunnel=end))
    return attributes


def encode_nlri(family: Family, nlri: Nlri, path: Path | None) -> Any:
    """ExaBGP's NLRI: an announcement, or a withdrawal if ``path`` is None."""
    rd = ExaRd(rd_of(nlri))
    if isinstance(nlri, IpPrefixRoute) and family is not Family.EVPN:
        vpn = IPVPN(*AFI_SAFI[family])
        vpn.cidr = CIDR(bytes(nlri.prefix.ip), nlri.prefix.length)
        vpn.rd = rd
        vpn.labels = Labels([path.label]) if path else Labels([], raw_labels=[WITHDRAW_LABEL])
        return _directed(vpn, family, path)
    label = _evpn_label(path)
    match nlri:
        case IpPrefixRoute(_, (ip, length)):
            gateway = _exa_ip(bytes(len(ip)))
            prefix = EvpnPrefix(rd, _NO_ESI, _TAG_0, label, _exa_ip(ip), length, gateway)
            return _directed(prefix, family, path)
        case MacIpRoute(_, mac, address):
            qualifier = MacQualifier(packed=bytes(mac))
            ip_or_none = _exa_ip(address) if address else None
            mac_ip = EvpnMac(rd, _NO_ESI, _TAG_0, qualifier, 48, label, ip_or_none)
            return _directed(mac_ip, family, path)
        case InclusiveMulticastRoute(_, originator):
            return _directed(EvpnMulticast(rd, _TAG_0, _exa_ip(originator)), family, path)


def _directed(nlri: Any, family: Family, path: Path | None) -> Any:
    if path is None:
        nlri.action = Action.WITHDRAW
        return nlri
    nlri.action = Action.ANNOUNCE
    next_hop: bytes = path.next_hop
    if family is Family.IPV6_VPN and len(next_hop) == IPV4_BYTES:
        next_hop = _V4_MAPPED + next_hop  # RFC 4659 section 3.2.1.2
    nlri.nexthop = _exa_ip(next_hop)
    return nlri


def _exa_ip(packed: bytes) -> Any:
    return IP.unpack(bytes(packed))


def _vxlan(path: Path) -> bool:
    return bool(path.vni) and Encapsulation.VXLAN in path.encapsulations


def _evpn_label(path: Path | None) -> Any:
    """RFC 8365 section 5.1.3: all 24 bits are the VNI; for MPLS the upper 20 are the label."""
    if path is None:
        return Labels([], raw_labels=[0])
    return Labels([], raw_labels=[path.vni]) if _vxlan(path) else Labels([path.label])


def _encapsulations(family: Family, path: Path) -> tuple[Encapsulation, ...]:
    if family is Family.EVPN and _vxlan(path):
        return (Encapsulation.VXLAN,)
    return tuple(e for e in path.encapsulations if e is not Encapsulation.VXLAN)


def _encapsulation(tunnel_type: int) -> bytes:
    return b"\x03\x0c" + tunnel_type.to_bytes(6, "big")


# ---- decoding -----------------------------------------------------------------------------------


class Decoded(NamedTuple):
    """A route from a peer; a path of None withdraws it, or says that it is not feasible."""

    family: Family
    nlri: Nlri
    path: Path | None


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
        if nlri.action == Action.WITHDRAW:
            return Decoded(family, route, None)
        next_hop = _next_hop(nlri)
        if next_hop is None:
            return None
        if attributes is not self._attributes:
            self._attributes, self._base = attributes, _base_path(attributes, self._session)
        if self._base is None or not any(next_hop):
            return Decoded(family, route, None)
        path = _with_label(self._base, family, nlri, attributes)
        return Decoded(family, route, path and msgspec.structs.replace(path, next_hop=next_hop))


def _decode_nlri(nlri: Any) -> Nlri | None:
    if isinstance(nlri, IPVPN):
        rd = RouteDistinguisher(nlri.rd.pack())
        return IpPrefixRoute(rd, Prefix.covering(Ip(nlri.cidr.ton()), nlri.cidr.mask))
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
        if packed.startswith(_V4_MAPPED):
            return Ip(packed[len(_V4_MAPPED) :])
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
    originator = attributes.get(code.ORIGINATOR_ID)
    router_id = Ip(originator.ton()) if originator is not None else session.router_id
    if router_id == session.local_router_id:
        return None  # RFC 4456 section 8: our own, come back from a route reflector
    local_preference = attributes.get(code.LOCAL_PREF)
    if session.ebgp:
        local_preference = None  # RFC 4271 section 5.1.5
    med = attributes.get(code.MED)
    communities = [c.pack() for c in attributes.get(code.EXTENDED_COMMUNITY, ())]
    tunnels = {int.from_bytes(c[6:], "big") for c in communities if c[:2] == b"\x03\x0c"}
    if MPLS_IN_GRE in tunnels:
        tunnels.add(Encapsulation.MPLS_GRE)
    encapsulations = tuple(e for e in Encapsulation if e in tunnels)
    if tunnels and not encapsulations and PLAIN_MPLS not in tunnels:
        return None  # only tunnels that nobody here can build
    router_mac = next((Mac(c[2:]) for c in communities if c[:2] == b"\x06\x03"), None)
    mobility = next((c for c in communities if c[:2] == b"\x06\x00"), bytes(8))
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
    if family is not Family.EVPN:
        labels = nlri.labels.labels
        return msgspec.structs.replace(base, label=Label(labels[0])) if labels else None
    if isinstance(nlri, EvpnMulticast):
        pmsi = attributes.get(Attribute.CODE.PMSI_TUNNEL)
        if pmsi is None or pmsi.TUNNEL_TYPE != PMSIIngressReplication.TUNNEL_TYPE:
            return None  # no other way to replicate (RFC 7432 section 11.2)
        raw = pmsi.raw_label or pmsi.label << 4
    else:
        raw = nlri.label.raw_labels[0] if nlri.label.raw_labels else 0
    if Encapsulation.VXLAN in base.encapsulations:
        return msgspec.structs.replace(base, vni=Vni(raw))
    return msgspec.structs.replace(base, label=Label(raw >> 4))
