from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdnctl.intent import Network
from sdnctl.store import Ranges
from tests.unit.api.client import Api, opened


async def test_a_network_has_all_that_neutron_shows(api: Api) -> None:
    made = await api.create("networks", name="blue", description="d", tenant_id="acme")
    at = made["created_at"]
    assert made == {
        "id": made["id"],
        "name": "blue",
        "description": "d",
        "project_id": "acme",
        "tenant_id": "acme",
        "tags": [],
        "created_at": at,
        "updated_at": at,
        "revision_number": 1,
        "admin_state_up": True,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "router:external": False,
        "mtu": 1450,
        "port_security_enabled": True,
        "dns_domain": "",
        "l2_adjacency": True,
        "qos_policy_id": None,
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": 4096,
        "sdn:label": 16,
        "sdn:rd_number": 1,
        "sdn:encapsulation": None,
        "sdn:import_targets": [],
        "sdn:export_targets": [],
        "sdn:vrf": None,
    }
    assert at.endswith("Z")
    assert await api.call("GET", f"networks/{made['id']}") == {"network": made}
    assert await api.rows("networks") == [made]


async def test_a_network_changes_and_counts_its_changes(api: Api) -> None:
    made = await api.create("networks")
    changed = await api.update(
        "networks",
        made["id"],
        name="green",
        mtu="1400",
        shared="true",
        admin_state_up=0,
        **{
            "sdn:encapsulation": "mpls-gre",
            "sdn:import_targets": ["64512:1", "192.0.2.1:7"],
            "sdn:export_targets": ["4200000000:1"],
        },
    )
    assert (changed["name"], changed["mtu"], changed["shared"]) == ("green", 1400, True)
    assert changed["admin_state_up"] is False
    assert changed["sdn:encapsulation"] == "mpls-gre"
    assert changed["sdn:import_targets"] == ["64512:1", "192.0.2.1:7"]
    assert changed["revision_number"] == 2
    same = await api.update("networks", made["id"], name="green")
    assert same["revision_number"] == 2
    unpinned = await api.update("networks", made["id"], mtu=0, **{"sdn:encapsulation": None})
    assert (unpinned["mtu"], unpinned["sdn:encapsulation"]) == (1450, None)


async def test_numbers_may_be_chosen_once_and_never_collide(api: Api) -> None:
    chosen = await api.create(
        "networks",
        **{"provider:segmentation_id": "4097", "sdn:label": 17, "sdn:rd_number": 2},
    )
    assert chosen["provider:segmentation_id"] == 4097
    router = await api.create("routers")
    other = await api.create("routers")
    assert [router["sdn:vni"], other["sdn:vni"]] == [4096, 4098]
    assert [router["sdn:label"], other["sdn:label"]] == [16, 18]
    assert [router["sdn:rd_number"], other["sdn:rd_number"]] == [1, 3]
    for name, value, kind in (
        ("provider:segmentation_id", 4098, "TunnelIdInUse"),
        ("sdn:label", 18, "LabelInUse"),
        ("sdn:rd_number", 3, "RdNumberInUse"),
    ):
        await api.refused(
            "POST", "networks", {"network": {name: value}}, 409, kind, str(value), other["id"]
        )
        await api.refused(
            "PUT",
            f"networks/{chosen['id']}",
            {"network": {name: 99}},
            400,
            "HTTPBadRequest",
            f"Cannot update read-only attribute {name}",
        )


async def test_a_bulk_is_made_whole_or_not_at_all(api: Api) -> None:
    made = await api.call(
        "POST", "networks", {"networks": [{"name": "a"}, {"name": "b"}]}, status=201
    )
    assert [network["name"] for network in made["networks"]] == ["a", "b"]
    assert api.store.revision == 1
    wrapped = {"networks": [{"network": {"name": "e", "tags": ["t"]}}, {"name": "f"}]}
    again = await api.call("POST", "networks", wrapped, status=201)
    assert [(row["name"], row["tags"]) for row in again["networks"]] == [("e", ["t"]), ("f", [])]
    for row in again["networks"]:
        await api.call("DELETE", f"networks/{row['id']}", status=204)
    taken = made["networks"][0]["provider:segmentation_id"]
    bad = {"networks": [{"name": "c"}, {"provider:segmentation_id": taken}]}
    await api.refused("POST", "networks", bad, 409, "TunnelIdInUse")
    await api.refused("POST", "networks", {"networks": []}, 400, "HTTPBadRequest", "at least one")
    many: Any = {"networks": [{}] * 1001}
    await api.refused("POST", "networks", many, 400, "HTTPBadRequest", "more than 1000")
    assert len(api.store.rows(Network)) == 2


