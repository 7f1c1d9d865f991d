"""Security groups and port security, with real packets on every path."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
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

from sdnctl.desired import LocalPort, RemoteAddresses, SecurityRule
from sdnctl.types import Encapsulation, Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs.pipeline import Reason
from tests.netns.harness import Guest, Switch
from tests.netns.wire import Wire
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

FRIEND, STRANGER = Place(0, 0, 1), Place(0, 0, 6)
SAME_HOST, OTHER_HOST, ROUTED = Place(0, 0, 2), Place(1, 0, 3), Place(1, 1, 5)


def rules(*pairs: dict[str, Any], group: str = "web", ingress: bool = True) -> list[SecurityRule]:
    """Rules of a group in both versions, where nothing else is said."""
    found = []
    for number, said in enumerate(pairs):
        for version in (4, 6):
            if "prefix" in said and said["prefix"].version != version:
                continue
            if said.get("version", version) != version:
                continue
            fields = {"group": group, "ingress": ingress, "version": version} | said
            way = "in" if ingress else "out"
            found.append(SecurityRule(rule_id=f"{group}-{way}-{number}-{version}", **fields))
    return found


@dataclass(frozen=True)
class Probe:
    """A packet from one guest to another, recognised by its mark."""

    source: Place
    target: Place
    version: int
    layer: Any

    def frame(self, tenant: Tenant, mark: bytes) -> bytes:
        source, target = (
            tenant.addresses(place)[self.version == 6] for place in (self.source, self.target)
        )
        routed = self.source.network != self.target.network
        to = tenant.irb(self.source.network).mac if routed else tenant.mac(self.target)
        network = (IP if self.version == 4 else IPv6)(src=str(source), dst=str(target))
        head = Ether(src=str(tenant.mac(self.source)), dst=str(to))
        return bytes(head / network / self.layer / Raw(mark))


async def passes(cloud: Cloud, tenant: Tenant, probe: Probe, mark: bytes) -> bool:
    """Whether the target sees it; what passes does so at once."""
    sender, target = (cloud.guests[tenant.number, p] for p in (probe.source, probe.target))
    with Wire(sender) as out, Wire(target) as wire:
        out.send(probe.frame(tenant, mark))
        return await asyncio.to_thread(wire.count, mark, 1.0, 1) > 0


async def fates(cloud: Cloud, tenant: Tenant, probes: list[Probe]) -> list[bool]:
    """Of many at once: each has a mark of its own, and time enough to arrive."""
    marks = [b"probe-%04d-" % number for number in range(len(probes))]
    wires = {p: Wire(cloud.guests[tenant.number, p]) for p in {probe.target for probe in probes}}
    senders = {p: Wire(cloud.guests[tenant.number, p]) for p in {probe.source for probe in probes}}
    seen = {p: b"" for p in wires}
    try:
        for probe, mark in zip(probes, marks, strict=True):
            senders[probe.source].send(probe.frame(tenant, mark))
            await asyncio.sleep(0.005)
        await asyncio.sleep(1.0)
        for place, wire in wires.items():
            seen[place] = b"".join(wire.received())
    finally:
        for wire in (*wires.values(), *senders.values()):
            wire.close()
    return [mark in seen[probe.target] for probe, mark in zip(probes, marks, strict=True)]


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


async def dress(cloud: Cloud, tenant: Tenant, place: Place, *groups: str, **more: Any) -> None:
    """The port at a place has these groups from now on."""
    port = msgspec.structs.replace(tenant.port(place), security_groups=groups, **more)
    assert not await cloud.agents[place.host].put(port)
    await cloud.agents[place.host].settle()


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


ECHO = """
import socket
server = socket.create_server(("", 7777), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
talk, _ = server.accept()
while data := talk.recv(64):
    talk.sendall(data)
"""

TALK = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], 7777), timeout=20)
for number in range(100000):
    talk.sendall(b"x")
    assert talk.recv(1) == b"x"
    print(number, flush=True)
    time.sleep(0.05)
"""


class Conversation:
    """A TCP connection that says something every 50 ms, and counts the answers."""

    def __init__(self, client: Guest, server: Guest, address: str) -> None:
        self._server = server.popen(sys.executable, "-c", ECHO)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"
        self._client = client.popen(sys.executable, "-c", TALK, address)

    def goes_on(self, within: float) -> bool:
        """Whether another five answers come in time."""
        assert self._client.stdout is not None
        return asyncio.run_coroutine_threadsafe(
            self._lines(5, within), asyncio.new_event_loop()
        ).result()

    async def answers(self, count: int, within: float) -> int:
        """How many answers come in time, up to ``count``."""
        stdout = self._client.stdout
        assert stdout is not None
        loop, seen = asyncio.get_running_loop(), 0
        end = loop.time() + within
        import select

        while seen < count and (left := end - loop.time()) > 0:
            ready = await asyncio.to_thread(select.select, [stdout], [], [], min(left, 0.2))
            if ready[0] and stdout.readline():
                seen += 1
        return seen

    def close(self) -> None:
        for process in (self._client, self._server):
            process.kill()
            process.communicate()
