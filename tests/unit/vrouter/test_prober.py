"""Probing: the rule of liveness, and real echo requests over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sdnctl.desired import Probe
from sdnctl.types import Ip, Vni
from sdnctl_vrouter.drivers.base import Reachability
from sdnctl_vrouter.prober import RECOVERY, Liveness, Prober

HERE, THERE = Ip.parse("127.0.0.1"), Ip.parse("127.0.0.53")
SIX = Ip.parse("::1")


def test_unanswered_probes_in_a_row_take_it_out() -> None:
    liveness = Liveness(3)
    assert [liveness.probe() for _ in range(3)] == [False] * 3
    assert not liveness.answer(), "it was never out"
    assert [liveness.probe() for _ in range(4)] == [False, False, False, True]
    assert not liveness.up
    assert not liveness.probe(), "it is said once"


def test_it_comes_back_after_a_row_of_answers_and_not_before() -> None:
    liveness = Liveness(2)
    while not liveness.probe():
        pass
    told = []
    for _round in range(RECOVERY * 2 - 1):
        told.append(liveness.answer())
        liveness.probe()
    assert not any(told)
    liveness.probe()  # one is missed: the row begins anew
    for _round in range(RECOVERY * 2 - 1):
        assert not liveness.answer()
        liveness.probe()
    assert liveness.answer()
    assert liveness.up


def test_an_answer_counts_once() -> None:
    liveness = Liveness(1)
    liveness.probe()
    assert liveness.probe()
    assert not any(liveness.answer() for _ in range(20))


class Bench:
    """A prober, and what it told."""

    def __init__(self) -> None:
        self.told: list[Reachability] = []
        self.prober = Prober(self.told.append)

    async def until(self, *told: Reachability) -> None:
        async with asyncio.timeout(10):
            while self.told != list(told):
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.prober.stop()


def probe(vtep: Ip, vni: int = 1, interval: int = 20) -> Probe:
    return Probe(Vni(vni), vtep, interval, 3)


async def test_who_answers_stays_and_who_does_not_goes(bench: Bench) -> None:
    dead = Ip.parse("192.0.2.77")  # from a loopback address nothing gets there
    bench.prober.set_source(HERE)
    for vtep in (THERE, SIX, dead):
        bench.prober.put(probe(vtep).key, None, probe(vtep))
    await bench.until(Reachability(dead, up=False))
    await asyncio.sleep(0.3)
    assert bench.told == [Reachability(dead, up=False)]
    assert bench.prober.unreachable == {dead}


async def test_a_next_hop_is_probed_until_nothing_asks_for_it(bench: Bench) -> None:
    dead = Ip.parse("192.0.2.77")
    one, two = probe(dead, 1), probe(dead, 2)
    bench.prober.set_source(HERE)
    bench.prober.put(one.key, None, one)
    bench.prober.put(two.key, None, two)
    await bench.until(Reachability(dead, up=False))
    bench.prober.put(one.key, one, None)
    assert bench.prober.unreachable == {dead}
    bench.prober.put(two.key, two, None)
    assert bench.told[1:] == [Reachability(dead, up=True)], "nobody says any more that it is dead"
    assert not bench.prober.unreachable


async def test_it_comes_back_when_its_source_has_its_address(bench: Bench) -> None:
    bench.prober.set_source(Ip.parse("192.0.2.78"))  # no address of this host
    bench.prober.put(probe(THERE).key, None, probe(THERE))
    await bench.until(Reachability(THERE, up=False))
    bench.prober.set_source(HERE)
    await bench.until(Reachability(THERE, up=False), Reachability(THERE, up=True))


async def test_a_busy_loop_misses_nothing(bench: Bench) -> None:
    """Answers that wait in the kernel while the agent works are answers."""
    bench.prober.set_source(HERE)
    bench.prober.put(probe(THERE).key, None, probe(THERE))
    for _round in range(8):
        await asyncio.sleep(0.03)
        until = asyncio.get_running_loop().time() + 0.15
        while asyncio.get_running_loop().time() < until:
            pass
    assert not bench.told
