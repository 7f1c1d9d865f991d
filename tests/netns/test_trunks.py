"""A guest with a trunk: ports of other networks behind VLAN tags, with real packets.

The guest at ``PARENT`` has its own network untagged; behind VLAN 7 a port of the other network of
its tenant, behind VLAN 8 one of a second tenant whose addresses are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from sdnctl.desired import LocalPort
from sdnctl.types import Encapsulation, Mac
from tests.netns.agents import until
from tests.netns.harness import DATAPATH, Guest, run
from tests.netns.test_addresses import subnet_4, udhcpc
from tests.netns.wire import Wire
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

PARENT, NEAR, FAR = Place(0, 0, 1), Place(0, 0, 2), Place(1, 0, 3)
ROUTED, ROUTED_FAR = Place(0, 1, 4), Place(1, 1, 5)
OWN_SUB = Place(0, 1, 1)
"""The subport's place in the tenant's other network."""

VXLAN, GRE = (Encapsulation.VXLAN,), (Encapsulation.MPLS_GRE,)


def subport(tenant: Tenant, place: Place, parent: str, vlan: int) -> LocalPort:
    """A port that is no guest of its own."""
    tenant.places.append(place)
    return msgspec.structs.replace(tenant.port(place), parent=parent, vlan=vlan)


def interface(guest: Guest, vlan: int, mac: Mac, *addresses: str) -> None:
    """``eth0`` of a namespace, behind a VLAN (1 is untagged) of the guest's own bridge."""
    switch, port = guest.switch, f"in{vlan}"
    run("ip", "link", "add", port, "netns", switch.name,
        "type", "veth", "peer", "name", "eth0", "netns", guest.name)  # fmt: skip
    for where, name in ((switch, port), (guest, "eth0")):
        where.run("ethtool", "-K", name, "tx", "off")
        where.run("ip", "link", "set", name, "up")
    guest.run("ip", "link", "set", "lo", "up")
    guest.run("ip", "link", "set", "eth0", "down")
    guest.run("ip", "link", "set", "eth0", "address", str(mac), "mtu", "1400", "up")
    for address in addresses:
        options = ("nodad",) if ":" in address else ()
        guest.run("ip", "addr", "add", address, "dev", "eth0", *options)
    switch.vsctl("add-port", "br-guest", port, f"tag={vlan}")


def with_bridge(guest: Guest) -> None:
    """Put a bridge between the guest's VIF and its interfaces, in place of a VLAN interface.

    It belongs to the hypervisor's own Open vSwitch, and to nobody else there.
    """
    switch = guest.switch
    guest.run("ip", "link", "set", "eth0", "netns", switch.name, "name", "trunk0")
    switch.run("ip", "link", "set", "trunk0", "up")
    switch.vsctl(
        *("add-br", "br-guest", "--", "set", "Bridge", "br-guest", f"datapath_type={DATAPATH}"),
        *("--", "add-port", "br-guest", "trunk0", "tag=1", "vlan_mode=native-untagged"),
    )
    interface(guest, 1, guest.mac, *guest.addresses)
    for gateway in ("10.0.0.254", "fd00:0::fe"):
        family = "-6" if ":" in gateway else "-4"
        guest.run("ip", family, "route", "add", "default", "via", gateway)


class Trunk:
    """The world of the module's docstring, running."""

    def __init__(self, made: Cloud) -> None:
        self.cloud = made
        self.agent = made.agents[0]
        self.red = made.tenant(PARENT, NEAR, FAR, ROUTED, ROUTED_FAR)
        self.blue = made.tenant(NEAR, FAR, encapsulations=GRE)
        self.parent = self.red.port_id(PARENT)
        self.ports = (
            subport(self.red, OWN_SUB, self.parent, 7),
            subport(self.blue, PARENT, self.parent, 8),
        )
        self.guest = made.guests[0, PARENT]
        self._behind: dict[int, Guest] = {}

    async def start(self) -> Trunk:
        await asyncio.to_thread(with_bridge, self.guest)
        await self.cloud.program()
        assert not await self.agent.put(*self.ports)
        await self.agent.up(*(port.port_id for port in self.ports))
        await asyncio.to_thread(self._open, self.red, self.ports[0], OWN_SUB)
        await asyncio.to_thread(self._open, self.blue, self.ports[1], PARENT)
        return self

    def _open(self, tenant: Tenant, port: LocalPort, place: Place) -> None:
        """The guest's interface behind a tag, in a namespace of its own."""
        guest = Guest(f"{self.guest.name}v{port.vlan}", self.guest.switch, "", port.mac, "")
        self.cloud.lab.guests.append(guest)
        run("ip", "netns", "add", guest.name)
        four, six = tenant.addresses(place)
        interface(guest, port.vlan, port.mac, f"{four}/24", f"{six}/64")
        n = place.network
        for family, gateway in (("-4", f"10.0.{n}.254"), ("-6", f"fd00:{n}::fe")):
            guest.run("ip", family, "route", "add", "default", "via", gateway)
        self._behind[port.vlan] = guest

    def behind(self, vlan: int) -> Guest:
        """The guest's interface behind a tag."""
        return self._behind[vlan]

    def wire(self) -> Wire:
        """The guest's end of its VIF, as it is on the wire."""
        return Wire(self.guest.switch, "trunk0")


