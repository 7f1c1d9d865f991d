"""Each defect of ExaBGP that is mended, at the wire: with the patch, and without."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import subprocess
import sys

import pytest
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.update.attribute import Attribute, Attributes
from exabgp.bgp.message.update.attribute.mprnlri import MPRNLRI
from exabgp.logger import log
from exabgp.protocol.family import AFI, SAFI, Family
from exabgp.reactor.network import outgoing, tcp
from exabgp.reactor.network.error import NotConnected

from sdnctl.bgp import patches
from sdnctl.bgp.codec import Attachment
from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family as OurFamily
from sdnctl.bgp.peer import Peer
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute
from sdnctl.types import Ip
from tests.unit.bgp.conftest import Link, Start, peer
from tests.unit.bgp.exabgp_helpers import OURS, THEIRS, decode, negotiated, unpack
from tests.unit.bgp.raw_peer import EVPN, VPNV4, RawPeer, attribute, update, vpnv4
from tests.waiting import until

MALFORMED_AGGREGATOR = attribute(0xC0, 7, b"\1\2\3")


STOCK_PMSI_UNKNOWN = """
from exabgp.bgp.message.update.attribute import PMSI
tunnel = bytes.fromhex("0006001389") + bytes(16)
print(PMSI.unpack(tunnel, None, None).raw_label)
"""


STOCK_EVPN_ADD_PATH = """
from exabgp.bgp.message.open.capability.capabilities import Capabilities
from exabgp.protocol.family import AFI, SAFI
print((AFI.l2vpn, SAFI.evpn) in Capabilities._ADD_PATH)
"""

STOCK_UNKNOWN_REFRESH = """
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.refresh import RouteRefresh
try:
    RouteRefresh.unpack_message(bytes((0, 1, 77, 128)))
except Notify as notify:
    print(notify.code, notify.subcode)
