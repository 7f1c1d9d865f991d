"""The gateway's data plane: packets go as its own BGP table says, both ways, tenants apart.

A peer stands for the controller's speaker, a switch with static flows for a hypervisor.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.lab import guests, lab, services
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import end, wait_for

pytestmark = [pytest.mark.netns, pytest.mark.interop]

TOPOLOGY = """
name: gwtest
topology:
  defaults: {kind: linux}
  nodes:
    underlay: {kind: bridge}
    speaker: {}
    hv: {labels: {sdnctl.role: hypervisor}}
    gw:
      labels: {sdnctl.role: gateway}
      binds: ["gobgp.toml:/etc/gobgp/gobgp.toml", "gateway.toml:/etc/sdnctl/gateway.toml"]
    out-red:
      exec: ["ip route add default via 203.0.113.1", "ip route add ::/0 via 2001:db8:71::1"]
    out-blue:
      exec: ["ip route add default via 203.0.113.1", "ip route add ::/0 via 2001:db8:71::1"]
  links:
    - {endpoints: ["speaker:eth1", "underlay:speaker"], ipv4: [192.0.2.1/24], mtu: 1600}
    - {endpoints: ["hv:eth1", "underlay:hv"], ipv4: [192.0.2.11/24], mtu: 1600}
    - {endpoints: ["gw:eth1", "underlay:gw"], ipv4: [192.0.2.254/24], mtu: 1600}
    - type: veth
      endpoints:
        - {node: gw, interface: red}
        - node: out-red
          interface: eth1
          mac: "02:00:5e:00:71:01"
          ipv4: 203.0.113.10/24
          ipv6: 2001:db8:71::10/64
    - type: veth
      endpoints:
        - {node: gw, interface: blue}
        - node: out-blue
          interface: eth1
          mac: "02:00:5e:00:71:02"
          ipv4: 203.0.113.10/24
          ipv6: 2001:db8:71::10/64
"""
DEMO = Path(__file__).parents[2] / "labs" / "demo"
LABEL = {"red": 501, "blue": 502}
TARGET = {"red": "64512:1", "blue": "64512:2"}
LABEL_IPV6 = {"red": 601, "blue": 602}
GATEWAY_LABEL = {"red": 900001, "blue": 900002}
GATEWAY_LABEL_IPV6 = {"red": 900011, "blue": 900012}
ROUTER_MAC = "02:00:00:00:00:01"
SPEAKER = """
[global.config]
as = 64512
router-id = "192.0.2.1"
[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.254"
peer-as = 64512
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "l3vpn-ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "l3vpn-ipv6-unicast"
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Lab]:
    """Two guests with one address behind a hypervisor, two outsides with one address."""
    folder = Path(tempfile.mkdtemp(prefix="gw"))
    name = f"gw{os.getpid()}"
    before = os.environ.get("SDNCTL_LAB_DIR")
    os.environ["SDNCTL_LAB_DIR"] = str(folder / "run")
    (folder / "gw.clab.yml").write_text(TOPOLOGY)
    (folder / "speaker.toml").write_text(SPEAKER)
    for file in ("gobgp.toml", "gateway.toml"):
        shutil.copy(DEMO / file, folder)
    try:
        made = lab.up(folder / "gw.clab.yml", services.start, name=name)
        made.start("speaker", "gobgpd", ["gobgpd", "-f", str(folder / "speaker.toml"), "-p"])
        _plug(made)
        wait_for("the BGP session", lambda: "Establ" in _said(made, "gobgp neighbor"), timeout=30)
        yield made
    finally:
        lab.down(name)
        shutil.rmtree(folder)
        if before is None:
            del os.environ["SDNCTL_LAB_DIR"]
        else:
            os.environ["SDNCTL_LAB_DIR"] = before


def _said(site: Lab, command: str, node: str = "speaker") -> str:
    return site.exec(node, command.split())


