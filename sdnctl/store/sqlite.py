"""The store's backend on one SQLite file: a write-ahead log, synced before a commit returns.

Promise: what ``commit`` returned from survives the process and the machine. One process owns the
file, by a lock that the kernel drops when it dies; so nobody else writes, and ``watch`` is woken by
our own commits.

SQLite writes in the event loop, which is short, as it is to memory. To wait for the disk is left to
a thread: SQLite would do so within its COMMIT (``synchronous=FULL``), and a disk that takes 10 ms
would hold up agents and readers for as long. Here it holds up writers alone, who meanwhile come
together to the next commit. Where nobody else writes and the disk is quick, the thread would cost
more than it saves. A log that could not be synced is of unknown content (what failed to be written
may be dropped from memory): nothing more is committed then.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

import msgspec

from sdnctl.store.backend import Entry, Record
from sdnctl.store.codec import MIGRATIONS, Migration
from sdnctl.store.errors import CommitFailed, Compacted, Conflict, Locked, StoreError, UnknownSchema

log = logging.getLogger(__name__)

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (revision INTEGER PRIMARY KEY, records BLOB NOT NULL);
"""

_QUICK_SECONDS: Final = 0.001
"""A sync that a lone writer waits for in the event loop."""

_LOG_BYTES: Final = 16 << 20
"""About as much is logged before it is brought into the database, by the same thread.

Writers wait for that, some 50 ms: the more is logged, the fewer of them meet it.
"""

_PAGES_OF_COMMIT: Final = 4 * 4096
"""What is written of a commit at least, beside the rows themselves."""

_COMPACT_EVERY: Final = 256
"""Commits between two prunings of the history."""

_StoredRecord = tuple[str, str, msgspec.Raw, msgspec.Raw]
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[_StoredRecord]).decode


def _raw(value: bytes | None) -> msgspec.Raw:
    return msgspec.Raw(b"null" if value is None else value)


def _bytes(value: msgspec.Raw) -> bytes | None:
    found = bytes(value)
    return None if found == b"null" else found


class SqliteBackend:
    """See ``Backend``. ``retain`` is how many revisions of history are kept, at least 1."""

    def __init__(self, db: sqlite3.Connection, lock: int, wal: _Log, retain: int) -> None:
        self._db = db
        self._lock = lock
        self._log = wal
        self._thread = ThreadPoolExecutor(1, "disk")
        self._broken = ""
        self._synced_in = _QUICK_SECONDS
        self._alone = False
        """The last commit was of one transaction."""
        self._logged = 0
        self._retain = max(1, retain)
        self._moved = asyncio.Event()
        self._since_compaction = 0
        self._revision = _last_revision(db)

    @classmethod
    def open(cls, path: Path, *, retain: int, migrations: Sequence[Migration] = MIGRATIONS) -> Self:
        """Open or create the file.

        Raises:
            Locked: another process has it.
            UnknownSchema: a newer version wrote it.
            StoreError: it cannot be opened or is no database.
        """
        lock = _lock(path)
        try:
            # Rows hold passwords of BGP sessions; SQLite's other files follow this one's mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # The event loop waits with us if an operator's tool holds the file: not for long.
            db = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                # Every commit is synced, and the log kept short, below.
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("PRAGMA wal_autocheckpoint = 0")
                db.executescript(_TABLES)
                _migrate(db, migrations)
                return cls(db, lock, _Log(path), retain)
            except BaseException:
                db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            os.close(lock)
            raise StoreError(f"cannot open {path}: {error}") from error
        except BaseException:
            os.close(lock)
            raise

    async def load(self) -> tuple[int, Iterable[tuple[str, str, bytes]]]:
        """The last revision and every row."""
        return self._revision, self._db.execute("SELECT kind, id, value FROM rows")

    async def commit(self, after: int, entries: Sequence[Entry]) -> None:
        """Write all entries in one SQLite transaction."""
        if self._broken:
            raise CommitFailed(self._broken)
        if after != self._revision:
            raise Conflict(f"the last revision is {self._revision}, not {after}")
        last: dict[tuple[str, str], bytes | None] = {}
        for entry in entries:
            for record in entry.records:
                last[record.kind, record.id] = record.new
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO rows VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                [(*key, value) for key, value in last.items() if value is not None],
            )
            dead = [key for key, value in last.items() if value is None]
            if dead:
                db.executemany("DELETE FROM rows WHERE kind = ? AND id = ?", dead)
            db.executemany(
                "INSERT INTO history VALUES (?, ?)",
                [(entry.revision, _encode_records(entry)) for entry in entries],
            )
            revision = entries[-1].revision
            self._since_compaction += 1
            if self._since_compaction >= _COMPACT_EVERY:
                self._since_compaction = 0
                db.execute("DELETE FROM history WHERE revision <= ?", (revision - self._retain,))
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise CommitFailed(str(error)) from error
        self._logged += _PAGES_OF_COMMIT + sum(len(value or b"") for value in last.values())
        before, self._alone = self._alone, len(entries) == 1
        await self._sync(alone=before and self._alone)
        self._revision = revision
        self._moved.set()
        self._moved = asyncio.Event()

    async def _sync(self, *, alone: bool = False) -> None:
        """Wait for the disk. Whoever gives up waiting does not know what is durable."""
        self._broken = "the end of a write was not awaited"
        work = self._log.sync
        if self._logged > _LOG_BYTES:
            self._logged = 0
            work = self._log.shorten
            alone = False
        try:
            if alone and self._synced_in < _QUICK_SECONDS:
                self._synced_in = work()
            else:
                loop = asyncio.get_running_loop()
                self._synced_in = await loop.run_in_executor(self._thread, work)
        except OSError as error:
            self._broken = f"the log cannot be synced: {error}; restart the controller"
            log.critical("nothing is committed any more: %s", self._broken)
            raise CommitFailed(self._broken) from error
        self._broken = ""

    async def changes(self, after: int) -> list[Entry]:
        """The transactions after that revision."""
        if after > self._revision:
            raise StoreError(f"revision {after} is not reached yet, the last is {self._revision}")
        stored = self._db.execute(
            "SELECT revision, records FROM history WHERE revision > ? AND revision <= ?"
            " ORDER BY revision",
            (after, self._revision),  # what is being written is not durable yet
        ).fetchall()
        if len(stored) != self._revision - after:
            first = self._revision - len(stored)
            raise Compacted(f"the history begins after revision {first}, {after} is gone")
        return [
            Entry(
                revision,
                tuple(Record(k, i, _bytes(old), _bytes(new)) for k, i, old, new in _decode(blob)),
            )
            for revision, blob in stored
        ]

    async def watch(self, after: int) -> AsyncIterator[Entry]:
        """The transactions after that revision, without end."""
        while True:
            moved = self._moved
            for entry in await self.changes(after):
                yield entry
                after = entry.revision
            if after == self._revision:
                await moved.wait()

    async def next_epoch(self) -> int:
        """Increment the epoch durably."""
        self._db.execute(
            "INSERT INTO meta VALUES ('epoch', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
        )
        epoch = self._db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
        await self._sync()
        return int(epoch)

    async def close(self) -> None:
        """Close the file and drop the lock."""
        if self._lock >= 0:
            self._thread.shutdown()
            self._log.close()
            self._db.close()
            os.close(self._lock)
            self._lock = -1


