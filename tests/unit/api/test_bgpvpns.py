"""BGP VPNs and their associations, as networking-bgpvpn has them and as ours differ."""

from __future__ import annotations

from typing import Any

import pytest

from sdnctl.intent import BgpVpn, BgpVpnNetwork, BgpVpnPort, BgpVpnRouter, Router
from tests.unit.api.client import Api

VPNS = "bgpvpn/bgpvpns"
NOBODY = "11111111-1111-1111-1111-111111111111"


async def vpn(api: Api, **attributes: Any) -> tuple[Any, str]:
    """A BGP VPN and the path of its parts."""
    made = await api.create(VPNS, **attributes)
    return made, f"{VPNS}/{made['id']}"


async def associate(api: Api, path: str, kind: str, id_: str, **more: Any) -> Any:
    return await api.create(f"{path}/{kind}_associations", **{f"{kind}_id": id_}, **more)


async def routed(api: Api) -> tuple[Any, Any]:
    """A network and the router that routes it."""
    network, [subnet] = await api.network("10.0.0.0/24")
    router = await api.create("routers")
    path = f"routers/{router['id']}/add_router_interface"
    await api.call("PUT", path, {"subnet_id": subnet["id"]})
    return network, router


async def test_a_bgpvpn_by_default_and_in_full(api: Api) -> None:
    made, path = await vpn(api)
    at = made["created_at"]
    assert made == {
        "id": made["id"],
        "name": "",
        "description": "",
        "project_id": "",
        "tenant_id": "",
        "tags": [],
        "created_at": at,
        "updated_at": at,
        "revision_number": 1,
        "type": "l3",
        "route_targets": [],
        "import_targets": [],
        "export_targets": [],
        "route_distinguishers": [],
        "networks": [],
        "routers": [],
        "ports": [],
        "vni": None,
        "local_pref": None,
        "sdn:communities": [],
    }
    full = {
        "name": "blue",
        "route_targets": ["64512:1", "192.0.2.1:2"],
        "import_targets": ["4200000000:3"],
        "export_targets": "64512:4",
        "route_distinguishers": ["64512:9", "192.0.2.1:9"],
        "local_pref": "200",
        "sdn:communities": ["64512:7", "no-export"],
    }
    shown = {**full, "export_targets": ["64512:4"], "local_pref": 200}
    other = await api.create(VPNS, type="l2", vni="5000", **full)
    assert {k: other[k] for k in shown} == shown
    assert (other["type"], other["vni"]) == ("l2", 5000)
    changed = await api.update(VPNS, made["id"], **full)
    assert changed == made | shown | {
        "revision_number": 2,
        "updated_at": changed["updated_at"],
    }
    row = api.store.get(BgpVpn, made["id"])
    assert row is not None
    assert row.communities == (64512 << 16 | 7, 0xFFFFFF01)
    await api.update(VPNS, made["id"], route_targets=None, local_pref=None)
    assert await api.ids(f"{VPNS}?type=l3") == {made["id"]}
    assert await api.ids(f"{VPNS}?vni=5000&name=blue") == {other["id"]}
    assert await api.ids(f"{VPNS}?local_pref=200") == {other["id"]}
    await api.call("DELETE", path, status=204)
    await api.refused("GET", path, None, 404, "BGPVPNNotFound", made["id"])
    await api.refused("DELETE", path, None, 404, "BGPVPNNotFound", made["id"])
    await api.refused("PUT", path, {"bgpvpn": {"name": "x"}}, 404, "BGPVPNNotFound")
    for method, body in (("GET", None), ("POST", {"network_association": {"network_id": NOBODY}})):
        await api.refused(method, f"{path}/network_associations", body, 404, "BGPVPNNotFound")


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ({"type": "l4"}, "HTTPBadRequest", "type"),
        ({"type": None}, "HTTPBadRequest", "type"),
        ({"route_targets": ["64512"]}, "HTTPBadRequest", "route_targets"),
        ({"route_targets": ["70000:70000"]}, "HTTPBadRequest", "route_targets"),
        ({"route_targets": ["1:1", "1:1"]}, "HTTPBadRequest", "duplicate"),
        ({"route_targets": 7}, "HTTPBadRequest", "route_targets"),
        ({"import_targets": [None]}, "HTTPBadRequest", "import_targets"),
        ({"route_distinguishers": ["300.0.0.1:1"]}, "HTTPBadRequest", "route_distinguishers"),
        ({"local_pref": 1 << 32}, "HTTPBadRequest", "local_pref"),
        ({"local_pref": -1}, "HTTPBadRequest", "local_pref"),
        ({"vni": 0}, "HTTPBadRequest", "vni"),
        ({"vni": 1 << 24}, "HTTPBadRequest", "vni"),
        ({"networks": []}, "HTTPBadRequest", "networks"),
        ({"sdn:communities": ["65536:1"]}, "HTTPBadRequest", "sdn:communities"),
        ({"sdn:communities": ["1:2:3"]}, "HTTPBadRequest", "sdn:communities"),
        ({"colour": "blue"}, "HTTPBadRequest", "colour"),
        ({"route_targets": ["64512:8000001"]}, "InvalidInput", "route_targets: 64512:8000001"),
        ({"import_targets": ["64512:8065535"]}, "InvalidInput", "import_targets: 64512:8065535"),
        ({"export_targets": ["64512:8000000"]}, "InvalidInput", "export_targets: 64512:8000000"),
    ],
)
async def test_bad_bgpvpns(api: Api, body: dict[str, Any], kind: str, text: str) -> None:
    await api.refused("POST", VPNS, {"bgpvpn": body}, 400, kind, text)
    made, path = await vpn(api)
    if "type" not in body and "vni" not in body:
        await api.refused("PUT", path, {"bgpvpn": body}, 400, kind, text)
    assert (await api.call("GET", path))["bgpvpn"] == made


