"""What is served beside the table of resources, by every role; and that no call is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sdnctl.api.views import VIEWS
from tests.unit.api.client import Api, Known, opened
from tests.unit.api.test_roles import CALLERS, operations

_ALL = {"admin", "auditor"}
_OWN = {"reader", "member", "manager"}


def _by(*groups: tuple[set[str], int], otherwise: int) -> Callable[[str], int]:
    """The status by who calls: of the first group that has it."""

    def status(caller: str) -> int:
        return next((code for group, code in groups if caller in group), otherwise)

    return status


class Beside(NamedTuple):
    """A call, its body, and what each caller gets."""

    method: str
    path: str
    body: Any
    status: Callable[[str], int]


def _views() -> list[Beside]:
    calls = []
    for view in VIEWS:
        for collection in filter(None, (view.collection, view.also)):
            # Who may not look at them sees that there are none.
            calls.append(Beside("GET", f"/v2.0/{collection}", None, lambda _caller: 200))
            if view.one is None:
                continue
            if view.details:
                status = _by((_ALL, 200), otherwise=403)
            else:
                status = _by((_ALL, 200), otherwise=200 if view.everybodys else 404)
            calls.append(Beside("GET", f"/v2.0/{collection}/{{id}}", None, status))
    return calls


_QUOTA = _by((_ALL | _OWN, 200), otherwise=403)
_BINDING = _by(({"admin", "service"}, 0), ({"foreign", "unscoped"}, 404), otherwise=403)


def _bound(done: int) -> Callable[[str], int]:
    return lambda caller: _BINDING(caller) or done


BESIDE = [
    *_views(),
    Beside("PUT", "/v2.0/agents/{id}", {"agent": {"description": "x"}},
           _by(({"admin"}, 200), ({"auditor"}, 403), otherwise=404)),
    Beside("DELETE", "/v2.0/agents/{id}", None,
           _by(({"admin"}, 204), ({"auditor"}, 403), otherwise=404)),
    Beside("GET", "/v2.0/quotas", None, _by((_ALL, 200), otherwise=403)),
    Beside("GET", "/v2.0/quotas/{project_id}", None, _QUOTA),
    Beside("GET", "/v2.0/quotas/{project_id}/default", None, _QUOTA),
    Beside("GET", "/v2.0/quotas/{project_id}/details.json", None, _QUOTA),
    Beside("PUT", "/v2.0/quotas/{project_id}", {"quota": {"network": 7}},
           _by(({"admin"}, 200), otherwise=403)),
    Beside("DELETE", "/v2.0/quotas/{project_id}", None, _by(({"admin"}, 204), otherwise=403)),
    Beside("GET", "/v2.0/ports/{port_id}/bindings", None,
           _by(({"foreign", "unscoped"}, 404), otherwise=200)),
    Beside("GET", "/v2.0/ports/{port_id}/bindings/{host}", None,
           _by((_ALL | {"service"}, 200), otherwise=404)),
    Beside("POST", "/v2.0/ports/{port_id}/bindings", {"binding": {"host": "cn3"}}, _bound(201)),
    Beside("PUT", "/v2.0/ports/{port_id}/bindings/{host}", {"binding": {"profile": {"a": 1}}},
           _bound(200)),
    Beside("PUT", "/v2.0/ports/{port_id}/bindings/{host}/activate", None, _bound(200)),
    Beside("DELETE", "/v2.0/ports/{port_id}/bindings/{host}", None, _bound(204)),
]  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db", authenticator=Known(**CALLERS)) as found:
        yield found


async def test_no_call_is_missing(api: Api) -> None:
    """Whatever the document says is served, is called by all the roles here or in test_roles."""
    document = await api.by("admin").call("GET", "/openapi.json")
    served = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    beside = {(call.method, call.path) for call in BESIDE}
    assert not operations() & beside
    assert operations() | beside == served


async def _places(admin: Api) -> dict[str, str]:
    """What the names in the paths stand for, by the collection that they are in."""
    for number in (1, 2, 3, 4):
        await admin.create("/sdn/v1/hypervisors", id=f"cn{number}", vtep=f"192.0.2.{number}")
    network, _ = await admin.network("10.0.0.0/24", project_id="red")
    port = await admin.create(
        "ports",
        network_id=network["id"],
        project_id="red",
        device_owner="compute:nova",
        **{"binding:host_id": "cn1"},
    )
    path = f"/v2.0/ports/{port['id']}/bindings"
    await admin.call("POST", path, {"binding": {"host": "cn2"}}, status=201)
    await admin.call("PUT", "quotas/red", {"quota": {"port": 9}})
    return {
        "agents": "cn4",
        "segments": network["id"],
        "network-ip-availabilities": network["id"],
        "rule-types": "dscp_marking",
        "quotas": "red",
        "ports": port["id"],
        "bindings": "cn2",
    }


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("call", BESIDE, ids=[f"{c.method} {c.path}" for c in BESIDE])
async def test_beside_the_table(api: Api, caller: str, call: Beside) -> None:
    places, parts, above = await _places(api.by("admin")), list[str](), ""
    for part in call.path.split("/"):
        parts.append(places[above] if part.startswith("{") else part)
        above = part
    revision = api.store.revision
    answer = await api.by(caller).send(call.method, "/".join(parts), call.body)
    assert answer.status_code == call.status(caller), answer.text
    if call.method != "GET":
        assert (api.store.revision == revision) is (answer.status_code >= 400)
    elif answer.status_code == 200 and "{" not in call.path:
        view = next((v for v in VIEWS if call.path.endswith((v.collection, v.also or "-"))), None)
        if view is not None and view.pick is None and not view.everybodys and caller not in _ALL:
            assert list(answer.json().values()) == [[]]


@pytest.mark.parametrize("caller", CALLERS)
async def test_what_other_parts_serve_is_the_operators(tmp_path: Path, caller: str) -> None:
    """To read for those who see all, to use for administrators; without a word of its own."""

    async def answered(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.method)

    route = Route("/sdn/v1/made-up", answered, methods=["GET", "POST", "PUT", "DELETE"])
    authenticator = Known(**CALLERS)
    async with opened(tmp_path / "db", authenticator=authenticator, routes=[route]) as api:
        for method in ("GET", "POST", "PUT", "DELETE"):
            may = caller == "admin" or (caller == "auditor" and method == "GET")
            answer = await api.by(caller).send(method, "/sdn/v1/made-up")
            assert answer.status_code == (200 if may else 403)
