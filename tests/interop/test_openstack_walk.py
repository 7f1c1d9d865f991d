"""Every network command of the ``openstack`` client is tried, or said why not.

What the other tests of this client do not call is called here; and the way out, which they walk
as an administrator without a token, by all the ways to log in. The SDK goes the same way.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import openstack as sdk
import pytest

from sdnctl.api.extensions import EXTENSIONS
from tests.interop import test_openstack_client
from tests.interop.test_openstack_bgpvpn import DELETED
from tests.interop.test_openstack_client import Client

pytestmark = pytest.mark.interop

openstack = test_openstack_client.openstack
"""An administrator's client: without a token, with the built-in identity, and with Keystone."""

NOT_SERVED = {
    "local ip": "local_ip",
    "network agent (add|delete|remove|router|set)": "l3_agent_scheduler",
    "network auto allocated topology": "auto-allocated-topology",
    "network flavor": "flavors",
    "network l3 conntrack helper": "l3-conntrack-helper",
    "network meter": "metering",
    "network onboard|subnet pool add network": "subnet_onboard",
    "network qos": "qos",
    "network segment (create|delete|set)": "segment",
    "network segment range": "network-segment-range",
    "network (trunk|subport)": "trunk",
    "router (add|remove) gateway": "external-gateway-multihoming",
    "router ndp proxy": "l3-ndp-proxy",
    "security group default statefulness": "security-groups-default-statefulness",
}
"""Commands, and the extension without which they cannot be."""


def test_no_command_is_forgotten() -> None:
    files = Path(__file__).parent.glob("test_openstack_*.py")
    text = " ".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text()) for path in files)
    commands = {
        entry.name.replace("_", " ") for entry in entry_points(group="openstack.network.v2")
    }
    assert len(commands) > 150
    missing = {command for command in commands if not re.search(rf'"{command}[ "]', text)}
    excused = {
        command
        for command in missing
        for pattern, extension in NOT_SERVED.items()
        if re.match(f"({pattern})", command) and extension not in EXTENSIONS
    }
    assert missing == excused


def test_the_rest_of_the_commands(openstack: Client) -> None:
    _, network, _, group, made, rule, _, scope, providers, listed = openstack(
        "network create --tag a --tag b -f json w-net",
        "network unset --tag a w-net",
        "network show -f json w-net",
        "security group create --tag a --tag b -f json w-group",
        "security group unset --tag a w-group",
        "security group show -f json w-group",
        "security group rule create --protocol tcp --dst-port 9 -f json w-group",
        "security group rule list --protocol tcp -f json w-group",
        "address scope create -f json w-scope",
        "address scope show -f json w-scope",
        "network service provider list -f json",
        "extension list --network -f json",
    )
    assert (network["tags"], group["tags"]) == (["b"], ["b"])
    assert [row["ID"] for row in rule] == [made["id"]]
    assert (scope["name"], scope["ip_version"]) == ("w-scope", 4)
    assert [row["Name"] for row in providers] == ["sdnctl"]
    assert {row["Alias"] for row in listed} == set(EXTENSIONS)
    one, extension = openstack(
        f"security group rule show -f json {made['id']}",
        "extension show -f json ext-gw-mode",
        "address scope delete w-scope",
        "security group delete w-group",
    )
    assert (one["protocol"], one["port_range_min"]) == ("tcp", 9)
    assert extension["alias"] == "ext-gw-mode"
    assert "No Agent found for nobody" in openstack.fails("network agent show nobody")
    if "OS_AUTH_URL" in openstack._environment:  # there is somebody who knows of projects
        created, project = openstack(
            "network rbac create --type network --action access_as_shared --target-project admin"
            " -f json w-net",
            "project create -f json w-project",
        )
        [shown] = openstack(
            f"network rbac set --target-project w-project {created['id']}",
            f"network rbac show -f json {created['id']}",
            "network delete w-net",
            "project delete w-project",
        )
        assert shown["target_project_id"] == project["id"]
    else:
        openstack("network delete w-net")


def test_the_rules_of_new_groups(openstack: Client) -> None:
    before, made, shown, listed, _, rules = openstack(
        "default security group rule list -f json",
        "default security group rule create --protocol tcp --dst-port 22 --for-custom-sg"
        " --remote-group PARENT --description ssh -f json",
        "default security group rule list --protocol tcp -f json",
        "default security group rule list -f json",
        "security group create -f json d-group",
        "security group rule list --protocol tcp -f json d-group",
    )
    assert len(before) == 4
    assert [row["ID"] for row in shown] == [made["id"]]
    assert len(listed) == 5
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (False, True)
    assert [row["Port Range"] for row in rules] == ["22:22"]
    one, after = openstack(
        f"default security group rule show -f json {made['id']}",
        "security group delete d-group",
        f"default security group rule delete {made['id']}",
        "default security group rule list -f json",
    )
    assert (one["description"], one["remote_group_id"]) == ("ssh", "PARENT")
    assert after == before


