"""Keyed rules over relations, recomputed exactly where something that they read has changed.

Promise: after ``commit`` every derived row equals what its rule gives for the present inputs,
whatever the order of the changes that led there; the cost is of the rows that read what
changed, never of the size of the relations. Dependencies are recorded as rules read, so none is
written by hand, and ``explain`` can name them.

A rule is a pure function of ONE key and a ``View``. Its contract:

- it reads only inputs and the outputs of rules declared before it (checked);
- it is run for a key when a trigger names that key, or when a cell that it read has changed;
- it returns None for "no such row", at once when what triggers it is missing. If all that it
  read is absent, the engine forgets the key until a trigger names it again.

Knows nothing of networks, time or input and output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from sdnctl.delta import Change, Delta

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
S = TypeVar("S", bound=Hashable)
W = TypeVar("W")

Cell = tuple[Hashable, ...]
"""A row ``(relation, key)``, a bucket ``(relation, index, value)`` or, with a fourth element,
whether that bucket holds anything."""

Index = Callable[[Any, Any], Collection[Hashable]]


class Relation(Generic[K, V]):
    """A declaration: a name and the indexes over its rows. It holds no rows itself.

    An index maps (key, row) to the distinct values under which the row is found.
    """

    __slots__ = ("indexes", "name")

    def __init__(self, name: str, **indexes: Callable[[K, V], Collection[Hashable]]) -> None:
        self.name = name
        self.indexes: dict[str, Index] = dict(indexes)

    def __repr__(self) -> str:
        return self.name


class Trigger(NamedTuple):
    """A changed row of ``source`` names the output keys that it may matter to."""

    source: Relation[Any, Any]
    keys: Callable[[Any, Any], Iterable[Hashable]]


def on(source: Relation[S, W], keys: Callable[[S, W], Iterable[Hashable]]) -> Trigger:
    """Declare a trigger with its types checked."""
    return Trigger(source, keys)


def same_key(key: Hashable, _row: object) -> tuple[Hashable, ...]:
    """The output has the key of its source."""
    return (key,)


@dataclass(frozen=True, slots=True)
class Rule(Generic[K, V]):
    """``derive`` gives the row of ``output`` for a key."""

    output: Relation[K, V]
    derive: Callable[[K, View], V | None]
    triggers: tuple[Trigger, ...]


Some = Any
"""Nothing (absent), one thing, or a ``_Several`` of things: most cells have one reader and most
buckets one key, and a container for each would be most of the engine's memory."""


class _Several(dict[Any, None]):
    """Two or more things, in order of arrival."""

    __slots__ = ()


def _added(some: Some, thing: Hashable) -> Some:
    """``some``, which holds at least one other thing, with ``thing``."""
    if type(some) is _Several:
        some[thing] = None
        return some
    return _Several(((some, None), (thing, None))) if some != thing else some


def _removed(some: Some, thing: Hashable) -> Some:
    """``some`` without ``thing``; None if that was all."""
    if type(some) is not _Several:
        return None if some == thing else some
    some.pop(thing, None)
    if len(some) > 1:
        return some
    return next(iter(some))


def _each(some: Some) -> Iterable[Any]:
    return some if type(some) is _Several else (some,)


