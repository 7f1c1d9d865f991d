"""What the store needs from whatever keeps it: the contract that SQLite and etcd both fit.

The backend holds encoded rows, one last revision, and as much of the history as it retains.
It knows nothing of kinds, indexes or allocation.

A commit names the revision that its writer believed to be the last: one comparison guards the
whole transaction (compare-and-put). Expected versions of single keys would not do, because what
a transaction found *absent* (a free VNI, a name that nobody refers to) has no key to compare.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """One row before and after; None where there is none."""

    kind: str
    id: str
    old: bytes | None
    new: bytes | None


class Entry(NamedTuple):
    """One transaction."""

    revision: int
    records: tuple[Record, ...]


class Backend(Protocol):
    """A durable, revisioned map. Opened by its own constructor; one owner at a time."""

    async def load(self) -> tuple[int, Iterable[tuple[str, str, bytes]]]:
        """The last revision and every row of it as (kind, id, value)."""
        ...

    async def commit(self, after: int, entries: Sequence[Entry]) -> None:
        """Make all entries durable or none.

        Raises:
            Conflict: the last revision is not ``after``.
            CommitFailed: it could not be written.
        """
        ...

    async def changes(self, after: int) -> list[Entry]:
        """The transactions after that revision, oldest first; Compacted if some are gone."""
        ...

    def watch(self, after: int) -> AsyncIterator[Entry]:
        """The transactions after that revision as they are made, whoever makes them."""
        ...

    async def next_epoch(self) -> int:
        """Increment the epoch durably and return it; the first is 1."""
        ...

    async def close(self) -> None:
        """Give everything back; idempotent."""
        ...
