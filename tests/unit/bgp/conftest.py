"""A speaker process on the loopback, with a link, for peers that are made of a socket."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path as FilePath
from typing import Any

import pytest

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Peer, SessionEvent
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget
from tests.unit.bgp.raw_peer import RawPeer

RD = RouteDistinguisher.parse("10.0.0.1:7")
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(1000),
)


def peer(name: str, raw: RawPeer, **settings: Any) -> Peer:
    return Peer(
        name=name,
        address=Ip.parse("127.0.0.1"),
        asn=64512,
        local_asn=64512,
        router_id=Ip.parse("127.0.0.8"),
        port=raw.port,
        **settings,
    )


def host_route(number: int) -> IpPrefixRoute:
    return IpPrefixRoute(RD, Prefix(Ip.from_number((10 << 24) + number, 4), 32))


Start = Callable[..., Awaitable[RawPeer]]


class Link(SpeakerLink):
    """A link and its history."""

    def __init__(self, socket: FilePath) -> None:
        self.changes: list[Change[RouteKey, Path]] = []
        self.events: list[SessionEvent] = []
        self.path = socket
        super().__init__(
            socket, self.on_change, self.events.append, command=speaker_command(socket)
        )

    def on_change(self, changes: list[Change[RouteKey, Path]]) -> None:
        self.changes += changes


@pytest.fixture
async def link(tmp_path: FilePath) -> AsyncIterator[SpeakerLink]:
    link = Link(tmp_path / "speaker.sock")
    await link.start()
    try:
        yield link
        await link.stop()
    finally:
        for pid in speakers(link):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[RawPeer] = []

    async def start_one(**settings: Any) -> RawPeer:
        raw = RawPeer(**settings)
        await raw.start()
        started.append(raw)
        return raw

    yield start_one
    for raw in started:
        await raw.stop()


def speakers(link: SpeakerLink) -> list[int]:
    """Processes that serve this link's socket."""
    return processes_of(link.socket_path)


def processes_of(socket: str) -> list[int]:
    """Speakers that serve a socket."""
    found = []
    for entry in FilePath("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if socket.encode() in words and b"sdnctl.bgp.speaker" in words:
            found.append(int(entry.name))
    return found
