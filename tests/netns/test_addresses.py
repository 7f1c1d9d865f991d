"""Guests with real clients get their addresses from their host's agent, and from no one else."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sdnctl.desired import DhcpOption, LocalPort, SubnetOptions
from sdnctl.graph.attachments import fitting_mtu
from sdnctl.types import Encapsulation, Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from sdnctl_vrouter.drivers.ovs.pipeline import PAUSE_COOKIE
from sdnctl_vrouter.drivers.ovs.questions import BURST
from sdnctl_vrouter.reconciler import Reconciler
from sdnctl_vrouter.responder.packets import link_local
from tests.netns.agents import until
from tests.netns.harness import DATAPATH, Guest, wait_for
from tests.netns.wire import Wire
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

A, B = Place(0, 0, 1), Place(0, 0, 2)

COOKIE = b"\x63\x82\x53\x63"
"""What tells a DHCP message from all others."""

REPORT = """#!/bin/sh
[ "$1" = deconfig ] && exit 0
{ echo "event=$1"; env; } > "$REPORT"
case $1 in bound|renew)
  ip addr flush dev eth0 scope global
  ip addr add "$ip/$mask" dev eth0
  [ -z "$router" ] || ip route add default via "${router%% *}"
esac
exit 0
"""


def subnet_4(tenant: Tenant, network: int = 0, **more: object) -> SubnetOptions:
    fields: dict[str, object] = {
        "gateway": Ip.parse(f"10.0.{network}.254"),
        "dhcp": True,
        "dns_servers": (Ip.parse("192.0.2.53"), Ip.parse("192.0.2.54")),
    }
    vni = tenant.evi(network).vni
    prefix = Prefix.parse(f"10.0.{network}.0/24")
    return SubnetOptions(vni, f"four{network}", prefix, **fields | more)  # type: ignore[arg-type]


def bare(guest: Guest) -> Guest:
    """A guest that knows nothing yet."""
    guest.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
    guest.run("ip", "route", "flush", "table", "main", check=False)
    return guest


def udhcpc(guest: Guest, folder: Path, *options: str) -> dict[str, str]:
    """Run Debian's udhcpc once; what it tells its script."""
    script, report = folder / "script", folder / "report"
    script.write_text(REPORT)
    script.chmod(0o755)
    report.unlink(missing_ok=True)
    guest.run(
        *("env", f"REPORT={report}", "udhcpc", "-i", "eth0", "-n", "-q", "-f"),
        *("-t", "5", "-T", "1", "-s", str(script), *options),
        check=False,
    )
    if not report.exists():
        return {}
    return dict(line.split("=", 1) for line in report.read_text().splitlines() if "=" in line)


def addresses(guest: Guest, version: int) -> set[str]:
    """The addresses of a scope that others can reach, once nobody else turned out to have them."""
    (link,) = json.loads(guest.run("ip", "-j", f"-{version}", "addr", "show", "dev", "eth0"))
    found = (a for a in link["addr_info"] if a["scope"] == "global" and not a.get("tentative"))
    return {a["local"] for a in found}


def subnet_6(tenant: Tenant, network: int = 0, **more: object) -> SubnetOptions:
    fields: dict[str, object] = {
        "gateway": Ip.parse(f"fd00:{network}::fe"),
        "dns_servers": (Ip.parse("2001:db8::53"),),
    }
    vni = tenant.evi(network).vni
    prefix = Prefix.parse(f"fd00:{network}::/64")
    return SubnetOptions(vni, f"six{network}", prefix, **fields | more)  # type: ignore[arg-type]


def slaac(guest: Guest) -> Guest:
    """A guest whose kernel listens to router advertisements from its next start on."""
    guest.run("ip", "link", "set", "eth0", "down")
    for setting in ("accept_ra=2", "autoconf=1", "addr_gen_mode=0", "router_solicitations=2"):
        guest.run("sysctl", "-qw", f"net.ipv6.conf.eth0.{setting}")
    guest.run("ip", "addr", "flush", "dev", "eth0")
    guest.run("ip", "link", "set", "eth0", "up")
    return guest


def dhclient(guest: Guest, folder: Path, reason: str, *options: str) -> dict[str, str]:
    """Run Debian's dhclient until it has got what it asks for; what it tells its script."""
    script, report = folder / "script", folder / "report"
    script.write_text('#!/bin/sh\nenv > "$REPORT.tmp"; mv "$REPORT.tmp" "$REPORT.$reason"\n')
    script.chmod(0o755)
    client = guest.popen(
        *("env", f"REPORT={report}", "dhclient", "-d", *options, "-sf", str(script)),
        *("-e", f"REPORT={report}", "-lf", str(folder / "leases"), "-cf", "/dev/null"),
        *("-pf", str(folder / "pid"), "eth0"),
    )
    done = folder / f"report.{reason}"
    try:
        wait_for(lambda: done.exists() and bool(done.read_text()), 60, str(done))
    finally:
        client.kill()
        client.communicate(timeout=10)
    return dict(line.split("=", 1) for line in done.read_text().splitlines() if "=" in line)