async def test_type_and_vni_are_for_life(api: Api) -> None:
    _, path = await vpn(api, vni=5000)
    for body in ({"type": "l2"}, {"vni": 5001}):
        await api.refused("PUT", path, {"bgpvpn": body}, 400, "HTTPBadRequest", "read-only")


async def test_network_associations(api: Api) -> None:
    made, path = await vpn(api)
    network = await api.create("networks")
    where = f"{path}/network_associations"
    one = await associate(api, path, "network", network["id"])
    assert "name" not in one
    assert one["network_id"] == network["id"]
    assert one["sdn:vni"] != network["provider:segmentation_id"]
    row = api.store.get(BgpVpnNetwork, one["id"])
    assert row is not None
    assert (row.bgpvpn_id, row.vni, str(row.mac)) == (made["id"], one["sdn:vni"], one["sdn:mac"])
    assert await api.rows(where) == [one]
    assert await api.rows(f"{where}?network_id={network['id']}&fields=id") == [{"id": one["id"]}]
    assert await api.rows(f"{where}?network_id={NOBODY}") == []
    assert (await api.call("GET", path))["bgpvpn"]["networks"] == [network["id"]]
    assert await api.ids(f"{VPNS}?networks={network['id']}") == {made["id"]}
    assert await api.ids(f"{VPNS}?networks={NOBODY}") == set()
    body = {"network_association": {"network_id": network["id"]}}
    await api.refused("POST", where, body, 400, "BGPVPNNetAssocAlreadyExists", network["id"])
    body = {"network_association": {"network_id": NOBODY}}
    await api.refused("POST", where, body, 404, "NetworkNotFound", NOBODY)
    await api.refused("POST", where, {"network_association": {}}, 400, "HTTPBadRequest")
    await api.refused(
        "PUT",
        f"{where}/{one['id']}",
        {"network_association": {"network_id": NOBODY}},
        400,
        "HTTPBadRequest",
        "read-only",
    )
    _, other = await vpn(api)
    for method in ("GET", "DELETE"):
        elsewhere = f"{other}/network_associations/{one['id']}"
        await api.refused(method, elsewhere, None, 404, "BGPVPNNetAssocNotFound", one["id"])
    await api.call("DELETE", f"{where}/{one['id']}", status=204)
    await api.refused("DELETE", f"{where}/{one['id']}", None, 404, "BGPVPNNetAssocNotFound")
    assert await api.rows(where) == []


async def test_bulk_is_all_or_nothing(api: Api) -> None:
    _, path = await vpn(api)
    ids = [(await api.create("networks"))["id"] for _ in range(2)]
    where = f"{path}/network_associations"
    bodies = [{"network_id": id_} for id_ in ids]
    await api.refused(
        "POST",
        where,
        {"network_associations": [*bodies, bodies[0]]},
        400,
        "BGPVPNNetAssocAlreadyExists",
    )
    made = await api.call("POST", where, {"network_associations": bodies}, status=201)
    assert [row["network_id"] for row in made["network_associations"]] == ids
    page = await api.call("GET", f"{where}?limit=1")
    assert len(page["network_associations"]) == 1
    assert (
        f"{path}/network_associations?limit=1&marker="
        in (page["network_associations_links"][0]["href"])
    )


