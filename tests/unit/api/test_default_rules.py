"""What new security groups allow from the start, as an administrator has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from sdnctl.intent import DefaultRule
from tests.unit.api.client import Api, Known, opened

RULES = "default-security-group-rules"
CALLERS = {
    "red": Identity(project_id="red", roles=frozenset({"member"})),
    "blue": Identity(project_id="blue", roles=frozenset({"member"})),
    "green": Identity(project_id="green", roles=frozenset({"member"})),
    "admin": Identity(project_id="ops", roles=frozenset({"admin"})),
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db", authenticator=Known(**CALLERS)) as found:
        yield found


def allowed(group: Any) -> set[tuple[str, str, str | None]]:
    """What a group lets through, by direction, version and remote group."""
    return {
        (rule["direction"], rule["ethertype"], rule["remote_group_id"])
        for rule in group["security_group_rules"]
    }


async def default_group(api: Api) -> Any:
    [group] = await api.rows("security-groups?name=default")
    return group


async def test_they_begin_as_those_of_neutron(api: Api) -> None:
    rows = await api.by("red").rows(RULES)
    names = ("direction", "ethertype", "remote_group_id")
    used = ("used_in_default_sg", "used_in_non_default_sg")
    assert {tuple(row[name] for name in (*names, *used)) for row in rows} == {
        ("egress", "IPv4", None, True, True),
        ("egress", "IPv6", None, True, True),
        ("ingress", "IPv4", "PARENT", True, False),
        ("ingress", "IPv6", "PARENT", True, False),
    }
    assert set(rows[0]) == {
        *("id", "description", "direction", "ethertype", "protocol", "port_range_min"),
        *("port_range_max", "remote_ip_prefix", "remote_group_id", "remote_address_group_id"),
        *("used_in_default_sg", "used_in_non_default_sg"),
        *("created_at", "updated_at", "revision_number"),
    }
    assert "Legacy default SG rule for" in rows[0]["description"]
    revision = api.store.revision
    assert await api.by("blue").rows(RULES) == rows
    assert api.store.revision == revision
    one = await api.by("blue").call("GET", f"{RULES}/{rows[0]['id']}")
    assert one["default_security_group_rule"] == rows[0]


async def test_a_new_group_has_them_and_an_old_one_stays_as_it_is(api: Api) -> None:
    red, blue, admin = (api.by(name) for name in ("red", "blue", "admin"))
    old = await default_group(red)
    for row in await admin.rows(f"{RULES}?direction=egress"):
        await admin.call("DELETE", f"{RULES}/{row['id']}", status=204)
    web: dict[str, Any] = {"direction": "ingress", "protocol": "tcp", "description": "web"}
    web |= {"port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "10.0.0.0/8"}
    made = await admin.create(RULES, **web)
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (False, True)
    used = {"used_in_default_sg": True, "used_in_non_default_sg": False}
    await admin.create(RULES, direction="egress", ethertype="IPv6", protocol="icmp", **used)

    assert await default_group(red) == old
    group = await default_group(blue)
    mine = group["id"]
    assert allowed(group) == {
        ("ingress", "IPv4", mine),
        ("ingress", "IPv6", mine),
        ("egress", "IPv6", None),
    }
    named = await blue.create("security-groups", name="web")
    [rule] = named["security_group_rules"]
    assert (rule["project_id"], rule["remote_ip_prefix"]) == ("blue", "10.0.0.0/8")
    assert (rule["port_range_min"], rule["description"]) == (80, "")
    # All may go; then nothing is allowed, and they do not come back.
    for row in await admin.rows(RULES):
        await admin.call("DELETE", f"{RULES}/{row['id']}", status=204)
    assert await admin.rows(RULES) == []
    assert allowed(await default_group(api.by("green"))) == set()


async def test_itself_is_each_new_group(api: Api) -> None:
    admin, red = api.by("admin"), api.by("red")
    await admin.create(RULES, direction="ingress", remote_group_id="PARENT")
    one, other = [await red.create("security-groups", name=name) for name in ("one", "other")]
    assert ("ingress", "IPv4", one["id"]) in allowed(one)
    assert ("ingress", "IPv4", other["id"]) in allowed(other)


async def test_what_is_refused(api: Api) -> None:
    admin, red = api.by("admin"), api.by("red")
    [first, *_] = await admin.rows(f"{RULES}?direction=egress&ethertype=IPv4")

    def body(**given: Any) -> Any:
        return {"default_security_group_rule": {"direction": "egress"} | given}

    await red.refused("POST", RULES, body(protocol="tcp"), 403, "PolicyNotAuthorized")
    path = f"{RULES}/{first['id']}"
    await red.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    change = {"default_security_group_rule": {"description": "x"}}
    await admin.refused("PUT", path, change, 400, "HTTPBadRequest", "read-only")
    again = (409, "DefaultSecurityGroupRuleExists", first["id"])
    await admin.refused("POST", RULES, body(), *again)
    only = {"used_in_default_sg": True, "used_in_non_default_sg": False}
    await admin.refused("POST", RULES, body(**only), *again)
    twice = {"default_security_group_rules": [{"direction": "egress", "protocol": "tcp"}] * 2}
    await admin.refused("POST", RULES, twice, 409, "DefaultSecurityGroupRuleExists")
    ports = body(port_range_min=1, port_range_max=2)
    await admin.refused("POST", RULES, ports, 400, "SecurityGroupProtocolRequiredWithPorts")
    nowhere = "11111111-1111-1111-1111-111111111111"
    group = body(remote_group_id=nowhere)
    await admin.refused("POST", RULES, group, 404, "SecurityGroupNotFound")
    address = body(remote_address_group_id=nowhere)
    await admin.refused("POST", RULES, address, 404, "AddressGroupNotFound")
    missing = ("DefaultSecurityGroupRuleNotFound", f"rule {nowhere} does not exist")
    await admin.refused("DELETE", f"{RULES}/{nowhere}", None, 404, *missing)
    quota = {"quota": {"default_security_group_rule": 1}}
    await admin.refused("PUT", "quotas/red", quota, 400, "HTTPBadRequest", "Unrecognized")


async def test_what_they_name_is_there_as_long(api: Api) -> None:
    admin, red = api.by("admin"), api.by("red")
    far = await admin.create("address-groups", addresses=["192.0.2.0/24"])
    near = await admin.create("security-groups", name="near")
    given = {"direction": "ingress"}
    to_far = await admin.create(RULES, **given, remote_address_group_id=far["id"])
    to_near = await admin.create(RULES, **given, remote_group_id=near["id"])
    path = f"address-groups/{far['id']}"
    await admin.refused("DELETE", path, None, 409, "AddressGroupInUse")
    await admin.call("DELETE", f"{RULES}/{to_far['id']}", status=204)
    await admin.call("DELETE", path, status=204)
    await admin.call("DELETE", f"security-groups/{near['id']}", status=204)
    assert api.store.get(DefaultRule, to_near["id"]) is None
    assert allowed(await red.create("security-groups", name="x")) == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
    }
