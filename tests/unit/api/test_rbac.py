"""RBAC policies: who sees what because of one, and what follows for ``shared`` and ``external``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from sdnctl.intent import RbacPolicy
from tests.unit.api.client import Api, Known, opened

CALLERS = {
    "red": Identity(project_id="red", roles=frozenset({"member"})),
    "blue": Identity(project_id="blue", roles=frozenset({"member"})),
    "green": Identity(project_id="green", roles=frozenset({"member"})),
    "looker": Identity(project_id="red", roles=frozenset({"reader"})),
    "nobody": Identity(),
    "admin": Identity(project_id="ops", roles=frozenset({"admin"})),
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db", authenticator=Known(**CALLERS)) as found:
        yield found


def policy(id_: str, target: str, kind: str = "network", action: str = "shared") -> Any:
    return {
        "rbac_policy": {
            "object_type": kind,
            "object_id": id_,
            "target_tenant": target,
            "action": f"access_as_{action}",
        }
    }


async def share(api: Api, *given: str) -> str:
    made = await api.call("POST", "rbac-policies", policy(*given), status=201)
    return str(made["rbac_policy"]["id"])


async def test_a_project_sees_what_it_is_given_until_it_is_taken_away(api: Api) -> None:
    red, blue, green = (api.by(name) for name in ("red", "blue", "green"))
    network, [subnet] = await red.network("10.0.0.0/24")
    path = f"networks/{network['id']}"
    id_ = await share(red, network["id"], "blue")
    assert await blue.ids("networks") == await blue.ids("networks?name=") == {network["id"]}
    assert await blue.ids("subnets") == {subnet["id"]}
    shown = (await blue.call("GET", path))["network"]
    assert shown["revision_number"] == network["revision_number"] + 2  # a subnet, and a policy
    # It is shared for whom it is shared with, and its owner's alone for its owner.
    for one, shared in ((blue, True), (red, False), (api.by("admin"), False)):
        assert (await one.call("GET", path))["network"]["shared"] is shared
        assert [row["shared"] for row in await one.rows("networks?fields=shared")] == [shared]
        assert [row["shared"] for row in await one.rows("networks")] == [shared]
        assert await one.ids(f"networks?shared={shared}") == {network["id"]}
        assert await one.ids(f"networks?shared={not shared}") == set()
    for other in (green, api.by("nobody")):
        await other.refused("GET", path, None, 404, "NetworkNotFound")
        assert await other.ids("networks") == set()
    await blue.refused("PUT", path, {"network": {"name": "x"}}, 403, "PolicyNotAuthorized")
    port = await blue.create("ports", network_id=network["id"])
    where = f"rbac-policies/{id_}"
    await red.refused("DELETE", where, None, 409, "RbacPolicyInUse", "['blue']")
    moved = {"rbac_policy": {"target_tenant": "green"}}
    await red.refused("PUT", where, moved, 409, "RbacPolicyInUse")
    await blue.call("DELETE", f"ports/{port['id']}", status=204)
    changed = await red.call("PUT", where, moved)
    assert changed["rbac_policy"]["target_tenant"] == "green"
    assert await green.ids("networks") == {network["id"]}
    assert await blue.ids("networks") == set()
    await red.call("DELETE", where, status=204)
    assert await green.ids("networks") == set()


async def test_whose_policies_are(api: Api) -> None:
    red, blue, looker = (api.by(name) for name in ("red", "blue", "looker"))
    network = await red.create("networks")
    id_ = await share(red, network["id"], "blue")
    made = (await looker.call("GET", f"rbac-policies/{id_}"))["rbac_policy"]
    assert made == {
        "id": id_,
        "project_id": "red",
        "tenant_id": "red",
        "object_type": "network",
        "object_id": network["id"],
        "target_tenant": "blue",
        "action": "access_as_shared",
    }
    assert await red.ids(f"rbac-policies?object_id={network['id']}&action=access_as_shared") == {
        id_
    }
    assert await blue.ids("rbac-policies") == set()
    path = f"rbac-policies/{id_}"
    await blue.refused("DELETE", path, None, 404, "RbacPolicyNotFound", "RBAC policy")
    await looker.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    body = policy(network["id"], "green")
    await blue.refused("POST", "rbac-policies", body, 400, "InvalidInput", "do not own")
    await api.by("green").refused("POST", "rbac-policies", body, 404, "NetworkNotFound")
    everybody = policy(network["id"], "*")
    forbidden = ("PolicyNotAuthorized", "target_tenant")
    await red.refused("POST", "rbac-policies", everybody, 403, *forbidden)
    await red.refused("PUT", path, {"rbac_policy": {"target_tenant": "*"}}, 403, *forbidden)
    again = policy(network["id"], "blue")
    await red.refused("POST", "rbac-policies", again, 409, "DuplicateRbacPolicy")
    await red.call("DELETE", f"networks/{network['id']}", status=204)
    assert await red.ids("rbac-policies") == set()


async def test_shared_is_the_policy_for_everybody(api: Api) -> None:
    admin, blue = api.by("admin"), api.by("blue")
    network = await admin.create("networks", shared=True)
    [row] = await admin.rows("rbac-policies")
    assert (row["object_id"], row["target_tenant"]) == (network["id"], "*")
    assert await blue.ids("networks?shared=true") == {network["id"]}
    port = await blue.create("ports", network_id=network["id"])
    where = f"rbac-policies/{row['id']}"
    await admin.refused("DELETE", where, None, 409, "RbacPolicyInUse")
    closed = {"network": {"shared": False}}
    path = f"networks/{network['id']}"
    await admin.refused("PUT", path, closed, 409, "InvalidSharedSetting")
    own = await share(admin, network["id"], "blue")
    await admin.call("PUT", path, closed)
    assert [row["id"] for row in await admin.rows("rbac-policies")] == [own]
    assert (await blue.call("GET", path))["network"]["shared"] is True  # with it
    everybodys = await share(admin, network["id"], "*")
    assert (await blue.call("GET", path))["network"]["shared"] is True
    await admin.call("DELETE", f"rbac-policies/{everybodys}", status=204)
    await blue.call("DELETE", f"ports/{port['id']}", status=204)
    await admin.call("DELETE", f"rbac-policies/{own}", status=204)
    assert await blue.ids("networks") == set()


async def test_an_external_network_may_be_some_projects(api: Api) -> None:
    admin, blue, green = (api.by(name) for name in ("admin", "blue", "green"))
    network = await admin.create("networks", **{"router:external": True})
    [row] = await admin.rows("rbac-policies")
    assert (row["action"], row["target_tenant"]) == ("access_as_external", "*")
    assert await green.ids("networks") == {network["id"]}
    await share(admin, network["id"], "blue", "network", "external")
    await admin.call("DELETE", f"rbac-policies/{row['id']}", status=204)
    assert await blue.ids("networks") == {network["id"]}
    assert await green.ids("networks") == set()
    assert (await blue.call("GET", f"networks/{network['id']}"))["network"]["router:external"]
    port = {"port": {"network_id": network["id"]}}
    await blue.refused("POST", "ports", port, 403, "PolicyNotAuthorized")
    plain = await admin.create("networks")
    await share(admin, plain["id"], "green", "network", "external")
    shown = (await green.call("GET", f"networks/{plain['id']}"))["network"]
    assert shown["router:external"] is True
    await admin.update("networks", plain["id"], **{"router:external": False})
    assert await green.ids("networks") == set()


@pytest.mark.parametrize("kind", ["subnetpool", "address_scope"])
async def test_pools_and_scopes(api: Api, kind: str) -> None:
    red, blue, admin = (api.by(name) for name in ("red", "blue", "admin"))
    given: dict[str, Any] = {"name": "x"}
    given |= {"prefixes": ["10.0.0.0/8"]} if kind == "subnetpool" else {"ip_version": 4}
    collection = {"subnetpool": "subnetpools", "address_scope": "address-scopes"}[kind]
    made = await red.create(collection, **given)
    external = policy(made["id"], "blue", kind, "external")
    await red.refused("POST", "rbac-policies", external, 400, "InvalidInput")
    wrong = policy(made["id"], "blue", "network")
    await red.refused("POST", "rbac-policies", wrong, 404, "NetworkNotFound")
    id_ = await share(red, made["id"], "blue", kind)
    assert await blue.ids(collection) == {made["id"]}
    if kind == "subnetpool":
        network = await blue.create("networks")
        subnet = {"network_id": network["id"], "ip_version": 4, "prefixlen": 24}
        used = await blue.create("subnets", subnetpool_id=made["id"], **subnet)
        where = f"subnets/{used['id']}"
    else:
        given = {"name": "y", "prefixes": ["10.0.0.0/8"], "address_scope_id": made["id"]}
        where = f"subnetpools/{(await blue.create('subnetpools', **given))['id']}"
    path = f"rbac-policies/{id_}"
    await red.refused("DELETE", path, None, 409, "RbacPolicyInUse")
    await blue.call("DELETE", where, status=204)
    await red.call("DELETE", path, status=204)
    assert await blue.ids(collection) == set()
    await share(admin, made["id"], "*", kind)
    assert (await blue.call("GET", f"{collection}/{made['id']}"))[kind]["shared"] is True


async def test_a_pool_is_shared_with_whom_its_address_scope_is(api: Api) -> None:
    red, admin = api.by("red"), api.by("admin")
    scope = await admin.create("address-scopes", name="s", ip_version=4)
    await share(admin, scope["id"], "red", "address_scope")
    pool = await red.create(
        "subnetpools", name="p", prefixes=["10.0.0.0/8"], address_scope_id=scope["id"]
    )
    wish = policy(pool["id"], "blue", "subnetpool")
    await red.refused("POST", "rbac-policies", wish, 400, "InvalidInput", scope["id"])
    reds = await share(red, pool["id"], "red", "subnetpool")
    body = {"rbac_policy": {"target_tenant": "blue"}}
    await red.refused("PUT", f"rbac-policies/{reds}", body, 400, "InvalidInput", scope["id"])
    await share(admin, scope["id"], "blue", "address_scope")
    await share(red, pool["id"], "blue", "subnetpool")
    # The scope's owner keeps it free of clashes: what is in it changes by administrators' hands.
    path = f"subnetpools/{pool['id']}"
    more = {"prefixes": ["10.0.0.0/8", "172.16.0.0/12"]}
    for where, given in (
        (path, {"subnetpool": more}),
        (f"{path}/add_prefixes", {"prefixes": ["172.16.0.0/12"]}),
        (f"{path}/remove_prefixes", {"prefixes": ["10.0.0.0/9"]}),
    ):
        await red.refused("PUT", where, given, 400, "IllegalSubnetPoolUpdate", scope["id"])
    assert (await admin.update("subnetpools", pool["id"], **more))["prefixes"] == more["prefixes"]


async def test_a_security_group_is_used_as_it_is_by_whom_it_is_shared_with(api: Api) -> None:
    red, blue, green, admin = (api.by(name) for name in ("red", "blue", "green", "admin"))
    group = await red.create("security-groups", name="web")
    path = f"security-groups/{group['id']}"
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule |= {"port_range_min": 80, "port_range_max": 80}
    own_rule = await red.create("security-group-rules", **rule)
    network = await blue.create("networks")
    wanted = {"port": {"network_id": network["id"], "security_groups": [group["id"]]}}
    await blue.refused("POST", "ports", wanted, 404, "SecurityGroupNotFound")
    external = policy(group["id"], "blue", "security_group", "external")
    await red.refused("POST", "rbac-policies", external, 400, "InvalidInput")
    id_ = await share(red, group["id"], "blue", "security_group")
    assert group["id"] in await blue.ids("security-groups")
    assert group["id"] not in await green.ids("security-groups")
    shown = (await blue.call("GET", path))["security_group"]
    assert own_rule["id"] in {row["id"] for row in shown["security_group_rules"]}
    # Its rules are its owner's to look at one by one and to change.
    assert own_rule["id"] not in await blue.ids("security-group-rules")
    more = {"security_group_rule": rule | {"port_range_max": 81}}
    await blue.refused("POST", "security-group-rules", more, 403, "PolicyNotAuthorized")
    where = f"security-group-rules/{own_rule['id']}"
    await blue.refused("DELETE", where, None, 404, "SecurityGroupRuleNotFound")
    body = {"security_group": {"name": "mine"}}
    await blue.refused("PUT", path, body, 403, "PolicyNotAuthorized")
    await blue.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    mine = await blue.create("security-groups", name="mine")
    named = {"security_group_id": mine["id"], "direction": "ingress"}
    await blue.create("security-group-rules", **named, remote_group_id=group["id"])

    port = await blue.create("ports", **wanted["port"])
    assert port["security_groups"] == [group["id"]]
    policy_path = f"rbac-policies/{id_}"
    await red.refused("DELETE", policy_path, None, 409, "RbacPolicyInUse", "['blue']")
    await red.refused("DELETE", path, None, 409, "SecurityGroupInUse")
    # Who has it from everybody does not need it for itself.
    everybodys = await share(admin, group["id"], "*", "security_group")
    assert group["id"] in await green.ids("security-groups?shared=true")
    await red.call("DELETE", policy_path, status=204)
    await admin.refused("DELETE", f"rbac-policies/{everybodys}", None, 409, "RbacPolicyInUse")
    await blue.update("ports", port["id"], security_groups=[])
    await admin.call("DELETE", f"rbac-policies/{everybodys}", status=204)
    assert group["id"] not in await blue.ids("security-groups")
    again = await share(red, group["id"], "green", "security_group")
    await red.call("DELETE", path, status=204)
    assert api.store.get(RbacPolicy, again) is None


async def test_an_address_group_is_referred_to_by_whom_it_is_shared_with(api: Api) -> None:
    red, blue, admin = (api.by(name) for name in ("red", "blue", "admin"))
    group = await red.create("address-groups", name="far", addresses=["192.0.2.0/24"])
    path = f"address-groups/{group['id']}"
    mine = await blue.create("security-groups", name="mine")
    rule = {"security_group_id": mine["id"], "direction": "ingress"}
    rule |= {"remote_address_group_id": group["id"]}
    body = {"security_group_rule": rule}
    await blue.refused("POST", "security-group-rules", body, 404, "AddressGroupNotFound")
    id_ = await share(red, group["id"], "blue", "address_group")
    assert (await blue.call("GET", path))["address_group"]["addresses"] == ["192.0.2.0/24"]
    for action in ("add_addresses", "remove_addresses"):
        named = {"addresses": ["192.0.2.0/24"]}
        await blue.refused("PUT", f"{path}/{action}", named, 403, "PolicyNotAuthorized")
    await blue.refused("DELETE", path, None, 403, "PolicyNotAuthorized")
    made = await blue.create("security-group-rules", **rule)
    await red.refused("DELETE", f"rbac-policies/{id_}", None, 409, "RbacPolicyInUse", "['blue']")
    await red.refused("DELETE", path, None, 409, "AddressGroupInUse")
    await blue.call("DELETE", f"security-group-rules/{made['id']}", status=204)
    await red.call("DELETE", f"rbac-policies/{id_}", status=204)
    assert await blue.ids("address-groups") == set()
    await share(admin, group["id"], "*", "address_group")
    assert await blue.ids("address-groups?shared=true") == {group["id"]}
    await red.call("DELETE", path, status=204)
    assert await admin.rows("rbac-policies") == []


async def test_who_never_saw_it_is_not_shut_out(api: Api) -> None:
    """What an administrator did for one project does not hold a policy for another."""
    red, admin = api.by("red"), api.by("admin")
    network = await red.create("networks")
    await admin.create("ports", network_id=network["id"], project_id="blue")
    id_ = await share(red, network["id"], "green")
    await red.call("DELETE", f"rbac-policies/{id_}", status=204)
