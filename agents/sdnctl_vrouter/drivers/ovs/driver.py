"""Open vSwitch as a data plane: keeps the switch's flows equal to the model's.

Promise: ``drivers.base.Driver``. State is the model's alone; of the switch it remembers
nothing, and asks (cookies, OVSDB) whenever it connects. A restarted agent finds its flows by
their cookies and changes only what differs; a restarted switch gets everything in one bundle.
While the switch is away changes collapse in the model, and their ``done`` wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from sdnctl.delta import Change
from sdnctl.desired import Desired, LocalPort
from sdnctl_vrouter.drivers.base import Failure, VifStatus
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.bridge import Bridge
from sdnctl_vrouter.drivers.ovs.model import Difference, Flow, Model
from sdnctl_vrouter.drivers.ovs.peers import Peers
from sdnctl_vrouter.drivers.ovs.pipeline import (
    BRIDGE,
    COOKIE_OWNER,
    COOKIE_OWNER_MASK,
    GROUP_OWNER,
    GROUP_OWNER_MASK,
)
from sdnctl_vrouter.drivers.ovs.translate import Tunnels
from sdnctl_vrouter.platform.openflow import (
    FLOW_MOD,
    GROUP_MOD,
    Connection,
    Message,
    Outcome,
    delete_by_cookie,
)

log = logging.getLogger(__name__)

RETRY_FIRST: Final = 0.05
RETRY_MOST: Final = 1.0

Done = Callable[[Sequence[Failure]], None]


class _Apply(NamedTuple):
    """An ``apply`` that was not answered yet."""

    keys: tuple[str, ...]
    done: Done


@dataclass(slots=True)
class _Batch:
    """One bundle on its way, and what to say when it is through."""

    flows: list[tuple[str, Flow]]
    first_flow: int
    applies: list[_Apply]
    failures: dict[str, str]
    ports: list[VifStatus]
    answered: bool = False


class OvsDriver:
    """See the module.

    Args:
        rundir: Where Open vSwitch keeps its sockets (``db.sock``, ``BRIDGE.mgmt``).
        bridge: The integration bridge, made if it is missing.
        datapath_type: ``system`` for the kernel's data path, ``netdev`` for userspace.
    """

    def __init__(
        self,
        rundir: str = "/var/run/openvswitch",
        *,
        bridge: str = BRIDGE,
        datapath_type: str = "system",
    ) -> None:
        self._management = f"{rundir}/{bridge}.mgmt"
        self._userspace = datapath_type == "netdev"
        self._model = Model()
        self._bridge = Bridge(rundir, bridge, datapath_type, self._on_vif, self._on_tunnels)
        self._peers = Peers()
        self._connection: Connection | None = None
        self._live = False
        """Connected, and the switch is known to hold what the model said last."""
        self._in_sync = False
        self._applies: list[_Apply] = []
        self._batches: deque[_Batch] = deque()
        self._stale = asyncio.Event()
        self._told: dict[str, VifStatus] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # ---- Driver

    async def start(
        self,
        on_vif: Callable[[VifStatus], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        """See ``Driver``."""
        self._tell_vif, self._tell_failure = on_vif, on_failure
        self._tasks = [asyncio.create_task(self._bridge.run()), asyncio.create_task(self._run())]
        if self._userspace:
            self._tasks.append(asyncio.create_task(self._peers.run()))

    def apply(self, changes: Sequence[Change[str, Desired]], done: Done) -> None:
        """See ``Driver``."""
        model = self._model
        for change in changes:
            model.put(change.key, change.new)
        self._bridge.set_vtep(model.node.vtep if model.node else None)
        self._applies.append(_Apply(tuple(change.key for change in changes), done))
        self._push()

    def in_sync(self) -> None:
        """See ``Driver``."""
        if not self._in_sync:
            self._in_sync = True
            self._restart()

    async def audit(self) -> list[str]:
        """See ``Driver``."""
        if self._connection is None or not self._live:
            return ["the switch is away"]
        while self._batches:
            await asyncio.sleep(0.01)
        desired = {flow.cookie: unit for unit, flow in self._model.flows}
        installed = await self._connection.cookies(COOKIE_OWNER, COOKIE_OWNER_MASK)
        lines = [f"{desired[cookie]}: a flow is missing" for cookie in desired.keys() - installed]
        lines += [f"a flow of nothing: cookie {c:#x}" for c in installed - desired.keys()]
        groups = _ours(await self._connection.groups())
        numbers = self._model.groups.numbers
        lines += [f"group {number:#x} is missing" for number in numbers - groups]
        lines += [f"a group of nothing: {number:#x}" for number in groups - numbers]
        return sorted(lines)

    async def stop(self) -> None:
        """See ``Driver``."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()

    # ---- the switch's own events

    def _on_vif(self, port_id: str, ofport: int) -> None:
        self._model.set_vif(port_id, ofport)
        self._push()

    def _on_tunnels(self, tunnels: Tunnels) -> None:
        self._model.set_tunnels(tunnels)
        if self._userspace:
            self._peers.connected(self._connection, tunnels.vxlan)
        self._push()

    # ---- connection

    async def _run(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                connection = self._connection = await Connection.open(self._management)
                log.info("connected to %s", self._management)
                pause = RETRY_FIRST
                if self._userspace:
                    self._peers.connected(connection, self._model.tunnels.vxlan)
                while not connection.lost.done():
                    self._stale.clear()
                    await self._resync(connection)
                    await self._until_stale(connection)
                log.warning("%s hung up", self._management)
            except (OSError, TimeoutError) as error:
                log.info("%s: %s", self._management, error)
            finally:
                self._live = False
                self._take_back()
                self._peers.connected(None, 0)
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MOST)

    async def _until_stale(self, connection: Connection) -> None:
        stale = asyncio.ensure_future(self._stale.wait())
        try:
            await asyncio.wait((stale, connection.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stale.cancel()

    def _restart(self) -> None:
        """What the switch holds is to be asked anew."""
        self._live = False
        self._stale.set()

    def _take_back(self) -> None:
        """Bundles on their way are lost: who waits for them waits for the next."""
        lost = [apply for batch in self._batches for apply in batch.applies]
        self._batches.clear()
        self._applies[:0] = lost

    async def _resync(self, connection: Connection) -> None:
        """Ask what is there; one bundle with the difference."""
        installed = await connection.cookies(COOKIE_OWNER, COOKIE_OWNER_MASK)
        groups = _ours(await connection.groups())
        self._take_back()
        model = self._model
        difference = model.flush()
        desired = {flow.cookie for _, flow in model.flows}
        dead = installed - desired if self._in_sync else set()
        dead_groups = groups - model.groups.numbers if self._in_sync else set()
        self._live = True
        future = self._send(
            difference._replace(
                groups=model.groups.all(),
                flows=[item for item in model.flows if item[1].cookie not in installed],
                dead_flows=sorted(dead),
                dead_groups=[templates.group_delete(number) for number in sorted(dead_groups)],
                ports=[key for key, r in model.resources.items() if isinstance(r, LocalPort)],
            )
        )
        if future is not None:
            await future
        if self._in_sync and self._live:
            await self._bridge.end_restore()

    # ---- programming

    def _push(self) -> None:
        if self._live:
            self._send(self._model.flush())

    def _send(self, difference: Difference) -> asyncio.Future[Outcome] | None:
        connection = self._connection
        assert connection is not None  # noqa: S101 live means connected
        if self._userspace:
            self._peers.add(difference.vteps)
        messages = [Message(GROUP_MOD, body) for body in difference.groups]
        batch = _Batch(
            difference.flows,
            len(messages),
            self._applies,
            difference.failures,
            [self._status(key) for key in difference.ports],
        )
        self._applies = []
        messages += [
            Message(FLOW_MOD, flow.cookie.to_bytes(8, "big") + flow.body)
            for _, flow in difference.flows
        ]
        messages += map(delete_by_cookie, difference.dead_flows)
        messages += [Message(GROUP_MOD, body) for body in difference.dead_groups]
        self._batches.append(batch)
        if messages:
            future = connection.bundle(messages)
            future.add_done_callback(partial(self._through, batch))
            return future
        batch.answered = True
        asyncio.get_running_loop().call_soon(self._drain)
        return None

    def _status(self, key: str) -> VifStatus:
        port = self._model.resources.get(key)
        port_id = key.removeprefix("port/")
        if not isinstance(port, LocalPort):
            return VifStatus(port_id, up=False, reason="not bound here")
        if not self._model.vif(port_id):
            return VifStatus(port_id, up=False, reason="its VIF is not on the bridge")
        if not port.admin_state_up:
            return VifStatus(port_id, up=False, reason="administratively down")
        reason = self._model.failures.get(key, "")
        return VifStatus(port_id, up=not reason, reason=reason)

    def _through(self, batch: _Batch, future: asyncio.Future[Outcome]) -> None:
        if future.cancelled() or future.exception() is not None or batch not in self._batches:
            return  # the connection is gone: _take_back() sees to those who wait
        outcome = future.result()
        for place, refusal in outcome.refused.items():
            at = place - batch.first_flow
            if 0 <= at < len(batch.flows):
                unit, flow = batch.flows[at]
                log.warning("%s: %s", unit, refusal)
                self._model.quarantine(flow, unit, str(refusal))
        if not outcome.committed:
            self._restart()
            return
        batch.answered = True
        self._drain()
        if outcome.refused:
            self._push()

    def _drain(self) -> None:
        """Answer in the order of the calls."""
        while self._batches and self._batches[0].answered:
            batch = self._batches.popleft()
            failures = self._model.failures
            told: set[str] = set()
            for apply in batch.applies:
                told.update(apply.keys)
                apply.done([Failure(k, failures[k]) for k in apply.keys if k in failures])
            for key, reason in batch.failures.items():
                if key not in told:
                    self._tell_failure(Failure(key, reason))
            for status in batch.ports:
                self._report(status)

    def _report(self, status: VifStatus) -> None:
        if status.reason == "not bound here":
            self._told.pop(status.port_id, None)
        elif self._told.get(status.port_id) != status:
            self._told[status.port_id] = status
            self._tell_vif(status)


def _ours(groups: set[int]) -> set[int]:
    return {number for number in groups if number & GROUP_OWNER_MASK == GROUP_OWNER}
