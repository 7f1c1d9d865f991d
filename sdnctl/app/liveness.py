"""Which hypervisors count as down: others then do what was theirs to do for all.

Promise: an agent that has been silent for a while is down, and one that is back counts again once
it has stayed. Where more fall silent than go on speaking it is the controller that is cut off, and
nothing moves; nor does it while agents come back to a controller that was restarted. Keeps time by
what it is told; knows nothing of what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sdnctl.delivery.observed import Observed

SILENCE_SECONDS: Final = 5.0
"""An agent that is away for longer is down: a restart takes less. What is dead without a word is
noticed by the stream's keepalive first, within eight seconds (``southbound.server``)."""

RETURN_SECONDS: Final = 10.0
"""So long has one to be there again before it counts: who flaps shall not drag things about."""

GRACE_SECONDS: Final = 30.0
"""After the start, for agents to come back."""


class Liveness:
    """See the module; times are seconds of the monotonic clock."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._started: float | None = None
        self._expected: set[str] = set()
        """Those that were known at the start and have not been seen since."""
        self._down: set[str] = set()
        self._returned: dict[str, float] = {}

    def start(self, hosts: Iterable[str], now: float) -> None:
        """Agents are answered from now on; these are to come back."""
        self._started = now
        self._expected = set(hosts)

    def look(self, hosts: Iterable[str], now: float) -> dict[str, bool]:
        """Which of all hypervisors became down (True) or up (False) since the last call."""
        if self._started is None:
            return {}
        hosts = set(hosts)
        silent = {host for host in hosts if self._is_silent(host, now)}
        seen = {host for host in hosts if self._observed.known(host) is not None}
        self._expected -= seen
        gone = self._down - hosts
        changed = dict.fromkeys(gone, False)
        lost = silent - self._down
        # One that was never there is no sign of anything.
        known = seen | self._expected
        if 2 * len(silent & known) <= len(known):
            changed |= dict.fromkeys(lost, True)
        else:
            changed |= dict.fromkeys(lost - known, True)
        for host in self._down & hosts:
            if host in silent or not self._is_connected(host):
                self._returned.pop(host, None)
            elif now - self._returned.setdefault(host, now) >= RETURN_SECONDS:
                changed[host] = False
        for host, down in changed.items():
            self._returned.pop(host, None)
            (self._down.add if down else self._down.discard)(host)
        return changed

    def _is_connected(self, host: str) -> bool:
        state = self._observed.known(host)
        return state is not None and state.connected

    def _is_silent(self, host: str, now: float) -> bool:
        state = self._observed.known(host)
        if state is not None:
            return not state.connected and now - state.last_seen >= SILENCE_SECONDS
        if host not in self._expected or self._started is None:
            return True
        return now - self._started >= GRACE_SECONDS
