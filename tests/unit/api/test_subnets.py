from __future__ import annotations

from typing import Any

import pytest

from sdnctl.intent import Subnet
from tests.unit.api.client import Api


def pool(first: str, last: str) -> dict[str, str]:
    return {"start": first, "end": last}


async def test_a_subnet_has_all_that_neutron_shows(api: Api) -> None:
    network = await api.create("networks", project_id="acme")
    made = await api.create(
        "subnets",
        name="s",
        network_id=network["id"],
        cidr="10.1.0.7/24",
        ip_version="4",
        dns_nameservers=["9.9.9.9"],
        host_routes=[{"destination": "10.9.0.0/16", "nexthop": "10.1.0.254"}],
    )
    assert made == {
        "id": made["id"],
        "name": "s",
        "description": "",
        "project_id": "acme",
        "tenant_id": "acme",
        "tags": [],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "revision_number": 1,
        "network_id": network["id"],
        "ip_version": 4,
        "cidr": "10.1.0.0/24",
        "gateway_ip": "10.1.0.1",
        "enable_dhcp": True,
        "allocation_pools": [pool("10.1.0.2", "10.1.0.254")],
        "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.254"}],
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "router:external": False,
    }
    assert (await api.call("GET", f"networks/{network['id']}"))["network"]["subnets"] == [
        made["id"]
    ]


@pytest.mark.parametrize(
    ("attributes", "gateway", "pools"),
    [
        ({"cidr": "10.0.0.0/24"}, "10.0.0.1", [pool("10.0.0.2", "10.0.0.254")]),
        (
            {"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.9"},
            "10.0.0.9",
            [pool("10.0.0.1", "10.0.0.8"), pool("10.0.0.10", "10.0.0.254")],
        ),
        (
            {"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.254"},
            "10.0.0.254",
            [pool("10.0.0.1", "10.0.0.253")],
        ),
        ({"cidr": "10.0.0.0/24", "gateway_ip": None}, None, [pool("10.0.0.1", "10.0.0.254")]),
        ({"cidr": "10.0.0.0/31"}, "10.0.0.1", [pool("10.0.0.0", "10.0.0.0")]),
        ({"cidr": "10.0.0.9/32"}, None, [pool("10.0.0.9", "10.0.0.9")]),
        ({"cidr": "10.0.0.0/30"}, "10.0.0.1", [pool("10.0.0.2", "10.0.0.2")]),
        # IPv6 as recorded of Neutron: the gateway is the subnet-router anycast address.
        ({"cidr": "fd00:1::/64"}, "fd00:1::", [pool("fd00:1::1", "fd00:1::ffff:ffff:ffff:ffff")]),
        (
            {"cidr": "fd00:1::/120", "gateway_ip": "fd00:1::1"},
            "fd00:1::1",
            [pool("fd00:1::2", "fd00:1::ff")],
        ),
        (
            {"cidr": "fd00:1::/120", "gateway_ip": "fe80::1"},
            "fe80::1",
            [pool("fd00:1::1", "fd00:1::ff")],
        ),
        ({"cidr": "FD00:1::/128"}, None, [pool("fd00:1::", "fd00:1::")]),
    ],
)
async def test_gateways_and_pools_by_default(
    api: Api, attributes: dict[str, Any], gateway: str | None, pools: list[Any]
) -> None:
    network = await api.create("networks")
    version = 6 if ":" in attributes["cidr"] else 4
    made = await api.create("subnets", network_id=network["id"], ip_version=version, **attributes)
    assert made["gateway_ip"] == gateway
    assert made["allocation_pools"] == pools


