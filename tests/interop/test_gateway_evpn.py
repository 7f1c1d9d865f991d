"""EVPN over VXLAN with FRR on a Linux kernel as the gateway: bridged and routed packets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sdnctl.lab import netns
from sdnctl.lab.process import wait_for
from tests.interop.frr import FrrNode, bridge, router
from tests.interop.house import ASN, House, house

pytestmark = [pytest.mark.netns, pytest.mark.interop]

SEGMENT = "10.5.0.50"
BRIDGED = "10.5.0.5"
ROUTED = "10.0.0.5"
OUTSIDE = "203.0.113.10"
L2_VNI = 5100


@dataclass
class Site:
    """The house and its two gateways."""

    house: House
    bridge: FrrNode
    router: FrrNode


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    outsides = {"sw": SEGMENT, "gw": OUTSIDE, "own-sw": "10.7.0.50", "own-gw": OUTSIDE}
    with house(2, {name: f"{address}/24" for name, address in outsides.items()}) as made:
        made.exec("out-gw", "ip route add default via 203.0.113.1")
        red = made.router("red", f"{ASN}:1")
        front = made.network("front", "10.0.0.0/24", router=red)
        made.guest("web", front, "hv1", ROUTED)
        stretched = made.network(
            "stretched",
            "10.5.0.0/24",
            more={
                "provider:network_type": "vxlan",
                "provider:segmentation_id": L2_VNI,
                "sdn:import_targets": [f"{ASN}:2"],
                "sdn:export_targets": [f"{ASN}:2"],
            },
        )
        made.guest("db", stretched, "hv1", BRIDGED)
        made.guest("far", stretched, "hv2")
        switch = bridge(made, "sw", "192.0.2.251", L2_VNI)
        gateway = router(made, "gw", "192.0.2.252", red["sdn:vni"])
        made.peer("sw", "192.0.2.251", "l2vpn-evpn")
        made.peer("gw", "192.0.2.252", "l2vpn-evpn")
        made.established("sw", "gw")
        yield Site(made, switch, gateway)


def test_a_network_is_stretched_to_a_physical_segment(site: Site) -> None:
    site.house.reaches("db", SEGMENT)
    site.house.reaches("far", SEGMENT)


def test_the_segment_reaches_the_guests(site: Site) -> None:
    for node in ("out-sw", "db"):
        site.house.exec(node, "ip neigh flush all")
    site.house.reaches("out-sw", BRIDGED)


def test_the_segments_host_is_known_by_its_mac(site: Site) -> None:
    mac = site.house.exec("out-sw", "cat /sys/class/net/eth1/address").strip()

    def known() -> bool:
        rows = site.house.api.list("/sdn/v1/routes", "routes")
        return any(mac in str(row) and row["next_hop"] == "192.0.2.251" for row in rows)

    wait_for("the MAC/IP route", known, timeout=20)


def test_routed_both_ways_by_prefix_routes(site: Site) -> None:
    site.house.reaches("web", OUTSIDE)
    site.house.reaches("out-gw", ROUTED)


PATHS = (("web", OUTSIDE), ("out-gw", ROUTED), ("db", SEGMENT), ("far", SEGMENT))


def test_gateways_with_vnis_of_their_own(site: Site) -> None:
    """Each side sends by the VNI that the other announced, or by its own where it knows no other.

    FRR 8.4 does the latter; what it sends is taken from it alone.
    """
    house = site.house
    blue = house.router("blue", f"{ASN}:3")
    back = house.network("back", "10.6.0.0/24", router=blue)
    more = {"sdn:import_targets": [f"{ASN}:4"], "sdn:export_targets": [f"{ASN}:4"]}
    stretched = house.network("wide", "10.7.0.0/24", more=more)
    house.guest("app", back, "hv1", "10.6.0.5")
    house.guest("old", stretched, "hv1", "10.7.0.5")
    house.exec("out-own-gw", "ip route add default via 203.0.113.1")
    bridge(house, "own-sw", "192.0.2.253", 7001, target=f"{ASN}:4")
    router(house, "own-gw", "192.0.2.254", 7002, target=f"{ASN}:3")
    house.peer("own-sw", "192.0.2.253", "l2vpn-evpn")
    house.peer("own-gw", "192.0.2.254", "l2vpn-evpn")
    house.established("own-sw", "own-gw")
    house.reaches("app", OUTSIDE)
    house.reaches("out-own-gw", "10.6.0.5")
    house.reaches("old", "10.7.0.50")
    house.reaches("out-own-sw", "10.7.0.5")
    assert not netns.ping(house.namespace("web"), "10.6.0.5")


def test_controller_killed(site: Site) -> None:
    since = {name: site.house.session(name)["since"] for name in ("sw", "gw")}
    withdrawn = site.bridge.withdrawals() + site.router.withdrawals()
    with site.house.none_lost(*PATHS):
        site.house.kill_controller()
        site.house.established(*since)
        time.sleep(1)
    assert {name: site.house.session(name)["since"] for name in since} == since
    assert site.bridge.withdrawals() + site.router.withdrawals() == withdrawn


def test_speaker_killed(site: Site) -> None:
    """FRR keeps no EVPN route of a peer that restarts: its helper (RFC 4724) ends at L3VPN.

    So what it forgets is felt until the next speaker has told it all again.
    """
    with site.house.pings("web", OUTSIDE) as pings:
        time.sleep(1)
        site.house.kill_speaker("gw")
        site.house.established("sw", "gw")
        time.sleep(2)
    print(f"lost {pings.lost} of {pings.sent}, silent for {pings.longest:.2f} s")
    assert pings.sent > 100, "and they are answered again"
    with site.house.none_lost(*PATHS):
        time.sleep(1)
