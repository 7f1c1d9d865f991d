"""Pages of long lists: by walking in order from the marker, instead of sorting all there is.

Promise: a page of a list costs about what it returns, where rows that match are not rare; where
they are, to find and sort those is cheaper, and ``walks`` says so. Others have their turn while
somebody is shown what only a look at each row can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from sdnctl.api.schema import Field, Resource
from sdnctl.api.work import Context
from sdnctl.intent import Row

SLICE: Final = 1000
"""Rows that are looked at before others have their turn: a millisecond or two."""

_SHORT: Final = 2000
"""Rows of a kind that are sorted as soon as walked through."""

Test = Callable[[Row], bool]


async def passing(rows: list[Row], tests: list[Test]) -> list[Row]:
    """The rows that pass all the tests."""
    if not tests:
        return rows
    found: list[Row] = []
    for at in range(0, len(rows), SLICE):
        if at:
            await asyncio.sleep(0)
        found += [row for row in rows[at : at + SLICE] if all(test(row) for test in tests)]
    return found


def walks(total: int, candidates: int, limit: int) -> bool:
    """Whether a page is found sooner on the way than by sorting its ``candidates``.

    Of ``total`` rows, ``limit`` of the candidates are met within limit * total / candidates; to
    look at one on the way costs about four times as much as to sort one.
    """
    return bool(limit) and total > _SHORT and candidates * candidates > 4 * limit * total


def order_of(resource: Resource, sort_keys: list[str]) -> str:
    """The field whose order is asked for; empty if no one field has it."""
    if not sort_keys:
        return "id"
    if len(sort_keys) > 1:
        return ""
    attribute = resource.by_name[sort_keys[0]]
    read = attribute.reader()
    return read.name if isinstance(read, Field) else attribute.order


async def walked(
    context: Context,
    kind: type[Row],
    field: str,
    tests: Iterable[Test],
    *,
    limit: int,
    marker: Row | None,
    backwards: bool,
) -> list[Row]:
    """The first rows on the way from the marker that pass the tests."""
    store, tests, found = context.store, list(tests), list[Row]()
    order = store.ordered(kind, field)
    page = order.before if backwards else order.after
    place = order.place(marker) if marker is not None else None
    step = min(max(limit, 256), SLICE)
    while True:
        places = page(place, step)
        for place in places:
            row = store.get(kind, place[2])
            if row is not None and all(test(row) for test in tests):
                found.append(row)
                if len(found) == limit:
                    return found
        if len(places) < step:
            return found
        await asyncio.sleep(0)
