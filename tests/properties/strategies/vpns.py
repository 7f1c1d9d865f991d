"""BGP VPNs, and what is in them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sdnctl.intent import BgpVpn, BgpVpnNetwork, BgpVpnPort, BgpVpnRouter, PortRoute
from sdnctl.types import Label, Prefix, Vni
from tests.properties.strategies.small import (
    GUESTS,
    IPS,
    MACS,
    NETWORKS,
    PREFIXES,
    ROUTERS,
    TARGETS,
    mostly,
    some_targets,
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
