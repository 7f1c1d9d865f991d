"""The whole house on the demo's topology, for tests that stop and restart what is in it.

Controller, agents, speaker, switches and gateway are the real processes, in namespaces.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdnctl.lab import lab, netns, services
from sdnctl.lab.demo import tenants
from sdnctl.lab.demo.api import Api, Item
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import Process, wait_for

TOPOLOGY = Path(__file__).parents[2] / "labs" / "demo" / "demo.clab.yml"
RATE = 500

# Other host and same subnet, other host and other subnet, the gateway: on each encapsulation.
PATHS = [
    ("red-web1", "10.0.0.13"),
    ("red-web1", "10.0.1.21"),
    ("red-web1", "203.0.113.10"),
    ("blue-web1", "10.0.0.13"),
    ("blue-web1", "10.0.1.21"),
    ("blue-web1", "203.0.113.10"),
]


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


def furnish(site: Lab, api: Api) -> tuple[dict[str, dict[str, Item]], dict[str, Station]]:
    """The demo's tenants in its lab: their networks by tenant, their stations by node."""
    tenants.register(site, api)
    networks, stations = {}, {}
    for tenant in TENANTS:
        networks[tenant.name] = tenants.build(api, tenant)
        for station in tenants.populate(site, api, tenant, networks[tenant.name]):
            stations[station.node] = station
        far = tenants.outside(site, tenant)
        stations[far.node] = far
    return networks, stations


@contextlib.contextmanager
def standing() -> Iterator[Cloud]:
    """The house with its tenants, all of them reached."""
    site = lab.up(TOPOLOGY, services.start, name=f"house{os.getpid()}")
    try:
        with Api(services.api_socket(site, "controller")) as api:
            _networks, guests = furnish(site, api)
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


def management(cloud: Cloud, node: str) -> Path:
    return cloud.lab.switch(node).rundir / "br-int.mgmt"
