"""MPLS over GRE to a gateway that is wholly not ours: FRR on a Linux kernel with VRF and MPLS.

The gateway is a user-mode Linux on the underlay. Packets go from a guest through the agent's
switch, by a label that FRR chose and announced, into a VRF of its kernel, and back by the label
that the controller announced.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sdnctl.lab import netns
from sdnctl.lab.process import wait_for
from tests.interop.house import ASN, CONTROLLER, House, house
from tests.interop.uml import UserModeLinux

pytestmark = [pytest.mark.netns, pytest.mark.interop]

ADDRESS = "192.0.2.254"
GUEST = "10.0.0.5"
GUEST6 = "fd00::5"
OUTSIDE = "203.0.113.10"
OUTSIDE6 = "2001:db8:71::10"

# FRR 8.4 looks up a next hop of ::ffff:A.B.C.D as A.B.C.D, and the kernel takes no such next hop
# for an IPv6 route: so IPv6 has a next hop of its own on the tunnel. Towards us it would announce
# the link-local address of its interface.
CONFIG = f"""
log file /run/frr/log
debug bgp updates in
route-map GRE permit 10
 set l3vpn next-hop encapsulation gre
exit
route-map GRE6 permit 10
 set ipv6 next-hop global fd99::11
 set l3vpn next-hop encapsulation gre
exit
route-map MAPPED permit 10
 set ipv6 next-hop global ::ffff:{ADDRESS}
exit
router bgp {ASN}
 bgp router-id {ADDRESS}
 no bgp default ipv4-unicast
 neighbor {CONTROLLER} remote-as {ASN}
 neighbor {CONTROLLER} timers connect 1
 neighbor {CONTROLLER} advertisement-interval 0
 address-family ipv4 vpn
  neighbor {CONTROLLER} activate
  neighbor {CONTROLLER} route-map GRE in
 exit-address-family
 address-family ipv6 vpn
  neighbor {CONTROLLER} activate
  neighbor {CONTROLLER} route-map GRE6 in
  neighbor {CONTROLLER} route-map MAPPED out
 exit-address-family
exit
router bgp {ASN} vrf red
 bgp router-id {ADDRESS}
 address-family ipv4 unicast
  redistribute connected
  label vpn export auto
  rd vpn export {ADDRESS}:1
  rt vpn both {ASN}:1
  export vpn
  import vpn
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
  label vpn export auto
  rd vpn export {ADDRESS}:1
  rt vpn both {ASN}:1
  export vpn
  import vpn
 exit-address-family
exit
"""

# A tunnel a hypervisor, and the route to its VTEP through it: so FRR finds that a VPN's next hop
# is reached by GRE. The outer packets are bound to the underlay's interface.
SETUP = f"""
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.mpls.platform_labels=1048575
ethtool -K vec0 tx off
ip link add red type vrf table 10
ip link set red up
ip link set vec1 master red
ip address add 203.0.113.1/24 dev vec1
ip address add 2001:db8:71::1/64 dev vec1 nodad
ip link set vec1 up
ip link add gre1 type gre local {ADDRESS} remote 192.0.2.11 dev vec0 ttl 64
ip link set gre1 up
sysctl -qw net.mpls.conf.gre1.input=1
ip route add 192.0.2.11/32 dev gre1
ip route add fd99::11/128 dev gre1
mkdir /run/frr
chown frr:frr /run/frr
/usr/lib/frr/zebra -d -f /dev/null --vty_socket /run/frr -z /run/frr/zserv -i /run/frr/zebra.pid
/usr/lib/frr/bgpd -d -f {{config}} --vty_socket /run/frr -z /run/frr/zserv -i /run/frr/bgpd.pid
"""


@dataclass
class Site:
    """The house, and the kernel that is its gateway."""

    house: House
    gateway: UserModeLinux

    def routes(self) -> str:
        """The gateway's forwarding table of the VRF."""
        return self.gateway.run("ip route show table 10 proto bgp; ip -6 route show table 10")

    def withdrawals(self) -> list[str]:
        """What its log tells of withdrawn routes."""
        log = self.gateway.run("cat /run/frr/log")
        return [line for line in log.splitlines() if "withdrawn" in line]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with house(1, {"gw": f"{OUTSIDE}/24"}) as made:
        made.exec(
            "out-gw",
            f"ip address add {OUTSIDE6}/64 dev eth1 nodad; ip route add default via 203.0.113.1;"
            "ip route add ::/0 via 2001:db8:71::1",
        )
        for tap, cable, bridge in (("tap0", "eth1", "under"), ("tap1", "eth2", "red")):
            made.exec(
                "gw",
                f"ip link add {bridge} type bridge && ip tuntap add {tap} mode tap &&"
                f"for i in {tap} {cable}; do ip link set $i master {bridge} up; done;"
                f"ip link set {bridge} up",
            )
        made.exec("gw", "ip address add 192.0.2.253/24 dev under")
        config = made.folder / "frr.conf"
        config.write_text(CONFIG)
        config.chmod(0o644)
        gateway = UserModeLinux(
            made.namespace("gw"),
            made.folder / "uml",
            f"{ADDRESS}/24",
            taps=("tap0", "tap1"),
            modules=("mpls_router", "mpls_iptunnel", "ip_gre", "vrf"),
            setup=SETUP.format(config=config),
        )
        made.closing.append(gateway.close)
        made.peer("gw", ADDRESS, "ipv4-vpn", "ipv6-vpn", encapsulations=["mpls-gre"])
        red = made.router("red", f"{ASN}:1")
        network = made.network("front", "10.0.0.0/24", "fd00::/64", router=red)
        made.guest("web", network, "hv1", GUEST, GUEST6)
        made.established("gw")
        yield Site(made, gateway)


