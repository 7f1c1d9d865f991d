"""Whatever is thrown at it at once, the store is a dict that takes turns."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from sdnctl.intent import Link, Port, Row
from sdnctl.store import Commit, Store, Taken, Transaction
from sdnctl.types import Mac
from tests.unit.store.shared import Shared, SharedBackend

Model = dict[tuple[str, str], Row]


class Aborted(Exception):
    """A work changed its mind."""


class Step(NamedTuple):
    """Put (or, without a value, delete if there) one row."""

    kind: str
    id: str
    value: int | None


class Work(NamedTuple):
    steps: list[Step]
    aborts: bool


STEPS = st.builds(
    Step, st.sampled_from(["link", "port"]), st.sampled_from("abcd"), st.integers(0, 3) | st.none()
)
FLUSHES = st.lists(
    st.lists(st.builds(Work, st.lists(STEPS, max_size=4), st.booleans()), max_size=5), max_size=6
)


def row_of(step: Step) -> Row:
    if step.kind == "link":
        return Link(id=step.id, a="x", b="y", cost=step.value or 0, name=str(step.value))
    # The MAC collides between ports on purpose.
    return Port(id=step.id, network_id="n", mac=Mac(bytes((2, 0, 0, 0, 0, step.value or 0))))


def run(tx: Transaction, work: Work) -> None:
    for step in work.steps:
        kind: type[Row] = Link if step.kind == "link" else Port
        if step.value is not None:
            tx.put(row_of(step))
        elif tx.get(kind, step.id) is not None:
            tx.delete(kind, step.id)
    if work.aborts:
        raise Aborted


def expected(model: Model, work: Work) -> Model | None:
    """The dict after a work, or None if it must fail."""
    after = dict(model)
    for step in work.steps:
        key = (step.kind, step.id)
        if step.value is None:
            after.pop(key, None)
            continue
        row = row_of(step)
        if isinstance(row, Port) and any(
            isinstance(other, Port) and other.mac == row.mac and other.id != row.id
            for other in after.values()
        ):
            return None
        after[key] = row
    return None if work.aborts else after


def state(store: Store) -> Model:
    return {("link", r.id): r for r in store.rows(Link)} | {
        ("port", r.id): r for r in store.rows(Port)
    }


def indexed(store: Store) -> bool:
    """Every index finds exactly what a scan finds."""
    for name in {row.name for row in store.rows(Link)} | {"0", "1"}:
        found = {row.id for row in store.find(Link, "name", name)}
        if found != {row.id for row in store.rows(Link) if row.name == name}:
            return False
    return {row.id for row in store.find(Port, "network_id", "n")} == {
        row.id for row in store.rows(Port)
    }


def replay(commits: list[Commit]) -> Model:
    model: Model = {}
    for commit in commits:
        for key, old, new in commit.changes:
            assert model.get(key) == old
            if new is None:
                del model[key]
            else:
                model[key] = new
    return model


async def check(flushes: list[list[Work]], path: Path) -> None:
    store = await Store.open(path)
    heard: list[Commit] = []
    store.subscribe(heard.append)
    model: Model = {}
    revision = 0
    for flush in flushes:
        results = await asyncio.gather(
            *(store.transact(lambda tx, w=work: run(tx, w)) for work in flush),  # type: ignore[misc]
            return_exceptions=True,
        )
        for work, result in zip(flush, results, strict=True):
            after = expected(model, work)
            if after is None:
                assert isinstance(result, (Aborted, Taken))
            else:
                assert result is None
                revision += after != model
                model = after
        assert state(store) == model
        assert store.revision == revision
        assert indexed(store)
    assert replay(heard) == model
    await store.close()
    store = await Store.open(path)
    assert state(store) == model
    assert store.revision == revision
    assert indexed(store)
    feed = await store.changes_since(0)
    assert feed == heard
    assert replay(feed) == model
    await store.close()


@given(FLUSHES)
def test_concurrent_transactions_are_a_dict_that_takes_turns(flushes: list[list[Work]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check(flushes, Path(directory) / "db"))


async def check_shared(flushes: list[list[Work]]) -> None:
    shared = Shared()
    stores = [await Store.on(SharedBackend(shared)) for _ in range(2)]
    for flush in flushes:
        await asyncio.gather(
            *(
                stores[number % 2].transact(lambda tx, w=work: run(tx, w))  # type: ignore[misc]
                for number, work in enumerate(flush)
            ),
            return_exceptions=True,
        )
    newcomer = await Store.on(SharedBackend(shared))
    feed = await newcomer.changes_since(0)
    assert [commit.revision for commit in feed] == list(range(1, len(feed) + 1))
    # Whatever raced, each store's tables are the history as far as it has come.
    assert state(newcomer) == replay(feed)
    for store in stores:
        assert state(store) == replay(feed[: store.revision])
        assert indexed(store)
    macs = [port.mac for port in newcomer.rows(Port)]
    assert len(set(macs)) == len(macs)


@given(FLUSHES)
def test_two_stores_on_one_backend_keep_one_history(flushes: list[list[Work]]) -> None:
    asyncio.run(check_shared(flushes))
