"""What the pipeline decides of random packets equals what security groups mean.

The switch is asked (ofproto/trace) what it would do with the first packet of a connection
between two of its ports. ``lets`` is the meaning, in its own words.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sdnctl.desired import Desired, LocalPort, RemoteAddresses, SecurityRule
from sdnctl.types import Ip, Mac, Prefix, Vni
from tests.netns.agents import Agent
from tests.netns.harness import Lab, Switch
from tests.netns.world import node

pytestmark = pytest.mark.netns

EVI = Vni(100)
GROUPS = ("g0", "g1", "g2")
SETS = ("s0", "s1")
PORTS = 4
PREFIXES = [
    Prefix.parse(text)
    for text in (
        *("10.0.0.0/30", "10.0.0.2/32", "10.0.0.0/16", "0.0.0.0/0"),
        *("fd00::/126", "fd00::2/128", "fd00::/16", "::/0"),
    )
]
TRANSPORTS = {6: "tcp", 17: "udp", 132: "sctp"}
PORT_NUMBERS = (1, 79, 80, 81, 443, 1023, 1024, 65535)


@dataclass
class World:
    """Rules, sets of addresses, and the groups of each port."""

    rules: list[SecurityRule] = field(default_factory=list)
    sets: dict[str, set[Prefix]] = field(default_factory=dict)
    groups: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Packet:
    """The first of a connection; ``a`` and ``b`` are destination port, or ICMP type and code."""

    source: int
    target: int
    version: int
    protocol: int
    a: int
    b: int


def address(port: int, version: int) -> Ip:
    return Ip.parse(f"10.0.0.{port + 1}" if version == 4 else f"fd00::{port + 1}")


def mac(port: int) -> Mac:
    return Mac.parse(f"fa:16:3e:00:00:{port + 1:02x}")


# ---- the meaning


def inside(ip: Ip, prefix: Prefix) -> bool:
    return ipaddress.ip_address(bytes(ip)) in ipaddress.ip_network(
        (bytes(prefix.ip), prefix.length)
    )


def says(rule: SecurityRule, packet: Packet) -> bool:
    """Whether the rule speaks of such packets, whoever the far end is."""
    if rule.version != packet.version or rule.protocol not in {None, packet.protocol}:
        return False
    if rule.protocol is None or rule.first is None:
        return True
    if packet.protocol in {1, 58}:
        return rule.first == packet.a and rule.last in {None, packet.b}
    return rule.last is not None and rule.first <= packet.a <= rule.last


def agrees(world: World, rule: SecurityRule, far: Ip) -> bool:
    """Whether the rule speaks of that far end."""
    if rule.prefix is not None:
        return inside(far, rule.prefix)
    if rule.remote:
        return any(
            prefix.version == far.version and inside(far, prefix)
            for prefix in world.sets.get(rule.remote, ())
        )
    return True


def lets(world: World, packet: Packet) -> bool:
    """The sender's groups let it out, and the receiver's let it in."""
    source, target = (address(p, packet.version) for p in (packet.source, packet.target))

    def some(port: int, *, ingress: bool, far: Ip) -> bool:
        return any(
            rule.group in world.groups[port]
            and rule.ingress == ingress
            and says(rule, packet)
            and agrees(world, rule, far)
            for rule in world.rules
        )

    return some(packet.source, ingress=False, far=target) and some(
        packet.target, ingress=True, far=source
    )


# ---- the switch


def random_rule(rng: random.Random, number: int) -> SecurityRule:
    version = rng.choice((4, 6))
    protocol = rng.choice((None, 6, 6, 17, 132, 1 if version == 4 else 58))
    first = last = None
    if protocol in {1, 58}:
        first = rng.choice((None, 8, 13, 128))
        last = rng.choice((None, 0, 1)) if first is not None else None
    elif protocol is not None and rng.random() < 0.8:
        first, last = sorted(rng.choices(PORT_NUMBERS, k=2))
    prefix, remote = None, ""
    match rng.choice(("any", "prefix", "set", "set")):
        case "prefix":
            prefix = rng.choice([p for p in PREFIXES if p.version == version])
        case "set":
            remote = rng.choice((*SETS, "unknown"))
    ingress = rng.random() < 0.5
    return SecurityRule(
        rng.choice(GROUPS), f"r{number}", ingress, version, protocol, first, last, prefix, remote
    )


def random_world(rng: random.Random) -> World:
    """Mostly one direction is free, or hardly anything would pass both."""
    world = World([random_rule(rng, number) for number in range(rng.randint(6, 20))])
    free = rng.choice((True, False, None))
    if free is not None:
        world.rules += [SecurityRule("base", f"free{v}", free, v) for v in (4, 6)]
    for name in SETS:
        world.sets[name] = set(rng.sample(PREFIXES, rng.randint(0, 4)))
    for _ in range(PORTS):
        world.groups.append(("base", *rng.sample(GROUPS, rng.choice((0, 1, 2, 3)))))
    return world


def random_packets(rng: random.Random, world: World) -> Iterator[Packet]:
    """Mostly what some rule is about."""
    for _ in range(12):
        source, target = rng.sample(range(PORTS), 2)
        rule = rng.choice(world.rules)
        version = rule.version
        protocol = rule.protocol or rng.choice((6, 17, 132, 1 if version == 4 else 58))
        a, b = rng.choice((*PORT_NUMBERS, rule.first or 80, rule.last or 81)), 0
        if protocol in {1, 58}:
            a, b = rng.choice((8, 13) if version == 4 else (128, 8)), rng.choice((0, 0, 1))
        yield Packet(source, target, version, protocol, a, b)


def resources(world: World) -> list[Desired]:
    """A set's prefixes are spread over members that overlap."""
    found: list[Desired] = list(world.rules)
    for name, prefixes in world.sets.items():
        ordered = tuple(sorted(prefixes))
        found += [
            RemoteAddresses(name, "one", ordered[:3]),
            RemoteAddresses(name, "two", ordered[1:]),
        ]
    for number, groups in enumerate(world.groups):
        addresses = (address(number, 4), address(number, 6))
        found.append(
            LocalPort(f"p{number}", EVI, Vni(0), mac(number), addresses, security_groups=groups)
        )
    return found