class Table:
    """The rows of one relation in one engine.

    ``watched`` are the shapes of cells that some rule reads without a trigger for them: None for
    rows, an index for its buckets, (index, True) for whether they hold anything. Changes of other
    cells need not be told.
    """

    __slots__ = ("buckets", "indexes", "name", "rank", "rows", "watched")

    def __init__(self, relation: Relation[Any, Any], rank: int) -> None:
        self.name = relation.name
        self.rank = rank
        self.rows: dict[Any, Any] = {}
        self.indexes = tuple(relation.indexes.items())
        self.buckets: dict[Any, dict[Any, Some]] = {name: {} for name in relation.indexes}
        self.watched: set[Hashable] = set()

    def watch(self, cell: Cell) -> None:
        """Tell of changes of cells of this shape from now on."""
        self.watched.add(None if len(cell) == 2 else cell[1] if len(cell) == 3 else (cell[1], True))

    def put(self, key: Hashable, new: Any) -> tuple[Change[Any, Any] | None, list[Cell]]:
        """Set a row, or delete it with None; return the change, if any, and the cells told of."""
        old = self.rows.get(key)
        if old == new:
            return None, []
        cells: list[Cell] = [(self.name, key)] if None in self.watched else []
        for index, values in self.indexes:
            before = values(key, old) if old is not None else ()
            after = values(key, new) if new is not None else ()
            if before or after:
                self._refile(index, key, before, after, cells)
        if new is None:
            del self.rows[key]
        else:
            self.rows[key] = new
        return Change(key, old, new), cells

    def _refile(
        self,
        index: str,
        key: Hashable,
        before: Collection[Hashable],
        after: Collection[Hashable],
        cells: list[Cell],
    ) -> None:
        """Move a row from the buckets that it was in to those where it belongs."""
        buckets = self.buckets[index]
        emptiness = []
        for value in before:
            if value not in after:
                rest = _removed(buckets[value], key)
                if rest is None:
                    del buckets[value]
                    emptiness.append(value)
                else:
                    buckets[value] = rest
        for value in after:
            if value not in before:
                if value in buckets:
                    buckets[value] = _added(buckets[value], key)
                else:
                    buckets[value] = key
                    emptiness.append(value)
        if index in self.watched:
            cells += ((self.name, index, value) for value in {*before, *after})
        if emptiness and (index, True) in self.watched:
            cells += ((self.name, index, value, True) for value in emptiness)

    def holds(self, cell: Cell) -> bool:
        """Whether there is anything in a cell of this table."""
        if len(cell) == 2:
            return cell[1] in self.rows
        return cell[2] in self.buckets[cell[1]]


class View:
    """What a rule may read; it remembers what was read."""

    __slots__ = ("_tables", "reads")

    def __init__(self, tables: Mapping[Relation[Any, Any], Table]) -> None:
        self._tables = tables
        self.reads: set[Cell] = set()

    def get(self, relation: Relation[K, V], key: K) -> V | None:
        """One row, or None."""
        self.reads.add((relation.name, key))
        row: V | None = self._tables[relation].rows.get(key)
        return row

    def find(self, relation: Relation[K, V], index: str, value: Hashable) -> list[tuple[K, V]]:
        """The (key, row) pairs filed under a value, in no particular order."""
        self.reads.add((relation.name, index, value))
        table = self._tables[relation]
        some = table.buckets[index].get(value)
        if some is None:
            return []
        rows = table.rows
        return [(key, rows[key]) for key in _each(some)]

    def exists(self, relation: Relation[K, V], index: str, value: Hashable) -> bool:
        """Whether anything is filed under a value; unlike ``find`` blind to how much."""
        self.reads.add((relation.name, index, value, True))
        return value in self._tables[relation].buckets[index]


def _covered_by(rule: Rule[Any, Any]) -> Iterable[Cell]:
    """The cells, but for the key at their end, whose changes trigger the rule for that key."""
    for source, keys in rule.triggers:
        if keys is same_key:
            yield (source.name,)
        for index, values in source.indexes.items():
            if keys is values:
                yield (source.name, index)


Reads = tuple[Cell, ...]
Instance = tuple[int, Hashable]
Log = dict[str, Delta[Any, Any]]
"""What a commit changed, by relation."""


