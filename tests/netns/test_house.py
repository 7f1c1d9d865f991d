"""The whole house on the demo's topology, and each of its processes killed under traffic.

Controller, agents, speaker, switches and gateway are the real processes in namespaces; pings go
500 times a second through both encapsulations and through the gateway while one process after
the other dies by SIGKILL and comes back.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from sdnctl.lab import lab, netns, services
from sdnctl.lab.demo import tenants
from sdnctl.lab.demo.api import Api
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import Process, wait_for
from tests.netns.harness import Namespace
from tests.netns.wire import Wire

TOPOLOGY = Path(__file__).parents[2] / "labs" / "demo" / "demo.clab.yml"
RATE = 500

pytestmark = pytest.mark.netns


@dataclass
class Cloud:
    """The demo's lab with its tenants."""

    lab: Lab
    api: Api
    guests: dict[str, Station]
    ports: dict[str, dict[str, Any]]

    def process(self, node: str, name: str) -> Process:
        """The newest process of that name."""
        return [p for p in self.lab.state.processes if (p.node, p.name) == (node, name)][-1]

    def kill(self, node: str, name: str, number: int = signal.SIGKILL) -> None:
        process = self.process(node, name)
        os.kill(process.pid, number)
        wait_for(f"the end of {name} on {node}", lambda: not process.alive)

    def agents(self) -> dict[str, Any]:
        rows = self.api.send("GET", "/sdn/v1/agents")["agents"]
        return {row["hypervisor"]: row for row in rows}

    def await_agents(self) -> None:
        def settled() -> bool:
            rows = self.agents()
            return len(rows) == 3 and all(
                r["in_sync"] and r["programmed"] == r["sent"] and not r["failures"]
                for r in rows.values()
            )

        wait_for("all agents in sync", settled, timeout=20)

    def session(self) -> dict[str, Any]:
        (row,) = self.api.send("GET", "/sdn/v1/bgp-sessions")["bgp_sessions"]
        return dict(row)

    def gateway_routes(self) -> set[str]:
        table = self.lab.exec("gateway", ["gobgp", "global", "rib", "-a", "vpnv4"])
        return set(re.findall(r"192\.0\.2\.1\d:\d+:[0-9.]+/32", table))

    def status(self, name: str) -> str:
        return str(self.api.send("GET", f"/v2.0/ports/{self.ports[name]['id']}")["port"]["status"])


@dataclass
class Pings:
    """A stream of pings, and what became of it."""

    process: subprocess.Popen[str]

    def finish(self) -> tuple[int, int]:
        """(sent, lost). Those on their way when the ping is stopped are not lost."""
        self.process.send_signal(signal.SIGINT)
        out, _err = self.process.communicate(timeout=10)
        match = re.search(r"(\d+) packets transmitted", out)
        assert match, out
        sent = int(match[1])
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", out)}
        assert answered, out
        assert sent - max(answered) < RATE / 10, "nothing comes back in the end"
        return sent, max(answered) - len(answered)


