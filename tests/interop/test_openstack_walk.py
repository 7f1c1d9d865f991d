"""Every network command of the ``openstack`` client succeeds, by all the ways to log in.

What the other tests of this client do not call is called here, and what cannot be is said why
not. The SDK goes the same ways.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sdnctl.api.extensions import EXTENSIONS
from tests.interop.client import Client

pytestmark = pytest.mark.interop

NOT_SERVED = {
    "local ip": "local_ip",
    "network agent (add|remove|router)": "l3_agent_scheduler",
    "network auto allocated topology": "auto-allocated-topology",
    "network flavor": "flavors",
    "network l3 conntrack helper": "l3-conntrack-helper",
    "network meter": "metering",
    "network onboard|subnet pool add network": "subnet_onboard",
    "network segment (create|delete|set)": "segment",
    "network segment range": "network-segment-range",
    "router (add|remove) gateway": "external-gateway-multihoming",
    "router ndp proxy": "l3-ndp-proxy",
    "security group default statefulness": "security-groups-default-statefulness",
}
"""Commands, and the extension without which they cannot be."""


COMMANDS = {
    entry.name.replace("_", " ")
    for group in ("openstack.network.v2", "openstack.network.v2.bgpvpn")
    for entry in entry_points(group=group)
}


def succeeding() -> Iterator[str]:
    """What the tests whose client logs in by all the ways say to it, but for what is to fail."""
    for path in Path(__file__).parent.glob("test_openstack_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(argument.annotation, ast.Name) and argument.annotation.id == "Client"
                for argument in node.args.args
            ):
                yield from said(node)


def fails(node: ast.AST) -> bool:
    """Whether it is a call of the client's ``fails``, or a loop over what is given to one."""
    if isinstance(node, ast.For):
        return any(fails(each) for part in node.body for each in ast.walk(part))
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "fails"
    )


def said(node: ast.AST) -> Iterator[str]:
    if fails(node):
        return
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from said(child)


def test_no_command_is_forgotten() -> None:
    walked = {
        command
        for text in succeeding()
        for command in COMMANDS
        if text == command or text.startswith(f"{command} ")
    }
    assert len(COMMANDS) > 170
    missing = COMMANDS - walked
    excused = {
        command
        for command in missing
        for pattern, extension in NOT_SERVED.items()
        if re.match(f"({pattern})", command) and extension not in EXTENSIONS
    }
    assert missing == excused
    assert len(walked) > 110


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
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
    with openstack.sdk() as cloud:
        own = cloud.network.get_endpoint().rstrip("/").removesuffix("/v2.0")
        row = {"id": "w-cn1", "vtep": "192.0.2.1"}
        assert cloud.session.post(f"{own}/sdn/v1/hypervisors", json={"hypervisor": row}).ok
    agents, agent, zones, none = openstack(
        "network agent set --description rack-7 --enable w-cn1",
        "network agent list --host w-cn1 --long -f json",
        "network agent show -f json w-cn1",
        "availability zone list --network -f json",
        "network agent delete w-cn1",
        "network agent list -f json",
    )
    assert [(row["Host"], row["Agent Type"]) for row in agents] == [("w-cn1", "Open vSwitch agent")]
    assert (agent["description"], agent["admin_state_up"]) == ("rack-7", True)
    assert {row["Zone Name"] for row in zones} == {"nova"}
    assert none == []
    assert "No Agent found for nobody" in openstack.fails("network agent show nobody")
    if openstack.has_projects:
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


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_sdk(openstack: Client) -> None:
    with openstack.sdk() as cloud:
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
