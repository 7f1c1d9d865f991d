"""Rows as JSON octets, kept while what they say is true.

Promise: what is written is what would be shown now. A part of a row's JSON is kept together with
the rows that it was made of, and used again while each of these is the very same one: rows never
change, they are replaced. What depends on anything else is computed each time. Memory is bounded;
what is kept longest goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from sdnctl.api.schema import Read, Resource, Sparse, shower
from sdnctl.api.values import Json
from sdnctl.api.work import Context
from sdnctl.intent import Row

MOST: Final = 32 << 20
"""Octets of JSON that are kept."""

MOST_RESTS: Final = 1000
"""Different values of what is computed each time; there are few."""

Write = Callable[[Sequence[Row]], list[bytes]]
"""The JSON of rows in parts, after each row a comma: to join all at once is to copy them once."""

_encode: Final = msgspec.json.Encoder().encode


class _Kept(NamedTuple):
    row: Row
    others: tuple[tuple[Callable[[str], Row | None], str, Row | None], ...]
    """How to look each up, its id, and what it was."""
    revision: int
    """Of the store, when they were these."""
    text: bytes
    """Without the brace at its end."""


class Encoded:
    """What makes JSON of rows, for every resource and whom it is shown to."""

    def __init__(self, context: Context, most: int = MOST) -> None:
        self._context = context
        self._most = most
        self._size = 0
        self._writers: dict[int, tuple[Mapping[str, Read], Write]] = {}

    def fresh(self, readers: Mapping[str, Read]) -> Write:
        """A writer that keeps nothing."""
        show = shower(self._context, readers)
        return lambda rows: [part for row in rows for part in (_encode(show(row)), b",")]

    def kept(self, resource: Resource, readers: Mapping[str, Read]) -> Write:
        """The writer of these very ``readers``, which has to be asked for with no others."""
        known = self._writers.get(id(readers))
        if known is None:
            # The readers are kept as well, or else another's might have their id.
            known = self._writers[id(readers)] = (readers, self._writer(resource, readers))
        return known[1]

    def one(self, resource: Resource, readers: Mapping[str, Read], row: Row) -> msgspec.Raw:
        """A row's JSON, for these very ``readers``; what a list would say of it."""
        return msgspec.Raw(b"".join(self.kept(resource, readers)((row,))[:-1]))

    def _writer(self, resource: Resource, readers: Mapping[str, Read]) -> Write:
        depends = {name: resource.by_name[name].depends for name in readers}
        steady = {name: read for name, read in readers.items() if depends[name] is not None}
        fleeting = {name: read for name, read in readers.items() if name not in steady}
        if not steady:
            return self.fresh(readers)
        others = dict.fromkeys(other for name in steady for other in depends[name] or ())
        store, cache = self._context.store, dict[str, _Kept]()
        kinds = {other.kind for other in others}
        sources = [(store.getter(other.kind), attrgetter(other.field)) for other in others]
        text_of, rest_of = shower(self._context, steady), _rests(self._context, fleeting)

        def renewed(row: Row) -> _Kept:
            seen = tuple((get, id_, get(id_)) for get, field in sources if (id_ := field(row)))
            new = _Kept(row, seen, store.revision, _encode(text_of(row))[:-1])
            self._keep(cache, new)
            return new

        def checked(kept: _Kept) -> _Kept:
            for get, id_, other in kept.others:
                if get(id_) is not other:
                    return renewed(kept.row)
            kept = cache[kept.row.id] = kept._replace(revision=store.revision)
            return kept

        def write(rows: Sequence[Row]) -> list[bytes]:
            # In one piece, for it is what a long list costs.
            parts: list[bytes] = []
            newest = max(map(store.changed, kinds), default=0)
            for row in rows:
                kept = cache.get(row.id)
                if kept is None or kept.row is not row:
                    kept = renewed(row)
                elif kept.revision < newest:
                    kept = checked(kept)
                parts += (kept.text, rest_of(row), b",")
            return parts

        return write

    def _keep(self, cache: dict[str, _Kept], new: _Kept) -> None:
        old = cache.pop(new.row.id, None)
        self._size += len(new.text) - (len(old.text) if old is not None else 0)
        cache[new.row.id] = new
        while self._size > self._most and cache:
            self._size -= len(cache.pop(next(iter(cache))).text)


def _rests(context: Context, readers: Mapping[str, Read]) -> Callable[[Row], bytes]:
    """What ends the JSON of a row that begins with other members: these, and the brace."""
    reads = [read.read if isinstance(read, Sparse) else read for read in readers.values()]
    show = shower(context, readers)
    made: dict[tuple[Json, ...], bytes] = {}

    def rest(row: Row) -> bytes:
        shown = _encode(show(row))
        return b"," + shown[1:] if len(shown) > len(b"{}") else b"}"

    def kept(row: Row) -> bytes:
        values = tuple([read(context, row) for read in reads])
        try:
            found = made.get(values)
        except TypeError:  # a list, or another value that is no key
            return rest(row)
        if found is None:
            if len(made) >= MOST_RESTS:
                made.clear()
            found = made[values] = rest(row)
        return found

    return kept if reads else lambda _row: b"}"
