"""Hypothesis strategies: transactions over a world so small that everything collides."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from sdnctl.graph.engine import Relation
from sdnctl.graph.relations import (
    BGP_PEER,
    GATEWAY,
    HYPERVISOR,
    LEARNED,
    NETWORK,
    PORT,
    ROUTER,
    SUBNET,
    UNDERLAY,
)
from sdnctl.intent import (
    BgpPeer,
    FixedIp,
    Gateway,
    Hypervisor,
    Network,
    Port,
    Router,
    Subnet,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    Path,
    RouteKey,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni

Write = tuple[Relation[Any, Any], Any, Any]

HOSTS = ["h0", "h1", "h2"]
NETWORKS = ["n0", "n1", "n2"]
ROUTERS = ["r0", "r1"]
SUBNETS = ["s0", "s1", "s2", "s3"]
PORTS = [f"p{n}" for n in range(7)]
PROJECTS = ["red", "blue"]
VTEPS = [Ip.parse(f"192.0.2.{n}") for n in range(1, 4)]
IPV6_VTEP = Ip.parse("2001:db8:ffff::1")
OUTSIDE = [Ip.parse("198.51.100.1"), Ip.parse("198.51.100.2"), VTEPS[0]]
PREFIXES = [Prefix.parse(p) for p in ("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64")]
IPS = [Ip.parse(a) for a in ("10.0.0.1", "10.0.0.2", "10.0.1.2", "2001:db8::1", "2001:db8::2")]
MACS = [Mac.parse(f"fa:16:3e:00:00:0{n}") for n in range(3)]
TARGETS = [RouteTarget.parse(t) for t in ("64512:1", "64512:8000001", "64512:8000012")]
RDS = [RouteDistinguisher.parse(t) for t in ("64512:1", "64512:2")]

encapsulations = st.permutations(list(Encapsulation)).flatmap(
    lambda e: st.integers(0, 3).map(lambda n: tuple(e[:n]))
)
some_targets = st.lists(st.sampled_from(TARGETS), max_size=2, unique=True).map(tuple)
mostly = st.sampled_from([True, True, True, False])


def _row(relation: Relation[Any, Any], key: Any, row: st.SearchStrategy[Any]) -> Any:
    return st.tuples(st.just(relation), st.just(key), st.one_of(row, row, row, st.none()))


@functools.cache
def hypervisors(key: str) -> st.SearchStrategy[Any]:
    """Mostly each with a VTEP of its own; at times one moves, or two have the same."""
    vtep = VTEPS[HOSTS.index(key)]
    return st.builds(
        Hypervisor,
        id=st.just(key),
        vtep=st.sampled_from([vtep, vtep, vtep, *VTEPS, IPV6_VTEP]),
        encapsulations=encapsulations,
    )


@functools.cache
def networks(key: str) -> st.SearchStrategy[Any]:
    n = NETWORKS.index(key) + 1
    return st.builds(
        Network,
        id=st.just(key),
        project_id=st.sampled_from(PROJECTS),
        vni=st.just(Vni(5000 + n)),
        label=st.just(Label(100 + n)),
        number=st.just(n),
        mtu=st.sampled_from([1400, 1450]),
        admin_state_up=mostly,
        encapsulation=st.sampled_from([None, None, Encapsulation.VXLAN, Encapsulation.MPLS_GRE]),
        import_targets=some_targets,
        export_targets=some_targets,
    )


@functools.cache
def routers(key: str) -> st.SearchStrategy[Any]:
    n = ROUTERS.index(key) + 11
    return st.builds(
        Router,
        id=st.just(key),
        project_id=st.sampled_from(PROJECTS),
        vni=st.just(Vni(9000 + n)),
        label=st.just(Label(900 + n)),
        number=st.just(n),
        admin_state_up=mostly,
        import_targets=some_targets,
        export_targets=some_targets,
    )


@functools.cache
def subnets(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        Subnet,
        id=st.just(key),
        network_id=st.sampled_from(NETWORKS),
        prefix=st.sampled_from(PREFIXES),
    )


@functools.cache
def ports(key: str) -> st.SearchStrategy[Any]:
    common: dict[str, Any] = {
        "id": st.just(key),
        "network_id": st.sampled_from(NETWORKS),
        "mac": st.sampled_from(MACS),
        "fixed_ips": st.lists(
            st.builds(FixedIp, st.sampled_from(SUBNETS), st.sampled_from(IPS)), max_size=3
        ).map(tuple),
        "admin_state_up": mostly,
        "port_security_enabled": st.booleans(),
    }
    guest = st.builds(Port, host=st.sampled_from(["", "ghost", *HOSTS, *HOSTS]), **common)
    interface = st.builds(
        Port,
        device_owner=st.just("network:router_interface"),
        device_id=st.sampled_from(["r9", *ROUTERS, *ROUTERS]),
        **common,
    )
    return st.one_of(guest, guest, interface)


nlris = st.one_of(
    st.builds(IpPrefixRoute, st.sampled_from(RDS), st.sampled_from(PREFIXES)),
    st.builds(IpPrefixRoute, st.sampled_from(RDS), st.sampled_from(IPS).map(Prefix.host)),
    st.builds(
        MacIpRoute, st.sampled_from(RDS), st.sampled_from(MACS), st.sampled_from([None, *IPS])
    ),
    st.builds(InclusiveMulticastRoute, st.sampled_from(RDS), st.sampled_from(OUTSIDE)),
)
route_keys = st.builds(RouteKey, st.sampled_from(["gw1", "gw2"]), nlris)
paths = st.builds(
    Path,
    next_hop=st.sampled_from(OUTSIDE),
    route_targets=some_targets,
    encapsulations=encapsulations,
    label=st.sampled_from([Label(0), Label(77)]),
    vni=st.sampled_from([Vni(0), Vni(78)]),
    local_preference=st.sampled_from([100, 100, 200]),
    as_path=st.sampled_from([(), (65001,), (65002,), (65001, 65002), (64512,)]),
    origin=st.sampled_from([0, 0, 2]),
    med=st.sampled_from([0, 0, 10]),
    peer=st.just(True),
    ebgp=st.booleans(),
    sequence=st.sampled_from([0, 0, 1]),
    sticky=st.sampled_from([False, False, True]),
)


@functools.cache
def peers(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BgpPeer,
        id=st.just(key),
        address=st.just(OUTSIDE[0]),
        asn=st.sampled_from([65001, 65002]),
        families=st.sampled_from([("ipv4-vpn",), ("ipv4-vpn", "ipv6-vpn"), ("l2vpn-evpn",), ()]),
        password=st.sampled_from(["", "secret"]),
        admin_state_up=mostly,
    )


gateways = st.builds(
    Gateway,
    id=st.just("gw"),
    address=st.sampled_from(OUTSIDE),
    encapsulations=encapsulations,
)
distances = st.dictionaries(st.sampled_from(VTEPS + OUTSIDE), st.integers(1, 3), max_size=4)

writes: st.SearchStrategy[Write] = st.one_of(
    st.sampled_from(HOSTS).flatmap(lambda k: _row(HYPERVISOR, k, hypervisors(k))),
    st.sampled_from(NETWORKS).flatmap(lambda k: _row(NETWORK, k, networks(k))),
    st.sampled_from(ROUTERS).flatmap(lambda k: _row(ROUTER, k, routers(k))),
    st.sampled_from(SUBNETS).flatmap(lambda k: _row(SUBNET, k, subnets(k))),
    st.sampled_from(PORTS).flatmap(lambda k: _row(PORT, k, ports(k))),
    st.sampled_from(PORTS).flatmap(lambda k: _row(PORT, k, ports(k))),
    route_keys.flatmap(lambda k: _row(LEARNED, k, paths)),
    st.sampled_from(["gw1", "gw2"]).flatmap(lambda k: _row(BGP_PEER, k, peers(k))),
    _row(GATEWAY, "gw", gateways),
    st.sampled_from(HOSTS).flatmap(lambda k: _row(UNDERLAY, k, distances)),
)

transactions = st.lists(st.lists(writes, min_size=1, max_size=6), min_size=1, max_size=25)


@st.composite
def populated(draw: st.DrawFn) -> list[list[Write]]:
    """A world that is mostly there, then transactions over it."""
    first: list[Write] = []
    first += [(HYPERVISOR, k, draw(hypervisors(k))) for k in HOSTS]
    first += [(NETWORK, k, draw(networks(k))) for k in NETWORKS]
    first += [(ROUTER, k, draw(routers(k))) for k in ROUTERS]
    first += [(SUBNET, k, draw(subnets(k))) for k in SUBNETS]
    first += [(PORT, k, draw(ports(k))) for k in PORTS]
    return [first, *draw(transactions)]
