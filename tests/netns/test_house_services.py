"""What agents do for guests beside forwarding, in the whole house: addresses, names, metadata."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.lab import netns, services
from sdnctl.lab.process import wait_for
from tests.netns.house import Cloud, management, standing

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with standing() as made:
        yield made


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
    log_message = lambda *_: None
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


@contextlib.contextmanager
def serving(cloud: Cloud, *options: str) -> Iterator[None]:
    """The agent of hv1 started with these options as well; as it was afterwards."""
    old = cloud.process("hv1", "sdnctl-vrouter").argv
    cloud.kill("hv1", "sdnctl-vrouter")
    cloud.lab.start("hv1", "sdnctl-vrouter", [*old, *options])
    try:
        yield
    finally:
        cloud.kill("hv1", "sdnctl-vrouter")
        cloud.lab.start("hv1", "sdnctl-vrouter", old)
        cloud.await_agents()


@contextlib.contextmanager
def beside(cloud: Cloud, program: str) -> Iterator[None]:
    """A program on hv1 meanwhile."""
    command = netns.inside(cloud.lab.namespace("hv1"), [sys.executable, "-c", program])
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=10)


def test_names(cloud: Cloud) -> None:
    """Each tenant's network resolves its own names; all others are asked elsewhere."""
    addresses = {"red-db1": "", "blue-web3": "", "red-web3": ""}
    for name in addresses:
        path = f"/v2.0/ports/{cloud.ports[name]['id']}"
        cloud.api.send("PUT", path, {"port": {"dns_name": name.split("-")[1]}})
        addresses[name] = cloud.guests[name].addresses[0]
    with serving(cloud, "--resolver", "127.0.0.53"), beside(cloud, WORLD):
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
    options = ("--metadata", "http://127.0.0.1:8775", "--metadata-secret", str(secret))
    with serving(cloud, *options), beside(cloud, NOVA):
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
