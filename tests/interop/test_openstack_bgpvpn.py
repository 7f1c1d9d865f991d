"""The real ``openstack bgpvpn`` commands against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.client import Client

pytestmark = pytest.mark.interop

DELETED = "(BGP VPN|(Network|Router|Port) association) [-0-9a-f]{36} deleted\n"
"""The client warns of having done what it was told."""


def test_bgpvpns(openstack: Client) -> None:
    made, after, long, by_type, less, none = openstack(
        "bgpvpn create --name v-blue --type l3 --route-target 64512:1 --import-target 64512:2"
        " --export-target 64512:3 --route-distinguisher 192.0.2.1:9 --vni 5000 --local-pref 50"
        " -f json",
        "bgpvpn set --name v-navy --route-target 64512:4 --local-pref 70 v-blue",
        "bgpvpn show -f json v-navy",
        "bgpvpn list --long -f json",
        "bgpvpn list --property type=l2 -f json",
        "bgpvpn unset --route-target 64512:1 --all-import-target --export-target 64512:3 v-navy",
        "bgpvpn show -f json v-navy",
        "bgpvpn delete v-navy",
        "bgpvpn list -f json",
        warnings=DELETED,
    )
    assert (made["name"], made["type"], made["vni"], made["local_pref"]) == (
        "v-blue",
        "l3",
        5000,
        50,
    )
    assert made["route_targets"] == ["64512:1"]
    assert made["import_targets"] == ["64512:2"]
    assert made["export_targets"] == ["64512:3"]
    assert made["route_distinguishers"] == ["192.0.2.1:9"]
    assert (after["name"], after["local_pref"]) == ("v-navy", 70)
    assert sorted(after["route_targets"]) == ["64512:1", "64512:4"]
    assert [(row["ID"], row["VNI"], row["Associated Networks"]) for row in long] == [
        (made["id"], 5000, [])
    ]
    assert by_type == []
    assert less["route_targets"] == ["64512:4"]
    assert (less["import_targets"], less["export_targets"]) == ([], [])
    assert none == []
    assert "No BgpVpn found for v-navy" in openstack.fails("bgpvpn show v-navy")
    assert "automatic route targets" in openstack.fails(
        "bgpvpn create --route-target 64512:8000001"
    )
    assert "not a route target" in openstack.fails("bgpvpn create --import-target x")


def test_network_associations(openstack: Client) -> None:
    network, _, made, listed, shown = openstack(
        "network create -f json n-net",
        "bgpvpn create --name n-vpn -f json",
        "bgpvpn network association create -f json n-vpn n-net",
        "bgpvpn network association list -f json --long n-vpn",
        "bgpvpn show -f json n-vpn",
    )
    assert made["network_id"] == network["id"]
    assert [(row["ID"], row["Network ID"]) for row in listed] == [(made["id"], network["id"])]
    assert shown["networks"] == [network["id"]]
    [one] = openstack(f"bgpvpn network association show -f json {made['id']} n-vpn")
    assert one["network_id"] == network["id"]
    assert "already associated" in openstack.fails("bgpvpn network association create n-vpn n-net")
    delete = f"bgpvpn network association delete {made['id']} n-vpn"
    assert openstack(delete, warnings=DELETED) == []
    gone = openstack.fails(f"bgpvpn network association show {made['id']} n-vpn")
    assert f"network association {made['id']} could not be found" in gone
    # What is deleted leaves by itself.
    again, left, vpn = openstack(
        "bgpvpn network association create -f json n-vpn n-net",
        "network delete n-net",
        "bgpvpn network association list -f json n-vpn",
        "bgpvpn show -f json n-vpn",
        "bgpvpn delete n-vpn",
        warnings=DELETED,
    )
    assert again["id"] != made["id"]
    assert (left, vpn["networks"]) == ([], [])


def test_router_associations(openstack: Client) -> None:
    router, _, _, made, vpn = openstack(
        "router create -f json r-router",
        "bgpvpn create --name r-vpn -f json",
        "bgpvpn create --name r-l2 --type l2 -f json",
        "bgpvpn router association create --no-advertise_extra_routes -f json r-vpn r-router",
        "bgpvpn show -f json r-vpn",
    )
    assert (made["router_id"], made["advertise_extra_routes"]) == (router["id"], False)
    assert vpn["routers"] == [router["id"]]
    one = f"{made['id']} r-vpn"
    after, listed = openstack(
        f"bgpvpn router association set --advertise_extra_routes {one}",
        f"bgpvpn router association show -f json {one}",
        f"bgpvpn router association unset --advertise_extra_routes {one}",
        "bgpvpn router association list --long -f json r-vpn",
    )
    assert after["advertise_extra_routes"] is True
    assert [(row["ID"], row["Router ID"], row["Advertise extra routes"]) for row in listed] == [
        (made["id"], router["id"], False)
    ]
    assert "type l3" in openstack.fails("bgpvpn router association create r-l2 r-router")
    [none] = openstack(
        f"bgpvpn router association delete {one}",
        "bgpvpn router association list -f json r-vpn",
        "bgpvpn delete r-vpn r-l2",
        "router delete r-router",
        warnings=DELETED,
    )
    assert none == []


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_port_associations(openstack: Client) -> None:
    port, vpn, made, listed = openstack(
        "network create -f json p-net",
        "port create --network p-net -f json p-port",
        "bgpvpn create --name p-vpn -f json",
        "bgpvpn port association create --no-advertise-fixed-ips -f json"
        " --prefix-route prefix=10.9.0.0/16,local_pref=50 --prefix-route prefix=10.8.0.0/16"
        " p-vpn p-port",
        "bgpvpn port association list -f json p-vpn",
    )[1:]
    assert (made["port_id"], made["advertise_fixed_ips"]) == (port["id"], False)
    assert [(row["ID"], row["Port ID"]) for row in listed] == [(made["id"], port["id"])]

    cloud = openstack.sdk()

    def routes() -> list[dict[str, Any]]:
        """The client's own columns for them are broken (openstackclient 10.5); the SDK's not."""
        found = cloud.network.get_bgpvpn_port_association(vpn["id"], made["id"]).routes
        return sorted(found, key=lambda route: str(route["prefix"]))

    assert routes() == [
        {"type": "prefix", "prefix": "10.8.0.0/16", "local_pref": None},
        {"type": "prefix", "prefix": "10.9.0.0/16", "local_pref": 50},
    ]
    one = f"{made['id']} p-vpn"
    [after] = openstack(
        "bgpvpn port association set --advertise-fixed-ips"
        f" --prefix-route prefix=10.7.0.0/16 {one}",
        f"bgpvpn port association unset --prefix-route 10.9.0.0/16 {one}",
        f"bgpvpn port association show -f json {one}",
    )
    assert after["advertise_fixed_ips"] is True
    assert [route.get("prefix") for route in routes()] == ["10.7.0.0/16", "10.8.0.0/16"]
    openstack(f"bgpvpn port association set --no-prefix-route {one}")
    assert routes() == []
    cloud.close()
    [left] = openstack(
        f"bgpvpn port association delete {one}",
        "bgpvpn show -f json p-vpn",
        "bgpvpn delete p-vpn",
        "port delete p-port",
        "network delete p-net",
        warnings=DELETED,
    )
    assert left["ports"] == []
