"""Bindings of a port, as Nova migrates its guest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sdnctl.api import NothingObserved
from sdnctl.api.caller import Identity
from sdnctl.intent import MIGRATING_TO, Port
from tests.unit.api.client import Api, Known, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db") as found:
        await found.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
        await found.create("/sdn/v1/hypervisors", id="cn2", vtep="192.0.2.2")
        yield found


async def guest(api: Api, *, host: str = "cn1", profile: Any = None, **more: Any) -> str:
    network = await api.create("networks")
    fields = {"device_id": "vm", "device_owner": "compute:nova", "binding:host_id": host}
    fields |= {"binding:profile": profile} | more
    port = await api.create("ports", network_id=network["id"], **fields)
    return f"ports/{port['id']}"


async def bind(api: Api, port: str, host: str, **more: Any) -> Any:
    body = {"binding": {"host": host, **more}}
    return (await api.call("POST", f"{port}/bindings", body, status=201))["binding"]


async def shown(api: Api, port: str) -> Any:
    return (await api.call("GET", port))["port"]


def moves(api: Api, port: str) -> int:
    row = api.store.get(Port, port.removeprefix("ports/"))
    assert row is not None
    return row.moves


async def test_a_guest_is_migrated_as_nova_does_it(api: Api) -> None:
    port = await guest(api, profile={"a": 1})
    plug = {
        "vif_type": "ovs",
        "vif_details": {
            "connectivity": "l2",
            "port_filter": True,
            "ovs_hybrid_plug": False,
            "bridge_name": "br-int",
            "datapath_type": "system",
            "ovs_create_tap": True,
        },
        "vnic_type": "normal",
    }
    second = await bind(api, port, "cn2", vnic_type="normal", profile={"b": 2}, project_id="red")
    assert second == {"host": "cn2", "profile": {"b": 2}, "status": "INACTIVE", **plug}
    first = {"host": "cn1", "profile": {"a": 1}, "status": "ACTIVE", **plug}
    assert await api.rows(f"{port}/bindings") == [first, second]
    assert (await api.call("GET", f"{port}/bindings/cn2"))["binding"] == second
    before = await shown(api, port)
    assert (before["binding:host_id"], before["binding:profile"]) == ("cn1", {"a": 1})

    # The answer is the binding by itself, and the request has no body.
    active = await api.call("PUT", f"{port}/bindings/cn2/activate")
    assert active == second | {"status": "ACTIVE"}
    after = await shown(api, port)
    assert (after["binding:host_id"], after["binding:profile"]) == ("cn2", {"b": 2})
    assert after["revision_number"] == before["revision_number"] + 1
    assert await api.rows(f"{port}/bindings") == [active, first | {"status": "INACTIVE"}]
    assert moves(api, port) == 1

    await api.call("DELETE", f"{port}/bindings/cn1", status=204)
    assert await api.rows(f"{port}/bindings") == [active]
    assert moves(api, port) == 1
    # What Nova says at the end anyway changes nothing.
    await api.update("ports", after["id"], **{"binding:host_id": "cn2"})
    assert await api.rows(f"{port}/bindings") == [active]


async def test_a_migration_is_taken_back(api: Api) -> None:
    port = await guest(api)
    await bind(api, port, "cn2")
    await api.call("PUT", f"{port}/bindings/cn2/activate")
    await api.call("PUT", f"{port}/bindings/cn1/activate")
    assert (await shown(api, port))["binding:host_id"] == "cn1"
    assert moves(api, port) == 2
    await api.call("DELETE", f"{port}/bindings/cn2", status=204)
    assert [row["host"] for row in await api.rows(f"{port}/bindings")] == ["cn1"]


async def test_what_neutron_refuses_is_refused(api: Api) -> None:
    port = await guest(api)
    bindings = f"{port}/bindings"
    await bind(api, port, "cn2")
    for host in ("cn1", "cn2"):
        await api.refused(
            "POST", bindings, {"binding": {"host": host}}, 409, "PortBindingAlreadyExists", host
        )
    for binding in ({"host": "cn9"}, {"host": "cn3", "vnic_type": "direct"}):
        await api.refused("POST", bindings, {"binding": binding}, 500, "PortBindingError")
    direct = {"binding": {"vnic_type": "direct"}}
    await api.refused("PUT", f"{bindings}/cn2", direct, 500, "PortBindingError")
    await api.refused("PUT", f"{bindings}/cn1/activate", None, 409, "PortBindingAlreadyActive")
    taken = {"binding": {"host": "cn1"}}
    await api.refused("PUT", f"{bindings}/cn2", taken, 409, "PortBindingAlreadyExists")
    for method, body in (("GET", None), ("PUT", {"binding": {}}), ("DELETE", None)):
        await api.refused(method, f"{bindings}/cn9", body, 404, "PortBindingNotFound", "cn9")
    await api.refused("PUT", f"{bindings}/cn9/activate", None, 404, "PortBindingNotFound")
    bad: list[Any] = [{}, {"binding": {}}]
    bad += [{"binding": {"host": ""}}, {"binding": {"host": "x", "a": 1}}, {"binding": []}]
    for body in bad:
        await api.refused("POST", bindings, body, 400, "HTTPBadRequest")
    await api.refused("POST", bindings, {"binding": {"host": "x", "status": "ACTIVE"}}, 400,
                      "HTTPBadRequest", "status")  # fmt: skip
    await api.refused("GET", f"{bindings}?colour=red", None, 400, "HTTPBadRequest", "colour")
    await api.refused("PATCH", bindings, None, 405, "HTTPMethodNotAllowed")
    await api.refused("GET", f"{bindings}/cn1/activate", None, 405, "HTTPMethodNotAllowed")
    await api.refused("PUT", f"{bindings}/cn1/polish", None, 404, "HTTPNotFound")
    nobody = "ports/11111111-1111-4111-8111-111111111111/bindings"
    await api.refused("GET", nobody, None, 404, "PortNotFound")
    await api.refused("POST", nobody, {"binding": {"host": "cn1"}}, 404, "PortNotFound")


async def test_only_ports_of_guests_have_several(api: Api) -> None:
    port = await guest(api, device_owner="")
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("POST", "", {"binding": {"host": "cn2"}}),
        ("GET", "/cn1", None),
        ("PUT", "/cn1", {"binding": {}}),
        ("PUT", "/cn1/activate", None),
        ("DELETE", "/cn1", None),
    ]
    for method, path, body in calls:
        await api.refused(method, f"{port}/bindings{path}", body, 400, "BadRequest", "compute")


async def test_bindings_are_changed_one_by_one(api: Api) -> None:
    port = await guest(api)
    await bind(api, port, "cn2", profile={"a": 1})
    body = {"binding": {"profile": {"b": 2}}}
    changed = (await api.call("PUT", f"{port}/bindings/cn2", body))["binding"]
    assert (changed["profile"], changed["status"]) == ({"b": 2}, "INACTIVE")
    assert (await shown(api, port))["binding:profile"] == {}
    await api.call("PUT", f"{port}/bindings/cn1", {"binding": {"profile": {"c": 3}}})
    assert (await shown(api, port))["binding:profile"] == {"c": 3}
    assert moves(api, port) == 0
    # To another host: an inactive binding as it is, the active one with its port.
    await api.create("/sdn/v1/hypervisors", id="cn3", vtep="192.0.2.3")
    await api.call("PUT", f"{port}/bindings/cn2", {"binding": {"host": "cn3"}})
    await api.call("PUT", f"{port}/bindings/cn1", {"binding": {"host": "cn2"}})
    assert [row["host"] for row in await api.rows(f"{port}/bindings")] == ["cn2", "cn3"]
    assert moves(api, port) == 1


async def test_an_unbound_port_has_an_active_binding_to_nowhere(api: Api) -> None:
    port = await guest(api, host="")
    assert (await bind(api, port, "cn1"))["status"] == "INACTIVE"
    unbound, bound = await api.rows(f"{port}/bindings")
    assert (unbound["host"], unbound["vif_type"], unbound["status"]) == ("", "unbound", "ACTIVE")
    assert bound["host"] == "cn1"
    await api.call("PUT", f"{port}/bindings/cn1/activate")
    assert [row["host"] for row in await api.rows(f"{port}/bindings")] == ["cn1"]
    assert moves(api, port) == 0
    await api.call("DELETE", f"{port}/bindings/cn1", status=204)
    assert (await shown(api, port))["binding:vif_type"] == "unbound"


async def test_the_port_itself_is_bound_to_where_another_binding_is(api: Api) -> None:
    port = await guest(api, profile={MIGRATING_TO: "cn2"})
    await bind(api, port, "cn2")
    made = await api.update("ports", port.removeprefix("ports/"), **{"binding:host_id": "cn2"})
    assert made["binding:host_id"] == "cn2"
    assert [row["host"] for row in await api.rows(f"{port}/bindings")] == ["cn2"]


async def test_lists_are_filtered(api: Api) -> None:
    port = await guest(api)
    await bind(api, port, "cn2")
    for query, hosts in {
        "host=cn2": ["cn2"],
        "status=ACTIVE": ["cn1"],
        "status=INACTIVE&host=cn1": [],
        "vif_type=ovs&vnic_type=normal": ["cn1", "cn2"],
        "host=cn1&host=cn2": ["cn1", "cn2"],
    }.items():
        assert [row["host"] for row in await api.rows(f"{port}/bindings?{query}")] == hosts
    assert await api.rows(f"{port}/bindings?fields=host&status=ACTIVE") == [{"host": "cn1"}]
    one = await api.call("GET", f"{port}/bindings/cn1?fields=status")
    assert one == {"binding": {"status": "ACTIVE"}}


async def test_a_hypervisor_with_bindings_stays(api: Api) -> None:
    port = await guest(api)
    await bind(api, port, "cn2")
    await api.refused("DELETE", "/sdn/v1/hypervisors/cn2", None, 409, "HypervisorInUse")
    await api.call("DELETE", f"{port}/bindings/cn2", status=204)
    await api.call("DELETE", "/sdn/v1/hypervisors/cn2", status=204)


async def test_the_document_is_true(api: Api) -> None:
    port = await guest(api)
    await bind(api, port, "cn2")
    document = await api.call("GET", "/openapi.json")
    path = document["paths"]["/v2.0/ports/{port_id}/bindings"]
    schema = path["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(await api.call("GET", f"{port}/bindings"), schema)
    below = document["paths"]["/v2.0/ports/{port_id}/bindings/{host}/activate"]
    schema = below["put"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(await api.call("PUT", f"{port}/bindings/cn2/activate"), schema)
    assert (await api.call("GET", "extensions/binding-extended"))["extension"]["alias"]


CALLERS = {
    "admin": Identity(roles=frozenset({"admin"})),
    "service": Identity(project_id="nova", roles=frozenset({"service"})),
    "auditor": Identity(roles=frozenset({"reader"}), system=True),
    "manager": Identity(project_id="red", roles=frozenset({"manager"})),
    "foreign": Identity(project_id="blue", roles=frozenset({"manager"})),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_bindings_are_novas(tmp_path: Path, caller: str) -> None:
    """Of a project's own port: seen as if there were none, changed by nobody of it."""
    authenticator = Known(**CALLERS)
    async with opened(
        tmp_path / "db", authenticator=authenticator, observed=NothingObserved()
    ) as api:
        admin, by = api.by("admin"), api.by(caller)
        for n in (1, 2):
            await admin.create("/sdn/v1/hypervisors", id=f"cn{n}", vtep=f"192.0.2.{n}")
        sees, acts = caller not in {"manager", "foreign"}, caller in {"admin", "service"}
        hidden = 404 if caller == "foreign" else 403
        for method, path, body, done in (
            ("GET", "", None, 200),
            ("GET", "/cn1", None, 200),
            ("POST", "", {"binding": {"host": "cn2"}}, 201),
            ("PUT", "/cn1", {"binding": {"profile": {"a": 1}}}, 200),
            ("PUT", "/cn1/activate", None, 409),
            ("DELETE", "/cn1", None, 204),
        ):
            port = await guest(admin, project_id="red")
            answer = await by.send(method, f"/v2.0/{port}/bindings{path}", body)
            if method == "GET":
                listed = caller == "manager" and not path
                assert answer.status_code == (200 if sees or listed else 404), (method, path)
                assert not listed or answer.json() == {"bindings": []}
            else:
                assert answer.status_code == (done if acts else hidden), (method, path)
