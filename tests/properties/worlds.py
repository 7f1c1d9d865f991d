"""Hypothesis strategies: transactions over a world so small that everything collides."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import strategies as st

from sdnctl.graph.engine import Relation
from sdnctl.graph.relations.inputs import (
    ADDRESS_GROUP,
    BANDWIDTH_LIMIT_RULE,
    BGP_PEER,
    BGPVPN,
    BGPVPN_NETWORK,
    BGPVPN_PORT,
    BGPVPN_ROUTER,
    CLAIM,
    DSCP_MARKING_RULE,
    FLOATING_IP,
    GATEWAY,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    LEARNED,
    NETWORK,
    PORT,
    PORT_FORWARDING,
    QOS_POLICY,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
    UNDERLAY,
    Claim,
)
from sdnctl.intent import (
    MIGRATING_TO,
    ROUTER_INTERFACE_OWNER,
    AddressGroup,
    AddressPair,
    BandwidthLimitRule,
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Binding,
    DscpMarkingRule,
    ExtraDhcpOption,
    FixedIp,
    FloatingIp,
    Gateway,
    HostRoute,
    Hypervisor,
    Network,
    Port,
    PortForwarding,
    PortRoute,
    QosPolicy,
    Router,
    RouterGateway,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Subport,
    VrfNumbers,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
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
TARGETS = [
    RouteTarget.parse(f"64512:{n}") for n in (1, 2, 8_000_001, 8_000_011, 8_000_012, 8_000_021)
]
"""Two of an operator's, and the automatic ones of n0, r0, r1 and a0."""

RDS = [RouteDistinguisher.parse(t) for t in ("64512:1", "64512:2")]

FAMILIES = [
    ("ipv4-vpn",),
    ("ipv4-vpn", "ipv6-vpn"),
    ("l2vpn-evpn",),
    ("ipv4-vpn", "l2vpn-evpn"),
    ("ipv4-vpn", "l2vpn-evpn", "route-target"),
    ("ipv4-vpn", "l2vpn-evpn", "route-target"),
    (),
]

encapsulations = st.sampled_from(
    [p for n in range(4) for p in itertools.permutations(Encapsulation, n)]
)
some_targets = st.sampled_from(
    [t for n in (0, 0, 1, 2) for t in itertools.permutations(TARGETS, n)]
)
mostly = st.sampled_from([True] * 6 + [False])


some_qos = st.sampled_from([None, None, "q0", "q1", "ghost"])


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


EXTERNAL_NUMBERS = {
    key: VrfNumbers(Vni(9031 + n), Label(931 + n), 31 + n, MACS[2])
    for n, key in enumerate(NETWORKS)
}


def networks(key: str) -> st.SearchStrategy[Any]:
    """The third is mostly external, the others seldom."""
    n = NETWORKS.index(key) + 1
    outside = key == "n2"
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
        qos_policy_id=some_qos,
        external=st.sampled_from([outside] * 9 + [not outside]),
        vrf=st.sampled_from(
            [EXTERNAL_NUMBERS[key] if outside else None] * 9 + [EXTERNAL_NUMBERS[key], None]
        ),
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
        gateway=st.one_of(st.none(), ways_out, ways_out),
        distributed=st.booleans(),
        nat=st.sampled_from([n] * 9 + [0]),
        routes=st.lists(static_routes, max_size=2).map(tuple),
    )


ways_out = st.builds(
    RouterGateway,
    network_id=st.sampled_from(["n2"] * 6 + ["n0", "n9"]),
    port_id=st.sampled_from(["w0", "w0", "w1", "p9"]),
    enable_snat=mostly,
    qos_policy_id=some_qos,
)
static_routes = st.builds(
    HostRoute,
    destination=st.sampled_from([PREFIXES[1], Prefix.host(IPS[1]), PREFIXES[2]]),
    nexthop=st.sampled_from(IPS),
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
        gateway_ip=st.sampled_from([ip for ip in IPS if ip in prefix] + [None, IPS[2]]),
        enable_dhcp=mostly,
        dns_nameservers=st.sampled_from([(), (IPS[0],)]),
        host_routes=st.sampled_from([(), (HostRoute(PREFIXES[1], IPS[1]),)]),
        ipv6_ra_mode=MODES,
        ipv6_address_mode=MODES,
    )


