"""The document is true: what is shown fits its schemas, and it is itself a document."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from sdnctl.api.app import NEUTRON, OWN
from tests.unit.api.client import Api
from tests.unit.api.cloud import a_cloud


def references(value: Any) -> set[str]:
    """Every $ref within a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(references(inner) for inner in value))
    return set()


async def test_it_says_what_is_served(api: Api) -> None:
    document = await api.call("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    served = {
        f"{prefix}/{collection}": resource
        for prefix, resources in (("/v2.0", NEUTRON), ("/sdn/v1", OWN))
        for collection, resource in resources.items()
    }
    served |= {
        f"{where}/{{{resource.name}_id}}/{part.collection}": part
        for where, resource in served.items()
        for part in resource.parts
    }
    for where, resource in served.items():
        path, member = document["paths"][where], document["paths"][f"{where}/{{id}}"]
        assert set(path) - {"parameters"} == {"get", "post"}
        assert {"get", "put", "delete"} <= set(member)
        filters = {p["name"] for p in path["get"]["parameters"]}
        assert {a.name for a in resource.attributes if a.filter} <= filters
        assert set(schemas[resource.title]["properties"]) == set(resource.readers)
        for template, found in ((where, path), (f"{where}/{{id}}", member)):
            names = [p["name"] for p in found.get("parameters", [])]
            assert names == re.findall("{([a-z_]+)}", template)
    assert "/v2.0/bgpvpn/bgpvpns/{bgpvpn_id}/network_associations/{id}" in document["paths"]
    for path in ("agents", "segments", "network-ip-availabilities", "quotas"):
        assert set(document["paths"][f"/v2.0/{path}"]) == {"get"}
        await api.call("GET", path)
    assert set(document["paths"]["/v2.0/quotas/{project_id}"]) == {
        "parameters",
        "get",
        "put",
        "delete",
    }
    assert "password" in schemas["BgpPeerCreate"]["properties"]
    assert "password" not in schemas["BgpPeer"]["properties"]
    assert schemas["BgpPeerCreate"]["required"] == ["id", "address", "asn"]
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    assert len(set(operations)) == len(operations)


@pytest.mark.parametrize("bound", [False, True])
async def test_what_is_given_and_shown_fits_its_schema(api: Api, bound: bool) -> None:
    schemas = (await api.call("GET", "/openapi.json"))["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    host = {"binding:host_id": "cn1"} if bound else {}
    network = await api.create("networks")
    given: list[tuple[str, str, dict[str, Any]]] = [
        ("/sdn/v1/hypervisors", "Hypervisor", {"id": "cn1", "vtep": "192.0.2.1"}),
        ("/sdn/v1/links", "Link", {"id": "l", "a": "cn1", "b": "leaf"}),
        ("/sdn/v1/gateways", "Gateway", {"id": "g", "address": "192.0.2.9"}),
        ("/sdn/v1/bgp-peers", "BgpPeer", {"id": "g", "address": "192.0.2.9", "asn": 64512}),
        ("networks", "Network", {"sdn:encapsulation": "vxlan", "sdn:import_targets": ["1:1"]}),
        (
            "subnets",
            "Subnet",
            {
                "network_id": network["id"],
                "cidr": "10.1.0.0/24",
                "ip_version": 4,
                "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.20"}],
                "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.254"}],
            },
        ),
        ("ports", "Port", {"network_id": network["id"], **host}),
        ("routers", "Router", {"tags": ["x"]}),
        ("subnetpools", "SubnetPool", {"name": "p", "prefixes": ["10.0.0.0/8"]}),
        ("address-scopes", "AddressScope", {"name": "s", "ip_version": 6}),
        ("bgpvpn/bgpvpns", "BGPVPN", {"route_targets": ["1:1"], "sdn:communities": ["1:1"]}),
    ]
    vpn = await api.create("bgpvpn/bgpvpns")
    router = await api.create("routers")
    port = await api.create("ports", network_id=network["id"])
    parts = f"bgpvpn/bgpvpns/{vpn['id']}"
    given += [
        (f"{parts}/network_associations", "BGPVPNNetAssoc", {"network_id": network["id"]}),
        (f"{parts}/router_associations", "BGPVPNRouterAssoc", {"router_id": router["id"]}),
        (
            f"{parts}/port_associations",
            "BGPVPNPortAssoc",
            {"port_id": port["id"], "routes": [{"type": "prefix", "prefix": "10.0.0.0/8"}]},
        ),
    ]
    cloud = await a_cloud(api)
    outside = {"floating_network_id": cloud.external["id"]}
    floating = await api.create("floatingips", **outside)
    given += [
        (
            "routers",
            "Router",
            {
                "external_gateway_info": {
                    "network_id": cloud.external["id"],
                    "external_fixed_ips": [{"subnet_id": cloud.outer["id"]}],
                    "enable_snat": False,
                },
                "distributed": True,
            },
        ),
        ("routers", "Router", {"external_gateway_info": {}}),
        (
            f"floatingips/{floating['id']}/port_forwardings",
            "PortForwarding",
            {
                "protocol": "udp",
                "external_port_range": "80:81",
                "internal_port_range": "90:91",
                "internal_port_id": cloud.guest["id"],
                "internal_ip_address": "10.1.0.2",
            },
        ),
        (
            "floatingips",
            "FloatingIP",
            outside | {"port_id": (await cloud.another_guest(api))["id"], "dns_name": "www"},
        ),
    ]
    for collection, title, body in given:
        jsonschema.validate(body, schemas[f"{title}Create"])
        shown = await api.create(collection, **body)
        jsonschema.validate(shown, schemas[title])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body | {"colour": "blue"}, schemas[f"{title}Create"])
