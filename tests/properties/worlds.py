"""Hypothesis strategies: transactions over a world so small that everything collides."""

from __future__ import annotations

import itertools
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
    ExtraDhcpOption,
    FixedIp,
    Gateway,
    HostRoute,
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
GUESTS = [f"p{n}" for n in range(7)]
INTERFACES = ["i0", "i1", "i2"]
PROJECTS = ["red", "blue"]
VTEPS = [Ip.parse(f"192.0.2.{n}") for n in range(1, 4)]
IPV6_VTEP = Ip.parse("2001:db8:ffff::1")
OUTSIDE = [Ip.parse("198.51.100.1"), Ip.parse("198.51.100.2"), VTEPS[0]]
PREFIXES = [Prefix.parse(p) for p in ("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64")]
IPS = [Ip.parse(a) for a in ("10.0.0.1", "10.0.0.2", "10.0.1.2", "2001:db8::1", "2001:db8::2")]
MACS = [Mac.parse(f"fa:16:3e:00:00:0{n}") for n in range(3)]
TARGETS = [RouteTarget.parse(f"64512:{n}") for n in (1, 8_000_001, 8_000_011, 8_000_012)]
"""One of an operator's, and the automatic ones of n0, r0 and r1."""

RDS = [RouteDistinguisher.parse(t) for t in ("64512:1", "64512:2")]

encapsulations = st.sampled_from(
    [p for n in range(4) for p in itertools.permutations(Encapsulation, n)]
)
some_targets = st.sampled_from(
    [t for n in (0, 0, 1, 2) for t in itertools.permutations(TARGETS, n)]
)
mostly = st.sampled_from([True] * 6 + [False])


def _row(relation: Relation[Any, Any], key: Any, row: st.SearchStrategy[Any]) -> Any:
    return st.tuples(st.just(relation), st.just(key), st.one_of(*[row] * 7, st.none()))


def hypervisors(key: str) -> st.SearchStrategy[Any]:
    """Mostly each with a VTEP of its own; at times one moves, or two have the same."""
    vtep = VTEPS[HOSTS.index(key)]
    return st.builds(
        Hypervisor,
        id=st.just(key),
        vtep=st.sampled_from([vtep, vtep, vtep, *VTEPS, IPV6_VTEP]),
        encapsulations=encapsulations,
        mtu=st.sampled_from([1450, 1500]),
    )


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
        dns_domain=st.sampled_from(["", "", "red.example."]),
    )


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


WHERE = {"s0": ("n0", PREFIXES[0]), "s1": ("n1", PREFIXES[1]), "s2": ("n0", PREFIXES[2])}
"""Where a subnet mostly is; s3 is anywhere."""

MATCHING = [
    FixedIp(subnet, ip)
    for subnet, (_network, prefix) in WHERE.items()
    for ip in IPS
    if ip in prefix
]
anything = st.builds(FixedIp, st.sampled_from(SUBNETS), st.sampled_from(IPS))
IN_PLACE = {
    network: st.lists(
        st.one_of(
            *[st.sampled_from([f for f in MATCHING if WHERE[f.subnet_id][0] == network])] * 4,
            anything,
        )
        if network != "n2"
        else anything,
        min_size=1,
        max_size=3,
    ).map(tuple)
    for network in NETWORKS
}
anywhere = st.lists(anything, max_size=3).map(tuple)


MODES = st.sampled_from([None, "slaac", "dhcpv6-stateless", "dhcpv6-stateful"])
OPTIONS = [
    ExtraDhcpOption("mtu", "1400", 4),
    ExtraDhcpOption("bootfile-url", "http://[2001:db8::9]/", 6),
]


def subnets(key: str) -> st.SearchStrategy[Any]:
    network, prefix = WHERE.get(key, ("n2", PREFIXES[0]))
    return st.builds(
        Subnet,
        id=st.just(key),
        network_id=st.sampled_from([network] * 20 + NETWORKS),
        prefix=st.sampled_from([prefix] * 20 + PREFIXES),
        gateway_ip=st.sampled_from([None, *IPS]),
        enable_dhcp=mostly,
        dns_nameservers=st.sampled_from([(), (IPS[0],)]),
        host_routes=st.sampled_from([(), (HostRoute(PREFIXES[1], IPS[1]),)]),
        ipv6_ra_mode=MODES,
        ipv6_address_mode=MODES,
    )


