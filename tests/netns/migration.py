"""Guests that are migrated live between the demo's hypervisors: for the tests and the benchmark.

A guest is one network stack from beginning to end, as a virtual machine is: its interface is a
bridge with a leg in each hypervisor, of which one forwards at a time. What Nova does around it is
done here by the same calls of the API, in the same order; a machine's own downtime is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdnctl.lab import lab, netns, services
from sdnctl.lab.demo.api import Api
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import run, wait_for
from sdnctl.lab.switch import INTEGRATION_BRIDGE
from tests.netns.house import furnish

TOPOLOGY = Path(__file__).parents[2] / "labs" / "demo" / "demo.clab.yml"
HYPERVISORS = ("hv1", "hv2", "hv3")
DISABLED, FORWARDING = 0, 3  # states of a bridge's port


PINGER = """
import json, os, select, socket, struct, sys, time
target, rate = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
sock.setblocking(False)
ident, sent, end = os.getpid() & 0xFFFF, [], 0.0
answered, longest, last = set(), 0.0, 0.0
begun = time.monotonic()
while not end or time.monotonic() < end:
    now = time.monotonic()
    if not end and now >= begun + len(sent) / rate:
        number = len(sent)
        body = struct.pack("!HHI", ident, number & 0xFFFF, number)
        words = struct.unpack("!4H", body)
        total = 0x0800 + sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        sent.append(now)
        try:
            sock.sendto(struct.pack("!BBH", 8, 0, total) + body, (target, 0))
        except OSError:
            pass
    wait = max(0.0, min(begun + len(sent) / rate - time.monotonic(), 0.001))
    ready = select.select([sock] + ([] if end else [sys.stdin]), [], [], wait)[0]
    if sys.stdin in ready:
        end = time.monotonic() + 0.5
    while sock in ready:
        try:
            packet = sock.recv(2048)
        except BlockingIOError:
            break
        icmp = packet[(packet[0] & 15) * 4:]
        if len(icmp) >= 12 and icmp[0] == 0 and struct.unpack("!H", icmp[4:6])[0] == ident:
            now = time.monotonic()
            longest, last = max(longest, now - last if last else 0.0), now
            answered.add(struct.unpack("!I", icmp[8:12])[0])
gaps = []
for number in sorted(set(range(len(sent))) - answered):
    if gaps and gaps[-1][1] + 1 == number:
        gaps[-1][1] = number
    else:
        gaps.append([number, number])
print(json.dumps({"sent": len(sent), "lost": len(sent) - len(answered),
                  "gaps": [[sent[first], last - first + 1] for first, last in gaps],
                  "silent_ms": round(longest * 1000, 1),
                  "rate": round((len(sent) - 1) / (sent[-1] - begun))}))
"""
"""Echo requests at a steady rate until the standard input ends, which ping cannot keep: the
kernel's clock ticks every 4 ms."""


TALKER = """
import select, socket, sys, time
role, address, port, sends = *sys.argv[1:3], int(sys.argv[3]), float(sys.argv[4])
if role == "serve":
    listening = socket.create_server(("0.0.0.0", port))
    print("listening")
    sock = listening.accept()[0]
else:
    sock = socket.create_connection((address, port), 10)
sock.settimeout(10)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("connected")
due = time.monotonic()
while True:
    wait = max(0.0, due - time.monotonic()) if sends else None
    if sock in select.select([sock], [], [], wait)[0]:
        got = sock.recv(65536)
        if not got:
            break
        print("got", len(got), time.monotonic())
    if sends and time.monotonic() >= due:
        due = time.monotonic() + sends
        sock.send(b"x" * 100)
"""
"""One end of a TCP connection, which says what it gets; it speaks every ``sends`` seconds, or never
(0)."""


@dataclass
class Pings:
    """What became of a stream of pings.

    ``silent_ms`` is the longest time without an answer. ``gaps`` are pings in a row that were lost:
    when the first was sent, by the monotonic clock, and how many.
    """

    sent: int
    lost: int
    silent_ms: float
    rate: int
    gaps: list[tuple[float, int]]


