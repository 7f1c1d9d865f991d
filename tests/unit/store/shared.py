"""A backend that several stores share, as they will share etcd: the contract, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from sdnctl.store.backend import Entry
from sdnctl.store.errors import CommitFailed, Conflict


class Shared:
    """What the machines of a cluster would agree on."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.epoch = 0
        self.failing = False


class SharedBackend:
    """One store's view of it; every commit takes a turn of the event loop, as a network would."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def load(self) -> tuple[int, Iterable[tuple[str, str, bytes]]]:
        rows: dict[tuple[str, str], bytes | None] = {}
        for entry in self._shared.entries:
            rows.update({(r.kind, r.id): r.new for r in entry.records})
        found = [(kind, id_, v) for (kind, id_), v in rows.items() if v is not None]
        return len(self._shared.entries), found

    async def commit(self, after: int, entries: Sequence[Entry]) -> None:
        await asyncio.sleep(0)
        if self._shared.failing:
            raise CommitFailed("the cluster has no quorum")
        if after != len(self._shared.entries):
            raise Conflict(f"{after} is not {len(self._shared.entries)}")
        self._shared.entries += entries

    async def changes(self, after: int) -> list[Entry]:
        await asyncio.sleep(0)
        return self._shared.entries[after:]

    async def watch(self, after: int) -> AsyncIterator[Entry]:
        for entry in await self.changes(after):
            yield entry

    async def next_epoch(self) -> int:
        self._shared.epoch += 1
        return self._shared.epoch

    async def close(self) -> None:
        pass
