"""Floating IPs: made, given to guests and taken from them, and what keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import NothingObserved, Settings
from sdnctl.api.caller import Identity
from sdnctl.intent import FloatingIp, Router
from sdnctl.types import Ip
from tests.unit.api.client import Api, Known, opened
from tests.unit.api.cloud import a_cloud, attach, external_network

NOBODY = "11111111-1111-1111-1111-111111111111"


async def test_it_has_all_that_neutron_shows(api: Api) -> None:
    external, _ = await external_network(api, "203.0.113.0/24")
    made = await api.create(
        "floatingips",
        floating_network_id=external["id"],
        project_id="red",
        description="d",
        tags=["x"],
        dns_name="WWW",
        dns_domain="example.org.",
    )
    assert made == {
        "id": made["id"],
        "description": "d",
        "project_id": "red",
        "tenant_id": "red",
        "tags": ["x"],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "revision_number": 1,
        "floating_network_id": external["id"],
        "floating_ip_address": "203.0.113.2",
        "port_id": None,
        "fixed_ip_address": None,
        "router_id": None,
        "status": "DOWN",
        "port_details": None,
        "port_forwardings": [],
        "dns_name": "www",
        "dns_domain": "example.org.",
        "qos_policy_id": None,
    }
    [port] = await api.rows("ports?device_owner=network:floatingip")
    assert (port["device_id"], port["project_id"], port["status"]) == (made["id"], "", "N/A")
    assert port["fixed_ips"][0]["ip_address"] == "203.0.113.2"
    path = f"ports/{port['id']}"
    await api.refused("DELETE", path, None, 409, "ServicePortInUse", port["id"])
    await api.refused("PUT", path, {"port": {"fixed_ips": []}}, 409, "PortInUse", port["id"])
    await api.call("DELETE", f"floatingips/{made['id']}", status=204)
    assert await api.rows("ports") == []
    await api.refused(
        "GET",
        f"floatingips/{made['id']}",
        None,
        404,
        "FloatingIPNotFound",
        f"Floating IP {made['id']} could not be found",
    )


class Active(NothingObserved):
    def port_status(self, port_id: str) -> str:
        return "ACTIVE"


async def test_it_stands_for_a_guest(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", observed=Active()) as api:
        cloud = await a_cloud(api)
        made = await api.create(
            "floatingips",
            floating_network_id=cloud.external["id"],
            project_id="red",
            port_id=cloud.guest["id"],
        )
        assert made["fixed_ip_address"] == "10.1.0.2"
        assert (made["router_id"], made["status"]) == (cloud.router["id"], "ACTIVE")
        assert made["port_details"] == {
            "name": "vm",
            "network_id": cloud.network["id"],
            "mac_address": cloud.guest["mac_address"],
            "admin_state_up": True,
            "status": "ACTIVE",
            "device_id": "",
            "device_owner": "",
        }
        stored = api.store.get(FloatingIp, made["id"])
        assert stored is not None
        assert (stored.port_id, stored.fixed_ip) == (cloud.guest["id"], Ip.parse("10.1.0.2"))
        # What is not said stays as it is.
        assert (await api.update("floatingips", made["id"], description="n"))["port_id"]
        gone = await api.update("floatingips", made["id"], port_id=None)
        assert (gone["port_id"], gone["fixed_ip_address"], gone["router_id"]) == (None,) * 3
        assert (gone["status"], gone["revision_number"]) == ("DOWN", 3)
        for _ in range(2):
            await api.update("floatingips", made["id"], port_id=cloud.guest["id"])
            # To say nothing at all takes it away, as it did when there was nothing else to say.
            assert (await api.update("floatingips", made["id"]))["port_id"] is None
        again = await api.update(
            "floatingips", made["id"], port_id=cloud.guest["id"], fixed_ip_address="10.1.0.2"
        )
        assert again["status"] == "ACTIVE"
        # A guest that goes leaves it.
        await api.call("DELETE", f"ports/{cloud.guest['id']}", status=204)
        left = (await api.call("GET", f"floatingips/{made['id']}"))["floatingip"]
        assert (left["port_id"], left["router_id"], left["status"]) == (None, None, "DOWN")


async def test_a_guest_with_several_addresses_says_which(api: Api) -> None:
    cloud = await a_cloud(api)
    subnet = {"subnet_id": cloud.subnet["id"]}
    guest = await api.create(
        "ports", network_id=cloud.network["id"], fixed_ips=[subnet, subnet], project_id="red"
    )
    first, second = (fixed["ip_address"] for fixed in guest["fixed_ips"])
    made = await api.create(
        "floatingips", floating_network_id=cloud.external["id"], project_id="red"
    )
    path, body = f"floatingips/{made['id']}", {"port_id": guest["id"]}
    await api.refused(
        "PUT", path, {"floatingip": body}, 400, "BadRequest", "multiple fixed IPv4 addresses"
    )
    for address in (second, first):
        changed = await api.update(
            "floatingips", made["id"], port_id=guest["id"], fixed_ip_address=address
        )
        assert changed["fixed_ip_address"] == address
    # That address stays with the port while it is stood for.
    kept, lost = [{"ip_address": first}], [{"ip_address": second}]
    await api.refused(
        "PUT",
        f"ports/{guest['id']}",
        {"port": {"fixed_ips": lost}},
        400,
        "BadRequest",
        f"Cannot update the fixed_ips of the port {guest['id']}",
    )
    await api.update("ports", guest["id"], fixed_ips=kept)


async def test_what_cannot_be(api: Api) -> None:
    cloud = await a_cloud(api)
    external = cloud.external["id"]
    six, [six_subnet] = await external_network(api, "2001:db8::/64")
    both, [_, sixth] = await external_network(api, "198.51.100.0/24", "2001:db8:1::/64")
    lonely, _ = await api.network("10.3.0.0/24")
    stranger = await api.create("ports", network_id=lonely["id"])
    bare = await api.create("ports", network_id=cloud.network["id"], fixed_ips=[])
    [interface] = await api.rows("ports?device_owner=network:router_interface")
    guest = cloud.guest["id"]
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({}, 400, "HTTPBadRequest", "floating_network_id"),
        ({"floating_network_id": NOBODY}, 404, "NetworkNotFound", NOBODY),
        (
            {"floating_network_id": lonely["id"]},
            400,
            "BadRequest",
            f"Network {lonely['id']} is not a valid external network",
        ),
        ({"floating_network_id": six["id"]}, 400, "BadRequest", "does not contain any IPv4"),
        (
            {"floating_network_id": both["id"], "subnet_id": sixth["id"]},
            400,
            "ExternalIpAddressExhausted",
            both["id"],
        ),
        (
            {"floating_network_id": external, "subnet_id": six_subnet["id"]},
            400,
            "InvalidInput",
            six_subnet["id"],
        ),
        (
            {"floating_network_id": external, "floating_ip_address": "192.0.2.1"},
            400,
            "InvalidIpForNetwork",
            "192.0.2.1",
        ),
        (
            {"floating_network_id": external, "floating_ip_address": "203.0.113.2"},
            409,
            "IpAddressAlreadyAllocated",
            "203.0.113.2",
        ),
        (
            {"floating_network_id": external, "floating_ip_address": "203.0.113.1"},
            400,
            "BadRequest",
            "External IP 203.0.113.1 is the same as the gateway IP",
        ),
        ({"floating_network_id": external, "port_id": NOBODY}, 404, "PortNotFound", NOBODY),
        (
            {"floating_network_id": external, "port_id": stranger["id"]},
            404,
            "ExternalGatewayForFloatingIPNotFound",
            f"External network {external} is not reachable from subnet",
        ),
        (
            {"floating_network_id": both["id"], "port_id": guest},
            404,
            "ExternalGatewayForFloatingIPNotFound",
            guest,
        ),
        (
            {"floating_network_id": external, "port_id": bare["id"]},
            400,
            "BadRequest",
            "no fixed IPv4 addresses",
        ),
        (
            {"floating_network_id": external, "port_id": interface["id"]},
            400,
            "BadRequest",
            "is unable to be assigned a floating IP",
        ),
        (
            {"floating_network_id": external, "fixed_ip_address": "10.1.0.2"},
            400,
            "BadRequest",
            "fixed_ip_address cannot be specified without a port_id",
        ),
        (
            {"floating_network_id": external, "port_id": guest, "fixed_ip_address": "10.1.0.9"},
            400,
            "BadRequest",
            f"Port {guest} does not have fixed ip 10.1.0.9",
        ),
        (
            {"floating_network_id": external, "port_id": guest, "fixed_ip_address": "fd00::1"},
            400,
            "BadRequest",
            "not an IPv4 address",
        ),
    ]
    for body, status, kind, text in cases:
        wanted = body | {"project_id": "red"}
        await api.refused("POST", "floatingips", {"floatingip": wanted}, status, kind, text)
    first = await api.create("floatingips", floating_network_id=external, port_id=guest)
    body = {"floating_network_id": external, "port_id": guest}
    await api.refused(
        "POST",
        "floatingips",
        {"floatingip": body},
        409,
        "FloatingIPPortAlreadyAssociated",
        guest,
        "10.1.0.2",
    )
    path = f"floatingips/{first['id']}"
    await api.refused(
        "PUT", path, {"floatingip": {"fixed_ip_address": "10.1.0.2"}}, 400, "BadRequest", "port_id"
    )
    for name in ("floating_ip_address", "router_id", "floating_network_id", "dns_name"):
        await api.refused("PUT", path, {"floatingip": {name: "x"}}, 400, "HTTPBadRequest", name)
    await api.refused("DELETE", "floatingips/x", None, 404, "FloatingIPNotFound", "x")


async def test_the_way_stays_while_it_is_needed(api: Api) -> None:
    cloud = await a_cloud(api)
    other, _ = await external_network(api, "198.51.100.0/24")
    made = await api.create(
        "floatingips", floating_network_id=cloud.external["id"], port_id=cloud.guest["id"]
    )
    router = f"routers/{cloud.router['id']}"
    for info in ({}, {"network_id": other["id"]}):
        await api.refused(
            "PUT",
            router,
            {"router": {"external_gateway_info": info}},
            409,
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {cloud.router['id']}",
            cloud.external["id"],
        )
    [interface] = await api.rows("ports?device_owner=network:router_interface")
    for body in ({"subnet_id": cloud.subnet["id"]}, {"port_id": interface["id"]}):
        await api.refused(
            "PUT",
            f"{router}/remove_router_interface",
            body,
            409,
            "RouterInterfaceInUseByFloatingIP",
            f"Router interface for subnet {cloud.subnet['id']} on router {cloud.router['id']}",
        )
    # Another network of the same router is nobody's way.
    _, [beside] = await api.network("10.2.0.0/24")
    await attach(api, cloud.router["id"], beside["id"])
    await api.call("PUT", f"{router}/remove_router_interface", {"subnet_id": beside["id"]})
    # To set the same gateway again is to change nothing.
    await api.update(
        "routers",
        cloud.router["id"],
        external_gateway_info={"network_id": cloud.external["id"], "enable_snat": False},
    )
    row = api.store.get(Router, cloud.router["id"])
    assert row is not None
    assert row.gateway is not None
    assert not row.gateway.enable_snat
    await api.update("floatingips", made["id"], port_id=None)
    await api.call("PUT", f"{router}/remove_router_interface", {"subnet_id": cloud.subnet["id"]})
    await api.update("routers", cloud.router["id"], external_gateway_info=None)


async def test_unused_ones_go_with_their_network(api: Api) -> None:
    external, [outer] = await external_network(api, "203.0.113.0/24")
    for _ in range(2):
        await api.create("floatingips", floating_network_id=external["id"])
    await api.refused("DELETE", f"subnets/{outer['id']}", None, 409, "SubnetInUse")
    await api.call("DELETE", f"networks/{external['id']}", status=204)
    assert await api.rows("floatingips") == await api.rows("ports") == []
    cloud = await a_cloud(api)
    await api.create(
        "floatingips", floating_network_id=cloud.external["id"], port_id=cloud.guest["id"]
    )
    await api.refused("DELETE", f"networks/{cloud.external['id']}", None, 409, "NetworkInUse")


async def test_they_are_found_by_what_they_have(api: Api) -> None:
    cloud = await a_cloud(api)
    external = cloud.external["id"]
    free = await api.create("floatingips", floating_network_id=external, tags=["spare"])
    used = await api.create(
        "floatingips", floating_network_id=external, port_id=cloud.guest["id"], project_id="red"
    )
    elsewhere, _ = await external_network(api, "198.51.100.0/24")
    other = await api.create("floatingips", floating_network_id=elsewhere["id"])
    for query, found in (
        (f"floating_ip_address={used['floating_ip_address']}", {used["id"]}),
        ("fixed_ip_address=10.1.0.2", {used["id"]}),
        (f"port_id={cloud.guest['id']}", {used["id"]}),
        (f"router_id={cloud.router['id']}", {used["id"]}),
        (f"floating_network_id={external}", {free["id"], used["id"]}),
        ("status=DOWN", {free["id"], used["id"], other["id"]}),
        ("port_id=", {free["id"], other["id"]}),
        ("project_id=red", {used["id"]}),
        ("tags=spare", {free["id"]}),
        (f"floating_network_id={elsewhere['id']}&port_id={cloud.guest['id']}", set()),
    ):
        assert await api.ids(f"floatingips?{query}") == found, query
    by_address = await api.rows("floatingips?sort_key=floating_ip_address&fields=id")
    assert next(one["id"] for one in by_address) == other["id"]
    await api.refused("GET", "floatingips?colour=1", None, 400, "HTTPBadRequest", "colour")


async def test_addresses_in_use_are_counted(api: Api) -> None:
    cloud = await a_cloud(api)
    await api.create("floatingips", floating_network_id=cloud.external["id"])
    path = f"network-ip-availabilities/{cloud.external['id']}"
    found = (await api.call("GET", path))["network_ip_availability"]
    assert (found["used_ips"], found["total_ips"]) == (2, 253)


async def test_an_address_range_runs_out(api: Api) -> None:
    external, _ = await external_network(api, "203.0.113.0/30")
    await api.create("floatingips", floating_network_id=external["id"])
    body = {"floatingip": {"floating_network_id": external["id"]}}
    await api.refused(
        "POST", "floatingips", body, 409, "IpAddressGenerationFailure", external["id"]
    )


async def test_bulk_is_all_or_nothing(api: Api) -> None:
    external, _ = await external_network(api, "203.0.113.0/24")
    one = {"floating_network_id": external["id"]}
    made = await api.call("POST", "floatingips", {"floatingips": [one, one]}, status=201)
    assert len({f["floating_ip_address"] for f in made["floatingips"]}) == 2
    bad = {"floatingips": [one, one | {"port_id": NOBODY}]}
    await api.refused("POST", "floatingips", bad, 404, "PortNotFound", NOBODY)
    assert len(await api.rows("ports")) == 2


@pytest.fixture
async def tenants(tmp_path: Path) -> Any:
    known = Known(
        admin=Identity(project_id="ops", roles=frozenset({"admin"})),
        red=Identity(project_id="red", roles=frozenset({"member"})),
        boss=Identity(project_id="red", roles=frozenset({"manager"})),
        blue=Identity(project_id="blue", roles=frozenset({"member"})),
    )
    settings = Settings(quotas={"floatingip": 2})
    path = tmp_path / "db"
    async with opened(path, authenticator=known, settings=settings) as api:
        yield tuple(api.by(name) for name in ("admin", "red", "boss", "blue"))


async def test_a_project_has_its_own_and_no_other(tenants: Any) -> None:
    admin, red, boss, blue = tenants
    cloud = await a_cloud(admin, "red")
    external = cloud.external["id"]
    wish = {"floating_network_id": external, "floating_ip_address": "203.0.113.99"}
    await red.refused(
        "POST",
        "floatingips",
        {"floatingip": wish},
        403,
        "PolicyNotAuthorized",
        "create_floatingip:floating_ip_address",
    )
    assert (await boss.create("floatingips", **wish))["floating_ip_address"] == "203.0.113.99"
    mine = await red.create("floatingips", floating_network_id=external)
    await red.refused(
        "POST",
        "floatingips",
        {"floatingip": {"floating_network_id": external}},
        409,
        "OverQuota",
        "floatingip",
    )
    assert (await red.call("GET", "quotas/red"))["quota"]["floatingip"] == 2
    theirs = await blue.create("floatingips", floating_network_id=external)
    assert await blue.ids("floatingips") == {theirs["id"]}
    await blue.refused("GET", f"floatingips/{mine['id']}", None, 404, "FloatingIPNotFound")
    guest = {"floatingip": {"port_id": cloud.guest["id"]}}
    await blue.refused("PUT", f"floatingips/{theirs['id']}", guest, 404, "PortNotFound")
    # An administrator may; then only an administrator may take the guest away from it.
    await admin.update("floatingips", theirs["id"], port_id=cloud.guest["id"])
    await red.refused("DELETE", f"ports/{cloud.guest['id']}", None, 409, "FipAssociated")
    await blue.update("floatingips", theirs["id"], port_id=None)
    await red.update("floatingips", mine["id"], port_id=cloud.guest["id"])
    await red.call("DELETE", f"ports/{cloud.guest['id']}", status=204)
    # A port that one sees for its network's sake is not one's own.
    shared, [inside] = await red.network("10.7.0.0/24")
    policy = {"object_type": "network", "object_id": shared["id"], "target_tenant": "blue"}
    policy["action"] = "access_as_shared"
    await red.call("POST", "rbac-policies", {"rbac_policy": policy}, status=201)
    foreign = await blue.create("ports", network_id=shared["id"])
    await attach(red, cloud.router["id"], inside["id"])
    body = {"floatingip": {"port_id": foreign["id"]}}
    await red.refused(
        "PUT", f"floatingips/{mine['id']}", body, 400, "BadRequest", "owned by a different project"
    )
