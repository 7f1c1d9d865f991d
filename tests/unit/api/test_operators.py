from __future__ import annotations

import logging
from typing import Any

import pytest

from sdnctl.intent import BgpPeer
from tests.unit.api.client import Api

ROOT = "/sdn/v1"


@pytest.mark.parametrize(
    ("collection", "given", "shown", "changed"),
    [
        (
            "hypervisors",
            {"vtep": "192.0.2.1"},
            {
                "vtep": "192.0.2.1",
                "encapsulations": ["vxlan", "mpls-gre"],
                "mtu": 1500,
                "datapath_type": "system",
                "alive": False,
                "last_seen": None,
                "agent_version": "",
            },
            {"vtep": "192.0.2.7", "encapsulations": ["mpls-gre"], "mtu": 9000},
        ),
        ("links", {"a": "cn1", "b": "leaf1"}, {"a": "cn1", "b": "leaf1", "cost": 1}, {"cost": 10}),
        (
            "gateways",
            {"address": "192.0.2.9"},
            {
                "address": "192.0.2.9",
                "encapsulations": [],
                "local_preference": None,
                "probe_interval": 0,
                "probe_multiplier": 3,
                "reachable_from": [],
                "unreachable_from": [],
            },
            {
                "encapsulations": ["mpls-gre"],
                "local_preference": 200,
                "probe_interval": 100,
                "probe_multiplier": 5,
            },
        ),
        (
            "bgp-peers",
            {"address": "192.0.2.9", "asn": "64512", "password": "secret"},
            {
                "address": "192.0.2.9",
                "asn": 64512,
                "families": ["ipv4-vpn"],
                "port": 179,
                "group": "default",
                "hold_time": 90,
                "graceful_restart": 120,
                "long_lived_stale": 0,
                "passive": False,
                "ttl_security": 0,
                "max_prefixes": 0,
                "add_path": False,
                "admin_state_up": True,
            },
            {
                "families": ["ipv6-vpn", "l2vpn-evpn", "route-target"],
                "group": "edge",
                "passive": True,
                "port": 1179,
                "hold_time": 0,
                "graceful_restart": 4095,
                "long_lived_stale": 86400,
                "ttl_security": 1,
                "max_prefixes": 100000,
                "add_path": True,
                "admin_state_up": False,
            },
        ),
    ],
)
async def test_what_operators_describe(
    api: Api, collection: str, given: dict[str, Any], shown: dict[str, Any], changed: Any
) -> None:
    path = f"{ROOT}/{collection}"
    made = await api.create(path, id="one.example", **given)
    at = made["created_at"]
    common = {
        "id": "one.example",
        "name": "",
        "description": "",
        "project_id": "",
        "tenant_id": "",
        "tags": [],
        "created_at": at,
        "updated_at": at,
        "revision_number": 1,
    }
    assert made == common | shown
    assert await api.rows(path) == [made]
    assert await api.rows(f"{path}?id=one.example&name=") == [made]
    after = await api.update(path, "one.example", **changed)
    assert after == made | changed | {"revision_number": 2, "updated_at": after["updated_at"]}
    name = collection.removesuffix("s").replace("-", "_")
    title = "".join(part.title() for part in name.split("_"))
    await api.refused(
        "POST", path, {name: {"id": "one.example"} | given}, 409, f"{title}Exists", "one.example"
    )
    await api.refused(
        "PUT", f"{path}/one.example", {name: {"id": "two"}}, 400, "HTTPBadRequest", "id"
    )
    await api.call("PUT", f"{path}/one.example/tags", {"tags": ["x"]})
    await api.call("DELETE", f"{path}/one.example", status=204)
    await api.refused("GET", f"{path}/one.example", None, 404, f"{title}NotFound", "one.example")