async def test_a_network_goes_with_its_subnets_but_not_under_a_port(api: Api) -> None:
    network, _ = await api.network("10.0.0.0/24", "fd00::/64")
    port = await api.create("ports", network_id=network["id"])
    await api.refused("DELETE", f"networks/{network['id']}", None, 409, "NetworkInUse", port["id"])
    await api.call("DELETE", f"ports/{port['id']}", status=204)
    await api.call("DELETE", f"networks/{network['id']}", status=204)
    assert await api.rows("subnets") == []
    for method in ("GET", "DELETE"):
        await api.refused(
            method, f"networks/{network['id']}", None, 404, "NetworkNotFound", network["id"]
        )
    await api.refused("PUT", "networks/blue", {"network": {}}, 404, "NetworkNotFound", "blue")


async def test_vnis_run_out_with_503(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", ranges=Ranges(vnis=(7, 7))) as api:
        await api.create("networks")
        await api.refused("POST", "networks", {"network": {}}, 503, "ServiceUnavailable", "vni")


@pytest.mark.parametrize(
    ("attributes", "texts"),
    [
        ({"name": 7}, ["name", "'7' is not a valid string"]),
        ({"name": "x" * 256}, ["name", "255"]),
        ({"mtu": "many"}, ["mtu", "many"]),
        ({"mtu": -1}, ["mtu", "range"]),
        ({"mtu": 1.5}, ["mtu"]),
        ({"mtu": True}, ["mtu"]),
        ({"admin_state_up": "perhaps"}, ["admin_state_up", "perhaps", "boolean"]),
        ({"admin_state_up": None}, ["admin_state_up"]),
        ({"colour": "blue"}, ["Unrecognized attribute(s) 'colour'"]),
        ({"id": "x"}, ["'id' not allowed in POST"]),
        ({"status": "ACTIVE"}, ["'status' not allowed in POST"]),
        ({"subnets": []}, ["'subnets' not allowed in POST"]),
        ({"provider:network_type": "vlan"}, ["provider:network_type", "vlan"]),
        ({"provider:physical_network": "eth0"}, ["provider:physical_network"]),
        ({"provider:segmentation_id": 0}, ["provider:segmentation_id"]),
        ({"provider:segmentation_id": 1 << 24}, ["provider:segmentation_id"]),
        ({"sdn:label": 15}, ["sdn:label"]),
        ({"sdn:encapsulation": "gre"}, ["sdn:encapsulation", "vxlan"]),
        ({"sdn:import_targets": ["64512"]}, ["sdn:import_targets", "64512"]),
        ({"sdn:import_targets": ["1:1", "1:1"]}, ["sdn:import_targets", "duplicate"]),
        ({"sdn:import_targets": "1:1"}, ["sdn:import_targets", "not a list"]),
        ({"tenant_id": "a", "project_id": "b"}, ["project_id", "tenant_id"]),
        ({"tags": ["x" * 61]}, ["tags", "60"]),
        ([], ["body required"]),
        (None, ["body required"]),
    ],
)
async def test_bad_networks(api: Api, attributes: Any, texts: list[str]) -> None:
    await api.refused("POST", "networks", {"network": attributes}, 400, "HTTPBadRequest", *texts)


@pytest.mark.parametrize("collection", ["networks", "routers"])
@pytest.mark.parametrize("field", ["sdn:import_targets", "sdn:export_targets"])
async def test_automatic_route_targets_are_not_for_the_taking(
    api: Api, collection: str, field: str
) -> None:
    """To import that of another network would join two tenants by the hand of one."""
    made = await api.create(collection, **{field: ["64512:7999999", "65000:8000001"]})
    for target in ("64512:8000000", "64512:8065535"):
        body = {collection[:-1]: {field: ["65000:1", target]}}
        for method, path in (("POST", collection), ("PUT", f"{collection}/{made['id']}")):
            await api.refused(method, path, body, 400, "InvalidInput", f"{field}: {target}")
    assert (await api.rows(collection))[0][field] == ["64512:7999999", "65000:8000001"]
