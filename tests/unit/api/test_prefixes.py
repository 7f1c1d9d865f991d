"""Sets of prefixes against sets of addresses, in a small world."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdnctl.api import prefixes
from sdnctl.types import Ip, Prefix

BASE = Ip.parse("10.0.0.0").number


def addresses(some: object) -> set[int]:
    found: set[int] = set()
    for prefix in some:  # type: ignore[attr-defined]
        first = prefix.ip.number
        found |= set(range(first, first + (1 << (32 - prefix.length))))
    return found


small = st.builds(
    lambda offset, length: Prefix.covering(Ip.from_number(BASE + offset, 4), length),
    st.integers(0, 255),
    st.integers(25, 32),
)
sets = st.lists(small, max_size=6)


@given(sets, sets, st.integers(24, 32))
def test_they_are_sets_of_addresses(some: list[Prefix], others: list[Prefix], length: int) -> None:
    left = prefixes.without(some, others)
    assert addresses(left) == addresses(some) - addresses(others)
    assert prefixes.compacted(left) == left
    assert prefixes.contains(some, others) is (addresses(others) <= addresses(some))
    assert prefixes.intersect(some, others) is bool(addresses(others) & addresses(some))
    found = prefixes.fit(left, length)
    if found is None:
        assert all(prefix.length > length for prefix in left)
    else:
        assert found.length == length
        assert addresses([found]) <= addresses(left)


def test_all_of_ipv6() -> None:
    everything = Prefix.parse("::/0")
    half = Prefix.parse("8000::/1")
    assert prefixes.without([everything], [half]) == (Prefix.parse("::/1"),)
    assert prefixes.without([everything], [everything]) == ()
    assert prefixes.fit([everything], 64) == Prefix.parse("::/64")