def _plug(site: Lab) -> None:
    """Guests and the flows that an agent would have made."""
    switch = site.switch("hv")
    switch.vsctl(
        *("add-port", "br-int", "gre0", "--", "set", "Interface", "gre0", "type=gre"),
        *("options:remote_ip=flow", "options:packet_type=legacy_l3"),
    )
    flows = []
    for number, tenant in enumerate(LABEL, 1):
        mac = f"fa:16:3e:00:00:0{number}"
        guest = guests.plug(
            *(site, tenant),
            hypervisor="hv",
            port_id=f"{number}2345678-9abc-4def-8123-456789abcdef",
            mac=mac,
            addresses=["10.0.0.5/24", "fd00::5/64"],
            gateways=["10.0.0.1", "fd00::1"],
        )
        for router in ("10.0.0.1", "fd00::1"):
            neighbour = f"ip neigh add {router} lladdr {ROUTER_MAC} dev {guests.INTERFACE}"
            site.exec(tenant, neighbour.split())
        for protocol, ethertype, out, back in (
            ("ip", "0x0800", GATEWAY_LABEL, LABEL),
            ("ipv6", "0x86dd", GATEWAY_LABEL_IPV6, LABEL_IPV6),
        ):
            flows.append(
                f"in_port={guest.interface},{protocol},dl_dst={ROUTER_MAC},actions=dec_ttl,"
                f"push_mpls:0x8847,set_field:{out[tenant]}->mpls_label,"
                "set_field:192.0.2.254->tun_dst,output:gre0"
            )
            flows.append(
                f"in_port=gre0,mpls,mpls_label={back[tenant]},actions=pop_mpls:{ethertype},"
                f"set_field:{mac}->eth_dst,output:{guest.interface}"
            )
    switch.ofctl("--bundle", "add-flows", "br-int", "-", stdin="\n".join(flows))
    site.exec("hv", ["ping", "-c", "1", "-W", "2", "192.0.2.254"])


def _announce(site: Lab, tenant: str, verb: str = "add", prefix: str = "10.0.0.5/32") -> None:
    family, labels = ("vpnv6", LABEL_IPV6) if ":" in prefix else ("vpnv4", LABEL)
    _said(
        site,
        f"gobgp global rib {verb} -a {family} {prefix} label {labels[tenant]} "
        f"rd 192.0.2.11:{LABEL[tenant]} rt {TARGET[tenant]} nexthop 192.0.2.11 encap gre",
    )


def _fib(site: Lab) -> str:
    return site.switch("gw").ofctl("dump-flows", "br-gw", "table=1")


def _received(site: Lab, node: str) -> int:
    """IP packets that a node got for itself."""
    text = site.exec(node, ["cat", "/proc/net/snmp"])
    names, values = (x.split() for x in text.splitlines() if x.startswith("Ip:"))
    return int(values[names.index("InReceives")])


def _pings(site: Lab, node: str, address: str) -> bool:
    return site.answers(node, ["ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", address])


def _answered_within(site: Lab, node: str, address: str, seconds: float) -> None:
    wait_for(f"{node} reaches {address}", lambda: _pings(site, node, address), timeout=seconds)


def test_gateway_announces_its_prefixes_with_label_target_and_encapsulation(site: Lab) -> None:
    wait_for(
        "the gateway's routes",
        lambda: _said(site, "gobgp global rib -a vpnv4").count("203.0.113.0/24") == 2,
    )
    lines = _said(site, "gobgp global rib -a vpnv4").splitlines()
    for number, tenant in enumerate(LABEL, 1):
        (line,) = [x for x in lines if f"192.0.2.254:{number}:203.0.113.0/24" in x]
        assert f"[{GATEWAY_LABEL[tenant]}]" in line
        assert f"[{TARGET[tenant]}], [GRE]" in line


def test_packets_follow_the_table_both_ways_and_stay_apart(site: Lab) -> None:
    assert not _pings(site, "out-red", "10.0.0.5"), "there is no route yet"
    _announce(site, "red")
    _answered_within(site, "out-red", "10.0.0.5", 10)
    _answered_within(site, "red", "203.0.113.10", 10)
    assert not _pings(site, "blue", "203.0.113.10"), "blue's return route is not announced"
    _announce(site, "blue")
    _answered_within(site, "blue", "203.0.113.10", 10)
    _announce(site, "red", "del")
    wait_for("the withdrawal", lambda: not _pings(site, "red", "203.0.113.10"), timeout=10)
    assert _pings(site, "blue", "203.0.113.10")