@pytest.fixture
async def trunk(cloud: MakeCloud) -> Trunk:
    return await Trunk(await cloud(2)).start()


async def answered(source: Guest, *targets: str) -> dict[str, int]:
    """How many of three pings each answers, the first included."""
    return {target: await asyncio.to_thread(source.ping, target) for target in targets}


async def test_every_path_of_a_subport(trunk: Trunk) -> None:
    """Same host and other host, same subnet and routed, both versions, both encapsulations."""
    own, other = trunk.behind(7), trunk.behind(8)
    for source, targets in (
        # The parent's own, untagged; and, by the router, its own subport on the same VIF.
        (trunk.guest, ("10.0.0.2", "10.0.0.3", "10.0.1.5", "fd00:0::3", "10.0.1.1", "fd00:1::1")),
        # VLAN 7, in the other network of the tenant.
        (own, ("10.0.1.4", "10.0.1.5", "10.0.0.2", "10.0.0.3", "10.0.0.1")),
        (own, ("fd00:1::4", "fd00:1::5", "fd00:0::2", "fd00:0::3", "fd00:0::1")),
        # VLAN 8: the second tenant, with the parent's very addresses, over MPLS.
        (other, ("10.0.0.2", "10.0.0.3", "fd00:0::2", "fd00:0::3")),
    ):
        assert await answered(source, *targets) == dict.fromkeys(targets, 3)
    # And to it, from either host.
    for place in (ROUTED, ROUTED_FAR, NEAR, FAR):
        guest = trunk.cloud.guests[0, place]
        assert await answered(guest, "10.0.1.1", "fd00:1::1") == {"10.0.1.1": 3, "fd00:1::1": 3}
    with trunk.wire() as wire, Wire(trunk.cloud.guests[1, NEAR]) as blue:
        # The second tenant's broadcast is behind VLAN 8, and nowhere else.
        mark = b"flooded-to-the-subport"
        head = Ether(src=str(trunk.blue.mac(NEAR)), dst="ff:ff:ff:ff:ff:ff")
        packet = IP(src="10.0.0.2", dst="10.0.0.255") / UDP(sport=5, dport=6) / Raw(mark)
        blue.send(bytes(head / packet))
        frames = wire.frames(mark)
    # The kernel takes the tag off before a packet socket sees it, and drops nothing here: one copy.
    assert len(frames) == 1


def dropped(tags: dict[str, int]) -> int:
    return tags.get("tagged", 0)


async def test_a_tag_of_nobody_goes_nowhere(trunk: Trunk) -> None:
    """Nor does one reach behind a trunk from its parent's network, or from an ordinary port."""
    red, near = trunk.red, trunk.cloud.guests[0, NEAR]
    mark = b"with-a-tag-of-its-own"
    inner = IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=5, dport=6) / Raw(mark)
    before = dropped(await trunk.agent.reconciler.drops())
    with trunk.wire() as wire, Wire(near) as sender:
        for vlan in (7, 8, 9):
            ether = Ether(src=str(red.mac(NEAR)), dst=str(red.mac(PARENT)))
            sender.send(bytes(ether / Dot1Q(vlan=vlan) / inner))
        ether = Ether(src=str(red.mac(NEAR)), dst=str(red.mac(PARENT)))
        assert wire.count(mark) == 0
        # A tag that is there for its priority alone is none (IEEE 802.1Q).
        sender.send(bytes(ether / Dot1Q(vlan=0, prio=5) / inner))
        assert wire.count(mark, enough=1) == 1
    with trunk.wire() as sender, Wire(near) as wire:
        ether = Ether(src=str(red.mac(PARENT)), dst=str(red.mac(NEAR)))
        inner = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=6) / Raw(mark)
        sender.send(bytes(ether / Dot1Q(vlan=9) / inner))
        assert wire.count(mark) == 0
    assert dropped(await trunk.agent.reconciler.drops()) == before + 4


