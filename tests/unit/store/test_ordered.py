from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdnctl.intent import Row
from sdnctl.store import ordered
from sdnctl.store.ordered import Ordered

ROWS = st.builds(Row, id=st.text("abc", min_size=1, max_size=3), name=st.text("xy", max_size=2))


@given(st.lists(ROWS, unique_by=lambda row: row.id), st.data())
def test_pages_are_slices_of_what_is_sorted(rows: list[Row], data: st.DataObject) -> None:
    ordered.BLOCK, kept = 2, ordered.BLOCK  # type: ignore[misc]
    try:
        began = data.draw(st.integers(0, len(rows)))
        found = Ordered("name", rows[:began])
        for row in rows[began:]:
            found.add(row)
        for row in data.draw(st.permutations(rows))[: len(rows) // 2]:
            found.remove(row)
            rows = [one for one in rows if one is not row]
        places = sorted(map(found.place, rows))
        count = data.draw(st.integers(0, len(rows) + 1))
        assert found.after(None, count) == places[:count]
        assert found.before(None, count) == places[::-1][:count]
        marker = found.place(data.draw(ROWS))
        assert found.after(marker, count) == [p for p in places if p > marker][:count]
        assert found.before(marker, count) == [p for p in places[::-1] if p < marker][:count]
    finally:
        ordered.BLOCK = kept  # type: ignore[misc]
