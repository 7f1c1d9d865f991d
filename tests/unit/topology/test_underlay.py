"""Distances over cables."""

from __future__ import annotations

from sdnctl.intent import Gateway, Hypervisor, Link
from sdnctl.topology.underlay import FARTHEST, distances, graph_of
from sdnctl.types import Ip

H1, H2, H3 = (Hypervisor(id=f"h{n}", vtep=Ip.parse(f"192.0.2.{n}")) for n in (1, 2, 3))
GW1, GW2 = (Gateway(id=f"gw{n}", address=Ip.parse(f"198.51.100.{n}")) for n in (1, 2))


def link(a: str, b: str, cost: int = 1) -> Link:
    return Link(id=f"{a}-{b}-{cost}", a=a, b=b, cost=cost)


def test_the_least_of_parallel_links_counts_whatever_their_order() -> None:
    cables = [link("h1", "gw1", 10), link("gw1", "h1", 3), link("h1", "gw1", 7)]
    for links in (cables, cables[::-1]):
        found = distances(graph_of([H1], [GW1], links), [GW1.address])
        assert found == {"h1": {GW1.address: 3}}


def test_a_way_over_many_cheap_links_beats_a_dear_one() -> None:
    links = [link("h1", "gw1", 10), link("h1", "leaf"), link("leaf", "spine"), link("spine", "gw1")]
    assert distances(graph_of([H1], [GW1], links), [GW1.address])["h1"] == {GW1.address: 3}


def test_what_cannot_be_reached_is_farthest() -> None:
    links = [link("h1", "gw1"), link("h2", "nowhere")]
    nowhere = Ip.parse("203.0.113.1")
    found = distances(
        graph_of([H1, H2, H3], [GW1, GW2], links), [GW1.address, GW2.address, nowhere]
    )
    farthest = dict.fromkeys((GW2.address, nowhere), FARTHEST)
    assert found == {"h1": {GW1.address: 1, **farthest}, "h2": {}, "h3": {}}


def test_a_hypervisor_is_a_target_too_and_at_no_distance_from_itself() -> None:
    found = distances(graph_of([H1, H2], [], [link("h1", "h2", 4)]), [H1.vtep])
    assert found == {"h1": {H1.vtep: 0}, "h2": {H1.vtep: 4}}


def test_one_address_at_two_places_is_as_far_as_the_nearer() -> None:
    other = Gateway(id="gw9", address=GW1.address)
    links = [link("h1", "gw1", 5), link("h1", "gw9", 2)]
    found = distances(graph_of([H1], [GW1, other], links), [GW1.address])
    assert found == {"h1": {GW1.address: 2}}


def test_a_sum_of_dear_links_fits_what_agents_are_told() -> None:
    chain = [link(f"s{n}", f"s{n + 1}", 1 << 24) for n in range(300)]
    links = [link("h1", "s0"), *chain, link("s300", "gw1")]
    found = distances(graph_of([H1], [GW1], links), [GW1.address])
    assert found == {"h1": {GW1.address: FARTHEST}}