async def test_a_client_gets_its_address_and_all_that_goes_with_it(
    cloud: MakeCloud, tmp_path: Path
) -> None:
    made = await cloud(1)
    tenant = made.tenant(A, B)
    other = made.tenant(A)
    await made.program()
    agent = made.agents[0]
    route = (Prefix.parse("198.51.100.0/24"), Ip.parse("10.0.0.77"))
    port: LocalPort = msgspec.structs.replace(tenant.port(A), host_name="web1", mtu=1372)
    subnet = subnet_4(tenant, routes=(route,), domain="tenant.example.", lease_time=1200)
    assert not await agent.put(port, subnet, subnet_4(other, dhcp=False))
    await agent.settle()
    told = await asyncio.to_thread(udhcpc, bare(made.guests[0, A]), tmp_path, "-O", "mtu")
    assert told["event"] == "bound"
    assert told["ip"] == "10.0.0.1"
    assert told["mask"] == "24"
    assert told["router"] == "10.0.0.254"
    assert told["dns"] == "192.0.2.53 192.0.2.54"
    assert told["hostname"] == "web1"
    assert told["domain"] == "tenant.example"
    assert told["lease"] == "1200"
    assert told["mtu"] == "1372"
    assert told["serverid"] == "10.0.0.254"
    assert told["staticroutes"] == "198.51.100.0/24 10.0.0.77 0.0.0.0/0 10.0.0.254"
    assert await asyncio.to_thread(made.guests[0, A].ping, "10.0.0.2") == 3
    # Where DHCP is off nobody answers.
    told = await asyncio.to_thread(udhcpc, bare(made.guests[1, A]), tmp_path, "-t", "2")
    assert told["event"] == "leasefail"
    assert await agent.reconciler.audit() == []


@pytest.mark.parametrize("answers_nd", [True, False])
async def test_the_kernel_forms_its_address(cloud: MakeCloud, answers_nd: bool) -> None:
    """Whether the switch or the agent says where the router's link-local address is."""
    made = await cloud(1)
    tenant = made.tenant(A, B)
    driver = OvsDriver(str(made.switches[0].rundir), datapath_type=DATAPATH, answers_nd=answers_nd)
    await made.agents[0].stop()
    made.agents[0].reconciler = Reconciler(driver)
    await made.agents[0].start()
    await made.program()
    agent, guest = made.agents[0], made.guests[0, A]
    mac = tenant.mac(A)
    formed = Ip(b"\xfd\0" + bytes(6) + link_local(mac)[8:])
    port = msgspec.structs.replace(tenant.port(A), addresses=(formed,), mtu=1366)
    assert not await agent.put(port, subnet_6(tenant, advertised=True, autonomous=True))
    await agent.settle()
    slaac(guest)
    await until(lambda: str(formed) in addresses(guest, 6))
    (route,) = json.loads(guest.run("ip", "-j", "-6", "route", "show", "default"))
    assert route["gateway"] == str(link_local(tenant.irb(0).mac))
    assert guest.run("sysctl", "-n", "net.ipv6.conf.eth0.mtu").strip() == "1366"
    # Through the router, whose link-local address is asked for first.
    assert await asyncio.to_thread(guest.ping, "fd00:1::fe") == 3
    assert await agent.reconciler.audit() == []


