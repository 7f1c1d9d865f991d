"""The API on a real socket, the command line in this process, and rows to look at."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.api import JsonResponse, Settings, make_app
from sdnctl.bgp.peer import families_of
from sdnctl.cli.main import main
from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.inspect.rest import make_routes
from sdnctl.store import Store
from tests.unit.cli.site import AGENTS, MIGRATIONS, ROUTES, SESSIONS, TOPOLOGY, Sdnctl, Site
from tests.unit.inspect.test_adjribs import SESSIONS as PEERS
from tests.unit.inspect.test_adjribs import cloud


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The API with recorded read views, on TCP and on a unix socket."""
    folder = tmp_path_factory.mktemp("s")
    queries: list[dict[str, str]] = []

    async def routes(request: Request) -> Response:
        queries.append(dict(request.query_params))
        return JsonResponse({"routes": ROUTES})

    async def topology(request: Request) -> Response:
        return JsonResponse({"topology": TOPOLOGY})

    async def agents(request: Request) -> Response:
        return JsonResponse({"agents": AGENTS})

    async def migrations(request: Request) -> Response:
        return JsonResponse({"migrations": MIGRATIONS})

    async def sessions(request: Request) -> Response:
        return JsonResponse({"bgp_sessions": SESSIONS})

    glass = make_routes(cloud(), Delivery(1, Observed()), list, PEERS.copy, families_of)
    views = [
        *(view for view in glass if view.path.startswith(("/sdn/v1/bgp-peers", "/sdn/v1/expl"))),
        Route("/sdn/v1/agents", agents),
        Route("/sdn/v1/migrations", migrations),
        Route("/sdn/v1/bgp-sessions", sessions),
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/topology", topology),
    ]
    listeners = [socket.socket(), socket.socket(socket.AF_UNIX)]
    listeners[0].bind(("127.0.0.1", 0))
    listeners[1].bind(str(folder / "api.sock"))
    port = listeners[0].getsockname()[1]
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        store = await Store.open(folder / "store.db")
        app = make_app(store, Settings(), routes=views)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        servers.append(server)
        ready.set()
        await server.serve(sockets=listeners)
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(url).raise_for_status()
        yield Site(url, folder / "api.sock", queries)
    finally:
        servers[0].should_exit = True
        thread.join(10)
        for listener in listeners:
            listener.close()


@pytest.fixture
def sdnctl(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sdnctl:
    """Run a command in this process; its output, or its error where one is expected."""
    monkeypatch.setenv("SDNCTL_URL", site.url)
    monkeypatch.delenv("SDNCTL_TOKEN", raising=False)

    def run(line: str, exit_code: int = 0) -> str:
        try:
            code = main(line.split())
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        assert code == exit_code, said.err
        return said.err if exit_code else said.out

    return run


@pytest.fixture
def network(site: Site) -> Iterator[dict[str, Any]]:
    with httpx.Client(base_url=site.url) as client:
        body = {"network": {"name": "web", "sdn:encapsulation": "vxlan"}}
        made = client.post("/v2.0/networks", json=body).json()["network"]
        yield made
        client.delete(f"/v2.0/networks/{made['id']}")


@pytest.fixture
def edge(sdnctl: Sdnctl) -> Iterator[str]:
    sdnctl("bgp peer create edge --address 198.51.100.1 --asn 65001")
    yield "edge"
    sdnctl("bgp peer delete edge")
