"""The engine by itself, over relations that mean nothing."""

from __future__ import annotations

import pytest

from sdnctl.graph.engine import Engine, Relation, Rule, View, on, same_key

WORD: Relation[str, str] = Relation("word", initial=lambda _key, row: (row[:1],))
COUNT: Relation[str, int] = Relation("count")
USED: Relation[str, bool] = Relation("used")
TWICE: Relation[str, int] = Relation("twice")

runs: list[str] = []


def count(initial: str, v: View) -> int | None:
    runs.append(f"count {initial}")
    return len(v.find(WORD, "initial", initial)) or None


def used(initial: str, v: View) -> bool | None:
    runs.append(f"used {initial}")
    return True if v.exists(WORD, "initial", initial) else None


def twice(initial: str, v: View) -> int | None:
    runs.append(f"twice {initial}")
    number = v.get(COUNT, initial)
    return None if number is None else min(2, number)


def make() -> Engine:
    runs.clear()
    return Engine(
        (WORD,),
        (
            Rule(COUNT, count, (on(WORD, WORD.indexes["initial"]),)),
            Rule(USED, used, (on(WORD, lambda _k, row: (row[:1],)),)),
            Rule(TWICE, twice, (on(COUNT, same_key),)),
        ),
    )


def test_rows_follow_their_inputs() -> None:
    engine = make()
    log = engine.commit([(WORD, "1", "apple"), (WORD, "2", "avocado"), (WORD, "3", "bean")])
    assert dict(engine.rows(COUNT)) == {"a": 2, "b": 1}
    assert {name: len(changes) for name, changes in log.items()} == {
        "word": 3,
        "count": 2,
        "used": 2,
        "twice": 2,
    }
    engine.commit([(WORD, "3", None)])
    assert dict(engine.rows(COUNT)) == {"a": 2}


def test_an_equal_result_stops_the_propagation() -> None:
    engine = make()
    engine.commit([(WORD, "1", "apple"), (WORD, "2", "avocado")])
    runs.clear()
    log = engine.commit([(WORD, "3", "almond")])
    assert runs == ["count a", "used a", "twice a"]
    assert set(log) == {"word", "count"}  # used is True as before, twice is 2 as before


def test_the_same_row_again_runs_nothing() -> None:
    engine = make()
    engine.commit([(WORD, "1", "apple")])
    runs.clear()
    assert engine.commit([(WORD, "1", "apple")]) == {}
    assert runs == []


def test_a_row_that_moves_leaves_its_bucket() -> None:
    engine = make()
    engine.commit([(WORD, "1", "apple"), (WORD, "2", "avocado"), (WORD, "3", "almond")])
    engine.commit([(WORD, "2", "bean")])
    assert dict(engine.rows(COUNT)) == {"a": 2, "b": 1}
    engine.commit([(WORD, "1", None), (WORD, "3", None), (WORD, "2", None)])
    assert engine.size() == {"rows": 0, "cells": 0, "instances": 0}


def test_explain_names_what_was_read() -> None:
    engine = make()
    engine.commit([(WORD, "1", "apple")])
    assert engine.explain(COUNT, "a") == {("word", "initial", "a")}
    assert engine.explain(TWICE, "a") == {("count", "a")}
    assert engine.explain(WORD, "1") == frozenset()


def test_only_inputs_are_written() -> None:
    with pytest.raises(ValueError, match="count is derived"):
        make().commit([(COUNT, "a", 7)])


def test_a_rule_that_reads_ahead_is_found_out() -> None:
    def ahead(_key: str, v: View) -> int | None:
        return v.get(TWICE, "a")

    engine = Engine(
        (WORD,),
        (
            Rule(COUNT, ahead, (on(WORD, lambda _k, row: (row[:1],)),)),
            Rule(TWICE, lambda _k, v: v.get(COUNT, "a") or 3, (on(WORD, lambda _k, _r: ("a",)),)),
        ),
    )
    engine.commit([(WORD, "1", "apple")])
    with pytest.raises(ValueError, match="count reads twice, declared after it"):
        engine.commit([(WORD, "2", "avocado")])


def test_triggers_and_names_are_checked() -> None:
    with pytest.raises(ValueError, match="declared after it"):
        Engine((WORD,), (Rule(TWICE, twice, (on(COUNT, same_key),)),))
    with pytest.raises(ValueError, match="declared twice"):
        Engine((WORD, WORD), ())
