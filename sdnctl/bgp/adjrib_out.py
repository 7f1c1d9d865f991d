"""Adj-RIB-Out of one peer, in ExaBGP's place for its own.

Promise: a peer that is up is brought to exactly the routes that are wanted, in as few UPDATEs
as their attributes allow, each change in time proportional to itself. ExaBGP's own RIB drops a
change of the label alone, sends one UPDATE per VPN route, and sends changes of one route in the
order of their attributes rather than of time; so it is not used.

Of several paths to one NLRI a family with ADD-PATH (RFC 7911) gets all, each with its path id,
and one without gets that of the lowest id. Knows nothing of sockets, clocks or threads.
"""

from __future__ import annotations

import itertools
import logging
import struct
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from exabgp.bgp.message import Update
from exabgp.bgp.message.update.attribute import Attributes

from sdnctl.bgp import labelled
from sdnctl.bgp.codec import (
    AFI_SAFI,
    FAMILIES,
    Attachment,
    attribute_key,
    encode_attributes,
    encode_nlri,
)
from sdnctl.bgp.labelled import Labelled
from sdnctl.bgp.peer import Family, families_of
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Nlri, Path, by_path

ROUTES_AT_ONCE: Final = 20_000
"""Routes that are grouped in one go, so that other sessions have their turn."""

NLRIS_PER_UPDATE: Final = 1000
"""NLRIs handed to ExaBGP at a time; it cuts them into messages of the size negotiated."""


WRITE_BYTES: Final = 4096
"""Written at a time, or one message; a session's turn is 25 of these, some 10 ms."""

SENT: Final = "send-update"
"""ExaBGP's name of the counter."""

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


class _Told(NamedTuple):
    """What a peer holds at most one path for. ``path_id`` is 0 where it is not sent."""

    family: Family
    nlri: Nlri
    path_id: int


