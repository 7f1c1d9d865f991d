"""Bandwidths of floating IPs and gateways with real packets: what arrives of a flood.

As in ``test_qos``, what may arrive is the burst and the rate times the flood's own duration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sdnctl.desired import Limit
from sdnctl.graph.relations.inputs import BANDWIDTH_LIMIT_RULE, PORT, QOS_POLICY, ROUTER
from sdnctl.intent import BandwidthLimitRule, Port, QosPolicy, RouterGateway
from sdnctl.types import Encapsulation
from tests.netns.gateway import ROUTER_MAC, WORLD_4, WORLD_MAC
from tests.netns.site import Site
from tests.netns.tenants import tenant
from tests.netns.test_qos import LIMIT, SIZE, TOLERANCE, expected
from tests.netns.wire import pour
from tests.properties.strategies.small import Write

pytestmark = [pytest.mark.netns, pytest.mark.alone]

MakeSite = Callable[[int, Encapsulation], Awaitable[Site]]

WORLD_PORT, GUEST_PORT = 9999, 80


def limited(row: Write, meter: int) -> Write:
    """A floating IP with the policy."""
    relation, key, floating = row
    return relation, key, msgspec.structs.replace(floating, qos_policy_id="q", meter=meter)


def rule(direction: str, limit: Limit | None) -> Write:
    """What the policy says of a direction."""
    if limit is None:
        return BANDWIDTH_LIMIT_RULE, direction, None
    row = BandwidthLimitRule(
        id=direction,
        qos_policy_id="q",
        max_kbps=limit.rate,
        max_burst_kbps=limit.burst,
        direction=direction,
    )
    return BANDWIDTH_LIMIT_RULE, direction, row


async def flood(
    here: Site,
    port_id: str,
    last: int,
    *,
    out: bool,
    seconds: float = 2.0,
    outer: int = GUEST_PORT,
) -> tuple[int, int, float]:
    """From a guest to the world, or from the world to its floating IP, at 8 Mbit/s."""
    port: Port = here.row(PORT, port_id)
    gateway: Port = here.row(PORT, f"if{port.network_id}")
    mark = b"flood-%s-%d." % (port_id.encode(), out)
    if out:
        head = Ether(src=str(port.mac), dst=str(gateway.mac)) / IP(
            src=str(port.fixed_ips[0].ip), dst=WORLD_4
        ) / UDP(sport=GUEST_PORT, dport=WORLD_PORT)  # fmt: skip
    else:
        head = Ether(src=str(WORLD_MAC), dst=str(ROUTER_MAC)) / IP(
            src=WORLD_4, dst=f"203.0.113.{last}"
        ) / UDP(sport=WORLD_PORT, dport=outer)  # fmt: skip
    frame = bytes(head / Raw(mark.ljust(SIZE - len(head), b".")))
    ends = (here.guests[port_id], here.world)
    return await asyncio.to_thread(pour, *(ends if out else ends[::-1]), frame, mark, seconds)


async def held(
    here: Site,
    port_id: str,
    last: int,
    *,
    out: bool,
    limit: Limit = LIMIT,
    outer: int = GUEST_PORT,
) -> None:
    """A flood is held to the limit."""
    sent, arrived, taken = await flood(here, port_id, last, out=out, outer=outer)
    assert sent > 2 * expected(limit, taken), "the flood was none"
    assert arrived == pytest.approx(expected(limit, taken), rel=TOLERANCE), (sent, taken)


async def free(here: Site, port_id: str, last: int, *, out: bool) -> None:
    """A flood is held by nothing."""
    sent, arrived, _taken = await flood(here, port_id, last, out=out, seconds=0.5)
    assert arrived > 0.9 * sent


async def test_what_a_floating_ip_sends_and_is_sent(site: MakeSite) -> None:
    here = await site(1, Encapsulation.VXLAN)
    await here.commit(*tenant(0), (QOS_POLICY, "q", QosPolicy(id="q")))
    await here.commit(here.guest("0a", 1, "h0"), here.guest("0a", 2, "h0"))
    await here.commit(limited(here.floating(51, "0a1"), 7), here.floating(52, "0a2"))
    await free(here, "0a1", 51, out=True)
    here.serve("world", 7777)
    chat = here.chat("0a1", WORLD_4, 7777)
    seen = await chat.ask()

    await here.commit(rule("egress", LIMIT))
    await held(here, "0a1", 51, out=True)
    await free(here, "0a1", 51, out=False)
    await free(here, "0a2", 52, out=True)
    double = Limit(2 * LIMIT.rate, LIMIT.burst)
    await here.commit(rule("egress", None), rule("ingress", double))
    await held(here, "0a1", 51, out=False, limit=double)
    await free(here, "0a1", 51, out=True)
    await free(here, "0a2", 52, out=False)
    assert await chat.ask() == seen, "how fast an address may be ends no connection"

    # A restarted agent leaves the meter alone, a killed switch gets it again.
    await here.restart("h0")
    assert await here.agents["h0"].reconciler.audit() == []
    await held(here, "0a1", 51, out=False, limit=double)
    await here.commit(here.floating(51, "0a1"))
    await free(here, "0a1", 51, out=False)
    assert "meter=" not in here.switches["h0"].ofctl("dump-meters")
    assert await here.agents["h0"].reconciler.audit() == []


async def test_ports_of_a_limited_floating_ip(site: MakeSite) -> None:
    """They share its bandwidth, on the one hypervisor that translates for all."""
    here = await site(2, Encapsulation.VXLAN)
    await here.commit(*tenant(0), (QOS_POLICY, "q", QosPolicy(id="q")))
    await here.commit(here.guest("0a", 1, "h0"), here.guest("0a", 3, "h1"))
    await here.commit(rule("egress", LIMIT), rule("ingress", LIMIT))
    for port_id, outer in (("0a1", 8001), ("0a3", 8003)):
        ports = (outer, outer, GUEST_PORT, GUEST_PORT)
        floating, forwarding = here.forwarded(60, port_id, 17, *ports)
        await here.commit(limited(floating, 0x7FFF), forwarding)
        await held(here, port_id, 60, out=False, outer=outer)
        await held(here, port_id, 60, out=True)
    meters = {host: s.ofctl("dump-meters").count("meter=") for host, s in here.switches.items()}
    assert sorted(meters.values()) == [0, 2]
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []


async def test_what_a_routers_gateway_sends_and_is_sent(site: MakeSite) -> None:
    """All that is hidden behind its address together, and nothing that has one of its own."""
    here = await site(2, Encapsulation.VXLAN)
    await here.commit(*tenant(0), (QOS_POLICY, "q", QosPolicy(id="q")))
    homes = {1: "h0", 2: "h0", 3: "h1"}
    await here.commit(*(here.guest("0a", number, host) for number, host in homes.items()))
    await here.commit(here.floating(52, "0a2"))
    await here.commit(rule("egress", LIMIT), rule("ingress", LIMIT))
    gateway = RouterGateway("ext", "way0", qos_policy_id="q")
    await here.commit(here.changed(ROUTER, "r0", gateway=gateway))
    for port_id in ("0a1", "0a3"):
        await held(here, port_id, 200, out=True)
    meters = {host: s.ofctl("dump-meters").count("meter=") for host, s in here.switches.items()}
    assert sorted(meters.values()) == [0, 2]
    await free(here, "0a2", 52, out=True)
    await free(here, "0a2", 52, out=False)
    await held(here, "0a1", 200, out=False)  # answers to what it sent, which kept its port
    await here.commit(here.changed(ROUTER, "r0", gateway=RouterGateway("ext", "way0")))
    await free(here, "0a1", 200, out=True)
    await free(here, "0a1", 200, out=False)
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []
