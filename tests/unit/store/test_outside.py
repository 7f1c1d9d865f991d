"""What the way out takes of the store: the numbers of external networks, the zones of routers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import pytest

from sdnctl.intent import FloatingIp, Network, Port, Router, RouterGateway, VrfNumbers
from sdnctl.store import Exhausted, Ranges, Store, Taken, Transaction
from sdnctl.types import Ip, Mac
from tests.unit.store.rows import add_network


def add_router(tx: Transaction, id_: str, *, translates: bool = True) -> Router:
    row = Router(
        id=id_,
        vni=tx.allocate_vni(),
        label=tx.allocate_label(),
        number=tx.allocate_rd_number(),
        gateway=RouterGateway("n", "p") if translates else None,
        nat=tx.allocate_nat() if translates else 0,
    )
    tx.put(row)
    return row


async def test_zones_are_the_routers_own_and_come_back(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db", ranges=Ranges(nats=(1, 2)))
    first = await store.transact(lambda tx: add_router(tx, "a"))
    await store.transact(lambda tx: add_router(tx, "b", translates=False))
    await store.transact(lambda tx: add_router(tx, "c", translates=False))
    second = await store.transact(lambda tx: add_router(tx, "d"))
    assert (first.nat, second.nat) == (1, 2)
    with pytest.raises(Exhausted, match="no free nat"):
        await store.transact(lambda tx: add_router(tx, "e"))
    with pytest.raises(Taken):
        await store.transact(lambda tx: tx.put(msgspec.structs.replace(second, nat=1)))
    await store.transact(lambda tx: tx.delete(Router, "a"))
    await store.close()
    # A restart moves nothing and forgets nothing.
    store = await Store.open(tmp_path / "db", ranges=Ranges(nats=(1, 2)))
    assert store.get(Router, "d") == second
    assert (await store.transact(lambda tx: add_router(tx, "e"))).nat == 1
    await store.close()


def test_every_router_has_a_zone_beside_the_hypervisors() -> None:
    """Zone 0x8000 is the hypervisor's own, the bit marks what translates."""
    first, last = Ranges().nats
    assert first == 1
    assert last | 0x8000 == 0xFFFF


async def test_an_external_network_holds_what_routes_it(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")

    def make(tx: Transaction) -> Network:
        network = add_network(tx, "n")
        vrf = VrfNumbers(
            vni=tx.allocate_vni(),
            label=tx.allocate_label(),
            number=tx.allocate_rd_number(),
            mac=tx.allocate_mac("n"),
        )
        network = msgspec.structs.replace(network, external=True, vrf=vrf)
        tx.put(network)
        return network

    network = await store.transact(make)
    vrf = network.vrf
    assert vrf is not None
    other = await store.transact(lambda tx: add_network(tx, "m"))
    assert {other.vni, other.label, other.number}.isdisjoint({vrf.vni, vrf.label, vrf.number})
    for field in ("vni", "label", "number"):
        changed = msgspec.structs.replace(other, **{field: getattr(vrf, field)})
        with pytest.raises(Taken):
            await store.transact(partial(Transaction.put, row=changed))
    with pytest.raises(Taken):
        await store.transact(lambda tx: tx.put(Port(id="p", network_id="n", mac=vrf.mac)))
    await store.transact(lambda tx: tx.delete(Network, "n"))
    await store.transact(
        lambda tx: tx.put(msgspec.structs.replace(other, vni=vrf.vni, label=vrf.label))
    )
    await store.close()


async def test_the_ports_outside_are_found_by_owner_and_network(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    owners = ("network:router_gateway", "network:floatingip", "network:floatingip_agent_gateway")

    def make(tx: Transaction) -> None:
        for number, owner in enumerate((*owners, "network:router_interface", "compute:nova", "")):
            mac = Mac.parse(f"02:0:0:0:0:{number}")
            tx.put(Port(id=owner or "none", network_id="n", mac=mac, device_owner=owner))
        tx.put(FloatingIp(id="f", network_id="n", ip=Ip.parse("192.0.2.1"), floating_port_id="x"))

    await store.transact(make)
    for owner in owners:
        assert [port.id for port in store.find(Port, "outside", (owner, "n"))] == [owner]
        assert store.find(Port, "outside", (owner, "m")) == []
    assert store.find(Port, "outside", ("compute:nova", "n")) == []
    [floating] = store.find(FloatingIp, "ip", Ip.parse("192.0.2.1"))
    assert floating.id == "f"
    await store.close()
