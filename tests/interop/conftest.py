"""What the tests beside real peers share: a lab, a link to a speaker, and OpenStack's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import keystone
from tests.interop.client import WAYS, Client, logged_in
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


@pytest.fixture(scope="module", params=WAYS)
def openstack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """An administrator's client, by all the ways to log in."""
    if request.param == "keystone" and keystone.MISSING:
        pytest.skip(keystone.MISSING)
    with logged_in(request.param, tmp_path_factory.mktemp("openstack")) as client:
        yield client
