from __future__ import annotations

import asyncio
import pytest

from sdnctl.desired import Evi, FdbEntry, FloodEntry, LocalPort, Neighbor, NextHop, Node
from sdnctl.types import Encapsulation, Ip, Label, Mac, Vni
from tests.netns.agents import Agent
from tests.netns.harness import Lab

pytestmark = pytest.mark.netns


async def test_ping(lab: Lab) -> None:
    hs = [lab.hypervisor(), lab.hypervisor()]
    macs = [Mac.parse("fa:16:3e:00:00:01"), Mac.parse("fa:16:3e:00:00:02")]
    gs = [lab.guest(h, f"port-{i}", macs[i], f"10.0.0.{i+1}/24") for i, h in enumerate(hs)]
    agents = [await Agent(h).start() for h in hs]
    E = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    hops = [NextHop(h.vtep, Label(100), Vni(77), E) for h in hs]
    for i, a in enumerate(agents):
        a.reconciler.in_sync()
        print(await a.put(
            Node(f"h{i}", hs[i].vtep, E, 1500, Mac.parse(f"02:00:00:00:00:0{i}")),
            Evi(Vni(77), Label(100), 1450),
            *(FloodEntry(Vni(77), hop) for hop in hops),
            *(FdbEntry(Vni(77), macs[j], hops[j]) for j in range(2)),
            *(Neighbor(Vni(77), Ip.parse(f"10.0.0.{j+1}"), macs[j]) for j in range(2)),
            LocalPort(f"port-{i}", Vni(77), Vni(0), macs[i], (Ip.parse(f"10.0.0.{i+1}"),)),
        ))
        gs[i].plug()
        await a.up(f"port-{i}")
    print(hs[0].ofctl("dump-flows"))
    n = await asyncio.to_thread(gs[0].ping, "10.0.0.2")
    print(hs[0].appctl("dpctl/dump-flows"))
    assert n == 3
    for a in agents:
        print(await a.reconciler.audit())
        await a.stop()
