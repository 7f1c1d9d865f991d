"""Open vSwitch as a data plane: keeps the switch's flows equal to the model's.

Promise: ``drivers.base.Driver``. State is the model's alone; of the switch it remembers
nothing, and asks (cookies, OVSDB) whenever it connects. A restarted agent finds its flows by
their cookies and changes only what differs; a restarted switch gets everything in one bundle.
While the switch is away changes collapse in the model, and their ``done`` wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sdnctl.delta import Change
from sdnctl.desired import Desired, LocalPort, Probe
from sdnctl.types import Ip, Mac, Vni
from sdnctl_vrouter.drivers.base import Failure, Reachability, VifStatus, unheard
from sdnctl_vrouter.drivers.ovs import audit, templates
from sdnctl_vrouter.drivers.ovs.bridge import Bridge
from sdnctl_vrouter.drivers.ovs.bundles import Bundles, Done
from sdnctl_vrouter.drivers.ovs.meters import Installed
from sdnctl_vrouter.drivers.ovs.model import SLICE, Difference, Model
from sdnctl_vrouter.drivers.ovs.peers import Peers
from sdnctl_vrouter.drivers.ovs.pipeline import BRIDGE, COOKIE_OWNER, COOKIE_OWNER_MASK
from sdnctl_vrouter.drivers.ovs.questions import Questions
from sdnctl_vrouter.drivers.ovs.translation import Tunnels
from sdnctl_vrouter.platform.openflow import Connection
from sdnctl_vrouter.prober import Prober
from sdnctl_vrouter.resolver.names import Names
from sdnctl_vrouter.responder.guest import Guest

log = logging.getLogger(__name__)

RETRY_FIRST: Final = 0.05
RETRY_MOST: Final = 1.0

TUNNEL_PATIENCE: Final = 5.0
"""Seconds that programming waits for the tunnel ports; then they are a failure of the node."""

AUDIT_PATIENCE: Final = 5.0
"""Seconds that an audit waits for the switch to come back."""


class OvsDriver:
    """See the module.

    Args:
        rundir: Where Open vSwitch keeps its sockets (``db.sock``, ``BRIDGE.mgmt``).
        bridge: The integration bridge, made if it is missing.
        datapath_type: ``system`` for the kernel's data path, ``netdev`` for userspace.
        metadata: Whether the bridge has an interface of the host for its services.
        resolver: Whether guests are told of the resolver there.
        inherit_dscp: Whether the outer header of VXLAN has the code point of the packet inside.
        answers_nd: Whether the switch can answer ND; by default what the data path can.
    """

    def __init__(
        self,
        rundir: str = "/var/run/openvswitch",
        *,
        bridge: str = BRIDGE,
        datapath_type: str = "system",
        metadata: bool = False,
        resolver: bool = False,
        inherit_dscp: bool = False,
        answers_nd: bool | None = None,
    ) -> None:
        self._management = f"{rundir}/{bridge}.mgmt"
        self._userspace = datapath_type == "netdev"
        self._answers_nd = self._userspace if answers_nd is None else answers_nd
        self._model = Model(answers_nd=self._answers_nd, resolver=resolver)
        self._bridge = Bridge(
            *(rundir, bridge, datapath_type, self._on_vif, self._on_tunnels),
            on_awaited=self._on_awaited,
            metadata=metadata,
            inherit_dscp=inherit_dscp,
        )
        self._peers = Peers()
        self._prober = Prober(self._on_reachability)
        self._resolver = resolver
        self._recalled: Model | None = None
        self._questions = Questions(self, answers_nd=self._answers_nd)
        self._connection: Connection | None = None
        self._live = asyncio.Event()
        """Connected, and all that the model said is in the switch or on its way."""
        self._in_sync = False
        self._stale = asyncio.Event()
        self._meters = Installed(self._model.meters)
        self._bundles = Bundles(
            *(self._model, self._meters, self._peers), push=self._push, restart=self._restart
        )
        self._tasks: list[asyncio.Task[None]] = []

    # ---- Driver

    async def start(
        self,
        on_vif: Callable[[VifStatus], None],
        on_failure: Callable[[Failure], None],
        on_reachability: Callable[[Reachability], None] = unheard,
    ) -> None:
        """See ``Driver``."""
        self._bundles.listen(on_vif, on_failure)
        self._tell_reachability = on_reachability
        parts = (self._bridge.run(), self._run(), self._questions.advertise())
        self._tasks = [asyncio.create_task(part) for part in parts]
        if self._userspace:
            self._tasks.append(asyncio.create_task(self._peers.run()))
        for task in self._tasks:
            task.add_done_callback(_must_not_end)

    def apply(self, changes: Sequence[Change[str, Desired]], done: Done) -> None:
        """See ``Driver``."""
        model = self._model
        for key, old, new in changes:
            if isinstance(new or old, Probe):
                self._prober.put(
                    key,
                    old if isinstance(old, Probe) else None,
                    new if isinstance(new, Probe) else None,
                )
            else:
                model.put(key, new)
                if key.startswith("port/"):
                    subport = isinstance(new, LocalPort) and bool(new.parent)
                    self._bridge.set_subport(key.removeprefix("port/"), wanted=subport)
        self._bundles.wait(tuple(change.key for change in changes), done)
        if model.node is not None and self._bridge.set_vtep(model.node.vtep):
            self._prober.set_source(model.node.vtep)
            self._restart()  # nothing is done before its tunnels are there
        self._push()

    def in_sync(self) -> None:
        """See ``Driver``."""
        self._recalled = None
        if not self._in_sync:
            self._in_sync = True
            self._bridge.in_sync()
            self._restart()

    async def audit(self) -> list[str]:
        """See ``Driver``; what it finds is mended at once, so the next finds nothing."""
        try:
            async with asyncio.timeout(AUDIT_PATIENCE):
                await self._live.wait()
        except TimeoutError:
            return ["the switch is away"]
        connection = self._connection
        assert connection is not None  # noqa: S101 live means connected
        lines = await audit.differences(connection, self._model, self._meters)
        if lines:
            self._restart()
        return lines

    async def drops(self) -> dict[str, int]:
        """See ``Driver``; nothing while the switch is away."""
        connection = self._connection
        if connection is None or connection.lost.done():
            return {}
        return await audit.drops(connection)

    async def stop(self) -> None:
        """See ``Driver``."""
        self._prober.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- guests

    def on_claim(self, tell: Callable[[LocalPort, Mac, Ip], None]) -> None:
        """Tell of addresses that guests say they have, beside their own."""
        self._questions.on_claim = tell

    def recall(self, resources: Iterable[Desired]) -> None:
        """Answer guests by these until ``in_sync``; nothing is programmed."""
        recalled = Model(answers_nd=self._answers_nd, resolver=self._resolver)
        for resource in resources:
            recalled.put(resource.key, resource)
        for port_id, ofport in self._model.vifs.items():
            recalled.set_vif(port_id, ofport)
        self._recalled = recalled

    @property
    def vifs(self) -> Mapping[str, int]:
        """The OpenFlow ports of all VIFs, by port."""
        return self._model.vifs

    def changed_segments(self) -> set[Vni]:
        """Networks of which guests are told otherwise since the last call."""
        return self._model.changed_segments()

    def guest(self, ofport: int) -> Guest | None:
        """The local port whose VIF is on that OpenFlow port."""
        recalled = self._recalled.guest(ofport) if self._recalled is not None else None
        return recalled if recalled is not None else self._model.guest(ofport)

    def names(self, guest: Guest) -> Names:
        """The names of a guest's network."""
        return (self._recalled or self._model).names(guest.port.vni)

    # ---- the switch's own events

    def _on_vif(self, port_id: str, ofport: int) -> None:
        former = self._model.vif(port_id)
        if former not in (0, ofport) and self._connection is not None:
            # Its number may become another port's, who is to inherit no connection.
            self._connection.forget_connections(former)
        self._model.set_vif(port_id, ofport)
        if self._recalled is not None:
            self._recalled.set_vif(port_id, ofport)
        self._push()

    def _on_awaited(self, port_id: str, awaited: bool) -> None:
        self._model.await_vif(port_id, awaited=awaited)
        self._push()

    def _on_tunnels(self, tunnels: Tunnels) -> None:
        self._model.set_tunnels(tunnels)
        if self._userspace:
            self._peers.connected(self._connection, tunnels.vxlan)
        self._push()

    # ---- probed next hops

    def _on_reachability(self, reachability: Reachability) -> None:
        """Packets first, then the news."""
        self._model.groups.set_unreachable(self._prober.unreachable)
        self._push()
        self._tell_reachability(reachability)

    # ---- connection

    async def _run(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                connection = self._connection = await Connection.open(
                    self._management, self._questions.asked
                )
                self._questions.connected(connection)
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
                self._live.clear()
                self._bundles.take_back()
                self._peers.connected(None, 0)
                self._questions.connected(None)
                self._bundles.tell_away()
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MOST)

    async def _until_stale(self, connection: Connection) -> None:
        events = [self._stale]
        if not self._bridge.surveyed.is_set():
            events.append(self._bridge.surveyed)
        waits = [asyncio.create_task(event.wait()) for event in events]
        lost = asyncio.create_task(asyncio.wait((connection.lost,)))
        try:
            await asyncio.wait((*waits, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, lost):
                task.cancel()
            await asyncio.gather(*waits, lost, return_exceptions=True)

    def _push(self) -> None:
        if self._live.is_set():
            connection = self._connection
            assert connection is not None  # noqa: S101 live means connected
            self._bundles.send(connection, self._model.flush())

    def _restart(self) -> None:
        """What the switch holds is to be asked anew."""
        self._live.clear()
        self._stale.set()

    async def _resync(self, connection: Connection) -> None:
        """Ask what is there; one bundle with the difference."""
        installed = await connection.cookies(COOKIE_OWNER, COOKIE_OWNER_MASK)
        groups = audit.ours(await connection.groups())
        await self._meters.ask(connection)
        # Last, for there is no wait from here to the bundle: a node that comes while we ask
        # is in it, and so must its tunnels be.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TUNNEL_PATIENCE):
                await self._bridge.settled.wait()
        if connection.lost.done():
            return
        self._bundles.take_back()
        self._live.set()
        await self._bundles.send(connection, self._everything(installed, groups))
        if self._may_remove and self._live.is_set():
            await self._bridge.end_restore()

    @property
    def _may_remove(self) -> bool:
        """What is found and not desired may go; a VIF not yet seen would look like that."""
        return self._in_sync and self._bridge.surveyed.is_set()

    def _everything(self, installed: set[int], groups: set[int]) -> Iterator[Difference]:
        """What a switch lacks that holds ``installed`` and ``groups``."""
        model = self._model
        failures: dict[str, str] = {}
        for difference in model.flush():
            failures |= difference.failures
            self._peers.add(difference.vteps)
        nothing = Difference([], [], [], [], {}, [], [])
        yield nothing._replace(
            groups=model.groups.all(), failures=failures, meters=tuple(model.meters.desired)
        )
        missing = [item for item in model.flows if item[1].cookie not in installed]
        for start in range(0, len(missing), SLICE):
            yield nothing._replace(flows=missing[start : start + SLICE])
        if self._may_remove:
            dead = groups - model.groups.numbers
            yield nothing._replace(
                dead_flows=sorted(installed - {flow.cookie for _, flow in model.flows}),
                dead_groups=[templates.group_delete(number) for number in sorted(dead)],
                meters=self._meters.unwanted,
            )
        ports = [key for key, r in model.resources.items() if isinstance(r, LocalPort)]
        yield nothing._replace(ports=ports)


def _must_not_end(task: asyncio.Task[None]) -> None:
    """End the process with the task: its supervisor starts one that works, packets go on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the driver stopped working", exc_info=error)
        signal.raise_signal(signal.SIGABRT)