async def test_an_isolated_network_has_addresses_and_no_way_out(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(A)
    await made.program()
    agent, guest = made.agents[0], made.guests[0, A]
    await agent.drop([tenant.irb(0).key])
    formed = Ip(b"\xfd\0" + bytes(6) + link_local(tenant.mac(A))[8:])
    port = msgspec.structs.replace(tenant.port(A), addresses=(formed,), vrf=0)
    subnet = subnet_6(tenant, advertised=True, autonomous=True, gateway=None)
    assert not await agent.put(port, subnet)
    await agent.settle()
    slaac(guest)
    await until(lambda: str(formed) in addresses(guest, 6))
    assert json.loads(guest.run("ip", "-j", "-6", "route", "show", "default")) == []


async def test_an_advertisement_follows_a_change_unasked(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(A)
    await made.program()
    agent, guest = made.agents[0], made.guests[0, A]
    guest.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")  # it does not ask
    with Wire(guest) as wire:
        subnet = subnet_6(tenant, advertised=True, autonomous=True)
        assert not await agent.put(subnet)
        marked = subnet.prefix.ip
        assert await asyncio.to_thread(wire.count, marked, 10, 1) == 1
        assert await asyncio.to_thread(wire.count, marked, 4) == 0, "and not again so soon"


async def test_stateful_and_stateless_dhcpv6(cloud: MakeCloud, tmp_path: Path) -> None:
    made = await cloud(1)
    tenant = made.tenant(A, B)
    await made.program()
    agent, guest = made.agents[0], made.guests[0, A]
    bootfile = DhcpOption(6, 59, b"http://[2001:db8::9]/boot")
    port = msgspec.structs.replace(tenant.port(A), dhcp_options=(bootfile,))
    subnet = subnet_6(tenant, dhcp=True, advertised=True, domain="red.example.")
    assert not await agent.put(port, subnet)
    await agent.settle()
    guest.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    await until(lambda: "tentative" not in guest.run("ip", "-6", "addr", "show", "dev", "eth0"))
    (tmp_path / "na").mkdir()
    told = await asyncio.to_thread(dhclient, guest, tmp_path / "na", "BOUND6", "-6")
    assert told["new_ip6_address"] == "fd00::1"
    assert told["new_dhcp6_name_servers"] == "2001:db8::53"
    assert told["new_dhcp6_domain_search"] == "red.example."
    assert told["new_max_life"] == "86400"
    stateless = msgspec.structs.replace(subnet, dhcp=False, stateless=True, autonomous=True)
    assert not await agent.put(stateless)
    await agent.settle()
    (tmp_path / "s").mkdir()
    told = await asyncio.to_thread(dhclient, guest, tmp_path / "s", "RENEW6", "-6", "-S")
    assert told["new_dhcp6_name_servers"] == "2001:db8::53"
    assert "new_ip6_address" not in told


async def test_renew_without_a_controller_and_after_a_restart(
    cloud: MakeCloud, tmp_path: Path
) -> None:
    """A client that stays renews by unicast, whoever is away; no controller is in this test."""
    made = await cloud(1)
    tenant = made.tenant(A, B)
    await made.program()
    assert not await made.agents[0].put(subnet_4(tenant))
    await made.agents[0].settle()
    guest = bare(made.guests[0, A])
    script, log = tmp_path / "script", tmp_path / "log"
    script.write_text(REPORT.replace("esac\nexit 0\n", f'esac\necho "$1" >> {log}\n'))
    script.chmod(0o755)
    client = guest.popen(
        *("env", f"REPORT={tmp_path / 'report'}", "udhcpc", "-i", "eth0", "-f"),
        *("-t", "5", "-T", "1", "-s", str(script)),
    )

    async def told(*events: str) -> None:
        await until(lambda: log.exists() and log.read_text().split() == [*events], 30)

    try:
        await told("bound")
        client.send_signal(signal.SIGUSR1)  # renew now
        await told("bound", "renew")
        await made.restart(0)
        client.send_signal(signal.SIGUSR1)
        await told("bound", "renew", "renew")
    finally:
        client.kill()
        client.communicate(timeout=10)
    assert addresses(guest, 4) == {"10.0.0.1"}


async def test_a_port_that_asks_too_much_is_cut_off_alone(cloud: MakeCloud, tmp_path: Path) -> None:
    made = await cloud(1)
    tenant = made.tenant(A, B)
    await made.program()
    agent = made.agents[0]
    assert not await agent.put(subnet_4(tenant))
    await agent.settle()
    noisy, quiet = made.guests[0, A], bare(made.guests[0, B])
    mac = tenant.mac(A)
    discover = dhcp_4(mac, [("message-type", "discover")])
    with Wire(noisy) as wire:
        paused = ""
        for _ in range(40):
            wire.send(*[discover] * 50)
            await asyncio.sleep(0.02)
            paused += agent.switch.ofctl("dump-flows", f"cookie={PAUSE_COOKIE:#x}/-1")
        assert "hard_timeout=1" in paused
        assert BURST <= await asyncio.to_thread(wire.count, COOKIE, 0.5) < 100
        # Another port is served all the while, and the noisy one's other packets go on.
        assert (await asyncio.to_thread(udhcpc, quiet, tmp_path))["ip"] == "10.0.0.2"
        assert await asyncio.to_thread(noisy.ping, "10.0.0.2") == 3
        assert await agent.reconciler.audit() == []
        await asyncio.sleep(2)
        wire.send(discover)
        assert await asyncio.to_thread(wire.count, COOKIE, 5, 1) == 1


def dhcp_4(mac: Mac, options: list[Any], **more: Any) -> bytes:
    """A client's message, broadcast."""
    fields: dict[str, Any] = {"chaddr": bytes(mac), "xid": 7, "flags": 0x8000} | more
    ip = IP(src=more.get("ciaddr", "0.0.0.0"), dst="255.255.255.255")
    frame = Ether(src=str(mac), dst="ff:ff:ff:ff:ff:ff") / ip / UDP(sport=68, dport=67)
    return bytes(frame / BOOTP(**fields) / DHCP(options=[*options, "end"]))


async def test_odd_messages(cloud: MakeCloud) -> None:
    """Each that must be answered, and is by its type; each that must not be."""
    made = await cloud(2)
    elsewhere = Place(1, 0, 3)
    tenant = made.tenant(A, B, elsewhere)
    await made.program()
    for agent in made.agents:
        assert not await agent.put(subnet_4(tenant))
        await agent.settle()
    mac = tenant.mac(A)
    server = ("server_id", "10.0.0.254")
    request = ("message-type", "request")
    own, others = ("requested_addr", "10.0.0.1"), ("requested_addr", "10.0.0.2")
    answered = {
        "offer": dhcp_4(mac, [("message-type", "discover"), others]),
        "select": dhcp_4(mac, [request, server, own]),
        "reboot": dhcp_4(mac, [request, own]),
        "rebind": dhcp_4(mac, [request], ciaddr="10.0.0.1"),
        "inform": dhcp_4(mac, [("message-type", "inform")], ciaddr="10.0.0.1"),
        "another's address": dhcp_4(mac, [request, server, others]),
    }
    kinds = {"offer": 2, "another's address": 6}
    silent = {
        "another server": dhcp_4(mac, [request, ("server_id", "10.0.0.9"), own]),
        "release": dhcp_4(mac, [("message-type", "release"), server], ciaddr="10.0.0.1"),
        "decline": dhcp_4(mac, [("message-type", "decline"), server, own]),
        "through a relay": dhcp_4(mac, [("message-type", "discover")], giaddr="10.0.0.7"),
        "another's MAC inside": dhcp_4(
            mac, [("message-type", "discover")], chaddr=bytes(tenant.mac(B))
        ),
        "no type": dhcp_4(mac, []),
        "a reply": dhcp_4(mac, [("message-type", "offer")], op=2),
        "cut short": dhcp_4(mac, [("message-type", "discover")])[:150],
        "broken options": dhcp_4(mac, [])[:-1] + b"\x35\xff\x01",
    }
    with (
        Wire(made.guests[0, A]) as wire,
        Wire(made.guests[0, B]) as same_host,
        Wire(made.guests[0, elsewhere]) as other_host,
    ):
        for name, frame in answered.items():
            wire.send(frame)
            (reply,) = await asyncio.to_thread(wire.frames, COOKIE, 5, 1)
            parsed = Ether(reply)
            assert parsed.src == str(tenant.irb(0).mac), name
            told = {o[0]: o[1] for o in parsed[DHCP].options if isinstance(o, tuple)}
            assert told["message-type"] == kinds.get(name, 5), name
            wanted = "0.0.0.0" if name in {"inform", "another's address"} else "10.0.0.1"
            assert parsed[BOOTP].yiaddr == wanted, name
        for frame in silent.values():
            wire.send(frame)
        assert await asyncio.to_thread(wire.frames, COOKIE, 0.5) == []
        assert same_host.count(COOKIE, 0.1) == 0, "nobody else sees a question or an answer"
        assert other_host.count(COOKIE, 0.1) == 0


@pytest.mark.parametrize(
    ("encapsulation", "mtu"), [(Encapsulation.VXLAN, 1450), (Encapsulation.MPLS_GRE, 1458)]
)
async def test_the_mtu_that_is_told_fits_and_is_the_most_that_does(
    cloud: MakeCloud, tmp_path: Path, encapsulation: Encapsulation, mtu: int
) -> None:
    """Of a network with an MTU of 1500, on an underlay of 1500."""
    made = await cloud(2)
    far = Place(1, 0, 2)
    tenant = made.tenant(A, far, encapsulations=(encapsulation,))
    await made.program()
    for host, place in enumerate((A, far)):
        port = msgspec.structs.replace(
            tenant.port(place),
            mtu=fitting_mtu(1500, 1500, made.switches[host].vtep, (encapsulation,)),
        )
        assert port.mtu == mtu
        assert not await made.agents[host].put(port, subnet_4(tenant))
        guest = bare(made.guests[0, place])
        guest.run("ip", "link", "set", "eth0", "mtu", "1500")
        await made.agents[host].settle()
        told = await asyncio.to_thread(udhcpc, guest, tmp_path, "-O", "mtu")
        assert told["mtu"] == str(mtu)
    guest = made.guests[0, A]
    whole = ("-M", "do", "-s", str(mtu - 28))
    assert await asyncio.to_thread(guest.ping, "10.0.0.2", 3, *whole) == 3
    more = ("-M", "do", "-s", str(mtu - 27))
    assert await asyncio.to_thread(guest.ping, "10.0.0.2", 2, *more) == 0
