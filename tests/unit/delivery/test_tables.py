"""Group tables: versions that are of the contents, and what an agent may have missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.delivery.tables import HISTORY, Table, Tables
from sdnctl.delta import Change
from sdnctl.desired import Neighbor
from sdnctl.types import Ip, Mac, Vni

GROUP = "evi/1"


def row(address: int, mac: int) -> Neighbor:
    return Neighbor(Vni(1), Ip.from_number(address, 4), Mac(mac.to_bytes(6, "big")))


def put(tables: Tables, *changes: tuple[Neighbor | None, Neighbor | None]) -> Table:
    tables.apply({"neighbor": [Change(None, old, new) for old, new in changes]})
    return tables.table(GROUP)


def test_a_version_is_of_the_contents() -> None:
    one, other = Tables(), Tables()
    put(one, (None, row(1, 1)))
    first = one.table(GROUP).version
    put(one, (None, row(2, 2)))
    put(one, (row(1, 1), row(1, 9)))
    put(other, (None, row(2, 2)), (None, row(1, 9)))
    assert one.table(GROUP).version == other.table(GROUP).version
    put(one, (row(1, 9), row(1, 1)), (row(2, 2), None))
    assert one.table(GROUP).version == first
    put(one, (row(1, 1), None))
    assert one.table(GROUP).version == Table().version


def test_what_changes_back_is_no_change() -> None:
    tables = Tables()
    put(tables, (None, row(1, 1)))
    assert tables.apply({"neighbor": [Change(None, row(1, 1), row(1, 1))]}) == []


def test_a_row_that_takes_over_a_key_stays() -> None:
    """One commit takes the key from one row and gives it to another, in either order."""
    tables = Tables()
    put(tables, (None, row(1, 1)))
    table = put(tables, (None, row(1, 2)), (row(1, 1), None))
    assert list(table.entries) == [row(1, 2).key]


def test_missed_since() -> None:
    tables = Tables()
    versions = [put(tables, (None, row(n, n))).version for n in range(4)]
    table = tables.table(GROUP)
    assert table.missed_since(versions[3]) == {}
    assert table.missed_since(versions[1]) == dict.fromkeys((row(3, 3).key, row(2, 2).key))
    assert table.missed_since(12345) is None


def test_history_ends() -> None:
    tables = Tables()
    old = put(tables, (None, row(0, 0))).version
    for n in range(1, HISTORY + 1):
        put(tables, (row(0, n - 1), row(0, n)))
    missed = tables.table(GROUP).missed_since(old)
    assert missed == {row(0, 0).key: None}
    put(tables, (row(0, HISTORY), row(0, HISTORY + 1)))
    assert tables.table(GROUP).missed_since(old) is None


def test_a_flapping_table_is_not_remembered_many_times_over() -> None:
    """A peer whose routes come and go again and again: the memory is that of the routes."""
    tables = Tables()
    size = HISTORY * 4
    for n in range(20):
        put(tables, *((row(a, n - 1) if n else None, row(a, n)) for a in range(size)))
    held = sum(len(keys) for _before, keys in tables.table(GROUP).history)
    assert 0 < held <= size
    put(tables, *((row(a, 19), None) for a in range(1, size)))
    assert sum(len(keys) for _before, keys in tables.table(GROUP).history) <= HISTORY


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
def test_what_was_missed_makes_the_difference(steps: list[tuple[int, int]]) -> None:
    """Whoever holds any former state and is sent the missed keys, holds the present one."""
    tables = Tables()
    held: dict[int, Neighbor] = {}
    former = [(0, dict(Table().entries))]
    for address, mac in steps:
        old, new = held.get(address), row(address, mac) if mac else None
        if new is None:
            held.pop(address, None)
        else:
            held[address] = new
        table = put(tables, (old, new))
        former.append((table.version, dict(table.entries)))
    now = tables.table(GROUP)
    for version, entries in former:
        missed = now.missed_since(version)
        if missed is None:
            continue  # the group was empty in between: it begins anew
        for key in missed:
            if key in now.entries:
                entries[key] = now.entries[key]
            else:
                entries.pop(key, None)
        assert entries == now.entries


@pytest.mark.parametrize("group", ["evi/1", "vrf/1", "node/h"])
def test_an_unknown_group_is_empty(group: str) -> None:
    assert Tables().table(group).entries == {}
