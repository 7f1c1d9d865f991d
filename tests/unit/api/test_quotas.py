"""Quotas: whose they are, what they count, and that no two creates together exceed one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import Settings
from sdnctl.api.app import NEUTRON
from sdnctl.api.caller import Identity
from sdnctl.api.quotas import names, parse_default
from tests.unit.api.client import Api, Known, opened

EXCEEDED = (409, "OverQuota", "Quota exceeded for resources: ['port'].")


async def limit(api: Api, project_id: str, **limits: Any) -> Any:
    return (await api.call("PUT", f"quotas/{project_id}", {"quota": limits}))["quota"]


async def test_nothing_is_limited_until_somebody_says_so(api: Api) -> None:
    await api.create("networks", project_id="acme")
    for path in ("quotas/acme", "quotas/acme/default"):
        assert (await api.call("GET", path))["quota"] == dict.fromkeys(names(NEUTRON), -1)
    for path in ("quotas/acme/details.json", "quotas/acme/details"):
        details = (await api.call("GET", path))["quota"]
        assert details["network"] == {"limit": -1, "used": 1, "reserved": 0}
        assert details["port"]["used"] == 0
    assert await api.rows("quotas") == []


async def test_a_limit_is_set_shown_and_taken_away(api: Api) -> None:
    shown = await limit(api, "acme", network="2", port=0)
    assert (shown["network"], shown["port"], shown["subnet"]) == (2, 0, -1)
    shown = await limit(api, "acme", port=5)
    assert (shown["network"], shown["port"]) == (2, 5)
    [row] = await api.rows("quotas")
    assert (row["project_id"], row["tenant_id"], row["network"]) == ("acme", "acme", 2)
    assert (await api.call("GET", "quotas/acme/default"))["quota"]["network"] == -1
    await api.call("DELETE", "quotas/acme", status=204)
    assert await api.rows("quotas") == []
    await api.refused("DELETE", "quotas/acme", None, 404, "TenantQuotaNotFound", "acme")


async def test_a_create_beyond_the_limit_is_refused(api: Api) -> None:
    await limit(api, "acme", port=2)
    network = await api.create("networks", project_id="acme")
    port = {"network_id": network["id"], "project_id": "acme"}
    first = await api.create("ports", **port)
    await api.refused("POST", "ports", {"ports": [port, port]}, *EXCEEDED)
    # The owner is the network's, if none is named by an administrator.
    await api.create("ports", **port)
    await api.refused("POST", "ports", {"port": port}, *EXCEEDED)
    await api.create("ports", network_id=network["id"], project_id="other")
    assert (await api.call("GET", "quotas/acme/details"))["quota"]["port"]["used"] == 2
    await api.call("DELETE", f"ports/{first['id']}", status=204)
    await api.create("ports", **port)
    await limit(api, "acme", port=-1)
    await api.call("POST", "ports", {"ports": [port] * 3}, status=201)


async def test_routes_are_limited_by_the_router(api: Api) -> None:
    network, [subnet] = await api.network("10.0.0.0/24", project_id="acme")
    del network
    first, other = [await api.create("routers", project_id="acme") for _ in range(2)]
    path = f"routers/{first['id']}"
    await api.call("PUT", f"{path}/add_router_interface", {"subnet_id": subnet["id"]})

    def routes(*numbers: int) -> list[dict[str, str]]:
        return [{"destination": f"10.{n}.0.0/16", "nexthop": "10.0.0.9"} for n in numbers]

    await limit(api, "acme", router_route=2)
    over = (409, "OverQuota", "Quota exceeded for resources: ['router_route'].")
    await api.refused("PUT", path, {"router": {"routes": routes(1, 2, 3)}}, *over)
    await api.call("PUT", path, {"router": {"routes": routes(1, 2)}})
    more = {"router": {"routes": routes(3)}}
    await api.refused("PUT", f"{path}/add_extraroutes", more, *over)
    details = (await api.call("GET", "quotas/acme/details"))["quota"]["router_route"]
    assert details == {"limit": 2, "used": 0, "reserved": 0}
    # A limit below what is there takes nothing away.
    await limit(api, "acme", router_route=1, check_limit=True)
    await api.update("routers", first["id"], name="x")
    await api.call("PUT", f"{path}/remove_extraroutes", {"router": {"routes": routes(1)}})
    await api.refused("PUT", f"{path}/add_extraroutes", more, *over)
    assert (await api.update("routers", other["id"], name="y"))["routes"] == []


async def test_creates_of_one_flush_do_not_exceed_it_together(api: Api) -> None:
    await limit(api, "acme", port=5)
    network = await api.create("networks", project_id="acme")
    body = {"port": {"network_id": network["id"], "project_id": "acme"}}
    answers = await asyncio.gather(*(api.send("POST", "/v2.0/ports", body) for _ in range(9)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 4
    assert len(await api.rows("ports")) == 5


async def test_a_limit_may_be_below_what_is_there_unless_it_is_checked(api: Api) -> None:
    network = await api.create("networks", project_id="acme")
    await api.create("networks", project_id="acme")
    path, body = "quotas/acme", {"quota": {"network": 1, "check_limit": True}}
    await api.refused("PUT", path, body, 400, "HTTPBadRequest", "already used 2")
    assert (await limit(api, "acme", network=1, force=True))["network"] == 1
    await api.call("DELETE", f"networks/{network['id']}", status=204)
    await api.refused(
        "POST", "networks", {"network": {"project_id": "acme"}}, 409, "OverQuota", "network"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"quota": {"colour": 1}}, "Unrecognized attribute(s) 'colour'"),
        ({"quota": {"port": -2}}, "port"),
        ({"quota": {"port": "many"}}, "'many' is not an integer"),
        ({"quota": {"port": 1 << 40}}, "port"),
        ({"quota": []}, "quota"),
        ({}, "quota"),
        ([], "quota"),
    ],
)
async def test_nonsense_is_refused(api: Api, body: Any, text: str) -> None:
    await api.refused("PUT", "quotas/acme", body, 400, "HTTPBadRequest", text)


async def test_what_is_not_served(api: Api) -> None:
    await api.refused("POST", "quotas", {}, 405, "HTTPMethodNotAllowed")
    await api.refused("GET", "quotas/acme/colour", None, 404, "HTTPNotFound")
    assert await api.call("GET", "quotas/project") == {"project": {"project_id": ""}}


async def test_the_operators_defaults(tmp_path: Path) -> None:
    settings = Settings(quotas={"network": 1})
    async with opened(tmp_path / "db", settings=settings) as api:
        assert (await api.call("GET", "quotas/acme"))["quota"]["network"] == 1
        assert (await api.call("GET", "quotas/acme/default"))["quota"]["network"] == 1
        await api.create("networks", project_id="acme")
        body = {"network": {"project_id": "acme"}}
        await api.refused("POST", "networks", body, 409, "OverQuota", "network")
        await limit(api, "acme", network=2)
        await api.create("networks", project_id="acme")
    assert parse_default("port=7", NEUTRON) == ("port", 7)
    for text in ("port", "port=x", "colour=1", "port=-2"):
        with pytest.raises(ValueError, match=r"port|-2|'x'"):
            parse_default(text, NEUTRON)


async def test_whose_they_are(tmp_path: Path) -> None:
    known = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        blue=Identity(project_id="blue", roles=frozenset({"manager"})),
        auditor=Identity(roles=frozenset({"reader"}), system=True),
        admin=Identity(project_id="ops", roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=known) as api:
        await limit(api.by("admin"), "red", port=1)
        for token in ("red", "auditor", "admin"):
            assert (await api.by(token).call("GET", "quotas/red"))["quota"]["port"] == 1
        for path in ("quotas/red", "quotas/red/default", "quotas/red/details", "quotas"):
            await api.by("blue").refused("GET", path, None, 403, "PolicyNotAuthorized")
        for token in ("red", "auditor"):
            for method in ("PUT", "DELETE"):
                await api.by(token).refused(
                    method, "quotas/red", {"quota": {"port": 9}}, 403, "PolicyNotAuthorized"
                )
