from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sdnctl.intent import ROUTER_INTERFACE_OWNER
from tests.unit.api.client import Api

NOBODY = "11111111-1111-1111-1111-111111111111"


async def attach(api: Api, router: Any, status: int = 200, **body: str) -> Any:
    return await api.call(
        "PUT", f"routers/{router['id']}/add_router_interface", body, status=status
    )


async def detach(api: Api, router: Any, **body: str) -> Any:
    return await api.call("PUT", f"routers/{router['id']}/remove_router_interface", body)


async def test_a_router_has_all_that_it_has(api: Api) -> None:
    made = await api.create("routers", name="r", external_gateway_info={})
    assert made == {
        "id": made["id"],
        "name": "r",
        "description": "",
        "project_id": "",
        "tenant_id": "",
        "tags": [],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "revision_number": 1,
        "admin_state_up": True,
        "status": "ACTIVE",
        "external_gateway_info": None,
        "distributed": False,
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "ha": False,
        "routes": [],
        "sdn:vni": 4096,
        "sdn:label": 16,
        "sdn:rd_number": 1,
        "sdn:import_targets": [],
        "sdn:export_targets": [],
    }
    changed = await api.update(
        "routers", made["id"], admin_state_up=False, **{"sdn:export_targets": ["64512:7"]}
    )
    assert changed["sdn:export_targets"] == ["64512:7"]
    await api.refused("GET", "routers/r", None, 404, "RouterNotFound", "Router r could not be")


async def test_an_interface_comes_and_goes(api: Api) -> None:
    router = await api.create("routers", project_id="acme")
    network, [subnet] = await api.network("10.1.0.0/24")
    added = await attach(api, router, subnet_id=subnet["id"])
    assert added == {
        "id": router["id"],
        "project_id": "acme",
        "tenant_id": "acme",
        "port_id": added["port_id"],
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
    }
    [port] = await api.rows(f"ports?device_id={router['id']}")
    assert port["id"] == added["port_id"]
    assert port["device_owner"] == ROUTER_INTERFACE_OWNER
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.1"}]
    assert port["status"] == "ACTIVE"
    await api.refused("DELETE", f"routers/{router['id']}", None, 409, "RouterInUse", port["id"])
    await api.refused("DELETE", f"ports/{port['id']}", None, 409, "ServicePortInUse", port["id"])
    await api.refused("DELETE", f"subnets/{subnet['id']}", None, 409, "SubnetInUse")
    await api.refused(
        "PUT",
        f"subnets/{subnet['id']}",
        {"subnet": {"gateway_ip": "10.1.0.200"}},
        409,
        "GatewayIpInUse",
        "10.1.0.1",
    )
    await api.refused(
        "PUT", f"ports/{port['id']}", {"port": {"device_id": "vm"}}, 409, "PortInUse", port["id"]
    )
    removed = await detach(api, router, subnet_id=subnet["id"])
    assert removed == added
    await api.call("DELETE", f"routers/{router['id']}", status=204)
    assert await api.rows("ports") == []


async def test_a_port_becomes_an_interface(api: Api) -> None:
    router = await api.create("routers")
    network, [subnet] = await api.network("10.1.0.0/24")
    port = await api.create("ports", network_id=network["id"])
    added = await attach(api, router, port_id=port["id"])
    assert (added["port_id"], added["subnet_ids"]) == (port["id"], [subnet["id"]])
    removed = await detach(api, router, port_id=port["id"])
    assert removed == added
    await api.refused("GET", f"ports/{port['id']}", None, 404, "PortNotFound")


async def test_ipv6_subnets_of_a_network_share_an_interface(api: Api) -> None:
    router = await api.create("routers")
    _, [four, six, seven] = await api.network("10.1.0.0/24", "fd00:6::/64", "fd00:7::/64")
    first = await attach(api, router, subnet_id=four["id"])
    second = await attach(api, router, subnet_id=six["id"])
    third = await attach(api, router, subnet_id=seven["id"])
    assert first["port_id"] != second["port_id"] == third["port_id"]
    await detach(api, router, subnet_id=six["id"])
    port = (await api.call("GET", f"ports/{third['port_id']}"))["port"]
    assert [fixed["ip_address"] for fixed in port["fixed_ips"]] == ["fd00:7::"]
    await detach(api, router, subnet_id=seven["id"])
    await api.refused("GET", f"ports/{third['port_id']}", None, 404, "PortNotFound")


