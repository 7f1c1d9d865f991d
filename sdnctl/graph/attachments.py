"""Instances and attachments: networks as EVIs, routers as VRFs, ports on their hypervisors."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from sdnctl.graph import vpns, wayout
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.attachments import ATTACHMENT, Attachment, Claimed
from sdnctl.graph.relations.inputs import (
    BGPVPN_NETWORK,
    BGPVPN_ROUTER,
    CLAIM,
    DOMAIN,
    HYPERVISOR,
    NETWORK,
    PORT,
    ROUTER,
    SUBNET,
)
from sdnctl.graph.relations.instances import (
    EVI_INSTANCE,
    EXTRA_ROUTE,
    INTERFACE,
    NETWORK_IRB,
    ROUTING,
    VRF_INSTANCE,
    EviInstance,
    Interface,
    Routing,
    VrfInstance,
)
from sdnctl.graph.relations.vpns import PORT_VPN, TERMS, Policy, Terms, joined
from sdnctl.graph.relations.wayout import EXTERNAL, WAY_OUT, External
from sdnctl.graph.targets import asked_for, automatic_target, is_automatic
from sdnctl.graph.vpns import terms_of_network
from sdnctl.intent import (
    FLOATING_IP_OWNER,
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    BgpVpnNetwork,
    BgpVpnRouter,
    Network,
    Port,
    Router,
)
from sdnctl.types import Encapsulation, Ip, Prefix, RouteTarget, Vni

__all__ = ["RULES", "is_automatic", "routing_of"]


def _own(
    v: View, row: Network | Router | BgpVpnNetwork
) -> tuple[set[RouteTarget], set[RouteTarget]] | None:
    """The targets that an instance imports and exports by itself, its automatic one first."""
    domain = v.get(DOMAIN, "domain")
    if domain is None:
        return None
    own = {automatic_target(domain.asn, row.number)}
    if isinstance(row, BgpVpnNetwork):
        return set(own), own
    return (
        own | asked_for(domain.asn, row.import_targets),
        own | asked_for(domain.asn, row.export_targets),
    )


def evi_instance(network_id: str, v: View) -> EviInstance | None:
    """A network that is up, with its targets and those of its layer 2 BGP VPNs."""
    network = v.get(NETWORK, network_id)
    if network is None or not network.admin_state_up:
        return None
    own = _own(v, network)
    if own is None:
        return None
    imports, exports = own
    vpns = [said for _id, said in terms_of_network(v, network_id, "l2")]
    return EviInstance(
        network.vni,
        network.label,
        network.number,
        tuple(sorted(imports.union(*(said.imports for said in vpns)))),
        joined([Policy(tuple(exports)), *(said.policy for said in vpns)]),
        network.encapsulation,
    )


def vrf_instance(id_: str, v: View) -> VrfInstance | None:
    """A router that is up, or a network that is routed without one.

    That is an external one, or, by the association's id, one that a BGP VPN alone routes. It
    imports for all that is in it: the router itself, its networks, their ports. What a network
    or port exports more is said with its own routes only.
    """
    row: Router | BgpVpnNetwork | None = v.get(ROUTER, id_)
    if row is None and (outside := v.get(EXTERNAL, id_)) is not None:
        return _external(id_, outside, v)
    vpns: list[tuple[BgpVpnRouter, Terms]] = []
    out = None
    if isinstance(row, Router):
        if not row.admin_state_up:
            return None
        found = [
            (association, v.get(TERMS, association.bgpvpn_id))
            for _id, association in v.find(BGPVPN_ROUTER, "router", id_)
        ]
        vpns = [(row, said) for row, said in found if said is not None and said.kind == "l3"]
        out = v.get(WAY_OUT, id_)
        networks = {
            i.network_id
            for _id, i in v.find(INTERFACE, "vrf", row.vni)
            if routing_of(v, i.vni)[0] == row.vni
        }
    else:
        row = v.get(BGPVPN_NETWORK, id_)
        if row is None or v.get(NETWORK_IRB, id_) is None:
            return None
        networks = {row.network_id}
    own = _own(v, row)
    if own is None:
        return None
    imports = own[0].union(*(said.imports for _row, said in vpns))
    mine = Policy(tuple(own[1]))
    policy = joined([mine, *(said.policy for _row, said in vpns)])
    extra = joined([mine, *(said.policy for row, said in vpns if row.advertise_extra_routes)])
    exports = set(policy.targets).union(out.policy.targets if out is not None else ())
    _join(imports, exports, networks, v)
    return VrfInstance(
        row.vni,
        row.label,
        row.number,
        tuple(sorted(imports)),
        tuple(sorted(exports)),
        policy,
        extra,
    )


def _external(network_id: str, outside: External, v: View) -> VrfInstance:
    """An external network's VRF."""
    imports, exports = {outside.automatic}, set(outside.policy.targets)
    _join(imports, exports, {network_id}, v)
    return VrfInstance(
        outside.vrf,
        outside.label,
        outside.number,
        tuple(sorted(imports)),
        tuple(sorted(exports)),
        outside.policy,
    )


