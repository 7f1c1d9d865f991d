"""What a command is: one row of the table from which parser and completion are made."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sdnctl.cli.client import Client
from sdnctl.cli.output import Output


@dataclass(slots=True)
class Context:
    """What a command works with; the client connects when first used."""

    connect: Callable[[], Client]
    output: Output
    _client: Client | None = field(default=None, init=False)

    @property
    def client(self) -> Client:
        """The controller."""
        if self._client is None:
            self._client = self.connect()
        return self._client

    def close(self) -> None:
        """Hang up, if there ever was a connection."""
        if self._client is not None:
            self._client.close()


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument as argparse knows it; ``complete`` names the noun whose names fit here."""

    flags: tuple[str, ...]
    help: str
    complete: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def argument(*flags: str, help: str, complete: str = "", **options: Any) -> Argument:  # noqa: A002
    """An argument; ``options`` are those of ``ArgumentParser.add_argument``."""
    return Argument(flags, help, complete, options)


Run = Callable[[Context, argparse.Namespace], int | None]
"""What a command does; gives the exit code, None for 0."""


@dataclass(frozen=True, slots=True)
class Command:
    """``sdnctl PATH ARGUMENTS``."""

    path: tuple[str, ...]
    help: str
    run: Run
    arguments: tuple[Argument, ...] = ()
