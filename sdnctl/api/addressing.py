"""The addresses of a port: chosen by hand, taken from pools, or formed from its MAC.

Promise: a port gets what was asked for or an error in Neutron's words; an address that the
controller chooses is free within the transaction. Without a wish a port gets one IPv4 and one
IPv6 address if its network has such subnets, and one of each subnet whose guests form their
addresses themselves (SLAAC, RFC 4862).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sdnctl.api import values
from sdnctl.api.errors import ApiError, conflict, invalid_input, not_found
from sdnctl.api.values import Json
from sdnctl.api.work import Work
from sdnctl.intent import FLOATING_IP_OWNER, ROUTER_INTERFACE_OWNER, FixedIp, Port, Subnet
from sdnctl.store import Exhausted, Transaction
from sdnctl.types import Ip, Mac, Prefix


class Wish(NamedTuple):
    """One entry of ``fixed_ips`` as given: a subnet, an address, or both."""

    subnet_id: str | None = None
    ip_address: Ip | None = None


def _wish(fields: dict[str, Any]) -> Wish:
    if not fields:
        raise ValueError("an entry must have a subnet_id, an ip_address or both")
    return Wish(**fields)


WISHES: Final = values.sequence(
    values.record(_wish, {"subnet_id": values.UUID, "ip_address": values.IP}, need=0),
    most=64,
    unique=False,  # the same subnet twice asks for two of its addresses
)
"""The type of ``fixed_ips``."""


def show_fixed(fixed_ips: tuple[FixedIp, ...]) -> Json:
    """Addresses as Neutron writes them."""
    return [{"subnet_id": f.subnet_id, "ip_address": str(f.ip)} for f in fixed_ips]


def is_automatic(ra_mode: str | None, address_mode: str | None) -> bool:
    """Whether guests form their addresses from router advertisements: either mode says so."""
    return not {"slaac", "dhcpv6-stateless"}.isdisjoint((ra_mode, address_mode))


def forms_addresses(subnet: Subnet) -> bool:
    """The same of a subnet."""
    return is_automatic(subnet.ipv6_ra_mode, subnet.ipv6_address_mode)


def serves(subnet: Subnet, owner: str) -> bool:
    """Whether ports of that ``device_owner`` get their addresses there."""
    return not subnet.service_types or owner in subnet.service_types


def serving(subnets: Iterable[Subnet], owner: str) -> list[Subnet]:
    """Those of the subnets that do, first what is for that owner in particular."""
    return sorted((s for s in subnets if serves(s, owner)), key=lambda s: not s.service_types)


LEAST_MTU: Final = {4: 68, 6: 1280}
"""Octets that every link carries, by IP version (RFC 791 section 3.2, RFC 8200 section 5)."""


def check_mtu(network_id: str, mtu: int, version: int) -> None:
    """Refuse subnets on a network that is too narrow for them."""
    least = LEAST_MTU[version]
    if mtu < least:
        raise conflict(
            "NetworkMTUSubnetConflict",
            f"MTU of {network_id} is not valid, subnet requires a minimum of {least} bytes.",
        )


def eui64(prefix: Prefix, mac: Mac) -> Ip:
    """The address with a modified EUI-64 interface identifier (RFC 4291 appendix A)."""
    return Ip(prefix.ip[:8] + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:])


def add_automatic_address(port: Port, subnet: Subnet) -> tuple[FixedIp, ...]:
    """The port's addresses with the one that its guest forms in ``subnet``."""
    return (*port.fixed_ips, FixedIp(subnet.id, eui64(subnet.prefix, port.mac)))


def following(tx: Transaction, port: Port, mac: Mac) -> tuple[FixedIp, ...]:
    """The port's addresses once its MAC is ``mac``: those that its guest forms follow it."""
    if port.device_owner == ROUTER_INTERFACE_OWNER:
        return port.fixed_ips
    found = []
    for fixed in port.fixed_ips:
        subnet = tx.get(Subnet, fixed.subnet_id)
        automatic = subnet is not None and forms_addresses(subnet)
        found.append(
            FixedIp(subnet.id, eui64(subnet.prefix, mac)) if subnet and automatic else fixed
        )
    return tuple(found)


