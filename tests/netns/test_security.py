"""Security groups and port security, with real packets on every path."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

from sdnctl.desired import RemoteAddresses
from sdnctl.types import Encapsulation, Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs.pipeline import Reason
from tests.netns.harness import Guest
from tests.netns.security import (
    FRIEND,
    OTHER_HOST,
    ROUTED,
    SAME_HOST,
    STRANGER,
    MakeCloud,
    Probe,
    dress,
    drops,
    fates,
    rules,
    zone_of,
)
from tests.netns.wire import Wire
from tests.netns.world import Place, Tenant

pytestmark = pytest.mark.netns


def icmp(version: int, *, echo: bool) -> Any:
    if version == 4:
        return ICMP(type=8 if echo else 13)
    return ICMPv6EchoRequest() if echo else ICMPv6PacketTooBig(mtu=1400)


def kinds(version: int) -> Iterator[tuple[Any, Any, Place]]:
    """For each kind of rule: what it allows, what it does not, and who may not at all."""
    yield TCP(sport=1001, dport=8081), TCP(sport=1001, dport=8084), FRIEND  # ports
    yield UDP(sport=1002, dport=53), UDP(sport=1002, dport=54), STRANGER  # prefix
    yield TCP(sport=1003, dport=9000), TCP(sport=1003, dport=9001), STRANGER  # remote group
    yield UDP(sport=1004, dport=5000), UDP(sport=1004, dport=5001), STRANGER  # address group
    yield SCTP(sport=1005, dport=7), SCTP(sport=1005, dport=8), FRIEND
    yield icmp(version, echo=True), icmp(version, echo=False), FRIEND


def web(tenant: Tenant) -> list[Any]:
    """Rules of every kind; the friend is a member of the group, and of the address group."""
    friend = [Prefix.host(ip) for ip in tenant.addresses(FRIEND)]
    return [
        *rules(
            {"protocol": 6, "first": 8081, "last": 8083},
            *({"protocol": 17, "first": 53, "last": 53, "prefix": prefix} for prefix in friend),
            {"protocol": 6, "first": 9000, "last": 9000, "remote": "friends"},
            {"protocol": 17, "first": 5000, "last": 5000, "remote": "addresses"},
            {"protocol": 132, "first": 7, "last": 7},
            {"protocol": 1, "first": 8, "last": 0, "version": 4},
            {"protocol": 58, "first": 128, "version": 6},
        ),
        RemoteAddresses("friends", tenant.port_id(FRIEND), tuple(friend)),
        *(RemoteAddresses("addresses", str(prefix), (prefix,)) for prefix in friend),
        RemoteAddresses("addresses", "10.9.0.0/16", (Prefix.parse("10.9.0.0/16"),)),
    ]


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_every_kind_of_rule_on_every_path(
    cloud: MakeCloud, encapsulation: Encapsulation
) -> None:
    made = await cloud(2)
    targets = (SAME_HOST, OTHER_HOST, ROUTED)
    tenant = made.tenant(FRIEND, STRANGER, *targets, encapsulations=(encapsulation,))
    await made.program()
    for agent in made.agents:
        assert not await agent.put(*web(tenant))
    for place in targets:
        await dress(made, tenant, place, "web")
    probes, wanted = [], []
    for target in targets:
        for version in (4, 6):
            for allowed, denied, who_not in kinds(version):
                probes += [
                    Probe(FRIEND, target, version, allowed),
                    Probe(FRIEND, target, version, denied),
                    Probe(STRANGER, target, version, allowed),
                ]
                wanted += [True, False, who_not != STRANGER]
    got = await fates(made, tenant, probes)
    assert [p for p, g, w in zip(probes, got, wanted, strict=True) if g != w] == []
    for agent in made.agents:
        assert await agent.reconciler.audit() == []


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_egress_is_checked_where_it_begins(
    cloud: MakeCloud, encapsulation: Encapsulation
) -> None:
    made = await cloud(2)
    targets = (SAME_HOST, OTHER_HOST, ROUTED)
    tenant = made.tenant(FRIEND, *targets, encapsulations=(encapsulation,))
    await made.program()
    reached = [Prefix.host(ip) for ip in tenant.addresses(OTHER_HOST)]
    await made.agents[0].put(
        *rules(
            {"protocol": 6, "first": 80, "last": 80},
            {"protocol": 17, "first": 53, "last": 53, "remote": "reached"},
            group="limited",
            ingress=False,
        ),
        RemoteAddresses("reached", "p", tuple(reached)),
    )
    await dress(made, tenant, FRIEND, "limited")
    probes, wanted = [], []
    for target in targets:
        for version in (4, 6):
            for layer, allowed in (
                (TCP(sport=1001, dport=80), True),
                (TCP(sport=1001, dport=81), False),
                (UDP(sport=1002, dport=53), target == OTHER_HOST),
                (UDP(sport=1002, dport=54), False),
            ):
                probes.append(Probe(FRIEND, target, version, layer))
                wanted.append(allowed)
    got = await fates(made, tenant, probes)
    assert [p for p, g, w in zip(probes, got, wanted, strict=True) if g != w] == []


async def test_no_groups_let_nothing_in_but_neighbours(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(FRIEND, SAME_HOST)
    await made.program()
    await dress(made, tenant, SAME_HOST)
    friend, closed = made.guests[0, FRIEND], made.guests[0, SAME_HOST]
    four, six = map(str, tenant.addresses(SAME_HOST))
    for target in (four, six):
        assert await asyncio.to_thread(friend.ping, target, 1) == 0
    # ARP and ND go on: the closed guest finds its neighbour, and may not speak to it.
    await asyncio.to_thread(closed.ping, str(tenant.addresses(FRIEND)[0]), 1)
    assert "lladdr" in closed.run("ip", "neigh", "show", str(tenant.addresses(FRIEND)[0]))
    await dress(made, tenant, SAME_HOST, "unheard-of")
    assert await asyncio.to_thread(friend.ping, four, 1) == 0
    await dress(made, tenant, SAME_HOST, security=False)
    for target in (four, six):
        assert await asyncio.to_thread(friend.ping, target, 1) == 1


async def test_answers_and_errors_come_back(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(FRIEND, OTHER_HOST)
    await made.program()
    await made.agents[1].put(*rules({}, group="outward", ingress=False))
    await dress(made, tenant, OTHER_HOST, "outward")
    inside, outside = made.guests[0, OTHER_HOST], made.guests[0, FRIEND]
    for ip in tenant.addresses(FRIEND):
        assert await asyncio.to_thread(inside.ping, str(ip), 2) == 2
    for ip in tenant.addresses(OTHER_HOST):
        assert await asyncio.to_thread(outside.ping, str(ip), 1) == 0
    # A port that nobody listens on: the error is of the connection, and no rule lets ICMP in.
    ask = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,"
        " socket.SOCK_DGRAM)\n"
        "s.settimeout(5)\n"
        "s.connect((sys.argv[1], 9))\n"
        "s.send(b'x')\n"
        "try:\n s.recv(1)\n"
        "except ConnectionRefusedError:\n print('refused')\n"
    )
    for ip in tenant.addresses(FRIEND):
        said = await asyncio.to_thread(inside.run, sys.executable, "-c", ask, str(ip))
        assert said == "refused\n"


async def test_stateless_groups_know_no_answers(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(FRIEND, SAME_HOST)
    await made.program()
    agent = made.agents[0]
    await agent.put(*rules({"protocol": 17, "stateful": False}, group="loose"))
    await dress(made, tenant, SAME_HOST, "loose")
    one = Probe(FRIEND, SAME_HOST, 4, UDP(sport=4000, dport=4001))
    back = Probe(SAME_HOST, FRIEND, 4, UDP(sport=4001, dport=4000))
    assert await fates(made, tenant, [one, back]) == [True, False]
    reply = rules(
        {"protocol": 17, "first": 4000, "last": 4000, "stateful": False},
        group="loose",
        ingress=False,
    )
    await agent.put(*reply)
    assert await fates(made, tenant, [one, back]) == [True, True]
    zone = zone_of(made.switches[0], made.guests[0, SAME_HOST])
    assert f"zone={zone}" not in made.switches[0].appctl("dpctl/dump-conntrack")


async def test_each_spoof_is_dropped_and_counted(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(FRIEND, SAME_HOST)
    await made.program()
    mac, to = tenant.mac(FRIEND), tenant.mac(SAME_HOST)
    four, six = map(str, tenant.addresses(FRIEND))
    to4, to6 = map(str, tenant.addresses(SAME_HOST))
    other, other4, other6 = "fa:16:3e:66:66:66", "10.0.0.66", "fd00::66"
    link = "fe80::1"

    def own(source: str = str(mac)) -> Any:
        return Ether(src=source, dst=str(to))

    def nd(message: Any) -> Any:
        return own() / IPv6(src=six, dst=to6, hlim=255) / message

    spoofs = [
        (Reason.SPOOFED_MAC, own(other) / IP(src=four, dst=to4) / UDP()),
        (Reason.SPOOFED_IP, own() / IP(src=other4, dst=to4) / UDP()),
        (Reason.SPOOFED_IP, own() / IPv6(src=other6, dst=to6) / UDP()),
        (Reason.SPOOFED_ARP, own() / ARP(op=2, hwsrc=other, psrc=four, pdst=to4)),
        (Reason.SPOOFED_ARP, own() / ARP(op=2, hwsrc=str(mac), psrc=other4, pdst=to4)),
        (
            Reason.SPOOFED_ND,
            nd(ICMPv6ND_NS(tgt=to6) / ICMPv6NDOptSrcLLAddr(lladdr=other)),
        ),
        (
            Reason.SPOOFED_ND,
            nd(ICMPv6ND_NA(tgt=six) / ICMPv6NDOptDstLLAddr(lladdr=other)),
        ),
        (
            Reason.SPOOFED_ND,
            nd(ICMPv6ND_NA(tgt=other6) / ICMPv6NDOptDstLLAddr(lladdr=str(mac))),
        ),
        (Reason.ROUTER_ADVERTISEMENT, nd(ICMPv6ND_RA())),
        (Reason.REDIRECT, nd(ICMPv6ND_Redirect(tgt=link, dst=to6))),
        (
            Reason.DHCP_SERVER,
            own()
            / IP(src=four, dst="255.255.255.255")
            / UDP(sport=67, dport=68)
            / BOOTP(op=2)
            / DHCP(options=[("message-type", "offer"), "end"]),
        ),
        (Reason.DHCP_SERVER, own() / IPv6(src=six, dst=to6) / UDP(sport=547, dport=546)),
        (Reason.NOT_IP, own() / Raw(b"")),
    ]
    spoofs[-1][1].type = 0x88B5
    with Wire(made.guests[0, FRIEND]) as out, Wire(made.guests[0, SAME_HOST]) as wire:
        for number, (reason, packet) in enumerate(spoofs):
            mark = b"spoof-%02d" % number
            before = drops(made.switches[0])[reason]
            out.send(bytes(packet / Raw(mark)))
            assert await asyncio.to_thread(wire.count, mark, 0.2, 1) == 0, packet.summary()
            await made.agents[0].settle()
            assert drops(made.switches[0])[reason] == before + 1, (reason, packet.summary())
    told = await made.agents[0].reconciler.drops()
    assert told == {r.name.lower(): n for r, n in drops(made.switches[0]).items() if n}
    assert told["spoofed_arp"] == 2


async def test_an_address_of_two_ports_moves(cloud: MakeCloud) -> None:
    """VRRP (RFC 9568): who says that it has the address, has it, with either MAC."""
    made = await cloud(2)
    tenant = made.tenant(FRIEND, SAME_HOST, OTHER_HOST)
    await made.program()
    shared, virtual = "10.0.0.200", Mac.parse("00:00:5e:00:01:07")
    prefix = Prefix.host(Ip.parse(shared))
    client = made.guests[0, FRIEND]
    pair = [made.guests[0, place] for place in (SAME_HOST, OTHER_HOST)]
    for mac in (None, virtual):
        for place in (SAME_HOST, OTHER_HOST):
            pairs = ((mac or tenant.mac(place), prefix),)
            await dress(made, tenant, place, "open", pairs=pairs)
        for guest in (*pair, pair[0]):
            for each in pair:
                each.run("ip", "addr", "flush", "to", f"{shared}/32", "dev", "eth0")
                each.run("ip", "link", "set", "eth0", "address", str(each.mac))
            if mac is not None:
                guest.run("ip", "link", "set", "eth0", "address", str(mac))
            guest.run("ip", "addr", "add", f"{shared}/32", "dev", "eth0")
            announce(guest, Mac.parse(str(mac or guest.mac)), shared)
            assert await asyncio.to_thread(client.ping, shared, 2) == 2
            seen = client.run("ip", "neigh", "show", shared)
            assert str(mac or guest.mac) in seen
    # Without the pair it is another's address.
    for place in (SAME_HOST, OTHER_HOST):
        await dress(made, tenant, place, "open")
    client.flush_neighbors()
    assert await asyncio.to_thread(client.ping, shared, 1) == 0


def announce(guest: Guest, mac: Mac, address: str) -> None:
    """A gratuitous ARP."""
    ether = Ether(src=str(mac), dst="ff:ff:ff:ff:ff:ff")
    with Wire(guest) as wire:
        wire.send(bytes(ether / ARP(op=1, hwsrc=str(mac), psrc=address, pdst=address)))