SECURITY_GROUPS = ["g0", "g1", "g2"]
ADDRESS_GROUPS = ["a0", "a1"]
RULES = [f"u{n}" for n in range(6)]

some_groups = st.sampled_from(
    [("g0",), ("g0",), ("g0", "g1"), ("g1",), ("g2", "g1"), (), ("ghost",)]
)
some_pairs = st.sampled_from(
    [
        (),
        (),
        (AddressPair(MACS[2], Prefix.host(IPS[1])),),
        (AddressPair(MACS[0], PREFIXES[0]), AddressPair(MACS[0], PREFIXES[2])),
    ]
)


def qos_policies(key: str) -> st.SearchStrategy[Any]:
    return st.builds(QosPolicy, id=st.just(key))


of_policy = st.sampled_from(["q0", "q0", "q1", "ghost"])


def limits(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BandwidthLimitRule,
        id=st.just(key),
        qos_policy_id=of_policy,
        max_kbps=st.sampled_from([0, 1, 1000, 1000]),
        max_burst_kbps=st.sampled_from([0, 0, 7]),
        direction=st.sampled_from(["ingress", "egress"]),
    )


def marks(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        DscpMarkingRule,
        id=st.just(key),
        qos_policy_id=of_policy,
        dscp_mark=st.sampled_from([0, 46]),
    )


def security_groups(key: str) -> st.SearchStrategy[Any]:
    return st.builds(SecurityGroup, id=st.just(key), stateful=mostly)


def rules(key: str) -> st.SearchStrategy[Any]:
    """Rules of one remote or none; the group may be one that is not there."""
    remotes: list[dict[str, Any]] = [
        {},
        {"remote_ip_prefix": st.sampled_from(PREFIXES)},
        {"remote_group_id": st.sampled_from([*SECURITY_GROUPS, "ghost"])},
        {"remote_address_group_id": st.sampled_from(ADDRESS_GROUPS)},
    ]
    return st.one_of(
        *(
            st.builds(
                SecurityGroupRule,
                id=st.just(key),
                security_group_id=st.sampled_from([*SECURITY_GROUPS * 3, "ghost"]),
                direction=st.sampled_from(["ingress", "egress"]),
                ethertype=st.sampled_from(["IPv4", "IPv6"]),
                protocol=st.sampled_from([None, 6, 17]),
                port_range_min=st.sampled_from([None, 80]),
                port_range_max=st.sampled_from([None, 90]),
                **remote,
            )
            for remote in remotes
        )
    )


def address_groups(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        AddressGroup,
        id=st.just(key),
        addresses=st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple),
    )


def _ports(key: str, network: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        Port,
        id=st.just(key),
        network_id=st.just(network),
        mac=st.sampled_from(MACS),
        moves=st.sampled_from([0, 0, 0, 1, 4]),
        fixed_ips=st.one_of(IN_PLACE[network], IN_PLACE[network], IN_PLACE[network], anywhere),
        admin_state_up=mostly,
        port_security_enabled=mostly,
        security_groups=some_groups,
        allowed_address_pairs=some_pairs,
        extra_dhcp_options=st.sampled_from([(), (), (OPTIONS[0],), tuple(OPTIONS)]),
        dns_name=st.sampled_from(["", "", "web"]),
        subport=st.sampled_from([None, None, Subport("t0", "p0", 7), Subport("t1", "ghost", 8)]),
        qos_policy_id=some_qos,
        project_id=st.sampled_from(PROJECTS),
        **more,
    )


bindings = st.one_of(
    *[st.just(())] * 3,
    st.lists(
        st.builds(Binding, st.sampled_from(["ghost", *HOSTS * 3]), left=st.booleans()),
        max_size=2,
        unique_by=lambda binding: binding.host,
    ).map(tuple),
)
"""Some of hosts that are not there, or where the port is anyway."""

profiles = st.sampled_from(
    [{}] * 5 + [{MIGRATING_TO: host} for host in ("h0", "h1", "ghost", "", 7)]
)


def guests(key: str) -> st.SearchStrategy[Any]:
    hosts = st.sampled_from(["", "ghost", *HOSTS * 4])
    owner = st.sampled_from(["", "", "", "network:dhcp"])
    usual = NETWORKS[GUESTS.index(key) % 2]
    more = {"host": hosts, "bindings": bindings, "profile": profiles, "device_owner": owner}
    return st.one_of(*(_ports(key, n, **more) for n in [usual, usual, *NETWORKS]))


def interfaces(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:router_interface")}
    router = st.sampled_from(["r0", "r0", "r0", "r1", "r9"])
    usual = NETWORKS[INTERFACES.index(key) % 2]  # two of them share a network
    return st.one_of(*(_ports(key, n, device_id=router, **owner) for n in [usual] * 9 + NETWORKS))


def gateway_ports(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:router_gateway")}
    return st.one_of(*(_ports(key, n, **owner) for n in ["n2"] * 6 + NETWORKS))


def hiding_ports(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:floatingip_agent_gateway")}
    hosts = st.sampled_from(["ghost", *HOSTS * 4])
    return st.one_of(*(_ports(key, n, host=hosts, **owner) for n in ["n2"] * 6 + NETWORKS))


OUTER_IPS = [ip for ip in IPS if ip.version == 4]


def floating_ips(key: str) -> st.SearchStrategy[Any]:
    """Several for one address at times, of networks and routers that do not fit."""
    return st.builds(
        FloatingIp,
        id=st.just(key),
        network_id=st.sampled_from(["n2"] * 6 + ["n0"]),
        ip=st.sampled_from(OUTER_IPS),
        floating_port_id=st.just("p9"),
        port_id=st.sampled_from(["", "", *GUESTS[:3], "p9"]),
        fixed_ip=st.sampled_from([*OUTER_IPS, None]),
        router_id=st.sampled_from(["r0", "r0", "r0", "r1", "r9", ""]),
        qos_policy_id=some_qos,
        meter=st.sampled_from([0, 1, 2, 7]),
    )


def forwardings(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        PortForwarding,
        id=st.just(key),
        floatingip_id=st.sampled_from(["f0", "f1", "f2", "f9"]),
        protocol=st.sampled_from([6, 17]),
        external=st.sampled_from([(80, 80), (8000, 8003)]),
        port_id=st.sampled_from(GUESTS[:2]),
        fixed_ip=st.sampled_from(OUTER_IPS),
        internal=st.sampled_from([(80, 80), (9000, 9003)]),
    )


nlris = st.one_of(
    *[st.builds(IpPrefixRoute, st.sampled_from(RDS), st.just(PREFIXES[0]))] * 3,
    st.builds(IpPrefixRoute, st.sampled_from(RDS), st.sampled_from(IPS[:2]).map(Prefix.host)),
    *[
        st.builds(
            MacIpRoute, st.sampled_from(RDS), st.sampled_from(MACS), st.sampled_from([None, *IPS])
        )
    ]
    * 2,
    st.builds(InclusiveMulticastRoute, st.sampled_from(RDS), st.sampled_from(OUTSIDE)),
)
route_keys = st.builds(
    RouteKey, st.sampled_from(["gw1", "gw2"]), nlris, st.sampled_from([0, 0, 0, 1])
)
many_targets = st.sampled_from([t for n in (1, 2, 3) for t in itertools.permutations(TARGETS, n)])
paths = st.builds(
    Path,
    next_hop=st.sampled_from(OUTSIDE[:2] * 3 + OUTSIDE),
    route_targets=many_targets,
    encapsulations=encapsulations,
    label=st.sampled_from([Label(0), Label(77), Label(77)]),
    vni=st.sampled_from([Vni(0), Vni(78), Vni(78)]),
    l3_vni=st.sampled_from([Vni(0), Vni(79), Vni(79)]),
    router_mac=st.sampled_from([None, MACS[0], MACS[0]]),
    local_preference=st.sampled_from([100, 100, 200]),
    as_path=st.sampled_from([(65001,), (65001,), (65002,), (), (65001, 65002), (64512,)]),
    origin=st.sampled_from([0, 0, 2]),
    med=st.sampled_from([0, 0, 10]),
    peer=st.just(True),
    ebgp=st.booleans(),
    sequence=st.sampled_from([0, 0, 1, 3, 9]),
    sticky=st.sampled_from([False, False, True]),
    stale=st.sampled_from([False, False, False, True]),
)


vpn_targets = st.sampled_from(
    [(), TARGETS[:1], TARGETS[:1], TARGETS[1:2], TARGETS[:2], TARGETS[1:4]]
).map(tuple)
"""Mostly those of an operator."""


def vpns(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BgpVpn,
        id=st.just(key),
        type=st.sampled_from(["l3", "l3", "l2"]),
        route_targets=vpn_targets,
        import_targets=some_targets,
        export_targets=vpn_targets,
        local_preference=st.sampled_from([None, None, 50, 200]),
        communities=st.sampled_from([(), (), (7,), (8, 7)]),
    )


in_vpn = st.sampled_from(["v0", "v0", "v1", "v1", "v9"])


def network_vpns(key: str) -> st.SearchStrategy[Any]:
    n = 21 + int(key[1:])
    return st.builds(
        BgpVpnNetwork,
        id=st.just(key),
        bgpvpn_id=in_vpn,
        network_id=st.sampled_from([*NETWORKS, "n2", "n9"]),
        vni=st.just(Vni(9000 + n)),
        label=st.just(Label(900 + n)),
        number=st.just(n),
        mac=st.just(MACS[2]),
    )


def router_vpns(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BgpVpnRouter,
        id=st.just(key),
        bgpvpn_id=in_vpn,
        router_id=st.sampled_from(ROUTERS),
        advertise_extra_routes=mostly,
    )


behind = st.builds(
    PortRoute,
    prefix=st.sampled_from([PREFIXES[0], Prefix.host(IPS[1]), Prefix.host(IPS[4])]),
    local_preference=st.sampled_from([None, None, 70, 300]),
)


def port_vpns(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BgpVpnPort,
        id=st.just(key),
        bgpvpn_id=in_vpn,
        port_id=st.sampled_from([*GUESTS[:3], "i0", "p9"]),
        advertise_fixed_ips=mostly,
        routes=st.lists(behind, max_size=2).map(tuple),
    )


def peers(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BgpPeer,
        id=st.just(key),
        address=st.just(OUTSIDE[0]),
        asn=st.sampled_from([65001, 65002]),
        families=st.sampled_from(FAMILIES),
        password=st.sampled_from(["", "secret"]),
        admin_state_up=mostly,
    )


def gateways(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        Gateway,
        id=st.just(key),
        address=st.sampled_from(OUTSIDE),
        encapsulations=encapsulations,
        local_preference=st.sampled_from([None, None, 0, 100, 300]),
        probe_interval=st.sampled_from([0, 200, 300]),
        probe_multiplier=st.sampled_from([3, 4]),
    )


distances = st.dictionaries(st.sampled_from(VTEPS + OUTSIDE), st.integers(1, 3), max_size=4)

# Every strategy is made once: one made anew at each draw is validated anew each time.
BY_KEY: dict[Relation[Any, Any], dict[str, st.SearchStrategy[Any]]] = {
    HYPERVISOR: {key: hypervisors(key) for key in HOSTS},
    NETWORK: {key: networks(key) for key in NETWORKS},
    ROUTER: {key: routers(key) for key in ROUTERS},
    SUBNET: {key: subnets(key) for key in SUBNETS},
    QOS_POLICY: {key: qos_policies(key) for key in ("q0", "q1")},
    BANDWIDTH_LIMIT_RULE: {key: limits(key) for key in ("l0", "l1", "l2")},
    DSCP_MARKING_RULE: {key: marks(key) for key in ("d0", "d1")},
    PORT: {key: guests(key) for key in GUESTS}
    | {key: interfaces(key) for key in INTERFACES}
    | {key: gateway_ports(key) for key in ("w0", "w1")}
    | {key: hiding_ports(key) for key in ("q0", "q1")},
    SECURITY_GROUP: {key: security_groups(key) for key in SECURITY_GROUPS},
    SECURITY_GROUP_RULE: {key: rules(key) for key in RULES},
    ADDRESS_GROUP: {key: address_groups(key) for key in ADDRESS_GROUPS},
    BGP_PEER: {key: peers(key) for key in ("gw1", "gw2")},
    GATEWAY: {key: gateways(key) for key in ("gw1", "gw2")},
    UNDERLAY: dict.fromkeys(HOSTS, distances),
    BGPVPN: {key: vpns(key) for key in ("v0", "v1")},
    BGPVPN_NETWORK: {key: network_vpns(key) for key in ("a0", "a1")},
    BGPVPN_ROUTER: {"b0": router_vpns("b0")},
    BGPVPN_PORT: {key: port_vpns(key) for key in ("c0", "c1")},
    FLOATING_IP: {key: floating_ips(key) for key in ("f0", "f1", "f2")},
    PORT_FORWARDING: {key: forwardings(key) for key in ("x0", "x1")},
    HYPERVISOR_DOWN: dict.fromkeys(HOSTS, st.just(True)),
}
claims = st.builds(
    Claim,
    st.sampled_from([*GUESTS, "ghost"]),
    st.sampled_from([MACS[0], MACS[2], MACS[2]]),
    st.sampled_from([0, 0, 1, 3]),
)
claimed = st.tuples(
    st.just(CLAIM),
    st.tuples(st.sampled_from([*NETWORKS[:2] * 3, "n2"]), st.sampled_from(IPS)),
    st.one_of(*[claims] * 7, st.none()),
)
"""Mostly of addresses that some port may take."""

memberships = st.builds(
    RouteKey,
    st.sampled_from(["gw1", "gw2"]),
    st.builds(
        MembershipRoute,
        st.sampled_from([65001, 64512]),
        st.sampled_from(TARGETS * 3 + [None]),
        st.sampled_from([64] * 4 + [0, 32, 48, 60, 63]),
    ),
)
symmetric = st.tuples(
    st.just(LEARNED),
    st.builds(
        RouteKey,
        st.sampled_from(["gw1", "gw2"]),
        st.builds(MacIpRoute, st.just(RDS[0]), st.sampled_from(MACS), st.sampled_from(IPS[:2])),
    ),
    st.builds(
        Path,
        next_hop=st.sampled_from(OUTSIDE[:2]),
        route_targets=st.sampled_from([(TARGETS[2], t) for t in TARGETS[3:]]),
        encapsulations=st.just((Encapsulation.VXLAN,)),
        vni=st.just(Vni(78)),
        l3_vni=st.sampled_from([Vni(79)] * 3 + [Vni(0)]),
        router_mac=st.sampled_from([MACS[0]] * 3 + [None]),
        peer=st.just(True),
    ),
)
"""MAC/IP routes as a gateway of r0 or r1 has them: mostly, to be routed to as well."""

learned = st.one_of(
    *[st.tuples(st.just(LEARNED), route_keys, st.one_of(*[paths] * 7, st.none()))] * 3,
    symmetric,
    st.tuples(st.just(LEARNED), memberships, st.one_of(*[paths] * 3, st.none())),
)
writes: st.SearchStrategy[Write] = st.one_of(
    *(
        _row(relation, key, rows)
        for relation, by_key in BY_KEY.items()
        for key, rows in by_key.items()
    ),
    *[learned] * 6,
    *[claimed] * 3,
)

transactions = st.lists(st.lists(writes, min_size=1, max_size=6), max_size=12)


def leading_out(draw: st.DrawFn) -> list[Write]:
    """Rows that fit together: guests of a router that has a way out, and what stands for them."""
    net, router = draw(networks("n2")), draw(routers("r0"))
    inside, subnet = draw(networks("n0")), draw(subnets("s0"))
    out = RouterGateway("n2", "w0", draw(mostly), draw(some_qos))
    replace = msgspec.structs.replace
    own = FixedIp("s0", IPS[0])
    interface = replace(
        draw(_ports("i0", "n0")),
        device_owner=ROUTER_INTERFACE_OWNER,
        device_id="r0",
        fixed_ips=(own,),
        admin_state_up=True,
    )
    rows: list[Write] = [
        (
            NETWORK,
            "n2",
            replace(net, external=True, vrf=EXTERNAL_NUMBERS["n2"], admin_state_up=True),
        ),
        (NETWORK, "n0", replace(inside, external=False, admin_state_up=True)),
        (SUBNET, "s0", replace(subnet, network_id="n0", prefix=PREFIXES[0])),
        (ROUTER, "r0", replace(router, gateway=out, nat=11, admin_state_up=True)),
        (PORT, "i0", interface),
        (PORT, "w0", draw(gateway_ports("w0"))),
    ]
    for n, key in enumerate(("p0", "p1")):
        held = (FixedIp("s0", draw(st.sampled_from(OUTER_IPS[:2]))),)
        guest = replace(draw(_ports(key, "n0")), host=HOSTS[n], fixed_ips=held)
        floating = replace(
            draw(floating_ips(f"f{n}")),
            network_id="n2",
            router_id="r0",
            port_id=key,
            fixed_ip=held[0].ip,
        )
        rows += [(PORT, key, guest), (FLOATING_IP, f"f{n}", floating)]
    shared = replace(draw(floating_ips("f2")), network_id="n2", router_id="r0", port_id="")
    forwarding = replace(draw(forwardings("x0")), floatingip_id="f2")
    return [*rows, (FLOATING_IP, "f2", shared), (PORT_FORWARDING, "x0", forwarding)]


@st.composite
def populated(draw: st.DrawFn) -> list[list[Write]]:
    """A world that is mostly there, then transactions over it."""
    first: list[Write] = [
        (relation, key, draw(BY_KEY[relation][key]))
        for relation in (
            *(HYPERVISOR, NETWORK, ROUTER, SUBNET, PORT),
            *(SECURITY_GROUP, SECURITY_GROUP_RULE, ADDRESS_GROUP),
            *(QOS_POLICY, BANDWIDTH_LIMIT_RULE, DSCP_MARKING_RULE),
        )
        for key in BY_KEY[relation]
    ]
    if draw(st.booleans()):
        first += [
            (relation, key, draw(BY_KEY[relation][key]))
            for relation in (BGPVPN, BGPVPN_NETWORK, BGPVPN_ROUTER, BGPVPN_PORT, BGP_PEER)
            for key in BY_KEY[relation]
        ]
    if draw(st.booleans()):
        first += [
            (relation, key, draw(BY_KEY[relation][key]))
            for relation in (FLOATING_IP, PORT_FORWARDING)
            for key in BY_KEY[relation]
        ]
    if draw(st.booleans()):
        first += leading_out(draw)
    first += draw(st.lists(learned, max_size=8))
    first += draw(st.lists(claimed, max_size=6))
    return [first, *draw(transactions)]
