"""A lab with a speaker that the test's link starts, and a link that records what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.routers import Lab, Link
from tests.interop.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    try:
        await world.start()
        yield world
    finally:
        await world.close()


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
