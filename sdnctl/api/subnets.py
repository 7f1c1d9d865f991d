"""Subnets: a prefix on a network, its gateway, and the pools that addresses come from."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sdnctl.api import router_gateways, snat, values
from sdnctl.api.addressing import (
    add_automatic_address,
    check_mtu,
    forms_addresses,
    is_automatic,
    serves,
)
from sdnctl.api.errors import ApiError, conflict, invalid_input, not_found
from sdnctl.api.schema import REQUIRED, Attribute, Of, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.subnetpools import bad_subnet, check_pool_of_network, lend, pool_of
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    FLOATING_IP_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    HostRoute,
    Network,
    Pool,
    Port,
    Row,
    Subnet,
)
from sdnctl.types import Ip, Prefix, overlap

_MODES: Final = values.choice("dhcpv6-stateful", "dhcpv6-stateless", "slaac", None)


_FORM_NONE: Final = {ROUTER_INTERFACE_OWNER, FLOATING_IP_OWNER, SNAT_OWNER}
"""Whose ports have the addresses that they were made for, and form no others."""


def _show_pool(pool: Pool) -> Json:
    return {"start": str(pool.start), "end": str(pool.end)}


def _show_route(route: HostRoute) -> Json:
    return {"destination": str(route.destination), "nexthop": str(route.nexthop)}


def _shown_as(inner: Type, show: Any) -> Type:
    return Type(inner.convert, inner.schema, show)


_POOLS: Final = values.sequence(
    _shown_as(
        values.record(lambda f: Pool(**f), {"start": values.IP, "end": values.IP}, need=2),
        _show_pool,
    )
)
_HOST_ROUTES: Final = values.sequence(
    _shown_as(
        values.record(
            lambda f: HostRoute(**f), {"destination": values.PREFIX, "nexthop": values.IP}, need=2
        ),
        _show_route,
    )
)


_DEVICES: Final = ("network:", "compute:", "baremetal:", "trunk:")
"""What a ``device_owner`` that Neutron knows begins with."""


def _service_type(value: Json) -> str:
    if not isinstance(value, str):
        raise ApiError(
            400,
            "InvalidInputSubnetServiceType",
            f"Subnet service type {str(value)[:40]} is not a string.",
        )
    if not value.startswith(_DEVICES):
        raise ApiError(
            400,
            "InvalidSubnetServiceType",
            f"Subnet service type {value[:40]} does not correspond to a valid device owner.",
        )
    return value


_SERVICE_TYPES: Final = values.sequence(Type(_service_type, values.NAME.schema), most=64)


def usable(prefix: Prefix) -> tuple[int, int]:
    """The first and last address that a host may have, as numbers.

    IPv4 leaves out the network's and the broadcast address but for /31 (RFC 3021) and /32;
    IPv6 leaves out the subnet-router anycast address (RFC 4291 section 2.6.1) but for /127
    (RFC 6164) and /128.
    """
    first = prefix.ip.number
    last = first + (1 << (prefix.ip.bits - prefix.length)) - 1
    if prefix.ip.bits - prefix.length <= 1:
        return first, last
    return first + 1, last - (prefix.version == 4)


def default_gateway(prefix: Prefix) -> Ip | None:
    """As Neutron has it: IPv4 the first address, IPv6 the subnet-router anycast address."""
    if prefix.length == prefix.ip.bits:
        return None
    return Ip.from_number(prefix.ip.number + (prefix.version == 4), prefix.version)


def default_pools(prefix: Prefix, gateway: Ip | None) -> tuple[Pool, ...]:
    """All usable addresses but the gateway's."""
    first, last = usable(prefix)
    ranges = [(first, last)]
    if gateway is not None and gateway in prefix and first <= gateway.number <= last:
        ranges = [(first, gateway.number - 1), (gateway.number + 1, last)]
    return tuple(
        Pool(Ip.from_number(low, prefix.version), Ip.from_number(high, prefix.version))
        for low, high in ranges
        if low <= high
    )


