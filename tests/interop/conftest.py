"""A lab with a speaker that the test's link starts, and a link that records what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.interop.routers import Lab, Link


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
async def link(lab: Lab) -> AsyncIterator[Link]:
    link = Link(lab)
    await link.start()
    yield link
    await link.stop()
