"""Import by route target, and the choice of paths.

One RIB per EVI and per VRF, filled from local and learned routes alike. Among learned and local
paths to one prefix BGP decides (RFC 4271 section 9.1); for MAC addresses MAC mobility does
(RFC 7432 section 15). What remains equal is used together (ECMP), but for the distance to the
next hop, which each hypervisor measures from where it stands.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations import (
    DOMAIN,
    EVI_INSTANCE,
    GATEWAY,
    HYPERVISOR,
    IMPORTED,
    LEARNED,
    ORIGINATED,
    VRF_INSTANCE,
    Imported,
)
from sdnctl.routes import IpPrefixRoute, Path, RouteKey, rd_of
from sdnctl.types import Encapsulation, Ip, Vni

MAX_PATHS: Final = 64
"""Equal paths used together, at most; the lowest next hops are kept."""


def imported(key: RouteKey, v: View) -> Imported | None:
    """A route with the instances whose import targets it carries; None if there are none."""
    path = v.get(ORIGINATED, key)
    if path is None:
        learned = v.get(LEARNED, key)
        path = None if learned is None else _usable(learned, v)
    if path is None:
        return None
    evis: set[Vni] = set()
    vrfs: set[Vni] = set()
    for target in path.route_targets:
        if isinstance(key.nlri, IpPrefixRoute):
            vrfs.update(row.vni for _id, row in v.find(VRF_INSTANCE, "imports", target))
        else:
            evis.update(row.vni for _id, row in v.find(EVI_INSTANCE, "imports", target))
    if not evis and not vrfs:
        return None
    return Imported(path, tuple(sorted(evis)), tuple(sorted(vrfs)))


def _usable(path: Path, v: View) -> Path | None:
    """A learned path as it will be used, or None if it must not be."""
    domain = v.get(DOMAIN, "domain")
    if domain is None or domain.asn in path.as_path:  # a loop: RFC 4271 section 9.1.2
        return None
    if v.exists(HYPERVISOR, "vtep", path.next_hop):  # our own route, reflected
        return None
    pins = sorted(v.find(GATEWAY, "address", path.next_hop))
    encapsulations = pins[0][1].encapsulations if pins else ()
    if not encapsulations:
        # A label without a tunnel type means plain MPLS, which this underlay does not carry;
        # routers that take MPLS over GRE (RFC 4023) commonly announce just that.
        encapsulations = path.encapsulations or (Encapsulation.MPLS_GRE,)
    preference = pins[0][1].local_preference if pins else None
    if preference is None:
        preference = path.local_preference
    if (encapsulations, preference) == (path.encapsulations, path.local_preference):
        return path
    return msgspec.structs.replace(path, encapsulations=encapsulations, local_preference=preference)


def mobility_order(route: tuple[RouteKey, Imported]) -> tuple[object, ...]:
    """Sort key: the best claim to a MAC address comes first (RFC 7432 sections 7.7, 15.1)."""
    key, row = route
    path = row.path
    return (not path.sticky, -path.sequence, path.next_hop, key.source, rd_of(key.nlri))


def best_paths(routes: list[tuple[RouteKey, Imported]]) -> list[tuple[RouteKey, Path]]:
    """The paths between which only the distance to the next hop can still decide.

    RFC 4271 section 9.1.2.2, steps a) to d), after the degree of preference (9.1.1). Local
    routes rank before eBGP, eBGP before iBGP. Sorted by next hop; one path a next hop.
    """
    paths = [(key, row.path) for key, row in routes]
    if len(paths) > 1:
        preference = max(path.local_preference for _key, path in paths)
        paths = [r for r in paths if r[1].local_preference == preference]
        length = min(len(path.as_path) for _key, path in paths)
        paths = [r for r in paths if len(r[1].as_path) == length]
        origin = min(path.origin for _key, path in paths)
        paths = [r for r in paths if r[1].origin == origin]
        med: dict[tuple[int, ...], int] = {}
        for _key, path in paths:
            neighbor = path.as_path[:1]
            med[neighbor] = min(med.get(neighbor, path.med), path.med)
        paths = [r for r in paths if r[1].med == med[r[1].as_path[:1]]]
        rank = min(_closeness(path) for _key, path in paths)
        paths = [r for r in paths if _closeness(r[1]) == rank]
    by_hop: dict[Ip, tuple[RouteKey, Path]] = {}
    for key, path in sorted(paths, key=lambda r: (r[1].next_hop, r[0].source, rd_of(r[0].nlri))):
        by_hop.setdefault(path.next_hop, (key, path))
    return list(by_hop.values())[:MAX_PATHS]


def second_best(
    routes: list[tuple[RouteKey, Imported]], best: list[tuple[RouteKey, Path]]
) -> list[tuple[RouteKey, Path]]:
    """The paths to be used if no next hop of the best is there; none behind those of our own.

    A hypervisor is never probed, so what is behind its own paths would never be used.
    """
    hops = {path.next_hop for _key, path in best if path.peer}
    if len(routes) == len(best) or len(hops) < len(best):
        return []
    return best_paths([(key, row) for key, row in routes if row.path.next_hop not in hops])


def _closeness(path: Path) -> int:
    return 0 if not path.peer else 1 if path.ebgp else 2


RULES: Final = (Rule(IMPORTED, imported, (on(ORIGINATED, same_key), on(LEARNED, same_key))),)
