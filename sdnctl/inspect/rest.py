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
from sdnctl.intent import Link

MAX_WAIT_SECONDS: Final = 60.0

_encode: Final = msgspec.json.Encoder().encode


def _json(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json")


def _refused(message: str) -> Response:
    body = {"NeutronError": {"type": "InvalidInput", "message": message, "detail": ""}}
    return _json(body, 400)


def make_routes(  # noqa: C901 - one function for each view
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
            return _refused("vrf and evi are VNIs: decimal numbers.")
        found: list[bytes] = []
        for table in glass.tables(delivery, vrf=numbers.get("vrf"), evi=numbers.get("evi")):
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

    return [
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/topology", topology),
        Route("/sdn/v1/agents", agents),
        Route("/sdn/v1/convergence", convergence_times),
        Route("/sdn/v1/convergence/{revision}", convergence),
        Route("/sdn/v1/bgp-sessions", bgp_sessions),
    ]
