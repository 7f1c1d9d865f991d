"""Rows that the store's tests write."""

from __future__ import annotations

import uuid

from sdnctl.intent import FixedIp, Link, Network, Pool, Port, Subnet
from sdnctl.store import Store, Transaction
from sdnctl.types import Ip, Prefix


def add_network(tx: Transaction, id_: str | None = None) -> Network:
    row = Network(
        id=id_ or str(uuid.uuid4()),
        vni=tx.allocate_vni(),
        label=tx.allocate_label(),
        number=tx.allocate_rd_number(),
    )
    tx.put(row)
    return row


def add_subnet(tx: Transaction, network_id: str, prefix: str, first: str, last: str) -> Subnet:
    row = Subnet(
        id=f"subnet-{prefix}",
        network_id=network_id,
        prefix=Prefix.parse(prefix),
        pools=(Pool(Ip.parse(first), Ip.parse(last)),),
    )
    tx.put(row)
    return row


def add_port(tx: Transaction, subnet: Subnet, id_: str | None = None) -> Port:
    row = Port(
        id=id_ or str(uuid.uuid4()),
        network_id=subnet.network_id,
        mac=tx.allocate_mac(subnet.network_id),
        fixed_ips=(FixedIp(subnet.id, tx.allocate_address(subnet)),),
    )
    tx.put(row)
    return row


def link(id_: str, cost: int = 1) -> Link:
    return Link(id=id_, a="x", b="y", cost=cost)


async def put(store: Store, *rows: Link) -> None:
    def work(tx: Transaction) -> None:
        for row in rows:
            tx.put(row)

    await store.transact(work)
