from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any
from urllib.parse import urlsplit

import pytest

from sdnctl.intent import Port
from tests.unit.api.client import Api


async def some_ports(api: Api) -> tuple[Any, list[Any]]:
    network, _ = await api.network("10.1.0.0/24")
    hosts = ["cn1", "cn2", "cn1", ""]
    return network, [
        await api.create(
            "ports",
            network_id=network["id"],
            name=f"p{number}",
            device_id=f"vm{number % 2}",
            tags=["all", f"t{number}"],
            **{"binding:host_id": host},
        )
        for number, host in enumerate(hosts)
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=p1", [1]),
        ("name=p1&name=p3", [1, 3]),
        ("name=p1&device_id=vm0", []),
        ("name=p2&device_id=vm0", [2]),
        ("name=none", []),
        ("binding:host_id=cn1", [0, 2]),
        ("binding%3Ahost_id=cn2", [1]),
        ("binding:host_id=", [3]),
        ("binding:vif_type=unbound", [3]),
        ("device_id=vm1&binding:host_id=cn2&binding:host_id=cn1", [1]),
        ("admin_state_up=True", [0, 1, 2, 3]),
        ("admin_state_up=0", []),
        ("status=DOWN&name=p0", [0]),
        ("fixed_ips=ip_address%3D10.1.0.3", [1]),
        ("fixed_ips=ip_address%3D10.1.0.3&fixed_ips=ip_address%3D10.1.0.4", [1, 2]),
        ("fixed_ips=ip_address_substr%3D1.0.5", [3]),
        ("tags=all", [0, 1, 2, 3]),
        ("tags=all,t2", [2]),
        ("tags-any=t1,t2", [1, 2]),
        ("not-tags=all,t2", [0, 1, 3]),
        ("not-tags-any=t1,t2", [0, 3]),
        ("project_id=&name=p0", [0]),
        ("tenant_id=acme", []),
        ("revision_number=1", [0, 1, 2, 3]),
    ],
)
async def test_filters(api: Api, query: str, expected: list[int]) -> None:
    _, ports = await some_ports(api)
    assert await api.ids(f"ports?{query}") == {ports[i]["id"] for i in expected}


async def test_filters_by_what_is_known_later(api: Api) -> None:
    network, ports = await some_ports(api)
    _, [other] = await api.network("10.2.0.0/24")
    port = ports[2]
    assert await api.ids(f"ports?mac_address={port['mac_address'].upper()}") == {port["id"]}
    assert await api.ids(f"ports?id={port['id']}&id={ports[0]['id']}&id=none") == {
        port["id"],
        ports[0]["id"],
    }
    assert len(await api.ids(f"ports?network_id={network['id']}")) == 4
    assert await api.ids(f"ports?fixed_ips=subnet_id%3D{other['id']}") == set()
    assert await api.ids("subnets?cidr=10.2.0.0/24&ip_version=4") == {other["id"]}
    assert await api.ids("subnets?gateway_ip=10.2.0.1") == {other["id"]}
    assert await api.ids("networks?router:external=True") == set()
    assert len(await api.ids("networks?shared=false&provider:network_type=vxlan")) == 2


