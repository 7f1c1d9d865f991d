"""Why a route is advertised to a peer or not, and why a route is used or not.

Promise: answers for people, taken from the rows and the decisions that the rules themselves use,
so that an answer holds as long as they do. The cost is of the route that is asked for. Knows
nothing of sessions: whether a peer is there and has negotiated a family is for its session to say.
"""

from __future__ import annotations

from typing import NamedTuple

from sdnctl.graph.advertise import EVPN, families_of, is_carried, of_router
from sdnctl.graph.engine import Engine, View
from sdnctl.graph.relations.inputs import BGP_PEER, HYPERVISOR, LEARNED
from sdnctl.graph.relations.routes import ADVERTISED, IMPORTED, ORIGINATED, Imported
from sdnctl.graph.rib import (
    MAX_PATHS,
    MOBILITY_STEPS,
    STEPS,
    Candidate,
    best_paths,
    contested,
    mobility_order,
    refusal,
    tie_order,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    RouteKey,
)
from sdnctl.types import Prefix, Vni


class Said(NamedTuple):
    """Whether a route is told in a family, and why."""

    family: str
    advertised: bool
    reason: str


class Use(NamedTuple):
    """Whether packets follow a route in a table (``evi/VNI``, ``vrf/VNI``), and why.

    ``table`` is empty where no table has the route.
    """

    table: str
    used: bool
    reason: str


def why_advertised(engine: Engine, peer: str, key: RouteKey) -> list[Said]:
    """For every family that could carry a local route, why ``peer`` is told of it or is not."""
    view = engine.view()
    return [_said(view, peer, key, family) for family in families_of(key.nlri)]


def _said(view: View, peer: str, key: RouteKey, family: str) -> Said:
    reason = _silence(view, peer, key, family)
    return Said(family, not reason, reason or "the peer has the family and a tunnel leads here")


def _silence(view: View, peer: str, key: RouteKey, family: str) -> str:
    """Why a peer is not told of a route in a family; empty if it is."""
    row = view.get(BGP_PEER, peer)
    if row is None:
        return "no such peer"
    if not row.admin_state_up:
        return "the peer is administratively down"
    if family not in row.families:
        return "the peer is not configured with the family"
    if isinstance(key.nlri, MembershipRoute):
        return "" if view.get(ADVERTISED, key) is not None else "nothing imports the route target"
    path = view.get(ORIGINATED, key) or of_router(key, view)
    if path is None:
        if view.get(LEARNED, key) is not None:
            return "learned routes are not passed on: only local ones are advertised"
        return "nothing originates the route"
    hypervisor = view.get(HYPERVISOR, key.source)
    if hypervisor is None:
        return "its hypervisor is unknown"
    if not is_carried(family, hypervisor.encapsulations):
        kind = "VXLAN" if family == EVPN else "MPLS"
        return f"no tunnel in common: hypervisor {key.source} accepts no {kind}"
    told = view.get(ADVERTISED, key)
    if told is not None and peer in told.peers:
        return ""
    targets = ", ".join(str(target) for target in path.route_targets)
    return f"constrained: the peer announced no membership for {targets} (RFC 4684)"


def why_used(engine: Engine, key: RouteKey) -> list[Use]:
    """For every table that imports a route, whether packets follow it, and what decided."""
    view = engine.view()
    row = view.get(IMPORTED, key)
    if row is None:
        return [Use("", False, _absence(view, key))]
    return [_in_evi(view, key, row, vni) for vni in row.evis] + [
        _in_vrf(view, key, vni) for vni in row.vrfs
    ]


def _absence(view: View, key: RouteKey) -> str:
    path = view.get(ORIGINATED, key)
    if path is None:
        path = view.get(LEARNED, key)
        if path is None:
            return "no such route"
        if isinstance(key.nlri, MembershipRoute):
            return "a membership: it says what the peer is told, no packet follows it"
        refused = refusal(key.nlri, path, view)
        if refused:
            return refused
    targets = ", ".join(map(str, path.route_targets)) or "it has none"
    return f"no network or router imports its route targets ({targets})"


# ---- tables ------------------------------------------------------------------------------------


def _in_evi(view: View, key: RouteKey, row: Imported, vni: Vni) -> Use:
    """A claim to a MAC address, or a membership; RFC 7432 section 15 decides."""
    table = f"evi/{vni}"
    if isinstance(key.nlri, MacIpRoute):
        rivals = contested(view.find(IMPORTED, "mac", (vni, key.nlri.mac)))
    else:
        assert isinstance(key.nlri, InclusiveMulticastRoute)  # noqa: S101 all else is for VRFs
        rivals = view.find(IMPORTED, "member", (vni, row.path.next_hop))
    best = min(rivals, key=mobility_order)
    ours, theirs = mobility_order((key, dict(rivals)[key])), mobility_order(best)
    for step, mine, other in zip(MOBILITY_STEPS, ours, theirs, strict=True):
        if mine != other:
            return Use(table, False, f"lost to {_who(best[0], best[1].path)} at: {step}")
    return Use(table, True, "the only claim" if len(rivals) == 1 else "the best claim")


def _in_vrf(view: View, key: RouteKey, vni: Vni) -> Use:
    """One of the paths to a prefix; RFC 4271 section 9.1.2.2 decides."""
    table = f"vrf/{vni}"
    rows = view.find(IMPORTED, "prefix", (vni, _prefix(key.nlri)))
    routes = [(other, row.path) for other, row in rows]
    if len(routes) == 1:
        return Use(table, True, "the only path")
    for step in STEPS:
        survivors = step.survivors(routes)
        if all(other != key for other, _path in survivors):
            winner = min(survivors, key=tie_order)
            return Use(table, False, f"lost to {_who(*winner)} at: {step.name}")
        routes = survivors
    chosen = best_paths(rows)
    if any(other == key for other, _path in chosen):
        many = f"one of {len(chosen)} equal paths" if len(chosen) > 1 else "the best path"
        return Use(table, True, many)
    return Use(table, False, _tie(key, routes, chosen))


def _tie(key: RouteKey, routes: list[Candidate], chosen: list[Candidate]) -> str:
    """Equal to the paths that are used, and yet not used."""
    path = dict(routes)[key]
    for other, used in chosen:
        if used.next_hop == path.next_hop:
            return (
                f"the same next hop is used by {_who(other, used)}, or its tunnel with this one's"
            )
    return f"more than {MAX_PATHS} equal paths: those with the lowest next hops are used"


def _prefix(nlri: Nlri) -> Prefix:
    if isinstance(nlri, IpPrefixRoute):
        return nlri.prefix
    assert isinstance(nlri, MacIpRoute)  # noqa: S101 nothing else is imported into VRFs
    assert nlri.ip is not None  # noqa: S101 without one, nothing is
    return Prefix.host(nlri.ip)


def _who(key: RouteKey, path: Path) -> str:
    return f"{key.source}'s path via {path.next_hop}"
