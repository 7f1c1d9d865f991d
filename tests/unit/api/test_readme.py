"""The page about the API names what is served."""

from __future__ import annotations

import re
from pathlib import Path

import sdnctl.api
from sdnctl.api.extensions import EXTENSIONS
from sdnctl.api.settings import Settings

PAGE = (Path(sdnctl.api.__file__).parent / "README.md").read_text()


def test_it_names_the_extensions_that_are_listed() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = re.findall(r"`([^`]+)`", " ".join(rows))
    assert sorted(named) == sorted(EXTENSIONS), "sdnctl/api/README.md has a table of them"


def test_its_limits_are_those_of_the_settings() -> None:
    settings = Settings()
    assert f"{settings.max_bulk:,} resources" in PAGE
    assert f"{settings.max_body >> 20} MiB" in PAGE


def test_what_it_refers_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (Path(sdnctl.api.__file__).parent / target).exists(), target