@contextlib.contextmanager
def traffic(cloud: Cloud, *pairs: tuple[str, str], lost: int = 0) -> Iterator[None]:
    """Ping along the pairs all the while; at the end no more than ``lost`` may be missing."""
    streams = []
    for source, target in pairs:
        command = ["ping", "-n", "-i", str(1 / RATE), target]
        streams.append(
            Pings(
                subprocess.Popen(
                    netns.inside(cloud.lab.namespace(source), command),
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        )
    try:
        time.sleep(0.5)
        yield
        time.sleep(0.5)
    finally:
        results = [stream.finish() for stream in streams]
    for (source, target), (sent, missing) in zip(pairs, results, strict=True):
        assert sent > RATE / 2, f"{source} -> {target}: only {sent} pings left"
        assert missing <= lost, f"{source} -> {target}: {missing} of {sent} lost"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    site = lab.up(TOPOLOGY, services.start, name=f"house{os.getpid()}")
    try:
        with Api(services.api_socket(site, "controller")) as api:
            tenants.register(site, api)
            guests: dict[str, Station] = {}
            for tenant in TENANTS:
                networks = tenants.build(api, tenant)
                for station in tenants.populate(site, api, tenant, networks):
                    guests[station.node] = station
                far = tenants.outside(site, tenant)
                guests[far.node] = far
            ports = {p["name"]: p for p in api.list("/v2.0/ports", "ports") if p["name"]}
            made = Cloud(site, api, guests, ports)
            made.await_agents()
            wait_for(
                "ports ACTIVE", lambda: all(made.status(n) == "ACTIVE" for n in ports), timeout=20
            )
            for tenant in TENANTS:
                source = site.namespace(f"{tenant.name}-web1")
                wait_for(
                    f"{tenant.name} reaches its outside",
                    lambda n=source: netns.ping(n, "203.0.113.10"),  # type: ignore[misc]
                    timeout=20,
                )
            yield made
    finally:
        lab.down(site.state.name)


# Other host and same subnet, other host and other subnet, the gateway: on each encapsulation.
PATHS = [
    ("red-web1", "10.0.0.13"),
    ("red-web1", "10.0.1.21"),
    ("red-web1", "203.0.113.10"),
    ("blue-web1", "10.0.0.13"),
    ("blue-web1", "10.0.1.21"),
    ("blue-web1", "203.0.113.10"),
]


def test_agent_killed(cloud: Cloud) -> None:
    with traffic(cloud, *PATHS):
        for _round in range(3):
            for node in ("hv1", "hv2"):
                cloud.kill(node, "sdnctl-vrouter")
                services.start_agent(cloud.lab, cloud.lab.node(node))
            cloud.await_agents()


def test_controller_killed(cloud: Cloud) -> None:
    before = cloud.session()
    with traffic(cloud, *PATHS):
        cloud.kill("controller", "sdnctl-controller")
        time.sleep(1)
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()
        wait_for(
            "the session as it was",
            lambda: cloud.session()["state"] == "established",
            timeout=20,
        )
    assert cloud.session()["since"] == before["since"], "the BGP session did not notice"
    assert all(cloud.status(name) == "ACTIVE" for name in cloud.ports)


def test_dhcp_without_a_controller(cloud: Cloud, tmp_path: Path) -> None:
    """All the way from the API to a client; the controller is dead when it asks."""
    (fixed,) = (f for f in cloud.ports["red-web1"]["fixed_ips"] if "." in f["ip_address"])
    subnet = cloud.api.send("GET", f"/v2.0/subnets/{fixed['subnet_id']}")["subnet"]
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\n[ "$1" = deconfig ] || env > "$REPORT"\n')
    script.chmod(0o755)
    cloud.kill("controller", "sdnctl-controller")
    try:
        command = ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-O", "mtu", "-s", str(script)]
        subprocess.run(
            netns.inside(cloud.lab.namespace("red-web1"), command),
            env=os.environ | {"REPORT": str(tmp_path / "report")},
            check=True,
            capture_output=True,
            timeout=60,
        )
    finally:
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()
    lines = (tmp_path / "report").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    assert (told["ip"], told["router"]) == (fixed["ip_address"], subnet["gateway_ip"])
    assert told["hostname"] == "host-" + fixed["ip_address"].replace(".", "-")


def test_dhcp_without_a_controller_and_with_a_new_agent(cloud: Cloud, tmp_path: Path) -> None:
    """The agent was restarted too: it answers by what its predecessor was told."""
    told = cloud.lab.folder / "hv1" / "told"
    mac = bytes.fromhex(cloud.ports["red-web1"]["mac_address"].replace(":", ""))
    wait_for("a memory", lambda: told.exists() and mac in told.read_bytes(), timeout=20)
    cloud.kill("controller", "sdnctl-controller")
    cloud.kill("hv1", "sdnctl-vrouter")
    flows = _flows(cloud, "hv1")
    services.start_agent(cloud.lab, cloud.lab.node("hv1"))
    try:
        report = tmp_path / "report"
        script = tmp_path / "script"
        script.write_text('#!/bin/sh\n[ "$1" = deconfig ] || env > "$REPORT"\n')
        script.chmod(0o755)
        command = ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-s", str(script)]
        subprocess.run(
            netns.inside(cloud.lab.namespace("red-web1"), command),
            env=os.environ | {"REPORT": str(report)},
            check=True,
            capture_output=True,
            timeout=60,
        )
        fixed = {f["ip_address"] for f in cloud.ports["red-web1"]["fixed_ips"]}
        lines = report.read_text().splitlines()
        told_ip = dict(line.split("=", 1) for line in lines if "=" in line)["ip"]
        assert told_ip in fixed
        assert _flows(cloud, "hv1") == flows, "and changes nothing in the switch"
    finally:
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()


def _flows(cloud: Cloud, node: str) -> set[str]:
    """The cookies of all flows."""
    target = f"unix:{management(cloud, node)}"
    dump = cloud.lab.exec(node, ["ovs-ofctl", "-O", "OpenFlow14", "dump-flows", target])
    return set(re.findall(r"cookie=(0x[0-9a-f]+)", dump))


NOVA = """
import http.server, json, sys
class Nova(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps([self.path, [[k.lower(), v] for k, v in self.headers.items()]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8775), Nova).serve_forever()
"""

WORLD = """
import socket
from scapy.layers.dns import DNS, DNSRR
world = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
world.bind(("127.0.0.53", 53))
while True:
    data, peer = world.recvfrom(4096)
    asked = DNS(data)
    answer = DNSRR(rrname=asked.qd[0].qname, rdata="198.51.100.7")
    world.sendto(bytes(DNS(id=asked.id, qr=1, ra=1, qd=asked.qd, an=answer)), peer)
"""


BY_TCP = """
import socket
from scapy.layers.dns import DNS, DNSQR
with socket.socket(socket.AF_INET6) as tcp:
    tcp.settimeout(10)
    tcp.connect(("fe80::a9fe:a9fe", 53, 0, socket.if_nametoindex("eth0")))
    asked = bytes(DNS(qd=DNSQR(qname="web3")))
    tcp.sendall(len(asked).to_bytes(2, "big") + asked)
    size = int.from_bytes(tcp.recv(2, socket.MSG_WAITALL), "big")
    print(DNS(tcp.recv(size, socket.MSG_WAITALL)).an[0].rdata)
"""


def test_names(cloud: Cloud) -> None:
    """Each tenant's network resolves its own names; all others are asked elsewhere."""
    addresses = {"red-db1": "", "blue-web3": "", "red-web3": ""}
    for name in addresses:
        path = f"/v2.0/ports/{cloud.ports[name]['id']}"
        cloud.api.send("PUT", path, {"port": {"dns_name": name.split("-")[1]}})
        addresses[name] = cloud.guests[name].addresses[0]
    old = cloud.process("hv1", "sdnctl-vrouter").argv
    cloud.kill("hv1", "sdnctl-vrouter")
    cloud.lab.start("hv1", "sdnctl-vrouter", [*old, "--resolver", "127.0.0.53"])
    world = subprocess.Popen(
        netns.inside(cloud.lab.namespace("hv1"), [sys.executable, "-c", WORLD])
    )
    try:
        wait_for("a name", lambda: "198.51.100.7" in _lookup(cloud, "www.example.org"), timeout=20)
        assert addresses["red-web3"] in _lookup(cloud, "web3")
        assert addresses["red-web3"] in _lookup(cloud, "web3.openstacklocal")
        assert "10.0.0.12" in _lookup(cloud, "host-10-0-0-12")
        assert "NXDOMAIN" in _lookup(cloud, "db1"), "of another network of the same tenant"
        done = subprocess.run(
            netns.inside(cloud.lab.namespace("red-web1"), [sys.executable, "-c", BY_TCP]),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == addresses["red-web3"]
    finally:
        world.kill()
        world.wait(timeout=10)
        cloud.kill("hv1", "sdnctl-vrouter")
        cloud.lab.start("hv1", "sdnctl-vrouter", old)
        cloud.await_agents()


def _lookup(cloud: Cloud, name: str) -> str:
    command = ["busybox", "nslookup", "-type=a", name, "169.254.169.254"]
    done = subprocess.run(
        netns.inside(cloud.lab.namespace("red-web1"), command),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def test_metadata(cloud: Cloud, tmp_path: Path) -> None:
    """Two tenants with one address on one host: each is who the controller says it is."""
    secret = tmp_path / "secret"
    secret.write_text("deadbeef\n")
    secret.chmod(0o600)
    guests = ("red-web1", "blue-web1")
    for name in guests:
        path = f"/v2.0/ports/{cloud.ports[name]['id']}"
        cloud.api.send("PUT", path, {"port": {"device_id": f"instance-of-{name}"}})
    assert cloud.guests[guests[0]].addresses == cloud.guests[guests[1]].addresses
    old = cloud.process("hv1", "sdnctl-vrouter").argv
    cloud.kill("hv1", "sdnctl-vrouter")
    options = ["--metadata", "http://127.0.0.1:8775", "--metadata-secret", str(secret)]
    cloud.lab.start("hv1", "sdnctl-vrouter", [*old, *options])
    nova = subprocess.Popen(
        netns.inside(cloud.lab.namespace("hv1"), [sys.executable, "-c", NOVA]),
        stderr=subprocess.DEVNULL,
    )
    try:
        for url in ("169.254.169.254", "[fe80::a9fe:a9fe%25eth0]"):
            for name in guests:
                wait_for(
                    f"metadata for {name} at {url}",
                    lambda n=name, u=url: bool(_metadata(cloud, n, u)),  # type: ignore[misc]
                    timeout=20,
                )
                asked, headers = json.loads(_metadata(cloud, name, url))
                assert asked == "/openstack/latest/meta_data.json"
                instance = f"instance-of-{name}"
                said = [v for k, v in headers if k == "x-instance-id"]
                assert said == [instance], "what the guest says of itself does not get through"
                told = dict(headers)
                assert told["x-tenant-id"] == cloud.ports[name]["project_id"]
                assert told["x-forwarded-for"] == cloud.guests[name].addresses[0]
                signed = hmac.new(b"deadbeef", instance.encode(), "sha256").hexdigest()
                assert told["x-instance-id-signature"] == signed
        # The switch comes back with another interface of the same name.
        services.restart(cloud.lab, "hv1", services.SWITCH)
        wait_for(
            "metadata after the switch",
            lambda: bool(_metadata(cloud, guests[0], "169.254.169.254")),
            timeout=30,
        )
    finally:
        nova.kill()
        nova.wait(timeout=10)
        cloud.kill("hv1", "sdnctl-vrouter")
        cloud.lab.start("hv1", "sdnctl-vrouter", old)
        cloud.await_agents()
    wait_for(
        "the interface is taken away by an agent that serves no metadata",
        lambda: "sdnctl-meta" not in cloud.lab.exec("hv1", ["ip", "link"]),
        timeout=20,
    )
    assert not _metadata(cloud, guests[0], "169.254.169.254")


def _metadata(cloud: Cloud, name: str, address: str) -> str:
    command = ["curl", "-sf", "--noproxy", "*", "-m", "5", "-H", "X-Instance-ID: another"]
    command.append(f"http://{address}/openstack/latest/meta_data.json")
    done = subprocess.run(
        netns.inside(cloud.lab.namespace(name), command),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout


def test_controller_restarted(cloud: Cloud) -> None:
    """In order, as for an upgrade: the speaker goes too, and the gateway's routes are learned
    anew. Agents are not told in between that there are none."""
    with traffic(cloud, *PATHS):
        cloud.kill("controller", "sdnctl-controller", signal.SIGTERM)
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()
        wait_for("a new session", lambda: cloud.session()["state"] == "established", timeout=20)
        time.sleep(2)
    assert cloud.session()["routes_received"] > 0


def test_speaker_killed(cloud: Cloud) -> None:
    routes = cloud.gateway_routes()
    assert routes
    (pid,) = (
        int(line)
        for line in subprocess.run(
            ["pgrep", "-f", f"speaker.*{cloud.lab.folder}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )
    since = cloud.session()["since"]
    with traffic(cloud, *PATHS):
        os.kill(pid, signal.SIGKILL)
        wait_for(
            "a new session",
            lambda: cloud.session()["state"] == "established" and cloud.session()["since"] > since,
            timeout=30,
        )
        for _look in range(10):
            assert cloud.gateway_routes() == routes
            time.sleep(0.1)


def test_headless_and_then_the_difference(cloud: Cloud) -> None:
    """What happens while an agent is away reaches it when it is back, and nothing else does."""
    cloud.kill("hv3", "sdnctl-vrouter")
    network = cloud.ports["red-web1"]["network_id"]
    added = cloud.api.create(
        "/v2.0/ports", "port", network_id=network, **{"binding:host_id": "hv3"}
    )
    services.start_agent(cloud.lab, cloud.lab.node("hv3"))
    cloud.await_agents()
    flows = cloud.lab.exec(
        "hv3", ["ovs-ofctl", "-O", "OpenFlow14", "dump-flows", f"unix:{management(cloud, 'hv3')}"]
    )
    assert added["fixed_ips"][0]["ip_address"] in flows
    cloud.api.send("DELETE", f"/v2.0/ports/{added['id']}")
    cloud.await_agents()


def test_switch_killed(cloud: Cloud) -> None:
    """Not without loss, but without help: the agent puts everything back.

    The agent's own way to the controller is through that switch.
    """
    node = cloud.lab.node("hv2")
    cloud.kill("hv2", "ovs-vswitchd")
    time.sleep(1)
    cloud.lab.start(node.name, "ovs-vswitchd", cloud.lab.switch(node.name).daemon())
    source = cloud.lab.namespace("red-web1")
    wait_for("the ping is back", lambda: netns.ping(source, "10.0.0.13"), timeout=30)
    wait_for("ACTIVE", lambda: cloud.status("red-web3") == "ACTIVE", timeout=20)
    with traffic(cloud, *PATHS):
        time.sleep(0.5)


def test_a_port_goes_down_with_its_hypervisor(
    cloud: Cloud,
) -> None:
    cloud.kill("hv3", "sdnctl-vrouter")
    wait_for("DOWN after the grace time", lambda: cloud.status("red-db2") == "DOWN", timeout=30)
    assert cloud.status("red-web1") == "ACTIVE"
    assert netns.ping(cloud.lab.namespace("red-web1"), "10.0.1.31"), "the packets go on"
    services.start_agent(cloud.lab, cloud.lab.node("hv3"))
    wait_for("ACTIVE", lambda: cloud.status("red-db2") == "ACTIVE", timeout=20)


def test_deletes_in_the_wrong_order_are_refused(cloud: Cloud) -> None:
    network = cloud.ports["red-web1"]["network_id"]
    for path in (
        f"/v2.0/networks/{network}",
        "/sdn/v1/hypervisors/hv1",
    ):
        with pytest.raises(Exception, match="409"):
            cloud.api.send("DELETE", path)


def test_a_trunk_and_a_policy(cloud: Cloud) -> None:
    """From the API to the wire: a subport behind a tag, its agent killed, and a mark."""
    api, parent, far = cloud.api, cloud.ports["red-web1"], cloud.ports["red-db1"]
    subport = api.create(
        *("/v2.0/ports", "port"),
        network_id=far["network_id"],
        security_groups=parent["security_groups"],
    )
    wish = {"port_id": subport["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    trunk = api.create("/v2.0/trunks", "trunk", port_id=parent["id"], sub_ports=[wish])
    path = f"/v2.0/trunks/{trunk['id']}"

    def status() -> str:
        return str(api.send("GET", path)["trunk"]["status"])

    def answered() -> bool:
        """A ping behind the tag, to the other network's guest on another host."""
        addresses = [
            next(f["ip_address"] for f in port["fixed_ips"] if "." in f["ip_address"])
            for port in (subport, far)
        ]
        head = Ether(src=subport["mac_address"], dst=far["mac_address"]) / Dot1Q(vlan=7)
        mark = b"behind-a-tag-of-red"
        ping = IP(src=addresses[0], dst=addresses[1]) / ICMP(id=7) / Raw(mark)
        with Wire(Namespace(cloud.lab.namespace("red-web1"))) as wire:
            wire.send(bytes(head / ping))
            return wire.count(mark, enough=1) == 1

    wait_for("the trunk", lambda: status() == "ACTIVE", timeout=20)
    assert answered()
    number = ["ovs-ofctl", "-O", "OpenFlow14", "dump-ports-desc",
              f"unix:{management(cloud, 'hv1')}"]  # fmt: skip
    before = re.findall(r"(\d+)\(sd[it]-[^)]*\)", cloud.lab.exec("hv1", number))
    assert len(before) == 2
    cloud.kill("hv1", "sdnctl-vrouter")
    services.start_agent(cloud.lab, cloud.lab.node("hv1"))
    cloud.await_agents()
    assert answered()
    assert re.findall(r"(\d+)\(sd[it]-[^)]*\)", cloud.lab.exec("hv1", number)) == before

    policy = api.send("POST", "/v2.0/qos/policies", {"policy": {}})["policy"]
    rule = {"dscp_marking_rule": {"dscp_mark": 46}}
    api.send("POST", f"/v2.0/qos/policies/{policy['id']}/dscp_marking_rules", rule)
    marked = {"port": {"qos_policy_id": policy["id"]}}
    api.send("PUT", f"/v2.0/ports/{parent['id']}", marked)
    cloud.await_agents()
    with Wire(Namespace(cloud.lab.namespace("red-web3"))) as wire:
        assert netns.ping(cloud.lab.namespace("red-web1"), "10.0.0.13")
        echoes = [Ether(f)[IP] for f in wire.received() if f[12:14] == b"\x08\0"]
    assert {e.tos for e in echoes if e.dst == "10.0.0.13"} == {46 << 2}

    api.send("PUT", f"/v2.0/ports/{parent['id']}", {"port": {"qos_policy_id": None}})
    api.send("DELETE", path)
    cloud.await_agents()
    assert not answered()
    wait_for("its patch ports go", lambda: "sdi-" not in cloud.lab.exec("hv1", number))
    api.send("DELETE", f"/v2.0/ports/{subport['id']}")


def management(cloud: Cloud, node: str) -> Path:
    return cloud.lab.switch(node).rundir / "br-int.mgmt"