def _encode_records(entry: Entry) -> bytes:
    return _encode([(r.kind, r.id, _raw(r.old), _raw(r.new)) for r in entry.records])


class _Log:
    """SQLite's write-ahead log, which is there while its database is open; what waits for the disk.

    All that was written before is synced as it is opened, and that the files are there.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(self._file)
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
            # A connection of its own: it is used in another thread.
            self._db = sqlite3.connect(path, timeout=0, check_same_thread=False)
        except BaseException:
            os.close(self._file)
            raise

    def sync(self) -> float:
        """Wait until what was committed is on the disk; gives the seconds."""
        begin = time.perf_counter()
        os.fdatasync(self._file)
        return time.perf_counter() - begin

    def shorten(self) -> float:
        """Sync, and bring all into the database, so that the log begins anew; nobody may write."""
        seconds = self.sync()
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            log.warning("the log cannot be shortened: %s", error)  # it has all, and grows
        return seconds

    def close(self) -> None:
        """Give the files back."""
        self._db.close()
        os.close(self._file)


def _lock(path: Path) -> int:
    """An exclusive lock on a file beside the database; its descriptor."""
    try:
        fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise Locked(f"{path} is in use by another controller") from None
    return fd


def _migrate(db: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Bring the rows to the current schema, in one transaction."""
    current = len(migrations) + 1
    found = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    version: int = current if found is None else found[0]
    if version > current:
        raise UnknownSchema(
            f"the database has schema version {version}, this program knows up to {current}"
        )
    if found is not None and version == current:
        return
    db.execute("BEGIN IMMEDIATE")
    for step in migrations[version - 1 :]:
        for kind, id_, value in db.execute("SELECT kind, id, value FROM rows").fetchall():
            row = step(kind, msgspec.json.decode(value))
            if row is None:
                db.execute("DELETE FROM rows WHERE kind = ? AND id = ?", (kind, id_))
            else:
                db.execute(
                    "UPDATE rows SET value = ? WHERE kind = ? AND id = ?", (_encode(row), kind, id_)
                )
    if version < current:
        # History is in the older form; what it was about is not. Its last revision is kept.
        db.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (_last_revision(db),))
        db.execute("DELETE FROM history")
    db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (current,))
    db.execute("COMMIT")


def _last_revision(db: sqlite3.Connection) -> int:
    """Of the history, or what a migration noted when it dropped that."""
    found = db.execute(
        "SELECT max(revision) FROM (SELECT revision FROM history"
        " UNION ALL SELECT value FROM meta WHERE key = 'revision')"
    ).fetchone()
    return found[0] or 0
