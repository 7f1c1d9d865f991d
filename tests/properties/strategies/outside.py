"""Peers and gateways, and the routes that are learned from them."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st

from sdnctl.graph.relations.inputs import LEARNED
from sdnctl.intent import BgpPeer, Gateway
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Path,
    RouteKey,
)
from sdnctl.types import Encapsulation, Label, Prefix, Vni
from tests.properties.strategies.small import (
    FAMILIES,
    IPS,
    MACS,
    OUTSIDE,
    PREFIXES,
    RDS,
    TARGETS,
    encapsulations,
    mostly,
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
