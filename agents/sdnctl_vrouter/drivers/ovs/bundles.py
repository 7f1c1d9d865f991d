"""Changes on their way to the switch, and who is to hear what became of them.

Promise: who waits is answered once, in the order of the calls, after the switch has said that the
bundle is in force or what it refused of it; bundles that are lost on their way are waited for in
the next one. What is said of a port is said when it is news. Knows nothing of what a switch holds
that has just been connected to: the driver asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from sdnctl.desired import LocalPort
from sdnctl_vrouter.drivers.base import Failure, VifStatus
from sdnctl_vrouter.drivers.ovs.flows import Flow
from sdnctl_vrouter.drivers.ovs.meters import Installed
from sdnctl_vrouter.drivers.ovs.model import Difference, Model
from sdnctl_vrouter.drivers.ovs.peers import Peers
from sdnctl_vrouter.drivers.ovs.pipeline import NO_COOKIE
from sdnctl_vrouter.platform.openflow import (
    FLOW_MOD,
    GROUP_MOD,
    Connection,
    Message,
    Outcome,
    delete_by_cookie,
)

log = logging.getLogger(__name__)

Done = Callable[[Sequence[Failure]], None]


class _Apply(NamedTuple):
    """An ``apply`` that was not answered yet."""

    keys: tuple[str, ...]
    done: Done


@dataclass(slots=True)
class _Batch:
    """One bundle on its way, and what to say when it is through."""

    applies: list[_Apply]
    sent: list[tuple[str, Flow] | None] = field(default_factory=list)
    """For each message the flow that it adds, with its unit."""
    failures: dict[str, str] = field(default_factory=dict)
    ports: dict[str, VifStatus] = field(default_factory=dict)
    meters: list[int] = field(default_factory=list)
    """To be removed behind it, unless they are wanted again by then."""
    answered: bool = False


class Bundles:
    """See the module. ``push`` sends what changed; ``restart`` has the switch asked anew."""

    def __init__(
        self,
        model: Model,
        meters: Installed,
        peers: Peers,
        *,
        push: Callable[[], None],
        restart: Callable[[], None],
    ) -> None:
        self._model = model
        self._meters = meters
        self._peers = peers
        self._push = push
        self._restart = restart
        self._applies: list[_Apply] = []
        """For the next bundle to answer."""
        self._untold: dict[str, str] = {}
        """Failures of bundles that were lost on their way."""
        self._batches: deque[_Batch] = deque()
        self._told: dict[str, VifStatus] = {}

    def listen(
        self, tell_vif: Callable[[VifStatus], None], tell_failure: Callable[[Failure], None]
    ) -> None:
        """Who hears of ports, and of failures that no call asked for."""
        self._tell_vif, self._tell_failure = tell_vif, tell_failure

    def wait(self, keys: tuple[str, ...], done: Done) -> None:
        """The next bundle is to answer for these."""
        self._applies.append(_Apply(keys, done))

    def take_back(self) -> None:
        """Bundles on their way are lost: who waits for them waits for the next."""
        self._applies[:0] = [apply for batch in self._batches for apply in batch.applies]
        for batch in self._batches:
            self._untold |= batch.failures
        self._batches.clear()

    def tell_away(self) -> None:
        """The switch hung up, and no port is up without it."""
        for status in list(self._told.values()):
            if status.up or status.awaited:
                self._report(VifStatus(status.port_id, up=False, reason="the switch is away"))

    def send(
        self, connection: Connection, differences: Iterable[Difference]
    ) -> asyncio.Future[Outcome]:
        """One bundle with these; with it go all that waits."""
        batch = _Batch(self._applies, failures=self._untold)
        self._applies, self._untold = [], {}
        self._batches.append(batch)
        outcome = connection.bundle(
            self._messages(connection, batch, differences),
            partial(self._through, connection, batch),
        )
        for row in self._model.given_up():
            # Its flows refuse them already; who goes on with the same ports is to begin anew.
            connection.forget_translated(row.zone, row.fixed, row.ip)
        return outcome

    def _messages(
        self, connection: Connection, batch: _Batch, differences: Iterable[Difference]
    ) -> Iterator[Sequence[Message]]:
        for difference in differences:
            self._peers.add(difference.vteps)
            batch.meters += self._meters.put(connection, difference.meters)
            messages = [(GROUP_MOD, body) for body in difference.groups]
            batch.sent += [None] * len(messages)
            batch.sent += difference.flows
            messages += [(FLOW_MOD, flow.message) for _, flow in difference.flows]
            messages += map(delete_by_cookie, difference.dead_flows)
            messages += [(GROUP_MOD, body) for body in difference.dead_groups]
            batch.sent += [None] * (len(difference.dead_flows) + len(difference.dead_groups))
            if difference.meters and not messages:
                # The answer to a bundle comes after that to the meters; an empty one has none.
                messages = [delete_by_cookie(NO_COOKIE)]
                batch.sent.append(None)
            batch.failures |= difference.failures
            for key in difference.ports:
                status = self._status(key)
                batch.ports[status.port_id] = status
            yield messages

    def _status(self, key: str) -> VifStatus:
        port = self._model.resources.get(key)
        port_id = key.removeprefix("port/")
        if not isinstance(port, LocalPort):
            return VifStatus(port_id, up=False, reason="not bound here")
        if not self._model.vif(port_id):
            if port_id in self._model.awaited and port.admin_state_up:
                reason = "its VIF has no device yet"
                return VifStatus(port_id, up=False, reason=reason, awaited=True)
            return VifStatus(port_id, up=False, reason="its VIF is not on the bridge")
        if port.parent and not self._model.vif(port.parent):
            return VifStatus(port_id, up=False, reason="its trunk's VIF is not on the bridge")
        if not port.admin_state_up:
            return VifStatus(port_id, up=False, reason="administratively down")
        reason = self._model.failures.get(key, "")
        return VifStatus(port_id, up=not reason, reason=reason, failed=bool(reason))

    def _through(self, connection: Connection, batch: _Batch, outcome: Outcome) -> None:
        if batch not in self._batches:
            return  # taken back: the connection was lost, or all is said anew
        for place, refusal in outcome.refused.items():
            if (sent := batch.sent[place]) is not None:
                log.warning("%s: %s", sent[0], refusal)
                self._model.quarantine(sent[1], sent[0], str(refusal))
            else:
                log.error("a group or a removal: %s", refusal)
        if not outcome.committed:
            self._restart()
            return
        self._meters.remove(connection, batch.meters)
        batch.failures |= self._model.failures_since()
        batch.answered = True
        self._drain()
        if outcome.refused:
            # What was accepted of a refused resource goes; what it was to replace may still be
            # there, and only the switch knows.
            self._push()
            self._restart()

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
            for status in batch.ports.values():
                self._report(status)

    def _report(self, status: VifStatus) -> None:
        if status.reason == "not bound here":
            self._told.pop(status.port_id, None)
        elif self._told.get(status.port_id) != status:
            self._told[status.port_id] = status
            self._tell_vif(status)
