"""The oracle's part on subnets and security groups: what follows from their rows alone."""

from __future__ import annotations

from sdnctl.desired import Desired, RemoteAddresses, SecurityRule, SubnetOptions
from sdnctl.intent import Network, Port
from sdnctl.types import Prefix
from tests.properties.world import World


def told_in(w: World, network: Network) -> list[SubnetOptions]:
    """By Neutron's table of modes (API reference, subnets: ipv6_ra_mode, ipv6_address_mode)."""
    rows = []
    for subnet in w.subnet.values():
        if subnet.network_id != network.id:
            continue
        four, on = len(subnet.prefix.ip) == 4, subnet.enable_dhcp
        ra, mode = subnet.ipv6_ra_mode, subnet.ipv6_address_mode
        rows.append(
            SubnetOptions(
                network.vni,
                subnet.id,
                subnet.prefix,
                subnet.gateway_ip,
                on and (four or mode == "dhcpv6-stateful" or (ra, mode) == (None, None)),
                on and mode == "dhcpv6-stateless",
                on and ra is not None,
                on and ra in {"slaac", "dhcpv6-stateless"},
                on and ra == "dhcpv6-stateless",
                subnet.dns_nameservers,
                tuple((r.destination, r.nexthop) for r in subnet.host_routes),
                86400,
                network.dns_domain or "openstacklocal.",
            )
        )
    return rows


def policy_of(w: World, port: Port) -> list[Desired]:
    """The rules of a port's groups, and the addresses that they refer to."""
    out: list[Desired] = []
    for rule in w.security_group_rule.values():
        if rule.security_group_id not in port.security_groups or not port.port_security_enabled:
            continue
        remote = rule.remote_group_id or rule.remote_address_group_id or ""
        group = w.security_group.get(rule.security_group_id)
        if group is not None:
            out.append(
                SecurityRule(
                    rule.security_group_id,
                    rule.id,
                    rule.direction == "ingress",
                    {"IPv4": 4, "IPv6": 6}[rule.ethertype],
                    rule.protocol,
                    rule.port_range_min,
                    rule.port_range_max,
                    rule.remote_ip_prefix,
                    remote,
                    group.stateful,
                )
            )
        for other in w.port.values():
            if remote in other.security_groups:
                addresses = {Prefix(f.ip, 8 * len(f.ip)) for f in other.fixed_ips}
                addresses |= {pair.prefix for pair in other.allowed_address_pairs}
                if addresses:
                    out.append(RemoteAddresses(remote, other.id, tuple(sorted(addresses))))
        if remote in w.address_group:
            out += (
                RemoteAddresses(remote, str(p), (p,)) for p in w.address_group[remote].addresses
            )
    return out
