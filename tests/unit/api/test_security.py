"""Security groups, rules, address groups, and what ports say of them, as Neutron answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api import Settings
from sdnctl.api.caller import Identity
from tests.unit.api.client import Api, Known, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db") as api:
        yield api


async def default_group(api: Api) -> Any:
    [group] = await api.rows("security-groups?name=default")
    return group


async def test_the_default_group_is_there_when_looked_for(api: Api) -> None:
    group = await default_group(api)
    rules = {
        (rule["direction"], rule["ethertype"], rule["remote_group_id"])
        for rule in group["security_group_rules"]
    }
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    assert all(rule["belongs_to_default_sg"] for rule in group["security_group_rules"])
    assert (await default_group(api))["id"] == group["id"]
    path = f"security-groups/{group['id']}"
    body = {"security_group": {"name": "other"}}
    await api.refused("PUT", path, body, 409, "SecurityGroupCannotUpdateDefault")
    changed = await api.update("security-groups", group["id"], description="ours")
    assert changed["description"] == "ours"
    for name in ("default", "Default"):
        body = {"security_group": {"name": name}}
        kind = "SecurityGroupDefaultAlreadyExists"
        await api.refused("POST", "security-groups", body, 409, kind)


async def test_an_administrator_clears_away_a_default_group(tmp_path: Path) -> None:
    """As those who delete projects do; a project that looks again has a new one."""
    callers = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        admin=Identity(project_id="cloud", roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=callers) as api:
        red, admin = api.by("red"), api.by("admin")
        [group] = await red.rows("security-groups")
        path = f"security-groups/{group['id']}"
        await red.refused("DELETE", path, None, 409, "SecurityGroupCannotRemoveDefault")
        network = await red.create("networks")
        port = await red.create("ports", network_id=network["id"])
        await admin.refused("DELETE", path, None, 409, "SecurityGroupInUse")
        await red.call("DELETE", f"ports/{port['id']}", status=204)
        await admin.call("DELETE", path, status=204)
        assert await admin.rows("security-group-rules?project_id=red") == []
        [another] = await red.rows("security-groups")
        assert another["name"] == "default"
        assert another["id"] != group["id"]


async def test_an_administrator_looks_for_the_default_group_of_a_project(tmp_path: Path) -> None:
    callers = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        admin=Identity(project_id="cloud", roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=callers) as api:
        red, admin = api.by("red"), api.by("admin")
        for name in ("project_id", "tenant_id"):
            [group] = await admin.rows(f"security-groups?{name}=new-{name}&name=default")
            assert group["project_id"] == f"new-{name}"
        assert await admin.rows("security-groups?project_id=cloud") != []
        # Who is no administrator makes none for others.
        assert await red.rows("security-groups?project_id=blue") == []
        assert {row["project_id"] for row in await admin.rows("security-groups")} == {
            "new-project_id",
            "new-tenant_id",
            "cloud",
            "red",
        }


async def test_a_rule_that_an_administrator_adds_is_its_groups_owners(tmp_path: Path) -> None:
    callers = Known(
        red=Identity(project_id="red", roles=frozenset({"manager"})),
        admin=Identity(project_id="cloud", roles=frozenset({"admin"})),
    )
    async with opened(tmp_path / "db", authenticator=callers) as api:
        red, admin = api.by("red"), api.by("admin")
        group = await red.create("security-groups", name="web")
        given = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
        made = await admin.create("security-group-rules", **given)
        assert made["project_id"] == "red"
        assert made["id"] in await red.ids("security-group-rules")
        await red.call("DELETE", f"security-group-rules/{made['id']}", status=204)


async def test_a_group_needs_room_for_the_rules_that_it_begins_with(tmp_path: Path) -> None:
    settings = Settings(quotas={"security_group_rule": 5})
    async with opened(tmp_path / "db", settings=settings) as api:
        await default_group(api)  # with four rules
        body: Any = {"security_group": {"name": "web"}}
        kind, text = "OverQuota", "Quota exceeded for resources: ['security_group_rule']"
        await api.refused("POST", "security-groups", body, 409, kind, text)
        [rule, *_] = await api.rows("security-group-rules?direction=ingress")
        await api.call("DELETE", f"security-group-rules/{rule['id']}", status=204)
        await api.call("POST", "security-groups", body, status=201)


@pytest.mark.parametrize("protocol", ["ipv6-encap", "ipv6-frag", "ipv6-nonxt", 43, "60", "icmpv6"])
async def test_what_is_ipv6s_is_not_in_ipv4(api: Api, protocol: str | int) -> None:
    group = await api.create("security-groups", name="web")
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": protocol}
    kind = "SecurityGroupEthertypeConflictWithProtocol"
    body = {"security_group_rule": rule}
    await api.refused("POST", "security-group-rules", body, 400, kind, str(protocol))
    await api.create("security-group-rules", **rule, ethertype="IPv6")


async def test_a_group_begins_with_all_egress(api: Api) -> None:
    group = await api.create("security-groups", name="web")
    assert (group["stateful"], group["shared"]) == (True, False)
    rules = [(r["direction"], r["ethertype"]) for r in group["security_group_rules"]]
    assert rules == [("egress", "IPv4"), ("egress", "IPv6")]
    assert {row["name"] for row in await api.rows("security-groups")} == {"default", "web"}
    await api.call("DELETE", f"security-groups/{group['id']}", status=204)
    rules = await api.rows(f"security-group-rules?security_group_id={group['id']}")
    assert rules == []
    missing = f"security-groups/{group['id']}"
    await api.refused("GET", missing, None, 404, "SecurityGroupNotFound", "does not exist")


async def test_ports_get_the_default_group(api: Api) -> None:
    network, _ = await api.network("10.0.0.0/24")
    port = await api.create("ports", network_id=network["id"])
    group = await default_group(api)
    assert port["security_groups"] == [group["id"]]
    assert port["allowed_address_pairs"] == []
    found = await api.ids(f"ports?security_groups={group['id']}")
    assert found == {port["id"]}
    bare = await api.create("ports", network_id=network["id"], security_groups=[])
    dhcp = await api.create("ports", network_id=network["id"], device_owner="network:dhcp")
    open_ = await api.create("ports", network_id=network["id"], port_security_enabled=False)
    assert [p["security_groups"] for p in (bare, dhcp, open_)] == [[], [], []]
    web = await api.create("security-groups", name="web")
    moved = await api.update("ports", port["id"], security_groups=[web["id"], group["id"]])
    assert moved["security_groups"] == [web["id"], group["id"]]
    path = f"security-groups/{web['id']}"
    await api.refused("DELETE", path, None, 409, "SecurityGroupInUse", web["id"])
    loose = {"security_group": {"stateful": False}}
    await api.refused("PUT", path, loose, 409, "SecurityGroupInUse")
    nobody = "00000000-0000-4000-8000-000000000000"
    body: Any = {"port": {"security_groups": [nobody]}}
    await api.refused("PUT", f"ports/{port['id']}", body, 404, "SecurityGroupNotFound", nobody)
    other = await api.create("security-groups", name="loose", stateful=False)
    body = {"port": {"security_groups": [group["id"], other["id"]]}}
    await api.refused("PUT", f"ports/{port['id']}", body, 409, "SecurityGroupConflict")


async def test_port_security_off_takes_neither_groups_nor_pairs(api: Api) -> None:
    network, _ = await api.network("10.0.0.0/24")
    port = await api.create("ports", network_id=network["id"])
    path = f"ports/{port['id']}"
    off = {"port": {"port_security_enabled": False}}
    await api.refused("PUT", path, off, 409, "PortSecurityPortHasSecurityGroup")
    changed = await api.update("ports", port["id"], port_security_enabled=False, security_groups=[])
    assert (changed["port_security_enabled"], changed["security_groups"]) == (False, [])
    group = await default_group(api)
    kind = "PortSecurityAndIPRequiredForSecurityGroups"
    body: Any = {"port": {"security_groups": [group["id"]]}}
    await api.refused("PUT", path, body, 400, kind)
    body = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}}
    await api.refused("PUT", path, body, 409, "AddressPairAndPortSecurityRequired")


async def test_address_pairs(api: Api) -> None:
    network, _ = await api.network("10.0.0.0/24")
    pairs = [
        {"ip_address": "10.0.0.200"},
        {"ip_address": "10.1.0.0/16", "mac_address": "00:00:5e:00:01:01"},
        {"ip_address": "fd00::9", "mac_address": None},
    ]
    port = await api.create("ports", network_id=network["id"], allowed_address_pairs=pairs)
    mac = port["mac_address"]
    assert port["allowed_address_pairs"] == [
        {"mac_address": mac, "ip_address": "10.0.0.200"},
        {"mac_address": "00:00:5e:00:01:01", "ip_address": "10.1.0.0/16"},
        {"mac_address": mac, "ip_address": "fd00::9"},
    ]
    path = f"ports/{port['id']}"
    body = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.200"}] * 2}}
    await api.refused("PUT", path, body, 400, "DuplicateAddressPairInRequest", "10.0.0.200")
    many = [{"ip_address": f"10.0.0.{n}"} for n in range(100, 111)]
    body = {"port": {"allowed_address_pairs": many}}
    await api.refused("PUT", path, body, 400, "AddressPairsExhausted", "10")
    changed = await api.update("ports", port["id"], allowed_address_pairs=[])
    assert changed["allowed_address_pairs"] == []


async def test_rules(api: Api) -> None:
    group = await api.create("security-groups", name="web")
    rule = await api.create(
        "security-group-rules",
        security_group_id=group["id"],
        direction="ingress",
        protocol="tcp",
        port_range_min="22",
        port_range_max=23,
        remote_ip_prefix="10.1.2.3/8",
    )
    assert rule["remote_ip_prefix"] == "10.1.2.3/8"
    assert rule["normalized_cidr"] == "10.0.0.0/8"
    assert (rule["protocol"], rule["port_range_min"], rule["port_range_max"]) == ("tcp", 22, 23)
    assert (rule["ethertype"], rule["belongs_to_default_sg"]) == ("IPv4", False)
    again = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "protocol": 6,
        "port_range_min": 22,
        "port_range_max": 23,
        "remote_ip_prefix": "10.0.0.0/8",
    }
    kind = "SecurityGroupRuleExists"
    body = {"security_group_rule": again}
    await api.refused("POST", "security-group-rules", body, 409, kind, rule["id"])
    six = await api.create(
        "security-group-rules",
        security_group_id=group["id"],
        direction="egress",
        ethertype="ipv6",
        protocol="icmp",
        port_range_min=128,
        remote_group_id=group["id"],
    )
    assert (six["protocol"], six["ethertype"]) == ("ipv6-icmp", "IPv6")
    assert await api.ids("security-group-rules?protocol=58") == {six["id"]}
    assert await api.ids(f"security-group-rules?remote_group_id={group['id']}") == {six["id"]}
    shown = await api.call("GET", f"security-groups/{group['id']}")
    assert len(shown["security_group"]["security_group_rules"]) == 4
    await api.call("DELETE", f"security-group-rules/{rule['id']}", status=204)
    missing = f"security-group-rules/{rule['id']}"
    await api.refused("DELETE", missing, None, 404, "SecurityGroupRuleNotFound")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 9}, "SecurityGroupInvalidPortRange"),
        (
            {"protocol": "tcp", "port_range_min": 9, "port_range_max": 8},
            "SecurityGroupInvalidPortRange",
        ),
        (
            {"protocol": "udp", "port_range_min": 0, "port_range_max": 8},
            "SecurityGroupInvalidPortValue",
        ),
        (
            {"protocol": "tcp", "port_range_min": -16, "port_range_max": 80},
            "SecurityGroupInvalidPortValue",
        ),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": "65536"},
            "SecurityGroupInvalidPortValue",
        ),
        ({"protocol": "icmp", "port_range_min": -1}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": "many"}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "icmp", "port_range_max": 8}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
            "SecurityGroupInvalidProtocolForPort",
        ),
        ({"protocol": "nonsense"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": 256}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "ipv6-icmp"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"remote_ip_prefix": "fd00::/8"}, "SecurityGroupRuleParameterConflict"),
        ({"ethertype": "IPv5"}, "SecurityGroupRuleInvalidEtherType"),
        ({"remote_ip_prefix": "10.0.0.0/99"}, "HTTPBadRequest"),
        ({"remote_ip_prefix": ["10.0.0.0/8"]}, "HTTPBadRequest"),
        ({"protocol": ["tcp"]}, "HTTPBadRequest"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
    ],
)
async def test_rules_that_make_no_sense(api: Api, attributes: dict[str, Any], kind: str) -> None:
    group = await api.create("security-groups", name="web")
    body = {"security_group_id": group["id"], "direction": "ingress"} | attributes
    await api.refused("POST", "security-group-rules", {"security_group_rule": body}, 400, kind)


async def test_references_of_rules(api: Api) -> None:
    group = await api.create("security-groups", name="web")
    other = await api.create("security-groups", name="db")
    base = {"security_group_id": group["id"], "direction": "ingress"}
    nobody = "00000000-0000-4000-8000-000000000000"
    for attributes, status, kind in (
        ({"remote_group_id": nobody}, 404, "SecurityGroupNotFound"),
        ({"remote_group_id": "no id"}, 404, "SecurityGroupNotFound"),
        ({"remote_address_group_id": nobody}, 404, "AddressGroupNotFound"),
        ({"security_group_id": nobody}, 404, "SecurityGroupNotFound"),
        (
            {"remote_group_id": other["id"], "remote_ip_prefix": "10.0.0.0/8"},
            400,
            "SecurityGroupMultipleRemoteEntites",
        ),
    ):
        body = {"security_group_rule": base | attributes}
        await api.refused("POST", "security-group-rules", body, status, kind)
    await api.create("security-group-rules", **base, remote_group_id=other["id"])
    await api.call("DELETE", f"security-groups/{other['id']}", status=204)
    assert await api.rows(f"security-group-rules?remote_group_id={other['id']}") == []


async def test_address_groups(api: Api) -> None:
    group = await api.create(
        "address-groups", name="far", addresses=["10.3.0.0/24", "10.9.9.9/32", "fd00::/8"]
    )
    assert group["addresses"] == ["10.3.0.0/24", "10.9.9.9/32", "fd00::/8"]
    path = f"address-groups/{group['id']}"
    more = await api.call("PUT", f"{path}/add_addresses", {"addresses": ["10.4.0.0/24"]})
    assert "10.4.0.0/24" in more["address_group"]["addresses"]
    body = {"addresses": ["10.4.0.0/24"]}
    await api.refused("PUT", f"{path}/add_addresses", body, 400, "AddressesAlreadyExist")
    await api.call("PUT", f"{path}/remove_addresses", body)
    await api.refused("PUT", f"{path}/remove_addresses", body, 404, "AddressesNotFound")
    await api.refused("PUT", f"{path}/add_addresses", {"x": 1}, 400, "HTTPBadRequest")
    bare = {"address_group": {"addresses": ["10.9.9.9"]}}
    await api.refused("POST", "address-groups", bare, 400, "HTTPBadRequest", "addresses")
    web = await api.create("security-groups", name="web")
    rule = await api.create(
        "security-group-rules",
        security_group_id=web["id"],
        direction="ingress",
        remote_address_group_id=group["id"],
    )
    assert rule["remote_address_group_id"] == group["id"]
    await api.refused("DELETE", path, None, 409, "AddressGroupInUse", group["id"])
    await api.call("DELETE", f"security-group-rules/{rule['id']}", status=204)
    await api.call("DELETE", path, status=204)
    await api.refused("GET", path, None, 404, "AddressGroupNotFound")


async def test_the_extensions_are_listed(api: Api) -> None:
    aliases = {row["alias"] for row in await api.rows("extensions")}
    assert {
        "security-group",
        "address-group",
        "allowed-address-pairs",
        "stateful-security-group",
        "security-groups-normalized-cidr",
        "security-groups-remote-address-group",
    } <= aliases
