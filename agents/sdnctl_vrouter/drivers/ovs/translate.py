"""One resource to its flows: pure functions, packed bytes out.

Promise: what a resource means depends on itself, the node and the tunnel ports,
nothing else; where resources meet, they meet in the switch (a register of one table
is the match of the next). ``Unreachable`` says why a resource cannot be programmed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sdnctl.desired import (
    Evi,
    FdbEntry,
    FibEntry,
    FloodEntry,
    Irb,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    Qos,
    SubnetOptions,
    Vrf,
)
from sdnctl.types import Encapsulation, Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs import metadata, meters
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Reason, fib_priority
from sdnctl_vrouter.responder.packets import SERVICE_MAC, link_local

_METER: Final = struct.Struct("!HHI").pack
_INSTRUCTION: Final = struct.Struct("!HH4x").pack
_BUCKET: Final = struct.Struct("!HHII4x").pack
_APPLY_ACTIONS: Final = 4
_GO_THROUGH_METER: Final = 6
_ANY: Final = 0xFFFFFFFF

TAGGED: Final = 0x1000
"""Bit of a VLAN id in OpenFlow: there is a tag (OFPVID_PRESENT)."""

LONGEST: Final = 0xFFFF - 256
"""Octets of actions or buckets: a message has 64 KiB, for its match and headers too."""

FLOOD_CHUNK: Final = 500
"""Members in one flood flow: a message of OpenFlow has 64 KiB, a member at most 64 octets."""


class Unreachable(Exception):
    """A resource that this hypervisor cannot program."""


class Tunnels(NamedTuple):
    """OpenFlow ports of the two tunnel interfaces and of the host's, 0 while there is none."""

    vxlan: int = 0
    gre: int = 0
    metadata: int = 0


class Bucket(NamedTuple):
    """A path of a select group, used if its next hop is there and none of a lower rank is."""

    rank: int
    vtep: Ip
    data: bytes


class Translation(NamedTuple):
    """Flows of a resource; the last one goes through a group if there are buckets."""

    flows: tuple[bytes, ...] = ()
    buckets: tuple[Bucket, ...] = ()


NOTHING: Final = Translation()


def with_actions(match: bytes, actions: bytes, *, meter: int = 0) -> bytes:
    """A flow made of a match-only template and a list of actions, after a meter if there is one."""
    if meter:
        match += _METER(_GO_THROUGH_METER, 8, meter)
    return match + _INSTRUCTION(_APPLY_ACTIONS, 8 + len(actions)) + actions


def metered(flow: bytes, meter: int) -> bytes:
    """A flow whose packets go through a meter first; 0 is none."""
    if not meter:
        return flow
    end = 32 + (int.from_bytes(flow[34:36], "big") + 7) // 8 * 8  # of the match
    return flow[:end] + _METER(_GO_THROUGH_METER, 8, meter) + flow[end:]


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


def local_port(
    port: LocalPort, ofport: int, policy: int, tunnels: Tunnels, trunk: Sequence[int] = ()
) -> Translation:
    """All of a port but its place in the flood list; ``policy`` is its groups' number.

    Of one on standby, what it sends; what leads to it is ``standby``'s.
    Of a subport ``trunk`` are the OpenFlow ports of its trunk's VIF and of the way there.
    """
    flows = tuple(_local_port(port, ofport, policy))
    if trunk:
        vif, patch = trunk
        tag = TAGGED | port.vlan
        flows += (t.subport_in(vif, tag, patch), t.subport_out(patch, tag, vif))
    if tunnels.metadata:
        flows += tuple(metadata.port(port, ofport, tunnels.metadata))
    return Translation(flows)


