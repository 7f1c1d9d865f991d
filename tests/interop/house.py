"""The whole house with gateways that nobody here wrote: a lab, its controller, tenants, pings.

Promise: ``house`` brings up a topology of ``sdnctl.lab`` whose gateways are plain nodes, for a
test to start a router in, and leaves nothing. Everything is asked of the API.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sdnctl.lab import guests, lab, netns, services
from sdnctl.lab.demo.api import Api
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import wait_for
from sdnctl.lab.topology import Role

ASN = 64512
CONTROLLER = "192.0.2.1"

CORE = """
name: house
topology:
  defaults: {kind: linux}
  nodes:
    underlay: {kind: bridge}
    controller:
      labels: {sdnctl.role: controller}
      env:
        SDNCTL_API: 192.0.2.1:9696
        SDNCTL_AGENTS: 192.0.2.1:9697
        SDNCTL_ASN: "64512"
        SDNCTL_ROUTER_ID: 192.0.2.1
"""


def topology(hypervisors: int, gateways: Mapping[str, str]) -> str:
    """The file of a lab: hypervisors ``hvN`` at 192.0.2.1N, and by gateway its outside's address.

    Gateway ``g`` has ``eth1`` on the underlay and ``eth2`` towards ``out-g``'s ``eth1``; its
    addresses are the test's business. Offloads of its cables are off.
    """
    nodes, links = "", '    - {endpoints: ["controller:eth1", "underlay:c"], mtu: 1600,'
    links += f" ipv4: [{CONTROLLER}/24]}}\n"
    for number in range(1, hypervisors + 1):
        nodes += f"    hv{number}: {{labels: {{sdnctl.role: hypervisor}}, "
        nodes += f"env: {{SDNCTL_CONTROLLER: {CONTROLLER}:9697}}}}\n"
        links += f'    - {{endpoints: ["hv{number}:eth1", "underlay:hv{number}"], mtu: 1600, '
        links += f"ipv4: [192.0.2.1{number}/24]}}\n"
    for name, outside in gateways.items():
        nodes += f"    {name}: {{}}\n    out-{name}: {{}}\n"
        links += f'    - {{endpoints: ["{name}:eth1", "underlay:{name}"], mtu: 1600}}\n'
        links += f'    - {{endpoints: ["{name}:eth2", "out-{name}:eth1"], mtu: 1500, '
        links += f'ipv4: ["", {outside}]}}\n'
    return f"{CORE}{nodes}  links:\n{links}"


@dataclass
class House:
    """A lab with its API."""

    lab: Lab
    api: Api
    folder: Path
    closing: list[Callable[[], None]]

    def namespace(self, node: str) -> str:
        return self.lab.namespace(node)

    def exec(self, node: str, command: str) -> str:
        return self.lab.exec(node, ["sh", "-c", command])

    def peer(self, name: str, address: str, *families: str, **gateway: Any) -> None:
        """A gateway and the session with it."""
        self.api.create("/sdn/v1/gateways", "gateway", id=name, address=address, **gateway)
        self.api.create(
            *("/sdn/v1/bgp-peers", "bgp_peer"),
            id=name,
            address=address,
            asn=ASN,
            families=list(families),
        )

    def router(self, name: str, target: str) -> dict[str, Any]:
        return self.api.create(
            "/v2.0/routers",
            "router",
            **{"name": name, "sdn:import_targets": [target], "sdn:export_targets": [target]},
        )

    def network(
        self,
        name: str,
        *prefixes: str,
        router: dict[str, Any] | None = None,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> dict[str, Any]:
        network = self.api.create("/v2.0/networks", "network", **{"name": name, **more})
        for prefix in prefixes:
            subnet = self.api.create(
                *("/v2.0/subnets", "subnet"),
                network_id=network["id"],
                cidr=prefix,
                ip_version=6 if ":" in prefix else 4,
            )
            if router is not None:
                path = f"/v2.0/routers/{router['id']}/add_router_interface"
                self.api.send("PUT", path, {"subnet_id": subnet["id"]})
        return network

    def guest(self, name: str, network: dict[str, Any], host: str, *addresses: str) -> str:
        """Its first address; those that are not given are chosen by the API."""
        wanted = {"fixed_ips": [{"ip_address": a} for a in addresses]} if addresses else {}
        port = self.api.create(
            "/v2.0/ports",
            "port",
            **{"name": name, "network_id": network["id"], "binding:host_id": host, **wanted},
        )
        self._open(port["security_groups"][0])
        listed = self.api.list(f"/v2.0/subnets?network_id={network['id']}", "subnets")
        subnets = {s["id"]: s for s in listed}
        fixed = [(f["ip_address"], subnets[f["subnet_id"]]) for f in port["fixed_ips"]]
        guests.plug(
            *(self.lab, name),
            hypervisor=host,
            port_id=port["id"],
            mac=port["mac_address"],
            addresses=[f"{ip}/{s['cidr'].rpartition('/')[2]}" for ip, s in fixed],
            gateways=[s["gateway_ip"] for _, s in fixed],
            mtu=network["mtu"],
        )
        return str(fixed[0][0])

    def _open(self, security_group: str) -> None:
        """Let in whoever is outside: a default group lets in its own members alone."""
        path = f"/v2.0/security-group-rules?security_group_id={security_group}"
        if any(
            rule["direction"] == "ingress" and rule["remote_group_id"] is None
            for rule in self.api.list(path, "security_group_rules")
        ):
            return
        for ethertype in ("IPv4", "IPv6"):
            self.api.create(
                *("/v2.0/security-group-rules", "security_group_rule"),
                security_group_id=security_group,
                direction="ingress",
                ethertype=ethertype,
            )

    def session(self, peer: str) -> dict[str, Any]:
        """The controller's account of it."""
        rows = self.api.list("/sdn/v1/bgp-sessions", "bgp_sessions")
        return next(row for row in rows if row["peer"] == peer)

    def kill_controller(self) -> None:
        """kill -9, and a new one that has everything in sync."""
        self.kill("controller", "sdnctl-controller")
        time.sleep(1)
        services.start_controller(self.lab, self.lab.node("controller"))

        def settled() -> bool:
            rows = self.api.list("/sdn/v1/agents", "agents")
            return len(rows) == len(self.lab.topology.with_role(Role.HYPERVISOR)) and all(
                r["in_sync"] and r["programmed"] == r["sent"] and not r["failures"] for r in rows
            )

        wait_for("agents in sync", settled, timeout=30)

    def kill_speaker(self, peer: str) -> None:
        """kill -9, and wait for a new session with the peer."""
        found = ["pgrep", "-f", f"speaker.*{self.lab.folder}"]
        pids = subprocess.run(found, capture_output=True, text=True, check=True).stdout.split()
        since = self.session(peer)["since"]
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)

        def anew() -> bool:
            row = self.session(peer)
            return bool(row["state"] == "established" and row["since"] > since)

        wait_for("a new session", anew, timeout=60)

    def established(self, *names: str) -> None:
        """Wait for these sessions."""

        def up() -> bool:
            rows = self.api.list("/sdn/v1/bgp-sessions", "bgp_sessions")
            return {r["peer"] for r in rows if r["state"] == "established"} >= set(names)

        wait_for(f"sessions with {names}", up, timeout=60)

    def reaches(self, node: str, address: str, within: float = 30) -> None:
        """Wait until a ping is answered."""
        wait_for(
            f"{node} reaches {address}",
            lambda: netns.ping(self.namespace(node), address),
            timeout=within,
        )

    def kill(self, node: str, name: str) -> None:
        """kill -9, and wait for the end."""
        process = self.lab.process(node, name)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(f"the end of {name} on {node}", lambda: not process.alive)

    @contextlib.contextmanager
    def pings(self, node: str, address: str, rate: int = 100) -> Iterator[Pings]:
        """A stream of pings along the block, with what became of it afterwards."""
        made = Pings(rate)
        with subprocess.Popen(
            netns.inside(self.namespace(node), ["ping", "-n", "-D", "-i", str(1 / rate), address]),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield made
            finally:
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                out, _err = process.communicate(timeout=20)
        made.read(out)

    @contextlib.contextmanager
    def none_lost(self, *pairs: tuple[str, str]) -> Iterator[None]:
        """100 pings a second from node to address along the block; none may be lost."""
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(self.pings(*pair)) for pair in pairs]
            time.sleep(0.5)
            yield
        for pair, stream in zip(pairs, streams, strict=True):
            assert stream.sent > stream.rate, pair
            assert not stream.lost, f"{pair}: {stream.lost} of {stream.sent} lost"


