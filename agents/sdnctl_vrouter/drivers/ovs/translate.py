"""The node, its networks and its routers to their flows: pure functions, packed bytes out.

Promise: what a resource means depends on itself, the node and the tunnel ports,
nothing else; where resources meet, they meet in the switch (a register of one table
is the match of the next). So it is in ``ports``, ``nexthops``, ``nat`` and ``standby``, which
translate the rest. ``Unreachable`` says why a resource cannot be programmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sdnctl.desired import Evi, Irb, Neighbor, Node, SubnetOptions, Vrf
from sdnctl.types import Encapsulation, Prefix
from sdnctl_vrouter.drivers.ovs import metadata
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Reason, fib_priority
from sdnctl_vrouter.drivers.ovs.translation import NOTHING, Translation, Tunnels, netmask
from sdnctl_vrouter.responder.packets import SERVICE_MAC, link_local

_SECURITY: Final = tuple(
    getattr(t, name)
    for name in dir(t)
    if name.startswith(("track_", "egress_", "ingress_"))
    and not name.endswith("_allow")
    and "_pick_up_" not in name
)
"""What holds for every port with port security: the flows of shapes/security.py as they are."""


def static() -> Translation:
    """What every switch holds."""
    return Translation(
        (
            *(t.dropped(reason) for reason in Reason),
            *(pack() for pack in _SECURITY),
            t.output_any(),
            t.untagged(),
            t.tagged_refused(),
            t.tagged_kept_out(),
            t.mac_refused(),
            t.mac_arp_refused(),
            t.mac_solicit_refused(),
            t.mac_advert_refused(),
            t.mac_router_advert_refused(),
            t.mac_redirect_refused(),
            t.ip_not_ip(),
            t.ip_refused_4(),
            t.ip_refused_6(),
            t.ip_refused_arp(),
            t.ip_dhcp_server_4(),
            t.ip_dhcp_server_6(),
            t.ip_arp_probe(),
            t.ip_dhcp(),
            t.ip_advert_link_local(),
            t.ip_advert_refused(),
            t.ip_link_local(),
            t.ip_unspecified(),
            t.respond_miss(),
            t.respond_arp_probe(),
            t.respond_dad(),
            t.l2_miss(),
            t.nd_reply_rest(),
            t.popped_4(),
            t.popped_6(),
            t.service_refused(SERVICE_MAC),
        )
    )


def node(resource: Node, tunnels: Tunnels) -> Translation:
    """The last step into each tunnel."""
    flows = []
    if tunnels.vxlan:
        flows.append(t.to_vxlan(tunnels.vxlan))
        flows.append(t.to_vxlan_routed(resource.router_mac, tunnels.vxlan))
    if tunnels.gre:
        flows.append(t.to_mpls(tunnels.gre))
        flows.append(t.to_mpls_routed(tunnels.gre))
    if tunnels.metadata:
        flows += metadata.static()
    return Translation(tuple(flows))


def lacking(resource: Node, tunnels: Tunnels) -> str:
    """What the node says it sends and the switch has no port for; empty is well."""
    ports = {Encapsulation.VXLAN: tunnels.vxlan, Encapsulation.MPLS_GRE: tunnels.gre}
    missing = [str(e) for e in resource.encapsulations if ports.get(e, 1) == 0]
    return f"the switch has no port for {', '.join(missing)}" if missing else ""


def evi(resource: Evi, tunnels: Tunnels, *, answers_nd: bool) -> Translation:
    """What comes out of the tunnels for a network, and where its metadata is."""
    flows = []
    if tunnels.vxlan and resource.vni:
        flows.append(t.vxlan_evi(tunnels.vxlan, resource.vni, resource.vni))
    if tunnels.gre and resource.label:
        flows.append(t.mpls_evi(tunnels.gre, resource.label, resource.vni))
    if tunnels.metadata:
        flows += metadata.network(resource.vni, answers_nd=answers_nd)
    return Translation(tuple(flows))


def vrf(resource: Vrf, tunnels: Tunnels) -> Translation:
    """What comes out of the tunnels for a router, and what it has on link."""
    flows = []
    if tunnels.vxlan and resource.vni:
        flows.append(t.vxlan_vrf(tunnels.vxlan, resource.vni, resource.vni))
    if tunnels.gre and resource.label:
        flows.append(t.mpls_vrf(tunnels.gre, resource.label, resource.vni))
    for ip, length in resource.connected:
        on_link = t.fib_on_link_4 if ip.version == 4 else t.fib_on_link_6
        priority = fib_priority(length, Preference.ON_LINK)
        flows.append(on_link(priority, resource.vni, ip, netmask(length, ip.bits)))
    return Translation(tuple(flows))


def neighbor(resource: Neighbor, *, answers_nd: bool) -> Translation:
    """An answer on the host; without it the question is flooded, and the guest itself answers."""
    if resource.ip.version == 6 and not answers_nd:
        return NOTHING
    answer = t.neighbor_4 if resource.ip.version == 4 else t.neighbor_6
    return Translation((answer(resource.vni, resource.ip, resource.mac),))


def subnet(resource: SubnetOptions) -> Translation:
    """What the guests of the network ask the agent, because of this subnet."""
    flows = []
    if resource.dhcp and resource.prefix.version == 4:
        flows.append(t.question_dhcp(resource.vni))
    elif resource.dhcp or resource.stateless:
        flows.append(t.question_dhcpv6(resource.vni))
    if resource.advertised:
        flows.append(t.question_router(resource.vni))
    return Translation(tuple(flows))


def irb(resource: Irb, *, answers_nd: bool) -> Translation:
    """A router's interface: its door, its answers, its connected prefixes."""
    return Translation(tuple(_irb(resource, answers_nd=answers_nd)))


def _irb(irb: Irb, *, answers_nd: bool) -> Iterator[bytes]:
    yield t.l2_router_4(irb.vni, irb.mac, irb.vrf)
    yield t.l2_router_6(irb.vni, irb.mac, irb.vrf)
    yield t.l2_router_refused(irb.vni, irb.mac)
    if any(ip.version == 6 for ip, _ in irb.addresses):
        # The address that router advertisements come from (RFC 4861 section 4.2).
        ip = link_local(irb.mac)
        if answers_nd:
            yield t.gateway_6(irb.vni, ip, irb.mac)
        else:
            yield t.gateway_asked_6(irb.vni, ip)
    for ip, length in irb.addresses:
        four = ip.version == 4
        if four or answers_nd:
            yield (t.gateway_4 if four else t.gateway_6)(irb.vni, ip, irb.mac)
        else:
            yield t.gateway_asked_6(irb.vni, ip)
        yield (t.echo_4 if four else t.echo_6)(irb.vrf, ip, irb.mac)
        prefix, mask = Prefix.covering(ip, length), netmask(length, ip.bits)
        on_link = t.fib_on_link_4 if four else t.fib_on_link_6
        yield on_link(fib_priority(length, Preference.ON_LINK), irb.vrf, prefix.ip, mask)
        routed = t.adjacency_routed_4 if four else t.adjacency_routed_6
        yield routed(irb.vrf, irb.vni, prefix.ip, mask, irb.mac)
        received = t.adjacency_received_4 if four else t.adjacency_received_6
        yield received(irb.vrf, irb.vni, prefix.ip, mask, irb.mac)