@pytest.mark.parametrize(
    ("attributes", "status", "kind", "texts"),
    [
        ({"cidr": "10.0.0.0"}, 400, "HTTPBadRequest", ["cidr", "10.0.0.0"]),
        ({"cidr": "10.0.0.0/33"}, 400, "HTTPBadRequest", ["cidr"]),
        ({"cidr": "10.0.0.0/-1"}, 400, "HTTPBadRequest", ["cidr"]),
        ({"cidr": 10}, 400, "HTTPBadRequest", ["cidr"]),
        ({"cidr": None}, 400, "HTTPBadRequest", ["cidr"]),
        ({"ip_version": 5}, 400, "HTTPBadRequest", ["ip_version", "5"]),
        ({"ip_version": 6}, 400, "InvalidInput", ["ip_version"]),
        ({"cidr": "0.0.0.0/0"}, 400, "InvalidInput", ["cidr"]),
        ({"cidr": "10.5.9.0/24"}, 400, "InvalidInput", ["10.5.9.0/24", "overlaps", "10.5.0.0/16"]),
        ({"cidr": "10.0.0.0/8"}, 400, "InvalidInput", ["overlaps"]),
        ({"network_id": "n"}, 400, "HTTPBadRequest", ["network_id", "UUID"]),
        ({"network_id": None}, 400, "HTTPBadRequest", ["network_id"]),
        (
            {"network_id": "11111111-1111-1111-1111-111111111111"},
            404,
            "NetworkNotFound",
            ["11111111"],
        ),
        ({"gateway_ip": "10.2.0.1"}, 400, "InvalidInput", ["gateway_ip", "10.2.0.1"]),
        ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput", ["gateway_ip"]),
        ({"gateway_ip": "10.1.0.0"}, 400, "InvalidInput", ["gateway_ip"]),
        ({"gateway_ip": "fd00::1"}, 400, "InvalidInput", ["gateway_ip"]),
        ({"gateway_ip": "first"}, 400, "HTTPBadRequest", ["gateway_ip", "first"]),
        (
            {"allocation_pools": [pool("10.1.0.9", "10.1.0.2")]},
            400,
            "InvalidAllocationPool",
            ["10.1.0.9-10.1.0.2"],
        ),
        (
            {"allocation_pools": [pool("10.1.0.9", "10.1.1.2")]},
            400,
            "OutOfBoundsAllocationPool",
            ["10.1.0.9-10.1.1.2", "10.1.0.0/24"],
        ),
        (
            {"allocation_pools": [pool("10.1.0.0", "10.1.0.20")]},
            400,
            "InvalidAllocationPool",
            ["10.1.0.0-10.1.0.20"],
        ),
        (
            {"allocation_pools": [pool("10.1.0.5", "10.1.0.9"), pool("10.1.0.9", "10.1.0.11")]},
            409,
            "OverlappingAllocationPools",
            ["10.1.0.9-10.1.0.11"],
        ),
        (
            {"allocation_pools": [pool("10.1.0.1", "10.1.0.9")]},
            409,
            "GatewayConflictWithAllocationPools",
            ["10.1.0.1"],
        ),
        ({"allocation_pools": [{"start": "10.1.0.4"}]}, 400, "HTTPBadRequest", ["end"]),
        ({"allocation_pools": ["10.1.0.4"]}, 400, "HTTPBadRequest", ["dictionary"]),
        ({"allocation_pools": {}}, 400, "HTTPBadRequest", ["allocation_pools", "not a list"]),
        ({"dns_nameservers": ["one"]}, 400, "HTTPBadRequest", ["dns_nameservers", "one"]),
        ({"host_routes": [{"destination": "x", "nexthop": "y"}]}, 400, "HTTPBadRequest", ["x"]),
        (
            {"host_routes": [{"destination": "fd00::/64", "nexthop": "fd00::1"}]},
            400,
            "InvalidInput",
            ["host_routes"],
        ),
        ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput", ["IPv4"]),
        ({"ipv6_address_mode": "magic"}, 400, "HTTPBadRequest", ["ipv6_address_mode"]),
        ({"subnetpool_id": "x"}, 400, "HTTPBadRequest", ["subnetpool_id"]),
        ({"prefixlen": 26}, 400, "BadRequest", ["prefixlen"]),
    ],
)
async def test_bad_subnets(
    api: Api, attributes: dict[str, Any], status: int, kind: str, texts: list[str]
) -> None:
    network, _ = await api.network("10.5.0.0/16")
    good = {"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4}
    await api.refused("POST", "subnets", {"subnet": good | attributes}, status, kind, *texts)


@pytest.mark.parametrize(
    ("attributes", "texts"),
    [
        ({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}, ["must be the same"]),
        ({"ipv6_address_mode": "slaac", "cidr": "fd00::/80"}, ["/64"]),
        ({"ipv6_address_mode": "slaac", "enable_dhcp": False}, ["enable_dhcp"]),
    ],
)
async def test_bad_ipv6_subnets(api: Api, attributes: dict[str, Any], texts: list[str]) -> None:
    network = await api.create("networks")
    good = {"network_id": network["id"], "cidr": "fd00::/64", "ip_version": 6}
    await api.refused("POST", "subnets", {"subnet": good | attributes}, 400, "InvalidInput", *texts)


async def test_what_a_subnet_needs(api: Api) -> None:
    network = await api.create("networks")
    good = {"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4}
    for name in good:
        left = {k: v for k, v in good.items() if k != name}
        kind = "BadRequest" if name == "cidr" else "HTTPBadRequest"
        await api.refused("POST", "subnets", {"subnet": left}, 400, kind, name)


@pytest.mark.parametrize(("cidr", "least"), [("10.0.0.0/24", 68), ("fd00::/64", 1280)])
async def test_each_ip_version_needs_an_mtu(api: Api, cidr: str, least: int) -> None:
    network = await api.create("networks", mtu=least - 1)
    subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": 6 if ":" in cidr else 4}
    refused = 409, "NetworkMTUSubnetConflict", f"a minimum of {least} bytes"
    await api.refused("POST", "subnets", {"subnet": subnet}, *refused)
    await api.update("networks", network["id"], mtu=least)
    await api.create("subnets", **subnet)
    body = {"network": {"mtu": least - 1}}
    await api.refused("PUT", f"networks/{network['id']}", body, *refused)


async def test_subnets_are_found_by_whether_their_network_is_shared(api: Api) -> None:
    _, [own] = await api.network("10.0.0.0/24")
    _, [common] = await api.network("10.0.1.0/24", shared=True)
    assert "shared" not in own
    assert await api.ids("subnets?shared=False") == {own["id"]}
    assert await api.ids("subnets?shared=true") == {common["id"]}


async def test_a_subnet_changes(api: Api) -> None:
    _, [subnet] = await api.network("10.1.0.0/24")
    changed = await api.update(
        "subnets",
        subnet["id"],
        name="t",
        enable_dhcp=False,
        gateway_ip="10.1.0.254",
        allocation_pools=[pool("10.1.0.10", "10.1.0.99")],
        dns_nameservers=["1.1.1.1"],
        host_routes=[],
    )
    assert changed["gateway_ip"] == "10.1.0.254"
    assert changed["allocation_pools"] == [pool("10.1.0.10", "10.1.0.99")]
    assert changed["revision_number"] == 2
    path = f"subnets/{subnet['id']}"
    await api.refused(
        "PUT", path, {"subnet": {"cidr": "10.2.0.0/24"}}, 400, "HTTPBadRequest", "cidr"
    )
    await api.refused(
        "PUT",
        path,
        {"subnet": {"gateway_ip": "10.1.0.20"}},
        409,
        "GatewayConflictWithAllocationPools",
        "10.1.0.20",
    )


async def test_a_subnet_in_use_stays(api: Api) -> None:
    network, [subnet] = await api.network("10.1.0.0/24")
    port = await api.create("ports", network_id=network["id"])
    await api.refused("DELETE", f"subnets/{subnet['id']}", None, 409, "SubnetInUse", port["id"])
    await api.update("ports", port["id"], fixed_ips=[])
    await api.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert len(api.store.rows(Subnet)) == 0


async def test_slaac_addresses_come_and_go_with_their_subnet(api: Api) -> None:
    network, [subnet] = await api.network("10.1.0.0/24")
    port = await api.create("ports", network_id=network["id"], mac_address="fa:16:3e:c2:04:13")
    slaac = await api.create(
        "subnets",
        network_id=network["id"],
        cidr="fd00:1::/64",
        ip_version=6,
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )
    shown = (await api.call("GET", f"ports/{port['id']}"))["port"]
    assert shown["fixed_ips"] == [
        *port["fixed_ips"],
        {"subnet_id": slaac["id"], "ip_address": "fd00:1::f816:3eff:fec2:413"},
    ]
    assert shown["revision_number"] == 2
    await api.call("DELETE", f"subnets/{slaac['id']}", status=204)
    shown = (await api.call("GET", f"ports/{port['id']}"))["port"]
    assert shown["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.2"}]