def _local_port(port: LocalPort, ofport: int, policy: int) -> Iterator[bytes]:
    yield t.ask(ofport)
    if port.security and port.picks_up:
        yield t.egress_pick_up_4(ofport)
        yield t.egress_pick_up_6(ofport)
        yield t.ingress_pick_up_4(ofport)
        yield t.ingress_pick_up_6(ofport)
    if port.qos is not None:
        yield from _qos(port, port.qos, ofport, policy)
    elif port.security:
        yield t.vif_checked(ofport, port.vni, policy)
    else:
        yield t.vif_trusted(ofport, port.vni)
    if port.security:
        yield t.deliver_checked(ofport, policy)
        yield t.deliver_own(ofport)
        yield from _guard(port, ofport)
    elif port.qos is not None and port.qos.ingress is not None:
        yield t.deliver_limited(ofport)
    else:
        yield t.deliver_trusted(ofport)
    for ip in port.addresses:
        if ip.version == 4:
            yield t.respond_own_4(ofport, ip)
    yield from _taken(port, ofport)
    if port.behind and port.security:
        yield from _routes(port, ofport)
    if not port.standby:
        yield from _led_to(port, ofport)


def _taken(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """What the guest says when it takes an address that it may have: of prefixes, nobody hears."""
    for prefix in dict.fromkeys(prefix for _mac, prefix in port.pairs):
        if prefix.length == prefix.ip.bits:
            taken = t.respond_taken_4 if prefix.version == 4 else t.respond_taken_6
            yield taken(ofport, prefix.ip)


def _led_to(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """What leads to a port whose guest is there."""
    for mac in macs(port):
        yield t.l2_local(port.vni, mac, ofport)
    if port.vrf:
        for mac, ip in addresses(port):
            local = t.fib_local_4 if ip.version == 4 else t.fib_local_6
            yield local(port.vrf, ip, mac, port.vni, ofport)
    if port.vrf and port.router_mac is not None:
        yield from _behind(port, port.router_mac, ofport)


def macs(port: LocalPort) -> Iterable[Mac]:
    """The MAC addresses that lead to the guest: its own, and those of what it has taken."""
    return dict.fromkeys((port.mac, *(mac for mac, _ip in port.claimed)))


def addresses(port: LocalPort) -> list[tuple[Mac, Ip]]:
    """The addresses of the guest, its own and those that it has taken, each with its MAC."""
    return [*((port.mac, ip) for ip in port.addresses), *port.claimed]


def _qos(port: LocalPort, qos: Qos, ofport: int, policy: int) -> Iterator[bytes]:
    """Where a port's packets come in, by its meter and its mark; and the way out to it."""
    actions = t.onward_checked(port.vni, policy) if port.security else t.onward_trusted(port.vni)
    if qos.dscp is not None:
        yield t.mark_4(ofport, qos.dscp)
        yield t.mark_6(ofport, qos.dscp)
        actions = t.to_mark() + actions
    meter = meters.number(ofport, ingress=False) if qos.egress is not None else 0
    yield with_actions(t.vif(ofport), actions, meter=meter)
    if qos.ingress is not None:
        meter = meters.number(ofport, ingress=True)
        yield with_actions(t.output_limited(ofport), t.send(ofport), meter=meter)


def _behind(port: LocalPort, router_mac: Mac, ofport: int) -> Iterator[bytes]:
    """Packets to the prefixes that the guest routes."""
    for ip, length in port.behind:
        four, mask = ip.version == 4, netmask(length, ip.bits)
        priority = fib_priority(length, Preference.LOCAL)
        for fib in (
            (t.fib_behind_routed_4, t.fib_behind_received_4)
            if four
            else (t.fib_behind_routed_6, t.fib_behind_received_6)
        ):
            yield fib(priority, port.vrf, ip, mask, router_mac, port.mac, ofport)


def _routes(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """Packets from the prefixes that the guest routes."""
    for ip, length in port.behind:
        source = t.ip_source_behind_4 if ip.version == 4 else t.ip_source_behind_6
        yield source(ofport, ip, netmask(length, ip.bits))


def _guard(port: LocalPort, ofport: int) -> Iterator[bytes]:
    own = [(port.mac, Prefix.host(ip)) for ip in port.addresses]
    for mac in dict.fromkeys((port.mac, *(mac for mac, _prefix in port.pairs))):
        yield t.mac_ethernet(ofport, mac)
        yield t.mac_arp(ofport, mac)
        yield t.mac_solicit(ofport, mac)
        yield t.mac_solicit_bare(ofport, mac)
        yield t.mac_advert(ofport, mac)
        yield t.mac_advert_bare(ofport, mac)
    for mac, prefix in (*own, *port.pairs):
        ip, mask = prefix.ip, netmask(prefix.length, prefix.ip.bits)
        if prefix.version == 4:
            yield t.ip_source_4(ofport, mac, ip, mask)
            yield t.ip_arp_4(ofport, mac, ip, mask)
        else:
            yield t.ip_source_6(ofport, mac, ip, mask)
            yield t.ip_advert_6(ofport, mac, ip, mask)


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


def netmask(length: int, bits: int) -> bytes:
    """The mask of a prefix length."""
    return ((1 << bits) - (1 << (bits - length))).to_bytes(bits // 8, "big")


def fdb(entry: FdbEntry, node: Node) -> Translation:
    """A MAC behind a tunnel."""
    if entry.via.vtep == node.vtep:
        return NOTHING
    actions = bridged(entry.via, node)
    return Translation((with_actions(t.l2_remote(entry.vni, entry.mac), actions),))


def flood_entry(entry: FloodEntry, tunnels: Tunnels) -> Translation:
    """What comes from a member that has a VNI of its own for the network.

    RFC 8365 section 5.1.3 lets the receiver choose the VNI; routers whose VNIs are global, as
    those of FRR are, send what they receive by. Its place in the flood list is not here.
    """
    via = entry.via
    if not _has_own_vni(via, entry.vni, tunnels):
        return NOTHING
    accept = t.vxlan_evi_from_4 if via.vtep.version == 4 else t.vxlan_evi_from_6
    return Translation((accept(tunnels.vxlan, via.vtep, via.vni, entry.vni),))


def _has_own_vni(via: NextHop, ours: int, tunnels: Tunnels) -> bool:
    accepts = Encapsulation.VXLAN in via.encapsulations and via.vni not in {0, ours}
    return accepts and bool(tunnels.vxlan)


def _routed_from(entry: FibEntry, tunnels: Tunnels) -> Iterator[bytes]:
    """The same of a router; next hops share these flows with other prefixes."""
    for via in (*entry.via, *entry.backup):
        if _has_own_vni(via, entry.vrf, tunnels) and via.router_mac is not None:
            accept = t.vxlan_vrf_from_4 if via.vtep.version == 4 else t.vxlan_vrf_from_6
            yield accept(tunnels.vxlan, via.vtep, via.vni, entry.vrf)


def fib(entry: FibEntry, node: Node, tunnels: Tunnels) -> Translation:
    """A prefix behind one tunnel or several; those that are not the best are there in reserve."""
    remote = [via for via in entry.via if via.vtep != node.vtep]
    leaked = [via for via in entry.via if via.vtep == node.vtep and via.vni != entry.vrf]
    if leaked:
        return Translation((_leaked(entry, leaked[0]),))
    if not remote:
        return NOTHING
    paths = _paths(remote, entry.backup, node)
    ip, length = entry.prefix
    match = (t.fib_remote_4 if ip.version == 4 else t.fib_remote_6)(
        fib_priority(length, Preference.REMOTE), entry.vrf, ip, netmask(length, ip.bits)
    )
    if len(paths) == 1:
        ((path, _place),) = paths.items()
        flow = with_actions(match, t.dec_ttl() + path)
        return Translation((*_routed_from(entry, tunnels), flow))
    ranks = {order: rank for rank, order in enumerate(sorted({o for o, _v in paths.values()}))}
    buckets = tuple(
        Bucket(ranks[order], vtep, _BUCKET(16 + len(path), 1, _ANY, _ANY) + path)
        for path, (order, vtep) in paths.items()
    )
    if sum(len(bucket.data) for bucket in buckets) > LONGEST:
        raise Unreachable(f"{len(paths)} paths are too long for a message of OpenFlow")
    return Translation((*_routed_from(entry, tunnels), match), buckets)


def _leaked(entry: FibEntry, via: NextHop) -> bytes:
    """A prefix that another VRF originates on this very hypervisor: on there."""
    ip, length = entry.prefix
    leak = t.fib_leaked_4 if ip.version == 4 else t.fib_leaked_6
    priority = fib_priority(length, Preference.REMOTE)
    return leak(priority, entry.vrf, ip, netmask(length, ip.bits), via.vni)


def _paths(
    best: Sequence[NextHop], backup: Sequence[NextHop], node: Node
) -> dict[bytes, tuple[tuple[int, int], Ip]]:
    """The distinct paths that can be used at all, each with its order and its next hop.

    In order: the best before the backup, then by underlay cost.
    """
    costs = dict(node.distances) if len(best) + len(backup) > 1 else {}
    paths: dict[bytes, tuple[tuple[int, int], Ip]] = {}
    reason = None
    for reserve, hops in enumerate((best, backup)):
        for via in hops:
            if via.vtep == node.vtep:
                continue
            try:
                path = routed(via, node)
            except Unreachable as error:
                reason = reason or error
                continue
            paths.setdefault(path, ((reserve, costs.get(via.vtep, 0)), via.vtep))
    if not paths:
        assert reason is not None  # noqa: S101 there is one elsewhere
        raise reason
    return paths


def bridged(via: NextHop, node: Node) -> bytes:
    """Actions that carry a frame to the far end."""
    four = via.vtep.version == 4
    if choose(via, node, routed=False) is Encapsulation.VXLAN:
        return (t.via_vxlan_4 if four else t.via_vxlan_6)(via.vtep, via.vni)
    return (t.via_mpls_4 if four else t.via_mpls_6)(via.vtep, via.label)


def routed(via: NextHop, node: Node) -> bytes:
    """Actions that carry a packet to the far end."""
    four = via.vtep.version == 4
    if choose(via, node, routed=True) is Encapsulation.VXLAN:
        assert via.router_mac is not None  # noqa: S101 choose() saw to it
        pack = t.routed_vxlan_4 if four else t.routed_vxlan_6
        return pack(via.router_mac, via.vtep, via.vni)
    return (t.routed_mpls_4 if four else t.routed_mpls_6)(via.vtep, via.label)


def choose(via: NextHop, node: Node, *, routed: bool) -> Encapsulation:
    """Our first preference that the far end accepts (RFC 9012)."""
    for encapsulation in node.encapsulations:
        if encapsulation not in via.encapsulations:
            continue
        # The far end must have given all that the header needs.
        if encapsulation is Encapsulation.VXLAN:
            if via.vni and not (routed and via.router_mac is None):
                return encapsulation
        elif encapsulation is Encapsulation.MPLS_GRE and via.label:
            return encapsulation
    offered = ", ".join(map(str, via.encapsulations)) or "none"
    ours = ", ".join(map(str, node.encapsulations)) or "none"
    raise Unreachable(
        f"no common encapsulation with {via.vtep}: it accepts {offered}, this node sends {ours}"
    )


def flood_local(vni: int, ports: Sequence[bytes]) -> Translation:
    """The ports here that get a copy; the switch leaves out the sender."""
    if not ports:
        return NOTHING
    actions = b"".join(ports)
    if len(actions) > LONGEST:
        raise Unreachable(f"{len(ports)} ports are too long for a message of OpenFlow")
    return Translation((with_actions(t.flood_local(vni), actions),))


def flood_remote(vni: int, members: Sequence[bytes]) -> Translation:
    """The members elsewhere that get a copy, in flows that call the next."""
    flows = []
    for chunk, start in enumerate(range(0, len(members), FLOOD_CHUNK)):
        actions = b"".join(members[start : start + FLOOD_CHUNK])
        if start + FLOOD_CHUNK < len(members):
            actions += t.next_chunk(chunk + 1)
        flows.append(with_actions(t.flood_remote(vni, chunk), actions))
    return Translation(tuple(flows))
