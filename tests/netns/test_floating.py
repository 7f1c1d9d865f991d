"""Floating IPs: from a guest to the world and back, between guests, and when things move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sdnctl.types import Encapsulation
from tests.netns.gateway import WORLD_4
from tests.netns.site import Site
from tests.netns.tenants import tenant

pytestmark = pytest.mark.netns

MakeSite = Callable[[int, Encapsulation], Awaitable[Site]]
ENCAPSULATIONS = pytest.mark.parametrize(
    "encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE], ids=str
)


@ENCAPSULATIONS
async def test_every_way_of_a_floating_ip(site: MakeSite, encapsulation: Encapsulation) -> None:
    here = await site(2, encapsulation)
    await here.commit(*tenant(0), *tenant(1))
    await here.commit(
        here.guest("0a", 1, "h0"),
        here.guest("0b", 2, "h0"),
        here.guest("0a", 3, "h1"),
        here.guest("1a", 1, "h0"),  # the same addresses as the first
        here.guest("1a", 2, "h1"),
        here.guest("ext", 20, "h0"),  # on the external network itself
        here.guest("ext", 21, "h1"),
    )
    owners = {51: "0a1", 52: "0b2", 53: "0a3", 54: "1a1", 55: "1a2"}
    await here.commit(*(here.floating(last, port) for last, port in owners.items()))
    assert {
        ip: host for ip, host in here.gateway.reached().items() if ip.startswith("203.0.113.5")
    } == {
        f"203.0.113.{last}": "h0" if port in {"0a1", "0b2", "1a1"} else "h1"
        for last, port in owners.items()
    }
    answered = {}
    for last, port in owners.items():
        answered["world", port] = await here.ping("world", f"203.0.113.{last}")
        answered[port, "world"] = await here.ping(port, WORLD_4)
        for other in (*owners.values(), "ext20", "ext21"):
            answered[other, port] = await here.ping(other, f"203.0.113.{last}")
    for last in (20, 21):
        for port in (*owners.values(), "world", f"ext{41 - last}"):
            answered[port, f"ext{last}"] = await here.ping(port, f"203.0.113.{last}")
        answered[f"ext{last}", "r0"] = await here.ping(f"ext{last}", "203.0.113.200")
        answered[f"ext{last}", "world"] = await here.ping(f"ext{last}", WORLD_4)
    assert answered == dict.fromkeys(answered, 3)
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []
