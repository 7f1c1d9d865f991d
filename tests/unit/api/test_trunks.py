"""Trunks and their subports, with Neutron's checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import NothingObserved
from sdnctl.api.caller import Identity
from tests.unit.api.client import Api, Known, opened

GHOST = "00000000-0000-4000-8000-000000000000"


class Seen(NothingObserved):
    """Agents that have programmed these ports."""

    def __init__(self) -> None:
        self.active: set[str] = set()

    def port_status(self, port_id: str) -> str:
        return "ACTIVE" if port_id in self.active else "DOWN"


SEEN = Seen()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    SEEN.active.clear()
    async with opened(tmp_path / "db", observed=SEEN) as found:
        for number, host in enumerate(("cn1", "cn2"), 1):
            vtep = f"192.0.2.{number}"
            await found.create("/sdn/v1/hypervisors", id=host, vtep=vtep)
        yield found


async def ports(api: Api, count: int, **network: Any) -> list[str]:
    """Ports of a network of their own."""
    net = await api.create("networks", **network)
    made = [await api.create("ports", network_id=net["id"]) for _ in range(count)]
    return [port["id"] for port in made]


def wish(port_id: str, vlan: Any, kind: str = "vlan") -> dict[str, Any]:
    return {"port_id": port_id, "segmentation_type": kind, "segmentation_id": vlan}


async def test_the_life_of_a_trunk(api: Api) -> None:
    parent, first, second = await ports(api, 3)
    trunk = await api.create(
        "trunks", name="t", port_id=parent, sub_ports=[wish(first, "7")], tags=["a"]
    )
    assert trunk["status"] == "DOWN"
    assert trunk["sub_ports"] == [wish(first, 7)]
    assert (trunk["port_id"], trunk["admin_state_up"], trunk["name"]) == (parent, True, "t")
    path = f"trunks/{trunk['id']}"
    port = (await api.call("GET", f"ports/{first}"))["port"]
    assert port["device_owner"] == "trunk:subport"
    assert "trunk_details" not in port
    assert await api.rows(f"ports?id={first}&fields=trunk_details") == [{}]

    added = await api.call("PUT", f"{path}/add_subports", {"sub_ports": [wish(second, 8)]})
    assert added["sub_ports"] == [wish(first, 7), wish(second, 8)]
    assert added["revision_number"] == trunk["revision_number"] + 1
    assert await api.call("GET", f"{path}/get_subports") == {"sub_ports": added["sub_ports"]}
    details = (await api.call("GET", f"ports/{parent}"))["port"]["trunk_details"]
    assert details["trunk_id"] == trunk["id"]
    assert details["sub_ports"][0] == {**wish(first, 7), "mac_address": port["mac_address"]}
    assert await api.ids(f"trunks?port_id={parent}") == {trunk["id"]}
    assert await api.ids(f"trunks?port_id={first}") == set()

    body = {"sub_ports": [{"port_id": first}]}
    left = await api.call("PUT", f"{path}/remove_subports", body)
    assert left["sub_ports"] == [wish(second, 8)]
    assert (await api.call("GET", f"ports/{first}"))["port"]["device_owner"] == ""
    assert (await api.update("trunks", trunk["id"], name="u"))["name"] == "u"
    await api.call("DELETE", path, status=204)
    assert (await api.call("GET", f"ports/{second}"))["port"]["device_owner"] == ""
    for port_id in (parent, first, second):
        await api.call("DELETE", f"ports/{port_id}", status=204)


async def test_subports_are_where_their_parent_is(api: Api) -> None:
    parent, first, second = await ports(api, 3)
    trunk = await api.create("trunks", port_id=parent, sub_ports=[wish(first, 7)])

    async def host(port_id: str) -> str:
        return str((await api.call("GET", f"ports/{port_id}"))["port"]["binding:host_id"])

    await api.update("ports", parent, **{"binding:host_id": "cn1"})
    assert await host(first) == "cn1"
    body = {"sub_ports": [wish(second, 8)]}
    await api.call("PUT", f"trunks/{trunk['id']}/add_subports", body)
    assert await host(second) == "cn1"
    await api.update("ports", parent, **{"binding:host_id": "cn2"})
    assert (await host(first), await host(second)) == ("cn2", "cn2")
    body = {"sub_ports": [{"port_id": first}]}
    await api.call("PUT", f"trunks/{trunk['id']}/remove_subports", body)
    assert await host(first) == ""
    await api.update("ports", parent, **{"binding:host_id": ""})
    assert await host(second) == ""


async def test_status_is_that_of_its_ports(api: Api) -> None:
    parent, first, second = await ports(api, 3)
    await api.update("ports", parent, **{"binding:host_id": "cn1"})
    wishes = [wish(first, 7), wish(second, 8)]
    trunk = await api.create("trunks", port_id=parent, sub_ports=wishes)

    async def status() -> str:
        return str((await api.call("GET", f"trunks/{trunk['id']}"))["trunk"]["status"])

    assert await status() == "DOWN"
    SEEN.active.add(parent)
    assert await status() == "BUILD"
    SEEN.active.add(first)
    assert await status() == "BUILD"
    await api.update("ports", second, admin_state_up=False)
    assert await status() == "ACTIVE"
    assert await api.ids("trunks?status=ACTIVE") == {trunk["id"]}


async def test_what_neutron_refuses(api: Api) -> None:
    parent, first, second, third = await ports(api, 4)
    trunk = await api.create("trunks", port_id=parent, sub_ports=[wish(first, 7)])
    add = ("PUT", f"trunks/{trunk['id']}/add_subports")
    remove = ("PUT", f"trunks/{trunk['id']}/remove_subports")

    def new(port_id: str, *wishes: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        return "POST", "trunks", {"trunk": {"port_id": port_id, "sub_ports": list(wishes)}}

    calls: tuple[tuple[tuple[str, str, Any], int, str, str], ...] = (
        (new(parent), 409, "ParentPortInUse", "not eligible"),
        (new(first), 409, "TrunkPortInUse", "in use by another trunk"),
        (new(GHOST), 404, "PortNotFound", GHOST),
        (new(second, wish(second, 9)), 409, "ParentPortInUse", second),
        (new(second, wish(first, 9)), 409, "TrunkPortInUse", first),
        (new(second, wish(parent, 9)), 409, "ParentPortInUse", parent),
        (new(second, wish(third, 0)), 400, "InvalidInput", "'0' is not in range"),
        (new(second, wish(third, 4095)), 400, "InvalidInput", "not in range"),
        (new(second, wish(third, "x")), 400, "InvalidInput", "not an integer"),
        (new(second, wish(third, 9, "vxlan")), 400, "InvalidInput", "Unknown"),
        (new(second, wish(third, None, "inherit")), 400, "InvalidInput", "'vxlan'"),
        (new(second, {"port_id": third}), 400, "InvalidInput", "missing segmentation"),
        (new(second, {"port_id": GHOST}), 400, "InvalidInput", "missing segmentation"),
        (new(GHOST, wish(first, 9), wish(second, 9)), 400, "InvalidInput", "not unique"),
        (new(second, {"port_id": "x"}), 400, "HTTPBadRequest", "UUID"),
        (new(second, wish(third, 9), wish(first, 9)), 400, "InvalidInput", "not unique"),
        (new(second, wish(third, 9), wish(third, 8)), 400, "InvalidInput", "Non unique"),
        ((*add, {"sub_ports": [wish(second, 7)]}), 409, "DuplicateSubPort", trunk["id"]),
        ((*add, {"sub_ports": [wish(GHOST, 8)]}), 404, "PortNotFound", GHOST),
        ((*add, {"sub_ports": 7}), 400, "HTTPBadRequest", "sub_ports"),
        ((*remove, {"sub_ports": [{"port_id": second}]}), 404, "SubPortNotFound", second),
        (("DELETE", f"ports/{parent}", None), 409, "PortInUseAsTrunkParent", trunk["id"]),
        (("DELETE", f"ports/{first}", None), 409, "PortInUseAsSubPort", trunk["id"]),
        (("GET", f"trunks/{GHOST}", None), 404, "TrunkNotFound", GHOST),
        (("GET", f"trunks/{GHOST}/get_subports", None), 404, "TrunkNotFound", GHOST),
        (("PUT", f"trunks/{trunk['id']}", {"trunk": {"port_id": second}}), 400,
         "HTTPBadRequest", "port_id"),
    )  # fmt: skip
    for call, status, kind, text in calls:
        await api.refused(*call, status, kind, text)

    await api.update("ports", third, device_id="vm")
    body = {"sub_ports": [wish(third, 9)]}
    await api.refused(*add, body, 409, "PortInUse", "vm")
    await api.update("ports", second, **{"binding:host_id": "elsewhere"})
    await api.refused(*new(second), 409, "ParentPortInUse", second)

    await api.update("trunks", trunk["id"], admin_state_up=False)
    for method, path, asked in (
        (*add, {"sub_ports": [wish(second, 9)]}),
        (*remove, {"sub_ports": [{"port_id": first}]}),
        ("DELETE", f"trunks/{trunk['id']}", None),
    ):
        await api.refused(method, path, asked, 409, "TrunkDisabled", trunk["id"])


async def test_a_subport_is_no_wider_than_its_trunk(api: Api) -> None:
    (parent,) = await ports(api, 1, mtu=1400)
    (wide,) = await ports(api, 1, mtu=1450)
    (narrow,) = await ports(api, 1, mtu=1300)
    body = {"trunk": {"port_id": parent, "sub_ports": [wish(wide, 7)]}}
    kind = "SubPortMtuGreaterThanTrunkPortMtu"
    await api.refused("POST", "trunks", body, 409, kind, "1450", "1400", wide)
    await api.create("trunks", port_id=parent, sub_ports=[wish(narrow, 7)])


async def test_a_port_of_another_is_nobodys_to_trunk(tmp_path: Path) -> None:
    """Who owns a network sees all ports on it, and may take none of them."""
    callers = {
        name: Identity(project_id=name, roles=frozenset({"member"})) for name in ("red", "blue")
    } | {"admin": Identity(project_id="admin", roles=frozenset({"admin"}))}
    async with opened(tmp_path / "db", authenticator=Known(**callers)) as anyone:
        red, admin = anyone.by("red"), anyone.by("admin")
        network = await red.create("networks")
        own = await red.create("ports", network_id=network["id"])
        other = await admin.create("ports", network_id=network["id"], project_id="blue")
        await red.call("GET", f"ports/{other['id']}")
        for parent, sub in ((own, other), (other, own)):
            body = {"trunk": {"port_id": parent["id"], "sub_ports": [wish(sub["id"], 7)]}}
            await red.refused("POST", "trunks", body, 403, "PolicyNotAuthorized")
        body = {"trunk": {"port_id": own["id"]}}
        await anyone.by("blue").refused("POST", "trunks", body, 404, "PortNotFound")


async def test_a_quota_of_trunks(api: Api) -> None:
    first, second = await ports(api, 2)
    await api.call("PUT", "quotas/p", {"quota": {"trunk": 1}})
    await api.create("trunks", port_id=first, project_id="p")
    body = {"trunk": {"port_id": second, "project_id": "p"}}
    await api.refused("POST", "trunks", body, 409, "OverQuota", "trunk")
