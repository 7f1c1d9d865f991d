"""EVPN over VXLAN with FRR on a Linux kernel as the gateway: bridged and routed packets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

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
    with house(2, {"sw": f"{SEGMENT}/24", "gw": f"{OUTSIDE}/24"}) as made:
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
    assert pings.lost < pings.sent / 2
    with site.house.none_lost(*PATHS):
        time.sleep(1)
