"""The store: every row in memory, every change durable before anyone hears of it.

Promise:

- ``transact`` runs a work alone, at one revision; when it returns, the work is durable, the
  tables show it and every listener has heard of it, in the order of revisions. If the work
  raises, nothing changed.
- Works queued in one turn of the event loop share one write to the disk (group commit), yet
  each is its own transaction with its own revision.
- Readers see what is committed and nothing else.

Knows nothing of SQL, HTTP or routes. What keeps the rows is a ``Backend``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from sdnctl.delta import Change
from sdnctl.intent import KIND_OF, KINDS, Row, Subnet
from sdnctl.store.allocation import FreeLists, Ranges
from sdnctl.store.backend import Backend, Entry, Record
from sdnctl.store.codec import MIGRATIONS, Migration, decode, encode
from sdnctl.store.errors import Conflict
from sdnctl.store.ordered import Ordered
from sdnctl.store.sqlite import SqliteBackend
from sdnctl.store.tables import Overlay, RowChange, Tables, claims_of
from sdnctl.store.transaction import Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", bound=Row)

RETAINED_REVISIONS: Final = 10_000
"""Revisions that the change feed reaches back by default."""


class Commit(NamedTuple):
    """One transaction, durable."""

    revision: int
    changes: list[RowChange]


Listener = Callable[[Commit], None]


class _Queued(NamedTuple):
    work: Callable[[Transaction], Any]
    done: asyncio.Future[Any]


class _Finished(NamedTuple):
    """A work that ran: what it returned or raised, and what it changed, if anything."""

    done: asyncio.Future[Any]
    commit: Commit | None = None
    entry: Entry | None = None
    result: Any = None
    error: Exception | None = None

    def answer(self) -> None:
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class Store:
    """See the module. Made by ``open`` (SQLite) or ``on`` (any backend)."""

    def __init__(self, backend: Backend, ranges: Ranges) -> None:
        self._backend = backend
        self._free = FreeLists(ranges)
        self._tables = Tables()
        self._listeners: list[Listener] = []
        self._queue: list[_Queued] = []
        self._flushing: asyncio.Task[None] | None = None
        self._changed = dict.fromkeys(KINDS, 0)
        self.revision = 0

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        ranges: Ranges | None = None,
        retain: int = RETAINED_REVISIONS,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> Self:
        """The store in a SQLite file; see ``SqliteBackend.open`` for what it refuses."""
        backend = SqliteBackend.open(path, retain=retain, migrations=migrations)
        try:
            return await cls.on(backend, ranges=ranges)
        except BaseException:
            await backend.close()
            raise

    @classmethod
    async def on(cls, backend: Backend, *, ranges: Ranges | None = None) -> Self:
        """The store on a backend that is open."""
        store = cls(backend, ranges or Ranges())
        store.revision, rows = await backend.load()
        for kind, id_, value in rows:
            row = decode(kind, value)
            store._tables.apply(Change((kind, id_), None, row))
        store._free.warm(store.rows(Subnet), store._tables.holders)
        return store

    async def close(self) -> None:
        """Finish what is queued and close the backend."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self._backend.close()

    def get(self, kind: type[R], id_: str) -> R | None:
        """The committed row, or None."""
        return cast("R | None", self._tables.rows[KIND_OF[kind]].get(id_))

    def getter(self, kind: type[R]) -> Callable[[str], R | None]:
        """``get`` of one kind, for whoever looks up thousands."""
        return cast("dict[str, R]", self._tables.rows[KIND_OF[kind]]).get

    def find(self, kind: type[R], index: str, value: Hashable) -> list[R]:
        """The committed rows that the declared ``index`` has under ``value``, oldest first."""
        name = KIND_OF[kind]
        rows = cast("dict[str, R]", self._tables.rows[name])
        return [rows[id_] for id_ in self._tables.ids(name, index, value)]

    def count(self, kind: type[Row], index: str, value: Hashable) -> int:
        """How many rows ``find`` would return; costs one look."""
        return self._tables.indexes[KIND_OF[kind]][index].count(value)

    def rows(self, kind: type[R]) -> Collection[R]:
        """Every committed row of a kind; a view, so not to be iterated across an await."""
        return cast("dict[str, R]", self._tables.rows[KIND_OF[kind]]).values()

    def ordered(self, kind: type[Row], field: str) -> Ordered:
        """The committed rows of a kind in the order of a field; not to be changed."""
        return self._tables.ordered(KIND_OF[kind], field)

    def changed(self, kind: type[Row]) -> int:
        """The revision in which a row of a kind changed last; 0 if none did since the start."""
        return self._changed[KIND_OF[kind]]

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` alone and return its result once it is durable.

        ``work`` is synchronous and pure but for its transaction: it may run again.

        Raises:
            CommitFailed: the backend could not write; nothing changed.
            Exception: whatever ``work`` raised; nothing changed.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.append(_Queued(work, done))
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return await done

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every commit from now on; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def changes_since(self, revision: int) -> list[Commit]:
        """The commits after ``revision``, oldest first; Compacted if some are gone."""
        return [_decode_entry(entry) for entry in await self._backend.changes(revision)]

    async def watch(self, revision: int) -> AsyncIterator[Commit]:
        """The commits after ``revision`` as they are made, without end."""
        async for entry in self._backend.watch(revision):
            yield _decode_entry(entry)

    async def next_epoch(self) -> int:
        """A number greater than any returned before, whatever controller asked."""
        return await self._backend.next_epoch()

    async def _flush(self) -> None:
        """Run what is queued until nothing is; never leaves a waiter without an answer."""
        try:
            while self._queue:
                queued, self._queue = self._queue, []
                try:
                    await self._flush_once(queued)
                except Exception as error:
                    for item in queued:
                        if not item.done.done():
                            item.done.set_exception(error)
        finally:
            self._flushing = None

    async def _flush_once(self, queued: list[_Queued]) -> None:
        while True:
            finished = self._run(queued)
            commits = [item.commit for item in finished if item.commit is not None]
            entries = [item.entry for item in finished if item.entry is not None]
            try:
                if entries:
                    await self._backend.commit(self.revision, entries)
                break
            except Conflict:
                # Others wrote: what these works saw is out of date, their errors included.
                self._abandon(commits)
                await self._catch_up()
            except BaseException:
                self._abandon(commits)
                raise
        for commit in commits:
            self._apply(commit)
        for item in finished:
            item.answer()

    def _run(self, queued: list[_Queued]) -> list[_Finished]:
        """Run each work over what the former wrote."""
        overlay = Overlay(self._tables)
        revision = self.revision
        finished = []
        for work, done in queued:
            if done.done():
                continue
            transaction = Transaction(overlay, self._free)
            try:
                result = work(transaction)
                changes = transaction.changes()
                if not changes:
                    finished.append(_Finished(done, result=result))
                    continue
                # Encoded here, so that a row that cannot be fails this work and no other.
                commit = Commit(revision + 1, changes)
                finished.append(_Finished(done, commit, _encode_commit(commit), result))
                revision += 1
            except Exception as error:
                transaction.roll_back()
                finished.append(_Finished(done, error=error))
        return finished

    def _abandon(self, commits: list[Commit]) -> None:
        for commit in commits:
            for change in commit.changes:
                for claim in claims_of(change.key, change.new):
                    self._free.release(claim)

    async def _catch_up(self) -> None:
        """Take over what other writers of the same backend committed."""
        for commit in await self.changes_since(self.revision):
            self._apply(commit)

    def _apply(self, commit: Commit) -> None:
        for change in commit.changes:
            self._tables.apply(change)
            self._changed[change.key[0]] = commit.revision
            if change.new is None and isinstance(change.old, Subnet):
                self._free.forget(change.old.id)
        self.revision = commit.revision
        for listener in tuple(self._listeners):
            try:
                listener(commit)
            except Exception:
                log.exception("listener failed at revision %d", commit.revision)


def _encode_commit(commit: Commit) -> Entry:
    return Entry(
        commit.revision,
        tuple(
            Record(*key, None if old is None else encode(old), None if new is None else encode(new))
            for key, old, new in commit.changes
        ),
    )


def _decode_entry(entry: Entry) -> Commit:
    return Commit(
        entry.revision,
        [
            Change(
                (r.kind, r.id),
                None if r.old is None else decode(r.kind, r.old),
                None if r.new is None else decode(r.kind, r.new),
            )
            for r in entry.records
        ],
    )
