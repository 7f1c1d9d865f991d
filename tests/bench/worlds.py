"""Clouds of any size for the benchmarks, as rows of intent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdnctl.graph.engine import Relation
from sdnctl.graph.relations.inputs import HYPERVISOR, NETWORK, PORT, ROUTER, SUBNET
from sdnctl.intent import (
    ROUTER_INTERFACE_OWNER,
    FixedIp,
    Hypervisor,
    Network,
    Port,
    Router,
    Subnet,
)
from sdnctl.types import Ip, Label, Mac, Prefix, Vni

Write = tuple[Relation[Any, Any], str, Any]

PORTS_PER_NETWORK = 20
NETWORKS_PER_ROUTER = 5
HOSTS_PER_NETWORK = 4
WIDE = 2
"""Networks over all hypervisors, in ``layout``."""


def cloud(ports: int, hypervisors: int) -> Iterator[Write]:
    """``ports`` guests in networks of 20, five networks to a router, each over four hosts."""
    for n in range(hypervisors):
        vtep = Ip.from_number(0xC0000200 + n, 4)
        yield HYPERVISOR, f"h{n}", Hypervisor(id=f"h{n}", vtep=vtep)
    for n in range(max(1, ports // PORTS_PER_NETWORK)):
        router = n // NETWORKS_PER_ROUTER
        if n % NETWORKS_PER_ROUTER == 0:
            yield (
                ROUTER,
                f"r{router}",
                Router(
                    id=f"r{router}",
                    vni=Vni(1_000_000 + router),
                    label=Label(500_000 + router),
                    number=40_000 + router,
                ),
            )
        yield (
            NETWORK,
            f"n{n}",
            Network(id=f"n{n}", vni=Vni(5000 + n), label=Label(100 + n), number=n + 1),
        )
        base = Ip.from_number(0x0A000000 + n % NETWORKS_PER_ROUTER * 65536, 4)
        gateway = Ip.from_number(base.number + 1, 4)
        yield (
            SUBNET,
            f"s{n}",
            Subnet(id=f"s{n}", network_id=f"n{n}", prefix=Prefix(base, 16), gateway_ip=gateway),
        )
        yield (
            PORT,
            f"i{n}",
            Port(
                id=f"i{n}",
                network_id=f"n{n}",
                mac=Mac((0xFE << 40 | n).to_bytes(6, "big")),
                fixed_ips=(FixedIp(f"s{n}", gateway),),
                device_id=f"r{router}",
                device_owner=ROUTER_INTERFACE_OWNER,
            ),
        )
    for n in range(ports):
        yield guest(n, ports, hypervisors)


def guest(n: int, ports: int, hypervisors: int) -> Write:
    """The n-th port of a cloud of that size; n may go past it."""
    networks = max(1, ports // PORTS_PER_NETWORK)
    network, turn = n % networks, n // networks
    host = (network * 7 + turn % HOSTS_PER_NETWORK) % hypervisors
    address = 0x0A000000 + network % NETWORKS_PER_ROUTER * 65536 + 2 + turn
    return (
        PORT,
        f"p{n}",
        Port(
            id=f"p{n}",
            network_id=f"n{network}",
            mac=Mac((0xFA << 40 | n).to_bytes(6, "big")),
            fixed_ips=(FixedIp(f"s{network}", Ip.from_number(address, 4)),),
            host=f"h{host}",
        ),
    )


def layout(hypervisors: list[str], ports: int) -> Iterator[tuple[list[str], int]]:
    """Networks as (hypervisors, ports): ``WIDE`` ones over all, then those over two of 20 ports.

    Two thirds of the ports are in the latter; a network's ports are on its hypervisors in turn.
    """
    wide_ports = ports // 3 // WIDE
    for _number in range(WIDE):
        yield hypervisors, wide_ports
    for number in range((ports - WIDE * wide_ports) // PORTS_PER_NETWORK):
        first = number % len(hypervisors)
        yield [hypervisors[first], hypervisors[(first + 1) % len(hypervisors)]], PORTS_PER_NETWORK
