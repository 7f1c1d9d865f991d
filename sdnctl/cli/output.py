"""Tables for people, JSON and names for programs.

Promise: the same values in every form. A table is aligned text without lines; colour only on a
terminal and never under NO_COLOR (https://no-color.org); no cell is cut or folded, a narrow
terminal wraps lines. What a tenant wrote cannot steer the terminal: control characters are
shown as U+FFFD.
"""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

_WIDE: Final = 100_000
"""Columns: a row is a line, and ids can be copied from it."""


class Format(enum.StrEnum):
    """Of the output, ``-o``."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


def _console() -> Console:
    return Console(highlight=False, width=_WIDE)


@dataclass(slots=True)
class Output:
    """Where a command's result goes."""

    format: Format = Format.TABLE
    console: Console = field(default_factory=_console)

    def items(self, items: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """A list; ``columns`` maps a heading to an attribute, or by dots to one inside it."""
        match self.format:
            case Format.JSON:
                self.json(items)
            case Format.NAME:
                self.lines(str(i.get("name") or i.get("id", "")) for i in items)
            case Format.TABLE:
                rows = [[cell(_at(i, a)) for a in columns.values()] for i in items]
                self.table(list(columns), rows)

    def item(self, item: Mapping[str, Any]) -> None:
        """One thing, an attribute a line."""
        match self.format:
            case Format.JSON:
                self.json(item)
            case Format.NAME:
                self.lines([str(item.get("name") or item.get("id", ""))])
            case Format.TABLE:
                self.table([], [[name, cell(value)] for name, value in item.items()])

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Aligned text; no heading line if ``headings`` is empty."""
        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            header_style="bold",
            show_header=bool(headings),
        )
        rows = list(rows)
        for heading in headings or ("",) * max(map(len, rows), default=1):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*map(safe, row))
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as drawn:
            self.console.print(table)
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())

    def tree(self, tree: Tree) -> None:
        """A tree."""
        self.console.print(tree)

    def json(self, value: object) -> None:
        """JSON, and nothing beside it."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def lines(self, lines: Iterable[str]) -> None:
        """A line each."""
        for line in lines:
            self.console.print(safe(line), soft_wrap=True)

    def done(self, sentence: str) -> None:
        """What was done, for a person only."""
        if self.format is Format.TABLE:
            self.lines([sentence])


def _at(item: Mapping[str, Any], path: str) -> object:
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def cell(value: object) -> str:
    """A value as it stands in a table."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case {"ip_address": address}:
            return str(address)
        case {
            "protocol": protocol,
            "external_port": port,
            "internal_ip_address": inside,
            "internal_port": own,
        }:
            return f"{protocol} {port} to {inside}:{own}"
        case dict():
            return ", ".join(f"{k}={cell(v)}" for k, v in value.items())
        case list():
            return ", ".join(map(cell, value))
        case _:
            return str(value)


def safe(text: str, style: str = "") -> Text:
    """Text that carries no control sequence and no markup."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text), style)