def test_ipv6_goes_by_labels_of_its_own(site: Lab) -> None:
    _announce(site, "red", prefix="fd00::5/128")
    _answered_within(site, "red", "2001:db8:71::10", 10)
    _answered_within(site, "out-red", "fd00::5", 10)
    assert not _pings(site, "blue", "2001:db8:71::10")
    assert not _pings(site, "out-blue", "fd00::5")
    _announce(site, "red", "del", prefix="fd00::5/128")


def test_a_packet_is_counted_in_its_own_tenant_only(site: Lab) -> None:
    for tenant in LABEL:
        _announce(site, tenant)
    for tenant, other in (("red", "blue"), ("blue", "red")):
        _answered_within(site, tenant, "203.0.113.10", 10)
        before = _received(site, f"out-{other}")
        assert _pings(site, tenant, "203.0.113.10")
        assert _received(site, f"out-{other}") == before


def test_tcp_goes_through(site: Lab) -> None:
    _announce(site, "red")
    _answered_within(site, "red", "203.0.113.10", 10)
    server = site.start("out-red", "http", ["python3", "-m", "http.server", "8000", "-d", "/tmp"])
    try:
        fetch = (
            "import urllib.request as u; u.urlopen('http://203.0.113.10:8000', timeout=3).read()"
        )
        wait_for("TCP", lambda: site.answers("red", ["python3", "-c", fetch]), process=server)
    finally:
        end([server])


def test_a_larger_prefix_yields_to_a_longer_one(site: Lab) -> None:
    _announce(site, "red")
    _said(
        site,
        "gobgp global rib add -a vpnv4 10.0.0.0/24 label 77 rd 192.0.2.99:9 rt 64512:1 "
        "nexthop 192.0.2.99 encap gre",
    )
    wait_for("the larger prefix", lambda: "nw_dst=10.0.0.0/24" in _fib(site))
    _answered_within(site, "red", "203.0.113.10", 10)
    _said(site, "gobgp global rib del -a vpnv4 10.0.0.0/24 label 77 rd 192.0.2.99:9")
    wait_for("its withdrawal", lambda: "nw_dst=10.0.0.0/24" not in _fib(site))


def test_foreign_targets_and_encapsulations_are_not_followed(site: Lab) -> None:
    _said(
        site,
        "gobgp global rib add -a vpnv4 10.7.0.0/24 label 78 rd 192.0.2.11:78 rt 64512:7 "
        "nexthop 192.0.2.11 encap gre",
    )
    _said(
        site,
        "gobgp global rib add -a vpnv4 10.8.0.0/24 label 79 rd 192.0.2.11:79 rt 64512:1 "
        "nexthop 192.0.2.11 encap vxlan",
    )
    _announce(site, "red", prefix="10.9.0.0/24")
    wait_for("the last route", lambda: "nw_dst=10.9.0.0/24" in _fib(site))
    assert "10.7.0.0" not in _fib(site)
    assert "10.8.0.0" not in _fib(site)


def test_a_killed_switch_and_a_killed_daemon_come_back(site: Lab) -> None:
    _announce(site, "red")
    _answered_within(site, "red", "203.0.113.10", 10)
    # The switch forgets its flows: the sweep brings them back.
    site.switch("gw").ofctl("del-flows", "br-gw")
    assert not _pings(site, "red", "203.0.113.10")
    _answered_within(site, "red", "203.0.113.10", 15)
    # A daemon that is gone withdraws nothing.
    daemon = site.process("gw", "gobgpd")
    os.kill(daemon.pid, 9)
    wait_for("its end", lambda: not daemon.alive)
    time.sleep(1)
    assert _pings(site, "red", "203.0.113.10")
