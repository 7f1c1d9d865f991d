"""Route target constraint (RFC 4684): who wants the routes of a target, we and our peers.

Promise: a membership that comes or goes concerns the routes that carry its target and no others,
whatever its prefix length; a route asks for its own targets only. Knows nothing of the AS that a
membership names: what a peer passes on, it wants.
"""

from __future__ import annotations

from typing import Final

from sdnctl.graph.engine import Rule, View, on
from sdnctl.graph.relations.inputs import DOMAIN, LEARNED, membership_prefix
from sdnctl.graph.relations.instances import EVI_INSTANCE, VRF_INSTANCE
from sdnctl.graph.relations.routes import FAMILY_PEERS, MEMBERSHIP_LENGTH, WANTED, WANTING_PEERS
from sdnctl.routes import MembershipRoute
from sdnctl.types import RouteTarget

ROUTE_TARGET: Final = "route-target"
"""The address family of memberships; its peers get only what they asked for."""


def membership_length(length: int, v: View) -> bool | None:
    """A prefix length that some membership has: in practice 0 and 64, and nothing else."""
    return True if v.exists(LEARNED, "membership_length", length) else None


def wanting_peers(target: RouteTarget, v: View) -> tuple[str, ...] | None:
    """The peers with a membership that covers a target which something exports, by name."""
    exported = v.exists(EVI_INSTANCE, "exports", target) or v.exists(
        VRF_INSTANCE, "exports", target
    )
    if not exported or v.get(FAMILY_PEERS, ROUTE_TARGET) is None:
        return None
    names: set[str] = set()
    for length, _true in v.find(MEMBERSHIP_LENGTH, "all", ()):
        covering = membership_prefix(target, length)
        names.update(key.source for key, _path in v.find(LEARNED, "membership", covering))
    return tuple(sorted(names)) or None


def wanted(target: RouteTarget, v: View) -> MembershipRoute | None:
    """Our membership for a target that a network or router imports."""
    imported = v.exists(EVI_INSTANCE, "imports", target) or v.exists(
        VRF_INSTANCE, "imports", target
    )
    domain = v.get(DOMAIN, "domain") if imported else None
    return MembershipRoute(domain.asn, target) if domain is not None else None


RULES: Final = (
    Rule(
        MEMBERSHIP_LENGTH, membership_length, (on(LEARNED, LEARNED.indexes["membership_length"]),)
    ),
    Rule(
        WANTING_PEERS,
        wanting_peers,
        (
            on(EVI_INSTANCE, EVI_INSTANCE.indexes["exports"]),
            on(VRF_INSTANCE, VRF_INSTANCE.indexes["exports"]),
        ),
    ),
    Rule(
        WANTED,
        wanted,
        (
            on(EVI_INSTANCE, EVI_INSTANCE.indexes["imports"]),
            on(VRF_INSTANCE, VRF_INSTANCE.indexes["imports"]),
        ),
    ),
)
