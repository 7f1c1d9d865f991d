"""What the tenants ask for, and the guests that a compute service would start for them.

Every pairing occurs: same host and other host, same subnet and other subnet. Both tenants
have the same subnets; all guests but the last have the same address in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sdnctl.lab import guests
from sdnctl.lab.demo.api import Api, Item
from sdnctl.lab.lab import Lab
from sdnctl.lab.topology import Role

ASN: Final = 64512
SUBNETS: Final = {
    "front": ("10.0.0.0/24", "fd00:0:0:1::/64"),
    "back": ("10.0.1.0/24", "fd00:0:0:2::/64"),
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant: its pinned encapsulation, its route target, its last guest's host part."""

    name: str
    encapsulation: str
    target: str
    own: int


TENANTS: Final = (
    Tenant("red", "vxlan", f"{ASN}:1", 31),
    Tenant("blue", "mpls-gre", f"{ASN}:2", 41),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A guest to be: its network and hypervisor; ``host_part`` of its address, 0: its own."""

    name: str
    network: str
    hypervisor: str
    host_part: int


PLACES: Final = (
    Place("web1", "front", "hv1", 11),
    Place("web2", "front", "hv1", 12),
    Place("web3", "front", "hv2", 13),
    Place("db1", "back", "hv2", 21),
    Place("db2", "back", "hv3", 0),
)


@dataclass(frozen=True, slots=True)
class Station:
    """Whoever pings and is pinged: a guest, or the outside of a tenant; a node of the lab."""

    tenant: str
    name: str
    node: str
    addresses: tuple[str, ...]


def register(lab: Lab, api: Api) -> None:
    """What an operator tells the controller: hypervisors, cables, the gateway's session."""
    for node in lab.topology.with_role(Role.HYPERVISOR, Role.GATEWAY):
        (cable,) = (e for e in lab.topology.endpoints(node.name) if e.addresses)
        address = cable.addresses[0].partition("/")[0]
        if node.role is Role.HYPERVISOR:
            mtu = lab.topology.mtu(cable)
            api.create(
                *("/sdn/v1/hypervisors", "hypervisor"),
                id=node.name,
                vtep=address,
                mtu=mtu,
                datapath_type="netdev",
            )
        else:
            api.create("/sdn/v1/gateways", "gateway", id=node.name, address=address)
            families = ["ipv4-vpn", "ipv6-vpn"]
            api.create(
                *("/sdn/v1/bgp-peers", "bgp_peer"),
                id=node.name,
                address=address,
                asn=ASN,
                families=families,
            )
        api.create(
            "/sdn/v1/links", "link", id=f"{node.name}-underlay", a=node.name, b="underlay", cost=1
        )


def build(api: Api, tenant: Tenant) -> dict[str, Item]:
    """A tenant's networks, subnets and router; the networks by name."""
    networks = {}
    router = api.create(
        "/v2.0/routers",
        "router",
        **{
            "name": tenant.name,
            "sdn:import_targets": [tenant.target],
            "sdn:export_targets": [tenant.target],
        },
    )
    for name, prefixes in SUBNETS.items():
        network = api.create(
            "/v2.0/networks",
            "network",
            **{"name": f"{tenant.name}-{name}", "sdn:encapsulation": tenant.encapsulation},
        )
        networks[name] = network
        for prefix in prefixes:
            version = 6 if ":" in prefix else 4
            subnet = api.create(
                *("/v2.0/subnets", "subnet"),
                network_id=network["id"],
                cidr=prefix,
                ip_version=version,
            )
            path = f"/v2.0/routers/{router['id']}/add_router_interface"
            api.send("PUT", path, {"subnet_id": subnet["id"]})
        network["subnets"] = api.send("GET", f"/v2.0/subnets?network_id={network['id']}")["subnets"]
    return networks


def allow_ping(api: Api, tenant: Tenant) -> str:
    """A security group that lets pings in from anywhere, the outside included; its id."""
    group = api.create("/v2.0/security-groups", "security_group", name=tenant.name)
    for ethertype in ("IPv4", "IPv6"):
        api.create(
            *("/v2.0/security-group-rules", "security_group_rule"),
            security_group_id=group["id"],
            direction="ingress",
            ethertype=ethertype,
            protocol="icmp",
        )
    return str(group["id"])


def populate(lab: Lab, api: Api, tenant: Tenant, networks: dict[str, Item]) -> Iterator[Station]:
    """Create each guest's port and plug the guest."""
    security_group = allow_ping(api, tenant)
    for place in PLACES:
        network = networks[place.network]
        host_part = place.host_part or tenant.own
        wanted = [
            {"subnet_id": s["id"], "ip_address": s["cidr"].replace("0/24", str(host_part))}
            if s["ip_version"] == 4
            else {"subnet_id": s["id"], "ip_address": s["cidr"].replace("/64", f"{host_part}")}
            for s in network["subnets"]
        ]
        name = f"{tenant.name}-{place.name}"
        port = api.create(
            "/v2.0/ports",
            "port",
            **{
                "name": name,
                "network_id": network["id"],
                "binding:host_id": place.hypervisor,
                "device_owner": "compute:demo",
                "fixed_ips": wanted,
                "security_groups": [security_group],
            },
        )
        subnets = {s["id"]: s for s in network["subnets"]}
        fixed = [(f["ip_address"], subnets[f["subnet_id"]]) for f in port["fixed_ips"]]
        guests.plug(
            *(lab, name),
            hypervisor=place.hypervisor,
            port_id=port["id"],
            mac=port["mac_address"],
            addresses=[f"{ip}/{s['cidr'].rpartition('/')[2]}" for ip, s in fixed],
            gateways=[s["gateway_ip"] for _, s in fixed],
            mtu=network["mtu"],
        )
        yield Station(tenant.name, place.name, name, tuple(ip for ip, _ in fixed))


def outside(lab: Lab, tenant: Tenant) -> Station:
    """The host that a tenant reaches through the gateway."""
    node = f"outside-{tenant.name}"
    addresses = [a.partition("/")[0] for e in lab.topology.endpoints(node) for a in e.addresses]
    return Station(tenant.name, "out", node, tuple(addresses))