def ofport(switch: Switch, number: int) -> int:
    return int(switch.vsctl("get", "Interface", f"p{number}", "ofport"))


def decides(switch: Switch, ofports: list[int], packet: Packet) -> bool:
    """Whether the packet leaves at its target."""
    source, target = (address(p, packet.version) for p in (packet.source, packet.target))
    names = ("nw_src", "nw_dst") if packet.version == 4 else ("ipv6_src", "ipv6_dst")
    fields: dict[str, object] = {
        "eth_type": "0x0800" if packet.version == 4 else "0x86dd",
        "nw_proto": packet.protocol,
        "in_port": ofports[packet.source],
        "dl_src": mac(packet.source),
        "dl_dst": mac(packet.target),
        names[0]: source,
        names[1]: target,
        "nw_ttl": 64,
    }
    if packet.protocol in {1, 58}:
        name = "icmp" if packet.version == 4 else "icmpv6"
        fields |= {f"{name}_type": packet.a, f"{name}_code": packet.b}
    else:
        name = TRANSPORTS[packet.protocol]
        fields |= {f"{name}_src": 40000, f"{name}_dst": packet.a}
    text = ",".join(f"{name}={value}" for name, value in fields.items())
    said = switch.appctl("ofproto/trace", "br-int", text)
    return bool(re.search(rf"-> output port is {ofports[packet.target]}$", said, re.MULTILINE))


@pytest.mark.parametrize("seed", range(3))
async def test_the_pipeline_means_what_the_groups_mean(lab: Lab, seed: int) -> None:
    rng = random.Random(seed)
    switch = lab.hypervisor()
    agent = await Agent(switch).start()
    try:
        assert not await agent.put(node([switch], 0))
        for number in range(PORTS):
            switch.vsctl(
                *("add-port", "br-int", f"p{number}", "--", "set", "Interface", f"p{number}"),
                *("type=internal", f"external_ids:iface-id=p{number}"),
            )
        fates = []
        for _ in range(8):
            world = random_world(rng)
            fresh = resources(world)
            gone = agent.desired.keys() - {row.key for row in fresh} - {"node"}
            assert not await agent.put(*fresh)
            assert not await agent.drop(sorted(gone))
            await agent.up(*(f"p{number}" for number in range(PORTS)))
            ofports = [ofport(switch, number) for number in range(PORTS)]
            for packet in random_packets(rng, world):
                wanted = lets(world, packet)
                got = await asyncio.to_thread(decides, switch, ofports, packet)
                assert got == wanted, (packet, world)
                fates.append(wanted)
            assert await agent.reconciler.audit() == []
        assert len(fates) // 10 < sum(fates) < len(fates) * 9 // 10
    finally:
        await agent.stop()
