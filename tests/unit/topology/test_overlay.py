"""Who hears whose routes."""

from __future__ import annotations

from sdnctl.topology.overlay import Instance, joined_projects, reach
from sdnctl.types import RouteTarget

OWN = {name: RouteTarget.parse(f"64512:{n}") for n, name in enumerate("abc", 1)}
EXTRA = RouteTarget.parse("65000:7")


def vrf(name: str, *, imports: bool = False, exports: bool = False, kind: str = "vrf") -> Instance:
    extra_in, extra_out = (EXTRA,) * imports, (EXTRA,) * exports
    return Instance(name, kind, f"project-{name}", (OWN[name], *extra_in), (OWN[name], *extra_out))


def test_one_hand_joins_nobody() -> None:
    assert joined_projects(reach([vrf("a", exports=True), vrf("b")])) == set()
    assert joined_projects(reach([vrf("a"), vrf("b", imports=True)])) == set()


def test_two_hands_join_one_way() -> None:
    graph = reach([vrf("a", exports=True), vrf("b", imports=True), vrf("c")])
    assert list(graph.edges(data="targets")) == [("a", "b", {EXTRA})]
    assert joined_projects(graph) == {("project-a", "project-b")}


def test_layers_do_not_mix() -> None:
    """A route of an EVI is no route for a VRF, though their targets be the same."""
    graph = reach([vrf("a", exports=True, kind="evi"), vrf("b", imports=True)])
    assert list(graph.edges) == []


def test_nobody_is_joined_with_itself() -> None:
    assert list(reach([vrf("a", imports=True, exports=True)]).edges) == []
