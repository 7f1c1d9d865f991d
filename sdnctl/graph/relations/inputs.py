"""The relations that are given: the store's rows, and what is learned from outside.

No rule computes one of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.graph.engine import Relation
from sdnctl.intent import (
    AddressGroup,
    BandwidthLimitRule,
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    DscpMarkingRule,
    FloatingIp,
    Gateway,
    Hypervisor,
    Network,
    Port,
    PortForwarding,
    QosPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from sdnctl.routes import MembershipRoute, Path, RouteKey
from sdnctl.types import Ip, Mac, RouteTarget


class Domain(NamedTuple):
    """Settings of the whole: the AS of its BGP sessions and of its automatic route targets."""

    asn: int


DOMAIN: Final[Relation[str, Domain]] = Relation("domain")
HYPERVISOR: Final[Relation[str, Hypervisor]] = Relation(
    "hypervisor", vtep=lambda _key, row: (row.vtep,), all=lambda _key, _row: ((),)
)
HYPERVISOR_DOWN: Final[Relation[str, bool]] = Relation("hypervisor_down")
"""Hypervisors whose agents have been silent for a while: others translate in their place."""
GATEWAY: Final[Relation[str, Gateway]] = Relation("gateway", address=lambda _k, row: (row.address,))
BGP_PEER: Final[Relation[str, BgpPeer]] = Relation(
    "bgp_peer", family=lambda _k, row: set(row.families) if row.admin_state_up else ()
)
NETWORK: Final[Relation[str, Network]] = Relation("network")
SUBNET: Final[Relation[str, Subnet]] = Relation(
    "subnet", network=lambda _key, row: (row.network_id,)
)
PORT: Final[Relation[str, Port]] = Relation("port")
QOS_POLICY: Final[Relation[str, QosPolicy]] = Relation("qos_policy")
BANDWIDTH_LIMIT_RULE: Final[Relation[str, BandwidthLimitRule]] = Relation(
    "bandwidth_limit_rule", policy=lambda _k, row: (row.qos_policy_id,)
)
DSCP_MARKING_RULE: Final[Relation[str, DscpMarkingRule]] = Relation(
    "dscp_marking_rule", policy=lambda _k, row: (row.qos_policy_id,)
)
ROUTER: Final[Relation[str, Router]] = Relation(
    "router", nexthop=lambda _k, row: {(row.vni, route.nexthop) for route in row.routes}
)
FLOATING_IP: Final[Relation[str, FloatingIp]] = Relation(
    "floatingip",
    fixed=lambda _k, row: ((row.port_id, row.fixed_ip),) if row.port_id else (),
)
PORT_FORWARDING: Final[Relation[str, PortForwarding]] = Relation("port_forwarding")
SECURITY_GROUP: Final[Relation[str, SecurityGroup]] = Relation("security_group")
SECURITY_GROUP_RULE: Final[Relation[str, SecurityGroupRule]] = Relation(
    "security_group_rule",
    group=lambda _k, row: (row.security_group_id,),
    remote=lambda _k, row: () if row.remote_id is None else (row.remote_id,),
)
ADDRESS_GROUP: Final[Relation[str, AddressGroup]] = Relation("address_group")
BGPVPN: Final[Relation[str, BgpVpn]] = Relation("bgpvpn")
BGPVPN_NETWORK: Final[Relation[str, BgpVpnNetwork]] = Relation(
    "bgpvpn_network", network=lambda _key, row: (row.network_id,)
)
BGPVPN_ROUTER: Final[Relation[str, BgpVpnRouter]] = Relation(
    "bgpvpn_router", router=lambda _key, row: (row.router_id,)
)
BGPVPN_PORT: Final[Relation[str, BgpVpnPort]] = Relation("bgpvpn_port")


def membership_prefix(target: RouteTarget | None, length: int) -> tuple[int, int]:
    """A prefix of route targets (RFC 4684 section 4): its length in bits, and those bits.

    The default route target is the prefix of no length.
    """
    if target is None or length <= 0:
        return 0, 0
    bits = min(length, 64)
    return bits, int.from_bytes(target, "big") >> (64 - bits)


def _membership(key: RouteKey, _path: Path) -> tuple[tuple[int, int], ...]:
    nlri = key.nlri
    if not isinstance(nlri, MembershipRoute):
        return ()
    return (membership_prefix(nlri.target, nlri.length),)


LEARNED: Final[Relation[RouteKey, Path]] = Relation(
    "learned",
    membership=_membership,
    membership_length=lambda key, path: tuple(bits for bits, _value in _membership(key, path)),
)
UNDERLAY: Final[Relation[str, dict[Ip, int]]] = Relation("underlay")
"""Distances from a hypervisor to the addresses of the underlay, from sdnctl.topology."""


class Claim(NamedTuple):
    """Who has an address that several ports may have, and by which MAC.

    ``sequence`` counts how often it went from one to another (RFC 7432 section 7.7).
    """

    port_id: str
    mac: Mac
    sequence: int


CLAIM: Final[Relation[tuple[str, Ip], Claim]] = Relation(
    "claim", port=lambda _key, row: (row.port_id,)
)
"""By network and address, as guests said last."""
