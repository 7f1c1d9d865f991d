"""How much a port may ask of the agent: token buckets, of a size that forgets the quiet ones."""

from __future__ import annotations


class Allowance:
    """A token bucket for each port: ``rate`` a second, ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._full_at: dict[int, float] = {}
        """When the port's bucket is full again; it is if that is past."""

    def take(self, port: int, now: float) -> float:
        """Take one token; seconds by which the port is beyond its allowance, 0 if it is not."""
        if len(self._full_at) > 4096:
            self._full_at = {p: at for p, at in self._full_at.items() if at > now}
        full_at = max(self._full_at.get(port, now), now) + 1 / self._rate
        over = full_at - now - self._burst / self._rate
        if over <= 0:
            self._full_at[port] = full_at
            return 0
        return over
