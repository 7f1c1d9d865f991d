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
CASES = {"same host": [1, 3], "other host": [2, 4]}
TTL = {True: 64, False: 63}


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_matrix(lab: Lab, encapsulation: Encapsulation) -> None:
    switches = [lab.hypervisor(), lab.hypervisor()]
    tenant = Tenant(0, (encapsulation,))
    guests = [tenant.guest(lab, switches[place.host], place) for place in PLACES]
    agents = [await Agent(switch).start() for switch in switches]
    await program(agents, switches, tenant)
    for guest in guests:
        guest.plug()
    for place in PLACES:
        await agents[place.host].up(tenant.port_id(place))
    lost = []
    for target in PLACES[1:]:
        for address in tenant.addresses(target):
            answered = await asyncio.to_thread(guests[0].ping, str(address), 3)
            if answered != 3:
                lost.append((target, str(address), answered))
    for network in (0, 1):
        for gateway, _ in tenant.irb(network).addresses:
            answered = await asyncio.to_thread(guests[0].ping, str(gateway), 3)
            if answered != 3:
                lost.append(("gateway", str(gateway), answered))
    for agent in agents:
        assert await agent.reconciler.audit() == []
        await agent.stop()
    for s in switches:
        print(s.run("grep", "-E", "EMER|ERR", f"{s.rundir}/ovs-vswitchd.log", check=False))
    assert not lost