"""


STOCK_OPERATIONAL = """
from exabgp.bgp.message import Message
from exabgp.bgp.message.direction import Direction
print(Message.unpack(6, b"what", Direction.IN, None))
"""


def evpn_with_ipv6_next_hop() -> bytes:
    """A type 3 route as FRR sends it over an IPv6 underlay."""
    next_hop = Ip.parse("2001:db8::9")
    route = bytes.fromhex("0000fc0000000001") + bytes(4) + b"\x80" + next_hop
    reach = EVPN + bytes((16,)) + next_hop + b"\0" + bytes((3, len(route))) + route
    tunnel = attribute(0xC0, 22, bytes.fromhex("0006001388") + bytes((10, 0, 0, 9)))
    vxlan = attribute(0xC0, 16, bytes.fromhex("030c000000000008"))
    return update(attribute(0x80, 14, reach), vxlan, tunnel)


def test_evpn_with_ipv6_next_hop() -> None:
    (decoded,) = decode(evpn_with_ipv6_next_hop())
    assert decoded is not None
    assert isinstance(decoded.nlri, InclusiveMulticastRoute)
    assert decoded.path is not None
    assert decoded.path.next_hop == Ip.parse("2001:db8::9")
    assert decoded.path.vni == 5000


def test_stock_refuses_evpn_with_ipv6_next_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Family.size, (AFI.l2vpn, SAFI.evpn), ((4,), 0))
    with pytest.raises(Notify) as error:
        unpack(evpn_with_ipv6_next_hop(), negotiated())
    assert (error.value.code, error.value.subcode) == (3, 9)


def vpnv6_with_link_local_next_hop() -> bytes:
    """A VPNv6 route as FRR sends it over an interface that has a link-local address."""
    hops = [bytes(8) + Ip.parse(text) for text in ("2001:db8::9", "fe80::9")]
    route = bytes.fromhex("880003e90000fc0000000001") + bytes.fromhex("20010db80009")
    reach = b"\0\2\x80" + bytes((48,)) + b"".join(hops) + b"\0" + route
    return update(attribute(0x80, 14, reach))


def test_vpnv6_with_link_local_next_hop() -> None:
    (decoded,) = decode(vpnv6_with_link_local_next_hop())
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.next_hop == Ip.parse("2001:db8::9")
    assert decoded.path.label == 62
    assert isinstance(decoded.nlri, IpPrefixRoute)
    assert str(decoded.nlri.prefix) == "2001:db8:9::/48"


def test_stock_refuses_vpnv6_with_link_local_next_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MPRNLRI, "unpack", MPRNLRI.unpack.__wrapped__)
    with pytest.raises(Notify) as error:
        unpack(vpnv6_with_link_local_next_hop(), negotiated())
    assert (error.value.code, error.value.subcode) == (3, 9)


def test_vni_of_a_tunnel_to_an_ipv6_address() -> None:
    v4 = attribute(0xC0, 22, bytes.fromhex("0006001388") + bytes((10, 0, 0, 9)))
    v6 = attribute(0xC0, 22, bytes.fromhex("0006001389") + Ip.parse("2001:db8::9"))
    message = evpn_with_ipv6_next_hop()[19:].replace(v4, v6)
    length = (int.from_bytes(message[2:4], "big") + len(v6) - len(v4)).to_bytes(2, "big")
    (decoded,) = decode(bytes(19) + message[:2] + length + message[4:])
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.vni == 0x1389


def test_stock_loses_the_vni_of_a_tunnel_to_an_ipv6_address() -> None:
    assert stock(STOCK_PMSI_UNKNOWN).stdout == "None\n"


def test_stock_offers_no_add_path_for_evpn() -> None:
    """``test_sessions`` has what is sent with the patch."""
    assert stock(STOCK_EVPN_ADD_PATH).stdout == "False\n"


def test_stock_ends_the_session_on_an_unknown_refresh() -> None:
    """``test_sessions`` has that it stays with the patch."""
    assert stock(STOCK_UNKNOWN_REFRESH).stdout == "7 2\n"


def test_stock_makes_nothing_of_a_message() -> None:
    """``test_speaker`` has the NOTIFICATION that it gets with the patch."""
    assert stock(STOCK_OPERATIONAL).stdout == "None\n"


def test_malformed_aggregator_costs_only_itself() -> None:
    (decoded,) = decode(update(MALFORMED_AGGREGATOR, vpnv4(1)))
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.label == 100
    assert (
        Attribute.CODE.INTERNAL_DISCARD
        not in unpack(update(MALFORMED_AGGREGATOR, vpnv4(1)), negotiated()).attributes
    )


def test_stock_marks_the_update_for_its_reader_to_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attributes, "parse", Attributes.parse.__wrapped__)
    attributes = unpack(update(MALFORMED_AGGREGATOR, vpnv4(1)), negotiated()).attributes
    assert Attribute.CODE.INTERNAL_DISCARD in attributes


async def test_malformed_aggregator_over_a_session(link: SpeakerLink) -> None:
    """The same through the whole speaker: the route arrives and the session stays."""
    raw = RawPeer(families=(VPNV4, EVPN))
    await raw.start()
    loopback = Ip.parse("127.0.0.1")
    families = (OurFamily.IPV4_VPN, OurFamily.EVPN)
    router_id = Ip.parse("127.0.0.8")
    link.set_peers([
        Peer(name="raw", address=loopback, asn=64512, local_asn=64512, router_id=router_id,
             port=raw.port, families=families)
    ])  # fmt: skip
    try:
        await until(raw.up.is_set)
        raw.send(update(MALFORMED_AGGREGATOR, vpnv4(1)))
        raw.send(evpn_with_ipv6_next_hop())
        await until(lambda: len(link.learned) == 2)
        assert raw.sessions == 1
        assert raw.notifications() == []
    finally:
        await raw.stop()


MALFORMED = {
    "ORIGINATOR_ID": attribute(0x80, 9, bytes(3)),
    "CLUSTER_LIST": attribute(0x80, 10, bytes(6)),
    "PMSI": attribute(0xC0, 22, b"\0\6"),
}
IGNORED = {
    "AS4_PATH": attribute(0xC0, 17, b"\2\7\0"),
    "AS4_AGGREGATOR": attribute(0xC0, 18, bytes(5)),
    "AIGP": attribute(0x80, 26, b"\1\0"),
}


async def test_malformed_attributes_cost_routes_or_themselves(link: Link, start: Start) -> None:
    """RFC 7606 section 2: treat-as-withdraw, and attribute discard."""
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    for number in range(len(MALFORMED)):
        raw.send(update(vpnv4(number)))
    await until(lambda: len(link.learned) == len(MALFORMED))
    for number, malformed in enumerate(MALFORMED.values()):
        raw.send(update(vpnv4(number), malformed))
    await until(lambda: not link.learned)
    for number, malformed in enumerate(IGNORED.values()):
        raw.send(update(malformed, vpnv4(number)))
    await until(lambda: len(link.learned) == len(IGNORED))
    assert raw.notifications() == []
    assert raw.sessions == 1


@pytest.mark.parametrize("name", [*MALFORMED, *(n for n in IGNORED if n != "AIGP")])
def test_stock_ends_the_session(name: str) -> None:
    malformed = {**MALFORMED, **IGNORED}[name]
    program = f"""
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.update.attribute import Attributes
from exabgp.bgp.message.open.capability import Negotiated
from exabgp.bgp.neighbor import Neighbor
from exabgp.logger import log
log.debug = lambda *_: None
Attributes().parse({malformed!r}, Direction.IN, Negotiated(Neighbor()))
"""
    assert "Notify" in stock(program).stderr


def test_what_only_our_own_as_may_say_is_not_heard_from_another() -> None:
    """RFC 7606 sections 7.5, 7.9 and 7.10: discarded, right or wrong."""
    path = b"\x40\2\6\2\1" + (64600).to_bytes(4, "big")
    own = attribute(0x80, 9, OURS) + attribute(0x80, 10, bytes(5)) + attribute(0x40, 5, bytes(3))
    message = update(own, vpnv4(1)).replace(b"\x40\2\0", path)
    body = message[19:]
    length = (int.from_bytes(body[2:4], "big") + 6).to_bytes(2, "big")
    ebgp = Attachment(64512, 64600, THEIRS, OURS)
    (decoded,) = decode(message[:19] + body[:2] + length + body[4:], ebgp)
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.as_path == (64600,)


def stock(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with ExaBGP as it comes."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )


def refused() -> socket.socket:
    """A socket whose connection was refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    sock = socket.socket()
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        sock.connect(address)
    return sock


def test_refused_connection_fails() -> None:
    with refused() as sock, pytest.raises(NotConnected, match="refused"):
        list(outgoing.ready(sock))


def test_stock_takes_a_refused_connection_for_established() -> None:
    with refused() as sock:
        assert any(connected for connected, _ in itertools.islice(tcp.ready(sock), 5))


def test_errors_reach_the_log_and_chatter_is_not_rendered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def never() -> str:
        raise AssertionError("rendered")

    with caplog.at_level(logging.DEBUG):
        log.debug(never, "network")
        log.warning(never, source="network")
        log.error(lambda: "broken", "reactor")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "reactor: broken")
    ]


def test_stock_logging_raises_before_it_is_initialised() -> None:
    program = "from exabgp.logger import log; log.debug(lambda: 'x', 'network')"
    assert "AttributeError" in stock(program).stderr


def test_apply_twice_is_apply_once() -> None:
    once = Attributes.parse
    patches.apply()
    assert Attributes.parse is once