def _check_pools(prefix: Prefix, gateway: Ip | None, pools: tuple[Pool, ...]) -> None:
    first, last = usable(prefix)
    former: Pool | None = None
    for pool in sorted(pools, key=lambda p: p.start):
        text = f"{pool.start}-{pool.end}"
        if pool.start not in prefix or pool.end not in prefix:
            raise ApiError(
                400,
                "OutOfBoundsAllocationPool",
                f"The allocation pool {text} spans beyond the subnet cidr {prefix}.",
            )
        if pool.start > pool.end or pool.start.number < first or pool.end.number > last:
            raise ApiError(
                400, "InvalidAllocationPool", f"The allocation pool {text} is not valid."
            )
        if former is not None and pool.start <= former.end:
            raise conflict(
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools: {former.start}-{former.end}, {text} "
                f"for subnet {prefix}.",
            )
        if gateway is not None and pool.start <= gateway <= pool.end:
            raise conflict(
                "GatewayConflictWithAllocationPools",
                f"Gateway ip {gateway} conflicts with allocation pool {text}.",
            )
        former = pool


def _check_gateway(prefix: Prefix, gateway: Ip | None) -> None:
    if gateway is None:
        return
    if gateway.version != prefix.version:
        raise invalid_input(f"gateway_ip {gateway} is not of the subnet's IP version")
    first, last = usable(prefix)
    link_local = gateway.version == 6 and gateway in Prefix.parse("fe80::/10")
    anycast = gateway.version == 6 and gateway == prefix.ip
    if not (link_local or anycast or first <= gateway.number <= last):
        raise invalid_input(f"gateway_ip {gateway} is not a host's address in {prefix}")


