from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import HypervisorState, NothingObserved
from sdnctl.intent import Port
from tests.unit.api.client import Api, opened


def ips(port: Any) -> list[str]:
    return [fixed["ip_address"] for fixed in port["fixed_ips"]]


async def test_a_port_has_all_that_neutron_shows(api: Api) -> None:
    network, [subnet] = await api.network("10.1.0.0/24", project_id="acme")
    made = await api.create("ports", network_id=network["id"], name="p")
    assert made["mac_address"].startswith("fa:16:3e:")
    assert made == {
        "id": made["id"],
        "name": "p",
        "description": "",
        "project_id": "acme",
        "tenant_id": "acme",
        "tags": [],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "revision_number": 1,
        "network_id": network["id"],
        "mac_address": made["mac_address"],
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.1.0.2"}],
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
        "port_security_enabled": True,
        "security_groups": [(await api.rows("security-groups?project_id=acme"))[0]["id"]],
        "allowed_address_pairs": [],
        "binding:host_id": "",
        "binding:vnic_type": "normal",
        "binding:profile": {},
        "binding:vif_type": "unbound",
        "binding:vif_details": {},
        "extra_dhcp_opts": [],
        "dns_name": "",
        "dns_assignment": [
            {
                "ip_address": "10.1.0.2",
                "hostname": "host-10-1-0-2",
                "fqdn": "host-10-1-0-2.openstacklocal.",
            }
        ],
        "ip_allocation": "immediate",
        "qos_policy_id": None,
        "qos_network_policy_id": None,
    }


class Seen(NothingObserved):
    """One port is programmed."""

    def __init__(self) -> None:
        self.active = ""

    def port_status(self, port_id: str) -> str:
        return "ACTIVE" if port_id == self.active else "DOWN"

    def hypervisor(self, hypervisor_id: str) -> HypervisorState:
        return HypervisorState(hypervisor_id == "cn1", 1700000000, "1.0")


async def test_a_bound_port_says_how_to_plug_it(tmp_path: Path) -> None:
    seen = Seen()
    async with opened(tmp_path / "db", observed=seen) as api:
        network = await api.create("networks")
        port = await api.create(
            "ports",
            network_id=network["id"],
            device_id="vm",
            device_owner="compute:nova",
            **{"binding:host_id": "cn1", "binding:profile": {"os_vif_delegation": True}},
        )
        path = f"ports/{port['id']}"
        assert port["binding:vif_type"] == "binding_failed"
        assert port["binding:vif_details"] == {}
        await api.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
        bound = (await api.call("GET", path))["port"]
        assert bound["binding:vif_type"] == "ovs"
        assert bound["binding:vif_details"] == {
            "connectivity": "l2",
            "port_filter": True,
            "ovs_hybrid_plug": False,
            "bridge_name": "br-int",
            "datapath_type": "system",
            "ovs_create_tap": True,
        }
        assert bound["binding:profile"] == {"os_vif_delegation": True}
        assert bound["status"] == "DOWN"
        seen.active = port["id"]
        assert (await api.call("GET", path))["port"]["status"] == "ACTIVE"
        assert await api.ids("ports?status=ACTIVE") == {port["id"]}
        assert (await api.update("ports", port["id"], admin_state_up=False))["status"] == "DOWN"
        unbound = await api.update("ports", port["id"], **{"binding:host_id": None})
        assert unbound["binding:host_id"] == ""
        assert unbound["binding:vif_type"] == "unbound"
        shown = (await api.call("GET", "/sdn/v1/hypervisors/cn1"))["hypervisor"]
        assert (shown["alive"], shown["last_seen"]) == (True, "2023-11-14T22:13:20Z")


async def test_a_vnic_that_no_driver_plugs_fails_to_bind(api: Api) -> None:
    await api.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
    network = await api.create("networks")
    port = await api.create(
        "ports",
        network_id=network["id"],
        **{"binding:host_id": "cn1", "binding:vnic_type": "direct"},
    )
    assert port["binding:vif_type"] == "binding_failed"


async def test_moves_are_counted(api: Api) -> None:
    network = await api.create("networks")
    port = await api.create("ports", network_id=network["id"])
    seen = []
    for host in ("cn1", "cn1", "cn2", "", "cn3", "cn1"):
        shown = await api.update("ports", port["id"], **{"binding:host_id": host})
        assert "moves" not in shown
        row = api.store.get(Port, port["id"])
        assert row is not None
        seen.append(row.moves)
    assert seen == [0, 0, 1, 2, 2, 3]


