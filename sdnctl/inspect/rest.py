"""The looking glass over HTTP: routes for the API's application to add under /sdn/v1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.delivery.delivery import Delivery
from sdnctl.graph.engine import Engine
from sdnctl.inspect import convergence, glass
from sdnctl.inspect.answers import as_json, encode, refused
from sdnctl.intent import Link


def make_routes(
    engine: Engine,
    delivery: Delivery,
    links: Callable[[], Sequence[Link]],
    sessions: Callable[[], list[dict[str, Any]]],
) -> list[Route]:
    """The read views; ``sessions`` tells of the BGP sessions."""

    async def routes(request: Request) -> Response:
        try:
            numbers = {
                name: int(request.query_params[name])
                for name in ("vrf", "evi")
                if name in request.query_params
            }
        except ValueError:
            return refused("vrf and evi are VNIs: decimal numbers.")
        found: list[bytes] = []
        for table in glass.tables(delivery, vrf=numbers.get("vrf"), evi=numbers.get("evi")):
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

    async def topology(_request: Request) -> Response:
        return as_json({"topology": glass.topology(engine, delivery, list(links()))})

    async def agents(_request: Request) -> Response:
        return as_json({"agents": glass.agents(delivery)})

    async def bgp_sessions(_request: Request) -> Response:
        return as_json({"bgp_sessions": sessions()})

    return [
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/topology", topology),
        Route("/sdn/v1/agents", agents),
        *convergence.make_routes(delivery),
        Route("/sdn/v1/bgp-sessions", bgp_sessions),
    ]
