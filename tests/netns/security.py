"""Rules of groups, packets that they are about, and what became of those."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sdnctl.desired import SecurityRule
from sdnctl_vrouter.drivers.ovs.pipeline import Reason
from tests.netns.harness import Guest, Switch
from tests.netns.wire import Wire
from tests.netns.world import Cloud, Place, Tenant

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
            fields: dict[str, Any] = {"group": group, "ingress": ingress, "version": version} | said
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


async def fates(cloud: Cloud, tenant: Tenant, probes: list[Probe]) -> list[bool]:
    """Of many at once: each has a mark of its own, and time enough to arrive."""
    marks = [b"probe-%04d-" % number for number in range(len(probes))]
    wires = {p: Wire(cloud.guests[tenant.number, p]) for p in {probe.target for probe in probes}}
    senders = {p: Wire(cloud.guests[tenant.number, p]) for p in {probe.source for probe in probes}}
    seen = dict.fromkeys(wires, b"")
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


async def dress(cloud: Cloud, tenant: Tenant, place: Place, *groups: str, **more: Any) -> None:
    """The port at a place has these groups from now on."""
    port = msgspec.structs.replace(tenant.port(place), security_groups=groups, **more)
    assert not await cloud.agents[place.host].put(port)
    await cloud.agents[place.host].settle()


def zone_of(switch: Switch, guest: Guest) -> int:
    """The number of a guest's OpenFlow port, which is that of its zone."""
    return int(switch.vsctl("get", "Interface", guest.tap, "ofport"))


def drops(switch: Switch) -> dict[Reason, int]:
    """What was refused so far, by reason."""
    dump = switch.ofctl("dump-flows", "table=70")
    return {
        Reason(int(reason, 16)): int(packets)
        for packets, reason in re.findall(r"n_packets=(\d+).*reg8=(0x[0-9a-f]+)", dump)
    }
