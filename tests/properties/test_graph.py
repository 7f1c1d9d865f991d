"""The graph against the oracle, against itself recomputed, and against other orders of events."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.desired import Desired
from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations import Imported
from sdnctl.graph.rib import best_paths
from sdnctl.routes import Path, RouteKey
from tests.properties.mirror import House
from tests.properties.oracle import ASN, World, decide, expected, hop
from tests.properties.worlds import HOSTS, Write, paths, populated, route_keys


def held(engine: Engine) -> dict[str, dict[str, Any]]:
    """All derived rows, by relation."""
    return {rule.output.name: dict(engine.rows(rule.output)) for rule in engine.rules}


def world_of(engine: Engine) -> World:
    world = World()
    for relation in engine.inputs:
        if relation.name != "domain":
            setattr(world, relation.name, dict(engine.rows(relation)))
    return world


def told(engine: Engine) -> dict[str, dict[str, Desired]]:
    """What each hypervisor is told, put together from the tables by membership."""
    house = House()
    house.engine = engine
    house.restart(1)
    house.settle()
    return {host: house.agents[host].desired for host in HOSTS}


@given(populated())
def test_incremental_equals_oracle_and_recompute(steps: list[list[Write]]) -> None:
    engine = make_engine(ASN)
    for writes in steps:
        engine.commit(writes)
        wanted = expected(world_of(engine))
        assert told(engine) == {host: wanted.get(host, {}) for host in HOSTS}
    assert held(engine.recompute()) == held(engine)


@given(st.lists(st.tuples(route_keys, paths), min_size=1, max_size=8, unique_by=lambda r: r[0]))
def test_best_paths_equal_the_oracle(routes: list[tuple[RouteKey, Path]]) -> None:
    local = [  # some of them of our own
        (key, msgspec.structs.replace(path, peer=False, as_path=(), origin=0, med=0))
        if path.sequence
        else (key, path)
        for key, path in routes
    ]
    best = best_paths([(key, Imported(path, (), ())) for key, path in local])
    assert [hop(path) for _key, path in best] == decide(local)


@given(populated(), st.randoms(use_true_random=False))
def test_the_way_does_not_matter(steps: list[list[Write]], random: Any) -> None:
    engine = make_engine(ASN)
    undo = []
    for writes in steps:
        before = [(r, k, engine.rows(r).get(k)) for r, k, _row in writes]
        undo.append(list(reversed(before)))
        engine.commit(writes)
    final = held(engine)

    squashed = make_engine(ASN)
    squashed.commit([write for writes in steps for write in writes])
    assert held(squashed) == final

    split = make_engine(ASN)
    for writes in steps:
        for write in writes:
            split.commit([write])
            split.commit([write, write])
    assert held(split) == final

    latest = {(r.name, k): (r, k, row) for writes in steps for r, k, row in writes}
    shuffled = list(latest.values())
    random.shuffle(shuffled)
    other_order = make_engine(ASN)
    for write in shuffled:
        other_order.commit([write])
    assert held(other_order) == final

    for writes in reversed(undo):
        engine.commit(writes)
    assert held(engine) == held(make_engine(ASN))


@given(populated())
def test_nothing_is_remembered_of_what_is_gone(steps: list[list[Write]]) -> None:
    engine = make_engine(ASN)
    for writes in steps:
        engine.commit(writes)
    for relation in engine.inputs:
        if relation.name != "domain":
            engine.commit([(relation, key, None) for key in list(engine.rows(relation))])
    assert held(engine) == held(make_engine(ASN))
    assert engine.size() == make_engine(ASN).size()
