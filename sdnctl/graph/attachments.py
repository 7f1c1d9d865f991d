"""Instances and attachments: networks as EVIs, routers as VRFs, ports on their hypervisors."""

from __future__ import annotations

from typing import Final

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations import (
    ATTACHMENT,
    DOMAIN,
    EVI_INSTANCE,
    HYPERVISOR,
    INTERFACE,
    NETWORK,
    PORT,
    ROUTER,
    SUBNET,
    VRF_INSTANCE,
    Attachment,
    EviInstance,
    Interface,
    VrfInstance,
)
from sdnctl.intent import ROUTER_INTERFACE_OWNER, Network, Port, Router
from sdnctl.types import Encapsulation, Ip, Prefix, RouteTarget, Vni

AUTOMATIC_TARGETS: Final = 8_000_000
"""Automatic route targets are ASN : this + a 16-bit number; all others are the operators' own."""

AS_TRANS: Final = 23456
"""Stands for a four-octet AS in automatic targets, whose number needs 32 bits (RFC 6793)."""


OVERHEAD: Final = {
    Encapsulation.VXLAN: 20 + 8 + 8 + 14,
    Encapsulation.MPLS_GRE: 20 + 4 + 4 + 14,
    Encapsulation.MPLS_UDP: 20 + 8 + 4 + 14,
}
"""Octets around a guest's IP packet over IPv4: RFC 7348 section 5, RFC 4023, RFC 7510. A bridged
frame brings its Ethernet header, a routed one over MPLS does not."""


def automatic_target(asn: int, number: int) -> RouteTarget:
    """The route target that a network or router has without being told one."""
    return RouteTarget.of(asn if asn <= 0xFFFF else AS_TRANS, AUTOMATIC_TARGETS + number)


def is_automatic(asn: int, target: RouteTarget) -> bool:
    """Whether a route target is, or may become, the automatic one of a network or router."""
    first, last = automatic_target(asn, 0), automatic_target(asn, 0xFFFF)
    return first <= target <= last


def _targets(
    v: View, row: Network | Router
) -> tuple[tuple[RouteTarget, ...], tuple[RouteTarget, ...]] | None:
    domain = v.get(DOMAIN, "domain")
    if domain is None:
        return None
    # An automatic target is exported without being asked, so to import another's would take one
    # hand only; to export one would put routes where nobody asked for them.
    own = {automatic_target(domain.asn, row.number)}
    imports, exports = (
        own.union(t for t in targets if not is_automatic(domain.asn, t))
        for targets in (row.import_targets, row.export_targets)
    )
    return tuple(sorted(imports)), tuple(sorted(exports))


def evi_instance(network_id: str, v: View) -> EviInstance | None:
    """A network that is up, with its targets; keyed by the network's id."""
    network = v.get(NETWORK, network_id)
    if network is None or not network.admin_state_up:
        return None
    targets = _targets(v, network)
    if targets is None:
        return None
    return EviInstance(network.vni, network.label, network.number, *targets, network.encapsulation)


def vrf_instance(router_id: str, v: View) -> VrfInstance | None:
    """A router that is up, with its targets; keyed by the router's id."""
    router = v.get(ROUTER, router_id)
    if router is None or not router.admin_state_up:
        return None
    targets = _targets(v, router)
    if targets is None:
        return None
    return VrfInstance(router.vni, router.label, router.number, *targets)


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
    vrf = v.get(VRF_INSTANCE, port.device_id)
    if evi is None or vrf is None:
        return None
    addresses = _lengths(v, port)
    return Interface(evi.vni, vrf.vni, port.mac, addresses) if addresses else None


def routing_of(v: View, vni: Vni) -> tuple[Vni, tuple[Interface, ...]]:
    """The VRF of a network and its interfaces there.

    A network belongs to one VRF: where several routers have an interface on it, that of the
    interface with the lowest port id, whatever the order in which they came.
    """
    found = sorted(v.find(INTERFACE, "vni", vni))
    if not found:
        return Vni(0), ()
    vrf = found[0][1].vrf
    return vrf, tuple(row for _key, row in found if row.vrf == vrf)


def fitting_mtu(
    mtu: int, underlay: int, vtep: Ip, encapsulations: tuple[Encapsulation, ...]
) -> int:
    """A network's MTU, or what an underlay of that MTU has room for if that is less."""
    overhead = max((OVERHEAD[e] for e in encapsulations), default=0)
    if vtep.version == 6:
        overhead += 20
    return max(min(mtu, underlay - overhead), 0)


def attachment(port_id: str, v: View) -> Attachment | None:
    """A guest's port whose network and hypervisor are both known."""
    port = v.get(PORT, port_id)
    if port is None or not port.host or port.device_owner == ROUTER_INTERFACE_OWNER:
        return None
    network = v.get(NETWORK, port.network_id)
    hypervisor = v.get(HYPERVISOR, port.host)
    if network is None or hypervisor is None:
        return None
    pin = network.encapsulation
    encapsulations = tuple(e for e in hypervisor.encapsulations if pin is None or e == pin)
    vrf, interfaces = routing_of(v, network.vni)
    router = v.find(VRF_INSTANCE, "vni", vrf) if vrf else []
    on_link = [Prefix.covering(ip, length) for row in interfaces for ip, length in row.addresses]
    addresses = tuple(dict.fromkeys(fixed.ip for fixed in port.fixed_ips))
    return Attachment(
        host=port.host,
        vtep=hypervisor.vtep,
        encapsulations=encapsulations,
        network_id=port.network_id,
        vni=network.vni,
        number=network.number,
        router_id=router[0][0] if router else "",
        vrf=vrf,
        vrf_number=router[0][1].number if router else 0,
        mac=port.mac,
        addresses=addresses,
        routed=tuple(ip for ip in addresses if any(ip in prefix for prefix in on_link)),
        # A route that no encapsulation can carry would draw packets into nowhere.
        up=(
            port.admin_state_up
            and network.admin_state_up
            and bool(encapsulations)
            and hypervisor.vtep.version == 4  # type 1 route distinguishers hold no other
        ),
        security=port.port_security_enabled,
        mtu=fitting_mtu(network.mtu, hypervisor.mtu, hypervisor.vtep, encapsulations),
    )


RULES: Final = (
    Rule(EVI_INSTANCE, evi_instance, (on(NETWORK, same_key),)),
    Rule(VRF_INSTANCE, vrf_instance, (on(ROUTER, same_key),)),
    Rule(INTERFACE, interface, (on(PORT, same_key),)),
    Rule(ATTACHMENT, attachment, (on(PORT, same_key),)),
)
