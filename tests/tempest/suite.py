# ruff: noqa: N802, N815 - unittest's names
"""tempest's tests of the network API, run by the Python that has tempest.

    python suite.py SHARD OF PACKAGE [REGEX [LEFT]]

prints a line of JSON for each test of a PACKAGE, which is a path: its name, its outcome, and the
reason or traceback. Tests are run if their names match REGEX, and left out if they match LEFT. The
SHARDs split the tests by class, since a class makes the users that its tests share. Imports
nothing of this project: it runs in tempest's environment.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Printed(unittest.TestResult):
    """Says what became of each test as soon as it is known."""

    def __init__(self, classes: dict[str, list[str]]) -> None:
        super().__init__()
        self._classes = classes
        self._said: set[str] = set()

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._said.discard(name_of(test))

    def addSuccess(self, test: Any) -> None:
        self._say(test, "passed", "")

    def addFailure(self, test: Any, err: Any) -> None:
        self._say(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    addError = addFailure

    def addSkip(self, test: Any, reason: str) -> None:
        self._say(test, "skipped", reason)

    def _say(self, test: Any, outcome: str, text: str) -> None:
        # What fails or skips in setUpClass does so for all tests of the class.
        whole = re.match(r"(?:setUp|tearDown)Class \((.*)\)", test.id())
        for name in self._classes.get(whole[1], []) if whole else [name_of(test)]:
            if outcome == "passed" and name in self._said:
                continue
            self._said.add(name)
            print(json.dumps({"test": name, "outcome": outcome, "text": text}), flush=True)


def name_of(test: Any) -> str:
    """The test's name, without the attributes that tempest writes after it."""
    return str(test.id()).partition("[")[0]


def tests_in(suite: Any) -> Iterator[Any]:
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests_in(one)
        else:
            yield one


def main() -> None:
    shard, of = int(sys.argv[1]), int(sys.argv[2])
    package = Path(sys.argv[3])
    wanted = re.compile(sys.argv[4] if len(sys.argv) > 4 else "")
    left = re.compile(sys.argv[5] if len(sys.argv) > 5 and sys.argv[5] else "(?!)")
    spec = importlib.util.find_spec(package.parts[0])
    assert spec is not None
    assert spec.origin is not None
    top = Path(spec.origin).parents[1]
    found = unittest.TestLoader().discover(str(top / package), top_level_dir=str(top))
    classes: dict[str, list[Any]] = {}
    for test in tests_in(found):
        if wanted.search(name_of(test)):
            classes.setdefault(name_of(test).rpartition(".")[0], []).append(test)
    mine = {name: classes[name] for name in sorted(classes)[shard::of]}
    for name, tests in mine.items():
        for test in tests:
            if left.search(name_of(test)):
                text = f"left out: {name_of(test)}"
                print(json.dumps({"test": name_of(test), "outcome": "skipped", "text": text}))
        mine[name] = [test for test in tests if not left.search(name_of(test))]
    suite = unittest.TestSuite(test for tests in mine.values() for test in tests)
    suite.run(Printed({name: [name_of(test) for test in tests] for name, tests in mine.items()}))


if __name__ == "__main__":
    main()
