"""The choice of paths, step by step (RFC 4271 section 9.1), and of claims to a MAC address."""

from __future__ import annotations

import random
from typing import Any

from sdnctl.graph.relations import Imported
from sdnctl.graph.rib import MAX_PATHS, best_paths, mobility_order
from sdnctl.routes import IpPrefixRoute, MacIpRoute, Path, RouteKey
from sdnctl.types import Ip, Label, Mac, Prefix, RouteDistinguisher

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
    ]
    random.Random(1).shuffle(came := list(order))
    assert sorted(came, key=mobility_order) == order
