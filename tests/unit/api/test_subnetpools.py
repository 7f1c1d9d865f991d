"""Subnet pools and address scopes: what is lent, what comes back, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from tests.unit.api.client import Api, Known, opened


async def pool(api: Api, *prefixes: str, **attributes: Any) -> Any:
    return await api.create("subnetpools", name="pool", prefixes=list(prefixes), **attributes)


async def lent(api: Api, pool_id: str, **attributes: Any) -> Any:
    """A subnet of the pool on a network of its own."""
    network = await api.create("networks")
    body = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool_id}
    return await api.create("subnets", **(body | attributes))


async def no_room(api: Api, pool_id: str, status: int, kind: str, **attributes: Any) -> None:
    network = await api.create("networks")
    body = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool_id}
    await api.refused("POST", "subnets", {"subnet": body | attributes}, status, kind)


async def test_defaults_are_neutrons(api: Api) -> None:
    four = await pool(api, "10.0.0.0/9", "10.128.0.0/9")
    assert four["prefixes"] == ["10.0.0.0/8"]
    lengths = [four[f"{name}_prefixlen"] for name in ("min", "default", "max")]
    assert lengths == ["8", "8", "32"]
    assert (four["ip_version"], four["is_default"], four["shared"]) == (4, False, False)
    assert (four["default_quota"], four["address_scope_id"]) == (None, None)
    six = await pool(api, "fd00::/48", default_prefixlen="64")
    assert [six[f"{name}_prefixlen"] for name in ("min", "default", "max")] == ["64", "64", "128"]
    assert await api.ids("subnetpools?ip_version=6") == {six["id"]}
    assert await api.ids("subnetpools?address_scope_id=") == {four["id"], six["id"]}


async def test_subnets_get_prefixes_and_give_them_back(api: Api) -> None:
    made = await pool(api, "10.64.0.0/24", default_prefixlen=26)
    first = await lent(api, made["id"])
    assert (first["cidr"], first["gateway_ip"]) == ("10.64.0.0/26", "10.64.0.1")
    assert first["allocation_pools"] == [{"start": "10.64.0.2", "end": "10.64.0.62"}]
    assert first["subnetpool_id"] == made["id"]
    second = await lent(api, made["id"], prefixlen="25")
    assert second["cidr"] == "10.64.0.128/25"
    third = await lent(api, made["id"], cidr="10.64.0.96/27")
    fourth = await lent(api, made["id"], prefixlen=28)
    assert fourth["cidr"] == "10.64.0.64/28"
    assert await api.ids(f"subnets?subnetpool_id={made['id']}") == {
        subnet["id"] for subnet in (first, second, third, fourth)
    }
    for wish in ({"prefixlen": 26}, {"cidr": "10.64.0.64/27"}, {"cidr": "10.65.0.0/26"}):
        await no_room(api, made["id"], 409, "SubnetAllocationError", **wish)
    path = f"subnetpools/{made['id']}"
    await api.refused("DELETE", path, None, 400, "SubnetPoolDeleteError", "allocations")
    for subnet in (first, second, third, fourth):
        await api.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert (await lent(api, made["id"], prefixlen=24))["cidr"] == "10.64.0.0/24"


async def test_a_subnet_in_bulk_overlaps_no_other(api: Api) -> None:
    made = await pool(api, "10.0.0.0/16", default_prefixlen=24)
    networks = [await api.create("networks") for _ in range(4)]
    body = [{"network_id": n["id"], "ip_version": 4, "subnetpool_id": made["id"]} for n in networks]
    rows = (await api.call("POST", "subnets", {"subnets": body}, status=201))["subnets"]
    assert [row["cidr"] for row in rows] == [f"10.0.{n}.0/24" for n in range(4)]


async def test_lengths_and_quotas_bound_what_is_lent(api: Api) -> None:
    made = await pool(api, "10.0.0.0/16", min_prefixlen=24, max_prefixlen=28, default_quota=300)
    await no_room(api, made["id"], 400, "MinPrefixSubnetAllocationError", prefixlen=23)
    await no_room(api, made["id"], 400, "MaxPrefixSubnetAllocationError", prefixlen=29)
    await lent(api, made["id"])
    await no_room(api, made["id"], 409, "SubnetPoolQuotaExceeded")
    await lent(api, made["id"], prefixlen=27)
    await lent(api, made["id"], project_id="other")


async def test_the_default_pool(api: Api) -> None:
    network = await api.create("networks")
    body = {"network_id": network["id"], "ip_version": 4, "use_default_subnetpool": True}
    refusal = ("subnets", {"subnet": body}, 400, "BadRequest")
    await api.refused("POST", *refusal, "No default subnetpool found for IPv4")
    made = await pool(api, "10.0.0.0/16", default_prefixlen=24, is_default=True)
    again = {"subnetpool": {"name": "x", "prefixes": ["10.9.0.0/16"], "is_default": True}}
    await api.refused("POST", "subnetpools", again, 400, "InvalidInput", "default subnetpool")
    await pool(api, "fd00::/48", is_default=True)
    subnet = await api.create("subnets", **body)
    assert subnet["subnetpool_id"] == made["id"]
    both = {"subnet": body | {"subnetpool_id": made["id"]}}
    await api.refused("POST", "subnets", both, 400, "BadRequest", "cannot both")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"prefixes": []}, "EmptySubnetPoolPrefixList"),
        ({"prefixes": ["10.0.0.0/8", "fd00::/48"]}, "PrefixVersionMismatch"),
        ({"prefixes": ["10.0.0.0/8"], "min_prefixlen": 33}, "IllegalSubnetPoolPrefixBounds"),
        ({"prefixes": ["10.0.0.0/8"], "max_prefixlen": 33}, "UnsupportedMinSubnetPoolPrefix"),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "default_prefixlen": 23},
            "IllegalSubnetPoolPrefixBounds",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "max_prefixlen": 24, "default_prefixlen": 25},
            "IllegalSubnetPoolPrefixBounds",
        ),
        ({"prefixes": ["10.0.0.0/8"], "name": " "}, "HTTPBadRequest"),
        ({"prefixes": "10.0.0.0/8"}, "HTTPBadRequest"),
        ({"prefixes": ["10.0.0.0"]}, "HTTPBadRequest"),
        ({}, "HTTPBadRequest"),
    ],
)
async def test_what_is_no_pool(api: Api, body: dict[str, Any], kind: str) -> None:
    await api.refused("POST", "subnetpools", {"subnetpool": {"name": "x"} | body}, 400, kind)


async def test_a_subnet_that_fits_no_pool(api: Api) -> None:
    network, _ = await api.network()
    made = await pool(api, "10.0.0.0/16")
    base = {"network_id": network["id"], "ip_version": 4}
    for more in (
        {},
        {"cidr": "10.0.0.0/24", "prefixlen": 24},
        {"subnetpool_id": made["id"], "ip_version": 6},
        {
            "subnetpool_id": made["id"],
            "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}],
        },
    ):
        body = {"subnet": base | more}
        await api.refused("POST", "subnets", body, 400, "BadRequest", "Bad subnets request")
    unknown = {"subnet": base | {"subnetpool_id": network["id"]}}
    await api.refused("POST", "subnets", unknown, 404, "SubnetPoolNotFound", "Subnet pool")
    await api.create("subnets", cidr="10.200.0.0/24", **base)
    mixed = {"subnet": base | {"subnetpool_id": made["id"], "prefixlen": 24}}
    await api.refused("POST", "subnets", mixed, 400, "NetworkSubnetPoolAffinityError")


async def test_prefixes_come_and_go(api: Api) -> None:
    made = await pool(api, "10.0.0.0/24")
    path = f"subnetpools/{made['id']}"
    grown = await api.update("subnetpools", made["id"], prefixes=["10.0.0.0/23"])
    assert grown["prefixes"] == ["10.0.0.0/23"]
    less = {"subnetpool": {"prefixes": ["10.0.1.0/24"]}}
    await api.refused("PUT", path, less, 400, "IllegalSubnetPoolPrefixUpdate", "subset")
    added = await api.call("PUT", f"{path}/add_prefixes", {"prefixes": ["10.2.0.0/24"]})
    assert added == {"prefixes": ["10.0.0.0/23", "10.2.0.0/24"]}
    await lent(api, made["id"], cidr="10.0.0.0/25")
    used = {"prefixes": ["10.0.0.0/24"]}
    remove = f"{path}/remove_prefixes"
    await api.refused("PUT", remove, used, 400, "IllegalSubnetPoolPrefixUpdate", "in use")
    left = await api.call("PUT", remove, {"prefixes": ["10.0.0.128/25", "10.2.0.0/24"]})
    assert left == {"prefixes": ["10.0.0.0/25", "10.0.1.0/24"]}
    await api.refused("PUT", remove, {}, 400, "HTTPBadRequest", "prefixes")
    shown = (await api.call("GET", path))["subnetpool"]
    assert (shown["prefixes"], shown["revision_number"]) == (left["prefixes"], 4)


async def test_an_address_scope_keeps_its_pools_apart(api: Api) -> None:
    scope = await api.create("address-scopes", name="s", ip_version=4)
    assert set(scope) == {"id", "name", "project_id", "tenant_id", "shared", "ip_version"}
    made = await pool(api, "10.0.0.0/16", address_scope_id=scope["id"], default_prefixlen=24)
    clash = {"name": "x", "prefixes": ["10.0.9.0/24"], "address_scope_id": scope["id"]}
    body = {"subnetpool": clash}
    await api.refused("POST", "subnetpools", body, 409, "AddressScopePrefixConflict")
    six = {"subnetpool": clash | {"prefixes": ["fd00::/48"]}}
    kind = "IllegalSubnetPoolIpVersionAssociationToAddressScope"
    await api.refused("POST", "subnetpools", six, 400, kind)
    shared = {"subnetpool": clash | {"prefixes": ["10.9.0.0/16"], "shared": True}}
    await api.refused("POST", "subnetpools", shared, 400, "IllegalSubnetPoolUpdate")
    other = await pool(api, "10.9.0.0/16")
    extended = {"subnetpool": {"address_scope_id": scope["id"], "prefixes": ["10.0.0.0/8"]}}
    path = f"subnetpools/{other['id']}"
    await api.refused("PUT", path, extended, 409, "AddressScopePrefixConflict")
    subnet = await lent(api, made["id"])
    network = (await api.call("GET", f"networks/{subnet['network_id']}"))["network"]
    assert network["ipv4_address_scope"] == scope["id"]
    assert network["ipv6_address_scope"] is None
    foreign = {"network_id": network["id"], "ip_version": 4, "cidr": "10.200.0.0/24"}
    kind = "NetworkAddressScopeAffinityError"
    await api.refused("POST", "subnets", {"subnet": foreign}, 400, kind)
    path = f"address-scopes/{scope['id']}"
    await api.refused("DELETE", path, None, 409, "AddressScopeInUse", "subnet pools in use")
    opened_ = await api.update("address-scopes", scope["id"], shared=True, name="t")
    assert (opened_["shared"], opened_["name"]) == (True, "t")
    closed = {"address_scope": {"shared": False}}
    await api.refused("PUT", path, closed, 400, "AddressScopeUpdateError", "unshared")
    await api.update("subnetpools", made["id"], address_scope_id=None)
    await api.call("DELETE", path, status=204)
    await api.refused("GET", path, None, 404, "AddressScopeNotFound", "Address scope")
    await api.refused("PUT", f"{path}/tags", {"tags": []}, 404, "HTTPNotFound")


async def test_projects_see_their_own_and_shared_ones(tmp_path: Path) -> None:
    known = Known(
        red=Identity(project_id="red", roles=frozenset({"member"})),
        blue=Identity(project_id="blue", roles=frozenset({"member"})),
        admin=Identity(project_id="ops", roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        red, blue, admin = (api.by(token) for token in ("red", "blue", "admin"))
        reds = await pool(red, "10.0.0.0/16", default_prefixlen=24)
        common = await pool(admin, "10.1.0.0/16", default_prefixlen=24, shared=True)
        assert await blue.ids("subnetpools") == {common["id"]}
        assert await red.ids("subnetpools") == {reds["id"], common["id"]}
        assert (await lent(blue, common["id"]))["cidr"] == "10.1.0.0/24"
        await no_room(blue, reds["id"], 404, "SubnetPoolNotFound")
        path = f"subnetpools/{common['id']}"
        mine = {"subnetpool": {"name": "mine"}}
        await blue.refused("PUT", path, mine, 403, "PolicyNotAuthorized")
        for name in ("shared", "is_default"):
            given = {"name": "x", "prefixes": ["10.9.0.0/16"], name: True}
            await red.refused(
                "POST", "subnetpools", {"subnetpool": given}, 403, "PolicyNotAuthorized", name
            )
