"""A speaker process per group of peers: they come and go, and none harms another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import pytest

from sdnctl.bgp.peer import SessionEvent
from sdnctl.bgp.speakers import DEFAULT_GROUP, Speakers
from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey
from tests.unit.bgp.conftest import PATH, Start, host_route, peer, processes_of
from tests.unit.bgp.raw_peer import VPNV4, RawPeer, end_of_rib, update, vpnv4
from tests.waiting import becomes, until


class House(Speakers):
    """Speakers and their history."""

    def __init__(self, directory: FilePath) -> None:
        self.directory = directory
        self.changes: list[Change[RouteKey, Path]] = []
        self.learned: dict[RouteKey, Path] = {}
        super().__init__(directory, self._on_change, lambda _event: None)

    def _on_change(self, changes: list[Change[RouteKey, Path]]) -> None:
        self.changes += changes
        for key, _old, new in changes:
            self.learned.pop(key, None)
            if new is not None:
                self.learned[key] = new

    def session(self, name: str) -> SessionEvent:
        return next(event for event in self.sessions if event.peer == name)

    def processes(self, group: str) -> list[int]:
        return processes_of(str(self.socket(group)))


@pytest.fixture
async def house(tmp_path: FilePath) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.start()
    try:
        yield house
        await house.stop()
    finally:
        for socket in tmp_path.glob("*.sock*"):
            for pid in processes_of(str(socket).removesuffix(".lock")):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def announce(house: House, *names: str, number: int = 1) -> None:
    house.update(Change(RouteKey(name, host_route(number)), None, PATH) for name in names)


async def test_a_speaker_per_group(house: House, start: Start) -> None:
    left, right = await start(), await start()
    announce(house, "left", "right")
    house.set_peers({DEFAULT_GROUP: [peer("left", left)], "ä/../b": [peer("right", right)]})
    await until(lambda: left.up.is_set() and right.up.is_set())
    await until(lambda: house.settled)
    await until(lambda: len(left.updates()) == len(right.updates()) == 2)
    left.send(update(vpnv4(1)) + end_of_rib(VPNV4))
    await until(lambda: house.learned)
    assert not house.heard
    right.send(update(vpnv4(2)) + end_of_rib(VPNV4))
    await until(lambda: house.heard)
    assert {key.source for key in house.learned} == {"left", "right"}
    assert [event.peer for event in house.sessions] == ["left", "right"]
    (one,), (other,) = house.processes(DEFAULT_GROUP), house.processes("ä/../b")
    assert one != other


async def test_neither_death_nor_hang_touches_another_group(house: House, start: Start) -> None:
    good, bad = await start(), await start(restart_time=60)
    house.set_peers({"good": [peer("good", good)], "bad": [peer("bad", bad)]})
    await until(lambda: good.up.is_set() and bad.up.is_set())
    await until(lambda: house.session("bad").up)
    (pid,) = house.processes("bad")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: bad.sessions == 2, 30)
    (pid,) = house.processes("bad")
    os.kill(pid, signal.SIGSTOP)
    announce(house, "good", "bad", number=7)
    await until(lambda: len(good.updates()) == 2)  # and not a moment later
    await until(lambda: bad.sessions == 3, 60)
    await until(lambda: house.session("bad").routes_out == 1)
    assert good.sessions == 1
    assert house.session("good").established == 1


async def test_a_group_goes(house: House, start: Start) -> None:
    """Its peers are told that they are no more (RFC 4486), and nothing of it is left."""
    raw = await start()
    house.set_peers({"a": [peer("raw", raw)]})
    await until(lambda: house.sessions and house.session("raw").up)
    raw.send(update(vpnv4(1)))
    await until(lambda: house.learned)
    house.set_peers({})
    assert house.learned == {}
    assert house.sessions == ()
    await until(raw.down.is_set)
    assert raw.notifications() == [(6, 3)]
    await until(lambda: not house.processes("a"))
    await until(lambda: not list(house.directory.glob("speaker-*")))
    # And back again, at once.
    for peers in ({"a": [peer("raw", raw)]}, {}, {"a": [peer("raw", raw)]}):
        house.set_peers(peers)
    await until(lambda: house.session("raw").up, 30)
    assert len(house.processes("a")) == 1


async def test_a_peer_changes_its_group(house: House, start: Start) -> None:
    raw, other = await start(), await start()
    announce(house, "raw")
    house.set_peers({"a": [peer("raw", raw), peer("other", other)]})
    await until(lambda: raw.up.is_set() and other.up.is_set())
    raw.send(update(vpnv4(1)))
    await until(lambda: house.learned)
    house.set_peers({"a": [peer("other", other)], "b": [peer("raw", raw)]})
    assert house.learned == {}
    announce(house, "raw", number=2)
    await until(lambda: raw.sessions == 2 and raw.up.is_set(), 30)
    await until(lambda: house.session("raw").routes_out == 2)
    raw.send(update(vpnv4(1)))
    await until(lambda: house.learned)
    assert other.sessions == 1


async def test_a_controller_restarts(tmp_path: FilePath, house: House, start: Start) -> None:
    """Nothing moves, but for the group that is no more: its speaker is ended."""
    kept, gone = await start(), await start()
    announce(house, "kept")
    house.set_peers({"kept": [peer("kept", kept)], "gone": [peer("gone", gone)]})
    await until(lambda: kept.up.is_set() and gone.up.is_set())
    kept.send(update(vpnv4(1)) + end_of_rib(VPNV4))
    await until(lambda: house.learned and len(kept.updates()) == 2 and house.settled)
    (pid,) = house.processes("kept")
    await house.stop(keep_speakers=True)
    after = House(tmp_path)
    announce(after, "kept")
    after.set_peers({"kept": [peer("kept", kept)]})
    await after.start()
    try:
        await until(lambda: after.settled and after.heard)
        assert len(after.changes) == 1
        await until(gone.down.is_set)
        await until(lambda: not after.processes("gone"))
        await asyncio.sleep(0.3)
        assert kept.sessions == 1
        assert len(kept.updates()) == 2
        assert after.processes("kept") == [pid]
    finally:
        await after.stop()


async def test_peers_come_change_and_go_undisturbed_by_each_other(
    house: House, start: Start
) -> None:
    raws: list[RawPeer] = [await start() for _ in range(3)]
    steady, changing, coming = (peer(str(n), raw) for n, raw in enumerate(raws))
    announce(house, "0", "1", "2")
    house.set_peers({"a": [steady, changing]})
    await until(lambda: len(raws[0].updates()) == len(raws[1].updates()) == 2)
    await becomes(lambda: house.session("0").updates_sent, 2)
    before = house.session("0")
    house.set_peers({"a": [steady, changing, coming]})
    await until(lambda: len(raws[2].updates()) == 2)
    house.set_peers({"a": [steady, peer("1", raws[1], hold_time=30), coming]})
    await until(lambda: raws[1].sessions == 2)
    await becomes(lambda: house.session("1").routes_out, 1)
    house.set_peers({"a": [steady, peer("1", raws[1], hold_time=30)]})
    await until(raws[2].down.is_set)
    house.set_peers({"a": [steady]})
    await until(raws[1].down.is_set)
    await asyncio.sleep(1.2)  # a tick, with which sessions tell of themselves
    assert house.sessions == (before,)
    assert raws[0].sessions == 1
    assert len(raws[0].updates()) == 2


async def test_a_flood_and_a_flap_harm_nobody(house: House, start: Start) -> None:
    """20,000 UPDATEs from one peer while another flaps: others of the group wait, none is lost."""
    flood, flap, near, far = [await start() for _ in range(4)]
    house.set_peers({
        "a": [peer("flood", flood), peer("flap", flap), peer("near", near)],
        "b": [peer("far", far)],
    })  # fmt: skip
    await until(lambda: all(raw.up.is_set() for raw in (flood, flap, near, far)))
    flood.send(b"".join(update(vpnv4(n % 250, 16 + n)) for n in range(20_000)))
    last = {n: 16 + max(range(n, 20_000, 250)) for n in range(250)}
    for number in range(1, 21):
        flap.drop()
        announce(house, "near", "far", number=number)
        await until(lambda: len(near.updates()) == len(far.updates()) == number + 1, 5)  # noqa: B023
        await until(flap.up.is_set)
    await becomes(lambda: sorted(path.label for path in house.learned.values()), [*last.values()])
    assert (flood.sessions, near.sessions, far.sessions) == (1, 1, 1)
    assert flap.sessions > 10