@dataclass
class Guest:
    """A guest with a leg in each hypervisor."""

    site: Site
    name: str
    namespace: str
    port: dict[str, Any]
    mtu: int
    taps: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        fixed = (f["ip_address"] for f in self.port["fixed_ips"])
        return str(next(ip for ip in fixed if "." in ip))

    @property
    def path(self) -> str:
        """Its port in the API."""
        return f"/v2.0/ports/{self.port['id']}"

    def shown(self) -> dict[str, Any]:
        """Its port as it is now."""
        return dict(self.site.api.send("GET", self.path)["port"])

    def plug(self, host: str) -> None:
        """What os-vif does on a hypervisor before the guest is there."""
        tap = f"tap{self.port['id'][:9]}{host[-1:]}"
        self.taps[host] = tap
        netns.cable(
            netns.End(self.namespace, f"at-{host}"),
            netns.End(self.site.lab.namespace(host), tap),
            self.mtu,
        )
        leg = f"at-{host}"
        run(netns.inside(self.namespace, ["sysctl", "-qw", f"net.ipv6.conf.{leg}.disable_ipv6=1"]))
        netns.configure(self.namespace, [f"link set dev {leg} master eth0"])
        self._bridge((host, "state", DISABLED), (host, "learning", "off"))
        self.site.lab.switch(host).vsctl(
            *("add-port", INTEGRATION_BRIDGE, tap, "--", "set", "Interface", tap),
            f"external_ids:iface-id={self.port['id']}",
        )

    def unplug(self, host: str) -> None:
        """The same afterwards."""
        tap = self.taps.pop(host)
        self.site.lab.switch(host).vsctl("del-port", INTEGRATION_BRIDGE, tap)
        netns.configure(self.site.lab.namespace(host), [f"link delete dev {tap}"])

    def run_at(self, host: str, *, off: str = "") -> None:
        """The machine runs there from now on, and no more at ``off``."""
        states = {off: DISABLED} if off else {}
        self._bridge(*((leg, "state", n) for leg, n in (states | {host: FORWARDING}).items()))

    def _bridge(self, *settings: tuple[str, str, object]) -> None:
        """All at once, for what lies between two of them is the guest's silence."""
        lines = (f"link set dev at-{host} {name} {value}\n" for host, name, value in settings)
        run(["bridge", "-n", self.namespace, "-batch", "-"], stdin="".join(lines))

    def bind(self, host: str) -> None:
        """Nova's pre_live_migration: an inactive binding, a VIF, and the wait for it."""
        binding = {"host": host, "vnic_type": "normal", "profile": {}}
        self.site.api.send("POST", f"{self.path}/bindings", {"binding": binding})
        self.plug(host)
        wait_for(f"{self.name} plugged on {host}", lambda: self.site.plugged(self, host))

    def activate(self, host: str) -> None:
        """The binding there is the active one from now on."""
        self.site.api.send("PUT", f"{self.path}/bindings/{host}/activate", {})

    def unbind(self, host: str) -> None:
        """Nova's post_live_migration on the source."""
        self.site.api.send("DELETE", f"{self.path}/bindings/{host}")
        self.unplug(host)

    def migrate(self, source: str, target: str) -> None:
        """All of it; the machine resumes while the binding is being activated."""
        self.bind(target)
        self.run_at(target, off=source)
        self.activate(target)
        time.sleep(0.5)
        self.unbind(source)

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        """Start something inside."""
        return self.site.popen(self.namespace, *argv)


