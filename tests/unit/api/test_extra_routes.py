"""Extra routes of a router: replaced, added, removed, refused, and what they keep."""

from __future__ import annotations

from typing import Any

from sdnctl.intent import HostRoute, Router
from sdnctl.types import Ip, Prefix
from tests.unit.api.client import Api
from tests.unit.api.cloud import a_cloud, attach, set_gateway


def via(destination: str, nexthop: str) -> dict[str, str]:
    return {"destination": destination, "nexthop": nexthop}


async def test_they_are_replaced_added_and_removed(api: Api) -> None:
    cloud = await a_cloud(api)
    id_ = cloud.router["id"]
    first, second = via("10.77.0.0/16", "10.1.0.77"), via("10.78.0.0/16", "10.1.0.78")
    assert (await api.update("routers", id_, routes=[first]))["routes"] == [first]
    row = api.store.get(Router, id_)
    assert row is not None
    assert row.routes == (HostRoute(Prefix.parse("10.77.0.0/16"), Ip.parse("10.1.0.77")),)
    for name, given, after in (
        ("add", [second, first], [first, second]),
        ("add", [second], [first, second]),
        ("remove", [first, via("10.99.0.0/16", "10.1.0.1")], [second]),
        ("add", [via("10.78.0.0/16", "10.1.0.79")], [second, via("10.78.0.0/16", "10.1.0.79")]),
    ):
        before = (await api.call("GET", f"routers/{id_}"))["router"]
        changed = await api.call(
            "PUT", f"routers/{id_}/{name}_extraroutes", {"router": {"routes": given}}
        )
        assert changed["router"]["routes"] == after
        moved = after != before["routes"]
        assert changed["router"]["revision_number"] == before["revision_number"] + moved
        assert (await api.call("GET", f"routers/{id_}"))["router"] == changed["router"]
    assert (await api.update("routers", id_, routes=None))["routes"] == []


async def test_what_is_no_route(api: Api) -> None:
    cloud = await a_cloud(api)
    path = f"routers/{cloud.router['id']}"
    cases: list[tuple[Any, str, str]] = [
        ([via("10.77.0.0/16", "192.0.2.1")], "InvalidRoutes", "the nexthop is not connected"),
        ([via("10.77.0.0/16", "10.1.0.1")], "InvalidRoutes", "the nexthop is used by router"),
        ([via("10.77.0.0/16", "203.0.113.2")], "InvalidRoutes", "the nexthop is used by router"),
        ([via("fd00::/64", "10.1.0.9")], "HTTPBadRequest", "two IP versions"),
        ([via("10.77.0.0", "10.1.0.9")], "HTTPBadRequest", "routes"),
        ([via("10.77.0.0/16", "x")], "HTTPBadRequest", "routes"),
        ([via("10.77.0.0/16", "10.1.0.9")] * 2, "HTTPBadRequest", "duplicate"),
        ([{"destination": "10.77.0.0/16"}], "HTTPBadRequest", "routes"),
        ("x", "HTTPBadRequest", "routes"),
    ]
    for routes, kind, text in cases:
        for method, at in (("PUT", path), ("PUT", f"{path}/add_extraroutes")):
            body = {"router": {"routes": routes}}
            await api.refused(method, at, body, 400, kind, text)
    for action in ("add_extraroutes", "remove_extraroutes"):
        wrong: list[Any] = [{}, {"router": {}}, {"router": {"name": "x"}}, {"routes": []}]
        for body in wrong:
            await api.refused(
                "PUT", f"{path}/{action}", body, 400, "HTTPBadRequest", "in request body"
            )
    await api.refused(
        "POST", "routers", {"router": {"routes": []}}, 400, "HTTPBadRequest", "routes"
    )


async def test_their_way_stays(api: Api) -> None:
    cloud = await a_cloud(api)
    id_ = cloud.router["id"]
    inside, outside = via("10.77.0.0/16", "10.1.0.77"), via("10.78.0.0/16", "203.0.113.9")
    await api.update("routers", id_, routes=[inside, outside])
    detach, subnet = f"routers/{id_}/remove_router_interface", {"subnet_id": cloud.subnet["id"]}
    await api.refused("PUT", detach, subnet, 409, "RouterInterfaceInUseByRoute", cloud.subnet["id"])
    nothing = {"router": {"external_gateway_info": None}}
    await api.refused("PUT", f"routers/{id_}", nothing, 400, "InvalidRoutes", "not connected")
    # Both at once are one change.
    await api.update("routers", id_, external_gateway_info=None, routes=[inside])
    await api.update("routers", id_, routes=[])
    await api.call("PUT", detach, subnet)
    await attach(api, id_, cloud.subnet["id"])
    await set_gateway(api, id_, {"network_id": cloud.external["id"]})
    await api.update("routers", id_, routes=[outside])
