"""Pages are the same whether they are walked to or sorted, and are not held up by the rest."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import pages
from sdnctl.api.caller import Identity
from tests.unit.api.client import Api, Known, opened

QUERIES = [
    "limit=7",
    "limit=7&page_reverse=True",
    "limit=3&sort_key=name",
    "limit=3&sort_key=name&sort_dir=desc",
    "limit=5&sort_key=created_at&sort_dir=desc",
    "limit=5&sort_key=device_id&device_owner=compute:nova",
    "limit=5&device_owner=network:dhcp",
    "limit=4&tags=x",
    "limit=4&tags=x,y",
    "limit=4&tags-any=x,y&name=a",
    "limit=4&not-tags=x",
    "limit=4&status=DOWN&sort_key=id&sort_dir=desc",
    "limit=4&name=a&name=b",
    "limit=4&project_id=red",
    "limit=4&fixed_ips=ip_address_substr%3D10.0.0.1",
]


async def everything(api: Api, query: str) -> list[list[str]]:
    """The ids of each page, from one to the next."""
    found, url = [], f"/v2.0/ports?{query}"
    while url:
        answer = await api.call("GET", url)
        found.append([row["id"] for row in answer["ports"]])
        links = {link["rel"]: link["href"] for link in answer.get("ports_links", [])}
        url = links.get("previous" if "page_reverse" in query else "next", "")
        url = url.removeprefix("http://sdn.test")
        assert len(found) < 60
    return found


@pytest.fixture
async def api(tmp_path: Path) -> Any:
    callers = Known(
        admin=Identity(project_id="red", roles=frozenset({"admin"})),
        red=Identity(project_id="red", roles=frozenset({"member"})),
    )
    chance = random.Random(3)
    async with opened(tmp_path / "db", authenticator=callers) as api:
        admin = api.by("admin")
        network, _ = await admin.network("10.0.0.0/24", shared=True)
        bodies = [
            {
                "network_id": network["id"],
                "name": chance.choice(("a", "b", "")),
                "device_id": str(number % 9),
                "device_owner": chance.choice(("compute:nova", "", "network:dhcp")),
                "project_id": chance.choice(("red", "blue")),
                "tags": chance.choice(([], [], ["x"], ["x", "y"], ["y"])),
            }
            for number in range(80)
        ]
        await admin.call("POST", "ports", {"ports": bodies}, status=201)
        yield api


@pytest.mark.parametrize("who", ["admin", "red"])
async def test_walked_or_sorted(api: Api, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = api.by(who)

    async def all_pages() -> list[list[list[str]]]:
        return [await everything(caller, query) for query in QUERIES]

    monkeypatch.setattr("sdnctl.api.query.walks", lambda *_: False)
    by_sorting = await all_pages()
    monkeypatch.setattr("sdnctl.api.query.walks", lambda *_: True)
    monkeypatch.setattr(pages, "SLICE", 8)
    assert await all_pages() == by_sorting
    # And so they are once the order that was made is kept through changes.
    for row in (await caller.rows("ports?device_owner=network:dhcp"))[:9]:
        await api.by("admin").call("DELETE", f"ports/{row['id']}", status=204)
    for row in (await caller.rows("ports?name=a"))[:9]:
        await api.by("admin").update("ports", row["id"], name="c")
    by_walking = await all_pages()
    monkeypatch.setattr("sdnctl.api.query.walks", lambda *_: False)
    assert by_walking == await all_pages()
    assert [sum(map(len, found)) for found in by_walking] != [0] * len(QUERIES)


async def test_who_looks_at_all_rows_lets_others_look(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SLICE", 4)
    done: list[str] = []

    async def ask(name: str, path: str) -> None:
        await api.by("admin").call("GET", path)
        done.append(name)

    long = asyncio.create_task(ask("long", "ports?status=DOWN&device_owner=compute:nova"))
    await asyncio.sleep(0)
    await ask("short", "networks?limit=1")
    await long
    assert done == ["short", "long"]


def test_what_is_rare_is_sorted_and_what_is_frequent_walked_to() -> None:
    assert pages.walks(100_000, 100_000, 100)
    assert not pages.walks(100_000, 100_000, 0)
    assert not pages.walks(100_000, 1_000, 100)
    assert not pages.walks(1_000, 1_000, 10)
