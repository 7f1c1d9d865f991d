"""External networks: what routes them, and the controller's own ports on them.

Promise: an external network has the numbers of a VRF from the transaction that makes it
external, and no router has an interface there. The ports are a router's (its gateway), a
floating IP's, or a hypervisor's; they belong to no project, and no one but the controller makes,
moves or deletes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final

from sdnctl.api.addressing import from_any, serving
from sdnctl.api.errors import ApiError, bad, conflict
from sdnctl.api.work import Work
from sdnctl.intent import (
    FLOATING_IP_OWNER,
    ROUTER_GATEWAY_OWNER,
    SNAT_OWNER,
    FixedIp,
    FloatingIp,
    Network,
    Port,
    Router,
    Subnet,
    VrfNumbers,
)
from sdnctl.types import Ip, Mac

OWNERS: Final = frozenset({ROUTER_GATEWAY_OWNER, FLOATING_IP_OWNER, SNAT_OWNER})
"""The ``device_owner`` of the controller's own ports on external networks."""


def numbers(work: Work, network: Network) -> VrfNumbers:
    """Those of the network's VRF: what it has, or fresh ones."""
    if network.vrf is not None:
        return network.vrf
    tx = work.tx
    return VrfNumbers(
        vni=tx.allocate_vni(),
        label=tx.allocate_label(),
        number=tx.allocate_rd_number(),
        mac=tx.allocate_mac(network.id),
    )


def check_opens(work: Work, network: Network) -> None:
    """A network lies behind a router or in front of it: not both, or its hosts are in two VRFs."""
    port = work.tx.first(Port, "interface_network", network.id)
    if port is not None:
        raise conflict(
            "NetworkInUse",
            f"Unable to complete operation on network {network.id}. It cannot be external, since "
            f"router {port.device_id} has an interface on it, {port.id}.",
        )


def check_closes(work: Work, network: Network) -> None:
    """A network stays external while routers need it."""
    if work.tx.first(Port, "outside", (ROUTER_GATEWAY_OWNER, network.id)) is not None:
        raise conflict(
            "ExternalNetworkInUse",
            f"External network {network.id} cannot be updated to be made non-external, since it "
            "has existing gateway ports.",
        )


def users(work: Work, network: Network) -> set[str]:
    """The projects whose routers have their gateway there."""
    ports = work.tx.find(Port, "outside", (ROUTER_GATEWAY_OWNER, network.id))
    routers = (work.tx.get(Router, port.device_id) for port in ports)
    return {router.project_id for router in routers if router is not None}


def check_not_gateways(
    resource: str, subnets: Iterable[Subnet], addresses: Iterable[Ip | None]
) -> None:
    """The gateways of an external network's subnets are the network's own."""
    taken = {subnet.gateway_ip for subnet in subnets} - {None}
    for address in addresses:
        if address in taken:
            raise bad(resource, f"External IP {address} is the same as the gateway IP")


def add_port(
    work: Work,
    network_id: str,
    mac: Mac,
    fixed_ips: tuple[FixedIp, ...],
    *,
    owner: str,
    device_id: str,
    host: str = "",
) -> Port:
    """One of the controller's own."""
    port = Port(
        id=str(uuid.uuid4()),
        revision_number=1,
        created_at=work.now,
        updated_at=work.now,
        network_id=network_id,
        mac=mac,
        fixed_ips=fixed_ips,
        device_owner=owner,
        device_id=device_id,
        host=host,
        port_security_enabled=False,
    )
    work.tx.put(port)
    return port


def ipv4_subnets(work: Work, network_id: str, owner: str) -> list[Subnet]:
    """Those whose addresses can stand for others, of ports of that ``device_owner``."""
    subnets = serving(work.tx.find(Subnet, "network_id", network_id), owner)
    return [subnet for subnet in subnets if subnet.prefix.version == 4]


def any_ipv4(work: Work, network_id: str, owner: str) -> FixedIp:
    """A free address of an external network for a port of that ``device_owner``."""
    subnets = ipv4_subnets(work, network_id, owner)
    if not subnets:
        raise exhausted(network_id)
    return from_any(work.tx, network_id, subnets)


def exhausted(network_id: str) -> ApiError:
    """There is no IPv4 address to be had."""
    return ApiError(
        400,
        "ExternalIpAddressExhausted",
        f"Unable to find any IP address on external network {network_id}.",
    )


def delete_unused_floating_ips(work: Work, network: Network) -> None:
    """As in Neutron, those that stand for nobody go with their network."""
    for floating in work.tx.find(FloatingIp, "network_id", network.id):
        if not floating.router_id:
            work.tx.delete(Port, floating.floating_port_id)
            work.tx.delete(FloatingIp, floating.id)
