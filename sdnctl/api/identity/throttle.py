"""Against guessing: who failed often must wait before trying again.

Promise: memory is bounded. Failures count by what was tried and from where, so that a stranger
who guesses cannot keep the owner out.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

FREE: Final = 5
"""Failures in a row that cost no waiting."""

LONGEST_S: Final = 300.0

_MOST: Final = 10_000


class _Failures(NamedTuple):
    times: int
    until: float


class Throttle:
    """Waiting times by key; they double with each failure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()

    def wait_s(self, key: Hashable) -> int:
        """Seconds until ``key`` may be tried; 0 is now."""
        failures = self._failures.get(key)
        return 0 if failures is None else max(0, math.ceil(failures.until - self._clock()))

    def failed(self, key: Hashable) -> None:
        """It was tried in vain."""
        former = self._failures.pop(key, None)
        times = 1 if former is None else former.times + 1
        delay = min(LONGEST_S, 2.0 ** min(times - FREE, 32)) if times >= FREE else 0.0
        self._failures[key] = _Failures(times, self._clock() + delay)
        if len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        """It was right."""
        self._failures.pop(key, None)
