"""What the store promises: one work, one revision; all or nothing; durable before heard of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sdnctl.intent import Hypervisor, Link, Network, Port, Subnet
from sdnctl.store import (
    Commit,
    CommitFailed,
    Compacted,
    Locked,
    Store,
    StoreError,
    Taken,
    Transaction,
    UnknownSchema,
)
from sdnctl.types import Ip, Mac
from tests.unit.store.rows import add_network, add_port, add_subnet, link, put
from tests.unit.store.shared import Shared, SharedBackend


async def test_a_work_is_one_revision_and_is_heard_of_before_it_returns(store: Store) -> None:
    heard: list[Commit] = []
    stop = store.subscribe(heard.append)
    await put(store, link("a"), link("b"))
    assert store.revision == 1
    assert [(c.key, c.old, c.new) for c in heard[0].changes] == [
        (("link", "a"), None, link("a")),
        (("link", "b"), None, link("b")),
    ]
    stop()
    await put(store, link("c"))
    assert len(heard) == 1
    assert store.get(Link, "c") == link("c")


async def test_when_a_kind_changed_last(store: Store) -> None:
    assert store.changed(Link) == 0
    await put(store, link("a"))
    await store.transact(add_network)
    assert (store.changed(Link), store.changed(Network), store.changed(Port)) == (1, 2, 0)
    await store.transact(lambda tx: tx.delete(Link, "a"))
    assert (store.changed(Link), store.changed(Network)) == (3, 2)


async def test_works_of_one_turn_see_each_other_in_order_and_share_one_write(
    store: Store,
) -> None:
    seen: list[list[str]] = []

    def work(name: str) -> Any:
        def run(tx: Transaction) -> None:
            seen.append([row.id for row in tx.find(Link, "name", "")])
            assert store.rows(Link).__len__() == 0
            tx.put(link(name))

        return run

    await asyncio.gather(*(store.transact(work(name)) for name in "abc"))
    assert seen == [[], ["a"], ["a", "b"]]
    assert store.revision == 3
    assert [commit.revision for commit in await store.changes_since(0)] == [1, 2, 3]


async def test_a_work_that_raises_leaves_nothing_and_harms_no_other(store: Store) -> None:
    def bad(tx: Transaction) -> None:
        tx.put(link("a", 7))
        tx.put(link("bad"))
        tx.delete(Link, "b")
        raise ZeroDivisionError

    await put(store, link("a"), link("b"))
    good = put(store, link("c"))
    results = await asyncio.gather(store.transact(bad), good, return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] is None
    assert {row.id: row.cost for row in store.rows(Link)} == {"a": 1, "b": 1, "c": 1}
    assert store.revision == 2


async def test_a_work_counts_what_it_and_those_before_it_wrote(store: Store) -> None:
    def count(tx: Transaction) -> int:
        return tx.count(Link, "project_id", "acme")

    def swap(tx: Transaction) -> int:
        tx.put(Link(id="one", a="x", b="y", project_id="other"))
        tx.put(Link(id="two", a="x", b="y", project_id="acme"))
        tx.put(Link(id="two", a="x", b="z", project_id="acme"))
        tx.put(Link(id="three", a="x", b="y", project_id="acme"))
        tx.delete(Link, "three")
        return count(tx)

    def fail(tx: Transaction) -> None:
        tx.put(Link(id="four", a="x", b="y", project_id="acme"))
        raise ValueError("four")

    await store.transact(lambda tx: tx.put(Link(id="one", a="x", b="y", project_id="acme")))
    done = await asyncio.gather(
        store.transact(count),
        store.transact(swap),
        store.transact(fail),
        store.transact(count),
        return_exceptions=True,
    )
    assert [done[0], done[1], done[3]] == [1, 1, 1]
    assert str(done[2]) == "four"
    assert store.count(Link, "project_id", "acme") == 1


async def test_a_work_that_changes_nothing_is_no_revision(store: Store) -> None:
    await put(store, link("a"))
    await put(store, link("a"))

    def there_and_back(tx: Transaction) -> None:
        tx.put(link("b"))
        tx.delete(Link, "b")

    await store.transact(there_and_back)
    assert store.revision == 1


async def test_deleting_what_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.transact(lambda tx: tx.delete(Link, "a"))


async def test_a_listener_that_fails_stops_nobody(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fail(_commit: Commit) -> None:
        raise RuntimeError("deaf")

    store.subscribe(fail)
    store.subscribe(lambda commit: heard.append(commit.revision))
    await put(store, link("a"))
    assert heard == [1]
    assert "listener failed at revision 1" in caplog.text


async def test_claims_are_unique_across_kinds(store: Store) -> None:
    network = await store.transact(lambda tx: add_network(tx, "n"))

    def second(tx: Transaction) -> None:
        tx.put(Network(id="m", vni=network.vni, label=tx.allocate_label(), number=9))

    with pytest.raises(Taken, match="vni 4096 is held by network n"):
        await store.transact(second)
    await store.transact(lambda tx: tx.put(Hypervisor(id="h1", vtep=Ip.parse("192.0.2.1"))))
    with pytest.raises(Taken, match=r"vtep 192\.0\.2\.1"):
        await store.transact(lambda tx: tx.put(Hypervisor(id="h2", vtep=Ip.parse("192.0.2.1"))))
    assert store.revision == 2


async def test_an_aborted_swap_of_claims_restores_both_holders(store: Store) -> None:
    await store.transact(lambda tx: add_network(tx, "n"))
    subnet = await store.transact(
        lambda tx: add_subnet(tx, "n", "10.0.0.0/24", "10.0.0.2", "10.0.0.9")
    )
    port = await store.transact(lambda tx: add_port(tx, subnet, "p"))

    def swap_and_fail(tx: Transaction) -> None:
        tx.delete(Port, "p")
        tx.put(Port(id="q", network_id="n", mac=port.mac, fixed_ips=port.fixed_ips))
        raise ZeroDivisionError

    def still_taken(tx: Transaction) -> None:
        tx.put(Port(id="r", network_id="n", mac=port.mac))

    results = await asyncio.gather(
        store.transact(swap_and_fail), store.transact(still_taken), return_exceptions=True
    )
    assert isinstance(results[0], ZeroDivisionError)
    assert isinstance(results[1], Taken)
    assert results[1].holder == ("port", "p")


async def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await store.transact(lambda tx: add_network(tx, "n"))
    subnet = await store.transact(
        lambda tx: add_subnet(tx, "n", "10.0.0.0/24", "10.0.0.2", "10.0.0.254")
    )
    ports = [await store.transact(lambda tx: add_port(tx, subnet)) for _ in range(5)]
    await store.transact(lambda tx: tx.delete(Port, ports[1].id))
    before = {kind: set(store.rows(kind)) for kind in (Network, Subnet)}
    await store.close()
    store = await Store.open(tmp_path / "db")
    assert {kind: set(store.rows(kind)) for kind in (Network, Subnet)} == before
    assert store.revision == 8
    assert {p.id for p in store.find(Port, "network_id", "n")} == {
        p.id for p in ports if p is not ports[1]
    }
    # The lowest that is free, found again at load.
    assert str((await store.transact(lambda tx: add_port(tx, subnet))).fixed_ips[0].ip) == (
        str(ports[1].fixed_ips[0].ip)
    )
    await store.close()


async def test_the_feed_replays_and_says_when_it_cannot(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db", retain=10)
    for number in range(300):
        await put(store, link("a", number + 1))
    with pytest.raises(Compacted, match="0 is gone"):
        await store.changes_since(0)
    with pytest.raises(StoreError, match="not reached"):
        await store.changes_since(301)
    commits = await store.changes_since(295)
    assert [c.revision for c in commits] == [296, 297, 298, 299, 300]
    assert commits[0].changes[0].old == link("a", 295)
    await store.close()
    store = await Store.open(tmp_path / "db", retain=10)
    assert await store.changes_since(295) == commits
    assert await store.changes_since(300) == []
    await store.close()


async def test_watching_brings_old_and_new_commits(store: Store) -> None:
    await put(store, link("a"))
    seen: list[int] = []

    async def watch() -> None:
        async for commit in store.watch(0):
            seen.append(commit.revision)
            if commit.revision == 3:
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await put(store, link("b"))
    await put(store, link("c"))
    await asyncio.wait_for(watching, 5)
    assert seen == [1, 2, 3]


async def test_nobody_else_may_read_the_database(store: Store, tmp_path: Path) -> None:
    await put(store, link("a"))
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


async def test_one_process_has_the_database(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Locked, match="in use by another controller"):
        await Store.open(tmp_path / "db")
    await store.close()
    again = await Store.open(tmp_path / "db")
    await again.close()


async def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"a letter to grandmother" * 100)
    with pytest.raises(StoreError, match="cannot open"):
        await Store.open(path)
    assert path.read_bytes() == b"a letter to grandmother" * 100
    with pytest.raises(StoreError, match="cannot open"):
        await Store.open(tmp_path / "no" / "such" / "directory")


async def test_an_older_schema_is_migrated_and_a_newer_refused(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await put(store, link("a"), link("b"))
    await store.close()

    def dearer(kind: str, row: dict[str, Any]) -> dict[str, Any] | None:
        assert kind == "link"
        return None if row["id"] == "b" else row | {"cost": 5}

    store = await Store.open(tmp_path / "db", migrations=[dearer])
    assert list(store.rows(Link)) == [link("a", 5)]
    assert store.revision == 1
    with pytest.raises(Compacted):
        await store.changes_since(0)
    await put(store, link("c"))
    await store.close()
    store = await Store.open(tmp_path / "db", migrations=[dearer])
    assert {row.cost for row in store.rows(Link)} == {5, 1}
    await store.close()
    with pytest.raises(UnknownSchema, match="schema version 2"):
        await Store.open(tmp_path / "db")


async def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await put(store, link("a"), link("b"))
    await store.close()

    def half(_kind: str, row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == "b":
            raise ZeroDivisionError
        return row | {"cost": 5}

    with pytest.raises(ZeroDivisionError):
        await Store.open(tmp_path / "db", migrations=[half])
    store = await Store.open(tmp_path / "db")
    assert {row.cost for row in store.rows(Link)} == {1}
    await store.close()


async def test_epochs_never_repeat(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        store = await Store.open(tmp_path / "db")
        seen += [await store.next_epoch(), await store.next_epoch()]
        await store.close()
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_a_row_that_cannot_be_written_fails_its_work_alone(store: Store) -> None:
    mac = Mac.parse("02:00:00:00:00:01")

    def odd(tx: Transaction) -> None:
        tx.put(Port(id="p", network_id="n", mac=mac, profile={"x": object()}))

    results = await asyncio.gather(
        put(store, link("a")), store.transact(odd), put(store, link("b")), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), NotImplementedError, type(None)]
    assert {row.id for row in store.rows(Link)} == {"a", "b"}
    await store.transact(lambda tx: tx.put(Port(id="q", network_id="n", mac=mac)))
    assert [row.id for row in store.rows(Port)] == ["q"]


async def test_a_waiter_that_left_before_its_turn_writes_nothing(store: Store) -> None:
    task = asyncio.create_task(put(store, link("a")))
    other = asyncio.create_task(put(store, link("b")))
    await asyncio.sleep(0)
    task.cancel()
    await other
    assert [row.id for row in store.rows(Link)] == ["b"]
    assert task.cancelled()


async def test_two_stores_on_one_backend_allocate_without_collision() -> None:
    shared = Shared()
    stores = [await Store.on(SharedBackend(shared)) for _ in range(2)]
    made = await asyncio.gather(
        *(store.transact(add_network) for _ in range(20) for store in stores)
    )
    for field in ("vni", "label", "number"):
        assert len({getattr(network, field) for network in made}) == 40
    for store in stores:
        await store.transact(add_network)
    assert len(shared.entries) == 42
    third = await Store.on(SharedBackend(shared))
    assert {n.id for n in stores[1].rows(Network)} == {n.id for n in third.rows(Network)}


async def test_allocations_of_a_failed_flush_come_back() -> None:
    shared = Shared()
    store = await Store.on(SharedBackend(shared))
    await store.transact(lambda tx: add_network(tx, "n"))
    subnet = await store.transact(
        lambda tx: add_subnet(tx, "n", "10.0.0.0/24", "10.0.0.2", "10.0.0.3")
    )
    shared.failing = True
    results = await asyncio.gather(
        *(store.transact(lambda tx: add_port(tx, subnet)) for _ in range(2)),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {CommitFailed}
    shared.failing = False
    ports = [await store.transact(lambda tx: add_port(tx, subnet)) for _ in range(2)]
    assert {str(port.fixed_ips[0].ip) for port in ports} == {"10.0.0.2", "10.0.0.3"}
