"""A peer that floods, flaps or stalls costs a peer of another group nothing."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.bgp.speakers import Speakers
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix
from tests.interop.cases import CASES, MPLS, RD, THEIR_RD
from tests.interop.routers import Bird, Frr, Lab, run
from tests.waiting import becomes, until

pytestmark = [pytest.mark.interop, pytest.mark.netns]

FLOOD = 100_000
STALLED = 20_000
"""Four times what the two sockets' buffers take."""

HOLD_SECONDS = 6
LIMIT_SECONDS = 200.0
NLRI = CASES[0].nlri


class Cloud:
    """A steady router and a wild one, in a group each."""

    def __init__(self, directory: FilePath) -> None:
        self.lab = Lab(directory)
        self.learned = 0
        self.speakers = Speakers(directory, self.on_learned, lambda _: None, command=self.command)
        self.steady = self.lab.add(Frr, "steady")
        self.wild = self.lab.add(Bird, "wild", quiet=True)
        self._labels = itertools.count(1000)

    def command(self, socket: FilePath) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.lab.namespace, *speaker_command(socket))

    def on_learned(self, changes: list[Change[RouteKey, Path]]) -> None:
        self.learned += sum((c.new is not None) - (c.old is not None) for c in changes)

    async def start(self) -> None:
        self.steady.start()
        self.wild.start()
        # Buffers are the namespace's: what a peer does not read stays with its speaker.
        ends = (self.lab.namespace, self.wild.namespace)
        for end, what in itertools.product(ends, ("rmem", "wmem")):
            run("ip", "netns", "exec", end,
                "sysctl", "-qw", f"net.ipv4.tcp_{what}=4096 16384 32768")  # fmt: skip
        steady = self.steady.peer(Family.IPV4_VPN, hold_time=HOLD_SECONDS)
        wild = self.wild.peer(Family.IPV4_VPN)
        self.speakers.set_peers({"steady": [steady], "wild": [wild]})
        await self.speakers.start()
        await until(lambda: len([s for s in self.speakers.sessions if s.up]) == 2, 30)

    def put(self, router: str, routes: dict[Nlri, Path]) -> None:
        self.speakers.update(Change(RouteKey(router, n), None, p) for n, p in routes.items())

    async def serves(self) -> None:
        """The steady peer is told of a change."""
        path = msgspec.structs.replace(MPLS, label=Label(next(self._labels)))
        self.put("steady", {NLRI: path})
        await becomes(lambda: self.steady.table(Family.IPV4_VPN), {NLRI: path})

    async def serves_until(self, condition: Callable[[], Any]) -> None:
        limit = time.monotonic() + LIMIT_SECONDS
        while not condition():
            assert time.monotonic() < limit
            await self.serves()
        await self.serves()
        assert self.steady.losses() == 0
        assert self.steady.withdrawals() == []


@pytest.fixture
async def cloud(tmp_path: FilePath) -> AsyncIterator[Cloud]:
    cloud = Cloud(tmp_path)
    try:
        await cloud.start()
        yield cloud
        await cloud.speakers.stop()
    finally:
        cloud.lab.close()


def many(count: int) -> Iterator[Prefix]:
    return (Prefix.host(Ip.from_number((11 << 24) + n, 4)) for n in range(count))


async def test_flood(cloud: Cloud) -> None:
    path = msgspec.structs.replace(
        MPLS, next_hop=Ip.parse(cloud.wild.address), encapsulations=(Encapsulation.MPLS_GRE,)
    )
    cloud.wild.said |= {IpPrefixRoute(THEIR_RD, prefix): path for prefix in many(FLOOD)}
    cloud.wild.tell()
    await cloud.serves_until(lambda: cloud.learned == FLOOD)
    cloud.wild.said.clear()
    cloud.wild.tell()
    await cloud.serves_until(lambda: cloud.learned == 0)


async def test_flap(cloud: Cloud) -> None:
    def established() -> int:
        return max((s.established for s in cloud.speakers.sessions if s.peer == "wild"), default=0)

    for _ in range(5):
        before = established()
        cloud.wild.birdc("restart", "speaker")
        await cloud.serves_until(partial(passed, established, before))


def passed(count: Callable[[], int], before: int) -> bool:
    return count() > before


async def test_stall(cloud: Cloud) -> None:
    """It stops to read, with more on its way than any buffer takes."""
    assert cloud.wild.process is not None
    os.kill(cloud.wild.process.pid, signal.SIGSTOP)
    cloud.put("wild", {IpPrefixRoute(RD, prefix): MPLS for prefix in many(STALLED)})
    end = time.monotonic() + 2 * HOLD_SECONDS
    await cloud.serves_until(lambda: time.monotonic() > end)
    os.kill(cloud.wild.process.pid, signal.SIGCONT)
    await cloud.serves_until(lambda: cloud.wild.count() == STALLED)
