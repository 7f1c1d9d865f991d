"""What the peers of one speaker say, as the controller knows it over the speaker's restarts.

Promise: ``on_learned`` is told of real differences only. A speaker that is found anew makes all
that was learned stale, and changes none of it; what a peer has not said again by the time it is
in sync goes. Knows nothing of streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey


class Learned:
    """The routes, and which peers have told all of theirs."""

    def __init__(self, on_learned: Callable[[list[Change[RouteKey, Path]]], None]) -> None:
        self._on_learned = on_learned
        self.routes: dict[RouteKey, Path] = {}
        self.heard: set[str] = set()
        self._stale: dict[str, set[RouteKey]] = {}

    def begin(self) -> None:
        """A speaker is found: what it knows is not known yet."""
        self.heard.clear()
        self._stale = {}
        for key in self.routes:
            self._stale.setdefault(key.source, set()).add(key)

    def forget(self, gone: Iterable[str], fresh: Iterable[str]) -> None:
        """Take back what was learned of peers that go; others begin to tell from nothing."""
        gone = set(gone)
        self.heard.difference_update(gone, fresh)
        for name in gone:
            self._stale.pop(name, None)
        self.tell((key, None) for key in list(self.routes) if key.source in gone)

    def in_sync(self, peer: str) -> None:
        """A peer has told all, or had its time."""
        self.tell([(key, None) for key in self._stale.pop(peer, ())])
        self.heard.add(peer)

    def tell(self, told: Iterable[tuple[RouteKey, Path | None]]) -> None:
        """Take over what peers say, and pass on what is different."""
        delta: list[Change[RouteKey, Path]] = []
        for key, new in told:
            stale = self._stale.get(key.source)
            if stale:
                stale.discard(key)
            old = self.routes.get(key)
            if old == new:
                continue
            if new is None:
                del self.routes[key]
            else:
                self.routes[key] = new
            delta.append(Change(key, old, new))
        if delta:
            self._on_learned(delta)
