"""What sessions agree on: ADD-PATH, route refresh, limits, TTL security, graceful restart."""

from __future__ import annotations

import asyncio
import socket
import struct

import msgspec
import pytest
from exabgp.bgp.message.notification import Notify

from sdnctl.bgp.longlived import LongLived
from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Prefix, Vni
from tests.unit.bgp.conftest import PATH, RD, Link, Start, host_route, peer
from tests.unit.bgp.raw_peer import (
    EVPN,
    ROUTE_REFRESH,
    VPNV4,
    RawPeer,
    attribute,
    end_of_rib,
    frame,
    update,
    vpnv4,
)
from tests.waiting import becomes, until

ADD_PATH = b"\x45\x08" + VPNV4 + b"\3" + EVPN + b"\3"
ENHANCED = b"\2\0" + b"\x46\0"
BOTH = (Family.IPV4_VPN, Family.EVPN)
OTHER = msgspec.structs.replace(PATH, next_hop=Ip.parse("10.0.0.2"))
OVERLAY = msgspec.structs.replace(PATH, encapsulations=(Encapsulation.VXLAN,), vni=Vni(7))


def put(
    link: Link, path: Path | None, path_id: int = 0, route: IpPrefixRoute | None = None
) -> None:
    link.update([Change(RouteKey("raw", route or host_route(1), path_id), None, path)])


def long_lived(seconds: int, family: bytes = VPNV4) -> bytes:
    return b"\x47\7" + family + b"\x80" + seconds.to_bytes(3, "big")


async def test_several_paths_to_a_prefix(link: Link, start: Start) -> None:
    """RFC 7911 both ways, in VPNv4 and in EVPN."""
    raw = await start(families=(VPNV4, EVPN), capabilities=ADD_PATH)
    link.set_peers([peer("raw", raw, families=BOTH, add_path=True)])
    put(link, PATH, 1)
    put(link, OTHER, 2)
    put(link, OVERLAY, 3, IpPrefixRoute(RD, Prefix.parse("10.9.0.0/24")))
    await until(lambda: link.settled and len(raw.updates()) == 5)
    sent = b"".join(raw.updates())
    prefix = b"\x78" + (1000 << 4 | 1).to_bytes(3, "big") + RD + bytes(host_route(1).prefix.ip)
    assert b"\0\0\0\1" + prefix in sent
    assert b"\0\0\0\2" + prefix in sent
    assert b"\0\0\0\3" + bytes((5, 34)) + RD in sent
    put(link, None, 1)
    await until(lambda: len(raw.updates()) == 6)
    assert raw.updates()[-1].endswith(b"\0\0\0\1\x78\x80\0\0" + RD + host_route(1).prefix.ip)
    for number in (7, 8):
        raw.send(update(vpnv4(1, 100 + number, struct.pack("!I", number))))
    await until(lambda: len(link.learned) == 2)
    assert {(key.path_id, path.label) for key, path in link.learned.items()} == {(7, 107), (8, 108)}
    raw.drop()
    await until(lambda: not link.learned)


async def test_without_add_path_the_lowest_id_counts(link: Link, start: Start) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw, add_path=True)])
    put(link, PATH, 5)
    await until(lambda: len(raw.updates()) == 2)
    put(link, OTHER, 9)
    await until(lambda: link.settled)
    put(link, None, 5)
    await until(lambda: len(raw.updates()) == 3)
    assert bytes(PATH.next_hop) in raw.updates()[0]
    assert bytes(OTHER.next_hop) + b"\0\x78" in raw.updates()[2]
    put(link, PATH, 1)
    await until(lambda: len(raw.updates()) == 4)
    put(link, None, 9)
    put(link, None, 1)
    await until(lambda: len(raw.updates()) == 5)
    assert b"\x80\x0f" in raw.updates()[4]


def refresh(family: bytes, subtype: int = 0) -> bytes:
    return family[:2] + bytes((subtype,)) + family[2:]


