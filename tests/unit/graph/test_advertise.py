"""In which families a route is said, and what a peer that comes or goes costs."""

from __future__ import annotations

import pytest

from sdnctl.graph.advertise import families_of, is_carried
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import BGP_PEER
from sdnctl.graph.relations.routes import ADVERTISED
from sdnctl.intent import BgpPeer
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Nlri
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher
from tests.bench.worlds import cloud

RD = RouteDistinguisher.parse("192.0.2.1:1")
MPLS, VXLAN = Encapsulation.MPLS_GRE, Encapsulation.VXLAN


@pytest.mark.parametrize(
    ("nlri", "families"),
    [
        (IpPrefixRoute(RD, Prefix.parse("10.0.0.0/8")), ("ipv4-vpn", "l2vpn-evpn")),
        (IpPrefixRoute(RD, Prefix.parse("2001:db8::/32")), ("ipv6-vpn", "l2vpn-evpn")),
        (MacIpRoute(RD, Mac(bytes(6)), None), ("l2vpn-evpn",)),
        (InclusiveMulticastRoute(RD, Ip.parse("192.0.2.1")), ("l2vpn-evpn",)),
    ],
)
def test_families_of(nlri: Nlri, families: tuple[str, ...]) -> None:
    assert families_of(nlri) == families


def test_tunnels_decide() -> None:
    assert is_carried("l2vpn-evpn", (MPLS, VXLAN))
    assert not is_carried("l2vpn-evpn", (MPLS,))
    assert is_carried("ipv6-vpn", (VXLAN, MPLS))
    assert not is_carried("ipv4-vpn", (VXLAN,))
    assert not is_carried("ipv4-vpn", ())


def test_a_second_peer_of_another_family_concerns_its_own_routes_only() -> None:
    engine = make_engine(64512)
    engine.commit(cloud(40, 4))
    assert not engine.rows(ADVERTISED)

    def peer(name: str, *families: str) -> int:
        row = BgpPeer(id=name, address=Ip.parse("198.51.100.1"), asn=65001, families=families)
        return len(engine.commit([(BGP_PEER, name, row)]).get(ADVERTISED.name, ()))

    assert peer("l3", "ipv4-vpn") == 40
    assert peer("six", "ipv6-vpn") == 0
    # Prefixes, MAC/IP routes, members, and the router at each of them.
    assert peer("evpn", "l2vpn-evpn") == 40 + 40 + 8 + 8
    assert peer("evpn", "ipv6-vpn") == 40 + 40 + 8 + 8
    log = engine.commit([(BGP_PEER, name, None) for name in ("l3", "six", "evpn")])
    assert len(log[ADVERTISED.name]) == 40
    assert not engine.rows(ADVERTISED)
