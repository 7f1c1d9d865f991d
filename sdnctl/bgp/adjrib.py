"""Adj-RIB-Out and Adj-RIB-In of one peer, in ExaBGP's place for its own.

Promise of ``AdjRibOut``: a peer that is up is brought to exactly the routes that are wanted, in
as few UPDATEs as their attributes allow, each change in time proportional to itself. ExaBGP's
own RIB drops a change of the label alone, sends one UPDATE per VPN route, and sends changes of
one route in the order of their attributes rather than of time; so it is not used.

Promise of ``AdjRibIn``: the sink is told of every change of what the peer says, and of nothing
else; routes marked stale (RFC 4724) stay until refreshed or swept.

Neither knows of sockets, clocks or threads.
"""

from __future__ import annotations

import itertools
import logging
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from exabgp.bgp.message import Update
from exabgp.bgp.message.update.attribute import Attributes

from sdnctl.bgp.codec import (
    AFI_SAFI,
    FAMILIES,
    Attachment,
    Decoder,
    attribute_key,
    encode_attributes,
    encode_nlri,
)
from sdnctl.bgp.peer import Family, families_of
from sdnctl.routes import Nlri, Path

ROUTES_AT_ONCE: Final = 20_000
"""Routes that are grouped in one go, so that other sessions have their turn."""

NLRIS_PER_UPDATE: Final = 1000
"""NLRIs handed to ExaBGP at a time; it cuts them into messages of the size negotiated."""


_log = logging.getLogger(__name__)


class Grouped(Update):  # type: ignore[misc]  # ExaBGP has no types
    """NLRIs of one family, all announced or all withdrawn.

    ExaBGP sorts and sorts out what an Update holds, one NLRI at a time; here that is known.
    """

    def __init__(self, family: Family, nlris: list[Any], attributes: Attributes | None) -> None:
        super().__init__(nlris, attributes if attributes is not None else Attributes())
        self._afi_safi = AFI_SAFI[family]
        self._withdraw = attributes is None

    def messages(self, negotiated: Any, include_withdraw: bool = True) -> Iterator[bytes]:
        """The UPDATE messages, ready to be sent; none if the family was not negotiated."""
        if self._afi_safi not in negotiated.families or (self._withdraw and not include_withdraw):
            return
        # RFC 4760 section 3: an UPDATE with MP_UNREACH_NLRI needs no other attribute.
        attributes = b"" if self._withdraw else self.attributes.pack(negotiated)
        room = negotiated.msg_size - self.HEADER_LEN - 4 - len(attributes)
        by_action = {self.nlris[0].action: self.nlris}
        yield from self._mp_messages(
            {self._afi_safi: by_action}, attributes, negotiated, room, include_withdraw
        )


