"""Guests that are migrated live between the demo's hypervisors: for the tests and the benchmark.

A guest is one network stack from beginning to end, as a virtual machine is: its interface is a
bridge with a leg in each hypervisor, of which one forwards at a time. What Nova does around it is
done here by the same calls of the API, in the same order; a machine's own downtime is left out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdnctl.lab import lab, netns, services
from sdnctl.lab.demo import tenants
from sdnctl.lab.demo.api import Api
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import run, wait_for
from sdnctl.lab.switch import INTEGRATION_BRIDGE
from tests.interop.house import Pings

TOPOLOGY = Path(__file__).parents[2] / "labs" / "demo" / "demo.clab.yml"
HYPERVISORS = ("hv1", "hv2", "hv3")
DISABLED, FORWARDING = 0, 3  # states of a bridge's port


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
        self._bridge(host, "state", DISABLED)
        self._bridge(host, "learning", "off")
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
        if off:
            self._bridge(off, "state", DISABLED)
        self._bridge(host, "state", FORWARDING)

    def _bridge(self, host: str, option: str, value: object) -> None:
        command = ["link", "set", "dev", f"at-{host}", option, str(value)]
        run(["bridge", "-n", self.namespace, *command])

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

    def group(self, name: str, *rules: dict[str, object], closed: bool = False) -> str:
        """A security group of these rules for IPv4; ``closed`` without the default ones."""
        made = self.api.create("/v2.0/security-groups", "security_group", name=name)
        if closed:
            for rule in made["security_group_rules"]:
                self.api.send("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
        for rule in rules:
            self.api.create(
                *("/v2.0/security-group-rules", "security_group_rule"),
                security_group_id=made["id"],
                **rule,
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
        made = {source: Pings(rate) for source in sources}
        command = ["ping", "-n", "-D", "-i", str(1 / rate), target]
        streams = {s: self.popen(self.lab.namespace(s), *command) for s in sources}
        try:
            time.sleep(1)
            yield made
            time.sleep(1)
        finally:
            for stream in streams.values():
                stream.send_signal(2)
            out = {source: stream.communicate(timeout=20)[0] for source, stream in streams.items()}
        for source, pings in made.items():
            pings.read(out[source])


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The lab, gone afterwards whatever happened."""
    made = lab.up(TOPOLOGY, services.start, name=f"mv{os.getpid()}")
    try:
        with Api(services.api_socket(made, "controller")) as api:
            tenants.register(made, api)
            networks, stations = {}, {}
            for tenant in TENANTS:
                networks[tenant.name] = tenants.build(api, tenant)
                for station in tenants.populate(made, api, tenant, networks[tenant.name]):
                    stations[station.node] = station
                far = tenants.outside(made, tenant)
                stations[far.node] = far
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