@dataclass(slots=True)
class Engine:
    """Relations and rules; ``commit`` brings the rules' outputs up to date."""

    inputs: Sequence[Relation[Any, Any]]
    rules: Sequence[Rule[Any, Any]]
    _tables: dict[Relation[Any, Any], Table] = field(default_factory=dict)
    _by_name: dict[Hashable, Table] = field(default_factory=dict)
    _triggers: dict[str, list[tuple[int, Callable[[Any, Any], Iterable[Hashable]]]]] = field(
        default_factory=dict
    )
    _readers: dict[Cell, Some] = field(default_factory=dict)
    _reads: dict[Instance, Reads] = field(default_factory=dict)
    _covered: list[tuple[Cell, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for relation in self.inputs:
            self._declare(relation, -1)
        for rank, rule in enumerate(self.rules):
            for source, keys in rule.triggers:
                if source not in self._tables:
                    raise ValueError(f"{rule.output} is triggered by {source}, declared after it")
                self._triggers[source.name].append((rank, keys))
            self._declare(rule.output, rank)
            self._covered.append(tuple(_covered_by(rule)))

    def _declare(self, relation: Relation[Any, Any], rank: int) -> None:
        if relation.name in self._by_name:
            raise ValueError(f"relation {relation} is declared twice")
        self._tables[relation] = self._by_name[relation.name] = Table(relation, rank)
        self._triggers[relation.name] = []

    def rows(self, relation: Relation[K, V]) -> Mapping[K, V]:
        """All rows of a relation; do not change them."""
        return self._tables[relation].rows

    def view(self) -> View:
        """A view for queries from outside; its reads are of no consequence."""
        return View(self._tables)

    def commit(self, writes: Iterable[tuple[Relation[Any, Any], Hashable, Any]]) -> Log:
        """Write input rows (None deletes), run what depends on them, return all changes."""
        log: Log = {}
        dirty: list[dict[Hashable, None]] = [{} for _ in self.rules]
        for relation, key, row in writes:
            table = self._tables[relation]
            if table.rank >= 0:
                raise ValueError(f"{relation} is derived; only inputs are written")
            self._put(table, key, row, log, dirty)
        for rank, rule in enumerate(self.rules):
            if not dirty[rank]:
                continue  # most commits concern few of the rules
            table = self._tables[rule.output]
            for key in dirty[rank]:
                view = View(self._tables)
                row = rule.derive(key, view)
                self._record((rank, key), view.reads, row)
                self._put(table, key, row, log, dirty)
        return log

    def _put(
        self,
        table: Table,
        key: Hashable,
        row: object,
        log: Log,
        dirty: list[dict[Hashable, None]],
    ) -> None:
        change, cells = table.put(key, row)
        if change is None:
            return
        changes = log.setdefault(table.name, [])
        changes.append(change)
        readers = self._readers
        for cell in cells:
            if cell in readers:
                for rank, reader in _each(readers[cell]):
                    dirty[rank][reader] = None
        for rank, keys in self._triggers[table.name]:
            for version in (change.old, change.new):
                if version is not None:
                    for named in keys(key, version):
                        dirty[rank][named] = None

    def _record(self, instance: Instance, reads: set[Cell], row: object) -> None:
        """Replace what an instance is known to read.

        Cells whose change names the instance by a trigger anyway are left out: they are the
        greater part. A row that is not there, made of nothing that is there, is forgotten.
        """
        rank, key = instance
        by_name = self._by_name
        if row is None and not any(by_name[cell[0]].holds(cell) for cell in reads):
            reads = set()
        else:
            for prefix in self._covered[rank]:
                reads.discard((*prefix, key))
                reads.discard((*prefix, key, True))
        old = self._reads.get(instance, ())
        readers = self._readers
        for cell in old:
            if cell not in reads:
                rest = _removed(readers[cell], instance)
                if rest is None:
                    del readers[cell]
                else:
                    readers[cell] = rest
        for cell in reads.difference(old) if old else reads:
            self._watch(cell, instance)
        if reads:
            self._reads[instance] = tuple(reads)
        elif old:
            del self._reads[instance]

    def _watch(self, cell: Cell, instance: Instance) -> None:
        """Run the instance when the cell changes."""
        table, rule = self._by_name[cell[0]], self.rules[instance[0]]
        if table.rank >= instance[0]:
            raise ValueError(f"{rule.output} reads {cell[0]}, declared after it")
        readers = self._readers
        if cell in readers:
            readers[cell] = _added(readers[cell], instance)
        else:
            readers[cell] = instance
            table.watch(cell)

    def explain(self, relation: Relation[K, V], key: K) -> frozenset[Cell]:
        """The cells that a derived row is computed from; empty for an input."""
        rank = self._by_name[relation.name].rank
        if rank < 0:
            return frozenset()
        view = View(self._tables)
        self.rules[rank].derive(key, view)
        return frozenset(view.reads)

    def size(self) -> dict[str, int]:
        """How much is held: rows, cells with readers, and rule instances with reads."""
        return {
            "rows": sum(len(table.rows) for table in self._tables.values()),
            "cells": len(self._readers),
            "instances": len(self._reads),
        }

    def recompute(self) -> Engine:
        """The same rules over the same inputs in a fresh engine."""
        fresh = Engine(self.inputs, self.rules)
        fresh.commit(
            (relation, key, row)
            for relation in self.inputs
            for key, row in self._tables[relation].rows.items()
        )
        return fresh
