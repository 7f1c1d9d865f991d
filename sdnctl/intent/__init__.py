"""What tenants and operators asked for: the rows of the store.

Promise: frozen values, one struct per kind, keyed by ``id``; they hold what was decided
inside the transaction (VNIs, labels, RD numbers, addresses) so that nothing is decided twice.
They know nothing of how they are stored, served or routed.

The rest of the house has them from here; within, a module for what is asked for together, and
``kinds``, the list of all.
"""

from sdnctl.intent.bgpvpns import BgpVpn, BgpVpnNetwork, BgpVpnPort, BgpVpnRouter, PortRoute
from sdnctl.intent.identity import (
    ApplicationCredential,
    Project,
    RevokedToken,
    RoleAssignment,
    TokenKey,
    User,
)
from sdnctl.intent.kinds import KIND_OF, KINDS
from sdnctl.intent.networks import (
    AddressScope,
    HostRoute,
    Network,
    Pool,
    Subnet,
    SubnetPool,
    VrfNumbers,
)
from sdnctl.intent.ports import (
    DEFAULT_DNS_DOMAIN,
    FLOATING_IP_OWNER,
    MIGRATING_TO,
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    SUBPORT_OWNER,
    AddressPair,
    Binding,
    ExtraDhcpOption,
    FixedIp,
    Port,
    Subport,
    Trunk,
)
from sdnctl.intent.projects import EVERYBODY, Quota, RbacPolicy, Shareable
from sdnctl.intent.qos import BandwidthLimitRule, DscpMarkingRule, MinimumBandwidthRule, QosPolicy
from sdnctl.intent.routers import FloatingIp, PortForwarding, Router, RouterGateway
from sdnctl.intent.row import Row, Seeded
from sdnctl.intent.security import (
    DEFAULT_GROUP,
    ITSELF,
    AddressGroup,
    DefaultRule,
    RuleTerms,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.intent.underlay import BgpPeer, Gateway, Hypervisor, Link

__all__ = [
    "DEFAULT_DNS_DOMAIN",
    "DEFAULT_GROUP",
    "EVERYBODY",
    "FLOATING_IP_OWNER",
    "ITSELF",
    "KINDS",
    "KIND_OF",
    "MIGRATING_TO",
    "ROUTER_GATEWAY_OWNER",
    "ROUTER_INTERFACE_OWNER",
    "SNAT_OWNER",
    "SUBPORT_OWNER",
    "AddressGroup",
    "AddressPair",
    "AddressScope",
    "ApplicationCredential",
    "BandwidthLimitRule",
    "BgpPeer",
    "BgpVpn",
    "BgpVpnNetwork",
    "BgpVpnPort",
    "BgpVpnRouter",
    "Binding",
    "DefaultRule",
    "DscpMarkingRule",
    "ExtraDhcpOption",
    "FixedIp",
    "FloatingIp",
    "Gateway",
    "HostRoute",
    "Hypervisor",
    "Link",
    "MinimumBandwidthRule",
    "Network",
    "Pool",
    "Port",
    "PortForwarding",
    "PortRoute",
    "Project",
    "QosPolicy",
    "Quota",
    "RbacPolicy",
    "RevokedToken",
    "RoleAssignment",
    "Router",
    "RouterGateway",
    "Row",
    "RuleTerms",
    "SecurityGroup",
    "SecurityGroupRule",
    "Seeded",
    "Shareable",
    "Subnet",
    "SubnetPool",
    "Subport",
    "TokenKey",
    "Trunk",
    "User",
    "VrfNumbers",
]
