"""Routes of the house to ExaBGP's NLRIs and attributes.

Promise: one family, one NLRI; the encapsulation extended community (RFC 9012 section 4.1) names
what the label in that NLRI is for: MPLS tunnels in VPNv4 and VPNv6, VXLAN in EVPN where the path
has a VNI, MPLS tunnels in EVPN else. ``decoder`` is the way back. Knows nothing of peers,
sessions or tables.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from exabgp.bgp.message import Action
from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.update.attribute import (
    MED,
    Attributes,
    LocalPreference,
    Origin,
)
from exabgp.bgp.message.update.attribute.aspath import SEQUENCE, ASPath
from exabgp.bgp.message.update.attribute.community import Communities, Community
from exabgp.bgp.message.update.attribute.community.extended import (
    ExtendedCommunities,
    ExtendedCommunity,
)
from exabgp.bgp.message.update.attribute.pmsi import PMSIIngressReplication
from exabgp.bgp.message.update.nlri.evpn.mac import MAC as EvpnMac  # noqa: N811
from exabgp.bgp.message.update.nlri.evpn.multicast import Multicast as EvpnMulticast
from exabgp.bgp.message.update.nlri.evpn.prefix import Prefix as EvpnPrefix
from exabgp.bgp.message.update.nlri.qualifier import ESI, EthernetTag, Labels, PathInfo
from exabgp.bgp.message.update.nlri.qualifier import MAC as MacQualifier  # noqa: N811
from exabgp.bgp.message.update.nlri.qualifier import RouteDistinguisher as ExaRd
from exabgp.protocol.family import AFI, SAFI
from exabgp.protocol.ip import IP

from sdnctl.bgp.membership import ASN_BITS, TARGET_BYTES, Membership
from sdnctl.bgp.peer import Family
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    rd_of,
)
from sdnctl.types import Encapsulation, Ip, Label, Vni

AFI_SAFI: Final[dict[Family, tuple[Any, Any]]] = {
    Family.IPV4_VPN: (AFI.ipv4, SAFI.mpls_vpn),
    Family.IPV6_VPN: (AFI.ipv6, SAFI.mpls_vpn),
    Family.EVPN: (AFI.l2vpn, SAFI.evpn),
    Family.ROUTE_TARGET: (AFI.ipv4, SAFI.rtc),
}
FAMILIES: Final = {afi_safi: family for family, afi_safi in AFI_SAFI.items()}

WITHDRAW_LABEL: Final = 0x800000
"""The compatibility field of a withdrawal (RFC 8277 section 2.4); ExaBGP itself leaves it out."""

V4_MAPPED: Final = bytes(10) + b"\xff\xff"
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


def attribute_key(nlri: Nlri, path: Path) -> Path:
    """Paths with the same key have the same attributes: what the NLRI carries is left out."""
    if isinstance(nlri, InclusiveMulticastRoute):
        return path
    return msgspec.structs.replace(
        path, next_hop=Ip(), label=Label(0), vni=Vni(bool(path.vni)), l3_vni=Vni(0)
    )


def extended_communities(family: Family, nlri: Nlri, path: Path) -> list[bytes]:
    """Those of a route, sorted."""
    communities = [bytes(target) for target in path.route_targets]
    if family is not Family.ROUTE_TARGET:
        communities += [_encapsulation(e) for e in _encapsulations(family, path)]
    if path.router_mac is not None and family is Family.EVPN:
        communities.append(b"\x06\x03" + path.router_mac)  # RFC 9135 section 8.1
    if isinstance(nlri, MacIpRoute) and path.default_gateway:
        communities.append(b"\x03\x0d" + bytes(6))  # RFC 7432 section 7.8
    if isinstance(nlri, MacIpRoute) and (path.sequence or path.sticky):
        communities.append(  # RFC 7432 section 7.7
            b"\x06\x00" + bytes((path.sticky, 0)) + path.sequence.to_bytes(4, "big")
        )
    return sorted(communities)


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
    communities = extended_communities(family, nlri, path)
    if communities:
        attributes.add(ExtendedCommunities([ExtendedCommunity(c) for c in communities]))
    if path.communities:
        attributes.add(Communities([Community(c.to_bytes(4, "big")) for c in path.communities]))
    if isinstance(nlri, InclusiveMulticastRoute):
        # RFC 7432 section 11.2: ingress replication, with the label that the copy shall carry.
        label = path.vni if _vxlan(path) else path.label << 4
        end = bytes(path.next_hop)
        attributes.add(PMSIIngressReplication(str(path.next_hop), raw_label=label, tunnel=end))
    return attributes


def encode_nlri(nlri: Nlri, path: Path | None, path_id: int = 0) -> Any:
    """ExaBGP's NLRI of an EVPN route or a membership: a withdrawal if ``path`` is None.

    The path id is for sessions with ADD-PATH; ExaBGP leaves it out where it was not negotiated.
    """
    encoded = _encode_nlri(nlri, path)
    if path_id:
        encoded.path_info = PathInfo(path_id.to_bytes(PathInfo.LENGTH, "big"))
    return encoded


def _encode_nlri(nlri: Nlri, path: Path | None) -> Any:
    if isinstance(nlri, MembershipRoute):
        return _directed(_membership(nlri), path)
    rd = ExaRd(rd_of(nlri))
    label = _evpn_label(path)
    match nlri:
        case IpPrefixRoute(_, (ip, length)):
            gateway = _exa_ip(bytes(len(ip)))
            prefix = EvpnPrefix(rd, _NO_ESI, _TAG_0, label, _exa_ip(ip), length, gateway)
            return _directed(prefix, path)
        case MacIpRoute(_, mac, address):
            qualifier = MacQualifier(packed=bytes(mac))
            ip_or_none = _exa_ip(address) if address else None
            if path and path.l3_vni and address and _vxlan(path):
                label = Labels([], raw_labels=[path.vni, path.l3_vni])  # RFC 9135 section 5.1
            mac_ip = EvpnMac(rd, _NO_ESI, _TAG_0, qualifier, 48, label, ip_or_none)
            return _directed(mac_ip, path)
        case InclusiveMulticastRoute(_, originator):
            return _directed(EvpnMulticast(rd, _TAG_0, _exa_ip(originator)), path)


def _membership(nlri: MembershipRoute) -> Membership:
    if nlri.target is None:
        return Membership(bytes(ASN_BITS // 8 + TARGET_BYTES), 0)
    return Membership(nlri.asn.to_bytes(4, "big") + nlri.target, ASN_BITS + nlri.length)


def _directed(nlri: Any, path: Path | None) -> Any:
    if path is None:
        nlri.action = Action.WITHDRAW
        return nlri
    nlri.action = Action.ANNOUNCE
    nlri.nexthop = _exa_ip(path.next_hop)
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
