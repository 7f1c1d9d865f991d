"""Which next hops are there: asked often, so that a dead gateway is known before BGP knows.

Promise: a next hop is out after ``multiplier`` unanswered probes in a row, between that many
intervals and one more after its death; it is back after ``RECOVERY`` times as many answers in a
row, so that one that comes and goes is not followed. Knows no route and no switch.

The probe is an echo request to the gateway's tunnel address from this host's VTEP: every router
answers it without being configured for it, keeps nothing for it, and one socket here serves all.
BFD (RFC 5880, 5883) would need a session a hypervisor configured on every gateway, and Open
vSwitch's own needs a tunnel port a peer and Open vSwitch at the far end. What an answer does not
show is that the gateway's VRF forwards. A gateway hears from every hypervisor that uses it: 500
of them every 200 ms are 2,500 requests a second, which its control plane must be allowed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sdnctl.desired import Probe
from sdnctl.types import Ip
from sdnctl_vrouter.drivers.base import Reachability
from sdnctl_vrouter.platform.icmp import Echo

log = logging.getLogger(__name__)

RECOVERY: Final = 3
"""Answers that bring a next hop back, for each unanswered probe that took it out."""

SHORTEST: Final = 0.01
"""Seconds between two probes of one next hop, at least."""


@dataclass(slots=True)
class Liveness:
    """What the probes of one next hop say, sans-IO."""

    multiplier: int
    up: bool = True
    missed: int = 0
    answered: int = 0
    waiting: bool = False

    def probe(self) -> bool:
        """A probe leaves, the one before had its time; whether that takes the next hop out."""
        if self.waiting:
            self.missed += 1
            self.answered = 0
        self.waiting = True
        if self.up and self.missed >= max(self.multiplier, 1):
            self.up = False
            return True
        return False

    def answer(self) -> bool:
        """A probe was answered; whether that brings the next hop back."""
        if not self.waiting:
            return False
        self.waiting = False
        self.missed = 0
        self.answered += 1
        if not self.up and self.answered >= RECOVERY * max(self.multiplier, 1):
            self.up = True
            return True
        return False


@dataclass(slots=True)
class _Target:
    wanted: dict[str, Probe]
    """By key: a next hop of several networks is probed once."""
    liveness: Liveness
    sequence: int = 0
    timer: asyncio.TimerHandle | None = None

    @property
    def probe(self) -> Probe:
        return min(self.wanted.values(), key=lambda p: (p.interval * p.multiplier, p.interval))

    @property
    def interval(self) -> float:
        return max(self.probe.interval / 1000, SHORTEST)


class Prober:
    """See the module. ``tell`` is called in the loop, when a next hop goes or comes back."""

    def __init__(self, tell: Callable[[Reachability], None]) -> None:
        self._tell = tell
        self._source: Ip | None = None
        self._echo: Echo | None = None
        self._targets: dict[Ip, _Target] = {}
        self._trouble = ""

    @property
    def unreachable(self) -> frozenset[Ip]:
        """The next hops that do not answer."""
        return frozenset(ip for ip, target in self._targets.items() if not target.liveness.up)

    def set_source(self, vtep: Ip) -> None:
        """Probes come from this address from now on."""
        if vtep != self._source:
            self._source = vtep
            self._close()

    def put(self, key: str, old: Probe | None, new: Probe | None) -> None:
        """The resource ``key`` is ``new`` from now on."""
        if old is not None and (new is None or new.vtep != old.vtep):
            self._drop(key, old.vtep)
        if new is None:
            return
        target = self._targets.get(new.vtep)
        if target is None:
            target = self._targets[new.vtep] = _Target({}, Liveness(new.multiplier))
            # Spread out: hypervisors learn of a gateway all at once.
            self._later(new.vtep, target, random.random() * new.interval / 1000)  # noqa: S311
        target.wanted[key] = new
        target.liveness.multiplier = target.probe.multiplier

    def stop(self) -> None:
        """Ask nobody any more."""
        for target in self._targets.values():
            if target.timer is not None:
                target.timer.cancel()
        self._targets.clear()
        self._close()

    def _drop(self, key: str, vtep: Ip) -> None:
        target = self._targets.get(vtep)
        if target is None or target.wanted.pop(key, None) is None or target.wanted:
            return
        if target.timer is not None:
            target.timer.cancel()
        del self._targets[vtep]
        if not target.liveness.up:
            self._tell(Reachability(vtep, up=True))

    def _later(self, vtep: Ip, target: _Target, seconds: float) -> None:
        target.timer = asyncio.get_running_loop().call_later(seconds, self._probe, vtep, target)

    def _probe(self, vtep: Ip, target: _Target) -> None:
        self._later(vtep, target, target.interval)
        if self._source is None:
            return
        if self._echo is None:
            self._echo = Echo(self._source, self._answered)
        # An answer that came while the loop was busy is not a missing one.
        self._echo.receive()
        target.sequence += 1
        if target.liveness.probe():
            self._tell(Reachability(vtep, up=False))
        try:
            self._echo.send(vtep, target.sequence)
        except OSError as error:  # no route, no such address of ours: as good as no answer
            self._close()
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("probes do not leave", extra={"vtep": str(vtep), "reason": str(error)})
        else:
            self._trouble = ""

    def _answered(self, vtep: Ip) -> None:
        target = self._targets.get(vtep)
        if target is not None and target.liveness.answer():
            self._tell(Reachability(vtep, up=True))

    def _close(self) -> None:
        if self._echo is not None:
            self._echo.close()
            self._echo = None
