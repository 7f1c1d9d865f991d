"""The looking glass over HTTP: routes for the API's application to add under /sdn/v1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.delivery.delivery import Delivery
from sdnctl.graph.engine import Engine
from sdnctl.inspect import convergence, glass, rest_bgp
from sdnctl.inspect.adjribs import Families
from sdnctl.inspect.answers import as_json, encode, refused
from sdnctl.inspect.show import parse_destination
from sdnctl.intent import Link
from sdnctl.types import Vni

TABLES_AT_ONCE: Final = 50
"""Tables that an explanation looks into in one turn of the event loop."""


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


async def _explained(engine: Engine, request: Request) -> Response:
    """What is done with packets to ``destination``, and what that was computed from."""
    try:
        destination = parse_destination(request.query_params.get("destination", ""))
        tables = _tables(request)
    except ValueError as reason:
        return refused(str(reason))
    found = []
    for at, one in enumerate(glass.explanations(engine, destination, **tables)):
        if one is not None:
            found.append(one)
        if at % TABLES_AT_ONCE == 0:
            await asyncio.sleep(0)
    return as_json({"explanations": found})


def make_routes(
    engine: Engine,
    delivery: Delivery,
    links: Callable[[], Sequence[Link]],
    sessions: Callable[[], list[dict[str, Any]]],
    families: Families,
) -> list[Route]:
    """The read views; ``sessions`` tells of the BGP sessions, ``families`` what carries a route."""

    async def routes(request: Request) -> Response:
        try:
            asked = _tables(request)
        except ValueError as reason:
            return refused(str(reason))
        found: list[bytes] = []
        for table in glass.tables(delivery, **asked):
            rows = glass.routes(
                engine,
                delivery,
                table,
                hypervisor=request.query_params.get("hypervisor"),
                source=request.query_params.get("source"),
            )
            found += map(encode, rows)
            await asyncio.sleep(0)  # a look at a large cloud must not hold up its changes
        body = b'{"routes":[' + b",".join(found) + b"]}"
        return Response(body, media_type="application/json")

    async def explain(request: Request) -> Response:
        return await _explained(engine, request)

    async def topology(_request: Request) -> Response:
        return as_json({"topology": glass.topology(engine, delivery, list(links()))})

    async def agents(_request: Request) -> Response:
        return as_json({"agents": glass.agents(delivery)})

    async def migrations(_request: Request) -> Response:
        return as_json({"migrations": glass.migrations(engine, delivery)})

    return [
        Route("/sdn/v1/migrations", migrations),
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/explanations", explain),
        Route("/sdn/v1/topology", topology),
        Route("/sdn/v1/agents", agents),
        *convergence.make_routes(delivery),
        *rest_bgp.make_routes(engine, sessions, families),
    ]