def _ports(key: str, network: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        Port,
        id=st.just(key),
        network_id=st.just(network),
        mac=st.sampled_from(MACS),
        fixed_ips=st.one_of(IN_PLACE[network], IN_PLACE[network], IN_PLACE[network], anywhere),
        admin_state_up=mostly,
        port_security_enabled=st.booleans(),
        extra_dhcp_options=st.sampled_from([(), (), (OPTIONS[0],), tuple(OPTIONS)]),
        dns_name=st.sampled_from(["", "", "web"]),
        project_id=st.sampled_from(PROJECTS),
        **more,
    )


def guests(key: str) -> st.SearchStrategy[Any]:
    hosts = st.sampled_from(["", "ghost", *HOSTS * 4])
    usual = NETWORKS[GUESTS.index(key) % 2]
    return st.one_of(*(_ports(key, n, host=hosts) for n in [usual, usual, *NETWORKS]))


def interfaces(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:router_interface")}
    router = st.sampled_from(["r0", "r0", "r0", "r1", "r9"])
    usual = NETWORKS[INTERFACES.index(key) % 2]  # two of them share a network
    return st.one_of(*(_ports(key, n, device_id=router, **owner) for n in [usual] * 9 + NETWORKS))


nlris = st.one_of(
    *[st.builds(IpPrefixRoute, st.sampled_from(RDS), st.just(PREFIXES[0]))] * 3,
    st.builds(IpPrefixRoute, st.sampled_from(RDS), st.sampled_from(IPS[:2]).map(Prefix.host)),
    st.builds(
        MacIpRoute, st.sampled_from(RDS), st.sampled_from(MACS), st.sampled_from([None, *IPS])
    ),
    st.builds(InclusiveMulticastRoute, st.sampled_from(RDS), st.sampled_from(OUTSIDE)),
)
route_keys = st.builds(RouteKey, st.sampled_from(["gw1", "gw2"]), nlris)
many_targets = st.sampled_from([t for n in (1, 2, 3) for t in itertools.permutations(TARGETS, n)])
paths = st.builds(
    Path,
    next_hop=st.sampled_from(OUTSIDE[:2] * 3 + OUTSIDE),
    route_targets=many_targets,
    encapsulations=encapsulations,
    label=st.sampled_from([Label(0), Label(77)]),
    vni=st.sampled_from([Vni(0), Vni(78)]),
    local_preference=st.sampled_from([100, 100, 200]),
    as_path=st.sampled_from([(65001,), (65001,), (65002,), (), (65001, 65002), (64512,)]),
    origin=st.sampled_from([0, 0, 2]),
    med=st.sampled_from([0, 0, 10]),
    peer=st.just(True),
    ebgp=st.booleans(),
    sequence=st.sampled_from([0, 0, 1]),
    sticky=st.sampled_from([False, False, True]),
)


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

# Every strategy is made once: one made anew at each draw is validated anew each time.
BY_KEY: dict[Relation[Any, Any], dict[str, st.SearchStrategy[Any]]] = {
    HYPERVISOR: {key: hypervisors(key) for key in HOSTS},
    NETWORK: {key: networks(key) for key in NETWORKS},
    ROUTER: {key: routers(key) for key in ROUTERS},
    SUBNET: {key: subnets(key) for key in SUBNETS},
    PORT: {key: guests(key) for key in GUESTS} | {key: interfaces(key) for key in INTERFACES},
    BGP_PEER: {key: peers(key) for key in ("gw1", "gw2")},
    GATEWAY: {"gw": gateways},
    UNDERLAY: dict.fromkeys(HOSTS, distances),
}
learned = st.tuples(st.just(LEARNED), route_keys, st.one_of(*[paths] * 7, st.none()))
writes: st.SearchStrategy[Write] = st.one_of(
    *(
        _row(relation, key, rows)
        for relation, by_key in BY_KEY.items()
        for key, rows in by_key.items()
    ),
    *[learned] * 6,
)

transactions = st.lists(st.lists(writes, min_size=1, max_size=6), max_size=12)


@st.composite
def populated(draw: st.DrawFn) -> list[list[Write]]:
    """A world that is mostly there, then transactions over it."""
    first: list[Write] = [
        (relation, key, draw(BY_KEY[relation][key]))
        for relation in (HYPERVISOR, NETWORK, ROUTER, SUBNET, PORT)
        for key in BY_KEY[relation]
    ]
    first += draw(st.lists(learned, max_size=8))
    return [first, *draw(transactions)]
