"""What BGP peers are told and tell, over HTTP: routes for the API's application to add."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.graph.engine import Engine
from sdnctl.inspect.adjribs import (
    DEFAULT_LIMIT,
    DIRECTIONS,
    FAMILIES,
    MAX_LIMIT,
    SLICE,
    AdjRibs,
    Families,
    Question,
)
from sdnctl.inspect.answers import as_json, encode, error, refused
from sdnctl.inspect.show import parse_wanted
from sdnctl.inspect.why import why


def _no_peer(peer: str) -> Response:
    return error(404, "BgpPeerNotFound", f"BgpPeer {peer} could not be found.")


def _question(peer: str, request: Request) -> Question:
    """What is asked of a peer's routes; ValueError if it makes no sense."""
    query = request.query_params
    destination = query.get("destination", "")
    try:
        limit = int(query.get("limit", DEFAULT_LIMIT))
        marker = bytes.fromhex(query.get("marker", ""))
    except ValueError:
        raise ValueError("limit is a decimal number, marker the next of the page before.") from None
    family = query.get("family", "")
    if family not in {"", *FAMILIES}:
        raise ValueError(f"family is one of {', '.join(FAMILIES)}.")
    if not 0 < limit <= MAX_LIMIT:
        raise ValueError(f"limit must be between 1 and {MAX_LIMIT}.")
    return Question(
        peer=peer,
        direction=request.url.path.rpartition("/")[2],
        family=family,
        destination=parse_wanted(destination) if destination else None,
        limit=limit,
        marker=marker,
    )


def make_routes(
    engine: Engine, sessions: Callable[[], list[dict[str, Any]]], families: Families
) -> list[Route]:
    """The read views; ``sessions`` tells of the BGP sessions, ``families`` what carries a route."""
    ribs = AdjRibs(engine, families)

    async def bgp_sessions(_request: Request) -> Response:
        return as_json({"bgp_sessions": sessions()})

    async def bgp_routes(request: Request) -> Response:
        """A page of what a peer is told, or tells; ``next`` is the marker of the page after it."""
        peer = request.path_params["peer"]
        if not ribs.known(peer):
            return _no_peer(peer)
        try:
            asked = _question(peer, request)
        except ValueError as reason:
            return refused(str(reason))
        page, marker = await ribs.page(asked)
        parts = []
        for start in range(0, len(page), SLICE):
            parts.append(b",".join(map(encode, page[start : start + SLICE])))
            await asyncio.sleep(0)
        body = b'{"routes":[' + b",".join(parts) + b'],"next":' + encode(marker) + b"}"
        return Response(body, media_type="application/json")

    async def bgp_why(request: Request) -> Response:
        peer = request.path_params["peer"]
        if not ribs.known(peer):
            return _no_peer(peer)
        try:
            destination = parse_wanted(request.query_params.get("destination", ""))
        except ValueError as reason:
            return refused(str(reason))
        session = next((row for row in sessions() if row["peer"] == peer), None)
        return as_json({"why": await why(engine, peer, destination, session)})

    return [
        Route("/sdn/v1/bgp-sessions", bgp_sessions),
        Route("/sdn/v1/bgp-peers/{peer}/why", bgp_why),
        *(Route(f"/sdn/v1/bgp-peers/{{peer}}/{direction}", bgp_routes) for direction in DIRECTIONS),
    ]
