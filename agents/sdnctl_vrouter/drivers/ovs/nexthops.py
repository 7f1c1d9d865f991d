"""What lies behind tunnels to its flows: pure functions, packed bytes out.

Promise: as ``translate``. The encapsulation of a next hop is our first preference that it accepts
(RFC 9012); a next hop that is ourselves is none. Knows nothing of which next hops answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from sdnctl.desired import FdbEntry, FibEntry, FloodEntry, NextHop, Node
from sdnctl.types import Encapsulation, Ip
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, fib_priority
from sdnctl_vrouter.drivers.ovs.translation import (
    LONGEST,
    NOTHING,
    Bucket,
    Translation,
    Tunnels,
    Unreachable,
    netmask,
    with_actions,
)

_BUCKET: Final = struct.Struct("!HHII4x").pack

_ANY: Final = 0xFFFFFFFF


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
