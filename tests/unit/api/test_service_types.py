"""Subnets for ports of certain owners (subnet-service-types), as Neutron answers."""

from __future__ import annotations

from typing import Any

from tests.unit.api.client import Api


async def subnet(api: Api, network: Any, cidr: str, *types: str, **more: Any) -> str:
    made = await api.create(
        "subnets",
        network_id=network["id"],
        cidr=cidr,
        ip_version=6 if ":" in cidr else 4,
        service_types=list(types),
        **more,
    )
    assert made["service_types"] == list(types)
    id_: str = made["id"]
    return id_


async def subnets_of(api: Api, network: Any, **port: Any) -> list[str]:
    made = await api.create("ports", network_id=network["id"], **port)
    return [fixed["subnet_id"] for fixed in made["fixed_ips"]]


async def test_a_subnet_may_be_for_certain_owners_alone(api: Api) -> None:
    network = await api.create("networks")
    plain = await subnet(api, network, "10.0.0.0/24")
    guests = await subnet(api, network, "10.0.1.0/30", "compute:nova", "compute:foo")
    assert await subnets_of(api, network) == [plain]
    assert await subnets_of(api, network, device_owner="compute:bar") == [plain]
    assert await subnets_of(api, network, device_owner="compute:nova") == [guests]
    # Its one address is gone: what is for everybody is for guests too.
    assert await subnets_of(api, network, device_owner="compute:foo") == [plain]
    for wish, kind in (
        ({"subnet_id": guests}, "InvalidInput"),
        ({"ip_address": "10.0.1.2"}, "InvalidIpForNetwork"),
    ):
        body = {"port": {"network_id": network["id"], "fixed_ips": [wish]}}
        await api.refused("POST", "ports", body, 400, kind)
    changed = await api.update("subnets", guests, service_types=[])
    assert changed["service_types"] == []
    body = {"subnet": {"service_types": ["house:nova"]}}
    await api.refused(
        "PUT", f"subnets/{plain}", body, 400, "InvalidSubnetServiceType", "house:nova"
    )
    body = {"subnet": {"service_types": [7]}}
    await api.refused("PUT", f"subnets/{plain}", body, 400, "InvalidInputSubnetServiceType", "7")


async def test_without_a_subnet_for_its_owner_a_port_is_refused(api: Api) -> None:
    network = await api.create("networks")
    await subnet(api, network, "10.0.0.0/24", "network:floatingip")
    body = {"port": {"network_id": network["id"]}}
    kind = "IpAddressGenerationFailureNoMatchingSubnet"
    await api.refused("POST", "ports", body, 409, kind)
    body["port"]["fixed_ips"] = []
    assert (await api.call("POST", "ports", body, status=201))["port"]["fixed_ips"] == []


async def test_addresses_that_guests_form_follow_the_same_rule(api: Api) -> None:
    network = await api.create("networks")
    first = await api.create("ports", network_id=network["id"])
    guest = await api.create("ports", network_id=network["id"], device_owner="compute:nova")
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    six = await subnet(api, network, "fd00::/64", "compute:nova", **modes)
    shown = {port["id"]: port["fixed_ips"] for port in await api.rows("ports")}
    assert shown[first["id"]] == []
    assert [fixed["subnet_id"] for fixed in shown[guest["id"]]] == [six]
    assert await subnets_of(api, network, device_owner="compute:nova") == [six]


async def test_floating_ips_and_gateways_have_subnets_of_their_own(api: Api) -> None:
    outside = await api.create("networks", **{"router:external": True})
    gateways = await subnet(api, outside, "203.0.113.0/24", "network:router_gateway")
    floating = await subnet(api, outside, "198.51.100.0/24", "network:floatingip")
    router = await api.create("routers", external_gateway_info={"network_id": outside["id"]})
    [fixed] = router["external_gateway_info"]["external_fixed_ips"]
    assert fixed["subnet_id"] == gateways
    made = await api.create("floatingips", floating_network_id=outside["id"])
    assert made["floating_ip_address"].startswith("198.51.100.")
    body: Any = {"floating_network_id": outside["id"], "subnet_id": gateways}
    await api.refused("POST", "floatingips", {"floatingip": body}, 400, "InvalidInput")
    await api.call("DELETE", f"floatingips/{made['id']}", status=204)
    await api.call("DELETE", f"subnets/{floating}", status=204)
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    await api.refused("POST", "floatingips", body, 400, "BadRequest", "IPv4 subnet")
