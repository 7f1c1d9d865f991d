"""Projects are separate: the essential cases, said by hand and not by the policy's table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from sdnctl.intent import Network, Port, Subnet
from sdnctl.store import Store
from tests.unit.api.client import Api, Known, opened

NOT_FOUND = {"networks": "Network", "subnets": "Subnet", "ports": "Port", "routers": "Router"}


def identity(project: str, *roles: str, system: bool = False) -> Identity:
    return Identity(project_id=project, roles=frozenset(roles), system=system)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    callers = Known(
        admin=identity("cloud", "admin"),
        red=identity("red", "member"),
        blue=identity("blue", "member"),
        looker=identity("red", "reader"),
        nova=identity("services", "service"),
        auditor=identity("", "reader", system=True),
        stranger=identity("red"),
    )
    async with opened(tmp_path / "db", authenticator=callers) as found:
        yield found


async def reds(api: Api, **network: Any) -> dict[str, str]:
    """A network, subnet, port and router of red by their collections; more of the network."""
    red, admin = api.by("red"), api.by("admin")
    made = await (admin if network else red).create("networks", **network, project_id="red")
    subnet = await red.create("subnets", network_id=made["id"], cidr="10.0.0.0/24", ip_version=4)
    port = await red.create("ports", network_id=made["id"])
    router = await red.create("routers")
    return {
        "networks": made["id"],
        "subnets": subnet["id"],
        "ports": port["id"],
        "routers": router["id"],
    }


async def test_without_a_good_token_nothing_is_said(api: Api) -> None:
    for token in ("", "guess"):
        for path in ("networks", "/sdn/v1/status", "/openapi.json", "nothing"):
            await api.by(token).refused("GET", path, None, 401, "HTTPUnauthorized")
    await api.call("GET", "/")


async def test_what_is_another_projects_does_not_exist(api: Api) -> None:
    made, blue = await reds(api), api.by("blue")
    for collection, id_ in made.items():
        name = NOT_FOUND[collection]
        kind, path = f"{name}NotFound", f"{collection}/{id_}"
        body: Any = {name.lower(): {"name": "mine"}}
        nothing = (await blue.call("GET", f"{collection}/none", status=404))["NeutronError"]
        assert (await blue.call("GET", path, status=404))["NeutronError"] == {
            **nothing,
            "message": nothing["message"].replace("none", id_),
        }
        await blue.refused("PUT", path, body, 404, kind)
        await blue.refused("DELETE", path, None, 404, kind)
        await blue.refused("GET", f"{path}/tags", None, 404, kind)
        await blue.refused("PUT", f"{path}/tags/x", None, 404, kind)
        for query in ("", f"?id={id_}", "?project_id=red", "?name=", "?limit=5", "?sort_key=id"):
            page = await blue.call("GET", f"{collection}{query}")
            assert page.pop(collection) == []
            assert id_ not in str(page)
        await blue.refused("GET", f"{collection}?limit=1&marker={id_}", None, 404, kind)
        assert await api.by("red").ids(collection) == {id_}
        assert await api.by("admin").ids(collection) == {id_}


async def test_what_is_another_projects_cannot_be_named(api: Api) -> None:
    made, blue = await reds(api), api.by("blue")
    own = await blue.create("networks")
    router = await blue.create("routers")
    action = f"routers/{router['id']}/add_router_interface"
    refusals: list[tuple[str, str, Any, str]] = [
        ("POST", "ports", {"port": {"network_id": made["networks"]}}, "Network"),
        (
            "POST",
            "ports",
            {"port": {"network_id": own["id"], "fixed_ips": [{"subnet_id": made["subnets"]}]}},
            "Subnet",
        ),
        (
            "POST",
            "subnets",
            {"subnet": {"network_id": made["networks"], "cidr": "10.9.0.0/24", "ip_version": 4}},
            "Network",
        ),
        ("PUT", action, {"subnet_id": made["subnets"]}, "Subnet"),
        ("PUT", action, {"port_id": made["ports"]}, "Port"),
        (
            "PUT",
            f"routers/{made['routers']}/add_router_interface",
            {"subnet_id": made["subnets"]},
            "Router",
        ),
    ]
    for method, path, body, name in refusals:
        await blue.refused(method, path, body, 404, f"{name}NotFound")


async def test_an_owner_is_whoever_creates(api: Api) -> None:
    red, admin = api.by("red"), api.by("admin")
    for given in ({}, {"project_id": "red"}, {"tenant_id": "red"}):
        assert (await red.create("networks", **given))["project_id"] == "red"
    for given in ({"project_id": "blue"}, {"tenant_id": "blue"}, {"project_id": ""}):
        await red.refused(
            "POST", "networks", {"network": given}, 400, "HTTPBadRequest", "admin privileges"
        )
        bulk = {"networks": [{}, given]}
        await red.refused("POST", "networks", bulk, 400, "HTTPBadRequest", "admin privileges")
    assert (await admin.create("networks"))["project_id"] == "cloud"
    assert (await admin.create("networks", project_id="blue"))["project_id"] == "blue"
    await api.by("stranger").refused(
        "POST", "networks", {"network": {}}, 403, "PolicyNotAuthorized"
    )


async def test_a_reader_looks_and_a_member_acts(api: Api) -> None:
    made, looker = await reds(api), api.by("looker")
    for collection, id_ in made.items():
        name = NOT_FOUND[collection].lower()
        path = f"{collection}/{id_}"
        await looker.call("GET", path)
        assert await looker.ids(collection) == {id_}
        for method, change in (("PUT", {name: {"name": "x"}}), ("DELETE", None)):
            await looker.refused(method, path, change, 403, "PolicyNotAuthorized", f"_{name} ")
        await looker.refused("PUT", f"{path}/tags/x", None, 403, "PolicyNotAuthorized")
    body: Any = {"subnet_id": made["subnets"]}
    action = f"routers/{made['routers']}/add_router_interface"
    await looker.refused("PUT", action, body, 403, "PolicyNotAuthorized")
    for name in ("network", "router"):
        await looker.refused("POST", f"{name}s", {name: {}}, 403, "PolicyNotAuthorized")
    await api.by("red").call("PUT", action, body)
    for who in ("stranger", "blue"):
        assert await api.by(who).rows("ports") == []


async def test_operators_attributes_are_neither_seen_nor_set(api: Api) -> None:
    made, red = await reds(api), api.by("red")
    network = (await red.call("GET", f"networks/{made['networks']}"))["network"]
    port = (await red.call("GET", f"ports/{made['ports']}"))["port"]
    router = (await red.call("GET", f"routers/{made['routers']}"))["router"]
    assert not [name for name in network if name.startswith(("provider:", "sdn:"))]
    assert {"shared", "router:external", "mtu", "revision_number"} <= set(network)
    assert [name for name in port if name.startswith("binding:")] == ["binding:vnic_type"]
    assert not [name for name in router if name.startswith("sdn:")]
    assert await red.rows("networks?fields=sdn:vni&fields=id") == [{"id": made["networks"]}]
    for query in (
        "networks?provider:segmentation_id=5",
        "networks?sort_key=sdn:label&sort_dir=asc",
        "ports?binding:host_id=cn1",
        "routers?sdn:vni=5",
    ):
        await red.refused("GET", query, None, 400, "HTTPBadRequest")
        await api.by("admin").call("GET", query)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("network", {"shared": True}),
        ("network", {"router:external": True}),
        ("network", {"provider:segmentation_id": 5}),
        ("network", {"sdn:import_targets": ["64512:1"]}),
        ("router", {"sdn:export_targets": ["64512:1"]}),
        ("router", {"sdn:vni": 7}),
    ]
    for name, given in refused:
        [attribute] = given
        text = f"{name}:{attribute}"
        await red.refused("POST", f"{name}s", {name: given}, 403, "PolicyNotAuthorized", text)
        if attribute in {"shared", "router:external"} or "targets" in attribute:
            path = f"{name}s/{made[f'{name}s']}"
            await red.refused("PUT", path, {name: given}, 403, "PolicyNotAuthorized", text)
    assert (await red.create("networks", shared=False))["shared"] is False
    for bound in ({"binding:host_id": "cn1"}, {"binding:profile": {"x": 1}}):
        body: Any = {"port": bound}
        await red.refused("PUT", f"ports/{made['ports']}", body, 403, "PolicyNotAuthorized")
        await api.by("nova").call("PUT", f"ports/{made['ports']}", body)
    answer = await api.by("nova").call("GET", f"ports/{made['ports']}")
    assert answer["port"]["binding:host_id"] == "cn1"


async def test_a_shared_network(api: Api) -> None:
    made, blue, red = await reds(api, shared=True), api.by("blue"), api.by("red")
    network, subnet = made["networks"], made["subnets"]
    assert await blue.ids("networks") == {network}
    assert await blue.ids("networks?shared=True") == {network}
    assert await blue.ids("subnets") == {subnet}
    assert await blue.ids("ports") == set()
    for path in (f"networks/{network}", f"subnets/{subnet}"):
        await blue.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    body: Any = {"network": {"name": "mine"}}
    await blue.refused("PUT", f"networks/{network}", body, 403, "PolicyNotAuthorized")
    for given in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.99"}]},
        {"device_owner": "network:dhcp"},
        {"port_security_enabled": False},
    ):
        body = {"port": {"network_id": network, **given}}
        [attribute] = given
        await blue.refused("POST", "ports", body, 403, "PolicyNotAuthorized", f":{attribute}")
    wish = [{"subnet_id": subnet}]
    port = await blue.create("ports", network_id=network, fixed_ips=wish, device_owner="compute:a")
    assert port["project_id"] == "blue"
    body = {"network": {"shared": False}}
    where = f"networks/{network}"
    await api.by("admin").refused("PUT", where, body, 409, "InvalidSharedSetting", "Multiple")
    # The network's owner sees what is on it, and may take it away, but not change it.
    assert await red.ids("ports") == {made["ports"], port["id"]}
    body = {"port": {"name": "x"}}
    await red.refused("PUT", f"ports/{port['id']}", body, 403, "PolicyNotAuthorized")
    await red.call("DELETE", f"ports/{port['id']}", status=204)
    router = await blue.create("routers")
    action = f"routers/{router['id']}/add_router_interface"
    await blue.refused("PUT", action, {"subnet_id": subnet}, 400, "BadRequest", "not owned")
    body = {"subnet": {"network_id": network, "cidr": "10.7.0.0/24", "ip_version": 4}}
    await blue.refused("POST", "subnets", body, 403, "PolicyNotAuthorized")
    await api.by("admin").call("PUT", f"networks/{network}", {"network": {"shared": False}})
    assert await blue.rows("networks") == []


async def test_an_external_network_is_seen_and_no_more(api: Api) -> None:
    made, blue = await reds(api, **{"router:external": True}), api.by("blue")
    assert await blue.ids("networks?router:external=True") == {made["networks"]}
    assert await blue.ids("subnets") == {made["subnets"]}
    body = {"port": {"network_id": made["networks"]}}
    await blue.refused("POST", "ports", body, 403, "PolicyNotAuthorized")


async def test_the_operators_api_is_the_operators(api: Api) -> None:
    body = {"hypervisor": {"id": "cn1", "vtep": "192.0.2.1"}}
    for who in ("red", "looker", "nova", "stranger", "auditor"):
        caller = api.by(who)
        await caller.refused("POST", "/sdn/v1/hypervisors", body, 403, "PolicyNotAuthorized")
        for path in ("hypervisors", "status", "nothing"):
            if who != "auditor":
                where = f"/sdn/v1/{path}"
                await caller.refused("GET", where, None, 403, "PolicyNotAuthorized")
    await api.by("admin").call("POST", "/sdn/v1/hypervisors", body, status=201)
    auditor = api.by("auditor")
    assert await auditor.ids("/sdn/v1/hypervisors") == {"cn1"}
    made = await reds(api)
    assert await auditor.ids("networks") == {made["networks"]}
    body = {"network": {"name": "x"}}
    await auditor.refused("PUT", f"networks/{made['networks']}", body, 403, "PolicyNotAuthorized")


async def test_bgp_vpns_are_made_by_admins_and_joined_by_members(api: Api) -> None:
    made, red, admin, blue = await reds(api), api.by("red"), api.by("admin"), api.by("blue")
    await red.refused("POST", "bgpvpn/bgpvpns", {"bgpvpn": {}}, 403, "PolicyNotAuthorized")
    vpn = await admin.create("bgpvpn/bgpvpns", project_id="red", route_targets=["64512:1"])
    path = f"bgpvpn/bgpvpns/{vpn['id']}"
    shown = (await red.call("GET", path))["bgpvpn"]
    assert not {"route_targets", "import_targets", "project_id", "vni"} & set(shown)
    body: Any = {"bgpvpn": {"route_targets": ["64512:2"]}}
    await red.refused("PUT", path, body, 403, "PolicyNotAuthorized", "route_targets")
    await red.call("PUT", path, {"bgpvpn": {"name": "mine"}})
    await red.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    body = {"network_association": {"network_id": made["networks"]}}
    for below in ("", "/network_associations"):
        await blue.refused("GET", path + below, None, 404, "BGPVPNNotFound")
    await blue.refused("POST", f"{path}/network_associations", body, 404, "BGPVPNNotFound")
    assert await blue.rows("bgpvpn/bgpvpns") == []
    blues = await admin.create("bgpvpn/bgpvpns", project_id="blue")
    where = f"bgpvpn/bgpvpns/{blues['id']}/network_associations"
    await blue.refused("POST", where, body, 404, "NetworkNotFound")
    joined = await red.call("POST", f"{path}/network_associations", body, status=201)
    id_ = joined["network_association"]["id"]
    looker = api.by("looker")
    where = f"{path}/network_associations/{id_}"
    await looker.refused("DELETE", where, None, 403, "PolicyNotAuthorized")
    await red.call("DELETE", where, status=204)


async def test_a_project_asks_for_its_own_quota(api: Api) -> None:
    for path in ("", "/default", "/details.json"):
        await api.by("red").call("GET", f"quotas/red{path}")
        await api.by("admin").call("GET", f"quotas/red{path}")
        await api.by("blue").refused("GET", f"quotas/red{path}", None, 403, "PolicyNotAuthorized")


async def test_a_list_does_not_look_at_what_others_have(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await reds(api, shared=True)
    blue = api.by("blue")
    for _ in range(100):
        await blue.create("networks", name="web")
    await blue.create("ports", network_id=made["networks"])
    mine = await api.by("red").create("networks", name="web")
    looked: list[object] = []
    find = Store.find

    def counted(store: Store, kind: Any, index: str, value: Any) -> Any:
        rows = find(store, kind, index, value)
        looked.extend(rows)
        return rows

    def scanned(store: Store, kind: Any) -> Any:
        raise AssertionError(f"all rows of {kind} are looked at")

    monkeypatch.setattr(Store, "find", counted)
    monkeypatch.setattr(Store, "rows", scanned)
    for path, kind in (("networks", Network), ("subnets", Subnet), ("ports", Port)):
        looked.clear()
        assert len(await api.by("red").ids(path)) == {Network: 2, Subnet: 1, Port: 2}[kind]
        assert len(looked) < 15
    looked.clear()
    assert await api.by("red").ids("networks?name=web") == {mine["id"]}
    assert await api.by("red").ids("networks?project_id=blue") == set()
    assert len(looked) < 30
