"""What a row holds exclusively: the unique values of the domain.

Promise: two rows never hold the same claim, whatever their kinds; that is how a VNI, an MPLS
label and an RD number are unique across networks and routers together, a MAC in its network
and an address in its subnet. Knows nothing of how free values are found (``allocation``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sdnctl.intent import (
    BgpPeer,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    DefaultRule,
    FloatingIp,
    Gateway,
    Hypervisor,
    Network,
    Port,
    QosPolicy,
    Router,
    RuleTerms,
    SecurityGroup,
    SecurityGroupRule,
    Trunk,
    VrfNumbers,
)
from sdnctl.types import Ip, Label, Mac, Vni


class Claim(NamedTuple):
    """``value`` of ``space`` within ``scope`` (a network or subnet id, or the whole domain)."""

    space: str
    scope: str
    value: object

    @property
    def text(self) -> str:
        """For an error: ``mac fa:16:3e:00:00:01 of NETWORK``."""
        return f"{self.space} {self.value}" + (f" of {self.scope}" if self.scope else "")


def vni(number: Vni) -> Claim:
    """A VNI of the domain, of networks and routers alike."""
    return Claim("vni", "", number)


def label(number: Label) -> Claim:
    """An MPLS label of the domain."""
    return Claim("label", "", number)


def rd_number(number: int) -> Claim:
    """The assigned number of a type 1 route distinguisher (RFC 4364 section 4.2)."""
    return Claim("rd_number", "", number)


def mac(network_id: str, address: Mac) -> Claim:
    """A MAC address in its network."""
    return Claim("mac", network_id, address)


def address(subnet_id: str, ip: Ip) -> Claim:
    """An address in its subnet."""
    return Claim("address", subnet_id, ip)


def vtep(ip: Ip) -> Claim:
    """A tunnel endpoint of the underlay."""
    return Claim("vtep", "", ip)


def nat(number: int) -> Claim:
    """The connection tracking zone of a router that translates."""
    return Claim("nat", "", number)


def meter(number: int) -> Claim:
    """What hypervisors limit a floating IP by."""
    return Claim("meter", "", number)


def _of_floating_ip(row: FloatingIp) -> tuple[Claim, ...]:
    return (meter(row.meter),) if row.meter else ()


def _of_instance(row: Network | Router | BgpVpnNetwork | VrfNumbers) -> tuple[Claim, ...]:
    return (vni(row.vni), label(row.label), rd_number(row.number))


def vlan(trunk_id: str, number: int) -> Claim:
    """A VLAN tag on the VIF of a trunk."""
    return Claim("vlan", trunk_id, number)


def _of_network(row: Network) -> tuple[Claim, ...]:
    if row.vrf is None:
        return _of_instance(row)
    return (*_of_instance(row), *_of_instance(row.vrf), mac(row.id, row.vrf.mac))


def _of_router(row: Router) -> tuple[Claim, ...]:
    return (*_of_instance(row), nat(row.nat)) if row.nat else _of_instance(row)


def _of_port(row: Port) -> tuple[Claim, ...]:
    own = (mac(row.network_id, row.mac), *(address(f.subnet_id, f.ip) for f in row.fixed_ips))
    place = row.subport
    return own if place is None else (*own, vlan(place.trunk_id, place.vlan))


def _of_qos_policy(row: QosPolicy) -> tuple[Claim, ...]:
    return (Claim("default_qos_policy", "", row.project_id),) if row.is_default else ()


def _of_trunk(row: Trunk) -> tuple[Claim, ...]:
    return (Claim("trunk_port", "", row.port_id),)


def association(bgpvpn_id: str, other_id: str) -> Claim:
    """A BGP VPN's tie to a network, router or port: there is one."""
    return Claim("association", bgpvpn_id, other_id)


def _of_bgpvpn_network(row: BgpVpnNetwork) -> tuple[Claim, ...]:
    tie = association(row.bgpvpn_id, row.network_id)
    return (*_of_instance(row), tie, mac(row.network_id, row.mac))


def _of_bgpvpn_router(row: BgpVpnRouter) -> tuple[Claim, ...]:
    return (association(row.bgpvpn_id, row.router_id),)


def _of_bgpvpn_port(row: BgpVpnPort) -> tuple[Claim, ...]:
    return (association(row.bgpvpn_id, row.port_id),)


def default_group(project_id: str) -> Claim:
    """The default security group of a project: there is one."""
    return Claim("default_security_group", "", project_id)


def _said(row: RuleTerms) -> tuple[object, ...]:
    return (
        row.direction,
        row.ethertype,
        row.protocol,
        row.port_range_min,
        row.port_range_max,
        row.remote_ip_prefix,
        row.remote_id,
    )


def rule(row: SecurityGroupRule) -> Claim:
    """What a rule says: a security group says it once."""
    return Claim("security_group_rule", row.security_group_id, _said(row))


def _of_group(row: SecurityGroup) -> tuple[Claim, ...]:
    return (default_group(row.project_id),) if row.is_default else ()


def _of_rule(row: SecurityGroupRule) -> tuple[Claim, ...]:
    return (rule(row),)


def _of_default_rule(row: DefaultRule) -> tuple[Claim, ...]:
    used = (("default", row.used_in_default_sg), ("other", row.used_in_non_default_sg))
    return tuple(Claim("default_rule", groups, _said(row)) for groups, so in used if so)


def _of_bgp_peer(row: BgpPeer) -> tuple[Claim, ...]:
    # A router is told apart by the address of its session.
    return (Claim("bgp_peer_address", "", row.address),)


def _of_gateway(row: Gateway) -> tuple[Claim, ...]:
    return (Claim("gateway_address", "", row.address),)


def _of_hypervisor(row: Hypervisor) -> tuple[Claim, ...]:
    return (vtep(row.vtep),)


def named(kind: str) -> Callable[[Any], tuple[Claim, ...]]:
    """A kind whose rows have names of their own in their domain."""
    return lambda row: (Claim(f"{kind}_name", row.domain_id, row.name),)


CLAIMS: Final[dict[str, Callable[[Any], tuple[Claim, ...]]]] = {
    "hypervisor": _of_hypervisor,
    "bgp_peer": _of_bgp_peer,
    "gateway": _of_gateway,
    "network": _of_network,
    "port": _of_port,
    "trunk": _of_trunk,
    "qos_policy": _of_qos_policy,
    "router": _of_router,
    "floatingip": _of_floating_ip,
    "security_group": _of_group,
    "security_group_rule": _of_rule,
    "default_rule": _of_default_rule,
    "bgpvpn_network": _of_bgpvpn_network,
    "bgpvpn_router": _of_bgpvpn_router,
    "bgpvpn_port": _of_bgpvpn_port,
    "project": named("project"),
    "user": named("user"),
    "application_credential": lambda row: (
        Claim("application_credential_name", row.user_id, row.name),
    ),
}
"""The claims of a row, by its kind; a kind that is not listed has none."""
