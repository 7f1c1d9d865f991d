"""Connections through translated addresses: what they survive, what ends them, what errors reach.

And what is routed to the outside as it is: IPv6, and IPv4 of a router without SNAT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from sdnctl.graph.relations.inputs import PORT, ROUTER
from sdnctl.intent import HostRoute, RouterGateway
from sdnctl.types import Encapsulation, Ip, Prefix
from tests.netns.site import ROUTER_MAC, WORLD_4, WORLD_6, WORLD_MAC, Site
from tests.netns.test_floating import ENCAPSULATIONS
from tests.netns.wire import Wire

pytestmark = pytest.mark.netns

CUT = (["TimeoutError"], ["ConnectionResetError"])
"""What ends a connection; the latter where another address is all that its packets can get."""

MakeSite = Callable[[int, Encapsulation], Awaitable[Site]]


@ENCAPSULATIONS
async def test_what_a_connection_survives(site: MakeSite, encapsulation: Encapsulation) -> None:
    """Restarts of the agents: through a floating IP both ways, one SNAT and the other."""
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0), *here.tenant(1, distributed=True), here.hiding("h0", 100))
    await here.commit(
        here.guest("0a", 1, "h0"), here.guest("0a", 2, "h0"), here.guest("1a", 1, "h0")
    )
    await here.commit(here.floating(51, "0a1"))
    here.serve("world", 7777)
    here.serve("0a1", 7777)
    chats = {
        "203.0.113.51": here.chat("0a1", WORLD_4, 7777),
        "203.0.113.200": here.chat("0a2", WORLD_4, 7777),
        "203.0.113.100": here.chat("1a1", WORLD_4, 7777),
        WORLD_4: here.chat("world", "203.0.113.51", 7777),
    }
    first = {seen: await chat.ask() for seen, chat in chats.items()}
    assert {seen: answer[0] for seen, answer in first.items()} == {seen: seen for seen in chats}
    for host in here.agents:
        await here.restart(host)
    assert {seen: await chat.ask() for seen, chat in chats.items()} == first
    # An address that is taken away ends its connections, and no other.
    await here.commit(here.floating(51, ""))
    for cut in ("203.0.113.51", WORLD_4):
        assert await chats[cut].ask() in CUT
    assert await chats["203.0.113.200"].ask() == first["203.0.113.200"]
    assert (await here.ask("0a1", "tcp", WORLD_4, 7777))[0] == "203.0.113.200"


@ENCAPSULATIONS
async def test_an_address_given_to_another_ends_the_connections_of_the_first(
    site: MakeSite, encapsulation: Encapsulation
) -> None:
    here = await site(1, encapsulation)
    await here.commit(*here.tenant(0))
    await here.commit(here.guest("0a", 1, "h0"), here.guest("0a", 2, "h0"))
    await here.commit(here.floating(51, "0a1"))
    here.serve("world", 7777)
    here.serve("0a1", 7777)
    chats = [here.chat("0a1", WORLD_4, 7777), here.chat("world", "203.0.113.51", 7777)]
    assert [bool(await chat.ask()) for chat in chats] == [True, True]
    assert await here.ask("0a1", "udp", WORLD_4, 7777, 4444) == ["203.0.113.51", "4444"]
    await here.commit(here.floating(51, "0a2"))
    # Who goes on with the ports of before is not held to what they stood for.
    assert (await here.ask("0a1", "udp", WORLD_4, 7777, 4444))[:1] == ["203.0.113.200"]
    assert all([await chat.ask() in CUT for chat in chats])
    assert (await here.ask("0a2", "tcp", WORLD_4, 7777))[0] == "203.0.113.51"
    # The same while no agent is there: the next one cannot know what to have forgotten.
    here.serve("0a2", 7777)
    chats = [here.chat("0a2", WORLD_4, 7777), here.chat("world", "203.0.113.51", 7777)]
    assert [bool(await chat.ask()) for chat in chats] == [True, True]
    here.house.commit([here.floating(51, "0a1")])
    here.house.settle()
    await here.restart("h0")
    assert all([await chat.ask() in CUT for chat in chats])
    await here.agents["h0"].settle()  # the switch counts when its caches are gone over
    assert (await here.agents["h0"].reconciler.drops())["not_translated"] > 0


@ENCAPSULATIONS
async def test_a_floating_ip_moves_with_its_port(
    site: MakeSite, encapsulation: Encapsulation
) -> None:
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0))
    await here.commit(here.guest("0a", 1, "h0"), here.guest("0a", 2, "h0"))
    await here.commit(here.floating(51, "0a1"), here.floating(52, "0a2"))
    assert here.reached()["203.0.113.51"] == "h0"
    assert await here.ping("world", "203.0.113.51") == 3
    here.move("0a1", "h1")
    await here.commit(here.changed(PORT, "0a1", host="h1", moves=1))
    assert here.reached()["203.0.113.51"] == "h1"
    assert await here.ping("world", "203.0.113.51") == 3
    assert await here.ping("0a1", WORLD_4) == 3
    assert await here.ping("0a2", "203.0.113.51") == 3
    assert await here.ping("0a1", "203.0.113.52") == 3


@ENCAPSULATIONS
async def test_errors_find_the_guest(site: MakeSite, encapsulation: Encapsulation) -> None:
    """Fragmentation needed, said by a router outside of a packet as it saw it (RFC 1191)."""
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0), *here.tenant(1, distributed=True), here.hiding("h0", 100),
                      here.hiding("h1", 101))  # fmt: skip
    await here.commit(
        here.guest("0a", 1, "h0"),
        here.guest("0a", 2, "h0"),
        here.guest("0a", 3, "h1"),
        here.guest("1a", 1, "h0"),
    )
    await here.commit(here.floating(51, "0a1"))
    here.serve("world", 7777)
    for guest in ("0a1", "0a2", "0a3", "1a1"):
        address, port = await here.ask(guest, "udp", WORLD_4, 7777, 4444)
        inner = IP(src=address, dst=WORLD_4) / UDP(sport=int(port), dport=7777) / b"who"
        error = IP(src="198.51.100.7", dst=address) / ICMP(type=3, code=4, nexthopmtu=1300) / inner
        with Wire(here.guests[guest]) as heard, Wire(here.world) as wire:
            wire.send(bytes(Ether(src=str(WORLD_MAC), dst=str(ROUTER_MAC)) / error))
            own = msgspec.structs.asdict(here.row(PORT, guest))["fixed_ips"][0].ip
            frames = await asyncio.to_thread(heard.frames, bytes(own), 1.0, 1)
        assert frames, guest
        told = Ether(frames[0])
        assert (told[IP].dst, told[ICMP].type, told[ICMP].code) == (str(own), 3, 4)
        quoted = IP(bytes(told[ICMP].payload))
        assert (quoted.src, quoted.dst, quoted[UDP].sport) == (str(own), WORLD_4, 4444)
        sums = (told[IP].chksum, told[ICMP].chksum)
        del told[IP].chksum, told[ICMP].chksum
        told = Ether(bytes(told))
        assert (told[IP].chksum, told[ICMP].chksum) == sums


@ENCAPSULATIONS
async def test_what_is_not_translated_is_routed(
    site: MakeSite, encapsulation: Encapsulation
) -> None:
    """Addresses of a router without SNAT are known outside, and to others that lead there."""
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0, snat=False), *here.tenant(1))
    await here.commit(
        here.guest("0a", 1, "h0"),
        here.guest("0b", 2, "h1"),
        here.guest("1a", 3, "h0"),
        here.guest("1a", 4, "h1"),
    )
    await here.commit(here.floating(54, "1a4"), here.floating(52, "0b2"))
    here.serve("world", 7777)
    assert await here.ask("0a1", "udp", WORLD_4, 7777, 4444) == ["10.0.0.1", "4444"]
    assert (await here.ask("0b2", "udp", WORLD_4, 7777))[0] == "203.0.113.52"
    assert await here.ping("world", "10.0.0.1") == 3
    assert "10.0.0.3" not in here.reached()
    for guest in ("0a1", "0b2", "1a3", "1a4"):
        six = f"2001:db8:{guest[0]}:{'ab'.index(guest[1])}::{guest[2]}"
        assert await here.ping("world", six) == 3
        assert await here.ping(guest, WORLD_6) == 3
        for other in ("0a1", "0b2", "1a3", "1a4"):
            assert await here.ping(other, six) == 3, (other, six)
    # From behind another router's address, on the same host and on another: where that router has
    # no such network of its own.
    await here.commit((PORT, "if1b", None), here.guest("0b", 5, "h1"), here.guest("0b", 6, "h0"))
    for source in ("1a3", "1a4"):
        assert await here.ping(source, "10.0.1.5") == 3
        assert await here.ping(source, "10.0.1.6") == 3
    # What is on link and nobody's is nowhere, though a default route leads out.
    assert await here.ping("0a1", "10.0.1.99", 1) == 0
    assert await here.ping("0a1", "203.0.113.99", 1) == 0


@ENCAPSULATIONS
async def test_extra_routes(site: MakeSite, encapsulation: Encapsulation) -> None:
    """A prefix behind a guest, from the other host and from outside; one that leads out."""
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0, snat=False))
    await here.commit(
        here.guest("0a", 1, "h0"), here.guest("0b", 2, "h1"), here.guest("0b", 3, "h0")
    )
    here.guests["0b2"].run("ip", "addr", "add", "172.16.0.1/32", "dev", "lo")
    here.guests["0b2"].run("ip", "addr", "add", "2001:db8:cafe::1/128", "dev", "lo")
    assert await here.ping("0a1", "172.16.0.1", 1) == 0
    # A Linux guest would ask for its router in the name of what is behind it.
    for neighbor in ("10.0.1.254", "10.0.1.3", "2001:db8:0:1::3"):
        assert await here.ping("0b2", neighbor, 1) == 1
    routes = (
        HostRoute(Prefix.parse("172.16.0.0/24"), Ip.parse("10.0.1.2")),
        HostRoute(Prefix.parse("2001:db8:cafe::/64"), Ip.parse("2001:db8:0:1::2")),
    )
    await here.commit(here.changed(ROUTER, "r0", routes=routes))
    for source in ("0a1", "0b3", "world"):
        assert await here.ping(source, "172.16.0.1") == 3, source
        assert await here.ping(source, "2001:db8:cafe::1") == 3, source
    # By a next hop outside, though the same prefix is behind a guest as well.
    out = HostRoute(Prefix.parse("172.16.0.1/32"), Ip.parse("203.0.113.1"))
    here.world.run("ip", "addr", "add", "172.16.0.1/32", "dev", "lo")
    hidden = RouterGateway("ext", "way0", enable_snat=True)  # or the outside knew it was within
    await here.commit(here.changed(ROUTER, "r0", routes=(*routes, out), gateway=hidden))
    with Wire(here.world) as wire:
        await here.ping("0a1", "172.16.0.1", 1)
        assert wire.received()
    await here.commit(here.changed(ROUTER, "r0", routes=()))
    assert await here.ping("0b3", "2001:db8:cafe::1", 1) == 0