def _join(
    imports: set[RouteTarget], exports: set[RouteTarget], networks: set[str], v: View
) -> None:
    """Add what the BGP VPNs of some networks, and of their ports, import and export."""
    for network_id in networks:
        for _id, said in terms_of_network(v, network_id, "l3"):
            imports.update(said.imports)
            exports.update(said.policy.targets)
        for _id, port in v.find(PORT_VPN, "network", network_id):
            imports.update(port.imports)
            exports.update(port.exports)


def _lengths(v: View, port: Port) -> tuple[tuple[Ip, int], ...]:
    """The port's addresses that lie in their subnets, each with the prefix length."""
    pairs = []
    for fixed in port.fixed_ips:
        subnet = v.get(SUBNET, fixed.subnet_id)
        if (
            subnet is not None
            and subnet.network_id == port.network_id
            and fixed.ip in subnet.prefix
        ):
            pairs.append((fixed.ip, subnet.prefix.length))
    return tuple(pairs)


def interface(port_id: str, v: View) -> Interface | None:
    """A router's port with its addresses, once network and router are both there and up."""
    port = v.get(PORT, port_id)
    if port is None or port.device_owner != ROUTER_INTERFACE_OWNER or not port.admin_state_up:
        return None
    evi = v.get(EVI_INSTANCE, port.network_id)
    router = v.get(ROUTER, port.device_id)
    if evi is None or router is None or not router.admin_state_up:
        return None
    addresses = _lengths(v, port)
    if not addresses or v.get(EXTERNAL, port.network_id) is not None:
        return None
    return Interface(evi.vni, router.vni, port.mac, addresses, port.network_id)


def routing_of(v: View, vni: Vni) -> tuple[Vni, tuple[Interface, ...]]:
    """The VRF of a network and its interfaces there.

    A network belongs to one VRF, an external one to its own. Where several routers have an
    interface on it, to that of the interface with the lowest port id, whatever the order in which
    they came; where none has, to that of a BGP VPN.
    """
    found = sorted(v.find(INTERFACE, "vni", vni)) or v.find(NETWORK_IRB, "vni", vni)
    if not found:
        return Vni(0), ()
    vrf = found[0][1].vrf
    return vrf, tuple(row for _key, row in found if row.vrf == vrf)


def routing(network_id: str, v: View) -> Routing | None:
    """A network that is routed, with what its BGP VPNs want said of its prefixes."""
    evi = v.get(EVI_INSTANCE, network_id)
    domain = v.get(DOMAIN, "domain") if evi is not None else None
    if evi is None or domain is None:
        return None
    vni, interfaces = routing_of(v, evi.vni)
    found = v.find(VRF_INSTANCE, "vni", vni) if vni else []
    if not found:
        return None
    id_, vrf = found[0]
    vpns = [said.policy for _id, said in terms_of_network(v, network_id, "l3")]
    out, router = v.get(WAY_OUT, id_), v.get(ROUTER, id_)
    policy = joined([vrf.policy, *vpns])
    return Routing(
        vrf=vni,
        number=vrf.number,
        label=vrf.label,
        automatic=automatic_target(domain.asn, vrf.number),
        policy=policy,
        on_link=tuple(
            Prefix.covering(ip, length) for row in interfaces for ip, length in row.addresses
        ),
        mac=interfaces[0].mac,
        out=out,
        known_outside=Policy() if out is None else joined([policy, out.policy]),
        extra=vrf.extra if router is not None and router.routes else None,
    )


def _said(
    v: View, port_id: str, routed: tuple[Ip, ...], where: Routing
) -> tuple[tuple[Prefix, Policy], ...]:
    """What the port's own BGP VPNs want said, and its router's static routes, by prefix."""
    said: dict[Prefix, list[Policy]] = {}
    for _id, vpn in v.find(PORT_VPN, "port", port_id):
        if vpn.fixed is not None:
            for ip in routed:
                said.setdefault(Prefix.host(ip), []).append(vpn.fixed)
        for prefix, policy in vpn.behind:
            said.setdefault(prefix, []).append(policy)
    if where.extra is not None:
        for ip in routed:
            for prefix in v.get(EXTRA_ROUTE, (where.vrf, ip)) or ():
                policy = where.extra
                if where.out is not None and not where.is_hidden(prefix):
                    policy = joined([policy, where.out.policy])
                said.setdefault(prefix, []).append(policy)
    return tuple((prefix, joined(policies)) for prefix, policies in sorted(said.items()))


OVERHEAD: Final = {
    Encapsulation.VXLAN: 20 + 8 + 8 + 14,
    Encapsulation.MPLS_GRE: 20 + 4 + 4 + 14,
    Encapsulation.MPLS_UDP: 20 + 8 + 4 + 14,
}
"""Octets around a guest's IP packet over IPv4: RFC 7348 section 5, RFC 4023, RFC 7510. A bridged
frame brings its Ethernet header, a routed one over MPLS does not."""