@dataclass
class Site:
    """The demo's lab with its tenants."""

    lab: Lab
    api: Api
    networks: dict[str, dict[str, Any]]
    stations: dict[str, Station]

    def guest(self, name: str, tenant: str, host: str, groups: list[str]) -> Guest:
        """A guest on a tenant's front network that may be migrated, running on ``host``."""
        network = self.networks[tenant]["front"]
        port = self.api.create(
            *("/v2.0/ports", "port"),
            **{
                "name": name,
                "network_id": network["id"],
                "binding:host_id": host,
                "device_owner": "compute:nova",
                "device_id": name,
                "security_groups": groups,
            },
        )
        guest = Guest(self, name, self.lab.claim(name), port, network["mtu"])
        subnets = {s["id"]: s for s in network["subnets"]}
        netns.configure(
            guest.namespace,
            [
                f"link add name eth0 address {port['mac_address']} type bridge",
                f"link set dev eth0 mtu {network['mtu']} up",
                *(
                    f"address add {f['ip_address']}/{subnet['cidr'].rpartition('/')[2]} dev eth0"
                    for f in port["fixed_ips"]
                    for subnet in [subnets[f["subnet_id"]]]
                ),
                *(f"route add default via {s['gateway_ip']}" for s in subnets.values()),
            ],
        )
        guest.plug(host)
        guest.run_at(host)
        wait_for(f"{name} ACTIVE", lambda: guest.shown()["status"] == "ACTIVE", timeout=20)
        return guest

    def group(self, name: str, *rules: Mapping[str, object], closed: bool = False) -> str:
        """A security group of these rules for IPv4; ``closed`` without the default ones."""
        made = self.api.create("/v2.0/security-groups", "security_group", name=name)
        if closed:
            for rule in made["security_group_rules"]:
                self.api.send("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
        for rule in rules:
            self.api.create(
                *("/v2.0/security-group-rules", "security_group_rule"),
                **{"security_group_id": made["id"], **rule},
            )
        return str(made["id"])

    def plugged(self, guest: Guest, host: str) -> bool:
        """The destination's agent has it."""
        rows = self.api.list("/sdn/v1/migrations", "migrations")
        return any(
            row["plugged"]
            for row in rows
            if (row["port_id"], row["hypervisor"]) == (guest.port["id"], host)
        )

    def popen(self, namespace: str, *argv: str) -> subprocess.Popen[str]:
        """Start something in a namespace; the caller ends it."""
        return subprocess.Popen(
            netns.inside(namespace, list(argv)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def python(self, namespace: str, script: str, *argv: str) -> subprocess.Popen[str]:
        """A script in a namespace."""
        return self.popen(namespace, sys.executable, "-u", "-c", script, *argv)

    @contextlib.contextmanager
    def pings(self, rate: int, target: str, *sources: str) -> Iterator[dict[str, Pings]]:
        """Ping from each source all the while; what became of it, afterwards."""
        made: dict[str, Pings] = {}
        arguments = (target, str(rate))
        streams = {s: self.python(self.lab.namespace(s), PINGER, *arguments) for s in sources}
        try:
            time.sleep(1)
            yield made
            time.sleep(1)
        finally:
            for stream in streams.values():
                assert stream.stdin is not None
                stream.stdin.close()
                stream.stdin = None
            out = {source: stream.communicate(timeout=20)[0] for source, stream in streams.items()}
        made |= {source: Pings(**json.loads(text)) for source, text in out.items()}


@dataclass
class Talk:
    """A TCP connection between two namespaces, and what each end has got."""

    server: subprocess.Popen[str]
    client: subprocess.Popen[str]
    heard: dict[str, list[float]]

    def hears(self, end: str, within: float = 20) -> None:
        """Wait until an end gets something that was sent after this was asked."""
        seen, begun = self.heard[end], time.monotonic()
        wait_for(f"the {end} hears", lambda: bool(seen) and seen[-1] > begun, timeout=within)

    def is_silent(self, end: str, seconds: float) -> bool:
        """Nothing came lately."""
        seen = self.heard[end]
        return not seen or time.monotonic() - seen[-1] > seconds


@contextlib.contextmanager
def talk(
    site: Site,
    client: str,
    server: str,
    address: str,
    *,
    client_sends: float,
    server_sends: float,
    port: int = 7000,
) -> Iterator[Talk]:
    """Namespaces that talk by TCP along the block, each every so many seconds or (0) never."""
    heard: dict[str, list[float]] = {"client": [], "server": []}
    with contextlib.ExitStack() as closing:

        def begin(end: str, namespace: str, *argv: str) -> subprocess.Popen[str]:
            process = closing.enter_context(site.python(namespace, TALKER, *argv))
            assert process.stdout is not None
            lines = process.stdout

            def listen() -> None:
                for line in lines:
                    said = line.split()
                    if not line.endswith("\n"):
                        return  # killed in the middle of a word
                    if said[0] == "got":
                        heard[end].append(float(said[2]))
                    else:
                        told.append((end, said[0]))

            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            closing.callback(listener.join)
            closing.callback(process.kill)
            return process

        told: list[tuple[str, str]] = []
        serving = begin("server", server, "serve", "", str(port), str(server_sends))
        wait_for("a listener", lambda: ("server", "listening") in told)
        calling = begin("client", client, "call", address, str(port), str(client_sends))
        wait_for("a connection", lambda: told.count(("client", "connected")) == 1)
        yield Talk(serving, calling, heard)


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The lab, gone afterwards whatever happened."""
    made = lab.up(TOPOLOGY, services.start, name=f"mv{os.getpid()}")
    try:
        with Api(services.api_socket(made, "controller")) as api:
            networks, stations = furnish(made, api)
            for tenant in TENANTS:
                source = made.namespace(f"{tenant.name}-web1")
                wait_for(
                    f"{tenant.name} reaches its outside",
                    lambda n=source: netns.ping(n, "203.0.113.10"),  # type: ignore[misc]
                    timeout=30,
                )
            yield Site(made, api, networks, stations)
    finally:
        lab.down(made.state.name)
