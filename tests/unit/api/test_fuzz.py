"""Whatever is sent: never a 5xx, nothing changed by what was refused, and a sound store after."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdnctl.api.app import NEUTRON, OWN
from sdnctl.api.schema import Resource
from sdnctl.graph.attachments import is_automatic
from sdnctl.intent import (
    KIND_OF,
    KINDS,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Network,
    Port,
    Router,
    Row,
    Subnet,
)
from sdnctl.store import Store
from tests.unit.api.client import Api, opened
from tests.unit.api.cloud import a_cloud
from tests.unit.api.test_outside_random import check as check_outside

RESOURCES = {f"/v2.0/{c}": r for c, r in NEUTRON.items()} | {
    f"/sdn/v1/{c}": r for c, r in OWN.items()
}
RESOURCES |= {
    f"{path}/${resource.name}/{part.collection}": part
    for path, resource in RESOURCES.items()
    for part in resource.parts
}

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)

IDS = st.sampled_from(
    ["$network", "$subnet", "$port", "$router", "$bgpvpn", "cn1", "x", "$hypervisor"]
)
"""Those with a $ stand for an id of that kind that exists, if any does: the first or (!) last."""

PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "network_id": st.sampled_from(["$network", "$network!"]),
    "cidr": st.sampled_from(
        ["10.0.0.0/29", "10.0.0.4/30", "10.1.0.0/31", "fd00::/64", "fd01::/126"]
    ),
    "ip_version": st.sampled_from([4, 6, "4"]),
    "gateway_ip": st.sampled_from([None, "10.0.0.1", "10.0.0.5", "fd00::1", "10.0.0.7"]),
    "allocation_pools": st.sampled_from(
        [[], [{"start": "10.0.0.2", "end": "10.0.0.3"}], [{"start": "10.0.0.5", "end": "10.0.0.2"}]]
    ),
    "ipv6_address_mode": st.sampled_from(["slaac", None]),
    "mac_address": st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02", None]),
    "fixed_ips": st.lists(
        st.sampled_from(
            [
                {"subnet_id": "$subnet"},
                {"ip_address": "10.0.0.2"},
                {"ip_address": "10.0.0.1"},
                {"subnet_id": "$subnet", "ip_address": "10.0.0.3"},
                {"ip_address": "fd00::2"},
            ]
        ),
        max_size=3,
    ),
    "device_owner": st.sampled_from(["", "compute:nova", "network:router_interface"]),
    "device_id": IDS,
    "binding:host_id": st.sampled_from(["", "cn1", "cn2"]),
    "id": st.sampled_from(["cn1", "cn2"]),
    "vtep": st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    "address": st.sampled_from(["192.0.2.9", "192.0.2.10"]),
    "families": st.sampled_from([["ipv4-vpn"], ["l2vpn-evpn", "route-target"], ["route-target"]]),
    "probe_interval": st.sampled_from([0, 5, "100"]),
    "long_lived_stale": st.sampled_from([0, 60]),
    "graceful_restart": st.sampled_from([0, 60]),
    "asn": st.sampled_from([1, "64512"]),
    "a": st.just("n1"),
    "b": st.just("n2"),
    "provider:segmentation_id": st.integers(4095, 4098),
    "sdn:vni": st.integers(4095, 4098),
    "sdn:label": st.integers(15, 18),
    "sdn:rd_number": st.integers(0, 3),
    "sdn:import_targets": st.just(["64512:1"]),
    "mtu": st.sampled_from([0, 1279, 1500, 9000]),
    "subnet_id": st.sampled_from(["$subnet", "$subnet!"]),
    "port_id": st.sampled_from(["$port", "$port!"]),
    "router_id": st.sampled_from(["$router", "$router!"]),
    "type": st.sampled_from(["l3", "l2"]),
    "project_id": st.sampled_from(["", "red"]),
    "route_targets": st.sampled_from([["64512:1"], "64512:2", ["64512:8000001"]]),
    "local_pref": st.sampled_from([0, None, "4294967295"]),
    "routes": st.lists(
        st.sampled_from(
            [
                {"type": "prefix", "prefix": "10.0.0.0/8"},
                {"type": "prefix", "prefix": "fd00::/16", "local_pref": 5},
                {"type": "bgpvpn", "bgpvpn_id": "$bgpvpn"},
                {"destination": "10.77.0.0/16", "nexthop": "10.1.0.9"},
                {"destination": "10.78.0.0/16", "nexthop": "203.0.113.9"},
            ]
        ),
        max_size=2,
    ),
    "external_gateway_info": st.sampled_from(
        [
            None,
            {},
            {"network_id": "$outside"},
            {"network_id": "$network"},
            {"network_id": "$outside", "enable_snat": False},
            {"network_id": "$outside", "external_fixed_ips": [{"ip_address": "203.0.113.9"}]},
        ]
    ),
    "distributed": st.booleans(),
    "admin_state_up": st.booleans(),
    "router:external": st.booleans(),
    "floating_network_id": st.sampled_from(["$outside", "$outside", "$network"]),
    "floating_ip_address": st.sampled_from([None, "203.0.113.9", "10.0.0.1"]),
    "fixed_ip_address": st.sampled_from([None, "10.1.0.2", "10.1.0.3"]),
    "internal_port_id": st.sampled_from(["$port!", "$port!", "$port"]),
    "internal_ip_address": st.sampled_from(["10.1.0.2", "10.1.0.3", "10.9.0.2"]),
    "protocol": st.sampled_from(["tcp", "udp", "TCP", 17]),
    "external_port": st.sampled_from([1, "2", None]),
    "internal_port": st.sampled_from([1, "2", None]),
    "external_port_range": st.sampled_from(["1:2", "3", None]),
    "internal_port_range": st.sampled_from(["1:2", "3", None]),
}


class Call(NamedTuple):
    """A request; a path ends in a placeholder where it names a member."""

    method: str
    path: str
    body: Any


def bodies(resource: Resource) -> st.SearchStrategy[Any]:
    """Bodies that are mostly right, with what is required and some that is junk."""
    names = [a.name for a in resource.attributes if a.post or a.put]
    some = st.lists(st.sampled_from(names), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: PLAUSIBLE.get(name, JUNK) | JUNK if name in chosen else JUNK for name in chosen}
        )
    )
    needed = {
        "subnet": ["network_id", "cidr", "ip_version"],
        "port": ["network_id"],
        "hypervisor": ["id", "vtep"],
        "link": ["id", "a", "b"],
        "gateway": ["id", "address"],
        "bgp_peer": ["id", "address", "asn"],
        "network_association": ["network_id"],
        "router_association": ["router_id"],
        "port_association": ["port_id"],
        "floatingip": ["floating_network_id"],
        "port_forwarding": ["internal_port_id", "internal_ip_address", "protocol"],
    }.get(resource.name, [])
    right = st.lists(st.sampled_from(names), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {n: PLAUSIBLE[n] for n in {*needed, *chosen} if n in PLAUSIBLE}
        )
    )
    return right | some | JUNK


def calls_on(path: str, resource: Resource) -> st.SearchStrategy[Call]:
    member = st.sampled_from([f"{path}/${KIND_OF[resource.kind]}{which}" for which in ("", "!")])
    body = bodies(resource)
    return st.one_of(
        st.builds(Call, st.just("POST"), st.just(path), body.map(lambda b: {resource.name: b})),
        st.builds(
            Call,
            st.just("POST"),
            st.just(path),
            st.lists(body, max_size=3).map(
                lambda b: {path.rpartition("/")[2].replace("-", "_"): b}
            ),
        ),
        st.builds(Call, st.just("PUT"), member, body.map(lambda b: {resource.name: b})),
        st.builds(Call, st.just("DELETE"), member, st.none()),
        st.builds(Call, st.sampled_from(["POST", "PUT"]), st.just(path), JUNK),
    )


INTERFACES = st.builds(
    Call,
    st.just("PUT"),
    st.sampled_from(
        [
            f"/v2.0/routers/$router{which}/{verb}_router_interface"
            for verb in ("add", "remove")
            for which in ("", "!")
        ]
    ),
    st.sampled_from([{"subnet_id": "$subnet"}, {"subnet_id": "$subnet!"}, {"port_id": "$port!"}])
    | JUNK,
)

EXTRA_ROUTES = st.builds(
    Call,
    st.just("PUT"),
    st.sampled_from([f"/v2.0/routers/$router!/{verb}_extraroutes" for verb in ("add", "remove")]),
    st.builds(lambda routes: {"router": {"routes": routes}}, PLAUSIBLE["routes"] | JUNK) | JUNK,
)

CALLS = st.lists(
    st.one_of(
        INTERFACES,
        EXTRA_ROUTES,
        *(calls_on(path, resource) for path, resource in RESOURCES.items()),
    ),
    min_size=1,
    max_size=25,
)


def resolve(store: Store, value: Any) -> Any:
    """``value`` with a real id for every placeholder."""
    if isinstance(value, dict):
        return {k: resolve(store, v) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(store, v) for v in value]
    if value == "$outside":
        return next((n.id for n in store.rows(Network) if n.external), resolve(store, "$network"))
    kind = value[1:].removesuffix("!") if isinstance(value, str) and value[:1] == "$" else ""
    if kind in KINDS:
        rows: list[Row] = sorted(store.rows(KINDS[kind]), key=lambda row: row.created_at)
        last = -1 if value.endswith("!") else 0
        return rows[last].id if rows else "11111111-1111-1111-1111-111111111111"
    return value


def resolved(store: Store, path: str) -> str:
    return "/".join(resolve(store, part) for part in path.split("/"))


async def send(api: Api, call: Call) -> None:
    revision = api.store.revision
    path = resolved(api.store, call.path)
    answer = await api.http.request(call.method, path, json=resolve(api.store, call.body))
    assert answer.status_code < 500, (call, answer.text)
    if answer.status_code >= 400:
        assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}
        assert api.store.revision == revision
    elif call.method != "DELETE":
        # What was answered can be listed: no row breaks a reader.
        for collection, resource in RESOURCES.items():
            there = resource.above is None or api.store.rows(resource.above.kind)
            path = resolved(api.store, collection)
            assert (await api.http.get(path)).status_code == (200 if there else 404)


def check(store: Store) -> None:
    """What must hold whatever was asked."""
    for port in store.rows(Port):
        for fixed in port.fixed_ips:
            subnet = store.get(Subnet, fixed.subnet_id)
            assert subnet is not None
            assert subnet.network_id == port.network_id
            assert fixed.ip in subnet.prefix
    for kind, field, other in (
        (BgpVpnNetwork, "network_id", Network),
        (BgpVpnRouter, "router_id", Router),
        (BgpVpnPort, "port_id", Port),
    ):
        for row in store.rows(kind):
            assert store.get(BgpVpn, row.bgpvpn_id) is not None  # type: ignore[attr-defined]
            assert store.get(other, getattr(row, field)) is not None
    check_outside(store)
    for vpn in store.rows(BgpVpn):
        assert not any(is_automatic(64512, target) for target in vpn.route_targets)


async def run(calls: list[Call], path: Path) -> None:
    async with opened(path) as api:
        await api.network("10.9.0.0/29")
        await api.create("routers")
        cloud = await a_cloud(api)
        await api.create("floatingips", floating_network_id=cloud.external["id"])
        await cloud.another_guest(api)
        await api.create("bgpvpn/bgpvpns")
        for call in calls:
            await send(api, call)
        check(api.store)
        before = {kind: {r.id: r for r in api.store.rows(row)} for kind, row in KINDS.items()}
    store = await Store.open(path)
    assert {kind: {r.id: r for r in store.rows(row)} for kind, row in KINDS.items()} == before
    await store.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(CALLS)
def test_no_body_breaks_anything(calls: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(calls, Path(directory) / "db"))


ATTRIBUTES = sorted({name for resource in RESOURCES.values() for name in resource.by_name})

QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"])
        | st.sampled_from([*ATTRIBUTES, "tags-any", "x"]),
        st.text(max_size=6) | st.sampled_from(["name", "asc", "1", "True", "10.0.0.1", "id"]),
    ),
    max_size=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(sorted(RESOURCES)), QUERIES), max_size=8))
def test_no_query_breaks_anything(asked: list[tuple[str, list[tuple[str, str]]]]) -> None:
    async def ask() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with opened(Path(directory) / "db") as api:
                cloud = await a_cloud(api)
                outside = {"floating_network_id": cloud.external["id"]}
                floating = await api.create("floatingips", **outside)
                await api.create(
                    f"floatingips/{floating['id']}/port_forwardings",
                    protocol="tcp",
                    external_port=80,
                    internal_port_range="80",
                    internal_port_id=cloud.guest["id"],
                    internal_ip_address="10.1.0.2",
                )
                await api.create("bgpvpn/bgpvpns")
                for where, query in asked:
                    path = resolved(api.store, where)
                    answer = await api.http.get(path, params=query)  # type: ignore[arg-type]
                    assert answer.status_code in {200, 400, 404}, (path, query, answer.text)

    asyncio.run(ask())
