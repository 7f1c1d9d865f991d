"""Restarts, crashes, plugging, refusals: back in sync by itself, and nothing lost meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import pytest

from sdnctl.delta import Change
from sdnctl.desired import Desired, FdbEntry, FibEntry, Neighbor, Node
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix
from sdnctl_vrouter.drivers.base import Failure
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.pipeline import describe
from sdnctl_vrouter.platform.openflow import (
    FLOW_MOD,
    Connection,
    Message,
    Outcome,
    Refusal,
)
from tests.netns.agents import Agent, until
from tests.netns.harness import Guest, Lab
from tests.netns.world import BOTH, Cloud, Place, router_mac

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

A, B = Place(0, 0, 1), Place(1, 0, 2)
FOREIGN = "cookie=0x77,table=0,priority=7,in_port=4000,actions=drop"


async def test_restarting_the_agent_loses_no_packet(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    guest = made.guests[tenant.number, A]
    flood = asyncio.create_task(
        asyncio.to_thread(guest.run, "ping", "-c", "2000", "-i", "0.002", "-W", "1", "10.0.0.2")
    )
    await asyncio.sleep(0.5)
    for _ in range(5):
        for host in (0, 1):
            agent = await made.restart(host)
            await agent.up(tenant.port_id((A, B)[host]))
        await asyncio.sleep(0.2)
    out = await flood
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", out)
    assert counts is not None
    assert counts[1] == counts[2] == "2000"
    for agent in made.agents:
        assert await agent.reconciler.audit() == []


async def test_a_killed_switch_comes_back_in_sync(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    guest, switch, agent = made.guests[tenant.number, A], made.switches[0], made.agents[0]
    assert await asyncio.to_thread(guest.ping, "10.0.0.2", 2) == 2
    await _survives_a_kill(made, 1)
    switch.kill("ovs-vswitchd")
    switch.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
    await _survives_a_kill(made, 2)
    assert "flow-restore-wait" not in switch.vsctl("list", "Open_vSwitch")
    assert await agent.reconciler.audit() == []


async def _survives_a_kill(made: Cloud, time: int) -> None:
    """Changes of the meantime are answered once each, in order, and the packets flow again."""
    tenant, switch, agent = made.tenants[0], made.switches[0], made.agents[0]
    switch.kill("ovs-vswitchd")
    answers: list[str] = []
    vni, via = tenant.evi(0).vni, tenant.hop(made.switches, 1, 0)
    entries = [FdbEntry(vni, Mac(bytes((2, 0, 0, 0, time, n))), via) for n in range(3)]
    for entry in entries:
        change: Change[str, Desired] = Change(entry.key, None, entry)
        agent.reconciler.apply([change], partial(_note, answers, entry.key))
    await asyncio.sleep(0.2)
    assert answers == []
    await asyncio.to_thread(switch.start_switch)
    await until(lambda: len(answers) == 3)
    assert answers == [entry.key for entry in entries]
    await _answers(made.guests[0, A], "10.0.0.2")


def _note(answers: list[str], key: str, failures: Sequence[Failure]) -> None:
    assert not failures
    answers.append(key)


async def _answers(guest: Guest, target: str) -> None:
    """Wait for the first answer; from then on there is no gap."""
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(guest.ping, target, 1):
            pass
    assert await asyncio.to_thread(guest.ping, target, 5) == 5


async def test_a_killed_database_comes_back(cloud: MakeCloud) -> None:
    made = await cloud(1)
    peer = Place(0, 0, 2)
    tenant = made.tenant(A, peer)
    await made.program()
    switch, agent = made.switches[0], made.agents[0]
    switch.kill("ovsdb-server")
    await asyncio.sleep(0.2)
    await asyncio.to_thread(switch.start_database)
    guest = made.guests[tenant.number, peer]
    await asyncio.to_thread(guest.unplug)
    await until(lambda: not agent.vifs[tenant.port_id(peer)].up)
    await asyncio.to_thread(guest.plug)
    await agent.up(tenant.port_id(peer))
    assert await asyncio.to_thread(guest.ping, "10.0.0.1") == 3


async def test_a_vif_comes_and_goes(cloud: MakeCloud) -> None:
    made = await cloud(1)
    peer = Place(0, 0, 2)
    tenant = made.tenant(A, peer)
    await made.program()
    agent, port_id = made.agents[0], tenant.port_id(peer)
    one, two = made.guests[0, A], made.guests[0, peer]
    for _ in range(2):
        assert await asyncio.to_thread(one.ping, "10.0.0.2") == 3
        await asyncio.to_thread(two.unplug)
        await until(lambda: not agent.vifs[port_id].up)
        assert agent.vifs[port_id].reason == "its VIF is not on the bridge"
        assert await asyncio.to_thread(one.ping, "10.0.0.2", 1) == 0
        await asyncio.to_thread(two.plug)
        await agent.up(port_id)
    # The port's OpenFlow number changes under it.
    await asyncio.to_thread(
        made.switches[0].vsctl, "set", "Interface", two.tap, "ofport_request=333"
    )
    await until(lambda: "in_port=333" in made.switches[0].ofctl("dump-flows"))
    await agent.settle()
    assert await asyncio.to_thread(one.ping, "10.0.0.2") == 3
    assert await agent.reconciler.audit() == []


async def test_a_vif_is_awaited_until_its_device_is_there(cloud: MakeCloud) -> None:
    """os-vif puts it on the bridge before the virtual machine makes the device: Nova does not
    start the machine at the destination of a migration before it has heard of that."""
    made = await cloud(1)
    peer = Place(0, 0, 2)
    tenant = made.tenant(A, peer)
    await made.program()
    agent, port_id, switch = made.agents[0], tenant.port_id(peer), made.switches[0]
    guest = made.guests[0, peer]
    await asyncio.to_thread(guest.unplug)
    await until(lambda: not agent.vifs[port_id].up)
    # The switch is not waited for: it has no device to open.
    iface = f"external_ids:iface-id={port_id}"
    row = ("--", "set", "Interface", "tap-to-come", iface)
    switch.vsctl("--no-wait", "add-port", "br-int", "tap-to-come", *row)
    await until(lambda: agent.vifs[port_id].awaited)
    assert agent.vifs[port_id].reason == "its VIF has no device yet"
    assert not agent.vifs[port_id].up
    # The switch's database comes back: nothing has changed.
    switch.kill("ovsdb-server")
    await asyncio.to_thread(switch.start_database)
    switch.vsctl("--no-wait", "set", "Interface", "tap-to-come", "external_ids:seen=1")
    await asyncio.sleep(0.5)
    assert agent.vifs[port_id].awaited
    # The device comes.
    switch.vsctl("set", "Interface", "tap-to-come", "type=internal")
    await agent.up(port_id)
    assert not agent.vifs[port_id].awaited
    switch.vsctl("del-port", "br-int", "tap-to-come")
    await until(lambda: not agent.vifs[port_id].up)
    assert agent.vifs[port_id].reason == "its VIF is not on the bridge"
    # And one that goes before its device has come.
    switch.vsctl("--no-wait", "add-port", "br-int", "tap-to-come", *row)
    await until(lambda: agent.vifs[port_id].awaited)
    switch.vsctl("--no-wait", "del-port", "br-int", "tap-to-come")
    await until(lambda: not agent.vifs[port_id].awaited)
    await asyncio.to_thread(guest.plug)
    await agent.up(port_id)
    assert await agent.reconciler.audit() == []


async def test_a_vif_with_the_number_of_a_zone_gets_another(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(Place(0, 0, 1), Place(0, 0, 2))
    await made.program()
    switch, agent = made.switches[0], made.agents[0]
    guest = made.guests[0, Place(0, 0, 1)]
    switch.vsctl("set", "Interface", guest.tap, "ofport_request=40000")
    await until(lambda: int(switch.vsctl("get", "Interface", guest.tap, "ofport")) < 0x8000)
    await agent.up(tenant.port_id(Place(0, 0, 1)))
    assert await asyncio.to_thread(guest.ping, "10.0.0.2") == 3
    assert await agent.reconciler.audit() == []


async def test_what_is_found_stays_until_in_sync(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    switch = made.switches[0]
    switch.ofctl("add-flow", FOREIGN)
    switch.vsctl(
        "add-port", "br-int", "foreign", "--", "set", "Interface", "foreign", "type=internal"
    )
    stale = Neighbor(tenant.evi(0).vni, Ip.parse("10.0.0.200"), tenant.mac(A))
    await made.agents[0].put(stale)
    del made.agents[0].desired[stale.key]
    agent = await made.restart(0, sync=False)
    assert "arp_tpa=10.0.0.200" in switch.ofctl("dump-flows")
    assert [line for line in await agent.reconciler.audit() if "of nothing" in line]
    agent.reconciler.in_sync()
    await until(lambda: "arp_tpa=10.0.0.200" not in switch.ofctl("dump-flows"))
    assert await agent.reconciler.audit() == []
    assert "cookie=0x77" in switch.ofctl("dump-flows")
    assert "foreign" in switch.vsctl("list-ports", "br-int")


async def test_the_bridge_and_its_tunnels_are_made_again(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    switch, guest = made.switches[0], made.guests[0, A]
    await asyncio.to_thread(switch.vsctl, "del-port", "br-int", "sdnctl-vxlan")
    await until(lambda: "sdnctl-vxlan" in switch.vsctl("list-ports", "br-int"))
    await asyncio.to_thread(switch.vsctl, "del-br", "br-int")
    await until(lambda: "sdnctl-vxlan" in switch.vsctl("list-ports", "br-int"))
    await asyncio.to_thread(guest.plug)
    await until(lambda: made.agents[0].vifs[tenant.port_id(A)].up)
    await _answers(guest, "10.0.0.2")


async def test_the_agent_may_come_first_and_the_bridge_be_someone_elses(lab: Lab) -> None:
    switch = lab.hypervisor()
    switch.kill("ovs-vswitchd")
    switch.vsctl("--no-wait", "add-br", "br-int")
    switch.kill("ovsdb-server")
    agent = await Agent(switch).start()
    try:
        node = Node("h0", switch.vtep, BOTH, 1500, router_mac(0))
        put = asyncio.create_task(agent.put(node))
        await asyncio.sleep(0.2)
        assert not put.done()
        await asyncio.to_thread(switch.start_database)
        await asyncio.to_thread(switch.start_switch)
        assert not await put
        await until(lambda: "sdnctl-gre" in switch.vsctl("list-ports", "br-int"))
        assert switch.vsctl("get", "Bridge", "br-int", "fail_mode").strip() == "secure"
        assert switch.vsctl("get", "Bridge", "br-int", "datapath_type").strip() == "netdev"
        assert switch.vsctl("get", "Bridge", "br-int", "protocols").strip() == "[]"
    finally:
        await agent.stop()


async def test_killed_in_the_middle_of_a_bulk(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    switch, agent = made.switches[0], made.agents[0]
    hop = (tenant.hop(made.switches, 1, None),)
    base = int.from_bytes(Ip.parse("10.64.0.0"), "big")
    bulk = [
        FibEntry(tenant.vrf.vni, Prefix.host(Ip.from_number(base + n, 4)), hop)
        for n in range(20_000)
    ]
    for size in (5_000, 20_000):
        put = asyncio.create_task(agent.put(*bulk[:size]))
        await asyncio.sleep(0.05)
        switch.kill("ovs-vswitchd")
        await asyncio.to_thread(switch.start_switch)
        assert not await put
        assert await agent.reconciler.audit() == []
    await _answers(made.guests[0, A], "10.0.0.2")


async def test_what_someone_deletes_is_found_and_mended(cloud: MakeCloud) -> None:
    made = await cloud(1)
    made.tenant(A)
    await made.program()
    agent = made.agents[0]
    made.switches[0].ofctl("del-flows")
    made.switches[0].ofctl("add-flow", "cookie=0x5d4e000000000001,table=9,actions=drop")
    found = await agent.reconciler.audit()
    assert "a flow of nothing: cookie 0x5d4e000000000001" in found
    assert "evi/100: a flow is missing" in found
    assert await agent.reconciler.audit() == []


async def test_a_slow_database_costs_no_flow(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(A)
    await made.program()
    switch, old = made.switches[0], made.agents[0]
    before = switch.ofctl("dump-flows", "--no-stats")
    await old.stop()
    database = switch.pid("ovsdb-server")
    assert database is not None
    os.kill(database, signal.SIGSTOP)
    new = made.agents[0] = await Agent(switch).start()
    put = asyncio.create_task(new.put(*old.desired.values()))
    new.reconciler.in_sync()
    await asyncio.sleep(6)  # longer than the agent waits for its tunnels
    assert f"nw_src={tenant.addresses(A)[0]}" in switch.ofctl("dump-flows")
    os.kill(database, signal.SIGCONT)
    assert [failure.key for failure in await put] == ["node"]
    await new.up(tenant.port_id(A))
    await until(lambda: Failure("node", "") in new.failures)
    assert await new.reconciler.audit() == []
    assert switch.ofctl("dump-flows", "--no-stats") == before


async def test_one_bad_key_never_blocks_the_others(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    agent, switch = made.agents[0], made.switches[0]
    hop = (tenant.hop(made.switches, 1, None),)
    bad = FibEntry(tenant.vrf.vni, Prefix(Ip.parse("10.7.0.1"), 24), hop)
    good = [FibEntry(tenant.vrf.vni, Prefix.parse(f"10.8.{n}.0/24"), hop) for n in range(3)]
    failures = await agent.put(good[0], bad, *good[1:])
    assert [f.key for f in failures] == [bad.key]
    assert "OpenFlow error" in failures[0].reason
    flows = switch.ofctl("dump-flows")
    assert all(f"nw_dst=10.8.{n}.0/24" in flows for n in range(3))
    assert await agent.reconciler.audit() == [f"{bad.key}: {failures[0].reason}"]
    await asyncio.sleep(0.7)  # one more try
    assert agent.failures == []
    assert not await agent.drop([bad.key])
    assert await agent.reconciler.audit() == []


async def test_a_refused_change_leaves_nothing_of_the_old(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    agent, switch = made.agents[0], made.switches[0]
    hop = tenant.hop(made.switches, 1, 0)._replace(encapsulations=(Encapsulation.MPLS_GRE,))
    members = [hop._replace(vtep=Ip.from_number(hop.vtep.number + 9 + n, 4)) for n in range(3)]
    entry = FibEntry(tenant.vrf.vni, Prefix.parse("10.8.0.0/24"), tuple(members))
    assert not await agent.put(entry)
    assert "nw_dst=10.8.0.0/24 actions" in switch.ofctl("dump-flows", "--no-stats")
    # 1,200 equal paths do not fit into one message of OpenFlow.
    many = tuple(hop._replace(label=Label(1000 + n)) for n in range(1200))
    failures = await agent.put(msgspec.structs.replace(entry, via=many))
    assert [f.key for f in failures] == [entry.key]
    await until(
        lambda: "nw_dst=10.8.0.0/24 actions" not in switch.ofctl("dump-flows", "--no-stats")
    )
    assert not await agent.put(entry)
    assert await agent.reconciler.audit() == []


async def test_no_common_encapsulation_is_told_and_taken_back(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    agent = made.agents[0]
    hop = tenant.hop(made.switches, 1, 0)._replace(encapsulations=(Encapsulation.MPLS_GRE,))
    entry = FdbEntry(tenant.evi(0).vni, Mac.parse("02:00:00:00:00:99"), hop)
    node = next(r for r in made.resources(0) if r.key == "node")
    await agent.put(msgspec.structs.replace(node, encapsulations=(Encapsulation.VXLAN,)))
    failures = await agent.put(entry)
    assert failures == [
        Failure(
            entry.key,
            f"no common encapsulation with {hop.vtep}: it accepts mpls-gre, this node sends vxlan",
        )
    ]
    await agent.put(node)
    assert agent.failures == [Failure(entry.key, "")]


async def test_what_the_switch_does_with_a_rejected_add(cloud: MakeCloud) -> None:
    """The facts in platform/openflow.py's docstring."""
    made = await cloud(1)
    await until((made.switches[0].rundir / "br-int.mgmt").exists)
    connection = await Connection.open(f"{made.switches[0].rundir}/br-int.mgmt")

    def flow(cookie: int, mask: bytes = b"\xff" * 4, then: bytes = b"") -> Message:
        body = templates.fib_remote_4(9, cookie, b"\x0a\0\0\x01", mask) + then
        return FLOW_MOD, (0xABCD << 48 | cookie).to_bytes(8, "big") + body

    async def present() -> set[int]:
        return {c & 0xFF for c in await connection.cookies(0xABCD << 48, 0xFFFF << 48)}

    undecodable = flow(2, mask=b"\xff\0\0\0")
    outcome = await connection.bundle([[flow(1), undecodable], [flow(3)]])
    assert outcome == Outcome(committed=True, refused={1: Refusal(4, 5)})
    assert await present() == {1, 3}
    apply_group = b"\0\x04\0\x10\0\0\0\0" + templates.choose(4711)
    outcome = await connection.bundle([[flow(4)], [flow(5, then=apply_group), flow(6)]])
    assert outcome == Outcome(committed=False, refused={1: Refusal(2, 9)})
    assert await present() == {1, 3}
    outcome = await connection.bundle([[undecodable], [undecodable]])
    assert outcome == Outcome(committed=True, refused={0: Refusal(4, 5), 1: Refusal(4, 5)})
    outcome = await connection.bundle([[flow(7)]])
    assert outcome == Outcome(committed=True, refused={})
    assert await present() == {1, 3, 7}
    assert await connection.bundle([]) == Outcome(committed=True, refused={})
    await connection.close()


async def test_a_dump_reads_with_names(cloud: MakeCloud) -> None:
    made = await cloud(1)
    made.tenant(A)
    await made.program()
    made.switches[0].ofctl("add-flow", FOREIGN)
    text = describe(made.switches[0].ofctl("dump-flows"))
    assert "table=classify" in text
    assert "evi=0x64" in text
    assert "set_field:0x64->evi" in text
    assert "table=0" in next(line for line in text.splitlines() if "cookie=0x77" in line)
