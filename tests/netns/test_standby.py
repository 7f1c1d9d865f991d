"""Ports whose guests are elsewhere, in a real switch: what leads to them, and what goes on.

Everything is told to the agents by hand, so that they can be out of step with each other for as
long as a test likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import pytest

from sdnctl.desired import FdbEntry, FibEntry, LocalPort
from sdnctl.types import Encapsulation, Prefix
from tests.netns.harness import Guest
from tests.netns.wire import BROADCAST, Wire, arp_request, neighbor_advert, udp
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

HERE, SENDER, BEHIND = Place(0, 0, 1), Place(2, 0, 3), Place(2, 1, 4)
ENCAPSULATIONS = [(Encapsulation.VXLAN,), (Encapsulation.MPLS_GRE,)]


def standby(made: Cloud, tenant: Tenant, onward: int | None = None) -> LocalPort:
    """The guest's port where it is not, sent on to a host if that is given."""
    port = msgspec.structs.replace(tenant.port(HERE), standby=True, picks_up=True)
    if onward is None:
        return port
    return msgspec.structs.replace(
        port,
        onward=tenant.hop(made.switches, onward, 0),
        onward_routed=tenant.hop(made.switches, onward, None),
    )


def routes(made: Cloud, tenant: Tenant, host: int) -> list[FdbEntry | FibEntry]:
    """The guest's own, as if it were on that host."""
    via = tenant.hop(made.switches, host, None)
    prefixes = map(Prefix.host, tenant.addresses(HERE))
    fdb = FdbEntry(tenant.evi(0).vni, tenant.mac(HERE), tenant.hop(made.switches, host, 0))
    return [fdb, *(FibEntry(tenant.vrf.vni, prefix, (via,)) for prefix in prefixes)]


def twin(made: Cloud, tenant: Tenant, host: int) -> Guest:
    """Another guest with the same port, plugged into another host."""
    four, six = tenant.addresses(HERE)
    guest = made.lab.guest(
        *(made.switches[host], tenant.port_id(HERE), tenant.mac(HERE), f"{four}/24", f"{six}/64"),
        gateways=("10.0.0.254", "fd00:0::fe"),
    )
    guest.plug()
    return guest


async def answered(guest: Guest, addresses: Iterable[object]) -> list[int]:
    return [await asyncio.to_thread(guest.ping, str(address)) for address in addresses]


@pytest.mark.parametrize("encapsulations", ENCAPSULATIONS, ids=["vxlan", "mpls"])
async def test_it_is_there_before_anybody_is_told(
    cloud: MakeCloud, encapsulations: tuple[Encapsulation, ...]
) -> None:
    """The order in which hypervisors learn of a move does not matter: neither the destination
    nor the sender needs to be first, and nobody is sent to a guest that is still expected."""
    made = await cloud(3)
    tenant = made.tenant(HERE, SENDER, BEHIND, Place(1, 0, 2), encapsulations=encapsulations)
    await made.program()
    source, sender = made.guests[0, HERE], made.guests[0, SENDER]
    behind, neighbor = made.guests[0, BEHIND], made.guests[0, Place(1, 0, 2)]
    addresses = tenant.addresses(HERE)
    twin(made, tenant, 1)
    assert not await made.agents[1].put(standby(made, tenant))
    await made.agents[1].up(tenant.port_id(HERE))
    with Wire(source) as wire:  # everybody's pings go to where it is, also those next to its twin
        for guest in (sender, behind, neighbor):
            assert await answered(guest, addresses) == [3, 3]
        assert wire.received()
    await asyncio.to_thread(source.run, "ip", "link", "set", "eth0", "down")
    assert not await made.agents[2].put(*routes(made, tenant, 1))
    await made.agents[2].settle()
    for guest in (sender, behind):
        assert await answered(guest, addresses) == [3, 3], "the sender was told first"


