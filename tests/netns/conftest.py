from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from sdnctl.types import Encapsulation
from tests.netns.harness import Lab
from tests.netns.site import Site
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


@pytest.fixture
async def site(lab: Lab) -> AsyncIterator[Callable[[int, Encapsulation], Awaitable[Site]]]:
    """Make hypervisors with agents, and a gateway to the world; called once in a test."""
    sites: list[Site] = []

    async def make(hosts: int, encapsulation: Encapsulation) -> Site:
        site = Site(lab, hosts, encapsulation)
        sites.append(site)
        await site.start()
        return site

    try:
        yield make
    finally:
        for made in sites:
            await made.close()