def fitting_mtu(
    mtu: int, underlay: int, vtep: Ip, encapsulations: tuple[Encapsulation, ...]
) -> int:
    """A network's MTU, or what an underlay of that MTU has room for if that is less."""
    overhead = max((OVERHEAD[e] for e in encapsulations), default=0)
    if vtep.version == 6:
        overhead += 20
    return max(min(mtu, underlay - overhead), 0)


NOT_GUESTS: Final = frozenset(
    {ROUTER_INTERFACE_OWNER, ROUTER_GATEWAY_OWNER, FLOATING_IP_OWNER, SNAT_OWNER}
)
"""Owners of ports that hold addresses of routers, of floating IPs and of hypervisors."""


def _qos_policy(port: Port, network: Network) -> str | None:
    """A network's policy is for its guests, not for what serves them."""
    if port.qos_policy_id is not None or port.device_owner.startswith("network:"):
        return port.qos_policy_id
    return network.qos_policy_id


def _claimed(
    v: View, port_id: str, port: Port, links: tuple[Prefix, ...], said: Container[Prefix]
) -> Iterator[Claimed]:
    """What the guest said that it has, as far as its pairs let it and it is not its own.

    It is routed to where it is on link, unless ``said`` has a route to it anyway.
    """
    own = {fixed.ip for fixed in port.fixed_ips}
    for (network_id, ip), claim in sorted(v.find(CLAIM, "port", port_id)):
        allowed = any(
            pair.mac == claim.mac and ip in pair.prefix for pair in port.allowed_address_pairs
        )
        if allowed and network_id == port.network_id and ip not in own:
            routed = any(ip in link for link in links) and Prefix.host(ip) not in said
            yield Claimed(ip, claim.mac, claim.sequence, routed)


def attachment(port_id: str, v: View) -> Attachment | None:
    """A guest's port whose network and hypervisor are both known."""
    port = v.get(PORT, port_id)
    return None if port is None else attached(port_id, port, port.host, v)


def attached(port_id: str, port: Port, host: str, v: View) -> Attachment | None:
    """The port as it is on a host, or would be."""
    if not host or port.device_owner in NOT_GUESTS:
        return None
    network = v.get(NETWORK, port.network_id)
    hypervisor = v.get(HYPERVISOR, host)
    if network is None or hypervisor is None:
        return None
    pin = network.encapsulation
    encapsulations = tuple(e for e in hypervisor.encapsulations if pin is None or e == pin)
    where = v.get(ROUTING, port.network_id)
    addresses = tuple(dict.fromkeys(fixed.ip for fixed in port.fixed_ips))
    routed = tuple(
        ip for ip in addresses if where is not None and any(ip in link for link in where.on_link)
    )
    said = _said(v, port_id, routed, where) if where is not None else ()
    claimed: tuple[Claimed, ...] = ()
    if port.allowed_address_pairs:
        links = where.on_link if where is not None else ()
        claimed = tuple(_claimed(v, port_id, port, links, dict(said)))
    return Attachment(
        host=host,
        vtep=hypervisor.vtep,
        encapsulations=encapsulations,
        network_id=port.network_id,
        vni=network.vni,
        number=network.number,
        vrf=where.vrf if where is not None else Vni(0),
        vrf_number=where.number if where is not None else 0,
        mac=port.mac,
        addresses=addresses,
        routed=routed,
        # A route that no encapsulation can carry would draw packets into nowhere.
        up=(
            port.admin_state_up
            and network.admin_state_up
            and bool(encapsulations)
            and hypervisor.vtep.version == 4  # type 1 route distinguishers hold no other
        ),
        security=port.port_security_enabled,
        security_groups=port.security_groups if port.port_security_enabled else (),
        pairs=tuple([(pair.mac, pair.prefix) for pair in port.allowed_address_pairs])
        if port.allowed_address_pairs
        else (),
        said=said,
        moves=port.moves,
        router_mac=where.mac if where is not None else None,
        mtu=fitting_mtu(network.mtu, hypervisor.mtu, hypervisor.vtep, encapsulations),
        qos_policy_id=_qos_policy(port, network),
        external=where.out.external if where is not None and where.out is not None else Vni(0),
        zone=where.zone if where is not None else 0,
        claimed=claimed,
    )


RULES: Final = (
    *vpns.FIRST_RULES,
    *wayout.FIRST_RULES,
    Rule(EVI_INSTANCE, evi_instance, (on(NETWORK, same_key),)),
    Rule(INTERFACE, interface, (on(PORT, same_key),)),
    *vpns.RULES,
    Rule(
        VRF_INSTANCE,
        vrf_instance,
        (on(ROUTER, same_key), on(EXTERNAL, same_key), on(BGPVPN_NETWORK, same_key)),
    ),
    *wayout.RULES,
    Rule(ROUTING, routing, (on(NETWORK, same_key),)),
    Rule(ATTACHMENT, attachment, (on(PORT, same_key), on(PORT_VPN, PORT_VPN.indexes["port"]))),
)