async def test_a_peer_asks_for_routes_again(link: Link, start: Start) -> None:
    """RFC 7313 section 4: between marks; a family that was not negotiated is not answered."""
    raw = await start(capabilities=ENHANCED)
    link.set_peers([peer("raw", raw)])
    put(link, PATH)
    await until(lambda: len(raw.updates()) == 2)
    raw.received.clear()
    for family in (EVPN, VPNV4):
        raw.send(frame(ROUTE_REFRESH, refresh(family)))
    await until(lambda: len(raw.refreshes()) == 2)
    kinds = [m.kind for m in raw.received if m.kind != 4]
    assert kinds == [ROUTE_REFRESH, 2, ROUTE_REFRESH]
    assert raw.refreshes() == [refresh(VPNV4, 1), refresh(VPNV4, 2)]
    raw.send(frame(ROUTE_REFRESH, refresh(VPNV4, 77)))  # RFC 7313 section 5
    raw.send(update(vpnv4(1)))
    await until(lambda: link.learned)
    assert raw.sessions == 1
    assert len(raw.updates()) == 1


async def test_we_ask_for_routes_again(link: Link, start: Start) -> None:
    """What the peer does not repeat between its marks goes."""
    raw = await start(capabilities=ENHANCED)
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    for number in (1, 2):
        raw.send(update(vpnv4(number)))
    await until(lambda: len(link.learned) == 2)
    link.refresh("raw", Family.EVPN)
    link.refresh("raw", Family.IPV4_VPN)
    await until(lambda: raw.refreshes() == [refresh(VPNV4)])
    raw.send(frame(ROUTE_REFRESH, refresh(VPNV4, 1)))
    raw.send(update(vpnv4(1)))
    await asyncio.sleep(0.3)
    assert len(link.learned) == 2
    raw.send(frame(ROUTE_REFRESH, refresh(VPNV4, 2)))
    await until(lambda: len(link.learned) == 1)
    # A second end without a begin, and an End-of-RIB, say nothing.
    raw.send(frame(ROUTE_REFRESH, refresh(VPNV4, 2)) + end_of_rib(VPNV4))
    raw.send(update(vpnv4(3)))
    await until(lambda: len(link.learned) == 2)
    assert raw.sessions == 1


async def test_too_many_prefixes_end_the_session(link: Link, start: Start) -> None:
    """RFC 4486 section 4: it stays down, and says why; the others and their routes stay."""
    raw, good = await start(), await start()
    link.set_peers([peer("good", good), peer("raw", raw, max_prefixes=3)])
    await until(lambda: raw.up.is_set() and good.up.is_set())
    good.send(update(vpnv4(9)))
    for number in (1, 2, 3, 3, 2, 1):
        raw.send(update(vpnv4(number, 200 + number)))
    await until(lambda: len(link.learned) == 4)
    assert raw.up.is_set()
    raw.send(update(vpnv4(4)))
    await until(raw.down.is_set)
    assert raw.notifications() == [(6, 1)]
    (message,) = (m.body for m in raw.received if m.kind == 3)
    assert message[2:] == VPNV4[:2] + VPNV4[2:] + (3).to_bytes(4, "big")
    await becomes(lambda: {key.source for key in link.learned}, {"good"})
    session = next(s for s in link.sessions if s.peer == "raw")
    assert session.last_error == "more than 3 prefixes received: the session stays down for 30 s"
    await asyncio.sleep(3)
    assert (raw.sessions, good.sessions) == (1, 1)
    # Whoever raises the limit need not wait.
    link.set_peers([peer("good", good), peer("raw", raw, max_prefixes=9)])
    await until(lambda: raw.sessions == 2)


async def test_a_barred_peer_may_not_call(link: Link, start: Start) -> None:
    raw = await start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    passive = msgspec.structs.replace(peer("raw", raw, max_prefixes=1), passive=True, port=port)
    link.set_peers([passive])
    first, second = RawPeer(), RawPeer()
    await first.call_until_answered(port)
    await until(lambda: link.sessions[0].up)
    first.send(update(vpnv4(1)) + update(vpnv4(2)))
    await until(first.down.is_set)
    await second.call_until_answered(port)
    await until(second.down.is_set)
    assert second.sessions == 0
    assert "stays down" in link.sessions[0].last_error
    for caller in (first, second):
        await caller.stop()


