"""QoS policies, their rules, and what uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.caller import Identity
from sdnctl.intent import DscpMarkingRule, FloatingIp
from sdnctl.store import Ranges
from tests.unit.api.client import Api, Known, opened
from tests.unit.api.cloud import external_network

GHOST = "00000000-0000-4000-8000-000000000000"

CALLERS = {
    "manager": Identity(project_id="red", roles=frozenset({"manager"})),
    "member": Identity(project_id="red", roles=frozenset({"member"})),
    "blue": Identity(project_id="blue", roles=frozenset({"manager"})),
    "admin": Identity(project_id="admin", roles=frozenset({"admin"})),
}


@pytest.fixture
async def anyone(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db", authenticator=Known(**CALLERS)) as found:
        yield found


async def policy(api: Api, **attributes: Any) -> dict[str, Any]:
    made = await api.call("POST", "qos/policies", {"policy": attributes}, status=201)
    return dict(made["policy"])


async def rule(api: Api, policy_id: str, kind: str, **attributes: Any) -> dict[str, Any]:
    path, name = f"qos/policies/{policy_id}/{kind}_rules", f"{kind}_rule"
    made = await api.call("POST", path, {name: attributes}, status=201)
    return dict(made[name])


async def test_a_policy_and_its_rules(api: Api) -> None:
    made = await policy(api, name="gold", description="d", project_id="p")
    assert (made["rules"], made["shared"], made["is_default"]) == ([], False, False)
    path = f"qos/policies/{made['id']}"
    limit = await rule(api, made["id"], "bandwidth_limit", max_kbps="1000")
    assert {k: v for k, v in limit.items() if k != "id"} == {
        "max_kbps": 1000,
        "max_burst_kbps": 0,
        "direction": "egress",
    }
    mark = await rule(api, made["id"], "dscp_marking", dscp_mark=26)
    least = await rule(api, made["id"], "minimum_bandwidth", min_kbps=10, direction="ingress")
    shown = (await api.call("GET", path))["policy"]["rules"]
    assert shown == [
        limit | {"qos_policy_id": made["id"], "type": "bandwidth_limit"},
        mark | {"qos_policy_id": made["id"], "type": "dscp_marking"},
        least | {"qos_policy_id": made["id"], "type": "minimum_bandwidth"},
    ]
    below = f"{path}/bandwidth_limit_rules"
    assert await api.call("GET", below) == {"bandwidth_limit_rules": [limit]}
    assert await api.rows(f"{below}?direction=ingress") == []
    body = {"bandwidth_limit_rule": {"max_kbps": 2000, "max_burst_kbps": 7}}
    changed = await api.call("PUT", f"{below}/{limit['id']}", body)
    assert changed["bandwidth_limit_rule"]["max_kbps"] == 2000
    shown = await api.call("GET", f"{below}/{limit['id']}")
    assert shown == changed
    await api.call("DELETE", f"{below}/{limit['id']}", status=204)
    await api.refused("GET", f"{below}/{limit['id']}", None, 404, "QosRuleNotFound", made["id"])
    other = await policy(api)
    wrong = f"qos/policies/{other['id']}/dscp_marking_rules/{mark['id']}"
    await api.refused("GET", wrong, None, 404, "QosRuleNotFound", mark["id"], other["id"])
    await api.call("DELETE", path, status=204)
    assert not api.store.rows(DscpMarkingRule)
    await api.refused("GET", path, None, 404, "QosPolicyNotFound", "QoS policy", made["id"])


async def test_rules_by_their_own_ids(api: Api) -> None:
    made = await policy(api)
    limit = await rule(api, made["id"], "bandwidth_limit", max_kbps=1000)
    mark = await rule(api, made["id"], "dscp_marking", dscp_mark=26)
    path = f"qos/alias-bandwidth-limit-rules/{limit['id']}"
    assert await api.call("GET", path) == {"alias_bandwidth_limit_rule": limit}
    body = {"alias_bandwidth_limit_rule": {"max_kbps": 5}}
    answer = await api.call("PUT", path, body)
    assert answer["alias_bandwidth_limit_rule"]["max_kbps"] == 5
    await api.call("DELETE", path, status=204)
    await api.refused("GET", path, None, 404, "QosRuleNotFound", limit["id"])
    wrong = f"qos/alias-bandwidth-limit-rules/{mark['id']}"
    await api.refused("GET", wrong, None, 404, "QosRuleNotFound", mark["id"])
    await api.call("DELETE", f"qos/alias-dscp-marking-rules/{mark['id']}", status=204)
    await api.refused("GET", "qos/alias-dscp-marking-rules", None, 404, "HTTPNotFound")


async def test_rules_that_do_not_fit(api: Api) -> None:
    made = await policy(api)
    path = f"qos/policies/{made['id']}"
    limit = await rule(api, made["id"], "bandwidth_limit", max_kbps=1000)
    await rule(api, made["id"], "bandwidth_limit", max_kbps=500, direction="ingress")
    await rule(api, made["id"], "dscp_marking", dscp_mark=26)
    body: Any
    for kind, body, status, error, text in (
        ("bandwidth_limit", {"max_kbps": 9}, 409, "QoSRulesConflict", limit["id"]),
        ("dscp_marking", {"dscp_mark": 10}, 409, "QoSRulesConflict", "dscp_marking"),
        ("minimum_bandwidth", {"min_kbps": 1001}, 409, "QoSRuleParameterConflict", "1001"),
        ("dscp_marking", {"dscp_mark": 11}, 400, "HTTPBadRequest", "dscp_mark"),
        ("dscp_marking", {}, 400, "HTTPBadRequest", "dscp_mark"),
        ("bandwidth_limit", {"max_kbps": -1}, 400, "HTTPBadRequest", "max_kbps"),
        ("bandwidth_limit", {"max_kbps": 1 << 31}, 400, "HTTPBadRequest", "max_kbps"),
        ("bandwidth_limit", {"max_kbps": 1, "direction": "up"}, 400, "HTTPBadRequest", "up"),
    ):
        where = f"{path}/{kind}_rules"
        await api.refused("POST", where, {f"{kind}_rule": body}, status, error, text)
    body = {"bandwidth_limit_rule": {"direction": "ingress"}}
    where = f"{path}/bandwidth_limit_rules/{limit['id']}"
    await api.refused("PUT", where, body, 409, "QoSRulesConflict")
    least = await rule(api, made["id"], "minimum_bandwidth", min_kbps=1000)
    body = {"bandwidth_limit_rule": {"max_kbps": 999}}
    await api.refused("PUT", where, body, 409, "QoSRuleParameterConflict", "1000")
    assert least["direction"] == "egress"
    missing = f"qos/policies/{GHOST}/dscp_marking_rules"
    body = {"dscp_marking_rule": {"dscp_mark": 10}}
    await api.refused("POST", missing, body, 404, "QosPolicyNotFound", GHOST)


async def test_networks_and_ports_have_policies(api: Api) -> None:
    gold, silver = await policy(api), await policy(api)
    network = await api.create("networks", qos_policy_id=gold["id"])
    port = await api.create("ports", network_id=network["id"])
    assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (None, gold["id"])
    port = await api.update("ports", port["id"], qos_policy_id=silver["id"])
    assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (silver["id"], gold["id"])
    assert await api.ids(f"ports?qos_policy_id={silver['id']}") == {port["id"]}
    assert await api.ids(f"networks?qos_policy_id={gold['id']}") == {network["id"]}
    for which, user in ((gold, f"network {network['id']}"), (silver, f"port {port['id']}")):
        path = f"qos/policies/{which['id']}"
        await api.refused("DELETE", path, None, 409, "QosPolicyInUse", which["id"], user)
    body = {"port": {"qos_policy_id": GHOST}}
    await api.refused("PUT", f"ports/{port['id']}", body, 404, "QosPolicyNotFound", GHOST)
    body = {"network": {"qos_policy_id": GHOST}}
    await api.refused("POST", "networks", body, 404, "QosPolicyNotFound", GHOST)
    assert (await api.update("ports", port["id"], qos_policy_id=None))["qos_policy_id"] is None
    await api.update("networks", network["id"], qos_policy_id=None)
    for which in (gold, silver):
        await api.call("DELETE", f"qos/policies/{which['id']}", status=204)


async def test_floating_ips_have_policies(api: Api) -> None:
    gold = await policy(api)
    external, _ = await external_network(api, "203.0.113.0/24")
    of = {"floating_network_id": external["id"]}
    one = await api.create("floatingips", **of, qos_policy_id=gold["id"])
    other = await api.create("floatingips", **of)
    assert (one["qos_policy_id"], other["qos_policy_id"]) == (gold["id"], None)
    assert await api.ids(f"floatingips?qos_policy_id={gold['id']}") == {one["id"]}
    path, user = f"qos/policies/{gold['id']}", f"fip {one['id']}"
    await api.refused("DELETE", path, None, 409, "QosPolicyInUse", gold["id"], user)
    for method, where, given in (
        ("PUT", f"floatingips/{one['id']}", {}),
        ("POST", "floatingips", of),
    ):
        body = {"floatingip": given | {"qos_policy_id": GHOST}}
        await api.refused(method, where, body, 404, "QosPolicyNotFound", GHOST)

    def meter(floating: dict[str, Any]) -> int:
        row = api.store.get(FloatingIp, floating["id"])
        assert row is not None
        return row.meter

    # The number that it is limited by is its own, from its first policy to its end.
    first = meter(one)
    assert first > 0
    assert meter(other) == 0
    assert (await api.update("floatingips", one["id"], qos_policy_id=None))["qos_policy_id"] is None
    await api.update("floatingips", other["id"], qos_policy_id=gold["id"])
    assert meter(one) == first
    assert meter(other) not in {0, first}
    for floating in (one, other):
        await api.call("DELETE", f"floatingips/{floating['id']}", status=204)
    await api.call("DELETE", path, status=204)


async def test_gateways_have_policies(api: Api) -> None:
    gold, silver = await policy(api), await policy(api)
    external, _ = await external_network(api, "203.0.113.0/24")
    info = {"network_id": external["id"]}

    async def changed(router: Any, **more: Any) -> Any:
        info_now = info | more
        made = await api.update("routers", router["id"], external_gateway_info=info_now)
        return made["external_gateway_info"]

    router = await api.create("routers", external_gateway_info=info | {"qos_policy_id": gold["id"]})
    assert router["external_gateway_info"]["qos_policy_id"] == gold["id"]
    user = f"router {router['id']}"
    path = f"qos/policies/{gold['id']}"
    await api.refused("DELETE", path, None, 409, "QosPolicyInUse", gold["id"], user)
    # What is not spoken of stays, as in Neutron.
    assert (await changed(router, enable_snat=False))["qos_policy_id"] == gold["id"]
    assert (await changed(router, qos_policy_id=silver["id"]))["qos_policy_id"] == silver["id"]
    where, body = f"routers/{router['id']}", {"external_gateway_info": info}
    ghost = {"router": {"external_gateway_info": info | {"qos_policy_id": GHOST}}}
    await api.refused("PUT", where, ghost, 404, "QosPolicyNotFound", GHOST)
    down = {"router": {"admin_state_up": False, "distributed": True}}
    await api.refused("PUT", where, down, 400, "BadRequest", "distributed router")
    assert "qos_policy_id" not in await changed(router, qos_policy_id=None)
    made = {"router": body | {"distributed": True}}
    made["router"]["external_gateway_info"] = info | {"qos_policy_id": gold["id"]}
    await api.refused("POST", "routers", made, 400, "BadRequest", "distributed router")
    await changed(router, qos_policy_id=gold["id"])
    await api.update("routers", router["id"], external_gateway_info={})
    await api.call("DELETE", path, status=204)


async def test_numbers_to_limit_by_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", ranges=Ranges(meters=(1, 1))) as api:
        gold = await policy(api)
        external, _ = await external_network(api, "203.0.113.0/24")
        given = {"floating_network_id": external["id"], "qos_policy_id": gold["id"]}
        one = await api.create("floatingips", **given)
        body = {"floatingip": given}
        await api.refused("POST", "floatingips", body, 503, "ServiceUnavailable", "No meter")
        await api.call("DELETE", f"floatingips/{one['id']}", status=204)
        await api.create("floatingips", **given)


async def test_who_uses_a_policy_for_an_address_keeps_it_open(anyone: Api) -> None:
    admin, blue, manager = (anyone.by(name) for name in ("admin", "blue", "manager"))
    external, _ = await external_network(admin, "203.0.113.0/24")
    gold = await policy(manager)
    given = {"floating_network_id": external["id"], "qos_policy_id": gold["id"]}
    body = {"floatingip": given}
    await blue.refused("POST", "floatingips", body, 404, "QosPolicyNotFound")
    named = {"object_type": "qos_policy", "object_id": gold["id"], "target_tenant": "blue"}
    shared = {"rbac_policy": named | {"action": "access_as_shared"}}
    made = await manager.call("POST", "rbac-policies", shared, status=201)
    floating = await blue.create("floatingips", **given)
    path = f"rbac-policies/{made['rbac_policy']['id']}"
    await manager.refused("DELETE", path, None, 409, "RbacPolicyInUse", "blue")
    await blue.call("DELETE", f"floatingips/{floating['id']}", status=204)
    await manager.call("DELETE", path, status=204)


async def test_a_project_has_one_default(api: Api) -> None:
    first = await policy(api, is_default=True, project_id="p")
    body = {"policy": {"is_default": True, "project_id": "p"}}
    await api.refused("POST", "qos/policies", body, 409, "QoSPolicyDefaultAlreadyExists", "p")
    await policy(api, is_default=True, project_id="q")
    other = await policy(api, project_id="p")
    made = await api.create("networks", project_id="p")
    assert made["qos_policy_id"] == first["id"]
    named = await api.create("networks", project_id="p", qos_policy_id=other["id"])
    assert named["qos_policy_id"] == other["id"]
    assert (await api.create("networks", project_id="r"))["qos_policy_id"] is None
    path = f"qos/policies/{first['id']}"
    await api.call("PUT", path, {"policy": {"is_default": False}})
    assert (await api.create("networks", project_id="p"))["qos_policy_id"] is None
    assert (await api.call("GET", f"networks/{made['id']}"))["network"]["qos_policy_id"]


async def test_rule_types(api: Api) -> None:
    listed = await api.call("GET", "qos/rule-types")
    assert listed == {"rule_types": [{"type": "bandwidth_limit"}, {"type": "dscp_marking"}]}
    every = await api.rows("qos/rule-types?all_rules=true")
    assert {"type": "minimum_bandwidth"} in every
    shown = (await api.call("GET", "qos/rule-types/dscp_marking"))["rule_type"]
    (driver,) = shown["drivers"]
    assert driver["supported_parameters"][0]["parameter_values"][-1] == 56
    await api.call("GET", "qos/rule-types/minimum_bandwidth", status=404)


async def test_tags_are_where_neutron_has_them(api: Api) -> None:
    made = await policy(api, name="gold")
    await api.call("PUT", f"policies/{made['id']}/tags/blue", status=201)
    assert await api.call("GET", f"qos/policies/{made['id']}/tags") == {"tags": ["blue"]}
    assert await api.ids("qos/policies?tags=blue") == {made["id"]}
    await api.refused("GET", f"policies/{made['id']}", None, 404, "HTTPNotFound")
    await api.refused("GET", f"networks/{made['id']}/tags", None, 404, "NetworkNotFound")


async def test_what_a_type_of_rules_takes_is_the_operators(anyone: Api) -> None:
    for name in ("manager", "member"):
        by = anyone.by(name)
        assert len(await by.rows("qos/rule-types")) == 2
        path = "qos/rule-types/dscp_marking"
        await by.refused("GET", path, None, 403, "PolicyNotAuthorized", "get_rule_type")


async def test_whose_policies_are(anyone: Api) -> None:
    """Managers make them; others look; what is shared is used, and left alone."""
    body: Any
    manager, member, blue, admin = (anyone.by(n) for n in ("manager", "member", "blue", "admin"))
    body = {"policy": {"name": "x"}}
    await member.refused("POST", "qos/policies", body, 403, "PolicyNotAuthorized")
    mine = await policy(manager, name="mine")
    await rule(manager, mine["id"], "dscp_marking", dscp_mark=10)
    assert len((await member.call("GET", f"qos/policies/{mine['id']}"))["policy"]["rules"]) == 1
    await blue.call("GET", f"qos/policies/{mine['id']}", status=404)
    body = {"policy": {"shared": True}}
    path = f"qos/policies/{mine['id']}"
    await manager.refused("PUT", path, body, 403, "PolicyNotAuthorized", "shared")
    await admin.call("PUT", path, body)
    assert (await blue.call("GET", path))["policy"]["rules"][0]["dscp_mark"] == 10
    body = {"bandwidth_limit_rule": {"max_kbps": 1}}
    call = ("POST", f"{path}/bandwidth_limit_rules", body)
    await blue.refused(*call, 403, "PolicyNotAuthorized", "create_policy_bandwidth_limit_rule")
    network = await blue.create("networks", qos_policy_id=mine["id"])
    body = {"policy": {"shared": False}}
    await admin.refused("PUT", path, body, 409, "RbacPolicyInUse", mine["id"], "blue")
    # A policy of another's, put upon a port by the operator, is not its owner's to take off.
    theirs = await policy(admin, name="theirs")
    port = await admin.create(
        "ports", network_id=network["id"], project_id="blue", qos_policy_id=theirs["id"]
    )
    body = {"port": {"qos_policy_id": None}}
    call = ("PUT", f"ports/{port['id']}", body)
    await blue.refused(*call, 403, "PolicyRemoveAuthorizationError", theirs["id"])
    await blue.update("ports", port["id"], name="renamed")
    await blue.update("networks", network["id"], qos_policy_id=None)
    await admin.call("PUT", path, {"policy": {"shared": False}})
    await blue.call("GET", path, status=404)


async def test_a_policy_is_opened_to_one_project(anyone: Api) -> None:
    manager, blue, admin = (anyone.by(n) for n in ("manager", "blue", "admin"))
    mine = await policy(manager)
    said = {"object_type": "qos_policy", "object_id": mine["id"], "action": "access_as_shared"}
    body = {"rbac_policy": said | {"target_tenant": "blue"}}
    opened_to = (await manager.call("POST", "rbac-policies", body, status=201))["rbac_policy"]
    network = await blue.create("networks", qos_policy_id=mine["id"])
    call = ("DELETE", f"rbac-policies/{opened_to['id']}", None)
    await manager.refused(*call, 409, "RbacPolicyInUse", mine["id"])
    await blue.update("networks", network["id"], qos_policy_id=None)
    await manager.call("DELETE", f"rbac-policies/{opened_to['id']}", status=204)
    await blue.call("GET", f"qos/policies/{mine['id']}", status=404)
    await admin.call("DELETE", f"qos/policies/{mine['id']}", status=204)
