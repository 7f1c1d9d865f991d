"""An agent's data plane in the test's own process, fed with resources directly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from sdnctl.delta import Change
from sdnctl.desired import Desired
from sdnctl_vrouter.drivers.base import Failure, VifStatus
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from sdnctl_vrouter.reconciler import Reconciler
from tests.netns.harness import DATAPATH, Switch


async def until(condition: Callable[[], bool], within: float = 10) -> None:
    """Wait in the loop until it holds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


class Agent:
    """A started Reconciler and what it has told."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.reconciler = Reconciler(OvsDriver(str(switch.rundir), datapath_type=DATAPATH))
        self.desired: dict[str, Desired] = {}
        self.vifs: dict[str, VifStatus] = {}
        self.failures: list[Failure] = []

    async def start(self) -> Agent:
        await self.reconciler.start(self._vif, self.failures.append)
        return self

    def _vif(self, status: VifStatus) -> None:
        self.vifs[status.port_id] = status

    async def put(self, *resources: Desired) -> Sequence[Failure]:
        """Apply and wait for done."""
        changes: list[Change[str, Desired]] = [
            Change(r.key, self.desired.get(r.key), r) for r in resources
        ]
        self.desired.update({r.key: r for r in resources})
        return await self._apply(changes)

    async def drop(self, keys: Iterable[str]) -> Sequence[Failure]:
        """Remove and wait for done."""
        return await self._apply([Change(key, self.desired.pop(key), None) for key in keys])

    async def change(self, changes: list[Change[str, Desired]]) -> Sequence[Failure]:
        """Apply what the caller keeps account of, and wait for done."""
        return await self._apply(changes)

    async def _apply(self, changes: list[Change[str, Desired]]) -> Sequence[Failure]:
        future: asyncio.Future[Sequence[Failure]] = asyncio.get_running_loop().create_future()
        self.reconciler.apply(changes, future.set_result)
        async with asyncio.timeout(20):
            return await future

    async def up(self, *port_ids: str) -> None:
        """Wait until these VIFs are up."""
        await until(lambda: all(p in self.vifs and self.vifs[p].up for p in port_ids))
        await self.settle()

    async def settle(self) -> None:
        """Wait until the switch's cache follows what was programmed."""
        await asyncio.to_thread(self.switch.settle)

    async def stop(self) -> None:
        await self.reconciler.stop()
