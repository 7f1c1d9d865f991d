"""QoS with real packets: what arrives of a flood through a limit, and the mark on the wire.

A flood offers several times what is allowed. What may arrive is the burst and the rate times the
flood's own duration, as its sender measured it; a quarter of that to either side is tolerated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sdnctl.desired import Limit, LocalPort, Qos
from sdnctl.types import Encapsulation
from tests.netns.agents import Agent
from tests.netns.wire import Wire, pour
from tests.netns.world import Cloud, Place, Tenant

pytestmark = [pytest.mark.netns, pytest.mark.alone]

MakeCloud = Callable[[int], Awaitable[Cloud]]

A, NEAR, FAR, ROUTED = Place(0, 0, 1), Place(0, 0, 2), Place(1, 0, 3), Place(1, 1, 5)

SIZE = 1000
"""Octets of a frame."""

LIMIT = Limit(1000, 200)
TOLERANCE = 0.25


def packet(
    tenant: Tenant, source: Place, target: Place, version: int, mark: bytes, tos: int
) -> bytes:
    """A frame of ``SIZE`` octets."""
    here, there = (tenant.addresses(place)[version == 6] for place in (source, target))
    routed = source.network != target.network
    mac = tenant.irb(source.network).mac if routed else tenant.mac(target)
    layer = IP(src=str(here), dst=str(there), tos=tos) if version == 4 else IPv6(
        src=str(here), dst=str(there), tc=tos
    )  # fmt: skip
    head = Ether(src=str(tenant.mac(source)), dst=str(mac)) / layer / UDP(sport=5, dport=9999)
    return bytes(head / Raw(mark.ljust(SIZE - len(head), b".")))


def flood(
    made: Cloud, tenant: Tenant, source: Place, target: Place, seconds: float = 2.0
) -> tuple[int, int, float]:
    """Frames sent at 8 Mbit/s and those that arrived; how long the sending took."""
    mark = b"flood-of-%d-to-%d." % (source.number, target.number)
    frame = packet(tenant, source, target, 4, mark, 0)
    guests = made.guests[tenant.number, source], made.guests[tenant.number, target]
    return pour(*guests, frame, mark, seconds)


def expected(limit: Limit, taken: float) -> float:
    """Frames that a limit lets through in that time."""
    return (limit.burst + limit.rate * taken) * 1000 / 8 / SIZE


async def limited(made: Cloud, tenant: Tenant, source: Place, target: Place, limit: Limit) -> None:
    """A flood is held to the limit."""
    sent, arrived, taken = await asyncio.to_thread(flood, made, tenant, source, target)
    assert sent > 4 * expected(limit, taken), "the flood was none"
    assert arrived == pytest.approx(expected(limit, taken), rel=TOLERANCE), (sent, taken)


async def free(made: Cloud, tenant: Tenant, source: Place, target: Place) -> None:
    """A flood is held by nothing."""
    sent, arrived, _taken = await asyncio.to_thread(flood, made, tenant, source, target, 0.5)
    assert arrived > 0.9 * sent


async def put(made: Cloud, port: LocalPort, host: int = 0) -> None:
    assert not await made.agents[host].put(port)
    await made.agents[host].settle()


@pytest.mark.parametrize("security", [True, False])
async def test_what_a_port_sends_and_is_sent(cloud: MakeCloud, security: bool) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, NEAR, FAR)
    await made.program()
    plain = msgspec.structs.replace(tenant.port(A), security=security)
    if not security:
        plain = msgspec.structs.replace(plain, security_groups=())
    await put(made, msgspec.structs.replace(plain, qos=Qos(egress=LIMIT)))
    await limited(made, tenant, A, FAR, LIMIT)
    await free(made, tenant, FAR, A)
    await put(made, msgspec.structs.replace(plain, qos=Qos(ingress=LIMIT)))
    await limited(made, tenant, FAR, A, LIMIT)
    await limited(made, tenant, NEAR, A, LIMIT)
    await free(made, tenant, A, FAR)
    # Another limit in the place of this one, and none.
    double = Limit(2 * LIMIT.rate, LIMIT.burst)
    await put(made, msgspec.structs.replace(plain, qos=Qos(LIMIT, double)))
    sent, arrived, taken = await asyncio.to_thread(flood, made, tenant, NEAR, A)
    assert arrived == pytest.approx(expected(double, taken), rel=TOLERANCE), sent
    await put(made, plain)
    await free(made, tenant, NEAR, A)
    await free(made, tenant, A, NEAR)
    assert "meter=" not in made.switches[0].ofctl("dump-meters")
    assert await made.agents[0].reconciler.audit() == []


async def test_what_is_refused_costs_no_bandwidth(cloud: MakeCloud) -> None:
    """Nobody fills a port's limit with packets that its groups do not let in."""
    made = await cloud(1)
    tenant = made.tenant(A, NEAR)
    await made.program()
    closed = msgspec.structs.replace(
        tenant.port(A), security_groups=("nothing",), qos=Qos(ingress=LIMIT)
    )
    await put(made, closed)
    _sent, arrived, _taken = await asyncio.to_thread(flood, made, tenant, NEAR, A, 0.5)
    assert arrived == 0
    assert sum(packets_metered(made).values()) < 10, "but for neighbour discovery"


