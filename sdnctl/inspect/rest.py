"""The looking glass over HTTP: routes for the API's application to add under /sdn/v1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.delivery.delivery import Delivery
from sdnctl.graph.engine import Engine
from sdnctl.inspect import glass
from sdnctl.inspect.adjribs import (
    DEFAULT_LIMIT,
    DIRECTIONS,
    FAMILIES,
    MAX_LIMIT,
    AdjRibs,
    Families,
    Question,
)
from sdnctl.inspect.show import parse_destination
from sdnctl.intent import Link
from sdnctl.types import Vni

MAX_WAIT_SECONDS: Final = 60.0
TABLES_AT_ONCE: Final = 50
"""Tables that an explanation looks into in one turn of the event loop."""

_encode: Final = msgspec.json.Encoder().encode


def _json(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json")


def _error(status: int, kind: str, message: str) -> Response:
    body = {"NeutronError": {"type": kind, "message": message, "detail": ""}}
    return _json(body, status)


def _refused(message: str) -> Response:
    return _error(400, "InvalidInput", message)


def _tables(request: Request) -> dict[str, Vni]:
    """The VRF or EVI that is asked for, if one is; ValueError if it is no VNI."""
    try:
        return {
            name: Vni(int(request.query_params[name]))
            for name in ("vrf", "evi")
            if name in request.query_params
        }
    except ValueError:
        raise ValueError("vrf and evi are VNIs: decimal numbers.") from None


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
        destination=parse_destination(destination) if destination else None,
        limit=limit,
        marker=marker,
    )


def make_routes(  # noqa: C901 - one function for each view
    engine: Engine,
    delivery: Delivery,
    links: Callable[[], Sequence[Link]],
    sessions: Callable[[], list[dict[str, Any]]],
    families: Families,
) -> list[Route]:
    """The read views; ``sessions`` tells of the BGP sessions, ``families`` what carries a route."""
    ribs = AdjRibs(engine, families)

    async def routes(request: Request) -> Response:
        try:
            asked = _tables(request)
        except ValueError as reason:
            return _refused(str(reason))
        found: list[bytes] = []
        for table in glass.tables(delivery, **asked):
            rows = glass.routes(
                engine,
                delivery,
                table,
                hypervisor=request.query_params.get("hypervisor"),
                source=request.query_params.get("source"),
            )
            found += map(_encode, rows)
            await asyncio.sleep(0)  # a look at a large cloud must not hold up its changes
        body = b'{"routes":[' + b",".join(found) + b"]}"
        return Response(body, media_type="application/json")

    async def topology(_request: Request) -> Response:
        return _json({"topology": glass.topology(engine, delivery, list(links()))})

    async def agents(_request: Request) -> Response:
        return _json({"agents": glass.agents(delivery)})

    async def convergence(request: Request) -> Response:
        """With ``wait=SECONDS``, answers once the revision is programmed or the time is over."""
        try:
            revision = int(request.path_params["revision"])
            wait = min(float(request.query_params.get("wait", 0)), MAX_WAIT_SECONDS)
        except ValueError:
            return _refused("A revision is a decimal number, wait a number of seconds.")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        answer = glass.convergence(delivery, revision)
        while not answer["complete"] and loop.time() < deadline:
            await asyncio.sleep(0.01)
            answer = glass.convergence(delivery, revision)
        return _json({"convergence": answer})

    async def convergence_times(_request: Request) -> Response:
        return _json({"convergence": glass.convergence_times(delivery)})

    async def bgp_sessions(_request: Request) -> Response:
        return _json({"bgp_sessions": sessions()})

    async def bgp_routes(request: Request) -> Response:
        """A page of what a peer is told, or tells; ``next`` is the marker of the page after it."""
        peer = request.path_params["peer"]
        if not ribs.known(peer):
            return _error(404, "BgpPeerNotFound", f"BgpPeer {peer} could not be found.")
        try:
            asked = _question(peer, request)
        except ValueError as reason:
            return _refused(str(reason))
        page, marker = await ribs.page(asked)
        return _json({"routes": page, "next": marker})

    async def explain(request: Request) -> Response:
        try:
            destination = parse_destination(request.query_params.get("destination", ""))
            tables = _tables(request)
        except ValueError as reason:
            return _refused(str(reason))
        found = []
        for at, one in enumerate(glass.explanations(engine, destination, **tables)):
            if one is not None:
                found.append(one)
            if at % TABLES_AT_ONCE == 0:
                await asyncio.sleep(0)
        return _json({"explanations": found})

    return [
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/explanations", explain),
        *(Route(f"/sdn/v1/bgp-peers/{{peer}}/{direction}", bgp_routes) for direction in DIRECTIONS),
        Route("/sdn/v1/topology", topology),
        Route("/sdn/v1/agents", agents),
        Route("/sdn/v1/convergence", convergence_times),
        Route("/sdn/v1/convergence/{revision}", convergence),
        Route("/sdn/v1/bgp-sessions", bgp_sessions),
    ]