def test_packets_cross_both_ways(site: Site) -> None:
    site.house.reaches("web", OUTSIDE)
    site.house.reaches("out-gw", GUEST)


def test_packets_of_ipv6_cross_both_ways(site: Site) -> None:
    site.house.reaches("web", OUTSIDE6)
    site.house.reaches("out-gw", GUEST6)


def test_they_go_by_the_labels_that_each_side_announced(site: Site) -> None:
    (router,) = site.house.api.list("/v2.0/routers", "routers")
    label = router["sdn:label"]
    wait_for("the route", lambda: f"{GUEST} " in site.routes(), timeout=20)
    (line,) = [x for x in site.routes().splitlines() if x.startswith(f"{GUEST} ")]
    assert f"encap mpls  {label} via 192.0.2.11 dev gre1" in line
    received = "cat /sys/class/net/gre1/statistics/rx_packets"
    before = int(site.gateway.run(received))
    assert netns.ping(site.house.namespace("web"), OUTSIDE)
    assert int(site.gateway.run(received)) == before + 1


def test_controller_killed(site: Site) -> None:
    before = site.house.session("gw")["since"]
    withdrawn = site.withdrawals()
    with site.house.none_lost(("web", OUTSIDE), ("out-gw", GUEST)):
        site.house.kill_controller()
        wait_for("the session", lambda: site.house.session("gw")["since"] == before, timeout=30)
        time.sleep(1)
    assert site.withdrawals() == withdrawn
    assert site.house.session("gw")["since"] == before, "the session did not notice"


def test_speaker_killed(site: Site) -> None:
    withdrawn, routes = site.withdrawals(), site.routes()
    assert f"{GUEST} " in routes
    with site.house.none_lost(("web", OUTSIDE), ("out-gw", GUEST)):
        site.house.kill_speaker("gw")
        time.sleep(2)
    assert site.withdrawals() == withdrawn
    assert site.routes() == routes


def test_what_goes_is_withdrawn_from_its_kernel(site: Site) -> None:
    (network,) = site.house.api.list("/v2.0/networks", "networks")
    port = site.house.api.create(
        "/v2.0/ports", "port", **{"network_id": network["id"], "binding:host_id": "hv1"}
    )
    address = port["fixed_ips"][0]["ip_address"]
    wait_for("its route", lambda: f"{address} " in site.routes(), timeout=20)
    before = site.withdrawals()
    site.house.api.send("DELETE", f"/v2.0/ports/{port['id']}")
    wait_for("its withdrawal", lambda: f"{address} " not in site.routes(), timeout=20)
    assert len(site.withdrawals()) > len(before), "its log tells of withdrawals"