class AdjRibOut:
    """What one peer shall hold, and what it was not told yet."""

    def __init__(self, families: tuple[Family, ...], session: Attachment) -> None:
        self._families = families
        self._session = session
        self._routes: dict[Nlri, Path] = {}
        self._pending: dict[tuple[Family, Nlri], Path | None] = {}
        self._unclaimed: set[Nlri] = set()

    def __len__(self) -> int:
        return len(self._routes)

    def adopt(self, other: AdjRibOut) -> None:
        """Take over what another one wanted, for a peer whose settings change."""
        self._routes, self._unclaimed = other._routes, other._unclaimed
        self.replace_restart()

    def put(self, nlri: Nlri, path: Path | None) -> None:
        """Want this path, or (None) want the route gone."""
        self._unclaimed.discard(nlri)
        old = self._routes.get(nlri)
        if old == path:
            return
        if path is None:
            del self._routes[nlri]
        else:
            self._routes[nlri] = path
        carried = self._carried(nlri, path)
        for family in self._carried(nlri, old):
            if family not in carried:
                self._pending[family, nlri] = None
        for family in carried:
            self._pending[family, nlri] = path

    def begin_replay(self) -> None:
        """From here to ``end_replay`` everything wanted is put again."""
        self._unclaimed = set(self._routes)

    def end_replay(self) -> None:
        """What was not put again is not wanted any more."""
        for nlri in list(self._unclaimed):
            self.put(nlri, None)

    def _carried(self, nlri: Nlri, path: Path | None) -> tuple[Family, ...]:
        if path is None:
            return ()
        return tuple(f for f in families_of(nlri, path) if f in self._families)

    # What follows is called by ExaBGP.

    def pending(self) -> bool:
        """There is something to send."""
        return bool(self._pending)

    def updates(self, _grouped: bool) -> Iterator[Grouped]:
        """What is to be sent, a bounded part at a time; what changes meanwhile is pending again."""
        pending, self._pending = self._pending, {}
        if len(pending) > ROUTES_AT_ONCE:
            self._pending = pending
            keys = list(itertools.islice(pending, ROUTES_AT_ONCE))
            pending = {key: self._pending.pop(key) for key in keys}
        groups: dict[tuple[Family, type, Path | None], list[tuple[Nlri, Path | None]]] = {}
        for (family, nlri), path in pending.items():
            key = attribute_key(nlri, path) if path is not None else None
            groups.setdefault((family, type(nlri), key), []).append((nlri, path))
        for (family, _, _), routes in groups.items():
            nlri, path = routes[0]
            try:
                attributes = path and encode_attributes(family, nlri, path, self._session)
                nlris = [encode_nlri(family, n, p) for n, p in routes]
            except (ValueError, OverflowError, struct.error):
                # One that cannot be said must not cost the session, and with it all others.
                _log.exception("cannot announce %s and %d more", nlri, len(routes) - 1)
                continue
            for start in range(0, len(nlris), NLRIS_PER_UPDATE):
                yield Grouped(family, nlris[start : start + NLRIS_PER_UPDATE], attributes)

    def replace_restart(self, _previous: object = None, _new: object = None) -> None:
        """The session is new: the peer holds nothing."""
        self._pending = {
            (family, nlri): path
            for nlri, path in self._routes.items()
            for family in self._carried(nlri, path)
        }

    def resend(self, _enhanced: bool, afi_safi: tuple[Any, Any] | None = None) -> None:
        """The peer asks for a family again (RFC 2918)."""
        wanted = FAMILIES.get(afi_safi) if afi_safi else None
        for nlri, path in self._routes.items():
            for family in self._carried(nlri, path):
                if wanted in {None, family}:
                    self._pending.setdefault((family, nlri), path)


class AdjRibIn:
    """What one peer says. ``sink`` gets the route, and the path that holds now or None."""

    def __init__(
        self,
        sink: Callable[[Nlri, Path | None], None],
        on_end_of_rib: Callable[[Family], None],
    ) -> None:
        self._sink = sink
        self._on_end_of_rib = on_end_of_rib
        self._tables: dict[Family, dict[Nlri, Path]] = {family: {} for family in Family}
        self._stale: dict[Family, set[Nlri]] = {family: set() for family in Family}
        self._decoder: Decoder | None = None

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def routes(self) -> Iterator[tuple[Nlri, Path]]:
        """Everything that holds, each route once."""
        for nlri in {nlri: None for table in self._tables.values() for nlri in table}:
            path = self._effective(nlri)
            if path is not None:
                yield nlri, path

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

    def sweep(self, family: Family) -> None:
        """Drop what is stale still."""
        for nlri in list(self._stale[family]):
            self._put(family, nlri, None)

    def drop(self, family: Family) -> None:
        """Drop all routes of a family."""
        for nlri in list(self._tables[family]):
            self._put(family, nlri, None)

    def _put(self, family: Family, nlri: Nlri, path: Path | None) -> None:
        self._stale[family].discard(nlri)
        before = self._effective(nlri)
        table = self._tables[family]
        if path is None:
            table.pop(nlri, None)
        else:
            table[nlri] = path
        after = self._effective(nlri)
        if after != before:
            self._sink(nlri, after)

    def _effective(self, nlri: Nlri) -> Path | None:
        """A prefix that comes both as VPN and as EVPN route is one route: VPN holds."""
        for table in self._tables.values():
            path = table.get(nlri)
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
            self._put(decoded.family, decoded.nlri, decoded.path)

    def clear(self) -> None:
        """ExaBGP clears its own at the start of a session; here ``mark_stale`` decides."""


class Rib:
    """Both, as ExaBGP's neighbour wants to hold them."""

    def __init__(self, incoming: AdjRibIn, outgoing: AdjRibOut) -> None:
        self.incoming = incoming
        self.outgoing = outgoing

    def reset(self) -> None:
        """The session is over; the next one starts with ``replace_restart``."""

    def uncache(self) -> None:
        """There is no cache of RIBs by name here."""
