"""Who gets a packet, and who does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from sdnctl.desired import FdbEntry, FibEntry
from sdnctl.types import Encapsulation, Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from sdnctl_vrouter.drivers.ovs.pipeline import Table
from sdnctl_vrouter.reconciler import Reconciler
from tests.netns.harness import DATAPATH
from tests.netns.wire import BROADCAST, Wire, arp_request, neighbor_advert, tcp, udp
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

A, B, C = Place(0, 0, 1), Place(1, 0, 2), Place(1, 0, 3)
MARK = b"sdnctl-was-here"


async def pings(cloud: Cloud, tenant: Tenant, source: Place, target: str, count: int = 2) -> int:
    guest = cloud.guests[tenant.number, source]
    return await asyncio.to_thread(guest.ping, target, count)


async def test_tenants_with_the_same_addresses_never_meet(cloud: MakeCloud) -> None:
    made = await cloud(2)
    other = Place(1, 1, 4)
    one = made.tenant(A, B)
    two = made.tenant(A, C, other)
    await made.program()
    for tenant, mine, theirs in ((one, B, C), (two, C, B)):
        for address in tenant.addresses(mine):
            assert await pings(made, tenant, A, str(address)) == 2
        for address in tenant.addresses(theirs):
            assert await pings(made, tenant, A, str(address)) == 0
    assert await pings(made, two, A, "10.0.1.4") == 2
    assert await pings(made, one, A, "10.0.1.4") == 0


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_broadcast_reaches_members_once_and_no_one_else(
    cloud: MakeCloud, encapsulation: Encapsulation
) -> None:
    made = await cloud(3)
    tenant = made.tenant(A, Place(0, 0, 5), B, C, encapsulations=(encapsulation,))
    made.tenant(A, Place(2, 0, 2))
    await made.program()
    frame = BROADCAST + tenant.mac(A) + b"\x88\xb5" + MARK
    # Ethertypes other than IP and ARP are for ports without port security.
    for place in tenant.places:
        port = msgspec.structs.replace(tenant.port(place), security=False)
        await made.agents[place.host].put(port)
    switches = made.switches
    with (
        Wire(made.guests[0, A]) as sender,
        Wire(made.guests[0, Place(0, 0, 5)]) as same_host,
        Wire(made.guests[0, B]) as other_host,
        Wire(made.guests[0, C]) as third,
        Wire(made.guests[1, A]) as other_tenant,
        Wire(switches[0]) as back,
        Wire(switches[2]) as not_member,
    ):
        sender.send(*[frame] * 10)
        await asyncio.sleep(0.3)
        assert [w.count(MARK) for w in (same_host, other_host, third)] == [10, 10, 10]
        assert [w.count(MARK, 0.1) for w in (sender, other_tenant, back, not_member)] == [0] * 4


async def test_a_guest_speaks_for_itself_alone(cloud: MakeCloud) -> None:
    made = await cloud(1)
    victim = Place(0, 0, 2)
    tenant = made.tenant(A, victim)
    await made.program()
    mac, own4, own6 = tenant.mac(A), *tenant.addresses(A)
    to, to4, to6 = tenant.mac(victim), *tenant.addresses(victim)
    foreign, foreign4 = Mac.parse("fa:16:3e:66:66:66"), Ip.parse("10.0.0.66")
    foreign6, unknown4 = Ip.parse("fd00:0::66"), Ip.parse("10.0.0.99")
    honest = [
        udp(mac, to, own4, to4, 1, MARK),
        udp(mac, to, own6, to6, 1, MARK),
        udp(mac, to, Ip.parse("fe80::1"), to6, 1, MARK),
        arp_request(mac, mac, own4, unknown4) + MARK,
        arp_request(mac, mac, Ip(bytes(4)), unknown4) + MARK,
        neighbor_advert(mac, to, own6, own6, mac),
    ]
    forged = [
        udp(foreign, to, own4, to4, 1, MARK),
        udp(mac, to, foreign4, to4, 1, MARK),
        udp(mac, to, foreign6, to6, 1, MARK),
        arp_request(foreign, mac, own4, unknown4) + MARK,
        arp_request(mac, foreign, own4, unknown4) + MARK,
        arp_request(mac, mac, foreign4, unknown4) + MARK,
        neighbor_advert(mac, to, own6, foreign6, mac),
        neighbor_advert(mac, to, own6, own6, foreign),
        to + mac + b"\x88\xb5" + MARK,
    ]

    def seen(frame: bytes, within: float) -> int:
        with Wire(made.guests[0, A]) as sender, Wire(made.guests[0, victim]) as receiver:
            sender.send(frame)
            return receiver.count(frame[12:60], within, enough=1)

    assert [await asyncio.to_thread(seen, f, 1.0) for f in honest] == [1] * len(honest)
    assert [await asyncio.to_thread(seen, f, 0.2) for f in forged] == [0] * len(forged)
    for place in (A, victim):
        port = msgspec.structs.replace(tenant.port(place), security=False)
        await made.agents[0].put(port)
    assert [await asyncio.to_thread(seen, f, 1.0) for f in forged] == [1] * len(forged)


async def test_arp_and_nd_stay_on_the_host(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    with Wire(made.guests[0, B]) as far:
        assert await pings(made, tenant, A, "10.0.0.2") == 2
        assert await pings(made, tenant, A, "fd00::2") == 2
        arp_of_a = b"\x08\x06" + bytes.fromhex("0001080006040001") + tenant.mac(A)
        assert far.count(arp_of_a, 0.2) == 0


async def test_the_next_hop_is_known_before_the_first_packet(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    for here, there in ((0, 1), (1, 0)):
        known = made.switches[here].appctl("tnl/neigh/show")
        assert str(made.switches[there].vtep) in known
    assert await pings(made, tenant, A, "10.0.0.2", 1) == 1


async def test_equal_paths_share_the_flows_and_the_nearest_wins(cloud: MakeCloud) -> None:
    made = await cloud(3)
    near, far = Place(1, 1, 8), Place(2, 1, 9)
    tenant = made.tenant(A, near, far)
    await made.program()
    anycast = Ip.parse("10.9.0.1")
    for host, place in ((1, near), (2, far)):
        port = tenant.port(place)
        await made.agents[host].put(
            msgspec.structs.replace(port, addresses=(*port.addresses, anycast)),
            msgspec.structs.replace(
                tenant.irb(1), addresses=((Ip.parse("10.9.0.254"), 24), *tenant.irb(1).addresses)
            ),
        )
    hops = tuple(tenant.hop(made.switches, host, None) for host in (1, 2))
    path = FibEntry(tenant.vrf.vni, Prefix.parse("10.9.0.0/24"), hops)
    assert not await made.agents[0].put(path)
    own4 = tenant.addresses(A)[0]
    gateway = tenant.irb(0).mac
    frames = [tcp(tenant.mac(A), gateway, own4, anycast, 1000 + n, MARK) for n in range(64)]

    def share() -> list[int]:
        with (
            Wire(made.guests[0, A]) as sender,
            Wire(made.guests[0, near]) as one,
            Wire(made.guests[0, far]) as two,
        ):
            sender.send(*frames, *frames)
            return [one.count(MARK, 0.5), two.count(MARK, 0.5)]

    one, two = await asyncio.to_thread(share)
    assert one + two == 128
    assert one % 2 == two % 2 == 0, "a flow stays on its path"
    assert min(one, two) >= 20
    node = next(r for r in made.resources(0) if r.key == "node")
    distances = ((made.switches[1].vtep, 1), (made.switches[2].vtep, 3))
    assert not await made.agents[0].put(msgspec.structs.replace(node, distances=distances))
    assert await asyncio.to_thread(share) == [128, 0]
    assert await made.agents[0].reconciler.audit() == []


async def test_what_nothing_names_in_a_connected_prefix_is_dropped(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    hop = (tenant.hop(made.switches, 1, None),)
    for text in ("0.0.0.0/0", "::/0"):
        assert not await made.agents[0].put(FibEntry(tenant.vrf.vni, Prefix.parse(text), hop))
    gateway, (own4, own6) = tenant.irb(0).mac, tenant.addresses(A)

    def leaves(target: str) -> int:
        ip = Ip.parse(target)
        source = own4 if ip.version == 4 else own6
        with Wire(made.guests[0, A]) as sender, Wire(made.switches[1]) as tunnel:
            sender.send(udp(tenant.mac(A), gateway, source, ip, 5, MARK))
            return tunnel.count(MARK, 0.4, enough=1)

    on_link = ["10.0.0.77", "10.0.1.77", "fd00:0::77", "fd00:1::77"]
    beyond = ["198.51.100.1", "2001:db8::1"]
    assert [await asyncio.to_thread(leaves, t) for t in on_link] == [0] * 4
    assert [await asyncio.to_thread(leaves, t) for t in beyond] == [1] * 2


async def test_a_spent_ttl_goes_no_further(cloud: MakeCloud) -> None:
    made = await cloud(1)
    target = Place(0, 1, 2)
    made.tenant(A, target)
    await made.program()
    guest = made.guests[0, A]
    assert await asyncio.to_thread(guest.ping, "10.0.1.2", 1, "-t", "2") == 1
    assert await asyncio.to_thread(guest.ping, "10.0.1.2", 1, "-t", "1") == 0
    assert await asyncio.to_thread(guest.ping, "10.0.0.254", 1, "-t", "1") == 1


async def test_a_port_that_is_down_is_silent(cloud: MakeCloud) -> None:
    made = await cloud(1)
    peer = Place(0, 0, 2)
    tenant = made.tenant(A, peer)
    await made.program()
    agent = made.agents[0]
    port = tenant.port(peer)
    assert await pings(made, tenant, A, "10.0.0.2") == 2
    await agent.put(msgspec.structs.replace(port, admin_state_up=False))
    await agent.settle()
    assert not agent.vifs[port.port_id].up
    assert await pings(made, tenant, A, "10.0.0.2", 1) == 0
    assert await pings(made, tenant, peer, "10.0.0.1", 1) == 0
    await agent.put(port)
    await agent.settle()
    assert await pings(made, tenant, A, "10.0.0.2") == 2


async def test_a_pinned_network_uses_its_pin(cloud: MakeCloud) -> None:
    made = await cloud(2)
    tenant = made.tenant(A, B)
    await made.program()
    gre = b"\x00\x00\x88\x47"
    with Wire(made.switches[1]) as underlay:
        assert await pings(made, tenant, A, "10.0.0.2") == 2
        assert underlay.count(gre, 0.2) == 0
        # A pinned network's routes name one encapsulation: all members are told of that alone.
        for agent in made.agents:
            for row in list(agent.desired.values()):
                if isinstance(row, FdbEntry):
                    via = row.via._replace(encapsulations=(Encapsulation.MPLS_GRE,))
                    await agent.put(msgspec.structs.replace(row, via=via))
            await agent.settle()
        assert await pings(made, tenant, A, "10.0.0.2") == 2
        assert underlay.count(gre, 0.2) >= 2


async def test_the_agent_answers_for_gateways_where_the_switch_cannot(cloud: MakeCloud) -> None:
    made = await cloud(2)
    target = Place(1, 1, 4)
    tenant = made.tenant(A, B, target)
    for agent in made.agents:
        await agent.stop()
        driver = OvsDriver(str(agent.switch.rundir), datapath_type=DATAPATH, answers_nd=False)
        agent.reconciler = Reconciler(driver)
        await agent.start()
    await made.program()
    assert f"nd_target=fd00::fe actions=resubmit(,{Table.ASK})" in made.switches[0].ofctl(
        "dump-flows"
    )
    for address in ("fd00::2", "fd00::fe", "fd00:1::fe", "fd00:1::4"):
        assert await pings(made, tenant, A, address) == 2


@pytest.mark.parametrize("encapsulation", [Encapsulation.VXLAN, Encapsulation.MPLS_GRE])
async def test_a_prefix_behind_a_port(cloud: MakeCloud, encapsulation: Encapsulation) -> None:
    """The guest routes it: it answers for addresses that it owns behind its interface."""
    made = await cloud(2)
    near = Place(0, 1, 6)
    tenant = made.tenant(A, near, B, encapsulations=(encapsulation,))
    await made.program()
    behind = (Prefix.parse("172.31.0.0/24"), Prefix.parse("fd31::/64"))
    made.guests[0, A].run("ip", "link", "set", "lo", "up")
    # As a router does that has the prefix elsewhere: it asks ARP from its interface's address.
    made.guests[0, A].run("sysctl", "-qw", "net.ipv4.conf.all.arp_announce=2")
    for address in ("172.31.0.1/32", "fd31::1/128"):
        options = ("nodad",) if ":" in address else ()
        made.guests[0, A].run("ip", "address", "add", address, "dev", "lo", *options)
    via = (tenant.hop(made.switches, 0, None),)
    for agent in made.agents:
        assert not await agent.put(*(FibEntry(tenant.vrf.vni, prefix, via) for prefix in behind))
    for source in (near, B):
        assert await pings(made, tenant, source, "172.31.0.1") == 0
    port = tenant.port(A)
    routes = msgspec.structs.replace(port, behind=behind, router_mac=tenant.irb(0).mac)
    assert not await made.agents[0].put(routes)
    for switch in made.switches:
        switch.settle()
    for source in (near, B):
        for target in ("172.31.0.1", "fd31::1"):
            assert await pings(made, tenant, source, target) == 2, (source, target)
    # And it is gone again.
    assert not await made.agents[0].put(port)
    made.switches[0].settle()
    assert await pings(made, tenant, B, "172.31.0.1") == 0
