"""Import by route target, and the choice of paths.

One RIB per EVI and per VRF, filled from local and learned routes alike. Among learned and local
paths to one prefix BGP decides (RFC 4271 section 9.1); for MAC addresses MAC mobility does
(RFC 7432 section 15). What remains equal is used together (ECMP), but for the distance to the
next hop, which each hypervisor measures from where it stands.

The decisions are named, so that ``reasons`` can say which of them ruled a route out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.inputs import DOMAIN, GATEWAY, HYPERVISOR, LEARNED
from sdnctl.graph.relations.instances import EVI_INSTANCE, VRF_INSTANCE
from sdnctl.graph.relations.routes import IMPORTED, ORIGINATED, Imported
from sdnctl.routes import IpPrefixRoute, MacIpRoute, MembershipRoute, Nlri, Path, RouteKey, rd_of
from sdnctl.types import Encapsulation, Ip, Mac, Vni

MAX_PATHS: Final = 64
"""Equal paths used together, at most; the lowest next hops are kept."""


def imported(key: RouteKey, v: View) -> Imported | None:
    """A route with the instances whose import targets it carries; None if there are none."""
    if isinstance(key.nlri, MembershipRoute):
        return None
    path = v.get(ORIGINATED, key)
    if path is None:
        learned = v.get(LEARNED, key)
        path = None if learned is None else usable(key.nlri, learned, v)
    if path is None:
        return None
    evis: set[Vni] = set()
    vrfs: set[Vni] = set()
    to_vrfs = isinstance(key.nlri, IpPrefixRoute) or is_routed(key.nlri, path)
    for target in path.route_targets:
        if to_vrfs:
            vrfs.update(row.vni for _id, row in v.find(VRF_INSTANCE, "imports", target))
        if not isinstance(key.nlri, IpPrefixRoute):
            evis.update(row.vni for _id, row in v.find(EVI_INSTANCE, "imports", target))
    if not evis and not vrfs:
        return None
    return Imported(path, tuple(sorted(evis)), tuple(sorted(vrfs)))


def is_routed(nlri: Nlri, path: Path) -> bool:
    """Whether a MAC/IP route is a host route too: symmetric IRB (RFC 9135 section 5.2).

    That takes the VRF's VNI, the router's MAC, and the tunnel that they are for. Our own routes
    say them to peers alone: inside, a host prefix stands beside each of them.
    """
    return (
        isinstance(nlri, MacIpRoute)
        and nlri.ip is not None
        and bool(path.l3_vni)
        and path.router_mac is not None
        and Encapsulation.VXLAN in path.encapsulations
    )


def refusal(nlri: Nlri, path: Path, v: View) -> str:
    """Why a learned path must not be used, whoever would import it; empty if it may."""
    domain = v.get(DOMAIN, "domain")
    if domain is None or domain.asn in path.as_path:  # RFC 4271 section 9.1.2
        return "loop: our own AS is in the AS path"
    if v.exists(HYPERVISOR, "vtep", path.next_hop):
        return "own route: the next hop is a hypervisor of ours"
    if not _tunnels(nlri, path, v):
        return "no tunnel: the route has no label or VNI for an encapsulation that may be used"
    return ""


def usable(nlri: Nlri, path: Path, v: View) -> Path | None:
    """A learned path as it will be used, or None if it must not be."""
    if refusal(nlri, path, v):
        return None
    pins = v.find(GATEWAY, "address", path.next_hop)
    preference = min(pins)[1].local_preference if pins else None
    if preference is None:
        preference = path.local_preference
    encapsulations = _tunnels(nlri, path, v)
    if encapsulations == path.encapsulations and preference == path.local_preference:
        return path
    return msgspec.structs.replace(path, encapsulations=encapsulations, local_preference=preference)


def _tunnels(nlri: Nlri, path: Path, v: View) -> tuple[Encapsulation, ...]:
    """The encapsulations for which a learned path has all that goes into their headers."""
    pins = v.find(GATEWAY, "address", path.next_hop)
    pinned = min(pins)[1].encapsulations if pins else ()
    # A label without a tunnel type means plain MPLS, which this underlay does not carry;
    # routers that take MPLS over GRE (RFC 4023) commonly announce just that.
    offered = pinned or path.encapsulations or (Encapsulation.MPLS_GRE,)
    # Routed packets need an inner destination in Ethernet-based tunnels (RFC 9136 section 4.4.1).
    vxlan = path.vni and not (isinstance(nlri, IpPrefixRoute) and path.router_mac is None)
    return tuple(e for e in offered if (vxlan if e is Encapsulation.VXLAN else path.label))


# ---- MAC addresses -----------------------------------------------------------------------------


Claim = tuple[RouteKey, Imported]

DUPLICATE_MOVES: Final = 5
"""So often is a peer's claim to a MAC address of ours outbid (N of RFC 7432 section 15.1)."""


