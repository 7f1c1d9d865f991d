from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.netns.harness import Lab
from tests.netns.world import Cloud


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
async def cloud(lab: Lab) -> AsyncIterator[Callable[[int], Awaitable[Cloud]]]:
    """Make hypervisors with agents; called once in a test."""
    clouds: list[Cloud] = []

    async def make(hosts: int) -> Cloud:
        cloud = Cloud(lab, hosts)
        clouds.append(cloud)
        await cloud.start()
        return cloud

    try:
        yield make
    finally:
        for made in clouds:
            await made.close()
