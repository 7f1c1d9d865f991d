"""The replica in memory: committed rows with their indexes and claims, and what lies over it.

Promise: ``Tables`` changes only by ``apply``, and only with what is durable. An ``Overlay``
shows the tables as they would be with the writes made to it, and leaves them alone.
Knows nothing of transactions, revisions or disks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from sdnctl.delta import Change
from sdnctl.intent import KINDS, Row
from sdnctl.store.claims import CLAIMS, Claim
from sdnctl.store.errors import Taken
from sdnctl.store.indexes import INDEXES, Index
from sdnctl.store.ordered import Ordered

Key = tuple[str, str]
"""Kind and id."""

RowChange = Change[Key, Row]


def claims_of(key: Key, row: Row | None) -> tuple[Claim, ...]:
    """What ``row`` holds; nothing if there is no row or its kind claims nothing."""
    claims = CLAIMS.get(key[0])
    return claims(row) if row is not None and claims is not None else ()


class Tables:
    """Committed state."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.holders: dict[Claim, Key] = {}
        self.indexes: dict[str, dict[str, Index]] = {
            kind: {name: Index() for name in names} for kind, names in INDEXES.items()
        }
        self._orders: dict[str, dict[str, Ordered]] = {kind: {} for kind in KINDS}

    def ordered(self, kind: str, field: str) -> Ordered:
        """The rows of a kind in the order of a field: made when first asked for, then kept."""
        orders = self._orders[kind]
        if field not in orders:
            orders[field] = Ordered(field, self.rows[kind].values())
        return orders[field]

    def ids(self, kind: str, index: str, value: Hashable) -> Iterator[str]:
        """The ids of the rows that ``index`` has under ``value``."""
        return self.indexes[kind][index].ids(value)

    def apply(self, change: RowChange) -> None:
        """Take over one durable change, whose ``old`` is what is here now."""
        (kind, id_), old, new = change
        for claim in claims_of(change.key, old):
            # Another row of the commit may have taken it over already.
            if self.holders.get(claim) == change.key:
                del self.holders[claim]
        for claim in claims_of(change.key, new):
            self.holders[claim] = change.key
        indexes = self.indexes[kind]
        for name, extract in INDEXES[kind].items():
            before = extract(old) if old is not None else ()
            after = extract(new) if new is not None else ()
            if before != after:
                for value in before:
                    indexes[name].remove(value, id_)
                for value in after:
                    indexes[name].add(value, id_)
        for order in self._orders[kind].values():
            order.change(old, new)
        if new is None:
            del self.rows[kind][id_]
        else:
            self.rows[kind][id_] = new


class Overlay:
    """Writes not yet durable, over the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[Key, Row | None] = {}
        self._holders: dict[Claim, Key | None] = {}
        self._found: dict[tuple[str, str, Hashable], dict[str, bool]] = {}
        self._more: dict[tuple[str, str, Hashable], int] = {}

    def get(self, key: Key) -> Row | None:
        """The row, or None."""
        if key in self._rows:
            return self._rows[key]
        return self._tables.rows[key[0]].get(key[1])

    def holder(self, claim: Claim) -> Key | None:
        """The key of the row that holds ``claim``, or None."""
        if claim in self._holders:
            return self._holders[claim]
        return self._tables.holders.get(claim)

    def ids(self, kind: str, index: str, value: Hashable) -> Iterator[str]:
        """The ids of the rows that ``index`` has under ``value``."""
        written = self._found.get((kind, index, value))
        if written is None:
            yield from self._tables.ids(kind, index, value)
            return
        for id_ in self._tables.ids(kind, index, value):
            if written.get(id_, True):
                yield id_
        committed = self._tables.indexes[kind][index]
        for id_, present in written.items():
            if present and not committed.holds(value, id_):
                yield id_

    def count(self, kind: str, index: str, value: Hashable) -> int:
        """How many ids ``ids`` would return; costs one look."""
        committed = self._tables.indexes[kind][index].count(value)
        return committed + self._more.get((kind, index, value), 0)

    def write(self, key: Key, new: Row | None) -> Row | None:
        """Set or (None) delete a row and return the former; Taken if another holds a claim."""
        old = self.get(key)
        claimed = claims_of(key, new)
        for claim in claimed:
            holder = self.holder(claim)
            if holder is not None and holder != key:
                raise Taken(claim, holder)
        for claim in claims_of(key, old):
            self._holders[claim] = None
        for claim in claimed:
            self._holders[claim] = key
        kind, id_ = key
        for name, extract in INDEXES[kind].items():
            before = extract(old) if old is not None else ()
            after = extract(new) if new is not None else ()
            if before != after:
                for value in before:
                    self._mark((kind, name, value), id_, present=False)
                for value in after:
                    self._mark((kind, name, value), id_, present=True)
        self._rows[key] = new
        return old

    def _mark(self, at: tuple[str, str, Hashable], id_: str, *, present: bool) -> None:
        self._found.setdefault(at, {})[id_] = present
        self._more[at] = self._more.get(at, 0) + (1 if present else -1)
