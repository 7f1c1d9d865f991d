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


async def test_what_belongs_to_a_row_moves_its_revision(api: Api) -> None:
    """Whoever watches a group, a network or a router by its revision misses nothing of it."""
    seen: dict[str, int] = {}

    async def moved(path: str) -> bool:
        [row] = (await api.call("GET", path)).values()
        before, seen[path] = seen.get(path), row["revision_number"]
        return before is not None and before < row["revision_number"]

    network = await api.create("networks")
    router = await api.create("routers")
    group = await api.create("security-groups", name="web")
    of_network, of_router = f"networks/{network['id']}", f"routers/{router['id']}"
    of_group = f"security-groups/{group['id']}"
    assert not any([await moved(path) for path in (of_network, of_router, of_group)])
    subnet = await api.create("subnets", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4)
    assert await moved(of_network)
    policy = {"object_type": "network", "object_id": network["id"], "target_tenant": "blue"}
    body = {"rbac_policy": policy | {"action": "access_as_shared"}}
    await api.call("POST", "rbac-policies", body, status=201)
    assert await moved(of_network)
    for action in ("add_router_interface", "remove_router_interface"):
        await api.call("PUT", f"{of_router}/{action}", {"subnet_id": subnet["id"]})
        assert await moved(of_router)
    await api.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert await moved(of_network)
    rule = await api.create(
        "security-group-rules", security_group_id=group["id"], direction="ingress"
    )
    assert await moved(of_group)
    await api.call("DELETE", f"security-group-rules/{rule['id']}", status=204)
    assert await moved(of_group)
    assert not any([await moved(path) for path in (of_network, of_router, of_group)])


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
