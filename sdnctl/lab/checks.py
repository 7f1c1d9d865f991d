"""A lab's own checks: commands and what they must say.

Promise: each check of ``checks.yml`` beside the topology is tried until it holds or its time is
over; the result says what was seen. After netlab's ``validate``.

    checks:
      - name: the gateway has red's route       # what a person reads
        node: gateway                           # where it runs
        run: gobgp global rib -a vpnv4          # no shell
        contains: 10.0.0.5/32                   # and: excludes, matches (a regular expression)
        exit: 0                                 # the exit code, 0 if not said
        within: 10                              # seconds, 5 if not said
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from sdnctl.lab import netns
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import attempt

FILE: Final = "checks.yml"
_PAUSE_S: Final = 0.2


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command in a node, and what it must answer within some seconds."""

    name: str
    node: str
    run: str
    contains: str | None = None
    excludes: str | None = None
    matches: str | None = None
    exit: int = 0
    within: float = 5.0

    def __post_init__(self) -> None:
        if self.matches is not None:
            re.compile(self.matches)
        if not shlex.split(self.run):
            raise ValueError("run: a command is needed")

    def missed(self, code: int, text: str) -> str:
        """What the answer lacks; empty if it holds."""
        if code != self.exit:
            return f"exit code {code}, not {self.exit}"
        if self.contains is not None and self.contains not in text:
            return f"does not contain {self.contains!r}"
        if self.excludes is not None and self.excludes in text:
            return f"contains {self.excludes!r}"
        if self.matches is not None and not re.search(self.matches, text, re.MULTILINE):
            return f"does not match {self.matches!r}"
        return ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    checks: list[Check]


@dataclass(frozen=True, slots=True)
class Result:
    """How a check went; ``problem`` is empty if it holds, ``output`` what was seen last."""

    check: Check
    problem: str
    output: str
    seconds: float


def load(path: Path) -> list[Check]:
    """Read a file of checks; LabError says what is wrong in it."""
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=_File).checks
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, re.error) as error:
        raise LabError(f"{path}: {error}") from None


def run(lab: Lab, checks: list[Check]) -> Iterator[Result]:
    """Run the checks one after the other, a result as each is decided."""
    for check in checks:
        lab.namespace(check.node)
    for check in checks:
        yield _decide(lab, check)


def _decide(lab: Lab, check: Check) -> Result:
    start = time.monotonic()
    command = netns.inside(lab.namespace(check.node), shlex.split(check.run))
    while True:
        left = check.within - (time.monotonic() - start)
        try:
            done = attempt(command, env=lab.env(check.node), timeout=max(left, 1.0))
            output = done.stdout + done.stderr
            problem = check.missed(done.returncode, output)
        except LabError as error:
            output, problem = "", str(error)
        seconds = time.monotonic() - start
        if not problem or seconds + _PAUSE_S > check.within:
            return Result(check, problem, output, seconds)
        time.sleep(_PAUSE_S)
