"""What is computed from what there is: agents, zones, segments, addresses in use."""

from __future__ import annotations

from pathlib import Path

from sdnctl.api import HypervisorState, NothingObserved
from sdnctl.api.caller import Identity
from tests.unit.api.client import Api, Known, opened


class OneAlive(NothingObserved):
    def hypervisor(self, hypervisor_id: str) -> HypervisorState:
        return HypervisorState(hypervisor_id == "cn1", 86400, "1.0")


async def test_agents_are_the_hypervisors(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", observed=OneAlive()) as api:
        assert await api.rows("agents") == await api.rows("availability_zones") == []
        for number in (1, 2):
            await api.create("/sdn/v1/hypervisors", id=f"cn{number}", vtep=f"192.0.2.{number}")
        one = (await api.call("GET", "agents/cn1"))["agent"]
        assert (one["host"], one["alive"], one["admin_state_up"]) == ("cn1", True, True)
        assert one["heartbeat_timestamp"] == "1970-01-02 00:00:00"
        assert one["configurations"]["tunneling_ip"] == "192.0.2.1"
        assert one["configurations"]["tunnel_types"] == ["vxlan", "mpls-gre"]
        assert await api.ids("agents") == {"cn1", "cn2"}
        assert await api.ids("agents?alive=True") == await api.ids("agents?host=cn1") == {"cn1"}
        assert await api.rows("agents?host=cn2&fields=host&fields=alive") == [
            {"host": "cn2", "alive": False}
        ]
        zones = await api.rows("availability_zones?resource=router")
        assert zones == [{"name": "nova", "resource": "router", "state": "available"}]
        await api.refused("GET", "agents?colour=1", None, 400, "HTTPBadRequest", "colour")
        await api.refused("GET", "agents/cn3", None, 404, "AgentNotFound", "cn3")
        await api.refused("GET", "availability_zones/nova", None, 404, "AvailabilityZoneNotFound")
        for method, path in (("POST", "agents/cn1"), ("PUT", "agents"), ("DELETE", "agents")):
            await api.refused(method, path, {}, 405, "HTTPMethodNotAllowed")


async def test_an_agent_is_described_and_goes_with_its_hypervisor(tmp_path: Path) -> None:
    known = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        auditor=Identity(roles=frozenset({"reader"}), system=True),
        admin=Identity(roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        red, auditor, admin = (api.by(name) for name in ("red", "auditor", "admin"))
        await admin.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
        made = (await admin.call("GET", "agents/cn1"))["agent"]
        said = await admin.update("agents", "cn1", description="rack 7", admin_state_up=True)
        assert said == made | {"description": "rack 7"}
        path, own = "agents/cn1", "/sdn/v1/hypervisors/cn1"
        assert (await admin.call("GET", own))["hypervisor"]["description"] == "rack 7"
        assert (await admin.update("agents", "cn1", description=None))["description"] == ""
        for body, text in (
            ({"agent": {"admin_state_up": False}}, "disable its host in Nova"),
            ({"agent": {"host": "cn2"}}, "read-only attribute host"),
            ({"agent": {"description": 7}}, "description"),
            ({"x": {}}, "'agent'"),
            ([], "'agent'"),
        ):
            await admin.refused("PUT", path, body, 400, "HTTPBadRequest", text)
        body = {"agent": {"description": "mine"}}
        for method, given in (("PUT", body), ("DELETE", None)):
            await red.refused(method, path, given, 404, "AgentNotFound")
            await auditor.refused(method, path, given, 403, "PolicyNotAuthorized")
            await admin.refused(method, "agents/cn9", given, 404, "AgentNotFound", "cn9")
        network = await admin.create("networks")
        port = await admin.create("ports", network_id=network["id"], **{"binding:host_id": "cn1"})
        await admin.refused("DELETE", path, None, 409, "HypervisorInUse", port["id"])
        await admin.call("DELETE", f"ports/{port['id']}", status=204)
        await admin.call("DELETE", path, status=204)
        await admin.call("GET", own, status=404)


async def test_of_routers_there_is_one_provider(api: Api) -> None:
    provider = {"service_type": "L3_ROUTER_NAT", "name": "sdnctl", "default": True}
    assert await api.rows("service-providers?service_type=L3_ROUTER_NAT") == [provider]
    assert await api.rows("service-providers?service_type=VPN") == []


async def test_a_network_is_a_segment(api: Api) -> None:
    network = await api.create("networks")
    [segment] = await api.rows(f"segments?network_id={network['id']}")
    assert (segment["id"], segment["network_type"]) == (network["id"], "vxlan")
    assert segment["segmentation_id"] == network["provider:segmentation_id"]
    assert (await api.call("GET", f"segments/{network['id']}"))["segment"] == segment
    assert await api.rows("segments?network_id=x") == []
    await api.refused("GET", "segments/x", None, 404, "SegmentNotFound")


async def test_addresses_in_use(api: Api) -> None:
    network, [four, six] = await api.network("10.0.0.0/29", "fd00::/64", name="n")
    await api.network("10.9.0.0/24")
    wish = {"subnet_id": four["id"]}
    for wishes in ([wish], [wish, wish, wish], [{"subnet_id": six["id"]}]):
        await api.create("ports", network_id=network["id"], fixed_ips=wishes)
    path = "network-ip-availabilities"
    found = (await api.call("GET", f"{path}/{network['id']}"))["network_ip_availability"]
    assert (found["network_name"], found["used_ips"]) == ("n", 5)
    [row] = await api.rows(f"{path}?network_name=n&ip_version=4")
    assert (row["total_ips"], row["used_ips"]) == (5, 4)
    [subnet] = row["subnet_ip_availability"]
    assert (subnet["subnet_id"], subnet["cidr"]) == (four["id"], "10.0.0.0/29")
    assert await api.rows(f"{path}?network_id={network['id']}&ip_version=4") == [row]
    assert len(await api.rows(path)) == 2
    await api.refused("GET", f"{path}?ip_version=5", None, 400, "HTTPBadRequest", "ip_version")
    await api.refused("GET", f"{path}/x", None, 404, "NetworkNotFound")


async def test_they_are_the_administrators(tmp_path: Path) -> None:
    known = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        auditor=Identity(roles=frozenset({"reader"}), system=True),
        admin=Identity(roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        red, auditor, admin = (api.by(name) for name in ("red", "auditor", "admin"))
        network = await red.create("networks")
        await admin.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
        for path, id_ in (
            ("agents", "cn1"),
            ("segments", network["id"]),
            ("network-ip-availabilities", network["id"]),
        ):
            assert await red.rows(path) == []
            await red.call("GET", f"{path}/{id_}", status=404)
            for one in (auditor, admin):
                assert len(await one.rows(path)) == 1
        assert len(await red.rows("availability_zones")) == 2


async def test_networks_and_routers_are_in_the_one_zone(api: Api) -> None:
    for collection, name in (("networks", "network"), ("routers", "router")):
        made = await api.create(collection, availability_zone_hints=["nova"])
        assert (made["availability_zone_hints"], made["availability_zones"]) == (["nova"], ["nova"])
        await api.refused(
            "POST",
            collection,
            {name: {"availability_zone_hints": ["nova", "mars"]}},
            404,
            "AvailabilityZoneNotFound",
            "mars",
        )


async def test_floating_ips_come_from_external_networks_that_one_sees(tmp_path: Path) -> None:
    known = Known(
        red=Identity(project_id="red", roles=frozenset({"reader"})),
        blue=Identity(project_id="blue", roles=frozenset({"reader"})),
        admin=Identity(roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        red, blue, admin = (api.by(name) for name in ("red", "blue", "admin"))
        outside, [four, _] = await admin.network(
            "203.0.113.0/24", "2001:db8::/64", **{"router:external": True}
        )
        some, [blues] = await admin.network("198.51.100.0/24")
        await admin.network("10.0.0.0/24", shared=True)
        policy = {"object_type": "network", "object_id": some["id"], "target_tenant": "blue"}
        policy["action"] = "access_as_external"
        await admin.call("POST", "rbac-policies", {"rbac_policy": policy}, status=201)
        assert await red.rows("floatingip_pools") == [
            {
                "subnet_id": four["id"],
                "subnet_name": "",
                "network_id": outside["id"],
                "cidr": "203.0.113.0/24",
                "project_id": "red",
                "tenant_id": "red",
            }
        ]
        for caller in (blue, admin):
            pools = await caller.rows("floatingip-pools?fields=subnet_id")
            assert pools == await caller.rows("floatingip_pools?fields=subnet_id")
            assert {pool["subnet_id"] for pool in pools} == {four["id"], blues["id"]}
        assert await blue.ids("networks?router:external=True") == {outside["id"], some["id"]}
        assert some["id"] not in await admin.ids("networks?router:external=False")
        await red.refused("GET", "floatingip_pools/x", None, 404, "FloatingIPPoolNotFound")