@pytest.mark.parametrize("encapsulations", ENCAPSULATIONS, ids=["vxlan", "mpls"])
async def test_what_comes_late_goes_on(
    cloud: MakeCloud, encapsulations: tuple[Encapsulation, ...]
) -> None:
    """A sender that was not told yet reaches the guest through the hypervisor that it left."""
    made = await cloud(3)
    local = Place(0, 0, 5)
    tenant = made.tenant(HERE, SENDER, BEHIND, local, encapsulations=encapsulations)
    await made.program()
    addresses = tenant.addresses(HERE)
    gone, here = made.guests[0, HERE], twin(made, tenant, 1)
    await asyncio.to_thread(gone.run, "ip", "link", "set", "eth0", "down")
    assert not await made.agents[1].put(tenant.port(HERE), *routes(made, tenant, 1))
    await made.agents[1].up(tenant.port_id(HERE))
    assert not await made.agents[0].put(standby(made, tenant, 1), *routes(made, tenant, 1))
    await made.agents[0].settle()
    for sender in (made.guests[0, SENDER], made.guests[0, BEHIND]):
        assert await answered(sender, addresses) == [3, 3]
    assert await answered(made.guests[0, local], addresses) == [3, 3], "from the host that it left"
    assert await answered(here, tenant.addresses(SENDER)) == [3, 3]
    for agent in made.agents:
        assert await agent.reconciler.audit() == []


@pytest.mark.parametrize("encapsulations", ENCAPSULATIONS, ids=["vxlan", "mpls"])
async def test_nothing_goes_round(
    cloud: MakeCloud, encapsulations: tuple[Encapsulation, ...]
) -> None:
    """Two hypervisors that each believe the guest to be at the other: as when it went back and
    forth while one of them heard nothing."""
    made = await cloud(3)
    tenant = made.tenant(HERE, SENDER, BEHIND, encapsulations=encapsulations)
    await made.program()
    twin(made, tenant, 1)
    assert not await made.agents[0].put(standby(made, tenant, 1))
    assert not await made.agents[1].put(standby(made, tenant, 0))
    await made.agents[1].up(tenant.port_id(HERE))
    await made.agents[0].settle()
    for place in (SENDER, BEHIND):
        guest = made.guests[0, place]
        mark = b"round and round"
        router = tenant.irb(place.network).mac
        target = tenant.mac(HERE) if place.network == HERE.network else router
        frame = udp(
            *(tenant.mac(place), target, tenant.addresses(place)[0], tenant.addresses(HERE)[0]),
            *(4000, mark),
        )
        with Wire(guest) as sending, Wire(made.switches[1], "eth0") as underlay:
            sending.send(frame)
            assert 0 < await asyncio.to_thread(underlay.count, mark, 0.6) <= 2


async def test_a_guest_that_is_expected_may_speak(cloud: MakeCloud) -> None:
    """It resumes before its binding is activated: what it says of itself (qemu's RARP, gratuitous
    ARP, unsolicited advertisements) and all else goes out, and takes nothing from anybody."""
    made = await cloud(3)
    tenant = made.tenant(HERE, SENDER)
    await made.program()
    early = twin(made, tenant, 1)
    assert not await made.agents[1].put(standby(made, tenant))
    await made.agents[1].up(tenant.port_id(HERE))
    addresses = tenant.addresses(HERE)
    mac = tenant.mac(HERE)
    rarp = b"\xff" * 6 + mac + bytes.fromhex("8035000108000604") + b"\0\3" + mac + bytes(4)
    rarp += mac + bytes(22)
    mark = b"spoken early"
    frame = udp(mac, tenant.mac(SENDER), addresses[0], tenant.addresses(SENDER)[0], 4000, mark)
    with Wire(early) as wire, Wire(made.guests[0, SENDER]) as heard:
        for _ in range(3):
            wire.send(rarp)
            wire.send(arp_request(mac, mac, addresses[0], addresses[0]))
            wire.send(neighbor_advert(mac, BROADCAST, addresses[1], addresses[1], mac))
        wire.send(frame)
        assert await asyncio.to_thread(heard.count, mark, 1, 1) == 1
    assert await answered(made.guests[0, SENDER], addresses) == [3, 3], "it is still at its source"
