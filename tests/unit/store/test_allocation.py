"""Allocation: unique, complete, and no dearer in a full pool than in an empty one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.intent import FixedIp, Network, Pool, Port, Router
from sdnctl.store import Exhausted, Ranges, Store, Transaction
from sdnctl.store.allocation import FreeList
from sdnctl.types import Ip, Mac
from tests.unit.store.rows import add_network, add_port, add_subnet


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=3),
    st.lists(st.integers(-1, 40), max_size=120),
)
def test_a_free_list_gives_every_free_number_and_no_other(
    spans: list[tuple[int, int]], steps: list[int]
) -> None:
    ranges = [(10 * i + low, 10 * i + low + width) for i, (low, width) in enumerate(spans)]
    numbers = {n for low, high in ranges for n in range(low, high + 1)}
    free, taken = FreeList(ranges), set[int]()
    for step in steps:
        if step < 0:
            number = free.take(taken.__contains__)
            assert (number is None) == (numbers <= taken)
            if number is not None:
                assert number in numbers - taken
                taken.add(number)
        elif step in taken:
            taken.remove(step)
            free.release(step)
        else:
            taken.add(step)  # chosen by hand, in the pool or outside


def test_taking_from_a_full_pool_costs_one_step() -> None:
    free, looks, taken = FreeList([(0, 65535)]), 0, set(range(60000))

    def is_taken(number: int) -> bool:
        nonlocal looks
        looks += 1
        return number in taken

    free.warm(is_taken)
    looks = 0
    for _ in range(1000):
        number = free.take(is_taken)
        assert number is not None
        taken.add(number)
    assert looks == 1000
    for number in range(500):
        taken.remove(number)
        free.release(number)
    while free.take(is_taken) is not None:
        pass
    assert looks < 1000 + 65536 - 61000 + 500 + 10


async def test_numbers_come_from_their_ranges_and_run_out(tmp_path: Path) -> None:
    ranges = Ranges(vnis=(5000, 5001), labels=(16, 40), rd_numbers=(7, 30))
    store = await Store.open(tmp_path / "db", ranges=ranges)

    def router(tx: Transaction) -> Router:
        row = Router(
            id="r", vni=tx.allocate_vni(), label=tx.allocate_label(), number=tx.allocate_rd_number()
        )
        tx.put(row)
        return row

    network = await store.transact(lambda tx: add_network(tx, "n"))
    assert (network.vni, network.label, network.number) == (5000, 16, 7)
    made = await store.transact(router)
    assert (made.vni, made.label, made.number) == (5001, 17, 8)
    with pytest.raises(Exhausted, match="no free vni"):
        await store.transact(add_network)
    await store.transact(lambda tx: tx.delete(Network, "n"))
    again = await store.transact(lambda tx: add_network(tx, "m"))
    # The VNI is the only one; the label is fresh although a lower one is free.
    assert (again.vni, again.label) == (5000, 18)
    await store.close()


async def test_addresses_run_out_and_come_back(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await store.transact(lambda tx: add_network(tx, "n"))
    subnet = await store.transact(
        lambda tx: add_subnet(tx, "n", "10.0.0.0/29", "10.0.0.2", "10.0.0.4")
    )

    def by_hand(tx: Transaction) -> None:
        fixed = FixedIp(subnet.id, Ip.parse("10.0.0.3"))
        tx.put(Port(id="hand", network_id="n", mac=Mac.parse("02:0:0:0:0:1"), fixed_ips=(fixed,)))

    await store.transact(by_hand)
    ports = [await store.transact(lambda tx: add_port(tx, subnet)) for _ in range(2)]
    assert [str(p.fixed_ips[0].ip) for p in ports] == ["10.0.0.2", "10.0.0.4"]
    with pytest.raises(Exhausted):
        await store.transact(lambda tx: add_port(tx, subnet))

    def replace(tx: Transaction) -> Port:
        tx.delete(Port, "hand")
        return add_port(tx, subnet)

    assert str((await store.transact(replace)).fixed_ips[0].ip) == "10.0.0.3"

    def widen(tx: Transaction) -> None:
        pool = Pool(Ip.parse("10.0.0.1"), Ip.parse("10.0.0.6"))
        tx.put(type(subnet)(id=subnet.id, network_id="n", prefix=subnet.prefix, pools=(pool,)))

    await store.transact(widen)
    wider = store.get(type(subnet), subnet.id)
    assert wider is not None
    more = [await store.transact(lambda tx: add_port(tx, wider)) for _ in range(3)]
    assert [str(p.fixed_ips[0].ip) for p in more] == ["10.0.0.1", "10.0.0.5", "10.0.0.6"]
    await store.close()


async def test_allocated_macs_are_neutrons(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    macs = await store.transact(lambda tx: {tx.allocate_mac("n") for _ in range(100)})
    assert all(str(mac).startswith("fa:16:3e:") for mac in macs)
    await store.close()
