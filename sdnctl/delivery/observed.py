"""What the agents report: which are there, which ports are up, how fast changes arrive.

Promise: memory of the present, not of the past: it is rebuilt by the agents' reports after a
restart, and nothing here decides what an agent is told.
"""

from __future__ import annotations

import contextlib
import enum
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sdnctl.types import Ip

GRACE_SECONDS: Final = 10.0
"""An agent that is away for less keeps its ports ACTIVE: restarts are not outages."""

REMEMBERED: Final = 4096
"""Revisions whose way to the switches is remembered."""


Watcher = Callable[[int | None], None]


class Vif(enum.Enum):
    """How far a port's VIF is on a hypervisor, by its agent's word.

    AWAITED is on the bridge, without the device that the virtual machine brings. FAILED has flows
    that the switch does not take. UP is programmed; all else is GONE.
    """

    GONE = enum.auto()
    AWAITED = enum.auto()
    FAILED = enum.auto()
    UP = enum.auto()


class VifChange(NamedTuple):
    """What an agent said of a VIF, and what it had said before in this controller's life.

    ``since`` is when it became so, in seconds of the monotonic clock: long ago, perhaps, of what is
    told to a controller that was restarted.
    """

    port_id: str
    host: str
    old: Vif
    new: Vif
    since: float


@dataclass(slots=True)
class AgentState:
    """One agent as it was last seen; times are seconds of the monotonic clock."""

    connected: bool = False
    last_seen: float = 0.0
    software: str = ""
    drops: dict[str, int] = field(default_factory=dict)  # packets refused, by reason
    ports: dict[str, Vif] = field(default_factory=dict)  # by port id
    unreachable: set[Ip] = field(default_factory=set)  # probed next hops that do not answer


@dataclass(slots=True)
class Convergence:
    """One revision on its way; times are nanoseconds of the wall clock."""

    committed_ns: int
    agents: int
    outstanding: set[str]
    programmed_ns: int = 0
    last: str = ""  # the agent that was last, and when it says that it had the message,
    last_received_ns: int = 0  # and its switch had confirmed it: by that host's clock
    last_switch_ns: int = 0


@dataclass(frozen=True, slots=True)
class Programmed:
    """An agent confirmed that its switch does what these revisions ask for."""

    revisions: tuple[int, ...]
    received_ns: int
    programmed_ns: int


class Observed:
    """The reports of all agents."""

    def __init__(self) -> None:
        self._agents: dict[str, AgentState] = {}
        self._revisions: OrderedDict[int, Convergence] = OrderedDict()
        self._watchers: set[Watcher] = set()
        self._ended = False
        # From commit to the last switch, of the newest revisions that needed a switch.
        self.durations_ms: deque[float] = deque(maxlen=REMEMBERED)

    @contextlib.contextmanager
    def watched(self, watcher: Watcher) -> Iterator[None]:
        """Meanwhile ``watcher`` is told the number of every revision that all have programmed.

        And None when there will be no more.
        """
        self._watchers.add(watcher)
        if self._ended:
            watcher(None)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    def end(self) -> None:
        """The controller ends: nobody waits for it any longer."""
        self._ended = True
        for watcher in tuple(self._watchers):
            watcher(None)

    def agent(self, host: str) -> AgentState:
        """The state of an agent; made at first sight."""
        return self._agents.setdefault(host, AgentState())

    def known(self, host: str) -> AgentState | None:
        """The state of an agent that was seen at least once."""
        return self._agents.get(host)

    def forget(self, host: str) -> None:
        """A hypervisor that is no more."""
        self._agents.pop(host, None)

    def is_alive(self, host: str, now: float) -> bool:
        """Connected, or away for less than the grace time."""
        state = self._agents.get(host)
        return state is not None and (state.connected or now - state.last_seen < GRACE_SECONDS)

    def is_plugged(self, port_id: str, host: str) -> bool:
        """The hypervisor's agent said last that the port's VIF is there and programmed."""
        state = self._agents.get(host)
        return state is not None and state.ports.get(port_id) is Vif.UP

    def port_is_up(self, port_id: str, host: str, now: float) -> bool:
        """The port's VIF is there and programmed on the hypervisor that it is bound to."""
        return self.is_plugged(port_id, host) and self.is_alive(host, now)

    def sent(self, revision: int, hosts: set[str], now_ns: int) -> None:
        """A revision was sent to these agents, or more of it was.

        One that all had programmed stays so: what follows under its number (routes that were
        learned since) is of another moment.
        """
        row = self._revisions.get(revision)
        if row is None:
            self._revisions[revision] = Convergence(now_ns, len(hosts), hosts)
        elif row.outstanding:
            row.outstanding |= hosts
            row.agents = max(row.agents, len(row.outstanding))
        while len(self._revisions) > REMEMBERED:
            self._revisions.popitem(last=False)

    def programmed(self, host: str, done: Programmed, now_ns: int) -> None:
        """An agent's switch confirmed some revisions."""
        for revision in done.revisions:
            row = self._revisions.get(revision)
            if row is None or host not in row.outstanding:
                continue
            row.outstanding.discard(host)
            if not row.outstanding:
                row.programmed_ns = now_ns
                row.last = host
                row.last_received_ns = done.received_ns
                row.last_switch_ns = done.programmed_ns
                self.durations_ms.append((now_ns - row.committed_ns) / 1e6)
                for watcher in tuple(self._watchers):
                    watcher(revision)

    def convergence(self, revision: int) -> Convergence | None:
        """How far a revision got; None if it concerned no connected agent or is long past."""
        return self._revisions.get(revision)
