"""The graph against the oracle, against itself recomputed, and against other orders of events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.desired import Desired
from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.reasons import why_advertised, why_used
from sdnctl.graph.relations.inputs import BGP_PEER, LEARNED
from sdnctl.graph.relations.resources import FDB
from sdnctl.graph.relations.routes import ADVERTISED, IMPORTED, ORIGINATED, Imported
from sdnctl.graph.rib import best_paths, equal_paths
from sdnctl.inspect import glass
from sdnctl.intent import BgpVpnNetwork
from sdnctl.routes import MacIpRoute, Path, RouteKey
from sdnctl.topology import overlay
from tests.properties import agreed, wayout
from tests.properties.agreed import ASN
from tests.properties.mirror import House
from tests.properties.oracle import (
    World,
    decide,
    expected,
    prefix_of,
    to_prefix,
    vrfs,
    whole,
)
from tests.properties.peers import announced
from tests.properties.worlds import HOSTS, Write, paths, populated, route_keys

pytestmark = pytest.mark.timeout(1500)  # a thousand worlds, on a busy machine


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


def told_to_peers(engine: Engine) -> dict[str, dict[RouteKey, Path]]:
    out: dict[str, dict[RouteKey, Path]] = {}
    for key, row in engine.rows(ADVERTISED).items():
        for peer in row.peers:
            out.setdefault(peer, {})[key] = row.path
    return out


@given(populated())
def test_incremental_equals_oracle_and_recompute(steps: list[list[Write]]) -> None:
    engine = make_engine(ASN)
    for writes in steps:
        engine.commit(writes)
        wanted = expected(world_of(engine))
        assert told(engine) == {host: wanted.get(host, {}) for host in HOSTS}
        assert told_to_peers(engine) == announced(world_of(engine))
    assert held(engine.recompute()) == held(engine)


@given(st.lists(st.tuples(route_keys, paths), min_size=1, max_size=8, unique_by=lambda r: r[0]))
def test_best_paths_equal_the_oracle(routes: list[tuple[RouteKey, Path]]) -> None:
    local = [  # some of them of our own
        (key, msgspec.structs.replace(path, peer=False, as_path=(), origin=0, med=0))
        if path.sequence
        else (key, path)
        for key, path in routes
    ]
    local = [route for route in local if prefix_of(*route)]
    best = equal_paths([(key, Imported(path, (), ())) for key, path in local])
    hops = [[to_prefix(key, path) for key, path in same] for same in best]
    assert [whole([hop for hop in same if hop]) for same in hops] == decide(local)
    for same in hops:
        assert len({hop.vtep for hop in same if hop}) == 1


@given(populated())
def test_reasons_agree_with_what_is_told(steps: list[list[Write]]) -> None:
    engine = make_engine(ASN)
    for writes in steps:
        engine.commit(writes)
    for peer in engine.rows(BGP_PEER):
        for key in engine.rows(ORIGINATED):
            row_told = engine.rows(ADVERTISED).get(key)
            told = row_told is not None and peer in row_told.peers
            assert any(said.advertised for said in why_advertised(engine, peer, key)) == told
    used: dict[str, set[Any]] = {}
    for key in {**engine.rows(ORIGINATED), **engine.rows(LEARNED)}:
        for use in why_used(engine, key):
            if use.used:
                used.setdefault(use.table, set()).add(key)
    for key, row in engine.rows(IMPORTED).items():
        for vni in row.vrfs:
            prefix = prefix_of(key, row.path)
            assert prefix is not None
            rivals = engine.view().find(IMPORTED, "prefix", (vni, prefix))
            chosen = {other for other, _path in best_paths(rivals)}
            assert (key in chosen) == (key in used.get(f"vrf/{vni}", ()))
        for vni in row.evis:
            if isinstance(key.nlri, MacIpRoute) and key in used.get(f"evi/{vni}", ()):
                entry = engine.rows(FDB)[vni, key.nlri.mac]
                assert entry.via.vtep == row.path.next_hop


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


@given(populated())
def test_no_path_joins_two_tenants_unless_both_agreed(steps: list[list[Write]]) -> None:
    """Routes cross between tenants only by a target that one exports and the other imports, both
    having said so; and the overlay's graph, which operators look at, shows every crossing."""
    engine = make_engine(ASN)
    for writes in steps:
        engine.commit(writes)
    world = world_of(engine)
    owners: dict[int, Any] = {}
    led: set[tuple[str, str]] = set()
    for network in world.network.values():
        given = set(agreed.said_of_network(world, network)["route_targets"])
        owners[network.vni] = (network, agreed.evi_imports(world, network), given)
    for row, networks in vrfs(world):
        given = agreed.vrf_exports(world, row, networks)
        project = networks[0] if isinstance(row, BgpVpnNetwork) else row
        outside = wayout.outer_of(world, row)
        if outside is not None:
            led.add((row.id, outside.id))
        owners[row.vni] = (project, agreed.vrf_imports(world, row, networks), given)
    shown = overlay.joined_projects(overlay.reach(glass.instances(engine)))
    for imported in engine.rows(IMPORTED).values():
        if imported.path.peer:
            continue
        giver, _imports, given = owners[imported.path.vni]
        for vni in (*imported.evis, *imported.vrfs):
            taker, wanted, _exports = owners[vni]
            if giver.project_id != taker.project_id:
                # A router leads out to an external network: its owner said so, and who made the
                # network external did.
                out = (giver.id, taker.id) in led
                both = agreed.chosen(given & wanted)
                assert out or both.intersection(imported.path.route_targets)
                assert (giver.project_id, taker.project_id) in shown
