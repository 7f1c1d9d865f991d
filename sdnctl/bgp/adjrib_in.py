"""Adj-RIB-In of one peer, in ExaBGP's place for its own.

Promise: the sink is told of every change of what the peer says, and of nothing else; routes
marked stale (RFC 4724) stay until refreshed or swept; one more than the limit ends the session.
Paths to one NLRI that differ in their path id (RFC 7911) are routes of their own. Knows nothing
of sockets, clocks or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from exabgp.bgp.message import Notify

from sdnctl.bgp.codec import AFI_SAFI, FAMILIES, Attachment
from sdnctl.bgp.decoder import NO_LLGR, Decoder
from sdnctl.bgp.peer import Family
from sdnctl.routes import Nlri, Path, RouteKey

MAXIMUM_PREFIXES: Final = (6, 1)
"""Cease, maximum number of prefixes reached (RFC 4486 section 4)."""


class AdjRibIn:
    """What one peer says. ``sink`` gets the route, and the path that holds now or None."""

    def __init__(
        self,
        source: str,
        sink: Callable[[RouteKey, Path | None], None],
        on_end_of_rib: Callable[[Family], None],
        limit: int = 0,
    ) -> None:
        self._source = source
        self._sink = sink
        self._on_end_of_rib = on_end_of_rib
        self._limit = limit
        self._tables: dict[Family, dict[RouteKey, Path]] = {family: {} for family in Family}
        self._stale: dict[Family, set[RouteKey]] = {family: set() for family in Family}
        self._decoder: Decoder | None = None

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def routes(self) -> Iterator[tuple[RouteKey, Path]]:
        """Everything that holds, each route once."""
        for key in {key: None for table in self._tables.values() for key in table}:
            path = self._effective(key)
            if path is not None:
                yield key, path

    def adopt(self, other: AdjRibIn) -> None:
        """Take over what another one holds, for a peer whose settings change."""
        self._tables, self._stale = other._tables, other._stale

    def session_up(self, session: Attachment) -> None:
        """What comes from now on is read as this session's."""
        self._decoder = Decoder(session)

    def mark_stale(self, families: frozenset[Family]) -> None:
        """The session is lost: keep the routes of these families for a while, drop the others."""
        for family, table in self._tables.items():
            if family in families:
                self._stale[family] = set(table)
            else:
                self.drop(family)

    def mark(self, family: Family) -> None:
        """All of a family is stale until the peer repeats it."""
        self._stale[family] = set(self._tables[family])

    def keep_long(self, family: Family) -> None:
        """Keep the stale routes on, as the least preferred (RFC 9494 section 4.3)."""
        table = self._tables[family]
        for key in list(self._stale[family]):
            path = table[key]
            if NO_LLGR in path.communities:
                self._put(family, key, None)
            else:
                self._put(family, key, msgspec.structs.replace(path, stale=True))
                self._stale[family].add(key)

    def sweep(self, family: Family) -> None:
        """Drop what is stale still."""
        for key in list(self._stale[family]):
            self._put(family, key, None)

    def drop(self, family: Family) -> None:
        """Drop all routes of a family."""
        for key in list(self._tables[family]):
            self._put(family, key, None)

    def say(self, family: Family, nlri: Nlri, path: Path) -> None:
        """Take it for said by the peer."""
        self._put(family, RouteKey(self._source, nlri), path)

    def _put(self, family: Family, key: RouteKey, path: Path | None) -> None:
        self._stale[family].discard(key)
        before = self._effective(key)
        table = self._tables[family]
        if path is None:
            table.pop(key, None)
        else:
            table[key] = path
        after = self._effective(key)
        if after != before:
            self._sink(key, after)

    def _effective(self, key: RouteKey) -> Path | None:
        """A prefix that comes both as VPN and as EVPN route is one route: VPN holds."""
        for table in self._tables.values():
            path = table.get(key)
            if path is not None:
                return path
        return None

    # What follows is called by ExaBGP.

    def update_cache(self, change: Any) -> None:
        """One NLRI of an UPDATE, or an End-of-RIB marker."""
        if change.nlri.EOR:
            family = FAMILIES.get((change.nlri.afi, change.nlri.safi))
            if family is not None:
                self.sweep(family)
                self._on_end_of_rib(family)
            return
        decoded = self._decoder.decode(change.nlri, change.attributes) if self._decoder else None
        if decoded is not None:
            key = RouteKey(self._source, decoded.nlri, decoded.path_id)
            self._put(decoded.family, key, decoded.path)
            if self._limit and decoded.path is not None:
                self._check_limit(decoded.family)

    def _check_limit(self, family: Family) -> None:
        # What is stale counts no more: the peer did not say it in this session.
        said = len(self) - sum(map(len, self._stale.values()))
        if said > self._limit:
            afi, safi = AFI_SAFI[family]
            data = afi.pack() + safi.pack() + self._limit.to_bytes(4, "big")
            raise Notify(*MAXIMUM_PREFIXES, data)

    def clear(self) -> None:
        """ExaBGP clears its own at the start of a session; here ``mark_stale`` decides."""
