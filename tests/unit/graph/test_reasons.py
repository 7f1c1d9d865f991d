"""Reasons, each against rows that bring it about."""

from __future__ import annotations

from typing import Any

import msgspec

from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.reasons import Use, why_advertised, why_used
from sdnctl.graph.relations.inputs import BGP_PEER, HYPERVISOR, LEARNED, ROUTER
from sdnctl.graph.relations.routes import ORIGINATED
from sdnctl.intent import BgpPeer
from sdnctl.routes import IpPrefixRoute, MacIpRoute, MembershipRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.bench.worlds import cloud

RD = RouteDistinguisher.parse("65001:1")
TARGET = RouteTarget.parse("65001:9")
ANYWHERE = IpPrefixRoute(RD, Prefix.parse("0.0.0.0/0"))
VRF = "vrf/1000000"


def house() -> Engine:
    """Forty ports of one router that imports TARGET, on four hypervisors."""
    engine = make_engine(64512)
    engine.commit(cloud(40, 4))
    router = engine.rows(ROUTER)["r0"]
    engine.commit([(ROUTER, "r0", msgspec.structs.replace(router, import_targets=(TARGET,)))])
    return engine


def learn(engine: Engine, peer: str, nlri: Any = ANYWHERE, **said: Any) -> RouteKey:
    fields: dict[str, Any] = {
        "next_hop": Ip.parse("198.51.100.1"),
        "route_targets": (TARGET,),
        "encapsulations": (),
        "label": Label(77),
        "as_path": (65001,),
        "ebgp": True,
    }
    key = RouteKey(peer, nlri)
    engine.commit([(LEARNED, key, Path(peer=True, **fields | said))])
    return key


def test_why_a_learned_route_is_used_or_not() -> None:
    engine = house()
    assert why_used(engine, RouteKey("gw1", ANYWHERE)) == [Use("", False, "no such route")]
    gw1 = learn(engine, "gw1")
    assert why_used(engine, gw1) == [Use(VRF, True, "the only path")]
    gw2 = learn(engine, "gw2", next_hop=Ip.parse("198.51.100.2"))
    assert why_used(engine, gw1) == [Use(VRF, True, "one of 2 equal paths")]
    gw3 = learn(engine, "gw3")
    [use] = why_used(engine, gw3)
    assert use == Use(
        VRF,
        False,
        "the same next hop is used by gw1's path via 198.51.100.1, or its tunnel with this one's",
    )

    steps: list[tuple[dict[str, Any], str]] = [
        ({"stale": True}, "stale (RFC 9494 section 4.3)"),
        ({"local_preference": 50}, "local preference (RFC 4271 section 9.1.1)"),
        ({"as_path": (65001, 65001)}, "AS path length (RFC 4271 section 9.1.2.2 a)"),
        ({"origin": 2}, "origin (RFC 4271 section 9.1.2.2 b)"),
        ({"med": 5}, "MED (RFC 4271 section 9.1.2.2 c)"),
        ({"ebgp": False}, "local, then eBGP, then iBGP (RFC 4271 section 9.1.2.2 d)"),
    ]
    for said, step in steps:
        learn(engine, "gw2", next_hop=Ip.parse("198.51.100.2"), **said)
        [use] = why_used(engine, gw2)
        assert use == Use(VRF, False, f"lost to gw1's path via 198.51.100.1 at: {step}")
    assert why_used(engine, gw1) == [Use(VRF, True, "the best path")]


def test_why_a_learned_route_is_refused() -> None:
    engine = house()
    reason = {}
    routes: dict[str, dict[str, Any]] = {
        "loop": {"as_path": (65001, 64512)},
        "own": {"next_hop": Ip.parse("192.0.2.0")},
        "tunnel": {"encapsulations": (Encapsulation.VXLAN,)},
        "target": {"route_targets": (RouteTarget.parse("65001:1"),)},
    }
    for name, said in routes.items():
        [use] = why_used(engine, learn(engine, name, **said))
        assert not use.used
        assert use.table == ""
        reason[name] = use.reason
    assert reason["loop"].startswith("loop: ")
    assert reason["own"].startswith("own route: ")
    assert reason["tunnel"].startswith("no tunnel: ")
    assert reason["target"] == "no network or router imports its route targets (65001:1)"
    [use] = why_used(engine, learn(engine, "gw", MembershipRoute(65001, TARGET)))
    assert use.reason.startswith("a membership")


def test_why_a_mac_address_is_where_it_is() -> None:
    engine = house()
    network = RouteTarget.parse("64512:8000001")
    local = next(k for k in engine.rows(ORIGINATED) if isinstance(k.nlri, MacIpRoute))
    assert isinstance(local.nlri, MacIpRoute)
    mac = local.nlri.mac
    assert why_used(engine, local) == [Use("evi/5000", True, "the only claim")]
    vxlan = {"encapsulations": (Encapsulation.VXLAN,), "vni": Vni(7), "route_targets": (network,)}
    theirs = learn(engine, "gw", MacIpRoute(RD, mac, None), sequence=3, **vxlan)
    assert why_used(engine, local) == [Use("evi/5000", True, "the best claim")]
    step = "sequence number (RFC 7432 section 15.1)"
    [use] = why_used(engine, theirs)
    assert use.reason == f"lost to {local.source}'s path via 192.0.2.0 at: {step}"
    # Two who outbid one another do not do so for ever.
    learn(engine, "gw", MacIpRoute(RD, mac, None), sequence=6, **vxlan)
    assert why_used(engine, theirs) == [Use("evi/5000", True, "the best claim")]
    [use] = why_used(engine, local)
    assert use.reason == f"lost to gw's path via 198.51.100.1 at: {step}"


def test_why_a_route_is_advertised_or_not() -> None:
    engine = house()
    prefix = next(k for k in engine.rows(ORIGINATED) if isinstance(k.nlri, IpPrefixRoute))

    def told(key: RouteKey = prefix) -> dict[str, str]:
        found = why_advertised(engine, "gw", key)
        return {family: "yes" if yes else reason for family, yes, reason in found}

    def peer(*families: str, **more: Any) -> None:
        row = BgpPeer(
            id="gw", address=Ip.parse("198.51.100.1"), asn=65001, families=families, **more
        )
        engine.commit([(BGP_PEER, "gw", row)])

    assert set(told().values()) == {"no such peer"}
    peer("ipv4-vpn")
    assert told() == {
        "ipv4-vpn": "yes",
        "l2vpn-evpn": "the peer is not configured with the family",
    }
    peer("ipv4-vpn", "l2vpn-evpn", admin_state_up=False)
    assert set(told().values()) == {"the peer is administratively down"}
    peer("ipv4-vpn", "l2vpn-evpn")
    assert set(told().values()) == {"yes"}
    assert set(told(RouteKey("h1", ANYWHERE)).values()) == {"nothing originates the route"}
    assert "not passed on" in told(learn(engine, "gw"))["ipv4-vpn"]

    host = engine.rows(HYPERVISOR)[prefix.source]
    mpls = (Encapsulation.MPLS_GRE,)
    engine.commit([(HYPERVISOR, host.id, msgspec.structs.replace(host, encapsulations=mpls))])
    no_vxlan = f"no tunnel in common: hypervisor {host.id} accepts no VXLAN"
    assert told() == {"ipv4-vpn": "yes", "l2vpn-evpn": no_vxlan}