def _check_modes(prefix: Prefix, row: dict[str, Any]) -> None:
    ra, address = row.get("ipv6_ra_mode"), row.get("ipv6_address_mode")
    if ra is None and address is None:
        return
    if prefix.version == 4:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set on an IPv4 subnet")
    if not row["enable_dhcp"]:
        raise invalid_input(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
        )
    if ra is not None and address is not None and ra != address:
        raise invalid_input(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if is_automatic(ra, address) and prefix.length != 64:
        raise invalid_input(
            f"Invalid CIDR {prefix} for IPv6 address mode. OpenStack uses the EUI-64 address "
            "format, which requires the prefix to be /64"
        )


def _check_versions(prefix: Prefix, row: dict[str, Any]) -> None:
    for route in row.get("host_routes", ()):
        if {route.destination.version, route.nexthop.version} != {prefix.version}:
            raise invalid_input(f"host_routes {_show_route(route)} is not IPv{prefix.version}")


def _check_prefix(work: Work, network: Network, prefix: Prefix, ip_version: int) -> None:
    if ip_version != prefix.version:
        raise invalid_input(f"cidr {prefix} does not match the ip_version {ip_version}")
    if prefix.length == 0:
        raise invalid_input(f"cidr {prefix} covers everything")
    check_mtu(network.id, network.mtu, prefix.version)
    for other in work.tx.find(Subnet, "network_id", network.id):
        if overlap(prefix, other.prefix):
            raise invalid_input(
                f"Requested subnet with cidr: {prefix} for network: {network.id} "
                f"overlaps with another subnet, {other.id} ({other.prefix})"
            )


def _prefix(work: Work, network: Network, given: dict[str, Any], row: dict[str, Any]) -> Prefix:
    """The prefix that is asked for, or that a pool lends; the pool is noted in ``row``."""
    if "cidr" in given and "prefixlen" in given:
        raise bad_subnet("cidr and prefixlen must not be supplied together")
    pool = pool_of(work, given)
    check_pool_of_network(work, network, given["ip_version"], pool)
    if pool is not None:
        row["subnetpool_id"] = pool.id
        return lend(work, pool, given, row["project_id"])
    if "cidr" not in given:
        raise bad_subnet("a subnetpool must be specified in the absence of a cidr")
    asked: Prefix = given["cidr"]
    return asked


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    network = work.visible(Network, given["network_id"])
    if network is None:
        raise not_found("Network", given["network_id"])
    if not row["project_id"]:
        row["project_id"] = network.project_id
    prefix = row["prefix"] = _prefix(work, network, given, row)
    _check_prefix(work, network, prefix, given["ip_version"])
    if "gateway_ip" not in row:
        row["gateway_ip"] = default_gateway(prefix)
    _check_gateway(prefix, row["gateway_ip"])
    _check_modes(prefix, row)
    _check_versions(prefix, row)
    if "pools" in row:
        _check_pools(prefix, row["gateway_ip"], row["pools"])
    else:
        row["pools"] = default_pools(prefix, row["gateway_ip"])
    subnet = Subnet(**row)
    work.touch(network)
    if forms_addresses(subnet):
        for port in work.tx.find(Port, "network_id", network.id):
            owner = port.device_owner
            if owner not in _FORM_NONE and serves(subnet, owner):
                work.put(port, fixed_ips=add_automatic_address(port, subnet))
    if network.external:
        router_gateways.subnet_added(work, subnet)
        work.tx.put(subnet)  # whoever gets an address of it looks it up
        snat.network_changed(work, network.id)
        work.tx.delete(Subnet, subnet.id)  # the caller counts what is there, and puts it
    return subnet


def _update(work: Work, old: Subnet, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    new = work.replace(old, row)
    if new.gateway_ip != old.gateway_ip:
        _check_gateway(new.prefix, new.gateway_ip)
        for port in work.tx.find(Port, "interface_network", old.network_id):
            if any(fixed.ip == old.gateway_ip for fixed in port.fixed_ips):
                raise conflict(
                    "GatewayIpInUse",
                    f"Current gateway ip {old.gateway_ip} already in use by port {port.id}. "
                    "Unable to update.",
                )
    if "enable_dhcp" in row:
        _check_modes(new.prefix, msgspec.structs.asdict(new))
    _check_versions(new.prefix, row)
    _check_pools(new.prefix, new.gateway_ip, new.pools)
    return new


def _delete(work: Work, subnet: Subnet) -> None:
    network = work.tx.get(Network, subnet.network_id)
    if network is not None:
        work.touch(network)
    user = work.tx.first(Port, "subnet_id", subnet.id)
    if user is not None and forms_addresses(subnet):
        # Addresses that guests formed by themselves go with the subnet; a router's stays.
        user = next(
            (
                port
                for port in work.tx.find(Port, "interface_network", subnet.network_id)
                if any(fixed.subnet_id == subnet.id for fixed in port.fixed_ips)
            ),
            None,
        )
    if user is not None:
        raise conflict(
            "SubnetInUse",
            f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP "
            f"allocation from this subnet, among them {user.id}.",
        )
    for port in work.tx.find(Port, "subnet_id", subnet.id):
        kept = tuple(fixed for fixed in port.fixed_ips if fixed.subnet_id != subnet.id)
        work.put(port, fixed_ips=kept)


def _shared(context: Context, subnet: Subnet) -> Json:
    network = context.store.get(Network, subnet.network_id)
    return network is not None and network.shared


def _external(context: Context, subnet: Subnet) -> Json:
    network = context.store.get(Network, subnet.network_id)
    return network is not None and network.external


SUBNETS: Final = Resource(
    name="subnet",
    collection="subnets",
    title="Subnet",
    kind=Subnet,
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *STANDARD,
        stored("network_id", values.UUID, REQUIRED, put=False, index="network_id"),
        Attribute(
            name="ip_version",
            type=values.choice(4, 6),
            default=REQUIRED,
            post=True,
            filter=True,
            sort=True,
            read=lambda _c, subnet: subnet.prefix.version,
            of=(),
        ),
        stored("cidr", values.PREFIX, put=False, field="prefix"),
        Attribute(name="prefixlen", type=values.integer(0, 128), post=True, visible=False),
        stored("gateway_ip", values.optional(values.IP)),
        stored("enable_dhcp", values.BOOLEAN, True),
        stored("allocation_pools", _POOLS, field="pools", filter=False, sort=False),
        stored("dns_nameservers", values.sequence(values.IP), (), filter=False, sort=False),
        stored("host_routes", _HOST_ROUTES, (), filter=False, sort=False),
        stored("ipv6_ra_mode", _MODES, put=False),
        stored("ipv6_address_mode", _MODES, put=False),
        stored(
            "subnetpool_id", values.optional(values.UUID), None, put=False, index="subnetpool_id"
        ),
        Attribute(
            name="use_default_subnetpool",
            type=values.BOOLEAN,
            default=False,
            post=True,
            visible=False,
        ),
        stored("service_types", _SERVICE_TYPES, (), filter=False, sort=False),
        Attribute(
            name="shared",
            type=values.BOOLEAN,
            visible=False,
            filter=True,
            read=_shared,
            of=(Of(Network, "network_id"),),
        ),
        shown(
            "router:external",
            values.BOOLEAN,
            _external,
            filter=True,
            of=(Of(Network, "network_id"),),
        ),
    ),
)
