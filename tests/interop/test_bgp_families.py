"""Every family to and from every router that has it, as the router's own command line shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Ip, Label, Mac, RouteTarget, Vni
from tests.interop.cases import ABSENT, BLIND, CASES, FIXED, Case, theirs
from tests.interop.world import ROUTERS, World
from tests.waiting import becomes, until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.netns,
    pytest.mark.asyncio(loop_scope="module"),
]


def _announced() -> Iterator[Any]:
    for name in ROUTERS:
        for case in CASES:
            if (name, case.family) not in ABSENT:
                yield pytest.param(name, case, id=f"{name}-{case}")


ANNOUNCED = list(_announced())


def changes(path: Path) -> Iterator[tuple[str, Path]]:
    """Paths that differ from ``path`` in one thing."""
    replace = msgspec.structs.replace
    if path.label:
        yield "label", replace(path, label=Label(path.label + 1))
    else:
        yield "label", replace(path, vni=Vni(path.vni + 1))
    hop = Ip(path.next_hop[:-1] + bytes([path.next_hop[-1] ^ 8]))
    yield "next_hop", replace(path, next_hop=hop)
    yield "route_targets", replace(path, route_targets=(RouteTarget.parse("64512:8"),))


@pytest.mark.parametrize(("name", "case"), ANNOUNCED)
async def test_announce_change_withdraw(world: World, name: str, case: Case) -> None:
    router = world.routers[name]
    before = len(router.withdrawals())

    async def becomes_shown(path: Path | None) -> None:
        world.put(name, case.nlri, path)
        await becomes(lambda: router.table(case.family).get(case.nlri), path)

    await becomes_shown(case.path)
    variants = dict(changes(case.path))
    if case.name.startswith("mac"):
        variants["moved"] = msgspec.structs.replace(case.path, sequence=3)
    if case.family is Family.EVPN and isinstance(case.nlri, IpPrefixRoute):
        mac = Mac.parse("02:00:00:00:00:0a")
        variants["router_mac"] = msgspec.structs.replace(case.path, router_mac=mac)
    for overlooked in BLIND.get((name, case.name), ()):
        del variants[overlooked]
    for variant in variants.values():
        await becomes_shown(variant)
        await becomes_shown(case.path)
    assert len(router.withdrawals()) == before
    await becomes_shown(None)
    await until(lambda: len(router.withdrawals()) == before + 1)


@pytest.mark.parametrize(("name", "case"), ANNOUNCED)
async def test_learn_change_withdraw(world: World, name: str, case: Case) -> None:
    router = world.routers[name]
    nlri, path = theirs(case, router)
    fixed = FIXED.get((name, case.family), {})
    variants = {what: said for what, said in changes(path) if what not in fixed}
    key = RouteKey(name, nlri)

    for one in (path, *variants.values(), path):
        router.say(nlri, one)
        await becomes(lambda: world.heard(name, nlri), router.says(nlri, one))
    world.link.changes.clear()
    router.unsay(nlri)
    await until(lambda: key not in world.link.learned)
    assert [c.new for c in world.link.changes if c.key == key] == [None]


@pytest.mark.parametrize(("name", "family"), list(ABSENT))
async def test_absent(world: World, name: str, family: Family) -> None:
    """What is listed as absent is: the router does not negotiate it."""
    (session,) = (s for s in world.link.sessions if s.peer == name)
    assert session.up
    assert family not in session.families
