"""UPDATEs on a socket that takes them, and on one that is full."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from exabgp.protocol.family import AFI
from exabgp.reactor.network.connection import Connection
from exabgp.reactor.peer import ACTION

from sdnctl.bgp.adjrib_out import ROUTES_AT_ONCE, SENT, AdjRibOut, send_updates
from sdnctl.bgp.peer import Family
from sdnctl.bgp.reactor import TURNS, Reactor
from sdnctl.bgp.session import Session
from sdnctl.routes import IpPrefixRoute, Path
from sdnctl.types import Ip, Label, Prefix, RouteDistinguisher, RouteTarget
from tests.unit.bgp.exabgp_helpers import SENDER, negotiated

RD = RouteDistinguisher.parse("10.0.0.1:7")


def route(number: int) -> IpPrefixRoute:
    return IpPrefixRoute(RD, Prefix.host(Ip.from_number((10 << 24) + number, 4)))


def path(hop: int) -> Path:
    return Path(
        next_hop=Ip.from_number((11 << 24) + hop, 4),
        route_targets=(RouteTarget.of(64512, hop),),
        encapsulations=(),
        label=Label(16),
    )


class Wire:
    """What ``send_updates`` knows of a session, over a real socket; and its other end."""

    def __init__(self) -> None:
        self.out = AdjRibOut((Family.IPV4_VPN,), SENDER)
        self.connection = Connection(AFI.ipv4, "192.0.2.1", "192.0.2.2")
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.connection.io = ours
        self.peer = SimpleNamespace(stats=Counter())
        self.negotiated = negotiated()
        self.neighbor = SimpleNamespace(rib=SimpleNamespace(outgoing=self.out))
        self.full = 0

    def send(self) -> Iterator[None]:
        return send_updates(cast(Any, self), self.on_full, True)

    def on_full(self) -> None:
        self.full += 1

    def arrived(self) -> bytes:
        found = b""
        try:
            while data := self.theirs.recv(1 << 20):
                found += data
        except BlockingIOError:
            pass
        return found


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.connection.close()
    made.theirs.close()


def test_a_full_socket_is_told_and_loses_nothing(wire: Wire) -> None:
    for number in range(100_000):
        wire.out.put(route(number), path(number % 7))
    sending, arrived = wire.send(), b""
    while wire.full == 0:
        next(sending)
    for _ in range(10):
        next(sending)
    assert wire.full >= 10, "as long as it takes no more"
    limit = time.monotonic() + 30
    while True:
        assert time.monotonic() < limit
        before = wire.full
        arrived += wire.arrived()
        try:
            next(sending)
            assert wire.full in (before, before + 1)
        except StopIteration:
            if not wire.out.pending():
                break
            sending = wire.send()
    arrived += wire.arrived()
    count, at = 0, 0
    while at < len(arrived):
        assert arrived[at : at + 16] == b"\xff" * 16
        at += int.from_bytes(arrived[at + 16 : at + 18], "big")
        count += 1
    assert count == wire.peer.stats[SENT]


def test_a_new_session_gets_those_of_one_path_together(wire: Wire) -> None:
    """However far apart they came: two routes of a VRF on a hypervisor are one UPDATE."""
    for number in range(2 * ROUTES_AT_ONCE):
        wire.out.put(route(number), path(number % ROUTES_AT_ONCE))
    wire.out.replace_restart()
    while wire.out.pending():
        for _ in wire.send():
            wire.arrived()
    assert ROUTES_AT_ONCE <= wire.peer.stats[SENT] <= ROUTES_AT_ONCE + 2


@pytest.mark.parametrize(("full", "turns"), [(True, 1), (False, TURNS)])
def test_a_session_whose_socket_is_full_waits_for_it(full: bool, turns: int) -> None:
    taken = []

    def turn(now: float) -> Any:
        taken.append(now)
        return ACTION.NOW

    session = SimpleNamespace(neighbor={"passive": False}, proto=None, turn=turn, full=full)
    assert Reactor._turn(cast(Session, session), 7.0)
    assert taken == [7.0] * turns
