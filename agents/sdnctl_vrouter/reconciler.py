"""Between the session and a driver: order within a call, and another try for what failed.

Promise: the ``Driver`` protocol once more, for any driver. A call's changes reach the driver
make before break: what is referred to comes first and goes last. A key that failed is tried
again by itself, later and later, until it holds, changes or goes; others never wait for it.
``on_failure`` tells when it recovers (an empty reason). Knows neither the stream nor a switch;
coming back to what is desired after the data plane was away is the driver's own promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from sdnctl.delta import Change
from sdnctl.desired import (
    Desired,
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    HidingAddress,
    HostName,
    Irb,
    LocalPort,
    Neighbor,
    Node,
    Probe,
    RemoteAddresses,
    SecurityRule,
    SubnetOptions,
    Vrf,
)
from sdnctl_vrouter.drivers.base import Driver, Failure, Reachability, VifStatus, unheard

KINDS: Final[tuple[type[Desired], ...]] = (
    Node,
    Probe,
    Vrf,
    Evi,
    Irb,
    SubnetOptions,
    HostName,
    Neighbor,
    FdbEntry,
    FloodEntry,
    FibEntry,
    HidingAddress,
    FloatingAddress,
    Exit,
    Forwarding,
    RemoteAddresses,
    SecurityRule,
    LocalPort,
)
"""Tunnels and tables before what uses them; a port opens when all is ready for it."""

_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}

RETRY_FIRST: Final = 0.5
RETRY_MOST: Final = 30.0
"""Seconds before the first further try, and at most between two; doubled in between."""


class _Trouble(NamedTuple):
    reason: str
    pause: float
    timer: asyncio.TimerHandle | None


class Reconciler:
    """See the module.

    Args:
        driver: The data plane; not started.
        retry_first: Seconds before a failed key is tried again.
        retry_most: Seconds at most between two tries.
    """

    def __init__(
        self, driver: Driver, *, retry_first: float = RETRY_FIRST, retry_most: float = RETRY_MOST
    ) -> None:
        self._driver = driver
        self._retry_first = retry_first
        self._retry_most = retry_most
        self._desired: dict[str, Desired] = {}
        self._trouble: dict[str, _Trouble] = {}

    async def start(
        self,
        on_vif: Callable[[VifStatus], None],
        on_failure: Callable[[Failure], None],
        on_reachability: Callable[[Reachability], None] = unheard,
    ) -> None:
        """See ``Driver``."""
        self._on_failure = on_failure
        await self._driver.start(on_vif, self._failed_outside, on_reachability)

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        """See ``Driver``."""
        for key, _, new in changes:
            if new is None:
                self._desired.pop(key, None)
            else:
                self._desired[key] = new
            self._forget(key)
        ordered = sorted(changes, key=_rank) if len(changes) > 1 else changes
        self._driver.apply(ordered, partial(self._applied, done))

    def in_sync(self) -> None:
        """See ``Driver``."""
        self._driver.in_sync()

    async def audit(self) -> list[str]:
        """See ``Driver``; keys that fail are differences too."""
        failing = [f"{key}: {trouble.reason}" for key, trouble in sorted(self._trouble.items())]
        return failing + await self._driver.audit()

    async def drops(self) -> dict[str, int]:
        """See ``Driver``."""
        return await self._driver.drops()

    async def stop(self) -> None:
        """See ``Driver``."""
        for key in list(self._trouble):
            self._forget(key)
        await self._driver.stop()

    def _applied(
        self, done: Callable[[Sequence[Failure]], None], failures: Sequence[Failure]
    ) -> None:
        for key, reason in failures:
            self._try_later(key, reason, self._retry_first)
        done(failures)

    def _failed_outside(self, failure: Failure) -> None:
        if failure.reason:
            self._try_later(failure.key, failure.reason, self._retry_first)
        else:
            self._forget(failure.key)
        self._on_failure(failure)

    def _try_later(self, key: str, reason: str, pause: float) -> None:
        self._forget(key)
        if key in self._desired:
            timer = asyncio.get_running_loop().call_later(pause, self._try, key)
            self._trouble[key] = _Trouble(reason, pause, timer)

    def _try(self, key: str) -> None:
        trouble = self._trouble[key] = self._trouble[key]._replace(timer=None)
        resource = self._desired[key]
        self._driver.apply([Change(key, None, resource)], partial(self._tried, key, trouble))

    def _tried(self, key: str, trouble: _Trouble, failures: Sequence[Failure]) -> None:
        if self._trouble.get(key) is not trouble:
            return  # changed or gone in the meantime
        reason = failures[0].reason if failures else ""
        if reason:
            self._try_later(key, reason, min(2 * trouble.pause, self._retry_most))
        else:
            self._forget(key)
        if reason != trouble.reason:
            self._on_failure(Failure(key, reason))

    def _forget(self, key: str) -> None:
        trouble = self._trouble.pop(key, None)
        if trouble is not None and trouble.timer is not None:
            trouble.timer.cancel()


def _rank(change: Change[str, Desired]) -> int:
    """Additions in order, then removals in reverse."""
    if change.new is not None:
        return _RANKS[type(change.new)]
    if change.old is not None:
        return 2 * len(KINDS) - _RANKS[type(change.old)]
    return len(KINDS)