def test_the_way_out(openstack: Client) -> None:
    shown, floating, detached, forwarding, forwardings = openstack(
        "network create --external -f json w-ext",
        "subnet create --network w-ext --subnet-range 203.0.113.0/24 --no-dhcp -f json w-extsub",
        "network create -f json w-in",
        "subnet create --network w-in --subnet-range 10.1.0.0/24 -f json w-sub",
        "router create -f json w-r",
        "port create --network w-in --fixed-ip ip-address=10.1.0.50 -f json w-p",
        "router add subnet w-r w-sub",
        "router set --external-gateway w-ext w-r",
        "router set --route destination=10.77.0.0/16,gateway=10.1.0.77 w-r",
        "router show -f json w-r",
        "floating ip create --floating-ip-address 203.0.113.50 --port w-p -f json w-ext",
        "floating ip unset --port 203.0.113.50",
        "floating ip show -f json 203.0.113.50",
        "floating ip port forwarding create --internal-ip-address 10.1.0.50 --port w-p"
        " --internal-protocol-port 80 --external-protocol-port 8080 --protocol tcp -f json"
        " 203.0.113.50",
        "floating ip port forwarding list -f json 203.0.113.50",
    )[6:]
    assert shown["external_gateway_info"]["enable_snat"] is True
    assert shown["routes"] == [{"destination": "10.77.0.0/16", "nexthop": "10.1.0.77"}]
    assert floating["fixed_ip_address"] == "10.1.0.50"
    assert detached["port_id"] is None
    assert [row["ID"] for row in forwardings] == [forwarding["id"]]
    vpn, made, listed, rest = openstack(
        "bgpvpn create --name w-vpn --route-target 64512:1 -f json",
        "bgpvpn router association create w-vpn w-r -f json",
        "bgpvpn router association list -f json w-vpn",
        f"floating ip port forwarding delete 203.0.113.50 {forwarding['id']}",
        "floating ip delete 203.0.113.50",
        "bgpvpn delete w-vpn",
        "router set --no-route w-r",
        "router unset --external-gateway w-r",
        "router remove subnet w-r w-sub",
        "router delete w-r",
        "port delete w-p",
        "network delete w-in w-ext",
        "network list -f json",
        warnings=DELETED,
    )
    assert vpn["route_targets"] == ["64512:1"]
    assert [row["ID"] for row in listed] == [made["id"]]
    assert rest == []


def connection(client: Client) -> Any:
    """The SDK's, logged in as the client is."""
    connect: Any = sdk.connect  # its types are those of every version of the API at once
    said = client._environment
    if "OS_AUTH_URL" not in said:
        return connect(auth_type="none", auth={"endpoint": said["OS_ENDPOINT"]})
    names = ("auth_url", "username", "password", "project_name")
    auth = {name: said[f"OS_{name.upper()}"] for name in names}
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return connect(auth=auth | domains, region_name="RegionOne")


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_sdk(openstack: Client) -> None:
    with connection(openstack) as cloud:
        api = cloud.network
        outside = api.create_network(name="k-ext", is_router_external=True)
        api.create_subnet(network_id=outside.id, ip_version=4, cidr="203.0.113.0/24")
        network = api.create_network(name="k-net", is_shared=True)
        api.set_tags(network, ["blue"])
        assert [row.id for row in api.networks(tags=["blue"])] == [network.id]
        pool = api.create_subnet_pool(name="k-pool", prefixes=["10.0.0.0/8"], is_default=False)
        subnet = api.create_subnet(
            network_id=network.id, ip_version=4, subnet_pool_id=pool.id, prefix_length=24
        )
        assert subnet.subnet_pool_id == pool.id
        group = api.create_security_group(name="k-group")
        rule = api.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=1,
            port_range_max=2,
        )  # fmt: skip
        assert api.get_security_group_rule(rule).port_range_max == 2
        ports = list(
            api.create_ports([{"network_id": network.id, "name": f"k-{n}"} for n in range(3)])
        )
        port = api.update_port(ports[0], security_groups=[group.id])
        assert {row.id for row in api.ports(network_id=network.id, limit=2)} == {
            one.id for one in ports
        }
        assert api.find_port("k-1").id == ports[1].id
        router = api.create_router(
            name="k-r", external_gateway_info={"network_id": outside.id, "enable_snat": False}
        )
        api.add_interface_to_router(router, subnet_id=subnet.id)
        route = {"destination": "10.99.0.0/16", "nexthop": port.fixed_ips[0]["ip_address"]}
        assert api.add_extra_routes_to_router(router, {"router": {"routes": [route]}}).routes
        api.remove_extra_routes_from_router(router, {"router": {"routes": [route]}})
        address = api.create_ip(floating_network_id=outside.id, port_id=port.id)
        assert api.get_ip(address).fixed_ip_address == port.fixed_ips[0]["ip_address"]
        assert [row.id for row in api.ips(router_id=router.id)] == [address.id]
        api.update_ip(address, port_id=None)
        far = api.create_address_group(name="k-far", addresses=["10.0.0.0/8"])
        api.add_addresses_to_address_group(far, ["192.0.2.0/24"])
        scope = api.create_address_scope(name="k-scope", ip_version=4)
        policy = api.create_rbac_policy(
            object_type="subnetpool", object_id=pool.id, action="access_as_shared",
            target_tenant="*",
        )  # fmt: skip
        assert policy.id in {row.id for row in api.rbac_policies()}
        assert api.get_network_ip_availability(network.id).used_ips == 4
        assert list(api.agents()) == []
        assert {row.alias for row in api.extensions()} == set(EXTENSIONS)
        for delete, thing in (
            (api.delete_rbac_policy, policy), (api.delete_address_scope, scope),
            (api.delete_address_group, far), (api.delete_ip, address),
        ):  # fmt: skip
            delete(thing, ignore_missing=False)
        api.remove_interface_from_router(router, subnet_id=subnet.id)
        api.delete_router(router, ignore_missing=False)
        for one in ports:
            api.delete_port(one, ignore_missing=False)
        api.delete_security_group(group, ignore_missing=False)
        for one in (network, outside):
            api.delete_network(one, ignore_missing=False)
        api.delete_subnet_pool(pool, ignore_missing=False)
        assert list(api.networks()) == []
