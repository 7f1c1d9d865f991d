"""What a port lets pass of connections that began before its guest came to this hypervisor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from scapy.layers.inet import TCP, UDP

from sdnctl_vrouter.drivers.ovs.pipeline import Reason
from tests.netns.security import Probe, drops, fates, rules
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

FAR, MOVED = Place(0, 0, 1), Place(1, 0, 3)
FLAGS = {"A": True, "PA": True, "FA": True, "S": False, "SA": False, "R": False, "RA": False}
"""Of TCP packets, and whether they may be in the middle of a connection."""


async def moved(cloud: Cloud, *groups: Any, picks_up: bool = True) -> Tenant:
    """A guest that has just come, with these rules and no others."""
    tenant = cloud.tenants[0] if cloud.tenants else cloud.tenant(FAR, MOVED)
    if not cloud.agents[0].desired:
        await cloud.program()
        for guest in cloud.guests.values():  # so that no kernel answers with a reset
            guest.run("ip", "addr", "flush", "dev", "eth0")
    agent = cloud.agents[1]
    gone = [key for key in agent.desired if key.startswith("rule/web/web-")]
    keep = {rule.key for rule in groups}
    assert not await agent.drop([key for key in gone if key not in keep])
    port = msgspec.structs.replace(tenant.port(MOVED), security_groups=("web",), picks_up=picks_up)
    assert not await agent.put(*groups, port)
    await agent.settle()
    return tenant


def said(version: int, number: int, flags: str, *, back: bool = False) -> Probe:
    """A packet of connection ``number``, from the far end or ``back`` from the guest."""
    there: dict[str, Any] = {"sport": 80, "dport": 2000 + number, "seq": 5000, "ack": 9000}
    answer: dict[str, Any] = {"sport": 2000 + number, "dport": 80, "seq": 9000, "ack": 5011}
    layer = TCP(flags=flags, window=1000, **(answer if back else there))
    return Probe(MOVED, FAR, version, layer) if back else Probe(FAR, MOVED, version, layer)


@pytest.mark.parametrize("version", [4, 6])
async def test_the_middle_of_a_connection_passes_while_a_guest_moves(
    cloud: MakeCloud, version: int
) -> None:
    made = await cloud(2)
    out = rules({}, ingress=False)
    tenant = await moved(made, *out)
    probes = [said(version, number, flags) for number, flags in enumerate(FLAGS)]
    probes.append(Probe(FAR, MOVED, version, UDP(sport=80, dport=2000)))
    assert await fates(made, tenant, probes) == [*FLAGS.values(), False]
    # The guest answers the first of them, so that it is a connection; then the time is over.
    assert await fates(made, tenant, [said(version, 0, "A", back=True)]) == [True]
    await moved(made, *out, picks_up=False)
    after = [said(version, 0, "A"), said(version, 50, "A")]
    assert await fates(made, tenant, after) == [True, False]


async def test_whoever_began_it_is_checked_against_the_rules(cloud: MakeCloud) -> None:
    """It is the guest that began what comes in here; what no rule lets it say cuts it."""
    made = await cloud(2)
    out = rules({}, ingress=False)
    tenant = await moved(made, *out)
    there, back = said(4, 0, "A"), said(4, 0, "A", back=True)
    assert await fates(made, tenant, [there]) == [True]
    assert await fates(made, tenant, [back]) == [True]
    before = drops(made.switches[1])
    await moved(made)
    assert await fates(made, tenant, [there]) == [True], "the answers end with what they answer"
    assert await fates(made, tenant, [back]) == [False]
    assert await fates(made, tenant, [there]) == [False]
    after = drops(made.switches[1])
    assert [after[r] - before[r] for r in (Reason.EGRESS, Reason.CUT)] == [1, 1]
    # A rule that allows it again gives it back.
    await moved(made, *out)
    assert await fates(made, tenant, [back]) == [True]
    assert await fates(made, tenant, [there]) == [True]


async def test_the_other_way_round(cloud: MakeCloud) -> None:
    """A guest that serves, and that no rule lets begin anything."""
    made = await cloud(2)
    web = rules({"protocol": 6, "first": 80, "last": 80})
    tenant = await moved(made, *web)
    there = Probe(FAR, MOVED, 4, TCP(sport=2000, dport=80, flags="A", seq=5000, ack=9000))
    back = Probe(MOVED, FAR, 4, TCP(sport=80, dport=2000, flags="A", seq=9000, ack=5011))
    assert await fates(made, tenant, [back]) == [True]
    assert await fates(made, tenant, [there]) == [True]
    await moved(made)
    assert await fates(made, tenant, [there]) == [False]
    assert await fates(made, tenant, [back]) == [False]
