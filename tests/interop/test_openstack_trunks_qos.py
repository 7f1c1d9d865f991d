"""The real ``openstack network trunk`` and ``network qos`` commands, and openstacksdk."""

from __future__ import annotations

import openstack as sdk
import pytest

from tests.interop.client import Client

pytestmark = pytest.mark.interop


def test_trunks(openstack: Client) -> None:
    openstack(
        "network create t-net -f json",
        *(f"port create --network t-net -f json {name}" for name in ("t-up", "t-a", "t-b")),
    )
    made, added, listed, long, subports, parent, left, renamed, again, none = openstack(
        "network trunk create --parent-port t-up --description d -f json"
        " --subport port=t-a,segmentation-type=vlan,segmentation-id=7 t-one",
        "network trunk set --subport port=t-b,segmentation-type=vlan,segmentation-id=8 t-one",
        "network trunk show -f json t-one",
        "network trunk list -f json",
        "network trunk list --long -f json",
        "network subport list --trunk t-one -f json",
        "port show -f json t-up",
        "network trunk unset --subport t-a t-one",
        "network subport list --trunk t-one -f json",
        "network trunk set --name t-two --disable --description e t-one",
        "network trunk show -f json t-two",
        "network trunk set --enable t-two",
        "network trunk subport add --segmentation-type vlan --segmentation-id 9 t-two t-a",
        "network trunk subport list -f json t-two",
        "network trunk subport remove t-two t-a",
        "network trunk delete t-two",
        "network trunk list -f json",
    )
    assert (made["name"], made["status"], made["is_admin_state_up"]) == ("t-one", "DOWN", True)
    (first,) = made["sub_ports"]
    assert (first["segmentation_type"], first["segmentation_id"]) == ("vlan", 7)
    assert [port["segmentation_id"] for port in added["sub_ports"]] == [7, 8]
    assert added["port_id"] == made["port_id"] == parent["id"]
    assert [(row["ID"], row["Name"], row["Parent Port"]) for row in listed] == [
        (made["id"], "t-one", parent["id"])
    ]
    assert long[0]["Status"] == "DOWN"
    assert [row["Segmentation ID"] for row in subports] == [7, 8]
    details = parent["trunk_details"]
    assert details["trunk_id"] == made["id"]
    assert all(port["mac_address"].startswith("fa:16:3e") for port in details["sub_ports"])
    assert [row["Segmentation ID"] for row in left] == [8]
    assert (renamed["is_admin_state_up"], renamed["description"]) == (False, "e")
    assert sorted(row["Segmentation ID"] for row in again) == [8, 9]
    assert none == []


def test_what_trunks_refuse(openstack: Client) -> None:
    openstack(
        "network create r-net -f json",
        *(f"port create --network r-net -f json {name}" for name in ("r-up", "r-a", "r-b")),
        "network trunk create --parent-port r-up -f json"
        " --subport port=r-a,segmentation-type=vlan,segmentation-id=7 r-one",
    )
    for command, said in (
        ("port delete r-up", "currently a parent port"),
        ("port delete r-a", "currently a subport"),
        ("network trunk create --parent-port r-a r-x", "in use by another trunk"),
        ("network trunk create --parent-port r-up r-x", "not eligible for use as a parent"),
        (
            "network trunk set --subport port=r-b,segmentation-type=vlan,segmentation-id=7 r-one",
            "already in use on trunk",
        ),
        (
            "network trunk set --subport port=r-b,segmentation-type=vlan,segmentation-id=0 r-one",
            "not in range",
        ),
        ("network trunk set --subport port=r-b,segmentation-type=inherit r-one", "vxlan"),
        ("network trunk unset --subport r-b r-one", "could not be found"),
    ):
        assert said in openstack.fails(command), command


