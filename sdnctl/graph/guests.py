"""What guests are told on their hosts: by DHCP, DHCPv6 and router advertisements.

The modes of a subnet are Neutron's; what an agent does follows from the flags that they become.
"""

from __future__ import annotations

from typing import Final

from sdnctl.desired import DhcpOption, HostName, SubnetOptions
from sdnctl.graph.dhcp_options import encode
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.inputs import NETWORK, PORT, SUBNET
from sdnctl.graph.relations.instances import EVI_INSTANCE
from sdnctl.graph.relations.resources import HOST_NAME, SUBNET_OPTIONS
from sdnctl.intent import DEFAULT_DNS_DOMAIN, Port, Subnet
from sdnctl.types import Ip

LEASE_SECONDS: Final = 86400
"""Neutron's default. An address is its port's for longer; guests only look in once in a while."""


def _leases(subnet: Subnet) -> bool:
    """Whether addresses are given by DHCP.

    An IPv6 subnet without any mode is so too, as Neutron has it: its router advertisements come
    from elsewhere.
    """
    if not subnet.enable_dhcp:
        return False
    if subnet.prefix.version == 4:
        return True
    if subnet.ipv6_address_mode is None:
        return subnet.ipv6_ra_mode is None
    return subnet.ipv6_address_mode == "dhcpv6-stateful"


def subnet_options(subnet_id: str, v: View) -> SubnetOptions | None:
    """A subnet of a network that is up."""
    subnet = v.get(SUBNET, subnet_id)
    if subnet is None:
        return None
    network = v.get(NETWORK, subnet.network_id)
    evi = v.get(EVI_INSTANCE, subnet.network_id)
    if network is None or evi is None:
        return None
    advertised = subnet.enable_dhcp and subnet.ipv6_ra_mode is not None
    return SubnetOptions(
        evi.vni,
        subnet_id,
        subnet.prefix,
        gateway=subnet.gateway_ip,
        dhcp=_leases(subnet),
        stateless=subnet.enable_dhcp and subnet.ipv6_address_mode == "dhcpv6-stateless",
        advertised=advertised,
        autonomous=advertised and subnet.ipv6_ra_mode != "dhcpv6-stateful",
        other=advertised and subnet.ipv6_ra_mode == "dhcpv6-stateless",
        dns_servers=subnet.dns_nameservers,
        routes=tuple((route.destination, route.nexthop) for route in subnet.host_routes),
        lease_time=LEASE_SECONDS,
        domain=network.dns_domain or DEFAULT_DNS_DOMAIN,
    )


def named_port(port_id: str, v: View) -> HostName | None:
    """A port with a name of its own; one by its address needs no telling."""
    port = v.get(PORT, port_id)
    if port is None or not port.dns_name or not port.fixed_ips:
        return None
    evi = v.get(EVI_INSTANCE, port.network_id)
    if evi is None:
        return None
    addresses = tuple(dict.fromkeys(fixed.ip for fixed in port.fixed_ips))
    return HostName(evi.vni, port_id, port.dns_name, addresses)


def host_name(port: Port) -> str:
    """What the guest is told to call itself, as Neutron has it: a name by hand or by address."""
    if port.dns_name or not port.fixed_ips:
        return port.dns_name
    return name_by_address(port.fixed_ips[0].ip)


def name_by_address(ip: Ip) -> str:
    """The host name of who has none: a label of the DNS all the same (RFC 5891 section 4.2.3.1)."""
    name = f"host-{str(ip).replace('.', '-').replace(':', '-')}"
    return name + "0" if name.endswith("-") else name


def dhcp_options(port: Port) -> tuple[DhcpOption, ...]:
    """A port's own options, in their wire form."""
    return tuple(
        DhcpOption(option.ip_version, *encode(option.name, option.value, option.ip_version))
        for option in port.extra_dhcp_options
    )


RULES: Final = (
    Rule(SUBNET_OPTIONS, subnet_options, (on(SUBNET, same_key),)),
    Rule(HOST_NAME, named_port, (on(PORT, same_key),)),
)
