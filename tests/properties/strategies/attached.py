"""Ports, what they say that they have, and what stands for them outside."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sdnctl.graph.relations.inputs import CLAIM, Claim
from sdnctl.intent import MIGRATING_TO, Binding, FloatingIp, Port, PortForwarding, Subport
from tests.properties.strategies.networks import IN_PLACE, OPTIONS, anywhere
from tests.properties.strategies.policies import some_groups, some_pairs
from tests.properties.strategies.small import (
    GUESTS,
    HOSTS,
    INTERFACES,
    IPS,
    MACS,
    NETWORKS,
    PROJECTS,
    mostly,
    some_qos,
)


def ports(key: str, network: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
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
    return st.one_of(*(ports(key, n, **more) for n in [usual, usual, *NETWORKS]))


def interfaces(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:router_interface")}
    router = st.sampled_from(["r0", "r0", "r0", "r1", "r9"])
    usual = NETWORKS[INTERFACES.index(key) % 2]  # two of them share a network
    return st.one_of(*(ports(key, n, device_id=router, **owner) for n in [usual] * 9 + NETWORKS))


def gateway_ports(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:router_gateway")}
    return st.one_of(*(ports(key, n, **owner) for n in ["n2"] * 6 + NETWORKS))


def hiding_ports(key: str) -> st.SearchStrategy[Any]:
    owner = {"device_owner": st.just("network:floatingip_agent_gateway")}
    hosts = st.sampled_from(["ghost", *HOSTS * 4])
    return st.one_of(*(ports(key, n, host=hosts, **owner) for n in ["n2"] * 6 + NETWORKS))


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
