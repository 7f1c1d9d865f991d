"""A router's gateway: set, changed, cleared, refused; and what an external network is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from sdnctl.intent import Network, Port, Router
from tests.unit.api.client import Api, Known, opened
from tests.unit.api.cloud import a_cloud, attach, external_network, set_gateway

NOBODY = "11111111-1111-1111-1111-111111111111"


def row(api: Api, router: Any) -> Router:
    found = api.store.get(Router, router["id"])
    assert found is not None
    return found


async def ports_of(api: Api, owner: str) -> list[Any]:
    return list(await api.rows(f"ports?device_owner=network:{owner}"))


async def test_an_external_network_is_routed_by_itself(api: Api) -> None:
    network = await api.create("networks", **{"router:external": True})
    vrf = network["sdn:vrf"]
    assert (vrf["vni"], vrf["label"], vrf["rd_number"]) == (4097, 17, 2)
    # It keeps its numbers, whatever it is in between.
    assert (await api.update("networks", network["id"], **{"router:external": False}))[
        "sdn:vrf"
    ] is None
    again = await api.update("networks", network["id"], **{"router:external": True})
    assert again["sdn:vrf"] == vrf
    plain = await api.create("networks")
    policy = {"object_type": "network", "object_id": plain["id"], "target_tenant": "red"}
    made = await api.call(
        "POST",
        "rbac-policies",
        {"rbac_policy": policy | {"action": "access_as_external"}},
        status=201,
    )
    opened_up = (await api.call("GET", f"networks/{plain['id']}"))["network"]
    assert opened_up["router:external"]
    assert len({opened_up["sdn:vrf"]["vni"], plain["provider:segmentation_id"], vrf["vni"]}) == 3
    await api.call("DELETE", f"rbac-policies/{made['rbac_policy']['id']}", status=204)
    assert not (await api.call("GET", f"networks/{plain['id']}"))["network"]["router:external"]
    await api.call("DELETE", f"networks/{network['id']}", status=204)


async def test_the_numbers_of_an_external_network_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as api:
        made = await api.create("networks", **{"router:external": True})
    async with opened(tmp_path / "db") as api:
        shown = (await api.call("GET", f"networks/{made['id']}"))["network"]
        assert shown == made
        other = await api.create("networks", **{"router:external": True})
        assert other["sdn:vrf"]["vni"] != made["sdn:vrf"]["vni"]


async def test_a_gateway_is_set_and_cleared(api: Api) -> None:
    external, [outer] = await external_network(api, "203.0.113.0/24")
    router = await api.create("routers")
    info = await set_gateway(api, router["id"], {"network_id": external["id"]})
    assert info == {
        "network_id": external["id"],
        "external_fixed_ips": [{"subnet_id": outer["id"], "ip_address": "203.0.113.2"}],
        "enable_snat": True,
    }
    [port] = await ports_of(api, "router_gateway")
    assert (port["device_id"], port["project_id"], port["status"]) == (router["id"], "", "ACTIVE")
    assert port["security_groups"] == []
    assert not port["port_security_enabled"]
    assert row(api, router).nat == 1
    for method, body in (("DELETE", None), ("PUT", {"port": {"fixed_ips": []}})):
        kind = "ServicePortInUse" if method == "DELETE" else "PortInUse"
        await api.refused(method, f"ports/{port['id']}", body, 409, kind, port["id"])
    await api.refused("DELETE", f"networks/{external['id']}", None, 409, "NetworkInUse")
    await api.refused("DELETE", f"subnets/{outer['id']}", None, 409, "SubnetInUse")
    await api.refused(
        "PUT",
        f"networks/{external['id']}",
        {"network": {"router:external": False}},
        409,
        "ExternalNetworkInUse",
        external["id"],
    )
    nothings: tuple[Any, ...] = ({}, None)
    for nothing in nothings:
        assert await set_gateway(api, router["id"], nothing) is None
        assert await ports_of(api, "router_gateway") == []
        assert row(api, router).nat == 1, "a zone is kept: connections may be in it"
        await set_gateway(api, router["id"], {"network_id": external["id"]})
    await api.call("DELETE", f"routers/{router['id']}", status=204)
    assert await api.rows("ports") == []
    other = await api.create("routers", external_gateway_info={"network_id": external["id"]})
    assert row(api, other).nat == 2


async def test_a_gateway_has_the_addresses_that_are_asked_for(api: Api) -> None:
    external, [four, six] = await external_network(api, "203.0.113.0/24", "2001:db8::/64")
    wish = {"ip_address": "203.0.113.77"}
    made = await api.create(
        "routers",
        external_gateway_info={
            "network_id": external["id"],
            "external_fixed_ips": [wish],
            "enable_snat": "false",
        },
    )
    gateway = made["external_gateway_info"]
    assert gateway["external_fixed_ips"] == [{"subnet_id": four["id"], **wish}]
    assert gateway["enable_snat"] is False
    [before] = await ports_of(api, "router_gateway")
    # Who says nothing of it translates; who says no addresses keeps those that there are.
    gateway = await set_gateway(api, made["id"], {"network_id": external["id"]})
    assert gateway["enable_snat"] is True
    assert gateway["external_fixed_ips"] == [{"subnet_id": four["id"], **wish}]
    gateway = await set_gateway(
        api,
        made["id"],
        {
            "network_id": external["id"],
            "external_fixed_ips": [{"subnet_id": four["id"]}, {"subnet_id": six["id"]}],
        },
    )
    addresses = [fixed["ip_address"] for fixed in gateway["external_fixed_ips"]]
    assert addresses == ["203.0.113.77", "2001:db8::1"]
    [after] = await ports_of(api, "router_gateway")
    assert (after["id"], after["mac_address"]) == (before["id"], before["mac_address"])


async def test_a_gateway_moves_to_another_network(api: Api) -> None:
    cloud = await a_cloud(api)
    other, _ = await external_network(api, "198.51.100.0/24")
    gateway = await set_gateway(api, cloud.router["id"], {"network_id": other["id"]})
    assert gateway["external_fixed_ips"][0]["ip_address"] == "198.51.100.2"
    [port] = await ports_of(api, "router_gateway")
    assert port["network_id"] == other["id"]


async def test_a_subnet_that_comes_later_gives_gateways_an_address(api: Api) -> None:
    external, _ = await external_network(api)
    router = await api.create("routers", external_gateway_info={"network_id": external["id"]})
    assert router["external_gateway_info"]["external_fixed_ips"] == []
    for cidr, version, address in (
        ("203.0.113.0/24", 4, "203.0.113.2"),
        ("2001:db8::/64", 6, "2001:db8::1"),
        ("198.51.100.0/24", 4, None),
    ):
        subnet = await api.create(
            "subnets", network_id=external["id"], cidr=cidr, ip_version=version
        )
        shown = (await api.call("GET", f"routers/{router['id']}"))["router"]
        had = shown["external_gateway_info"]["external_fixed_ips"]
        wanted = {"subnet_id": subnet["id"], "ip_address": address}
        assert (wanted in had) is (address is not None)


async def test_what_is_no_gateway(api: Api) -> None:
    external, [outer] = await external_network(api, "203.0.113.0/24")
    inside, [subnet] = await api.network("203.0.113.128/25")
    router = await api.create("routers")
    await attach(api, router["id"], subnet["id"])
    own = {"network_id": external["id"]}
    cases: list[tuple[Any, int, str, str]] = [
        ({"network_id": inside["id"]}, 400, "BadRequest", "is not an external network"),
        ({"network_id": NOBODY}, 404, "NetworkNotFound", NOBODY),
        ({"enable_snat": True}, 400, "HTTPBadRequest", "network_id"),
        (own | {"colour": 1}, 400, "HTTPBadRequest", "external_gateway_info"),
        (
            own | {"external_fixed_ips": [{"ip_address": "203.0.113.1"}]},
            400,
            "BadRequest",
            "External IP 203.0.113.1 is the same as the gateway IP",
        ),
        (own, 400, "BadRequest", "overlaps"),
    ]
    for info, status, kind, text in cases:
        body = {"router": {"external_gateway_info": info}}
        await api.refused("PUT", f"routers/{router['id']}", body, status, kind, text)
    # The same from the other side: a network is behind a router or in front of it.
    other = await api.create("routers", external_gateway_info=own)
    path = f"routers/{other['id']}/add_router_interface"
    await api.refused("PUT", path, {"subnet_id": outer["id"]}, 400, "BadRequest", "is external")
    _, [overlapping] = await api.network("203.0.113.0/26")
    await api.refused(
        "PUT", path, {"subnet_id": overlapping["id"]}, 400, "BadRequest", "overlaps with cidr"
    )
    await api.refused(
        "PUT",
        f"networks/{inside['id']}",
        {"network": {"router:external": True}},
        409,
        "NetworkInUse",
        router["id"],
    )


async def test_a_network_from_before_is_routed_with_its_first_gateway(api: Api) -> None:
    external, _ = await external_network(api, "203.0.113.0/24")
    network = api.store.get(Network, external["id"])
    assert network is not None
    bare = Network(
        **{name: getattr(network, name) for name in network.__struct_fields__} | {"vrf": None}
    )
    await api.store.transact(lambda tx: tx.put(bare))
    await api.create("routers", external_gateway_info={"network_id": external["id"]})
    after = api.store.get(Network, external["id"])
    assert after is not None
    assert after.vrf is not None


async def test_modes_change_while_the_router_is_down(api: Api) -> None:
    router = await api.create("routers", distributed=None, ha=True)
    assert (router["distributed"], router["ha"]) == (False, True)
    path = f"routers/{router['id']}"
    for name, text in (("distributed", "'distributed'"), ("ha", "HA")):
        body = {"router": {name: not router[name]}}
        await api.refused("PUT", path, body, 400, "BadRequest", text, "admin_state_up")
    changed = await api.update(
        "routers", router["id"], admin_state_up=False, distributed=True, ha=False
    )
    assert (changed["distributed"], changed["ha"]) == (True, False)
    assert (await api.update("routers", router["id"], admin_state_up=True, distributed=True))[
        "distributed"
    ]


@pytest.fixture
async def clouds(tmp_path: Path) -> Any:
    known = Known(
        admin=Identity(project_id="ops", roles=frozenset({"admin"})),
        red=Identity(project_id="red", roles=frozenset({"member"})),
        blue=Identity(project_id="blue", roles=frozenset({"member"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        yield api.by("admin"), api.by("red"), api.by("blue")


async def test_a_tenant_uses_an_external_network_and_no_more(clouds: Any) -> None:
    admin, red, blue = clouds
    external, [outer] = await external_network(admin, "203.0.113.0/24")
    assert await red.ids("networks?router:external=True") == {external["id"]}
    assert "sdn:vrf" not in (await red.call("GET", f"networks/{external['id']}"))["network"]
    router = await red.create("routers", external_gateway_info={"network_id": external["id"]})
    assert "distributed" not in router
    assert router["external_gateway_info"]["external_fixed_ips"][0]["subnet_id"] == outer["id"]
    # The gateway's port is nobody's.
    assert await red.rows(f"ports?device_id={router['id']}") == []
    assert len(await admin.rows(f"ports?device_id={router['id']}")) == 1
    path, info = f"routers/{router['id']}", {"network_id": external["id"]}
    mores: list[tuple[str, Any]] = [("enable_snat", True), ("external_fixed_ips", [])]
    for name, value in mores:
        more = {name: value}
        await red.refused(
            "PUT",
            path,
            {"router": {"external_gateway_info": info | more}},
            403,
            "PolicyNotAuthorized",
            f"update_router:external_gateway_info:{name}",
        )
        await red.refused(
            "POST",
            "routers",
            {"router": {"external_gateway_info": info | more}},
            403,
            "PolicyNotAuthorized",
            f"create_router:external_gateway_info:{name}",
        )
    await red.refused(
        "POST",
        "ports",
        {"port": {"network_id": external["id"]}},
        403,
        "PolicyNotAuthorized",
        "create_port",
    )
    # Another's network that is not external does not exist for them.
    secret, _ = await blue.network("10.9.0.0/24")
    body = {"router": {"external_gateway_info": {"network_id": secret["id"]}}}
    await red.refused("PUT", path, body, 404, "NetworkNotFound", secret["id"])


async def test_who_has_a_gateway_keeps_the_network(clouds: Any) -> None:
    admin, red, blue = clouds
    external, _ = await external_network(admin, "203.0.113.0/24")
    await red.create("routers", external_gateway_info={"network_id": external["id"]})
    [everybodys] = await admin.rows(f"rbac-policies?object_id={external['id']}")
    path = f"rbac-policies/{everybodys['id']}"
    await admin.refused("DELETE", path, None, 409, "ExternalNetworkInUse", external["id"])
    policy = {"object_type": "network", "object_id": external["id"]}
    policy["action"] = "access_as_external"
    for project in ("blue", "red"):
        if project == "red":
            await admin.refused("DELETE", path, None, 409, "RbacPolicyInUse", "routers attached")
        body = {"rbac_policy": policy | {"target_tenant": project}}
        await admin.call("POST", "rbac-policies", body, status=201)
    await admin.call("DELETE", path, status=204)
    assert await blue.ids("networks?router:external=True") == {external["id"]}
    mine = next(
        one
        for one in await admin.rows(f"rbac-policies?object_id={external['id']}")
        if one["target_tenant"] == "red"
    )
    await admin.refused("DELETE", f"rbac-policies/{mine['id']}", None, 409, "RbacPolicyInUse")


async def test_a_shared_external_network_may_be_shut(api: Api) -> None:
    """The controller's own ports, which are no project's, keep nobody from it."""
    external, _ = await external_network(api, "203.0.113.0/24", shared=True, project_id="ops")
    await api.create("routers", external_gateway_info={"network_id": external["id"]})
    assert not (await api.update("networks", external["id"], shared=False))["shared"]


async def test_the_controllers_ports_are_the_controllers_to_make(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/24")
    for owner in ("router_gateway", "floatingip", "floatingip_agent_gateway"):
        body = {"port": {"network_id": network["id"], "device_owner": f"network:{owner}"}}
        await api.refused("POST", "ports", body, 400, "InvalidInput", owner)
    assert not list(api.store.rows(Port))


async def test_the_controllers_ports_form_no_addresses_that_nobody_needs(api: Api) -> None:
    """A subnet whose guests form addresses gives one to a gateway, to no floating IP."""
    await api.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
    cloud = await a_cloud(api, distributed=True)
    await api.update("ports", cloud.guest["id"], **{"binding:host_id": "cn1"})
    await api.create("floatingips", floating_network_id=cloud.external["id"])
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    await api.create(
        "subnets", network_id=cloud.external["id"], cidr="2001:db8::/64", ip_version=6, **modes
    )
    await api.create("floatingips", floating_network_id=cloud.external["id"])
    await api.create("routers", external_gateway_info={"network_id": cloud.external["id"]})
    count = {"router_gateway": 2, "floatingip": 1, "floatingip_agent_gateway": 1}
    for owner, addresses in count.items():
        for port in await ports_of(api, owner):
            assert len(port["fixed_ips"]) == addresses, owner


async def test_an_interface_keeps_the_subnets_that_are_needed(api: Api) -> None:
    cloud = await a_cloud(api)
    more = await api.create(
        "subnets", network_id=cloud.network["id"], cidr="10.2.0.0/24", ip_version=4
    )
    clash = await api.create(
        "subnets", network_id=cloud.network["id"], cidr="203.0.113.128/25", ip_version=4
    )
    [port] = await ports_of(api, "router_interface")
    path = f"ports/{port['id']}"

    def at(*subnets: Any) -> Any:
        return {"port": {"fixed_ips": [{"subnet_id": subnet["id"]} for subnet in subnets]}}

    await api.refused("PUT", path, at(cloud.subnet, clash), 400, "BadRequest", "overlaps")
    await api.call("PUT", path, at(cloud.subnet, more))
    floating = await api.create(
        "floatingips", floating_network_id=cloud.external["id"], port_id=cloud.guest["id"]
    )
    kind = "RouterInterfaceInUseByFloatingIP"
    await api.refused("PUT", path, at(more), 409, kind, cloud.subnet["id"])
    await api.call("DELETE", f"floatingips/{floating['id']}", status=204)
    route = {"destination": "10.77.0.0/16", "nexthop": "10.1.0.77"}
    await api.update("routers", cloud.router["id"], routes=[route])
    await api.refused("PUT", path, at(more), 409, "RouterInterfaceInUseByRoute", "routes")
    await api.update("routers", cloud.router["id"], routes=[])
    await api.call("PUT", path, at(more))
