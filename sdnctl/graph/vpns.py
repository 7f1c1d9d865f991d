"""BGP VPNs: what they say of the routes that are in them, and the networks and ports that join.

Promise: a BGP VPN imports and exports by route targets that somebody asked for; automatic ones are
left out, so that no tenant reaches into another's network alone. Knows nothing of the VRFs and
EVIs that take these terms over (``attachments``), and does not announce the prefixes of one BGP VPN
in another: two BGP VPNs are joined by their targets.
"""

from __future__ import annotations

from typing import Final

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.inputs import BGPVPN, BGPVPN_NETWORK, BGPVPN_PORT, DOMAIN, PORT, SUBNET
from sdnctl.graph.relations.instances import EVI_INSTANCE, INTERFACE, NETWORK_IRB, Interface
from sdnctl.graph.relations.vpns import PORT_VPN, TERMS, Policy, PortVpn, Terms
from sdnctl.graph.relations.wayout import EXTERNAL
from sdnctl.graph.targets import asked_for
from sdnctl.types import Ip


def terms(bgpvpn_id: str, v: View) -> Terms | None:
    """A BGP VPN without what does not matter to routes."""
    row = v.get(BGPVPN, bgpvpn_id)
    domain = v.get(DOMAIN, "domain") if row is not None else None
    if row is None or domain is None:
        return None
    imports = asked_for(domain.asn, (*row.route_targets, *row.import_targets))
    exports = asked_for(domain.asn, (*row.route_targets, *row.export_targets))
    communities = tuple(sorted(set(row.communities)))
    policy = Policy(tuple(sorted(exports)), row.local_preference, communities)
    return Terms(row.type, tuple(sorted(imports)), policy)


def terms_of_network(v: View, network_id: str, kind: str) -> list[tuple[str, Terms]]:
    """By association, in order: the BGP VPNs of one kind that a network is in."""
    found = [
        (id_, v.get(TERMS, row.bgpvpn_id))
        for id_, row in sorted(v.find(BGPVPN_NETWORK, "network", network_id))
    ]
    return [(id_, row) for id_, row in found if row is not None and row.kind == kind]


def network_irb(id_: str, v: View) -> Interface | None:
    """The gateway of a network that has no router but is external, or in a BGP VPN.

    Of several, the association with the lowest id gives the VRF, for all of them.
    """
    outside = v.get(EXTERNAL, id_)
    if outside is not None:
        evi = v.get(EVI_INSTANCE, id_)
        if evi is None:
            return None
        return Interface(evi.vni, outside.vrf, outside.mac, _gateways(v, id_), id_)
    row = v.get(BGPVPN_NETWORK, id_)
    if row is None or v.get(EXTERNAL, row.network_id) is not None:
        return None
    evi = v.get(EVI_INSTANCE, row.network_id)
    if evi is None or v.exists(INTERFACE, "vni", evi.vni):
        return None
    first = terms_of_network(v, row.network_id, "l3")[:1]
    if not first or first[0][0] != id_:
        return None
    addresses = _gateways(v, row.network_id)
    return Interface(evi.vni, row.vni, row.mac, addresses, row.network_id) if addresses else None


def _gateways(v: View, network_id: str) -> tuple[tuple[Ip, int], ...]:
    """The gateways of a network's subnets, with their prefix lengths."""
    return tuple(
        (subnet.gateway_ip, subnet.prefix.length)
        for _id, subnet in sorted(v.find(SUBNET, "network", network_id))
        if subnet.gateway_ip is not None and subnet.gateway_ip in subnet.prefix
    )


def port_vpn(association_id: str, v: View) -> PortVpn | None:
    """A port in a BGP VPN."""
    row = v.get(BGPVPN_PORT, association_id)
    if row is None:
        return None
    port = v.get(PORT, row.port_id)
    said = v.get(TERMS, row.bgpvpn_id)
    if port is None or said is None or said.kind != "l3":
        return None
    routes = []
    for route in row.routes:
        preference = route.local_preference
        if preference is None:
            preference = said.policy.local_preference
        routes.append((route.prefix, said.policy._replace(local_preference=preference)))
    fixed = said.policy if row.advertise_fixed_ips else None
    return PortVpn(row.port_id, port.network_id, said.imports, fixed, tuple(routes))


FIRST_RULES: Final = (Rule(TERMS, terms, (on(BGPVPN, same_key),)),)
"""Before EVIs and interfaces."""

RULES: Final = (
    Rule(NETWORK_IRB, network_irb, (on(EXTERNAL, same_key), on(BGPVPN_NETWORK, same_key))),
    Rule(PORT_VPN, port_vpn, (on(BGPVPN_PORT, same_key),)),
)