async def test_ttl_security(link: Link, start: Start) -> None:
    """RFC 5082 section 3: sent with 255; what came further than allowed is not heard."""
    raw = await start()
    near, far = RawPeer(), RawPeer()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    passive = peer("raw", raw, ttl_security=1)
    link.set_peers([msgspec.structs.replace(passive, passive=True, port=port)])
    await until(lambda: link.sessions and link.settled)
    with pytest.raises(TimeoutError):
        await far.call_until_answered(port, ttl=254)
    assert not far.received
    await near.call_until_answered(port, ttl=255, least=255)
    await until(near.up.is_set)
    # And where the speaker calls: nothing of an ordinary TTL reaches it.
    link.set_peers([peer("raw", raw, ttl_security=1)])
    await asyncio.sleep(1)
    assert not raw.up.is_set()
    link.set_peers([peer("raw", raw, ttl_security=254 - 64 + 2)])
    await until(raw.up.is_set)
    for caller in (near, far):
        await caller.stop()


async def test_consecutive_restarts_keep_nothing_twice(link: Link, start: Start) -> None:
    """RFC 4724 section 4.2: what was stale already when the session is lost again, goes."""
    raw = await start(restart_time=60)
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    for number in (1, 2):
        raw.send(update(vpnv4(number)))
    await until(lambda: len(link.learned) == 2)
    raw.drop()
    await until(lambda: raw.sessions == 2 and raw.up.is_set())
    raw.send(update(vpnv4(1)))
    await until(lambda: link.sessions[0].up and link.sessions[0].updates_received == 1)
    assert len(link.learned) == 2
    raw.drop()
    await until(lambda: len(link.learned) == 1)
    await until(lambda: raw.sessions == 3)


async def test_long_lived_stale_routes(link: Link, start: Start) -> None:
    """RFC 9494: after the restart time, least preferred, but those that are not to be kept."""
    raw = await start(restart_time=1, capabilities=long_lived(600))
    link.set_peers([peer("raw", raw, long_lived_stale=3600)])
    await until(raw.up.is_set)
    opened = raw.received[0].body
    assert b"\x47\x07" + VPNV4 + b"\x80" + (3600).to_bytes(3, "big") in opened
    no_llgr = attribute(0xC0, 8, b"\xff\xff\0\7")
    raw.send(update(vpnv4(1)) + update(no_llgr, vpnv4(2)))
    await until(lambda: len(link.learned) == 2)
    link.changes.clear()
    await raw.stop()
    await until(lambda: not link.sessions[0].up)
    assert link.changes == []
    await until(lambda: len(link.learned) == 1)
    await until(lambda: [path.stale for path in link.learned.values()] == [True])
    assert link.sessions[0].routes_in == 1
    await raw.start()
    await until(raw.up.is_set)
    raw.send(update(vpnv4(1)))
    await until(lambda: [path.stale for path in link.learned.values()] == [False])
    raw.send(end_of_rib(VPNV4))
    await asyncio.sleep(1.5)
    assert len(link.learned) == 1


async def test_long_lived_stale_routes_expire(link: Link, start: Start) -> None:
    """After the shorter time of both; a route said to be stale by others is stale."""
    raw = await start(restart_time=1, capabilities=long_lived(600))
    link.set_peers([peer("raw", raw, long_lived_stale=2)])
    await until(raw.up.is_set)
    raw.send(update(attribute(0xC0, 8, b"\xff\xff\0\6"), vpnv4(1)) + update(vpnv4(2)))
    await until(lambda: sorted(path.stale for path in link.learned.values()) == [False, True])
    await raw.stop()
    await until(lambda: [path.stale for path in link.learned.values()] == [True, True])
    await until(lambda: not link.learned)


def test_long_lived_capability_is_read_and_bounded() -> None:
    value = long_lived(1 << 20)[2:] + long_lived(5, EVPN)[2:]
    read = LongLived.unpack_capability(LongLived(), value)
    assert read.extract() == [value]
    assert [terms.seconds for terms in read.values()] == [1 << 20, 5]
    with pytest.raises(Notify):
        LongLived.unpack_capability(LongLived(), value[:-1])
    (offer,) = LongLived.offered(read, 1 << 30).extract()
    assert offer[4:7] == b"\xff\xff\xff"