def packets_metered(made: Cloud) -> dict[str, int]:
    """Packets that came to each meter that saw some."""
    stats = made.switches[0].ofctl("meter-stats")
    found = re.findall(r"meter:(\d+) .*?packet_in_count:(\d+)", stats, re.DOTALL)
    return {meter: int(count) for meter, count in found if int(count)}


async def test_a_restarted_agent_leaves_meters_alone(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(A, NEAR)
    await made.program()
    port = msgspec.structs.replace(tenant.port(A), qos=Qos(LIMIT, LIMIT, 46))
    await put(made, port)
    await limited(made, tenant, A, NEAR, LIMIT)
    before = packets_metered(made)
    meter = max(before, key=before.__getitem__)
    switch = made.switches[0]
    agent = await made.restart(0)
    await agent.up(tenant.port_id(A))
    assert packets_metered(made)[meter] >= before[meter], "it is still the same"
    assert await agent.reconciler.audit() == []
    # One that was changed meanwhile is set right, one that nobody wants goes.
    await agent.stop()
    band = "band=type=drop rate=7 burst_size=7"
    switch.ofctl("mod-meter", f"meter={meter} kbps burst stats {band}")
    switch.ofctl("add-meter", f"meter=4242 kbps burst stats {band}")
    switch.ofctl("add-meter", "meter=4243 pktps stats band=type=drop rate=9")
    agent = await made.restart(0)
    await agent.up(tenant.port_id(A))
    assert await agent.reconciler.audit() == []
    dump = switch.ofctl("dump-meters")
    assert "meter=4242" not in dump
    assert "meter=4243" in dump, "not of our kind, so not ours"
    assert "rate=7" not in dump
    await limited(made, tenant, A, NEAR, LIMIT)
    # The switch is killed: it has nothing any more, and gets it all.
    switch.kill("ovs-vswitchd")
    await asyncio.to_thread(switch.start_switch)
    await made.agents[0].up(tenant.port_id(A))
    async with asyncio.timeout(10):
        while await made.agents[0].reconciler.audit():
            await asyncio.sleep(0.1)
    await limited(made, tenant, A, NEAR, LIMIT)


@pytest.mark.parametrize("version", [4, 6])
async def test_marks(cloud: MakeCloud, version: int) -> None:
    """On every path; the two bits of congestion notification (RFC 3168) stay the guest's."""
    made = await cloud(2)
    red = made.tenant(A, NEAR, FAR, ROUTED)
    blue = made.tenant(A, FAR, encapsulations=(Encapsulation.MPLS_GRE,))
    await made.program()
    for tenant in (red, blue):
        await put(made, msgspec.structs.replace(tenant.port(A), qos=Qos(dscp=46)))
    paths = [(red, target) for target in (NEAR, FAR, ROUTED)] + [(blue, FAR)]
    for tenant, target in paths:
        for source, to, mark in ((A, target, 46), (target, A, 10)):
            text = b"marked-%d-%d." % (source.number, to.number)
            with Wire(made.guests[tenant.number, to]) as into:
                with Wire(made.guests[tenant.number, source]) as out:
                    out.send(packet(tenant, source, to, version, text, 10 << 2 | 1))
                (frame,) = into.frames(text, within=2, enough=1)
            found = Ether(frame)[IP if version == 4 else IPv6]
            octet = found.tos if version == 4 else found.tc
            assert (octet >> 2, octet & 3) == (mark, 1), (tenant.number, source, to)


async def test_the_underlay_sees_the_mark_where_it_is_asked_for(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, FAR)
    await made.program()
    old = made.agents[0]
    await put(made, msgspec.structs.replace(tenant.port(A), qos=Qos(dscp=46)))

    async def outer() -> set[int]:
        """The code points of the outer headers of what the guest sends."""
        text = b"marked-in-the-underlay."
        with Wire(made.switches[1]) as underlay, Wire(made.guests[0, A]) as out:
            for _ in range(3):
                out.send(packet(tenant, A, FAR, 4, text, 0))
            frames = await asyncio.to_thread(underlay.frames, text, 2.0, 3)
        return {Ether(frame)[IP].tos >> 2 for frame in frames}

    assert await outer() == {0}
    await old.stop()
    new = made.agents[0] = await Agent(old.switch, inherit_dscp=True).start()
    assert not await new.put(*old.desired.values())
    new.reconciler.in_sync()
    await new.up(tenant.port_id(A))
    async with asyncio.timeout(10):
        while await outer() != {46}:
            await asyncio.sleep(0.2)
