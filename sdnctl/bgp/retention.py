"""How long what a lost peer said is kept: the helper's side of RFC 4724 and RFC 9494.

Promise: with graceful restart the routes of a peer that is lost stay as they are for its restart
time, then, with long-lived graceful restart, as the least preferred for the time agreed; both
end with the peer's End-of-RIB, that drops what it did not repeat. A NOTIFICATION ends it at once.
What the peer wants (RFC 4684) is no route, and is kept whatever happened. Knows no clock but
what it is told, and nothing of sessions but that one comes or goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from exabgp.bgp.message.open.capability import Capability

from sdnctl.bgp.adjrib_in import AdjRibIn
from sdnctl.bgp.codec import FAMILIES
from sdnctl.bgp.longlived import LongLived, Terms
from sdnctl.bgp.neighbor import EXPIRING
from sdnctl.bgp.peer import Family, Peer

FORWARDING_PRESERVED: Final = 0x80
"""The F bit of a family in the graceful restart capability (RFC 4724 section 3)."""

RESTART_STATE: Final = 0x8
"""The R bit of the same, in the four that precede the restart time."""

REFRESH_SECONDS: Final = 120.0
"""How long a peer that began to say all again has to say it (RFC 7313 section 4)."""


class Retention:
    """Of one peer's routes, which are in ``rib``. Times are seconds of one monotonic clock."""

    def __init__(self, peer: Peer, rib: AdjRibIn) -> None:
        self._peer = peer
        self._rib = rib
        self.graceful = False
        """Both sides of the last session spoke RFC 4724."""
        self.restart_time = 0.0
        self.restarting = False
        """The peer has restarted, and waits for End-of-RIB (RFC 4724 section 4.1)."""
        self._preserved: frozenset[Family] = frozenset()
        self._long: dict[Family, Terms] = {}
        self._until: dict[Family, float] = {}
        self._long_until: dict[Family, float] = {}
        self._refreshing: set[Family] = set()
        self._up = False
        self._lost = False

    def inherit(self, other: Retention, now: float) -> None:
        """The same peer with other settings: all that it said is stale, but it is coming back."""
        self._rib.mark_stale(frozenset(Family))
        self._long_until = other._long_until
        back_by = now + self._peer.graceful_restart
        self._until = dict.fromkeys(EXPIRING - other._long_until.keys(), back_by)

    def up(self, capabilities: Mapping[Any, Any], negotiated: set[Family], now: float) -> None:
        """A session begins, with the capabilities of the peer's OPEN."""
        self._up = True
        graceful = capabilities.get(Capability.CODE.GRACEFUL_RESTART)
        self.graceful = graceful is not None and self._peer.graceful_restart > 0
        flags: dict[Family, int] = {}
        self.restart_time, self.restarting = 0.0, False
        if graceful is not None and self.graceful:
            flags, self.restart_time = _ours(graceful), float(graceful.restart_time)
            self.restarting = bool(graceful.restart_flag & RESTART_STATE)
        self._preserved = frozenset(flags)
        long_lived = capabilities.get(LongLived.ID, {})
        # RFC 9494 section 4.1: without the other capability this one counts for nothing.
        self._long = _ours(long_lived) if flags and self._peer.long_lived_stale else {}
        if Family.ROUTE_TARGET not in negotiated:
            self._rib.sweep(Family.ROUTE_TARGET)
        for family in EXPIRING:
            # RFC 4724 section 4.2: without the F bit the peer did not keep its forwarding state.
            kept = bool(flags.get(family, 0) & FORWARDING_PRESERVED)
            if family in self._long_until:
                kept = family in self._long and self._long[family].forwarding
            if family not in negotiated or (self._lost and not kept):
                self._sweep(family)
        for family in self._until:
            self._until[family] = now + self._peer.graceful_restart

    def down(self, now: float, *, notified: bool) -> None:
        """The session is lost; ``notified``: with a NOTIFICATION, by whomever."""
        self._up, self._lost = False, True
        # RFC 4724 section 4.2: only a session that is lost without a NOTIFICATION restarts.
        kept = set() if notified else {f for f in self._preserved & EXPIRING if self._keeps(f)}
        self._long_until = {f: t for f, t in self._long_until.items() if f in kept}
        for family in kept - self._long_until.keys() - self._refreshing:
            self._rib.sweep(family)  # the same: what was stale already is deleted
        self._rib.mark_stale(frozenset(kept | {Family.ROUTE_TARGET}))
        self._refreshing.clear()
        self._until = dict.fromkeys(kept - self._long_until.keys(), now + self.restart_time)

    def end_of_rib(self, family: Family) -> None:
        """The peer has said all of a family: what is stale still has gone."""
        self._until.pop(family, None)
        self._long_until.pop(family, None)

    def refresh_begins(self, family: Family, now: float) -> None:
        """The peer begins to say all of a family again (RFC 7313 section 4)."""
        self._rib.mark(family)
        self._refreshing.add(family)
        self._until[family] = now + REFRESH_SECONDS

    def refresh_ends(self, family: Family) -> None:
        """And has; for a family that it did not begin with it means nothing."""
        if family in self._refreshing:
            self._refreshing.discard(family)
            self._sweep(family)

    def tick(self, now: float) -> None:
        """Let time pass."""
        for family in [f for f, until in self._long_until.items() if now > until]:
            self._sweep(family)
        for family in [f for f, until in self._until.items() if now > until]:
            terms = self._long.get(family)
            if self._up or terms is None or not terms.seconds:
                self._sweep(family)
                continue
            # RFC 9494 section 4.2: from the restart time's end on, for the shorter time of both.
            del self._until[family]
            self._rib.keep_long(family)
            seconds = min(terms.seconds, self._peer.long_lived_stale)
            self._long_until[family] = now + seconds

    def _keeps(self, family: Family) -> bool:
        terms = self._long.get(family)
        return self.restart_time > 0 or (terms is not None and terms.seconds > 0)

    def _sweep(self, family: Family) -> None:
        self._rib.sweep(family)
        self.end_of_rib(family)


def _ours(terms: Mapping[Any, Any]) -> dict[Family, Any]:
    return {FAMILIES[f]: value for f, value in terms.items() if f in FAMILIES}
