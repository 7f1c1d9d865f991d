"""The wiring: every input and every rule, in the order in which they run."""

from __future__ import annotations

from typing import Final

from sdnctl.graph import (
    advertise,
    attachments,
    guests,
    members,
    origination,
    probes,
    qos,
    rib,
    security,
    standby,
    tables,
    translation,
)
from sdnctl.graph.engine import Engine
from sdnctl.graph.relations.inputs import (
    ADDRESS_GROUP,
    BANDWIDTH_LIMIT_RULE,
    BGP_PEER,
    BGPVPN,
    BGPVPN_NETWORK,
    BGPVPN_PORT,
    BGPVPN_ROUTER,
    CLAIM,
    DOMAIN,
    DSCP_MARKING_RULE,
    FLOATING_IP,
    GATEWAY,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    LEARNED,
    NETWORK,
    PORT,
    PORT_FORWARDING,
    QOS_POLICY,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
    UNDERLAY,
    Domain,
)

INPUTS: Final = (
    DOMAIN,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    GATEWAY,
    BGP_PEER,
    NETWORK,
    SUBNET,
    PORT,
    ROUTER,
    QOS_POLICY,
    BANDWIDTH_LIMIT_RULE,
    DSCP_MARKING_RULE,
    FLOATING_IP,
    PORT_FORWARDING,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    ADDRESS_GROUP,
    BGPVPN,
    BGPVPN_NETWORK,
    BGPVPN_ROUTER,
    BGPVPN_PORT,
    LEARNED,
    UNDERLAY,
    CLAIM,
)

RULES: Final = (
    *qos.RULES,  # QoS policies -> limits and marks
    *attachments.RULES,  # networks, routers and ports -> EVIs, VRFs, attachments
    *standby.RULES,  # ports of other bindings -> where they are made ready
    *translation.RULES,  # floating IPs, routers' addresses -> where they are translated
    *origination.RULES,  # attachments -> the routes that they originate
    *rib.RULES,  # originated and learned routes -> imported by route target
    *tables.RULES,  # imported routes -> FDB, neighbours, flooding, FIB
    *translation.TOLD,  # the same, and ways out -> what is translated, and to what
    *probes.RULES,  # imported routes and gateways -> next hops to be asked
    *guests.RULES,  # subnets -> what their guests are told by DHCP and router advertisements
    *members.RULES,  # attachments -> members, local ports, nodes
    *security.RULES,  # security groups -> rules, their remote addresses, and who needs them
    *advertise.RULES,  # originated routes -> Adj-RIB-Out
)


def make_engine(asn: int) -> Engine:
    """An engine of an empty domain."""
    engine = Engine(INPUTS, RULES)
    engine.commit([(DOMAIN, "domain", Domain(asn))])
    return engine
