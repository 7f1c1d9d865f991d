"""The oracle's part on paths: which may be used, which are best, and to where they lead.

As plain as the rest of it: every question looks through all rows again.
"""

from __future__ import annotations

from typing import Any

from sdnctl.desired import NextHop, Probe
from sdnctl.routes import IpPrefixRoute, MacIpRoute, Path, RouteKey, rd_of
from sdnctl.types import Encapsulation, Label, Prefix, Vni
from tests.properties.agreed import ASN
from tests.properties.world import World


def usable(w: World, key: RouteKey, path: Path) -> Path | None:
    if ASN in path.as_path or any(h.vtep == path.next_hop for h in w.hypervisor.values()):
        return None
    listed = [g for _id, g in sorted(w.gateway.items()) if g.address == path.next_hop]
    offered = path.encapsulations or (Encapsulation.MPLS_GRE,)
    preference = path.local_preference
    if listed:
        offered = listed[0].encapsulations or offered
        if listed[0].local_preference is not None:
            preference = listed[0].local_preference
    able = set(Encapsulation) if path.label else {Encapsulation.VXLAN}
    if not path.vni or (isinstance(key.nlri, IpPrefixRoute) and not path.router_mac):
        able -= {Encapsulation.VXLAN}
    offered = tuple(e for e in offered if e in able)
    return changed(path, encapsulations=offered, local_preference=preference) if offered else None


def hop(path: Path) -> NextHop:
    return NextHop(path.next_hop, path.label, path.vni, path.encapsulations)


def to_prefix(key: RouteKey, path: Path) -> NextHop | None:
    """What routed packets to the prefix, or to the address of a MAC/IP route, are sent by."""
    if isinstance(key.nlri, IpPrefixRoute):
        return NextHop(path.next_hop, path.label, path.vni, path.encapsulations, path.router_mac)
    vxlan = Encapsulation.VXLAN
    if path.peer and path.l3_vni and path.router_mac and vxlan in path.encapsulations:
        return NextHop(path.next_hop, Label(0), path.l3_vni, (vxlan,), path.router_mac)
    return None


def prefix_of(key: RouteKey, path: Path) -> Prefix | None:
    """The prefix that a route gives to a VRF."""
    if isinstance(key.nlri, IpPrefixRoute):
        return key.nlri.prefix
    if isinstance(key.nlri, MacIpRoute) and key.nlri.ip and to_prefix(key, path):
        return Prefix.host(key.nlri.ip)
    return None


def decide(paths: list[tuple[RouteKey, Path]]) -> list[NextHop]:
    """RFC 4271 9.1.2.2: a path is out if any other beats it at the first step that differs."""

    def survivors(rest: list[tuple[RouteKey, Path]], beaten: Any) -> list[tuple[RouteKey, Path]]:
        return [r for r in rest if not any(beaten(r[1], other) for _k, other in rest)]

    def rank(path: Path) -> int:
        return (2 if not path.ebgp else 1) if path.peer else 0

    paths = survivors(paths, lambda p, o: p.stale and not o.stale)
    paths = survivors(paths, lambda p, o: o.local_preference > p.local_preference)
    paths = survivors(paths, lambda p, o: len(o.as_path) < len(p.as_path))
    paths = survivors(paths, lambda p, o: o.origin < p.origin)
    paths = survivors(paths, lambda p, o: o.as_path[:1] == p.as_path[:1] and o.med < p.med)
    paths = survivors(paths, lambda p, o: rank(o) < rank(p))

    def lowest(r: tuple[RouteKey, Path]) -> tuple[Any, ...]:
        return (r[1].next_hop, r[0].source, rd_of(r[0].nlri), r[0].path_id)

    hops = [via for r in sorted(paths, key=lowest) if (via := to_prefix(*r)) is not None]
    return [whole([h for h in hops if h.vtep == vtep]) for vtep in sorted({h.vtep for h in hops})]


def whole(same: list[NextHop]) -> NextHop:
    """The first of equal next hops; where another has the one kind of tunnel, VXLAN or MPLS, that
    it lacks, and nothing else, with that."""
    first = same[0]
    vxlan = {Encapsulation.VXLAN}
    for other in same[1:]:
        mine, theirs = set(first.encapsulations), set(other.encapsulations)
        both = first.encapsulations + other.encapsulations
        if mine == vxlan and not theirs & vxlan:
            return first._replace(label=other.label, encapsulations=both)
        if theirs == vxlan and not mine & vxlan:
            mac = other.router_mac
            return first._replace(vni=other.vni, router_mac=mac, encapsulations=both)
    return first


def changed(path: Path, **fields: Any) -> Path:
    values: dict[str, Any] = {f: getattr(path, f) for f in path.__struct_fields__}
    return Path(**values | fields)


def probes(w: World, vni: Vni, used: list[Path]) -> list[Probe]:
    """The gateways with an interval among the next hops, the first of those with one address."""
    rows = []
    for vtep in {path.next_hop for path in used if path.peer}:
        here = [g for _id, g in sorted(w.gateway.items()) if g.address == vtep]
        if here and here[0].probe_interval > 0:
            rows.append(Probe(vni, vtep, here[0].probe_interval, here[0].probe_multiplier))
    return rows


def outbid(claims: list[tuple[RouteKey, Path]]) -> list[tuple[RouteKey, Path]]:
    """Our claims to a MAC address are one higher than those of peers, but for static ones; five
    higher than they would be alone at most."""
    out = []
    for key, path in claims:
        others = [
            p.sequence
            for k, p in claims
            if p.peer and not p.sticky and k.nlri.mac == key.nlri.mac  # type: ignore[union-attr]
        ]
        mine = not path.peer and others and max(others) >= path.sequence
        number = min(max(others) + 1, path.sequence + 5) if mine else path.sequence
        out.append((key, changed(path, sequence=number)))
    return out