def test_qos(openstack: Client) -> None:
    policy, limit, into, mark, least, rules, shown, listed = openstack(
        "network qos policy create --description d -f json q-gold",
        "network qos rule create --type bandwidth-limit --max-kbps 1000 --max-burst-kbits 800"
        " --egress -f json q-gold",
        "network qos rule create --type bandwidth-limit --max-kbps 500 --ingress -f json q-gold",
        "network qos rule create --type dscp-marking --dscp-mark 26 -f json q-gold",
        "network qos rule create --type minimum-bandwidth --min-kbps 10 --egress -f json q-gold",
        "network qos rule list -f json q-gold",
        "network qos policy show -f json q-gold",
        "network qos policy list -f json",
    )
    assert (policy["name"], policy["shared"], policy["is_default"]) == ("q-gold", False, False)
    assert (limit["max_kbps"], limit["max_burst_kbps"], limit["direction"]) == (1000, 800, "egress")
    assert (into["max_kbps"], into["direction"]) == (500, "ingress")
    assert mark["dscp_mark"] == 26
    assert least["min_kbps"] == 10
    assert {row["Type"] for row in rules} == {
        "bandwidth_limit",
        "dscp_marking",
        "minimum_bandwidth",
    }
    assert len(shown["rules"]) == 4
    assert [(row["Name"], row["Default"]) for row in listed] == [("q-gold", False)]
    one, changed, types, details = openstack(
        f"network qos rule show -f json q-gold {limit['id']}",
        f"network qos rule set --max-kbps 2000 q-gold {limit['id']}",
        f"network qos rule show -f json q-gold {limit['id']}",
        "network qos rule type list -f json",
        "network qos rule type show -f json dscp_marking",
    )
    assert one["max_kbps"] == 1000
    assert changed["max_kbps"] == 2000
    assert [row["Type"] for row in types] == ["bandwidth_limit", "dscp_marking"]
    assert details["drivers"][0]["name"] == "openvswitch"

    network, port, later, none, cleared = openstack(
        "network create --qos-policy q-gold -f json q-net",
        "port create --network q-net --qos-policy q-gold -f json q-port",
        "network set --no-qos-policy q-net",
        "network show -f json q-net",
        "port unset --qos-policy q-port",
        "port show -f json q-port",
        f"network qos rule delete q-gold {into['id']}",
        "network qos policy set --name q-silver --default q-gold",
        "network qos policy show -f json q-silver",
    )
    assert network["qos_policy_id"] == policy["id"]
    assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (policy["id"], policy["id"])
    assert later["qos_policy_id"] is None
    assert none["qos_policy_id"] is None
    assert (cleared["is_default"], len(cleared["rules"])) == (True, 3)
    (made,) = openstack("network create -f json q-by-default")
    assert made["qos_policy_id"] == policy["id"]
    assert "is used by network" in openstack.fails("network qos policy delete q-silver")
    _, _, floating, none, again = openstack(
        "network create --external -f json q-ext",
        "subnet create --network q-ext --subnet-range 203.0.113.0/24 -f json q-extsub",
        "floating ip create --qos-policy q-silver --floating-ip-address 203.0.113.9 -f json q-ext",
        "floating ip unset --qos-policy 203.0.113.9",
        "floating ip show -f json 203.0.113.9",
        "floating ip set --qos-policy q-silver 203.0.113.9",
        "floating ip show -f json 203.0.113.9",
    )
    assert [row["qos_policy_id"] for row in (floating, none, again)] == [
        policy["id"],
        None,
        policy["id"],
    ]
    router, without = openstack(
        "floating ip delete 203.0.113.9",
        "router create --external-gateway q-ext --qos-policy q-silver -f json q-router",
        "router set --external-gateway q-ext --no-qos-policy q-router",
        "router show -f json q-router",
        "router delete q-router",
        "network delete q-ext",
    )
    assert router["external_gateway_info"]["qos_policy_id"] == policy["id"]
    assert "qos_policy_id" not in without["external_gateway_info"]
    assert "already exists in QoS Policy" in openstack.fails(
        "network qos rule create --type dscp-marking --dscp-mark 10 q-silver"
    )
    rest = openstack(
        "network delete q-by-default",
        "network qos policy delete q-silver",
        "network qos policy list -f json",
    )
    assert rest == [[]]


def test_a_policy_is_shared(openstack: Client) -> None:
    policy, opened, listed = openstack(
        "network qos policy create -f json s-policy",
        "network rbac create --type qos_policy --action access_as_shared --target-all-projects"
        " -f json s-policy",
        "network rbac list --type qos_policy -f json",
    )
    assert opened["object_id"] == policy["id"]
    assert [row["Object ID"] for row in listed] == [policy["id"]]
    everybodys, kept = openstack(
        "network qos policy show -f json s-policy",
        "network qos policy set --no-share s-policy",
        "network qos policy show -f json s-policy",
    )
    assert (everybodys["shared"], kept["shared"]) == (True, False)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_openstacksdk(openstack: Client) -> None:
    cloud = openstack.sdk()
    network = cloud.network
    net = network.create_network(name="k-net")
    up, sub = (network.create_port(network_id=net.id) for _ in range(2))
    trunk = network.create_trunk(port_id=up.id)
    wish = {"port_id": sub.id, "segmentation_type": "vlan", "segmentation_id": 7}
    assert network.add_trunk_subports(trunk, [wish]).sub_ports == [wish]
    assert network.get_trunk_subports(trunk)["sub_ports"] == [wish]
    assert network.get_port(up.id).trunk_details["trunk_id"] == trunk.id
    assert network.delete_trunk_subports(trunk, [{"port_id": sub.id}]).sub_ports == []
    network.delete_trunk(trunk)
    policy = network.create_qos_policy(name="k-policy")
    rule = network.create_qos_bandwidth_limit_rule(policy, max_kbps=100)
    assert network.get_qos_bandwidth_limit_rule(rule, policy).max_kbps == 100
    assert [r.max_kbps for r in network.qos_bandwidth_limit_rules(policy)] == [100]
    assert {t.type for t in network.qos_rule_types()} == {"bandwidth_limit", "dscp_marking"}
    network.update_port(up, qos_policy_id=policy.id)
    with pytest.raises(sdk.exceptions.ConflictException):
        network.delete_qos_policy(policy)