async def test_addresses_of_every_kind(api: Api) -> None:
    network, [four, six] = await api.network("10.1.0.0/24", "fd00:6::/120")
    slaac = await api.create(
        "subnets",
        network_id=network["id"],
        cidr="fd00:1::/64",
        ip_version=6,
        ipv6_address_mode="slaac",
    )
    mac = "fa:16:3e:c2:04:13"
    automatic = "fd00:1::f816:3eff:fec2:413"
    port = await api.create("ports", network_id=network["id"], mac_address=mac.upper())
    assert port["mac_address"] == mac
    assert ips(port) == ["10.1.0.2", "fd00:6::1", automatic]
    put = {
        "by address": ([{"ip_address": "10.1.0.50"}], ["10.1.0.50", automatic]),
        "by both": (
            [{"subnet_id": four["id"], "ip_address": "10.1.0.51"}],
            ["10.1.0.51", automatic],
        ),
        "the one that it has": ([{"subnet_id": four["id"]}], ["10.1.0.51", automatic]),
        "one more": (
            [{"subnet_id": four["id"]}, {"subnet_id": four["id"]}],
            ["10.1.0.51", "10.1.0.3", automatic],
        ),
        "another subnet": ([{"subnet_id": six["id"]}], ["fd00:6::2", automatic]),
        "its own": ([{"ip_address": automatic}], [automatic]),
        "automatic by subnet": ([{"subnet_id": slaac["id"]}], [automatic]),
        "none": ([], []),
    }
    for wishes, expected in put.values():
        changed = await api.update("ports", port["id"], fixed_ips=wishes)
        assert ips(changed) == expected


