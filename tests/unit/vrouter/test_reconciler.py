"""The reconciler above a driver in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from sdnctl.delta import Change
from sdnctl.desired import Desired, Evi, LocalPort, Neighbor, Node
from sdnctl.types import Encapsulation, Ip, Label, Mac, Vni
from sdnctl_vrouter.drivers.base import Driver, Failure, VifStatus
from sdnctl_vrouter.drivers.fake import FakeDriver
from sdnctl_vrouter.reconciler import Reconciler

MAC = Mac.parse("fa:16:3e:00:00:01")
NODE = Node("h", Ip.parse("192.0.2.1"), (Encapsulation.VXLAN,), 1500, MAC)
EVI = Evi(Vni(1), Label(16), 1450)
PORT = LocalPort("p", Vni(1), Vni(0), MAC, ())
NEIGHBORS = [Neighbor(Vni(1), Ip.parse(f"10.0.0.{n}"), MAC) for n in range(3)]


class Recorder(FakeDriver):
    """Remembers the order in which keys came."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        self.order += [change.key for change in changes]
        super().apply(changes, done)


class Bench:
    """A started reconciler and what it told."""

    def __init__(self) -> None:
        self.driver = Recorder()
        self.reconciler = Reconciler(self.driver, retry_first=0.01, retry_most=0.03)
        self.vifs: list[VifStatus] = []
        self.failures: list[Failure] = []
        self.done: list[tuple[Failure, ...]] = []

    async def start(self) -> Bench:
        await self.reconciler.start(self.vifs.append, self.failures.append)
        return self

    def put(self, *resources: Desired) -> None:
        changes: list[Change[str, Desired]] = [Change(r.key, None, r) for r in resources]
        self.reconciler.apply(changes, lambda failures: self.done.append(tuple(failures)))

    def drop(self, *resources: Desired) -> None:
        changes: list[Change[str, Desired]] = [Change(r.key, r, None) for r in resources]
        self.reconciler.apply(changes, lambda failures: self.done.append(tuple(failures)))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def bench() -> Bench:
    return await Bench().start()


def test_both_are_drivers() -> None:
    driver: Driver = FakeDriver()
    above: Driver = Reconciler(driver)
    assert above is not driver


async def test_make_before_break(bench: Bench) -> None:
    bench.put(PORT, NEIGHBORS[0], EVI, NODE)
    assert bench.driver.order == [NODE.key, EVI.key, NEIGHBORS[0].key, PORT.key]
    bench.driver.order.clear()
    bench.drop(NODE, EVI, NEIGHBORS[0], PORT)
    assert bench.driver.order == [PORT.key, NEIGHBORS[0].key, EVI.key, NODE.key]
    assert bench.vifs == [VifStatus("p", up=True)]


async def test_a_bad_key_is_tried_again_until_it_holds(bench: Bench) -> None:
    bad = NEIGHBORS[1]
    bench.driver.broken[bad.key] = "no room"
    bench.put(*NEIGHBORS)
    assert bench.done == [(Failure(bad.key, "no room"),)]
    assert set(bench.driver.programmed) == {NEIGHBORS[0].key, NEIGHBORS[2].key}
    assert await bench.reconciler.audit() == [f"{bad.key}: no room"]
    await bench.until(lambda: bench.driver.order.count(bad.key) >= 4)
    assert bench.failures == []
    bench.driver.broken[bad.key] = "still none"
    await bench.until(lambda: bench.failures == [Failure(bad.key, "still none")])
    bench.driver.broken.clear()
    await bench.until(lambda: bench.failures[1:] == [Failure(bad.key, "")])
    assert bad.key in bench.driver.programmed
    assert await bench.reconciler.audit() == []


async def test_what_changed_or_went_is_not_tried_again(bench: Bench) -> None:
    bad = NEIGHBORS[1]
    bench.driver.broken[bad.key] = "no room"
    bench.put(bad)
    bench.drop(bad)
    bench.driver.broken.clear()
    tries = len(bench.driver.order)
    await asyncio.sleep(0.05)
    assert len(bench.driver.order) == tries
    assert bad.key not in bench.driver.programmed


async def test_an_answer_to_an_old_try_says_nothing(bench: Bench) -> None:
    bad = NEIGHBORS[1]
    bench.driver.broken[bad.key] = "no room"
    bench.put(bad)
    bench.driver.held = True
    await bench.until(lambda: bench.driver.order.count(bad.key) == 2)
    bench.drop(bad)
    bench.driver.release()
    await asyncio.sleep(0.05)
    assert bench.failures == []
    assert bench.driver.order.count(bad.key) == 3


async def test_answers_come_once_each_in_order(bench: Bench) -> None:
    bench.driver.held = True
    bench.driver.broken[NEIGHBORS[0].key] = "no"
    bench.put(NEIGHBORS[0])
    bench.put(NEIGHBORS[1])
    assert bench.done == []
    bench.driver.release()
    assert bench.done == [(Failure(NEIGHBORS[0].key, "no"),), ()]
    await bench.reconciler.stop()