def contested(claims: list[Claim]) -> list[Claim]:
    """The claims to MAC addresses, with the sequence numbers that they have because of each other.

    A port has its MAC address by intent: where a peer claims it too, the address has moved here,
    and the number is one higher than the peer's (RFC 7432 section 15). But not without end, and
    not against a static one (section 15.2): then it is a duplicate, which the order of claims
    decides. More than is claimed now is not known, so the number falls when the peer lets go.
    """
    if len(claims) == 1:
        return claims
    heard: dict[Mac, int] = {}
    for key, row in claims:
        path, nlri = row.path, key.nlri
        if path.peer and not path.sticky and isinstance(nlri, MacIpRoute):
            heard[nlri.mac] = max(heard.get(nlri.mac, 0), path.sequence)
    return [
        (key, row)
        if row.path.peer or not isinstance(key.nlri, MacIpRoute) or key.nlri.mac not in heard
        else (key, row._replace(path=_outbid(row.path, heard[key.nlri.mac])))
        for key, row in claims
    ]


def _outbid(path: Path, heard: int) -> Path:
    number = min(max(path.sequence, heard + 1), path.sequence + DUPLICATE_MOVES)
    return msgspec.structs.replace(path, sequence=number)


def mobility_order(route: Claim) -> tuple[Any, ...]:
    """Sort key: the best claim to a MAC address comes first (RFC 7432 sections 7.7, 15.1)."""
    key, row = route
    path = row.path
    return (
        path.stale,  # RFC 9494 section 4.3
        not path.sticky,
        -path.sequence,
        path.next_hop,
        key.source,
        rd_of(key.nlri),
        key.path_id,
    )


MOBILITY_STEPS: Final = (
    "stale (RFC 9494 section 4.3)",
    "static MAC address (RFC 7432 section 15.2)",
    "sequence number (RFC 7432 section 15.1)",
    "lowest next hop (RFC 7432 section 15.1)",
    "lowest source",
    "lowest route distinguisher",
    "lowest path id",
)
"""What the elements of ``mobility_order`` are."""


# ---- prefixes ----------------------------------------------------------------------------------

Candidate = tuple[RouteKey, Path]


class Step(NamedTuple):
    """A step of the decision: those that are not among the survivors are out."""

    name: str
    survivors: Callable[[list[Candidate]], list[Candidate]]


def _least(measure: Callable[[Path], Any]) -> Callable[[list[Candidate]], list[Candidate]]:
    def survivors(routes: list[Candidate]) -> list[Candidate]:
        least = min(measure(path) for _key, path in routes)
        return [route for route in routes if measure(route[1]) == least]

    return survivors


def _least_med(routes: list[Candidate]) -> list[Candidate]:
    """MED compares the routes of one neighbouring AS only."""
    med: dict[tuple[int, ...], int] = {}
    for _key, path in routes:
        neighbor = path.as_path[:1]
        med[neighbor] = min(med.get(neighbor, path.med), path.med)
    return [route for route in routes if route[1].med == med[route[1].as_path[:1]]]


def _closeness(path: Path) -> int:
    return 0 if not path.peer else 1 if path.ebgp else 2


STEPS: Final = (
    Step("stale (RFC 9494 section 4.3)", _least(lambda path: path.stale)),
    Step("local preference (RFC 4271 section 9.1.1)", _least(lambda p: -p.local_preference)),
    Step("AS path length (RFC 4271 section 9.1.2.2 a)", _least(lambda p: len(p.as_path))),
    Step("origin (RFC 4271 section 9.1.2.2 b)", _least(lambda path: path.origin)),
    Step("MED (RFC 4271 section 9.1.2.2 c)", _least_med),
    Step("local, then eBGP, then iBGP (RFC 4271 section 9.1.2.2 d)", _least(_closeness)),
)


def tie_order(route: Candidate) -> tuple[Any, ...]:
    """Sort key of routes that are equal: one is used for each next hop, the lowest."""
    key, path = route
    return (path.next_hop, key.source, rd_of(key.nlri), key.path_id)


def equal_paths(routes: list[Claim]) -> list[list[Candidate]]:
    """The paths between which only the distance to the next hop can still decide.

    Sorted by next hop, those of one next hop together.
    """
    paths = [(key, row.path) for key, row in routes]
    if len(paths) > 1:
        for step in STEPS:
            paths = step.survivors(paths)
        paths.sort(key=tie_order)
    by_hop: dict[Ip, list[Candidate]] = {}
    for route in paths:
        by_hop.setdefault(route[1].next_hop, []).append(route)
    return list(by_hop.values())[:MAX_PATHS]


def best_paths(routes: list[Claim]) -> list[Candidate]:
    """The first of the equal paths of each next hop."""
    return [same[0] for same in equal_paths(routes)]


def second_best(routes: list[Claim], best: list[list[Candidate]]) -> list[list[Candidate]]:
    """The paths to be used if no next hop of the best is there; none behind those of our own.

    A hypervisor is never probed, so what is behind its own paths would never be used.
    """
    hops = {same[0][1].next_hop for same in best if same[0][1].peer}
    if len(routes) == len(best) or len(hops) < len(best):
        return []
    return equal_paths([(key, row) for key, row in routes if row.path.next_hop not in hops])


RULES: Final = (Rule(IMPORTED, imported, (on(ORIGINATED, same_key), on(LEARNED, same_key))),)
