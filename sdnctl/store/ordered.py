"""Rows of a kind in the order of one of their fields, for pages of long lists.

Promise: a page costs what it returns, and a change the logarithm of what there is. Equal values
are in the order of their ids; rows without a value come first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Any, Final

from sdnctl.intent import Row

BLOCK: Final = 512
"""Keys that are moved at most twice over when one comes or goes."""

Place = tuple[bool, Any, str]
"""Whether there is a value, the value, and the id."""


class Ordered:
    """Places in order, in blocks, so that none is moved far."""

    def __init__(self, field: str, rows: Iterable[Row]) -> None:
        self.field = field
        places = sorted(map(self.place, rows))
        self._blocks = [places[at : at + BLOCK] for at in range(0, len(places), BLOCK)]
        self._last = [block[-1] for block in self._blocks]

    def place(self, row: Row) -> Place:
        """Where a row is."""
        value = getattr(row, self.field)
        return value is not None, value, row.id

    def change(self, old: Row | None, new: Row | None) -> None:
        """One row comes, goes or takes the place of another."""
        if old is not None:
            self.remove(old)
        if new is not None:
            self.add(new)

    def add(self, row: Row) -> None:
        """Put a row in."""
        place = self.place(row)
        if not self._blocks:
            self._blocks, self._last = [[place]], [place]
            return
        at = min(bisect_left(self._last, place), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, place)
        if len(block) > 2 * BLOCK:
            self._blocks[at : at + 1] = [block[:BLOCK], block[BLOCK:]]
            self._last[at : at + 1] = [block[BLOCK - 1], block[-1]]
        else:
            self._last[at] = block[-1]

    def remove(self, row: Row) -> None:
        """Take a row out, which is in."""
        place = self.place(row)
        at = bisect_left(self._last, place)
        block = self._blocks[at]
        del block[bisect_left(block, place)]
        if block:
            self._last[at] = block[-1]
        else:
            del self._blocks[at], self._last[at]

    def after(self, place: Place | None, count: int) -> list[Place]:
        """At most ``count`` places that follow one, or from the first."""
        found: list[Place] = []
        at = 0 if place is None else bisect_right(self._last, place)
        while at < len(self._blocks) and len(found) < count:
            block = self._blocks[at]
            first = 0 if place is None or found else bisect_right(block, place)
            found += block[first : first + count - len(found)]
            at += 1
        return found

    def before(self, place: Place | None, count: int) -> list[Place]:
        """At most ``count`` places that come before one, or from the last; backwards."""
        found: list[Place] = []
        at = len(self._blocks) - 1
        if place is not None:
            at = min(bisect_left(self._last, place), at)
        while at >= 0 and len(found) < count:
            block = self._blocks[at]
            end = len(block) if place is None or found else bisect_left(block, place)
            found += reversed(block[max(0, end - count + len(found)) : end])
            at -= 1
        return found
