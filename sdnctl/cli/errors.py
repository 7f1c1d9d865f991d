"""What ends a command, each with its exit code and a sentence for a person."""

from __future__ import annotations

from typing import ClassVar


class CliError(Exception):
    """Refused, or not found."""

    exit_code: ClassVar[int] = 1


class UsageError(CliError):
    """What was asked makes no sense, whatever the controller's state."""

    exit_code: ClassVar[int] = 2


class UnreachableError(CliError):
    """No answer from the controller."""

    exit_code: ClassVar[int] = 3