async def test_what_makes_no_interface(api: Api) -> None:
    router, other = await api.create("routers"), await api.create("routers")
    path = f"routers/{router['id']}/add_router_interface"
    network, [subnet] = await api.network("10.1.0.0/24")
    bare = await api.create("ports", network_id=network["id"], fixed_ips=[])
    bound = await api.create("ports", network_id=network["id"], device_id="vm")
    lonely = await api.create(
        "subnets",
        network_id=network["id"],
        cidr="10.3.0.0/24",
        ip_version=4,
        gateway_ip=None,
    )
    outside = await api.create(
        "subnets",
        network_id=network["id"],
        cidr="fd00::/64",
        ip_version=6,
        gateway_ip="fe80::1",
    )
    bad: list[tuple[Any, int, str, str]] = [
        ({"subnet_id": outside["id"]}, 400, "BadRequest", "gateway IP"),
        ({}, 400, "BadRequest", "subnet_id or port_id"),
        ({"subnet_id": subnet["id"], "port_id": bare["id"]}, 400, "BadRequest", "both"),
        ({"subnet": subnet["id"]}, 400, "BadRequest", "'subnet'"),
        ({"subnet_id": "x"}, 400, "HTTPBadRequest", "subnet_id"),
        ({"subnet_id": NOBODY}, 404, "SubnetNotFound", NOBODY),
        ({"port_id": NOBODY}, 404, "PortNotFound", NOBODY),
        ({"port_id": bare["id"]}, 400, "BadRequest", "fixed IP"),
        ({"port_id": bound["id"]}, 409, "PortInUse", bound["id"]),
        ({"subnet_id": lonely["id"]}, 400, "BadRequest", "gateway IP"),
        ([], 400, "HTTPBadRequest", "body"),
    ]
    for body, status, kind, text in bad:
        await api.refused("PUT", path, body, status, kind, text)
    await api.refused(
        "PUT", f"routers/{NOBODY}/add_router_interface", {}, 404, "RouterNotFound", NOBODY
    )
    await attach(api, router, subnet_id=subnet["id"])
    twice = {"subnet_id": subnet["id"]}
    await api.refused("PUT", path, twice, 400, "BadRequest", "already", subnet["id"])
    await api.refused(
        "PUT",
        f"routers/{other['id']}/add_router_interface",
        twice,
        400,
        "BadRequest",
        network["id"],
        router["id"],
    )
    _, [overlapping] = await api.network("10.1.0.128/25")
    await api.refused(
        "PUT",
        path,
        {"subnet_id": overlapping["id"]},
        400,
        "BadRequest",
        "10.1.0.128/25",
        "overlaps",
        "10.1.0.0/24",
    )
    # On another router the same addresses are another tenant's business.
    await attach(api, other, subnet_id=overlapping["id"])


async def test_a_gateway_address_in_use_makes_no_interface(api: Api) -> None:
    router = await api.create("routers")
    network, [subnet] = await api.network("10.1.0.0/24")
    await api.create("ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.1.0.1"}])
    await api.refused(
        "PUT",
        f"routers/{router['id']}/add_router_interface",
        {"subnet_id": subnet["id"]},
        409,
        "IpAddressAlreadyAllocated",
        "10.1.0.1",
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"subnet_id": NOBODY}, "RouterInterfaceNotFoundForSubnet"),
        ({"port_id": NOBODY}, "RouterInterfaceNotFound"),
    ],
)
async def test_removing_what_is_not_there(api: Api, body: dict[str, str], kind: str) -> None:
    router = await api.create("routers")
    path = f"routers/{router['id']}/remove_router_interface"
    await api.refused("PUT", path, body, 404, kind, NOBODY)
    await api.refused("PUT", path, {}, 400, "BadRequest", "subnet_id or port_id")


async def test_one_of_many_at_once_attaches(api: Api) -> None:
    routers = [await api.create("routers") for _ in range(8)]
    _, [subnet] = await api.network("10.1.0.0/24")
    answers = await asyncio.gather(
        *(
            api.http.put(
                f"/v2.0/routers/{router['id']}/add_router_interface",
                json={"subnet_id": subnet["id"]},
            )
            for router in routers
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert len(await api.rows("ports")) == 1