def addresses(
    work: Work,
    network_id: str,
    mac: Mac,
    wishes: tuple[Wish, ...] | None,
    *,
    former: tuple[FixedIp, ...] = (),
    owner: str = "",
) -> tuple[FixedIp, ...]:
    """What a port gets for its wishes; None is no wish at all, () is to have no address.

    ``former`` are the addresses that the port has: a wish for a subnet alone keeps its address
    there. ``owner`` is the port's ``device_owner``: there are subnets for certain owners alone,
    and a router's interface or a floating IP forms no address by itself.
    """
    tx = work.tx
    router = owner in {ROUTER_INTERFACE_OWNER, FLOATING_IP_OWNER}
    all_subnets = tx.find(Subnet, "network_id", network_id)
    subnets = serving(all_subnets, owner)
    if wishes is None and all_subnets and not subnets:
        raise conflict(
            "IpAddressGenerationFailureNoMatchingSubnet",
            f"No valid service subnet for the given device owner, network_id {network_id}, "
            f"device_owner {owner}.",
        )
    automatic = [s for s in subnets if forms_addresses(s)]
    found: list[FixedIp] = []
    if wishes is None:
        for version in (4, 6):
            candidates = [s for s in subnets if s.prefix.version == version and s not in automatic]
            if candidates:
                found.append(from_any(tx, network_id, candidates))
    else:
        by_id = {subnet.id: subnet for subnet in subnets}
        chosen = {wish.ip_address for wish in wishes}
        kept = [fixed for fixed in former if fixed.ip not in chosen]
        for wish in wishes:
            subnet = _subnet_of(work, network_id, by_id, wish)
            found.append(_granted(tx, subnet, mac, wish, kept, router=router))
        if len({(f.subnet_id, f.ip) for f in found}) != len(found):
            raise invalid_input("Duplicate IP address in fixed_ips")
    if not router and wishes != ():
        present = {fixed.subnet_id for fixed in found}
        found += [FixedIp(s.id, eui64(s.prefix, mac)) for s in automatic if s.id not in present]
    return tuple(found)


def from_any(tx: Transaction, network_id: str, subnets: list[Subnet]) -> FixedIp:
    """A free address of the first of a network's subnets that has one."""
    for subnet in subnets:
        try:
            return FixedIp(subnet.id, tx.allocate_address(subnet))
        except Exhausted:
            continue
    raise conflict(
        "IpAddressGenerationFailure", f"No more IP addresses available on network {network_id}."
    )


def _subnet_of(work: Work, network_id: str, subnets: dict[str, Subnet], wish: Wish) -> Subnet:
    if wish.subnet_id is not None:
        subnet = subnets.get(wish.subnet_id)
        if subnet is not None:
            return subnet
        if work.visible(Subnet, wish.subnet_id) is None:
            raise not_found("Subnet", wish.subnet_id)
        raise invalid_input(
            f"Failed to create port on network {network_id}, because fixed_ips included invalid "
            f"subnet {wish.subnet_id}"
        )
    for subnet in subnets.values():
        if wish.ip_address in subnet.prefix:
            return subnet
    raise ApiError(
        400,
        "InvalidIpForNetwork",
        f"IP address {wish.ip_address} is not a valid IP for any of the subnets on the "
        "specified network.",
    )


def _granted(
    tx: Transaction,
    subnet: Subnet,
    mac: Mac,
    wish: Wish,
    kept: list[FixedIp],
    *,
    router: bool,
) -> FixedIp:
    automatic = forms_addresses(subnet) and not router
    ip = wish.ip_address
    if ip is None:
        if automatic:
            return FixedIp(subnet.id, eui64(subnet.prefix, mac))
        for fixed in kept:
            if fixed.subnet_id == subnet.id:
                kept.remove(fixed)
                return fixed
        return FixedIp(subnet.id, tx.allocate_address(subnet))
    if ip not in subnet.prefix or _is_reserved(subnet, ip):
        raise ApiError(
            400,
            "InvalidIpForSubnet",
            f"IP address {ip} is not a valid IP for the specified subnet {subnet.id}.",
        )
    if automatic and ip != eui64(subnet.prefix, mac):
        raise invalid_input(
            f"IPv6 address {ip} can not be directly assigned to a port on subnet {subnet.id} "
            "since the subnet is configured for automatic addresses"
        )
    return FixedIp(subnet.id, ip)


def _is_reserved(subnet: Subnet, ip: Ip) -> bool:
    """The IPv4 network and broadcast addresses, but on /31 (RFC 3021) and /32."""
    prefix = subnet.prefix
    if prefix.version == 6 or prefix.length >= 31:
        return False
    offset = ip.number - prefix.ip.number
    return offset in {0, (1 << (32 - prefix.length)) - 1}