class AdjRibOut:
    """What one peer shall hold, and what it was not told yet."""

    def __init__(self, families: tuple[Family, ...], session: Attachment) -> None:
        self._families = families
        self._session = session
        self._packer = labelled.Packer(session)
        self._add_path: frozenset[Family] = frozenset()
        self._paths: dict[tuple[Nlri, int], Path] = {}
        self._ids: dict[Nlri, set[int]] = {}
        """Of an NLRI that has, or had, a path with an id; path 0 alone needs no account."""
        self._pending: dict[_Told, Path | None] = {}
        self._held: frozenset[Family] = frozenset()
        self._later: dict[_Told, Path | None] = {}
        self._unclaimed: set[tuple[Nlri, int]] = set()
        self._after: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._paths)

    def adopt(self, other: AdjRibOut) -> None:
        """Take over what another one wanted, for a peer whose settings change."""
        self._paths, self._ids, self._unclaimed = other._paths, other._ids, other._unclaimed
        self.replace_restart()

    def put(self, nlri: Nlri, path: Path | None, path_id: int = 0) -> None:
        """Want this path, or (None) want it gone."""
        if path is not None and isinstance(nlri, MembershipRoute):
            # Nothing is sent there: the next hop says whose wish it is.
            path = msgspec.structs.replace(path, next_hop=self._session.local_router_id)
        key = nlri, path_id
        self._unclaimed.discard(key)
        old = self._paths.get(key)
        if old == path:
            return
        first = self._first(nlri)
        if path is None:
            del self._paths[key]
        else:
            self._paths[key] = path
        if path_id == 0 and nlri not in self._ids:  # the only one, as nearly always
            self._change(nlri, 0, old, path, self._families)
            return
        self._account(nlri, path_id, path)
        self._change(nlri, path_id, old, path, self._add_path)
        others = [family for family in self._families if family not in self._add_path]
        self._change(nlri, 0, first, self._first(nlri), others)

    def begin_replay(self) -> None:
        """From here to ``end_replay`` everything wanted is put again."""
        self._unclaimed = set(self._paths)

    def end_replay(self, *, of_memberships: bool = False) -> None:
        """What was not put again, of route target memberships or of all, is not wanted any more."""
        for nlri, path_id in list(self._unclaimed):
            if not of_memberships or isinstance(nlri, MembershipRoute):
                self.put(nlri, None, path_id)

    def session_up(self, add_path: frozenset[Family], held: frozenset[Family]) -> None:
        """A session begins: which families carry path ids, which wait for ``release``."""
        self._add_path, self._held = add_path, held

    def release(self) -> None:
        """Send what was held."""
        self._held = frozenset()
        self._pending.update(self._later)
        self._later = {}

    def then(self, job: Callable[[], None]) -> None:
        """Call this once all that is pending now was sent."""
        self._after.append(job)

    def _first(self, nlri: Nlri) -> Path | None:
        """The path of the lowest id."""
        ids = self._ids.get(nlri)
        return self._paths.get((nlri, min(ids) if ids else 0))

    def _account(self, nlri: Nlri, path_id: int, path: Path | None) -> None:
        ids = self._ids.get(nlri)
        if ids is None:
            if path_id == 0:
                return
            ids = self._ids[nlri] = {0} if (nlri, 0) in self._paths else set()
        if path is not None:
            ids.add(path_id)
        else:
            ids.discard(path_id)
            if not ids:
                del self._ids[nlri]

    def _change(
        self,
        nlri: Nlri,
        path_id: int,
        old: Path | None,
        new: Path | None,
        families: Collection[Family],
    ) -> None:
        if old == new:
            return
        carried = self._carried(nlri, new)
        for family in self._carried(nlri, old):
            if family not in carried and family in families:
                self._queue(_Told(family, nlri, path_id), None)
        for family in carried:
            if family in families:
                self._queue(_Told(family, nlri, path_id), new)

    def _queue(self, told: _Told, path: Path | None) -> None:
        (self._later if told.family in self._held else self._pending)[told] = path

    def _carried(self, nlri: Nlri, path: Path | None) -> tuple[Family, ...]:
        if path is None:
            return ()
        return tuple(f for f in families_of(nlri, path) if f in self._families)

    def _all(self) -> Iterator[tuple[_Told, Path]]:
        """What the peer is to hold."""
        for (nlri, path_id), path in by_path(self._paths.items()):
            for family in self._carried(nlri, path):
                if family in self._add_path:
                    yield _Told(family, nlri, path_id), path
                elif path is self._first(nlri):
                    yield _Told(family, nlri, 0), path

    # What follows is called by ExaBGP.

    def pending(self) -> bool:
        """There is something to send."""
        return bool(self._pending or self._after)

    def updates(self, _grouped: bool) -> Iterator[Grouped | Labelled]:
        """What is to be sent, a bounded part at a time; what changes meanwhile is pending again."""
        pending, self._pending = self._pending, {}
        after, self._after = self._after, []
        if len(pending) > ROUTES_AT_ONCE:
            self._pending, self._after, after = pending, after, []
            keys = list(itertools.islice(pending, ROUTES_AT_ONCE))
            pending = {key: self._pending.pop(key) for key in keys}
        groups: dict[tuple[Family, type, Path | None], list[tuple[_Told, Path | None]]] = {}
        for told, path in pending.items():
            key = attribute_key(told.nlri, path) if path is not None else None
            groups.setdefault((told.family, type(told.nlri), key), []).append((told, path))
        for (family, _, _), routes in groups.items():
            (_, nlri, _), path = routes[0]
            try:
                if family in labelled.FAMILIES and isinstance(nlri, IpPrefixRoute):
                    packed = [
                        labelled.said(told.nlri, path, told.path_id)
                        for told, path in routes
                        if isinstance(told.nlri, IpPrefixRoute)
                    ]
                    said = self._packer.attributes(family, nlri, path) if path else None
                    yield Labelled(family, packed, said)
                    continue
                attributes = path and encode_attributes(family, nlri, path, self._session)
                nlris = [encode_nlri(t.nlri, p, t.path_id) for t, p in routes]
            except (ValueError, OverflowError, struct.error):
                # One that cannot be said must not cost the session, and with it all others.
                _log.exception("cannot announce %s and %d more", nlri, len(routes) - 1)
                continue
            for start in range(0, len(nlris), NLRIS_PER_UPDATE):
                yield Grouped(family, nlris[start : start + NLRIS_PER_UPDATE], attributes)
        for job in after:
            job()

    def replace_restart(self, _previous: object = None, _new: object = None) -> None:
        """The session is new: the peer holds nothing."""
        self._pending, self._later, self._after = {}, {}, []
        for told, path in self._all():
            self._queue(told, path)

    def resend(self, _enhanced: bool, afi_safi: tuple[Any, Any]) -> None:
        """The peer asks for a family again (RFC 2918)."""
        wanted = FAMILIES.get(afi_safi)
        for told, path in self._all():
            if told.family is wanted:
                self._queue(told, path)


def send_updates(proto: Any, on_full: Callable[[], None], include_withdraw: bool) -> Iterator[None]:
    """Send what is pending, in ExaBGP's place: it polls, writes and waits its turn for each UPDATE.

    Here what is small goes together. Yields once for each write, and as long as the socket takes
    no more, of which ``on_full`` is told.
    """
    together = bytearray()
    for update in proto.neighbor.rib.outgoing.updates(True):
        for message in update.messages(proto.negotiated, include_withdraw):
            proto.peer.stats[SENT] += 1
            together += message
            if len(together) >= WRITE_BYTES:
                yield from _written(proto, bytes(together), on_full)
                together.clear()
    if together:
        yield from _written(proto, bytes(together), on_full)


def _written(proto: Any, data: bytes, on_full: Callable[[], None]) -> Iterator[None]:
    for done in proto.connection.writer(data):
        if not done:
            on_full()
        yield