async def test_an_indexed_filter_looks_at_nothing_else(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, ports = await some_ports(api)

    def scan(_kind: object) -> None:
        raise AssertionError("scanned")

    monkeypatch.setattr(api.store, "rows", scan)
    for query in (
        f"id={ports[0]['id']}",
        "name=p0",
        "device_id=vm0&status=DOWN",
        "binding:host_id=cn1",
        f"network_id={network['id']}",
        f"mac_address={ports[0]['mac_address']}",
        "fixed_ips=ip_address%3D10.1.0.2",
        "project_id=acme",
        "tenant_id=acme",
    ):
        await api.rows(f"ports?{query}")


async def test_fields(api: Api) -> None:
    await some_ports(api)
    rows = await api.rows("ports?fields=name&fields=status&fields=trunk_details&name=p1")
    assert rows == [{"name": "p1", "status": "DOWN"}]
    [port] = api.store.find(Port, "name", "p1")
    shown = await api.call("GET", f"ports/{port.id}?fields=id")
    assert shown == {"port": {"id": port.id}}


async def test_sorting(api: Api) -> None:
    _, ports = await some_ports(api)
    ids = [port["id"] for port in ports]

    async def order(query: str) -> list[int]:
        return [ids.index(row["id"]) for row in await api.rows(f"ports?{query}")]

    assert await order("sort_key=name&sort_dir=desc") == [3, 2, 1, 0]
    assert await order("sort_key=device_id&sort_key=name&sort_dir=desc&sort_dir=asc") == [
        1, 3, 0, 2,
    ]  # fmt: skip
    assert await order("sort_key=id") == sorted(range(4), key=lambda i: ids[i])


@pytest.mark.parametrize("sort", ["", "sort_key=name&sort_dir=desc", "sort_key=status"])
@pytest.mark.parametrize("limit", [1, 3, 4, 5])
async def test_pages_have_every_row_once_in_order(api: Api, sort: str, limit: int) -> None:
    names = [f"n{number}" for number in range(7)]
    random.Random(1).shuffle(names)
    await api.call("POST", "networks", {"networks": [{"name": n} for n in names]}, status=201)
    whole = [row["id"] for row in await api.rows(f"networks?{sort or 'sort_key=id'}")]

    async def walk(url: str, rel: str) -> list[list[str]]:
        pages = []
        while url:
            answer = await api.call("GET", url)
            pages.append([row["id"] for row in answer["networks"]])
            links = {link["rel"]: link["href"] for link in answer.get("networks_links", [])}
            split = urlsplit(links.get(rel, ""))
            url = f"{split.path}?{split.query}" if split.path else ""
            assert all(link.startswith("http://sdn.test/v2.0/networks?") for link in links.values())
        return pages

    forward = await walk(f"networks?limit={limit}&{sort}", "next")
    assert list(itertools.chain(*forward)) == whole
    assert all(len(page) == limit for page in forward[:-1])
    end = f"networks?limit={limit}&{sort}&marker={whole[-1]}&page_reverse=True"
    backward = await walk(end, "previous")
    assert list(itertools.chain(*reversed(backward))) == whole[:-1]


async def test_a_marker_that_the_filter_excludes_still_marks(api: Api) -> None:
    made = [await api.create("networks", name=name) for name in ("a", "b", "c")]
    query = f"sort_key=name&limit=5&marker={made[1]['id']}"
    page = await api.call("GET", f"networks?{query}&name=a&name=c")
    assert page["networks"] == [made[2]]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("colour=blue", "colour"),
        ("allocation_pools=x", "allocation_pools"),
        ("binding:vif_details=x", "binding:vif_details"),
        ("fixed_ips=x", "fixed_ips"),
        ("fixed_ips=ip_address%3Dx", "fixed_ips"),
        ("mac_address=x", "mac_address"),
        ("admin_state_up=x", "admin_state_up"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("sort_key=colour", "colour"),
        ("sort_key=fixed_ips", "fixed_ips"),
        ("sort_dir=asc", "sort_dirs"),
        ("sort_key=name&sort_dir=up", "sort_dir"),
        ("page_reverse=x", "page_reverse"),
        ("name=%ff", "query string"),
    ],
)
async def test_bad_queries(api: Api, query: str, text: str) -> None:
    await api.refused("GET", f"ports?{query}", None, 400, "HTTPBadRequest", text)


async def test_a_marker_must_be(api: Api) -> None:
    await api.refused("GET", "ports?marker=x&limit=1", None, 404, "PortNotFound", "x")


async def test_a_long_list_gives_others_their_turns(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdnctl.api.http.LONG", 3)
    monkeypatch.setattr("sdnctl.api.http.SLICE", 2)
    made = [await api.create("networks", name=f"n{number}") for number in range(7)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(others())
    await asyncio.sleep(0)
    turns = 0
    assert await api.rows("networks") == made
    assert turns >= 4
    waiting.cancel()
    page = await api.call("GET", "networks?limit=5&sort_key=name")
    assert page["networks"] == made[:5]
    assert [link["rel"] for link in page["networks_links"]] == ["next", "previous"]
    assert await api.rows("networks?fields=name&name=n1&name=n2&name=n3&name=n4") == [
        {"name": f"n{number}"} for number in range(1, 5)
    ]


async def test_a_filter_that_makes_no_sense_is_refused_beside_another(api: Api) -> None:
    network, _ = await api.network("10.0.0.0/24")
    await api.create("ports", network_id=network["id"])
    path = f"ports?network_id={network['id']}&fixed_ips=ip_address%3Dx"
    await api.refused("GET", path, None, 400, "HTTPBadRequest", "fixed_ips")


async def test_links_are_neutrons(api: Api) -> None:
    """Which looks no further than the page: before and after a full one there may be nothing."""
    for number in range(4):
        await api.create("networks", name=f"n{number}")

    async def links(query: str) -> list[str]:
        page = await api.call("GET", f"networks?sort_key=name&{query}")
        return [link["rel"] for link in page.get("networks_links", [])]

    assert await links("limit=4") == await links("limit=2") == ["next", "previous"]
    assert await links("limit=5") == ["previous"]
    assert await links("limit=5&page_reverse=True") == ["next"]
    assert await links("limit=4&page_reverse=True") == ["next", "previous"]
    assert await links("limit=5&name=none") == ["previous"]
    assert await links("") == await links("limit=0") == []