async def test_router_associations_are_of_layer_3(api: Api) -> None:
    made, path = await vpn(api)
    router = await api.create("routers")
    one = await associate(api, path, "router", router["id"])
    assert one["advertise_extra_routes"] is True
    where = f"{path}/router_associations"
    after = await api.update(where, one["id"], advertise_extra_routes="false")
    assert after["advertise_extra_routes"] is False
    assert (await api.call("GET", path))["bgpvpn"]["routers"] == [router["id"]]
    assert await api.ids(f"{VPNS}?routers={router['id']}") == {made["id"]}
    body = {"router_association": {"router_id": router["id"]}}
    await api.refused("POST", where, body, 400, "BGPVPNRouterAssocAlreadyExists", router["id"])
    _, l2 = await vpn(api, type="l2")
    await api.refused(
        "POST", f"{l2}/router_associations", body, 400, "BadRequest", "Bad bgpvpn request", "l3"
    )
    await api.refused(
        "PUT",
        f"{where}/{NOBODY}",
        {"router_association": {}},
        404,
        "BGPVPNRouterAssocNotFound",
        f"BGPVPN router association {NOBODY} could not be found for BGPVPN {made['id']}",
    )


async def test_port_associations_and_their_routes(api: Api) -> None:
    made, path = await vpn(api)
    network, _ = await api.network("10.0.0.0/24")
    port = await api.create("ports", network_id=network["id"])
    where = f"{path}/port_associations"
    one = await associate(api, path, "port", port["id"])
    assert (one["advertise_fixed_ips"], one["routes"]) == (True, [])
    routes: list[dict[str, Any]] = [
        {"type": "prefix", "prefix": "10.9.0.0/16", "local_pref": 50},
        {"type": "prefix", "prefix": "fd00::/64"},
    ]
    after = await api.update(where, one["id"], routes=routes, advertise_fixed_ips=False)
    assert after["routes"] == [{"local_pref": None} | route for route in routes]
    assert after["advertise_fixed_ips"] is False
    assert (await api.update(where, one["id"], advertise_fixed_ips=True))["routes"] == (
        after["routes"]
    )
    assert (await api.call("GET", path))["bgpvpn"]["ports"] == [port["id"]]
    assert await api.ids(f"{VPNS}?ports={port['id']}") == {made["id"]}


async def test_bad_routes_of_a_port(api: Api) -> None:
    _, path = await vpn(api, project_id="red")
    _l2, l2_path = await vpn(api, type="l2", project_id="red")
    other, _ = await vpn(api, project_id="red")
    network, _ = await api.network("10.0.0.0/24", project_id="red")
    port = await api.create("ports", network_id=network["id"], project_id="red")
    where = f"{path}/port_associations"
    one = await associate(api, path, "port", port["id"])
    cases: list[tuple[Any, str, str]] = [
        ("10.0.0.0/8", "HTTPBadRequest", "routes"),
        ([{}], "HTTPBadRequest", "type"),
        ([{"type": "prefix"}], "HTTPBadRequest", "prefix"),
        ([{"type": "bgpvpn", "bgpvpn_id": other["id"]}], "HTTPBadRequest", "route targets"),
        ([{"type": "prefix", "prefix": "10.0.0.0/33"}], "HTTPBadRequest", "routes"),
        ([{"type": "prefix", "prefix": "10.0.0.0/8", "local_pref": -1}], "HTTPBadRequest", "-1"),
    ]
    for routes, kind, text in cases:
        body = {"port_association": {"routes": routes}}
        await api.refused("PUT", f"{where}/{one['id']}", body, 400, kind, text)
    body = {
        "port_association": {
            "port_id": port["id"],
            "routes": [{"type": "prefix", "prefix": "10.0.0.0/8"}],
        }
    }
    await api.refused("POST", where, body, 400, "BGPVPNPortAssocAlreadyExists", port["id"])
    await api.refused("POST", f"{l2_path}/port_associations", body, 400, "BadRequest", "l3")


