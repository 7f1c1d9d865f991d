"""The real ``openstack`` client on the way out: gateways, floating IPs, forwardings, routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack import exceptions

from tests.interop.client import Client
from tests.interop.test_openstack_identity import PASSWORD, Cloud
from tests.server import running

# The SDK warns of itself.
pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Support for InfluxDB"),
]


@pytest.fixture
def cloud(openstack: Client) -> Iterator[Client]:
    """An administrator's, with a network outside and one inside, a guest and a router."""
    openstack(
        "network create --external --availability-zone-hint nova -f json f-ext",
        "subnet create --network f-ext --subnet-range 203.0.113.0/24 --no-dhcp -f json f-extsub",
        "network create -f json f-net",
        "subnet create --network f-net --subnet-range 10.1.0.0/24 -f json f-sub",
        "router create -f json f-r",
        "router add subnet f-r f-sub",
        "port create --network f-net -f json f-vm",
        "port create --network f-net -f json f-vm2",
    )
    yield openstack
    with openstack.sdk() as connection:
        remove_all(connection.network)


def remove_all(network: Any) -> None:
    """Leave no network, whatever a test left on the way out."""
    for floating in network.ips():
        for forwarding in network.floating_ip_port_forwardings(floating):
            network.delete_floating_ip_port_forwarding(floating, forwarding)
        network.delete_ip(floating)
    for router in network.routers():
        network.update_router(router, routes=[], external_gateway_info={})
        for port in network.ports(device_id=router.id):
            network.remove_interface_from_router(router, port_id=port.id)
        network.delete_router(router)
    for port in network.ports():
        network.delete_port(port)
    for one in network.networks():
        network.delete_network(one)


