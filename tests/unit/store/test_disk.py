"""What the store promises while its disk is slow, quick, busy or broken."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sdnctl.intent import Link
from sdnctl.store import Commit, CommitFailed, Store, sqlite
from tests.unit.store.rows import link, put


class Disk:
    """Stands before the real one: it may be slow, or fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.error: OSError | None = None
        self.free = threading.Event()
        self.free.set()
        self._fdatasync = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)

    def fdatasync(self, file: int) -> None:
        self.syncs += 1
        assert self.free.wait(10)
        if self.error is not None:
            raise self.error
        self._fdatasync(file)


async def test_a_commit_is_on_the_disk_before_it_is_acknowledged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    backend: Any = store._backend
    assert backend._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await put(store, link("a"))
    heard: list[Commit] = []
    store.subscribe(heard.append)
    disk.free.clear()
    writing = [asyncio.create_task(put(store, link(name))) for name in ("b", "c")]
    await asyncio.sleep(0.05)  # everybody else has turns
    late = asyncio.create_task(put(store, link("d")))
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in (*writing, late))
    assert (store.revision, len(store.rows(Link)), heard) == (1, 1, [])
    assert [commit.revision for commit in await store.changes_since(0)] == [1]
    disk.free.set()
    await asyncio.gather(*writing, late)
    assert [commit.revision for commit in heard] == [2, 3, 4]
    assert disk.syncs == 3, "two came together, one while they waited"


async def test_a_quick_disk_is_waited_for_by_a_lone_writer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_QUICK_SECONDS", 10.0)
    disk = Disk(monkeypatch)
    backend: Any = store._backend
    await put(store, link("a"))
    await put(store, link("b"))
    backend._thread.shutdown()  # no thread any more
    await put(store, link("c"))
    assert disk.syncs == 3
    with pytest.raises(RuntimeError, match="shutdown"):
        await asyncio.gather(put(store, link("d")), put(store, link("e")))


async def test_the_log_is_kept_short(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LOG_BYTES", 1 << 18)
    long = Link(id="x", a="x" * 100_000, b="y")
    for number in range(40):
        await put(store, replace(long, cost=number))
    assert (tmp_path / "db-wal").stat().st_size < 1 << 20
    assert (tmp_path / "db").stat().st_size > 1 << 18
    with sqlite3.connect(tmp_path / "db") as reader:
        assert reader.execute("SELECT count(*) FROM history").fetchone() == (40,)


@pytest.mark.parametrize("names", [("b",), ("b", "c")])
async def test_nothing_is_committed_after_a_sync_that_failed(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...],
) -> None:
    monkeypatch.setattr(sqlite, "_QUICK_SECONDS", 10.0)
    disk = Disk(monkeypatch)
    await put(store, link("a"))
    await put(store, link("a2"))
    disk.error = OSError(errno.EIO, "Input/output error")
    for _ in range(2):
        writes = [put(store, link(name)) for name in names]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(result) for result in results} == {CommitFailed}
        assert "restart the controller" in str(results[0])
        disk.error = None  # what is lost does not come back
    assert store.revision == 2
    assert [record.levelname for record in caplog.records] == ["CRITICAL"], "once, for the pager"
    await store.close()
    again = await Store.open(tmp_path / "db")
    await put(again, link("d"))
    await again.close()


async def test_a_disk_that_fails_fails_the_flush_and_nothing_else(
    store: Store, tmp_path: Path
) -> None:
    await put(store, link("a"))
    heard: list[Commit] = []
    store.subscribe(heard.append)
    blocker = sqlite3.connect(tmp_path / "db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    backend: Any = store._backend
    backend._db.execute("PRAGMA busy_timeout = 0")
    results = await asyncio.gather(
        put(store, link("b")), put(store, link("c")), return_exceptions=True
    )
    assert [type(result) for result in results] == [CommitFailed, CommitFailed]
    assert [row.id for row in store.rows(Link)] == ["a"]
    assert heard == []
    blocker.execute("ROLLBACK")
    blocker.close()
    await put(store, link("b"))
    assert store.revision == 2
