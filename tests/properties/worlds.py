"""Hypothesis strategies: transactions over a world so small that everything collides."""

from __future__ import annotations

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
    DSCP_MARKING_RULE,
    FLOATING_IP,
    GATEWAY,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    NETWORK,
    PORT,
    PORT_FORWARDING,
    QOS_POLICY,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
    UNDERLAY,
)
from sdnctl.intent import ROUTER_INTERFACE_OWNER, FixedIp, RouterGateway
from tests.properties.strategies.attached import (
    OUTER_IPS,
    claimed,
    floating_ips,
    forwardings,
    gateway_ports,
    guests,
    hiding_ports,
    interfaces,
    ports,
)
from tests.properties.strategies.networks import (
    EXTERNAL_NUMBERS,
    distances,
    hypervisors,
    networks,
    routers,
    subnets,
)
from tests.properties.strategies.outside import gateways, learned, peers
from tests.properties.strategies.policies import (
    ADDRESS_GROUPS,
    RULES,
    SECURITY_GROUPS,
    address_groups,
    limits,
    marks,
    qos_policies,
    rules,
    security_groups,
)
from tests.properties.strategies.small import (
    GUESTS,
    HOSTS,
    INTERFACES,
    IPS,
    NETWORKS,
    PREFIXES,
    ROUTERS,
    SUBNETS,
    Write,
    mostly,
    some_qos,
)
from tests.properties.strategies.vpns import network_vpns, port_vpns, router_vpns, vpns


def _row(relation: Relation[Any, Any], key: Any, row: st.SearchStrategy[Any]) -> Any:
    return st.tuples(st.just(relation), st.just(key), st.one_of(*[row] * 7, st.none()))


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
        draw(ports("i0", "n0")),
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
        guest = replace(draw(ports(key, "n0")), host=HOSTS[n], fixed_ips=held)
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