def test_a_router_and_its_gateway(cloud: Client) -> None:
    by_hand, again, long, ports, unset = cloud(
        "router set --external-gateway f-ext --fixed-ip subnet=f-extsub,ip-address=203.0.113.77"
        " --disable-snat f-r",
        "router show -f json f-r",
        "router set --external-gateway f-ext --enable-snat f-r",
        "router show -f json f-r",
        "router list --long -f json",
        "port list --device-owner network:router_gateway --long -f json",
        "router unset --external-gateway f-r",
        "router show -f json f-r",
    )
    gateway = by_hand["external_gateway_info"]
    assert [fixed["ip_address"] for fixed in gateway["external_fixed_ips"]] == ["203.0.113.77"]
    assert gateway["enable_snat"] is False
    assert again["external_gateway_info"] == gateway | {"enable_snat": True}
    [row] = long
    assert row["External gateway info"] == again["external_gateway_info"]
    assert (row["Distributed"], row["HA"]) == (False, False)
    assert row["Availability zones"] == ["nova"]
    [port] = ports
    assert port["Fixed IP Addresses"][0]["ip_address"] == "203.0.113.77"
    assert port["Status"] == "ACTIVE"
    assert unset["external_gateway_info"] is None
    made, distributed = cloud(
        "router create --external-gateway f-ext --fixed-ip ip-address=203.0.113.80 --distributed"
        " --availability-zone-hint nova -f json f-dvr",
        "router set --disable --centralized --ha f-dvr",
        "router show -f json f-dvr",
        "router delete f-dvr",
    )
    assert made["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "203.0.113.80"
    assert (made["distributed"], made["availability_zone_hints"]) == (True, ["nova"])
    assert (distributed["distributed"], distributed["ha"]) == (False, True)
    assert "is not an external network" in cloud.fails("router set --external-gateway f-net f-r")


def test_extra_routes(cloud: Client) -> None:
    def routes(shown: Any) -> set[tuple[str, str]]:
        return {(route["destination"], route["nexthop"]) for route in shown["routes"]}

    first, second = ("10.77.0.0/16", "10.1.0.77"), ("10.78.0.0/16", "10.1.0.78")
    said = [f"--route destination={d},gateway={g}" for d, g in (first, second)]
    after = cloud(
        f"router set {said[0]} f-r",
        "router show -f json f-r",
        f"router add route {said[1]} -f json f-r",
        f"router remove route {said[0]} -f json f-r",
        f"router unset {said[1]} f-r",
        "router show -f json f-r",
        f"router set {said[0]} {said[1]} f-r",
        "router list --long -f json",
        "router set --no-route f-r",
        "router show -f json f-r",
    )
    assert [routes(shown) for shown in (*after[:4], after[5])] == [
        {first},
        {first, second},
        {second},
        set(),
        set(),
    ]
    assert len(after[4][0]["Routes"]) == 2
    assert "the nexthop is not connected with router" in cloud.fails(
        "router add route --route destination=10.9.0.0/16,gateway=192.0.2.9 f-r"
    )
    cloud(f"router set {said[0]} f-r")
    assert "is required by one or more routes" in cloud.fails("router remove subnet f-r f-sub")


def test_floating_ips(cloud: Client) -> None:
    used, free, listed, some, none, shown = cloud(
        "router set --external-gateway f-ext f-r",
        "floating ip create --port f-vm --description d --dns-name www --dns-domain example.org."
        " --tag blue -f json f-ext",
        "floating ip create --floating-ip-address 203.0.113.50 --subnet f-extsub -f json f-ext",
        "floating ip list --long -f json",
        "floating ip list --port f-vm --router f-r --network f-ext --status DOWN"
        " --fixed-ip-address 10.1.0.2 --tags blue -f json",
        "floating ip list --floating-ip-address 203.0.113.99 -f json",
        "floating ip show -f json 203.0.113.50",
    )
    assert (used["floating_ip_address"], used["fixed_ip_address"]) == ("203.0.113.3", "10.1.0.2")
    assert (used["description"], used["tags"]) == ("d", ["blue"])
    assert (used["dns_name"], used["dns_domain"]) == ("www", "example.org.")
    assert used["port_details"]["name"] == "f-vm"
    assert (free["floating_ip_address"], free["port_id"]) == ("203.0.113.50", None)
    by_address = {row["Floating IP Address"]: row for row in listed}
    assert by_address["203.0.113.3"]["Router"] == used["router_id"]
    assert by_address["203.0.113.3"]["Port"] == used["port_id"]
    assert by_address["203.0.113.50"]["Status"] == "DOWN"
    assert [row["ID"] for row in some] == [used["id"]]
    assert none == []
    assert shown["id"] == free["id"]
    after, unset = cloud(
        "floating ip set --port f-vm2 --fixed-ip-address 10.1.0.3 --description e --tag navy"
        " 203.0.113.50",
        "floating ip show -f json 203.0.113.50",
        "floating ip unset --port --all-tag 203.0.113.50",
        "floating ip show -f json 203.0.113.50",
    )
    assert (after["fixed_ip_address"], after["description"]) == ("10.1.0.3", "e")
    assert (after["tags"], unset["tags"]) == (["navy"], [])
    assert (unset["fixed_ip_address"], unset["router_id"]) == (None, None)
    for command, reason in (
        ("router unset --external-gateway f-r", "is required by one or more floating IPs"),
        ("router remove subnet f-r f-sub", "is required by one or more floating IPs"),
        ("floating ip create --port f-vm f-ext", "already has a floating IP"),
        ("floating ip create f-net", "is not a valid external network"),
        ("network set --internal f-ext", "has existing gateway ports"),
    ):
        assert reason in cloud.fails(command)
    [left, gone] = cloud(
        "port delete f-vm",
        "floating ip show -f json 203.0.113.3",
        "floating ip delete 203.0.113.3 203.0.113.50",
        "router unset --external-gateway f-r",
        "floating ip list -f json",
        "network delete f-ext",
    )
    assert (left["port_id"], left["router_id"]) == (None, None)
    assert gone == []


def test_port_forwardings(cloud: Client) -> None:
    made = "floating ip port forwarding create --internal-ip-address 10.1.0.2 --port f-vm"
    floating, one, many, listed, udp, fip = cloud(
        "router set --external-gateway f-ext f-r",
        "floating ip create --floating-ip-address 203.0.113.50 -f json f-ext",
        f"{made} --internal-protocol-port 80 --external-protocol-port 8080 --protocol tcp"
        " --description web -f json 203.0.113.50",
        f"{made} --internal-protocol-port 100:109 --external-protocol-port 9000:9009"
        " --protocol udp -f json 203.0.113.50",
        "floating ip port forwarding list -f json 203.0.113.50",
        "floating ip port forwarding list --protocol udp -f json 203.0.113.50",
        "floating ip show -f json 203.0.113.50",
    )
    assert (one["external_port"], one["internal_port"], one["protocol"]) == (8080, 80, "tcp")
    assert one["description"] == "web"
    assert (many["external_port_range"], many["internal_port_range"]) == ("9000:9009", "100:109")
    assert {row["ID"] for row in listed} == {one["id"], many["id"]}
    assert [row["External Port Range"] for row in udp] == ["9000:9009"]
    assert fip["router_id"]
    assert {each["protocol"] for each in fip["port_forwardings"]} == {"tcp", "udp"}
    assert floating["port_forwardings"] == []
    [after] = cloud(
        "floating ip port forwarding set --port f-vm2 --internal-ip-address 10.1.0.3"
        f" --internal-protocol-port 81 --external-protocol-port 8081 203.0.113.50 {one['id']}",
        f"floating ip port forwarding show -f json 203.0.113.50 {one['id']}",
    )
    assert (after["internal_ip_address"], after["internal_port"]) == ("10.1.0.3", 81)
    assert after["external_port"] == 8081
    clash = f"{made} --internal-protocol-port 7 --external-protocol-port 9005 --protocol udp"
    assert "port collision" in cloud.fails(f"{clash} 203.0.113.50")
    assert "in use by Port Forwarding" in cloud.fails("floating ip delete 203.0.113.50")
    assert "already has a Port Forwarding" in cloud.fails("floating ip create --port f-vm f-ext")
    [left] = cloud(
        f"floating ip port forwarding delete 203.0.113.50 {one['id']} {many['id']}",
        "floating ip show -f json 203.0.113.50",
        "floating ip delete 203.0.113.50",
    )
    assert (left["router_id"], left["status"]) == (None, "DOWN")


def test_with_openstacksdk(cloud: Client) -> None:
    connection = cloud.sdk()
    network: Any = connection.network
    external, router = network.find_network("f-ext"), network.find_router("f-r")
    network.update_router(router, external_gateway_info={"network_id": external.id})
    port = network.find_port("f-vm")
    floating = network.create_ip(floating_network_id=external.id, port_id=port.id)
    assert (floating.fixed_ip_address, floating.router_id) == ("10.1.0.2", router.id)
    assert [one.id for one in network.ips(port_id=port.id)] == [floating.id]
    assert network.find_available_ip() is None
    network.update_ip(floating, port_id=None)
    assert network.find_available_ip().id == floating.id
    forwarding = network.create_floating_ip_port_forwarding(
        floating,
        internal_port_id=port.id,
        internal_ip_address="10.1.0.2",
        internal_port=22,
        external_port=2222,
        protocol="tcp",
    )
    assert [one.id for one in network.floating_ip_port_forwardings(floating)] == [forwarding.id]
    with pytest.raises(exceptions.ConflictException):
        network.delete_ip(floating, ignore_missing=False)
    network.delete_floating_ip_port_forwarding(floating, forwarding)
    network.delete_ip(floating)
    pools = network.get("/floatingip_pools").json()["floatingip_pools"]
    assert [pool["subnet_name"] for pool in pools] == ["f-extsub"]


def test_a_tenant(tmp_path: Path) -> None:
    """What an operator offers, used by one project and not by the other."""
    with running(tmp_path / "db", identity=PASSWORD) as server:
        cloud = Cloud(server.port)
        cloud.admin(
            *(
                command
                for name in ("red", "blue")
                for command in (
                    f"project create -f json t-{name}",
                    f"user create --password pw-{name} -f json u-{name}",
                    f"role add --project t-{name} --user u-{name} member",
                )
            ),
            "network create --external -f json t-ext",
            "subnet create --network t-ext --subnet-range 203.0.113.0/24 -f json t-extsub",
            "quota set --floating-ips 1 t-red",
        )
        red, blue = (
            cloud.client(f"u-{name}", f"pw-{name}", OS_PROJECT_NAME=f"t-{name}")
            for name in ("red", "blue")
        )
        external, router, _, _, _, floating, quota = red(
            "network list --external -f json",
            "router create --external-gateway t-ext -f json t-router",
            "network create -f json t-net",
            "subnet create --network t-net --subnet-range 10.0.0.0/24 -f json t-sub",
            "router add subnet t-router t-sub",
            "port create --network t-net -f json t-port",
            "floating ip create --port t-port -f json t-ext",
            "quota show --usage -f json",
        )
        assert [row["Name"] for row in external] == ["t-ext"]
        assert router["external_gateway_info"]["enable_snat"] is True
        assert floating["fixed_ip_address"] == "10.0.0.2"
        usage = {row["Resource"]: (row["Limit"], row["In Use"]) for row in quota}
        assert usage["floating_ips"] == (1, 1)
        for command, reason in (
            ("floating ip create t-ext", "Quota exceeded for resources: ['floatingip']"),
            (
                "router set --external-gateway t-ext --disable-snat t-router",
                "update_router:external_gateway_info:enable_snat",
            ),
            (
                "router set --external-gateway t-ext --fixed-ip ip-address=203.0.113.9 t-router",
                "update_router:external_gateway_info:external_fixed_ips",
            ),
            ("router create --distributed t-other", "create_router:distributed"),
            ("network create --external t-mine", "create_network:router:external"),
        ):
            assert reason in red.fails(command)
        address = floating["floating_ip_address"]
        theirs, other = blue(
            "floating ip list -f json",
            "floating ip create -f json t-ext",
        )
        assert theirs == []
        assert other["floating_ip_address"] != address
        assert "create_floatingip:floating_ip_address" in blue.fails(
            "floating ip create --floating-ip-address 203.0.113.9 t-ext"
        )
        assert address in blue.fails(f"floating ip show {address}")
        [everybodys] = cloud.admin("floating ip list -f json")
        assert {row["ID"] for row in everybodys} == {floating["id"], other["id"]}