async def test_a_subport_has_security_of_its_own(trunk: Trunk) -> None:
    """Spoofed sources behind a tag are refused, and the groups of the subport decide."""
    red, far = trunk.red, trunk.cloud.guests[0, ROUTED_FAR]
    mark = b"spoofed-behind-a-tag"
    with trunk.wire() as sender, Wire(far) as wire:
        for source, ip in ((red.mac(OWN_SUB), "10.0.1.9"), (red.mac(PARENT), "10.0.1.1")):
            ether = Ether(src=str(source), dst=str(red.mac(ROUTED_FAR))) / Dot1Q(vlan=7)
            sender.send(bytes(ether / IP(src=ip, dst="10.0.1.5") / UDP() / Raw(mark)))
        assert wire.count(mark) == 0
        ether = Ether(src=str(red.mac(OWN_SUB)), dst=str(red.mac(ROUTED_FAR))) / Dot1Q(vlan=7)
        sender.send(bytes(ether / IP(src="10.0.1.1", dst="10.0.1.5") / UDP() / Raw(mark)))
        assert wire.count(mark, enough=1) == 1
    closed = msgspec.structs.replace(trunk.ports[0], security_groups=("nothing",))
    assert not await trunk.agent.put(closed)
    await trunk.agent.settle()
    assert await answered(far, "10.0.1.1") == {"10.0.1.1": 0}
    assert await answered(trunk.behind(7), "10.0.1.5") == {"10.0.1.5": 0}
    assert await answered(trunk.behind(8), "10.0.0.3") == {"10.0.0.3": 3}
    assert await answered(trunk.guest, "10.0.0.3") == {"10.0.0.3": 3}


async def test_a_subport_is_told_by_dhcp(trunk: Trunk, tmp_path: Path) -> None:
    """The same question untagged and behind each tag: each is told what its port is."""
    for subnet in (subnet_4(trunk.red), subnet_4(trunk.red, 1), subnet_4(trunk.blue)):
        assert not await trunk.agent.put(subnet)
    await trunk.agent.settle()
    for guest, address in (
        (trunk.behind(7), "10.0.1.1"),
        (trunk.behind(8), "10.0.0.1"),
        (trunk.guest, "10.0.0.1"),
    ):
        told = await asyncio.to_thread(udhcpc, guest, tmp_path)
        assert (told["event"], told["ip"]) == ("bound", address)


async def test_numbers_and_connections_survive_restarts(trunk: Trunk) -> None:
    """The zone is the number of the subport's own patch port, which stays as it was."""
    switch = trunk.agent.switch

    def numbers() -> list[str]:
        table = ("--columns=ofport", "--bare", "--no-headings", "find", "Interface", "type=patch")
        return sorted(switch.vsctl(*table).split())

    before = numbers()
    assert len(before) == 4
    flows = trunk.behind(7).run("ping", "-c", "1", "-W", "1", "10.0.1.5", check=False)
    assert "1 received" in flows
    zones = set(switch.appctl("dpctl/dump-conntrack").split("zone=")[1:])
    used = {int(zone.split(",")[0].split()[0]) for zone in zones}
    ours = {int(number) for number in before}
    assert used & ours
    assert max(ours) < 0x8000
    pings = asyncio.create_task(
        asyncio.to_thread(
            trunk.behind(7).run, "ping", "-c", "600", "-i", "0.005", "-W", "1", "10.0.1.5"
        )
    )
    await asyncio.sleep(0.3)
    for _ in range(3):
        agent = await trunk.cloud.restart(0)
        await agent.up(*(port.port_id for port in trunk.ports))
    assert "600 received" in await pings
    assert numbers() == before
    assert await trunk.cloud.agents[0].reconciler.audit() == []


async def test_a_subport_comes_and_goes(trunk: Trunk) -> None:
    """Its patch ports with it; a port that is gone when the agent starts goes once in sync."""
    switch, agent = trunk.agent.switch, trunk.agent
    first, second = trunk.ports

    def pairs() -> int:
        return switch.vsctl("list-ports", "br-int").count("sdi-")

    assert pairs() == 2
    await agent.drop([second.key])
    await until(lambda: pairs() == 1)
    assert await answered(trunk.behind(8), "10.0.0.3") == {"10.0.0.3": 0}
    assert await answered(trunk.behind(7), "10.0.1.5") == {"10.0.1.5": 3}
    # Another tag: the same port, elsewhere on the trunk.
    assert not await agent.put(msgspec.structs.replace(first, vlan=70))
    await agent.settle()
    assert await answered(trunk.behind(7), "10.0.1.5") == {"10.0.1.5": 0}
    assert not await agent.put(first)
    await agent.settle()
    assert await answered(trunk.behind(7), "10.0.1.5") == {"10.0.1.5": 3}
    # Without its trunk's VIF it is down, and says why.
    await asyncio.to_thread(trunk.guest.unplug)
    await until(lambda: "trunk's VIF" in agent.vifs[first.port_id].reason)
    await asyncio.to_thread(trunk.guest.plug)
    await agent.up(first.port_id)
    assert await answered(trunk.behind(7), "10.0.1.5") == {"10.0.1.5": 3}
    # The agent is away while the subport goes.
    await agent.stop()
    del agent.desired[first.key]
    agent = await trunk.cloud.restart(0, sync=False)
    await asyncio.sleep(0.3)
    assert pairs() == 1, "nothing goes before all is known"
    agent.reconciler.in_sync()
    await until(lambda: pairs() == 0)
    assert await agent.reconciler.audit() == []
