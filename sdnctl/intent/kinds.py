"""Which kinds there are, and what their relations are called.

A kind that is not here can be neither stored nor read by the graph.
"""

from __future__ import annotations

from typing import Final

from sdnctl.intent.bgpvpns import BgpVpn, BgpVpnNetwork, BgpVpnPort, BgpVpnRouter
from sdnctl.intent.identity import (
    ApplicationCredential,
    Project,
    RevokedToken,
    RoleAssignment,
    TokenKey,
    User,
)
from sdnctl.intent.networks import AddressScope, Network, Subnet, SubnetPool
from sdnctl.intent.ports import Port, Trunk
from sdnctl.intent.projects import Quota, RbacPolicy
from sdnctl.intent.qos import BandwidthLimitRule, DscpMarkingRule, MinimumBandwidthRule, QosPolicy
from sdnctl.intent.routers import FloatingIp, PortForwarding, Router
from sdnctl.intent.row import Row, Seeded
from sdnctl.intent.security import AddressGroup, DefaultRule, SecurityGroup, SecurityGroupRule
from sdnctl.intent.underlay import BgpPeer, Gateway, Hypervisor, Link

KINDS: Final[dict[str, type[Row]]] = {
    "hypervisor": Hypervisor,
    "link": Link,
    "bgp_peer": BgpPeer,
    "gateway": Gateway,
    "network": Network,
    "rbac_policy": RbacPolicy,
    "qos_policy": QosPolicy,
    "bandwidth_limit_rule": BandwidthLimitRule,
    "dscp_marking_rule": DscpMarkingRule,
    "minimum_bandwidth_rule": MinimumBandwidthRule,
    "address_scope": AddressScope,
    "subnetpool": SubnetPool,
    "subnet": Subnet,
    "port": Port,
    "trunk": Trunk,
    "router": Router,
    "floatingip": FloatingIp,
    "port_forwarding": PortForwarding,
    "security_group": SecurityGroup,
    "security_group_rule": SecurityGroupRule,
    "default_rule": DefaultRule,
    "seeded": Seeded,
    "address_group": AddressGroup,
    "quota": Quota,
    "bgpvpn": BgpVpn,
    "bgpvpn_network": BgpVpnNetwork,
    "bgpvpn_router": BgpVpnRouter,
    "bgpvpn_port": BgpVpnPort,
    "project": Project,
    "user": User,
    "role_assignment": RoleAssignment,
    "application_credential": ApplicationCredential,
    "revoked_token": RevokedToken,
    "token_key": TokenKey,
}
"""Every kind by the name of its relation, in the store and in the graph alike."""

KIND_OF: Final[dict[type[Row], str]] = {row: kind for kind, row in KINDS.items()}
"""The inverse of ``KINDS``."""