async def test_a_new_mac_takes_its_automatic_address_along(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/24")
    await api.create(
        "subnets",
        network_id=network["id"],
        cidr="fd00:1::/64",
        ip_version=6,
        ipv6_address_mode="dhcpv6-stateless",
    )
    port = await api.create("ports", network_id=network["id"])
    changed = await api.update("ports", port["id"], mac_address="fa:16:3e:c2:04:13")
    assert ips(changed) == ["10.1.0.2", "fd00:1::f816:3eff:fec2:413"]
    again = await api.update("ports", port["id"], mac_address=None)
    assert again["mac_address"] not in {"fa:16:3e:c2:04:13", port["mac_address"]}
    await api.update("ports", port["id"], **{"binding:host_id": "cn1"})
    await api.refused(
        "PUT",
        f"ports/{port['id']}",
        {"port": {"mac_address": "fa:16:3e:00:00:09"}},
        409,
        "PortBound",
        "fa:16:3e:00:00:09",
    )


async def test_an_address_is_given_once(api: Api) -> None:
    network, [subnet] = await api.network("10.1.0.0/29")
    made = [await api.create("ports", network_id=network["id"]) for _ in range(5)]
    assert [ips(port) for port in made] == [[f"10.1.0.{n}"] for n in range(2, 7)]
    await api.refused(
        "POST",
        "ports",
        {"port": {"network_id": network["id"]}},
        409,
        "IpAddressGenerationFailure",
        network["id"],
    )
    await api.refused(
        "POST",
        "ports",
        {"port": {"network_id": network["id"], "fixed_ips": [{"subnet_id": subnet["id"]}]}},
        409,
        "IpAddressGenerationFailure",
        subnet["id"],
    )
    # Half of a bulk would fit: none is made.
    await api.call("DELETE", f"ports/{made[2]['id']}", status=204)
    two = {"ports": [{"network_id": network["id"]}] * 2}
    await api.refused("POST", "ports", two, 409, "IpAddressGenerationFailure")
    assert ips(await api.create("ports", network_id=network["id"])) == ["10.1.0.4"]


@pytest.mark.parametrize(
    ("attributes", "status", "kind", "texts"),
    [
        ({"network_id": "x"}, 400, "HTTPBadRequest", ["network_id", "UUID"]),
        (
            {"network_id": "11111111-1111-1111-1111-111111111111"},
            404,
            "NetworkNotFound",
            ["11111111"],
        ),
        ({"mac_address": "fa:16"}, 400, "HTTPBadRequest", ["mac_address", "fa:16"]),
        ({"mac_address": "01:00:5e:00:00:01"}, 400, "HTTPBadRequest", ["mac_address"]),
        ({"mac_address": "00:00:00:00:00:00"}, 400, "HTTPBadRequest", ["mac_address"]),
        ({"mac_address": "02:00:00:00:00:01"}, 409, "MacAddressInUse", ["02:00:00:00:00:01"]),
        (
            {"fixed_ips": [{"ip_address": "10.1.0.9"}]},
            409,
            "IpAddressAlreadyAllocated",
            ["10.1.0.9"],
        ),
        ({"fixed_ips": [{"ip_address": "10.2.0.9"}]}, 400, "InvalidIpForNetwork", ["10.2.0.9"]),
        ({"fixed_ips": [{"ip_address": "10.1.0.0"}]}, 400, "InvalidIpForSubnet", ["10.1.0.0"]),
        ({"fixed_ips": [{"ip_address": "10.1.0.255"}]}, 400, "InvalidIpForSubnet", ["10.1.0.255"]),
        ({"fixed_ips": [{"ip_address": "ten"}]}, 400, "HTTPBadRequest", ["fixed_ips", "ten"]),
        ({"fixed_ips": [{"address": "10.1.0.4"}]}, 400, "HTTPBadRequest", ["fixed_ips"]),
        ({"fixed_ips": [{}]}, 400, "HTTPBadRequest", ["fixed_ips"]),
        ({"fixed_ips": "10.1.0.4"}, 400, "HTTPBadRequest", ["fixed_ips", "list"]),
        (
            {"fixed_ips": [{"ip_address": "10.1.0.4"}] * 2},
            400,
            "InvalidInput",
            ["fixed_ips", "Duplicate"],
        ),
        (
            {"fixed_ips": [{"subnet_id": "22222222-2222-2222-2222-222222222222"}]},
            404,
            "SubnetNotFound",
            ["22222222"],
        ),
        ({"fixed_ips": [{"ip_address": "fd00:1::5"}]}, 400, "InvalidInput", ["fd00:1::5"]),
        ({"binding:vnic_type": "odd"}, 400, "HTTPBadRequest", ["binding:vnic_type"]),
        ({"binding:host_id": 7}, 400, "HTTPBadRequest", ["binding:host_id"]),
        ({"binding:profile": []}, 400, "HTTPBadRequest", ["binding:profile"]),
        (
            {"binding:profile": {"x": "y" * 4095}},
            400,
            "HTTPBadRequest",
            ["binding:profile", "4095"],
        ),
        ({"device_owner": "network:router_interface"}, 400, "InvalidInput", ["device_owner"]),
        ({"security_groups": ["web"]}, 400, "HTTPBadRequest", ["security_groups"]),
    ],
)
async def test_bad_ports(
    api: Api, attributes: dict[str, Any], status: int, kind: str, texts: list[str]
) -> None:
    network, _ = await api.network("10.1.0.0/24")
    await api.create(
        "subnets",
        network_id=network["id"],
        cidr="fd00:1::/64",
        ip_version=6,
        ipv6_address_mode="slaac",
    )
    await api.create(
        "ports",
        network_id=network["id"],
        mac_address="02:00:00:00:00:01",
        fixed_ips=[{"ip_address": "10.1.0.9"}],
    )
    good = {"network_id": network["id"]}
    await api.refused("POST", "ports", {"port": good | attributes}, status, kind, *texts)


async def test_concurrent_creates_never_share_an_address(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/27")
    body = {"port": {"network_id": network["id"]}}
    answers = await asyncio.gather(*(api.http.post("/v2.0/ports", json=body) for _ in range(40)))
    assert sorted(answer.status_code for answer in answers) == [201] * 29 + [409] * 11
    made = [answer.json()["port"] for answer in answers if answer.status_code == 201]
    assert len({ips(port)[0] for port in made}) == 29
    assert len({port["mac_address"] for port in made}) == 29


async def test_a_subnet_of_another_network_gives_no_address(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/24")
    _, [other] = await api.network("10.2.0.0/24")
    body = {"network_id": network["id"], "fixed_ips": [{"subnet_id": other["id"]}]}
    await api.refused("POST", "ports", {"port": body}, 400, "InvalidInput", other["id"])


async def test_the_same_addresses_live_in_two_networks(api: Api) -> None:
    for _ in range(2):
        network, _ = await api.network("10.1.0.0/24")
        port = await api.create("ports", network_id=network["id"], mac_address="02:00:00:00:00:01")
        assert ips(port) == ["10.1.0.2"]
