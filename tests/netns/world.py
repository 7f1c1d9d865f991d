"""Tenants on hypervisors: the resources that a controller would send, built by hand.

A tenant has one router and two networks; every guest's address and MAC follow from its place,
so two tenants overlap entirely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sdnctl.desired import (
    Desired,
    Evi,
    FdbEntry,
    FibEntry,
    FloodEntry,
    Irb,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    SecurityRule,
    Vrf,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from tests.netns.agents import Agent
from tests.netns.harness import Guest, Lab, Switch

BOTH = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)


OPEN = tuple(
    SecurityRule("open", f"open{version}{ingress}", ingress=ingress, version=version)
    for version in (4, 6)
    for ingress in (True, False)
)
"""A security group that allows everything."""


def router_mac(host: int) -> Mac:
    return Mac.parse(f"02:00:00:00:00:{host:02x}")


@dataclass(frozen=True)
class Place:
    """Where a guest sits: hypervisor, network 0 or 1, number in it."""

    host: int
    network: int
    number: int


@dataclass
class Tenant:
    """Two networks and a router between them."""

    number: int
    encapsulations: tuple[Encapsulation, ...] = BOTH
    places: list[Place] = field(default_factory=list)
    security_groups: tuple[str, ...] = ("open",)

    @property
    def vrf(self) -> Vrf:
        return Vrf(Vni(1000 + self.number), Label(5000 + self.number))

    def evi(self, network: int) -> Evi:
        number = 2 * self.number + network
        return Evi(Vni(100 + number), Label(600 + number), 1400, self.vrf.vni)

    def irb(self, network: int) -> Irb:
        mac = Mac.parse(f"fa:16:3e:ff:00:0{network}")
        gateways = (
            (Ip.parse(f"10.0.{network}.254"), 24),
            (Ip.parse(f"fd00:{network}::fe"), 64),
        )
        return Irb(self.evi(network).vni, self.vrf.vni, f"gw{network}", mac, gateways)

    def mac(self, place: Place) -> Mac:
        return Mac.parse(f"fa:16:3e:00:0{place.network}:{place.number:02x}")

    def addresses(self, place: Place) -> tuple[Ip, ...]:
        n, k = place.network, place.number
        return (Ip.parse(f"10.0.{n}.{k}"), Ip.parse(f"fd00:{n}::{k}"))

    def port_id(self, place: Place) -> str:
        return f"t{self.number}n{place.network}p{place.number}"

    def port(self, place: Place) -> LocalPort:
        return LocalPort(
            self.port_id(place),
            self.evi(place.network).vni,
            self.vrf.vni,
            self.mac(place),
            self.addresses(place),
            security_groups=self.security_groups,
        )

    def guest(self, lab: Lab, switch: Switch, place: Place) -> Guest:
        self.places.append(place)
        four, six = self.addresses(place)
        n = place.network
        return lab.guest(
            switch,
            self.port_id(place),
            self.mac(place),
            f"{four}/24",
            f"{six}/64",
            gateways=(f"10.0.{n}.254", f"fd00:{n}::fe"),
        )

    def hop(self, switches: list[Switch], host: int, network: int | None) -> NextHop:
        """The way to a host's bridge table, or to its VRF."""
        target = self.vrf if network is None else self.evi(network)
        mac = router_mac(host) if network is None else None
        vtep = switches[host].vtep
        return NextHop(vtep, target.label, target.vni, self.encapsulations, mac)

    def groups(self, switches: list[Switch]) -> Iterator[Desired]:
        """What every member gets, the owner included."""
        yield self.vrf
        yield from OPEN
        for network in (0, 1):
            yield self.evi(network)
            yield self.irb(network)
            for host in sorted({p.host for p in self.places if p.network == network}):
                yield FloodEntry(self.evi(network).vni, self.hop(switches, host, network))
        for place in self.places:
            vni = self.evi(place.network).vni
            yield FdbEntry(vni, self.mac(place), self.hop(switches, place.host, place.network))
            for ip in self.addresses(place):
                yield Neighbor(vni, ip, self.mac(place))
                via = (self.hop(switches, place.host, None),)
                yield FibEntry(self.vrf.vni, Prefix.host(ip), via)


def node(switches: list[Switch], host: int) -> Node:
    return Node(f"h{host}", switches[host].vtep, BOTH, 1500, router_mac(host))


async def program(agents: list[Agent], switches: list[Switch], *tenants: Tenant) -> None:
    """Everything to every agent."""
    for host, agent in enumerate(agents):
        resources: list[Desired] = [node(switches, host)]
        for tenant in tenants:
            resources += tenant.groups(switches)
            resources += [tenant.port(p) for p in tenant.places if p.host == host]
        failures = await agent.put(*resources)
        assert not failures, failures
        agent.reconciler.in_sync()


class Cloud:
    """Hypervisors with a started agent each; tenants added, then ``program``."""

    def __init__(self, lab: Lab, hosts: int) -> None:
        self.lab = lab
        self.switches = [lab.hypervisor() for _ in range(hosts)]
        self.agents: list[Agent] = []
        self.tenants: list[Tenant] = []
        self.guests: dict[tuple[int, Place], Guest] = {}

    async def start(self) -> None:
        self.agents = [await Agent(switch).start() for switch in self.switches]

    async def close(self) -> None:
        for agent in self.agents:
            await agent.stop()

    def tenant(self, *places: Place, encapsulations: tuple[Encapsulation, ...] = BOTH) -> Tenant:
        tenant = Tenant(len(self.tenants), encapsulations)
        self.tenants.append(tenant)
        for place in places:
            guest = tenant.guest(self.lab, self.switches[place.host], place)
            self.guests[tenant.number, place] = guest
        return tenant

    async def program(self) -> None:
        """Everything to every agent; every guest plugged and up."""
        await program(self.agents, self.switches, *self.tenants)
        for guest in self.guests.values():
            guest.plug()
        for number, place in self.guests:
            await self.agents[place.host].up(self.tenants[number].port_id(place))

    async def restart(self, host: int, *, sync: bool = True) -> Agent:
        """Replace a host's agent by a new one that is told the same."""
        old = self.agents[host]
        await old.stop()
        new = self.agents[host] = await Agent(old.switch).start()
        assert not await new.put(*old.desired.values())
        if sync:
            new.reconciler.in_sync()
        return new

    def resources(self, host: int) -> Iterable[Desired]:
        return self.agents[host].desired.values()
