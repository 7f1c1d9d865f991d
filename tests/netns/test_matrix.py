"""{same host, other host} x {same subnet, other subnet} x {VXLAN, MPLS-over-GRE} x {v4, v6}."""

from __future__ import annotations

import asyncio

import pytest

from sdnctl.types import Encapsulation
from tests.netns.agents import Agent
from tests.netns.harness import Lab
from tests.netns.world import Place, Tenant, program

pytestmark = pytest.mark.netns

PLACES = [Place(0, 0, 1), Place(0, 0, 2), Place(1, 0, 3), Place(0, 1, 4), Place(1, 1, 5)]


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_every_ping_is_answered(lab: Lab, encapsulation: Encapsulation) -> None:
    switches = [lab.hypervisor(), lab.hypervisor()]
    tenant = Tenant(0, (encapsulation,))
    guests = [tenant.guest(lab, switches[place.host], place) for place in PLACES]
    agents = [await Agent(switch).start() for switch in switches]
    await program(agents, switches, tenant)
    for guest in guests:
        guest.plug()
    for place in PLACES:
        await agents[place.host].up(tenant.port_id(place))
    targets = [ip for place in PLACES[1:] for ip in tenant.addresses(place)]
    targets += [ip for network in (0, 1) for ip, _ in tenant.irb(network).addresses]
    answered = {str(ip): await asyncio.to_thread(guests[0].ping, str(ip)) for ip in targets}
    assert answered == {str(ip): 3 for ip in targets}
    for agent in agents:
        assert await agent.reconciler.audit() == []
        await agent.stop()
