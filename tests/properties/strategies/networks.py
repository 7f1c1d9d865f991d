"""Hypervisors, networks with their subnets, and routers with their ways out."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sdnctl.intent import (
    ExtraDhcpOption,
    FixedIp,
    HostRoute,
    Hypervisor,
    Network,
    Router,
    RouterGateway,
    Subnet,
    VrfNumbers,
)
from sdnctl.types import Encapsulation, Label, Prefix, Vni
from tests.properties.strategies.small import (
    HOSTS,
    IPS,
    IPV6_VTEP,
    MACS,
    NETWORKS,
    OUTSIDE,
    PREFIXES,
    PROJECTS,
    ROUTERS,
    SUBNETS,
    VTEPS,
    encapsulations,
    mostly,
    some_qos,
    some_targets,
)


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


distances = st.dictionaries(st.sampled_from(VTEPS + OUTSIDE), st.integers(1, 3), max_size=4)
