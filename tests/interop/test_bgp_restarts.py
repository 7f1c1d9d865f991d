"""Restarts of routers, speaker and controller, with routes of every family in both directions."""

from __future__ import annotations

import pytest

from sdnctl.bgp.peer import Family
from sdnctl.routes import Nlri, Path, RouteKey
from tests.interop.cases import ABSENT, CASES, FRAGILE, theirs
from tests.interop.routers import Router
from tests.interop.world import ROUTERS, World
from tests.waiting import becomes, until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.netns,
    pytest.mark.asyncio(loop_scope="module"),
]

Tables = dict[str, dict[tuple[Family, Nlri], Path]]

ours: Tables = {
    name: {(c.family, c.nlri): c.path for c in CASES if (name, c.family) not in ABSENT}
    for name in ROUTERS
}
"""What is announced to each router."""

FORGETFUL = {"bird": "without a kernel it keeps no forwarding state, and says so (no F bit)"}


def announce(world: World) -> None:
    for name, table in ours.items():
        for (_family, nlri), path in table.items():
            world.put(name, nlri, path)


def shown(world: World) -> Tables:
    """What the routers show."""
    return {name: shown_by(router) for name, router in world.routers.items()}


def shown_by(router: Router) -> dict[tuple[Family, Nlri], Path]:
    return {(f, nlri): p for f in router.families for nlri, p in router.table(f).items()}


def losses(world: World) -> dict[str, int]:
    return {name: router.losses() for name, router in world.routers.items()}


def withdrawals(world: World) -> dict[str, int]:
    return {name: len(router.withdrawals()) for name, router in world.routers.items()}


async def fill(world: World) -> dict[RouteKey, Path]:
    """All routes in both directions; gives those learned."""
    announce(world)
    keys = set()
    for name, router in world.routers.items():
        for case in CASES:
            if (name, case.family) not in ABSENT and (name, case.name) not in FRAGILE:
                nlri, path = theirs(case, router)
                router.say(nlri, path)
                keys.add(RouteKey(name, nlri))
    await until(lambda: keys <= world.link.learned.keys(), what="all routes learned")
    await becomes(lambda: shown(world), ours)
    return {key: world.link.learned[key] for key in keys}


async def test_speaker_killed(world: World) -> None:
    learned = await fill(world)
    lost, withdrawn = losses(world), withdrawals(world)
    world.link.changes.clear()
    world.lab.kill_speaker()
    await until(lambda: world.link.up(*ROUTERS) and world.link.heard, 60, "all sessions")
    await becomes(lambda: shown(world), ours)
    assert withdrawals(world) == withdrawn
    assert losses(world) == {name: number + 1 for name, number in lost.items()}
    assert [change for change in world.link.changes if change.key in learned] == []

    # What goes while the speaker is away is swept by End-of-RIB, and that alone.
    gone = CASES[0]
    world.lab.kill_speaker()
    await until(lambda: not world.link.connected)
    for name in ROUTERS:
        world.put(name, gone.nlri, None)
    less = {name: dict(table) for name, table in ours.items()}
    for table in less.values():
        del table[gone.family, gone.nlri]
    await until(lambda: world.link.up(*ROUTERS), 60, "all sessions")
    await becomes(lambda: shown(world), less)


async def test_controller_restarted(world: World) -> None:
    learned = await fill(world)
    lost, withdrawn = losses(world), withdrawals(world)
    await world.renew_link()
    gone = CASES[0]
    world.link.set_peers(router.peer(*Family) for router in world.routers.values())
    announce(world)
    for name in ROUTERS:
        world.put(name, gone.nlri, None)
    await world.link.start()
    await until(lambda: world.link.settled and world.link.heard)
    await becomes(lambda: withdrawals(world), {n: w + 1 for n, w in withdrawn.items()})
    assert losses(world) == lost
    assert {key: world.link.learned.get(key) for key in learned} == learned


@pytest.mark.parametrize("name", ROUTERS)
async def test_router_killed(world: World, name: str) -> None:
    learned = {key: p for key, p in (await fill(world)).items() if key.source == name}
    others = losses(world)
    del others[name]
    world.link.changes.clear()
    router = world.routers[name]
    router.kill()
    await until(lambda: world.link.up(*(ROUTERS.keys() - {name})), what="a session lost")
    assert world.link.changes == []  # RFC 4724: it may come back
    router.restart()
    await until(lambda: world.link.up(*ROUTERS), 60, "the session")
    await becomes(lambda: shown_by(router), ours[name])
    await becomes(lambda: {k: world.link.learned.get(k) for k in learned}, learned, 30)
    changed = [change for change in world.link.changes if change.key in learned]
    assert name in FORGETFUL or changed == []
    assert others.items() <= losses(world).items()
