"""What every resource has: tags and revisions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.client import Api


async def test_tags(api: Api) -> None:
    network = await api.create("networks", tags=["red"])
    path = f"networks/{network['id']}/tags"
    assert await api.call("GET", path) == {"tags": ["red"]}
    assert await api.call("PUT", path, {"tags": ["blue", "green"]}) == {"tags": ["blue", "green"]}
    assert await api.call("PUT", f"{path}/grey", status=201) is None
    await api.call("PUT", f"{path}/grey", status=201)
    assert await api.call("POST", path, {"tags": ["grey", "pink"]}) == {
        "tags": ["blue", "green", "grey", "pink"]
    }
    assert await api.call("GET", f"{path}/grey", status=204) is None
    await api.call("DELETE", f"{path}/grey", status=204)
    await api.refused("GET", f"{path}/grey", None, 404, "TagNotFound", "grey")
    await api.refused("DELETE", f"{path}/grey", None, 404, "TagNotFound", "grey")
    await api.call("DELETE", path, status=204)
    shown = (await api.call("GET", f"networks/{network['id']}"))["network"]
    assert (shown["tags"], shown["revision_number"]) == ([], 6)


@pytest.mark.parametrize(
    "body", [{}, {"tags": "blue"}, {"tags": [7]}, {"tags": ["a", "a"]}, {"tags": ["x" * 61]}, []]
)
async def test_bad_tags(api: Api, body: object) -> None:
    network = await api.create("networks")
    path = f"networks/{network['id']}/tags"
    await api.refused("PUT", path, body, 400, "HTTPBadRequest", "tags")
    await api.refused("PUT", "networks/none/tags", {"tags": []}, 404, "NetworkNotFound")


async def test_if_match_guards_every_write(api: Api) -> None:
    network = await api.create("networks")
    path = f"networks/{network['id']}"
    right, wrong = ({"If-Match": f"revision_number={n}"} for n in (1, 7))
    writes: list[tuple[str, str, Any]] = [
        ("PUT", path, {"network": {"name": "x"}}),
        ("DELETE", path, None),
        ("PUT", f"{path}/tags", {"tags": []}),
    ]
    for method, where, body in writes:
        await api.refused(
            method,
            where,
            body,
            412,
            "RevisionNumberConstraintFailed",
            "Constrained to 7, but current revision is 1",
            headers=wrong,
        )
        await api.refused(
            method, where, body, 400, "HTTPBadRequest", "If-Match", headers={"If-Match": "*"}
        )
    await api.call("PUT", path, {"network": {"name": "x"}}, headers=right)
    await api.refused("DELETE", path, None, 412, "RevisionNumberConstraintFailed", headers=right)
    await api.call("DELETE", path, status=204, headers={"If-Match": '"revision_number=2"'})


async def test_nothing_listens_elsewhere(api: Api) -> None:
    network = await api.create("networks")
    for method, path, status in (
        ("GET", "/v3", 404),
        ("GET", "/nothing", 404),
        ("GET", "fwaas", 404),
        ("GET", "networks//", 404),
        ("GET", f"networks/{network['id']}/ports", 404),
        ("PUT", f"networks/{network['id']}/add_router_interface", 404),
        ("PUT", f"networks/{network['id']}/tags/a/b", 404),
        ("PATCH", f"networks/{network['id']}", 405),
        ("DELETE", "networks", 405),
        ("POST", "/", 405),
        ("GET", "/sdn/v1/networks", 404),
        ("GET", "hypervisors", 404),
    ):
        kind = "HTTPNotFound" if status == 404 else "HTTPMethodNotAllowed"
        await api.refused(method, path, None, status, kind)