@dataclass
class Pings:
    """Sent, lost, and the longest time without an answer, in seconds."""

    rate: int
    sent: int = 0
    lost: int = 0
    longest: float = 0.0

    def read(self, out: str) -> None:
        """What ``ping -D`` printed. Those on their way when it is stopped are not lost."""
        match = re.search(r"(\d+) packets transmitted", out)
        assert match, out
        answers = re.findall(r"^\[([0-9.]+)\] .*icmp_seq=(\d+) ttl", out, re.MULTILINE)
        numbers = {int(number) for _at, number in answers}
        times = [float(at) for at, _number in answers]
        assert numbers, out
        self.sent = max(numbers)
        self.lost = max(numbers) - len(numbers)
        self.longest = max((b - a for a, b in itertools.pairwise(times)), default=0.0)
        assert int(match[1]) - max(numbers) < self.rate, "nothing comes back in the end"


@contextlib.contextmanager
def house(hypervisors: int, gateways: Mapping[str, str]) -> Iterator[House]:
    """The house with its hypervisors registered; gone afterwards, whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="gwh"))
    folder.chmod(0o755)
    name = f"gwh{os.getpid()}"
    before = os.environ.get("SDNCTL_LAB_DIR")
    os.environ["SDNCTL_LAB_DIR"] = str(folder / "run")
    (folder / "house.clab.yml").write_text(topology(hypervisors, gateways))
    closing: list[Callable[[], None]] = []
    try:
        site = lab.up(folder / "house.clab.yml", services.start, name=name)
        with Api(services.api_socket(site, "controller")) as api:
            for node in site.topology.with_role(Role.HYPERVISOR):
                (cable,) = (e for e in site.topology.endpoints(node.name) if e.addresses)
                api.create(
                    *("/sdn/v1/hypervisors", "hypervisor"),
                    id=node.name,
                    vtep=cable.addresses[0].partition("/")[0],
                    mtu=1600,
                    datapath_type="netdev",
                )
            yield House(site, api, folder, closing)
    finally:
        for close in reversed(closing):
            close()
        lab.down(name)
        shutil.rmtree(folder)
        if before is None:
            del os.environ["SDNCTL_LAB_DIR"]
        else:
            os.environ["SDNCTL_LAB_DIR"] = before
