"""The intent and what was learned, as the oracle looks at them: rows by kind and id."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdnctl.graph.relations.inputs import Claim
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
from sdnctl.routes import Path, RouteKey
from sdnctl.types import Ip


@dataclass
class World:
    """The intent, and what was learned."""

    hypervisor: dict[str, Hypervisor] = field(default_factory=dict)
    gateway: dict[str, Gateway] = field(default_factory=dict)
    bgp_peer: dict[str, BgpPeer] = field(default_factory=dict)
    network: dict[str, Network] = field(default_factory=dict)
    subnet: dict[str, Subnet] = field(default_factory=dict)
    port: dict[str, Port] = field(default_factory=dict)
    router: dict[str, Router] = field(default_factory=dict)
    qos_policy: dict[str, QosPolicy] = field(default_factory=dict)
    bandwidth_limit_rule: dict[str, BandwidthLimitRule] = field(default_factory=dict)
    dscp_marking_rule: dict[str, DscpMarkingRule] = field(default_factory=dict)
    security_group: dict[str, SecurityGroup] = field(default_factory=dict)
    security_group_rule: dict[str, SecurityGroupRule] = field(default_factory=dict)
    address_group: dict[str, AddressGroup] = field(default_factory=dict)
    learned: dict[RouteKey, Path] = field(default_factory=dict)
    claim: dict[tuple[str, Ip], Claim] = field(default_factory=dict)
    underlay: dict[str, dict[Ip, int]] = field(default_factory=dict)
    bgpvpn: dict[str, BgpVpn] = field(default_factory=dict)
    bgpvpn_network: dict[str, BgpVpnNetwork] = field(default_factory=dict)
    bgpvpn_router: dict[str, BgpVpnRouter] = field(default_factory=dict)
    bgpvpn_port: dict[str, BgpVpnPort] = field(default_factory=dict)
    floatingip: dict[str, FloatingIp] = field(default_factory=dict)
    port_forwarding: dict[str, PortForwarding] = field(default_factory=dict)
    hypervisor_down: dict[str, bool] = field(default_factory=dict)