@pytest.mark.parametrize(
    ("collection", "body", "kind", "text"),
    [
        ("hypervisors", {}, "HTTPBadRequest", "id"),
        ("hypervisors", {"id": "a"}, "HTTPBadRequest", "vtep"),
        ("hypervisors", {"id": "a", "vtep": "2001:db8::1"}, "InvalidInput", "IPv4"),
        ("hypervisors", {"id": "a/b", "vtep": "192.0.2.2"}, "HTTPBadRequest", "a/b"),
        ("hypervisors", {"id": "", "vtep": "192.0.2.2"}, "HTTPBadRequest", "id"),
        ("hypervisors", {"id": "a\n", "vtep": "192.0.2.2"}, "HTTPBadRequest", "id"),
        ("hypervisors", {"id": "a", "vtep": "host"}, "HTTPBadRequest", "vtep"),
        (
            "hypervisors",
            {"id": "a", "vtep": "192.0.2.2", "encapsulations": []},
            "InvalidInput",
            "encapsulations",
        ),
        (
            "hypervisors",
            {"id": "a", "vtep": "192.0.2.2", "encapsulations": ["stt"]},
            "HTTPBadRequest",
            "stt",
        ),
        ("links", {"id": "l", "a": "x", "b": "x"}, "InvalidInput", "two nodes"),
        ("links", {"id": "l", "a": "x", "b": "y", "cost": 0}, "HTTPBadRequest", "cost"),
        ("gateways", {"id": "g"}, "HTTPBadRequest", "address"),
        ("bgp-peers", {"id": "p", "address": "192.0.2.2"}, "HTTPBadRequest", "asn"),
        ("bgp-peers", {"id": "p", "address": "192.0.2.2", "asn": 0}, "HTTPBadRequest", "asn"),
        (
            "bgp-peers",
            {"id": "p", "address": "192.0.2.2", "asn": 1, "families": ["ipv4"]},
            "HTTPBadRequest",
            "families",
        ),
        (
            "bgp-peers",
            {"id": "p", "address": "192.0.2.2", "asn": 1, "families": []},
            "InvalidInput",
            "families",
        ),
        (
            "bgp-peers",
            {"id": "p", "address": "192.0.2.2", "asn": 1, "hold_time": 2},
            "InvalidInput",
            "hold_time",
        ),
        *(
            (
                "bgp-peers",
                {"id": "p", "address": "192.0.2.2", "asn": 1} | {field: value},
                kind,
                field,
            )
            for field, value, kind in (
                ("hold_time", 65536, "HTTPBadRequest"),
                ("graceful_restart", 4096, "HTTPBadRequest"),
                ("long_lived_stale", 1 << 24, "HTTPBadRequest"),
                ("ttl_security", 255, "HTTPBadRequest"),
                ("max_prefixes", -1, "HTTPBadRequest"),
                ("port", 0, "HTTPBadRequest"),
                ("group", "", "HTTPBadRequest"),
                ("add_path", "maybe", "HTTPBadRequest"),
                ("families", ["route-target"], "InvalidInput"),
                ("families", ["ipv4-vpn", "ipv4-vpn"], "HTTPBadRequest"),
                ("password", "\N{SNOWMAN}" * 27, "InvalidInput"),
                ("address", "0.0.0.0", "InvalidInput"),
                ("address", "224.0.0.5", "InvalidInput"),
                ("address", "ff02::1", "InvalidInput"),
            )
        ),
        (
            "bgp-peers",
            {
                "id": "p",
                "address": "192.0.2.2",
                "asn": 1,
                "graceful_restart": 0,
                "long_lived_stale": 60,
            },
            "InvalidInput",
            "long_lived_stale",
        ),
        *(
            ("gateways", {"id": "g", "address": "192.0.2.2", field: value}, kind, field)
            for field, value, kind in (
                ("local_preference", 1 << 32, "HTTPBadRequest"),
                ("probe_interval", 9, "InvalidInput"),
                ("probe_interval", 60001, "HTTPBadRequest"),
                ("probe_multiplier", 0, "HTTPBadRequest"),
                ("address", "255.255.255.255", "InvalidInput"),
            )
        ),
    ],
)
async def test_bad_descriptions(
    api: Api, collection: str, body: dict[str, Any], kind: str, text: str
) -> None:
    name = collection.removesuffix("s").replace("-", "_")
    await api.refused("POST", f"{ROOT}/{collection}", {name: body}, 400, kind, text)


async def test_a_vtep_is_one_hypervisors(api: Api) -> None:
    await api.create(f"{ROOT}/hypervisors", id="a", vtep="192.0.2.1")
    body = {"hypervisor": {"id": "b", "vtep": "192.0.2.1"}}
    await api.refused("POST", f"{ROOT}/hypervisors", body, 409, "VtepInUse", "192.0.2.1", "a")


@pytest.mark.parametrize("collection", ["bgp-peers", "gateways"])
async def test_an_address_is_one_peers_and_one_gateways(api: Api, collection: str) -> None:
    path, name = f"{ROOT}/{collection}", collection.removesuffix("s").replace("-", "_")
    more: dict[str, Any] = {"asn": 1} if name == "bgp_peer" else {}
    kind = f"{''.join(part.title() for part in name.split('_'))}AddressInUse"
    await api.create(path, id="a", address="192.0.2.1", **more)
    await api.create(path, id="b", address="192.0.2.2", **more)
    body = {name: {"id": "c", "address": "192.0.2.1"} | more}
    await api.refused("POST", path, body, 409, kind, "192.0.2.1", "a")
    body = {name: {"address": "192.0.2.1"}}
    await api.refused("PUT", f"{path}/b", body, 409, kind, "192.0.2.1")
    await api.call("DELETE", f"{path}/a", status=204)
    assert (await api.update(path, "b", address="192.0.2.1"))["address"] == "192.0.2.1"


async def test_a_hypervisor_in_use_stays(api: Api) -> None:
    await api.create(f"{ROOT}/hypervisors", id="a", vtep="192.0.2.1")
    network = await api.create("networks")
    port = await api.create("ports", network_id=network["id"], **{"binding:host_id": "a"})
    path = f"{ROOT}/hypervisors/a"
    await api.refused("DELETE", path, None, 409, "HypervisorInUse", port["id"])
    await api.update("ports", port["id"], **{"binding:host_id": ""})
    await api.call("DELETE", path, status=204)


async def test_the_password_goes_in_and_never_comes_out(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sdnctl")
    path = f"{ROOT}/bgp-peers"
    secret = "tell-nobody"
    await api.create(path, id="p", address="192.0.2.2", asn=1, password=secret)
    await api.update(path, "p", password=f"{secret}-2")
    peer = api.store.get(BgpPeer, "p")
    assert peer is not None
    assert peer.password == f"{secret}-2"
    answers = [
        await api.call("GET", f"{path}/p"),
        await api.call("GET", f"{path}?fields=password&fields=id"),
        await api.call("PUT", f"{path}/p", {"bgp_peer": {"password": "x" * 81}}, status=400),
        await api.call("PUT", f"{path}/p", {"bgp_peer": {"password": [secret]}}, status=400),
        await api.call("GET", f"{path}?password={secret}", status=400),
    ]
    assert secret not in str(answers)
    assert secret not in caplog.text
    assert secret not in repr(peer)


async def test_status(api: Api) -> None:
    await api.create(f"{ROOT}/hypervisors", id="a", vtep="192.0.2.1")
    status = (await api.call("GET", f"{ROOT}/status"))["status"]
    assert status["revision"] == 1
    assert status["rows"]["hypervisor"] == 1
    assert status["rows"]["port"] == 0
    assert status["hypervisors_alive"] == 0
    assert status["version"]
