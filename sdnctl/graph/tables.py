"""The forwarding tables of EVIs and VRFs: one entry a key, the same for every member."""

from __future__ import annotations

from typing import Final

from sdnctl.desired import Evi, FdbEntry, FibEntry, FloodEntry, Irb, Neighbor, NextHop, Vrf
from sdnctl.graph.attachments import routing_of
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.attachments import OUTSIDE
from sdnctl.graph.relations.inputs import NETWORK
from sdnctl.graph.relations.instances import EVI_INSTANCE, INTERFACE, NETWORK_IRB, VRF_INSTANCE
from sdnctl.graph.relations.resources import EVI, FDB, FIB, FLOOD, IRB, NEIGHBOR, VRF
from sdnctl.graph.relations.routes import IMPORTED
from sdnctl.graph.relations.wayout import EXTERNAL
from sdnctl.graph.rib import Candidate, contested, equal_paths, mobility_order, second_best
from sdnctl.routes import MacIpRoute, Nlri, Path
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni


def _bridged(path: Path) -> NextHop:
    return NextHop(path.next_hop, path.label, path.vni, path.encapsulations)


def _routed(nlri: Nlri, path: Path) -> NextHop:
    """The next hop of a prefix; of a MAC/IP route, by its second label (RFC 9135 section 5.2)."""
    if isinstance(nlri, MacIpRoute):
        vxlan = (Encapsulation.VXLAN,)
        return NextHop(path.next_hop, Label(0), path.l3_vni, vxlan, path.router_mac)
    return NextHop(path.next_hop, path.label, path.vni, path.encapsulations, path.router_mac)


def _joined(same: list[Candidate]) -> NextHop:
    """One next hop of equal paths: the first's, with the VXLAN or the MPLS tunnel of another.

    A gateway may say a prefix in VPNv4 and in EVPN: each sender takes the tunnel that it prefers.
    """
    first, *others = (_routed(key.nlri, path) for key, path in same)
    for other in others:
        for vxlan, mpls in ((first, other), (other, first)):
            only = vxlan.encapsulations == (Encapsulation.VXLAN,)
            if only and Encapsulation.VXLAN not in mpls.encapsulations:
                both = (*first.encapsulations, *other.encapsulations)
                return NextHop(first.vtep, mpls.label, vxlan.vni, both, vxlan.router_mac)
    return first


def evi(network_id: str, v: View) -> Evi | None:
    """A network that is up."""
    instance = v.get(EVI_INSTANCE, network_id)
    network = v.get(NETWORK, network_id)
    if instance is None or network is None:
        return None
    return Evi(instance.vni, instance.label, network.mtu, routing_of(v, instance.vni)[0])


def vrf(router_id: str, v: View) -> Vrf | None:
    """A router that is up, or an external network, with the prefixes that it has on link."""
    instance = v.get(VRF_INSTANCE, router_id)
    if instance is None:
        return None
    outside = v.get(EXTERNAL, router_id)
    if outside is not None:
        return Vrf(instance.vni, instance.label, outside.connected)
    interfaces = v.find(INTERFACE, "vrf", instance.vni) or v.find(NETWORK_IRB, "vrf", instance.vni)
    connected = {
        Prefix.covering(ip, length)
        for _id, row in interfaces
        if routing_of(v, row.vni)[0] == row.vrf
        for ip, length in row.addresses
    }
    return Vrf(instance.vni, instance.label, tuple(sorted(connected)))


def irb(port_id: str, v: View) -> Irb | None:
    """A router's interface, if its router is the one that the network belongs to.

    Of an external network, or one that a BGP VPN routes, it has the network's id, or the
    association's.
    """
    row = v.get(INTERFACE, port_id) or v.get(NETWORK_IRB, port_id)
    if row is None or not row.addresses or routing_of(v, row.vni)[0] != row.vrf:
        return None
    return Irb(row.vni, row.vrf, port_id, row.mac, row.addresses)


def fdb(key: tuple[Vni, Mac], v: View) -> FdbEntry | None:
    """The tunnel to a MAC address: the best claim to it wins."""
    routes = v.find(IMPORTED, "mac", key)
    if not routes:
        return None
    _best, row = min(contested(routes), key=mobility_order)
    return FdbEntry(*key, _bridged(row.path))


def neighbor(key: tuple[Vni, Ip], v: View) -> Neighbor | None:
    """The MAC behind an address: the best claim to it wins.

    What is translated is behind the router, for guests of the external network itself.
    """
    routes = v.find(IMPORTED, "ip", key)
    if not routes:
        return _behind_router(key, v)
    best, _row = min(contested(routes), key=lambda r: (mobility_order(r), r[0].nlri))
    return Neighbor(*key, best.nlri.mac) if isinstance(best.nlri, MacIpRoute) else None


def _behind_router(key: tuple[Vni, Ip], v: View) -> Neighbor | None:
    """An address that a hypervisor translates, where the network has a gateway to send it to."""
    found = v.find(OUTSIDE, "ip", key)
    if not found:
        return None
    gateway = v.get(NETWORK_IRB, min(found)[1].network_id)
    return Neighbor(*key, gateway.mac) if gateway is not None and gateway.addresses else None


def flood(key: tuple[Vni, Ip], v: View) -> FloodEntry | None:
    """A member of the network (RFC 7432 section 11)."""
    routes = v.find(IMPORTED, "member", key)
    if not routes:
        return None
    _best, row = min(routes, key=mobility_order)
    return FloodEntry(key[0], _bridged(row.path))


def fib(key: tuple[Vni, Prefix], v: View) -> FibEntry | None:
    """The equal best paths to a prefix, and the next best should gateways stop answering."""
    routes = v.find(IMPORTED, "prefix", key)
    if not routes:
        return None
    best = equal_paths(routes)
    return FibEntry(*key, tuple(map(_joined, best)), tuple(map(_joined, second_best(routes, best))))


RULES: Final = (
    Rule(EVI, evi, (on(EVI_INSTANCE, same_key),)),
    Rule(VRF, vrf, (on(VRF_INSTANCE, same_key),)),
    Rule(IRB, irb, (on(INTERFACE, same_key), on(NETWORK_IRB, same_key))),
    Rule(FDB, fdb, (on(IMPORTED, IMPORTED.indexes["mac"]),)),
    Rule(
        NEIGHBOR,
        neighbor,
        (on(IMPORTED, IMPORTED.indexes["ip"]), on(OUTSIDE, OUTSIDE.indexes["ip"])),
    ),
    Rule(FLOOD, flood, (on(IMPORTED, IMPORTED.indexes["member"]),)),
    Rule(FIB, fib, (on(IMPORTED, IMPORTED.indexes["prefix"]),)),
)
