"""Route target membership (RFC 4684): at the wire, and what waits for it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.update.nlri.rtc import RTC
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.bgp.decoder import Decoded
from sdnctl.bgp.peer import Family, Peer
from sdnctl.bgp.retention import RESTART_STATE
from sdnctl.delta import Change
from sdnctl.routes import MembershipRoute, Path, RouteKey
from sdnctl.types import Ip, RouteTarget
from tests.unit.bgp.conftest import PATH, Link, Start, host_route, peer
from tests.unit.bgp.exabgp_helpers import decode
from tests.unit.bgp.raw_peer import (
    MEMBERSHIPS,
    VPNV4,
    RawPeer,
    attribute,
    end_of_rib,
    membership,
    update,
    vpnv4,
)
from tests.waiting import until

TARGET = RouteTarget.parse("64512:7")
WHOLE = bytes((96,)) + (64512).to_bytes(4, "big") + TARGET
WANTS = Path(next_hop=Ip(), route_targets=(), encapsulations=())
FAMILIES = (Family.IPV4_VPN, Family.ROUTE_TARGET)
END_OF_VPNV4 = b"\0\0\0\7\x90\x0f\0\3" + VPNV4
END_OF_MEMBERSHIPS = b"\0\0\0\7\x90\x0f\0\3" + MEMBERSHIPS


def said(*prefixes: bytes) -> list[MembershipRoute]:
    found = []
    for decoded in decode(update(membership(*prefixes))):
        assert decoded is not None
        assert decoded.path is not None
        assert decoded.family is Family.ROUTE_TARGET
        assert isinstance(decoded.nlri, MembershipRoute)
        found.append(decoded.nlri)
    return found


def test_prefixes_of_any_length() -> None:
    """RFC 4684 section 4: 0, or 32 to 96 bits; what follows a short one is read as well."""
    short = bytes((69,)) + (64512).to_bytes(4, "big") + bytes((0, 2, 0xFC, 0, 0xFF))
    origin = bytes((32,)) + (64512).to_bytes(4, "big")
    assert said(b"\0", short, WHOLE, origin) == [
        MembershipRoute(0, None, 0),
        MembershipRoute(64512, RouteTarget(bytes((0, 2, 0xFC, 0, 0xF8, 0, 0, 0))), 37),
        MembershipRoute(64512, TARGET),
        MembershipRoute(64512, None, 0),
    ]


def test_stock_misreads_what_follows_a_short_prefix() -> None:
    short = bytes((64,)) + (64512).to_bytes(4, "big") + bytes((0, 2, 0xFC, 0))
    _first, rest = RTC.unpack_nlri(1, 132, short + WHOLE, None, None)
    assert rest != WHOLE


@pytest.mark.parametrize("prefix", [b"\1\0", b"\x1f\0\0\0\0", b"\x61" + bytes(13), b"\x60\0"])
def test_lengths_that_there_are_not(prefix: bytes) -> None:
    with pytest.raises(Notify) as error:
        said(prefix)
    assert (error.value.code, error.value.subcode) == (3, 10)


def test_withdrawal() -> None:
    (decoded,) = decode(update(attribute(0x80, 15, MEMBERSHIPS + WHOLE)))
    assert decoded == Decoded(Family.ROUTE_TARGET, MembershipRoute(64512, TARGET), None)


@given(st.binary(max_size=40))
def test_noise_gives_a_membership_or_a_notification(noise: bytes) -> None:
    with contextlib.suppress(Notify):
        assert all(decode(update(membership(noise))))


def waiting(name: str, raw: RawPeer) -> Peer:
    return peer(name, raw, families=FAMILIES)


def vpn_routes(updates: list[bytes]) -> list[bytes]:
    return [u for u in updates if b"\x0e" in u and VPNV4 in u and len(u) > 20]


async def test_vpn_routes_wait_for_what_the_peer_wants(link: Link, start: Start) -> None:
    """RFC 4684 section 6; our own memberships and their End-of-RIB wait for nothing."""
    raw = await start(families=(VPNV4, MEMBERSHIPS))
    link.update([
        Change(RouteKey("raw", host_route(1)), None, PATH),
        Change(RouteKey("raw", MembershipRoute(64512, TARGET)), None, WANTS),
        Change(RouteKey("raw", MembershipRoute(0, None, 0)), None, WANTS),
    ])  # fmt: skip
    link.set_peers([waiting("raw", raw)])
    await until(raw.up.is_set)
    await until(lambda: END_OF_MEMBERSHIPS in raw.updates())
    wishes = raw.updates()[0]
    assert WHOLE in wishes
    assert MEMBERSHIPS + b"\4" + bytes((127, 0, 0, 8)) + b"\0" in wishes  # from our router id
    await asyncio.sleep(0.5)
    assert not vpn_routes(raw.updates())
    assert END_OF_VPNV4 not in raw.updates()
    raw.send(update(membership(WHOLE)))
    raw.send(end_of_rib(MEMBERSHIPS))
    await until(lambda: END_OF_VPNV4 in raw.updates())
    assert raw.updates().index(END_OF_VPNV4) > raw.updates().index(vpn_routes(raw.updates())[0])
    assert link.learned.keys() == {RouteKey("raw", MembershipRoute(64512, TARGET))}
    # What changes from now on waits no more.
    link.update([Change(RouteKey("raw", host_route(2)), None, PATH)])
    await until(lambda: len(vpn_routes(raw.updates())) == 2)


async def test_who_cannot_say_what_it_wants_wants_all(link: Link, start: Start) -> None:
    raw = await start(families=(VPNV4,))
    link.update([Change(RouteKey("raw", host_route(1)), None, PATH)])
    link.set_peers([waiting("raw", raw)])
    await until(lambda: END_OF_VPNV4 in raw.updates())
    assert vpn_routes(raw.updates())
    await until(lambda: link.learned)
    assert link.learned.keys() == {RouteKey("raw", MembershipRoute(0, None, 0))}


async def test_wishes_outlive_a_session(link: Link, start: Start) -> None:
    """They steer only what the peer itself is sent, and are replaced by what it says next."""
    raw = await start(families=(VPNV4, MEMBERSHIPS))
    link.set_peers([waiting("raw", raw)])
    await until(raw.up.is_set)
    raw.send(update(membership(WHOLE, b"\0")))
    raw.send(end_of_rib(MEMBERSHIPS))
    raw.send(update(vpnv4(1)))
    await until(lambda: len(link.learned) == 3)
    raw.drop()
    await until(lambda: len(link.learned) == 2)
    await until(raw.up.is_set)
    await asyncio.sleep(0.2)
    assert len(link.learned) == 2
    raw.send(update(membership(WHOLE)))
    raw.send(end_of_rib(MEMBERSHIPS))
    await until(lambda: len(link.learned) == 1)
    assert RouteKey("raw", MembershipRoute(64512, TARGET)) in link.learned


async def test_a_controller_that_restarts_withdraws_nothing(link: Link, start: Start) -> None:
    """Its VPN routes follow from wishes that it has to hear first."""
    raw = await start(families=(VPNV4, MEMBERSHIPS))
    routes = [Change(RouteKey("raw", host_route(n)), None, PATH) for n in (1, 2)]
    link.update(routes)
    link.set_peers([waiting("raw", raw)])
    await until(raw.up.is_set)
    raw.send(update(membership(WHOLE)))
    raw.send(end_of_rib(MEMBERSHIPS))
    raw.send(end_of_rib(VPNV4))
    await until(lambda: END_OF_VPNV4 in raw.updates())
    await until(lambda: link.learned and link.settled)
    sent = len(raw.updates())

    class Restarted(Link):
        """Announces a route as soon as it is asked for, and another not any more."""

        def __init__(self) -> None:
            super().__init__(link.path)

        def on_change(self, changes: list[Change[RouteKey, Path]]) -> None:
            super().on_change(changes)
            self.update(routes[:1])

    await link.stop(keep_speaker=True)
    after = Restarted()
    after.set_peers([waiting("raw", raw)])
    await after.start()
    try:
        await until(lambda: after.changes and after.settled)
        await until(lambda: len(raw.updates()) > sent)
        await asyncio.sleep(0.3)
        (withdrawal,) = raw.updates()[sent:]
        assert VPNV4 in withdrawal
        assert withdrawal.endswith(bytes(host_route(2).prefix.ip))
    finally:
        await after.stop()


async def test_a_peer_that_restarts_is_not_waited_for(link: Link, start: Start) -> None:
    """RFC 4724 section 4.2: it would say nothing before it has our End-of-RIB."""
    raw = await start(families=(VPNV4, MEMBERSHIPS), restart_time=60)
    link.update([Change(RouteKey("raw", host_route(1)), None, PATH)])
    link.set_peers([waiting("raw", raw)])
    await until(raw.up.is_set)
    raw.send(update(membership(WHOLE)) + end_of_rib(MEMBERSHIPS) + end_of_rib(VPNV4))
    await until(lambda: END_OF_VPNV4 in raw.updates())
    await until(lambda: link.learned)
    raw.received.clear()
    raw.restart_time = RESTART_STATE << 12 | 60
    raw.drop()
    await until(lambda: END_OF_VPNV4 in raw.updates())
    assert len(vpn_routes(raw.updates())) == 1
    assert link.learned.keys() == {RouteKey("raw", MembershipRoute(64512, TARGET))}
    raw.send(end_of_rib(MEMBERSHIPS))  # now it wants nothing
    await until(lambda: not link.learned)
