"""The choice of paths, step by step (RFC 4271 section 9.1), and of claims to a MAC address."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import GATEWAY, HYPERVISOR
from sdnctl.graph.relations.routes import Imported
from sdnctl.graph.rib import (
    DUPLICATE_MOVES,
    MAX_PATHS,
    best_paths,
    contested,
    is_routed,
    mobility_order,
    refusal,
    usable,
)
from sdnctl.intent import Gateway, Hypervisor
from sdnctl.routes import IpPrefixRoute, MacIpRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, Vni

RD = RouteDistinguisher.parse("65001:1")
NLRI = IpPrefixRoute(RD, Prefix.parse("10.0.0.0/8"))
Row = tuple[RouteKey, Imported]


def route(n: int, source: str = "", **said: Any) -> Row:
    fields: dict[str, Any] = {"peer": True, "ebgp": True, "as_path": (65001,)} | said
    hop = Ip.from_number(0xC6336400 + n, 4)
    path = Path(next_hop=hop, route_targets=(), encapsulations=(), label=Label(n), **fields)
    return RouteKey(source or f"peer{n}", NLRI), Imported(path, (), ())


def chosen(*routes: Row) -> list[int]:
    """The labels of the best paths; the order in which the routes came must not matter."""
    orders = [list(routes), list(reversed(routes))]
    found = [[path.label for _key, path in best_paths(order)] for order in orders]
    assert found[0] == found[1]
    return [int(label) for label in found[0]]


def test_each_step_decides_before_the_next() -> None:
    assert chosen(route(1), route(2, local_preference=200, as_path=(1, 2, 3))) == [2]
    assert chosen(route(1, as_path=(1, 2)), route(2, origin=2)) == [2]
    assert chosen(route(1, origin=2), route(2, med=50)) == [2]
    assert chosen(route(1, med=50), route(2, ebgp=False)) == [2]
    assert chosen(route(1, ebgp=False), route(2)) == [2]
    assert chosen(route(1, as_path=()), route(2, peer=False, ebgp=False, as_path=())) == [2]


def test_stale_routes_are_the_last_resort() -> None:
    """RFC 9494 section 4.3: before the degree of preference."""
    assert chosen(route(1, stale=True, local_preference=900), route(2, as_path=(1, 2, 3))) == [2]
    assert chosen(route(1, stale=True), route(2, stale=True, med=9, as_path=(7,))) == [1, 2]


def test_paths_of_one_peer_compete_as_any_others() -> None:
    """RFC 7911: the path id tells them apart and decides nothing but the last tie."""
    first, second = route(1, "peer"), route(2, "peer")
    second = (second[0]._replace(path_id=7), second[1])
    assert chosen(first, second) == [1, 2]
    assert chosen(route(1, "peer", med=5), second) == [2]


def test_equals_are_used_together_in_the_order_of_their_next_hops() -> None:
    assert chosen(route(3), route(1), route(2)) == [1, 2, 3]


def test_med_compares_routes_of_one_neighbour_only() -> None:
    """RFC 4271 section 9.1.2.2 c): and a route that lost there does not shield another."""
    routes = [
        route(1, as_path=(65001,), med=10),
        route(2, as_path=(65001,), med=5),
        route(3, as_path=(65002,), med=90),
    ]
    assert chosen(*routes) == [2, 3]


def test_a_route_learned_through_two_peers_is_one_path() -> None:
    same = [route(1, "reflector2"), route(1, "reflector1"), route(2, "reflector1")]
    assert chosen(*same) == [1, 2]
    assert best_paths(same)[0][0].source == "reflector1"


def test_no_more_than_so_many() -> None:
    routes = [route(n) for n in range(MAX_PATHS + 5)]
    random.Random(1).shuffle(routes)
    assert chosen(*routes) == list(range(MAX_PATHS))


def test_mac_mobility() -> None:
    """RFC 7432 section 15: sticky, then the highest sequence, then the lowest address."""

    def claim(n: int, **said: Any) -> Row:
        key, row = route(n, **said)
        return key._replace(nlri=MacIpRoute(RD, Mac(bytes(6)), None)), row

    order = [
        claim(5, sticky=True),
        claim(4, sequence=2),
        claim(3, sequence=1),
        claim(1),
        claim(2),
        claim(0, sticky=True, sequence=9, stale=True),
    ]
    random.Random(1).shuffle(came := list(order))
    assert sorted(came, key=mobility_order) == order


def test_a_mac_ip_route_is_a_host_route_only_with_all_that_routing_needs() -> None:
    nlri = MacIpRoute(RD, Mac(bytes(6)), Ip.parse("10.0.0.9"))
    whole = Path(
        next_hop=Ip.parse("198.51.100.1"),
        route_targets=(),
        encapsulations=(Encapsulation.VXLAN,),
        vni=Vni(1),
        l3_vni=Vni(2),
        router_mac=Mac(bytes(6)),
    )
    assert is_routed(nlri, whole)
    assert not is_routed(nlri._replace(ip=None), whole)
    for missing in (
        {"l3_vni": Vni(0)},
        {"router_mac": None},
        {"encapsulations": (Encapsulation.MPLS_GRE,)},
    ):
        assert not is_routed(nlri, msgspec.structs.replace(whole, **missing))


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ({"label": Label(77)}, (Encapsulation.MPLS_GRE,)),
        ({"label": Label(77), "encapsulations": (Encapsulation.MPLS_UDP,)}, (13,)),
        ({"encapsulations": (Encapsulation.VXLAN,), "vni": Vni(5)}, None),
        (
            {
                "encapsulations": (Encapsulation.VXLAN,),
                "vni": Vni(5),
                "router_mac": Mac(bytes(6)),
            },
            (Encapsulation.VXLAN,),
        ),
        ({"encapsulations": (Encapsulation.MPLS_GRE,)}, None),
        ({"label": Label(77), "as_path": (65001, 64512)}, None),
        ({"label": Label(77), "next_hop": Ip.parse("192.0.2.1")}, None),
    ],
)
def test_usable(said: dict[str, Any], used: tuple[int, ...] | None) -> None:
    engine = make_engine(64512)
    engine.commit([(HYPERVISOR, "h", Hypervisor(id="h", vtep=Ip.parse("192.0.2.1")))])
    fields = {"next_hop": Ip.parse("198.51.100.1"), "encapsulations": ()} | said
    path = Path(route_targets=(), peer=True, **fields)
    found = usable(NLRI, path, engine.view())
    assert (found.encapsulations if found else None) == used
    assert bool(refusal(NLRI, path, engine.view())) == (used is None)


def test_a_gateway_decides_preference_and_tunnel() -> None:
    engine = make_engine(64512)
    address = Ip.parse("198.51.100.1")
    vxlan = (Encapsulation.VXLAN,)
    gateway = Gateway(id="g", address=address, local_preference=7, encapsulations=vxlan)
    engine.commit([(GATEWAY, "g", gateway)])
    path = Path(
        next_hop=address,
        route_targets=(),
        encapsulations=(Encapsulation.MPLS_GRE, *vxlan),
        label=Label(77),
        vni=Vni(5),
        router_mac=Mac(bytes(6)),
    )
    found = usable(NLRI, path, engine.view())
    assert found == msgspec.structs.replace(path, local_preference=7, encapsulations=vxlan)


def test_a_port_outbids_a_peer_a_few_times() -> None:
    """RFC 7432 section 15: and what two of us would make of each other comes to rest."""

    def claim(n: int, *, mine: bool = False, **said: Any) -> Row:
        key, row = route(n, peer=not mine, **said)
        return key._replace(nlri=MacIpRoute(RD, Mac(bytes(6)), None)), row

    def number(mine: int, *theirs: Row) -> int:
        ours = claim(1, mine=True, sequence=mine)
        return dict(contested([ours, *theirs]))[ours[0]].path.sequence

    assert number(0) == 0
    assert number(2) == 2
    assert number(0, claim(2)) == 1
    assert number(0, claim(2), claim(3, sequence=2)) == 3
    assert number(7, claim(2, sequence=2)) == 7
    assert number(0, claim(2, sequence=4)) == DUPLICATE_MOVES
    assert number(0, claim(2, sequence=90)) == DUPLICATE_MOVES
    assert number(3, claim(2, sequence=90)) == 3 + DUPLICATE_MOVES
    assert number(0, claim(2, sequence=2, sticky=True)) == 0  # section 15.2

    one, other = 0, 0
    for _turn in range(20):
        one = number(0, claim(2, sequence=other))
        other = number(0, claim(2, sequence=one))
    assert one == other == DUPLICATE_MOVES
