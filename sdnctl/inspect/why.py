"""Why a BGP peer is told of a route or not, and why what it told is used or not.

Promise: the reasons of the graph, and before them what the session says: a peer that is not there
is told nothing. A question looks at every route once, a slice a turn of the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sdnctl.graph.engine import Engine
from sdnctl.graph.reasons import Said, why_advertised, why_used
from sdnctl.graph.relations.inputs import LEARNED
from sdnctl.graph.relations.routes import ADVERTISED, ORIGINATED
from sdnctl.inspect.adjribs import order, slices
from sdnctl.inspect.show import Json, Wanted, leads_to, named
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Nlri, RouteKey, rd_of
from sdnctl.types import Prefix, RouteDistinguisher

MAX_ROUTES: Final = 200
"""Routes that one answer tells of, in each direction."""


async def why(engine: Engine, peer: str, destination: Wanted, session: Json | None) -> Json:
    """What ``peer`` is told of a destination, what it told of it, and the reasons.

    ``session`` is that of the peer as the speaker sees it; None if there is none.
    """
    local = await _routes(engine.rows(ORIGINATED), destination)
    # Memberships are nobody's routes, but told like them.
    local += [
        key
        for key in await _routes(engine.rows(ADVERTISED), destination)
        if isinstance(key.nlri, MembershipRoute)
    ]
    learned = await _routes(engine.rows(LEARNED), destination)
    theirs = [key for key in learned if key.source == peer]
    others = [key for key in learned if key.source != peer]
    told = [
        _named(key) | _as_session_says(said, session)._asdict()
        for key in (local or others)[:MAX_ROUTES]
        for said in why_advertised(engine, peer, key)
    ]
    heard = [
        _named(key) | use._asdict() for key in theirs[:MAX_ROUTES] for use in why_used(engine, key)
    ]
    state = session or {"state": "absent", "last_error": "", "families": []}
    return {
        "peer": peer,
        "session": {name: state[name] for name in ("state", "last_error", "families")},
        "advertised": told,
        "received": heard,
        "more": max(len(local or others), len(theirs)) > MAX_ROUTES,
    }


def _as_session_says(said: Said, session: Json | None) -> Said:
    if not said.advertised:
        return said
    if session is None or session["state"] != "established":
        state = "absent" if session is None else session["state"]
        return said._replace(advertised=False, reason=f"the session is {state}")
    if said.family not in session["families"]:
        reason = "the peer did not negotiate the family"
        return said._replace(advertised=False, reason=reason)
    return said


async def _routes(rows: Mapping[RouteKey, Any], destination: Wanted) -> list[RouteKey]:
    """The routes to exactly a prefix or a MAC; to an address, all that cover it."""
    found = [
        key
        async for part in slices(rows)
        for key, _row in part
        if _is_asked_for(key.nlri, destination)
    ]
    return sorted(found, key=order)


def _is_asked_for(nlri: Nlri, destination: Wanted) -> bool:
    if isinstance(destination, Prefix) and isinstance(nlri, IpPrefixRoute):
        return nlri.prefix == destination
    return leads_to(nlri, destination)


def _named(key: RouteKey) -> Json:
    kind, destination = named(key.nlri)
    rd = rd_of(key.nlri)
    return {
        "type": kind,
        "prefix": destination,
        "rd": str(RouteDistinguisher(rd)) if rd else None,
        "path_id": key.path_id,
        "source": key.source,
    }
