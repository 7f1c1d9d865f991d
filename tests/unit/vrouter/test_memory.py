"""What guests were told, on disk: whole or nothing, and what was said last."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sdnctl.delta import Change
from sdnctl.desired import Desired, Evi, Irb, LocalPort, SubnetOptions
from sdnctl.types import Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter import memory
from sdnctl_vrouter.drivers.base import Failure
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from sdnctl_vrouter.memory import Memory, recall

MAC = Mac.parse("fa:16:3e:00:00:01")
PORT = LocalPort("p", Vni(7), Vni(0), MAC, (Ip.parse("10.0.0.5"),))
SUBNET = SubnetOptions(Vni(7), "s", Prefix.parse("10.0.0.0/24"), dhcp=True)
IRB = Irb(Vni(7), Vni(9), "gw", MAC, ((Ip.parse("10.0.0.1"), 24),))
EVI = Evi(Vni(7), Label(16), 1450)


class Plane:
    """A data plane that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        self.told += [change.key for change in changes]
        done([])

    def in_sync(self) -> None:
        self.told.append("in sync")

    async def drops(self) -> dict[str, int]:
        return {"spoofed_ip": 1}


def put(kept: Memory, *rows: Desired) -> None:
    kept.apply([Change(row.key, None, row) for row in rows], lambda _failures: None)


async def written(path: Path, before: float = 0.0) -> float:
    async with asyncio.timeout(10):
        while not path.exists() or path.stat().st_mtime == before:
            await asyncio.sleep(0.01)
    return path.stat().st_mtime


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SOON", 0.01)


async def test_it_is_what_was_said_last(tmp_path: Path) -> None:
    path, plane = tmp_path / "told", Plane()
    kept = Memory(path, plane)
    run = asyncio.create_task(kept.run())
    put(kept, EVI, SUBNET, IRB, PORT)
    await asyncio.sleep(0.1)
    assert not path.exists(), "what is half told is not remembered"
    kept.in_sync()
    assert plane.told == [EVI.key, SUBNET.key, IRB.key, PORT.key, "in sync"]
    assert await kept.drops() == {"spoofed_ip": 1}
    first = await written(path)
    assert recall(path) == [SUBNET, IRB, PORT]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept.apply([Change(IRB.key, IRB, None)], lambda _failures: None)
    await written(path, first)
    assert recall(path) == [SUBNET, PORT]
    assert [entry.name for entry in tmp_path.iterdir()] == ["told"]
    run.cancel()


async def test_what_is_not_whole_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "told"
    assert recall(path) == []
    memory._write(path, [b"of another version"])
    assert recall(path) == []
    kept = Memory(path, Plane())
    put(kept, SUBNET, PORT)
    memory._write(path, list(kept._kept.values()))
    whole = path.read_bytes()
    assert len(recall(path)) == 2
    for damaged in (whole[:-1], whole + b"x", b"", b"nonsense", whole[:30] + b"!" + whole[31:]):
        path.write_bytes(damaged)
        assert recall(path) == []


async def test_a_disk_that_is_full_is_survived(tmp_path: Path) -> None:
    kept = Memory(tmp_path / "nowhere" / "told", Plane())
    run = asyncio.create_task(kept.run())
    put(kept, PORT)
    kept.in_sync()
    await asyncio.sleep(0.1)
    assert not run.done()
    run.cancel()


async def test_guests_are_known_until_a_controller_says_more(tmp_path: Path) -> None:
    driver = OvsDriver(str(tmp_path))
    driver._on_vif("p", 5)
    driver.recall([SUBNET, IRB, PORT])
    guest = driver.guest(5)
    assert guest is not None
    assert (guest.port, guest.subnets, guest.irbs) == (PORT, (SUBNET,), (IRB,))
    driver._on_vif("p", 6)
    assert driver.guest(5) is None
    assert driver.guest(6) is not None
    assert not list(driver._model.resources), "nothing is programmed from it"
    driver.in_sync()
    assert driver.guest(6) is None
