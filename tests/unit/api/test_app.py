"""The edges: who may ask, how much, and what comes back when it makes no sense."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.api import ApiError, JsonResponse, Settings, make_app, make_server, read_token
from sdnctl.api.app import NEUTRON
from sdnctl.store import Store
from tests.unit.api.client import Api, opened


async def test_versions(api: Api) -> None:
    assert await api.call("GET", "/") == {
        "versions": [
            {
                "id": "v2.0",
                "status": "CURRENT",
                "links": [{"rel": "self", "href": "http://sdn.test/v2.0/"}],
            }
        ]
    }
    for path in ("/v2.0", "/v2.0/"):
        resources = (await api.call("GET", path))["resources"]
        assert {r["collection"] for r in resources} == {r.collection for r in NEUTRON.values()}
        assert resources[0]["links"][0]["href"] == "http://sdn.test/v2.0/networks"


async def test_extensions(api: Api) -> None:
    listed = (await api.call("GET", "extensions"))["extensions"]
    aliases = [extension["alias"] for extension in listed]
    assert {"router", "standard-attr-tag", "binding", "provider"} <= set(aliases)
    assert len(set(aliases)) == len(aliases)
    assert await api.call("GET", "extensions/router") == {
        "extension": listed[aliases.index("router")]
    }
    await api.refused(
        "GET", "extensions/logging", None, 404, "ExtensionNotFound", "alias logging does not exist"
    )


async def test_a_token_is_asked_for_everywhere_but_at_the_door(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(token="sesame")
    assert "sesame" not in repr(settings)
    async with opened(tmp_path / "db", settings=settings) as api:
        await api.call("GET", "/")
        good = {"X-Auth-Token": "sesame"}
        for path in ("networks", "/v2.0", "extensions", "/openapi.json", "/sdn/v1/status"):
            await api.refused("GET", path, None, 401, "HTTPUnauthorized", "authentication")
            for bad in ("sesam", "sesame2", "", "sésame"):
                headers = {"X-Auth-Token": bad.encode()}
                await api.refused("GET", path, None, 401, "HTTPUnauthorized", headers=headers)
            await api.call("GET", path, headers=good)
        await api.refused("POST", "networks", {"network": {}}, 401, "HTTPUnauthorized")
        await api.call("POST", "networks", {"network": {}}, status=201, headers=good)
    assert "sesame" not in caplog.text


def test_a_token_file_must_not_be_everybodys(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("sesame\n")
    path.chmod(0o644)
    with pytest.raises(ValueError, match="readable by everybody"):
        read_token(path)
    path.chmod(0o640)
    assert read_token(path) == "sesame"
    path.write_text("\n")
    with pytest.raises(ValueError, match="empty"):
        read_token(path)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "body required"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"network": {"name": "\\ud800"}}', "not valid JSON"),
        (b'{"network": NaN}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "Unable to find 'network'"),
        (b"7", "Unable to find 'network'"),
        (b"null", "Unable to find 'network'"),
        (b'{"port": {}}', "Unable to find 'network'"),
        (b'{"network": 7}', "body required"),
        (b'{"networks": {}}', "list"),
        (b'{"networks": [7]}', "body required"),
        (b'{"network": {"name": ' + b"[" * 900 + b"]" * 900 + b"}}", "name"),
    ],
)
async def test_garbage(api: Api, body: bytes, text: str) -> None:
    await api.refused("POST", "networks", None, 400, "HTTPBadRequest", text, content=body)
    made = await api.create("networks")
    if b"networks" not in body:
        path = f"networks/{made['id']}"
        await api.refused("PUT", path, None, 400, "HTTPBadRequest", text, content=body)


async def test_a_body_has_a_limit(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", settings=Settings(max_body=1000)) as api:
        await api.create("networks", description="x" * 900)

        async def chunks() -> AsyncIterator[bytes]:
            yield b'{"network": {"description": "'
            for _ in range(100):
                yield b"x" * 100

        for content in (b"x" * 1001, chunks()):
            await api.refused(
                "POST",
                "networks",
                None,
                413,
                "HTTPRequestEntityTooLarge",
                "1000",
                content=content,
            )


async def test_a_crash_is_a_500_that_tells_the_log_and_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(_request: Request) -> Response:
        raise RuntimeError("inner secret")

    async def teapot(_request: Request) -> Response:
        raise ApiError(418, "Teapot", "short and stout")

    async def fine(_request: Request) -> Response:
        return JsonResponse({"routes": []})

    routes = [
        Route("/sdn/v1/crash", crash),
        Route("/sdn/v1/teapot", teapot),
        Route("/sdn/v1/routes", fine),
    ]
    async with opened(tmp_path / "db", routes=routes) as api:
        answer = await api.http.get("/sdn/v1/crash")
        assert answer.status_code == 500
        assert answer.json()["NeutronError"]["type"] == "HTTPInternalServerError"
        assert "secret" not in answer.text
        assert answer.headers["x-openstack-request-id"] in caplog.text
        assert "inner secret" in caplog.text
        await api.refused("GET", "/sdn/v1/teapot", None, 418, "Teapot", "stout")
        assert await api.call("GET", "/sdn/v1/routes") == {"routes": []}


async def test_a_handled_error_is_not_worth_a_line(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sdnctl")
    await api.refused("GET", "networks/x", None, 404, "NetworkNotFound")
    assert caplog.text == ""


async def test_each_answer_has_one_id(api: Api) -> None:
    answers = [await api.http.get("/openapi.json") for _ in range(3)]
    ids = [answer.headers.get_list("x-openstack-request-id") for answer in answers]
    assert [len(found) for found in ids] == [1, 1, 1]
    assert len({found[0] for found in ids}) == 3


def test_an_answer_leaves_in_one_write_and_a_lost_client_harms_nobody(tmp_path: Path) -> None:
    async def run() -> None:
        store = await Store.open(tmp_path / "db")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            server = make_server(make_app(store))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            # One that leaves in the middle of its request.
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            await writer.drain()
            writer.close()
            connection = socket.socket()
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, ("127.0.0.1", port))
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            for _ in range(20):
                await loop.sock_sendall(connection, request)
                answer = await loop.sock_recv(connection, 65536)
                head, _, body = answer.partition(b"\r\n\r\n")
                assert b"HTTP/1.1 200" in head
                assert body.endswith(b"}]}")
            # One whose head never ends.
            with contextlib.suppress(ConnectionError):
                for _ in range(40):
                    await loop.sock_sendall(connection, b"GET / HTTP/1.1\r\nX: " + b"x" * 8192)
                answer = await loop.sock_recv(connection, 65536)
                assert answer.startswith(b"HTTP/1.1 400"), answer
            connection.close()
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                assert (await http.get("/v2.0/networks")).json() == {"networks": []}
            server.should_exit = True
            await serving
        await store.close()

    uvloop.run(run())