@pytest.mark.parametrize("kind", ["network", "router", "port"])
async def test_all_are_of_one_project(api: Api, kind: str) -> None:
    _, path = await vpn(api, project_id="red")
    network = await api.create("networks", project_id="blue")
    made = {"network": network}
    made["router"] = await api.create("routers", project_id="blue")
    made["port"] = await api.create("ports", network_id=network["id"], project_id="blue")
    body = {f"{kind}_association": {f"{kind}_id": made[kind]["id"]}}
    where = f"{path}/{kind}_associations"
    await api.refused("POST", where, body, 403, "NotAuthorized", kind, "owner")
    _, own = await vpn(api, project_id="blue")
    body[f"{kind}_association"]["project_id"] = "red"
    await api.refused("POST", f"{own}/{kind}_associations", body, 403, "NotAuthorized", "same")
    one = await associate(api, own, kind, made[kind]["id"])
    assert one["project_id"] == "blue"


async def test_a_network_is_in_one_by_itself_or_by_its_router(api: Api) -> None:
    network, router = await routed(api)
    first, path = await vpn(api)
    _, second = await vpn(api)
    await associate(api, path, "network", network["id"])
    body = {"router_association": {"router_id": router["id"]}}
    where = f"{second}/router_associations"
    await api.refused("POST", where, body, 400, "BadRequest", network["id"], first["id"])
    # Layer 2 is another matter.
    _, l2 = await vpn(api, type="l2")
    await associate(api, l2, "network", network["id"])
    [one] = await api.rows(f"{path}/network_associations")
    await api.call("DELETE", f"{path}/network_associations/{one['id']}", status=204)
    await associate(api, second, "router", router["id"])
    body = {"network_association": {"network_id": network["id"]}}
    await api.refused("POST", f"{path}/network_associations", body, 400, "BadRequest", "router")

    other, [subnet] = await api.network("10.1.0.0/24")
    await associate(api, path, "network", other["id"])
    await api.refused(
        "PUT",
        f"routers/{router['id']}/add_router_interface",
        {"subnet_id": subnet["id"]},
        400,
        "BadRequest",
        "both the router and the network",
    )


async def test_what_is_deleted_leaves_its_bgpvpns(api: Api) -> None:
    made, path = await vpn(api)
    network = await api.create("networks")
    port = await api.create("ports", network_id=network["id"])
    router = await api.create("routers")
    for kind, id_ in (("network", network), ("router", router), ("port", port)):
        await associate(api, path, kind, id_["id"])
    await api.call("DELETE", f"ports/{port['id']}", status=204)
    await api.call("DELETE", f"networks/{network['id']}", status=204)
    await api.call("DELETE", f"routers/{router['id']}", status=204)
    shown = (await api.call("GET", path))["bgpvpn"]
    assert (shown["networks"], shown["routers"], shown["ports"]) == ([], [], [])
    assert shown == made


async def test_an_interface_that_is_removed_leaves_its_bgpvpns(api: Api) -> None:
    _network, router = await routed(api)
    _, path = await vpn(api)
    [port] = await api.rows("ports")
    await associate(api, path, "port", port["id"])
    where = f"routers/{router['id']}/remove_router_interface"
    await api.call("PUT", where, {"port_id": port["id"]})
    assert await api.rows(f"{path}/port_associations") == []


async def test_a_bgpvpn_goes_with_its_associations(api: Api) -> None:
    _, path = await vpn(api)
    network = await api.create("networks")
    port = await api.create("ports", network_id=network["id"])
    router = await api.create("routers")
    for kind, id_ in (("network", network), ("router", router), ("port", port)):
        await associate(api, path, kind, id_["id"])
    await api.call("DELETE", path, status=204)
    for row in (BgpVpnNetwork, BgpVpnRouter, BgpVpnPort):
        assert not list(api.store.rows(row))
    assert api.store.get(Router, router["id"]) is not None


async def test_where_it_is_and_where_not(api: Api) -> None:
    _, path = await vpn(api)
    for where in ("bgpvpn", "bgpvpns", f"bgpvpn/{path}", f"{path}/subnet_associations", "x/y/z"):
        await api.refused("GET", where, None, 404, "HTTPNotFound")
    await api.refused("DELETE", VPNS, None, 405, "HTTPMethodNotAllowed")
    await api.refused("PATCH", f"{path}/network_associations", {}, 405, "HTTPMethodNotAllowed")
    await api.call("PUT", f"{path}/tags", {"tags": ["x"]})
    aliases = {row["alias"] for row in await api.rows("extensions")}
    assert {"bgpvpn", "bgpvpn-vni", "bgpvpn-routes-control", "standard-attr-bgpvpn"} <= aliases
    listed = (await api.call("GET", "/v2.0"))["resources"]
    [where] = [row["links"][0]["href"] for row in listed if row["name"] == "bgpvpn"]
    assert where.endswith("/v2.0/bgpvpn/bgpvpns")
