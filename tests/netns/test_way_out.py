"""The way out from the API to packets: controller, agents, speaker, switches, gateway, all real.

The gateway is the demo's; its world behind ``red`` is the world. It learns of every address of the
external network by BGP alone.
"""

from __future__ import annotations

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

from sdnctl.lab import guests, lab, netns, services
from sdnctl.lab.demo import tenants
from sdnctl.lab.demo.api import Api
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import wait_for

TOPOLOGY = Path(__file__).parents[2] / "labs" / "demo" / "demo.clab.yml"
TALK = (sys.executable, str(Path(__file__).with_name("talk.py")))
IPERF = ("iperf3", "-t", "5", "-b", "20M", "-J", "-c")
WORLD = "203.0.113.10"
WORLD_6 = "2001:db8:71::10"

pytestmark = pytest.mark.netns


@dataclass
class House:
    """The demo's lab with an external network, and one tenant with a router that leads there."""

    lab: Lab
    api: Api
    router: str
    external: str
    group: str
    ports: dict[str, dict[str, Any]]

    def inside(self, node: str, *command: str) -> list[str]:
        return netns.inside(self.lab.namespace(node), list(command))

    def ask(self, node: str, target: str, port: int = 7777) -> str:
        """The address that ``node`` is seen with; "" without an answer."""
        command = self.inside(node, *TALK, "ask", "tcp", target, str(port))
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.partition(" ")[0].strip()

    def await_seen(self, node: str, address: str, timeout: float = 20) -> None:
        wait_for(
            f"{node} is seen as {address}",
            lambda: self.ask(node, WORLD) == address,
            timeout=timeout,
        )

    def floating(self, **attributes: object) -> dict[str, Any]:
        return self.api.create(
            "/v2.0/floatingips", "floatingip", floating_network_id=self.external, **attributes
        )

    def meters(self) -> list[str]:
        """What is limited anywhere, each by its rate and burst."""
        found: list[str] = []
        for node in ("hv1", "hv2", "hv3"):
            target = f"unix:{self.lab.switch(node).rundir / 'br-int.mgmt'}"
            command = ["ovs-ofctl", "-O", "OpenFlow14", "dump-meters", target]
            found += re.findall(r"rate=\d+ burst_size=\d+", self.lab.exec(node, command))
        return found

    def change(self, **attributes: object) -> None:
        self.api.send("PUT", f"/v2.0/routers/{self.router}", {"router": attributes})

    def kill_agent(self, node: str) -> None:
        (agent,) = [
            p
            for p in self.lab.state.processes
            if (p.node, p.name) == (node, "sdnctl-vrouter") and p.alive
        ]
        os.kill(agent.pid, signal.SIGKILL)
        wait_for("its end", lambda: not agent.alive)

    def elected(self) -> str:
        """Where the router's address is, as BGP has it."""
        routes = self.api.send("GET", "/sdn/v1/routes?prefix=198.51.100.0/24")["routes"]
        address = self.address()
        return str(next(r["source"] for r in routes if r["prefix"] == f"{address}/32"))

    def address(self) -> str:
        row = self.api.send("GET", f"/v2.0/routers/{self.router}")["router"]
        fixed = row["external_gateway_info"]["external_fixed_ips"]
        return str(next(f["ip_address"] for f in fixed if "." in f["ip_address"]))


class Chat:
    """A connection from ``node`` that asks when it is told to."""

    def __init__(self, house: House, node: str, target: str) -> None:
        self._process = subprocess.Popen(
            house.inside(node, *TALK, "chat", target, "7777"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self) -> str:
        """What the other end says of us, or what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("who\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def build(site: Lab, api: Api) -> House:
    tenants.register(site, api)
    external = api.create("/v2.0/networks", "network", **{"name": "ext", "router:external": True})
    api.create(
        *("/v2.0/subnets", "subnet"),
        network_id=external["id"],
        cidr="198.51.100.0/24",
        ip_version=4,
        enable_dhcp=False,
    )
    vpn = api.create("/v2.0/bgpvpn/bgpvpns", "bgpvpn", name="up", route_targets=["64512:1"])
    path = f"/v2.0/bgpvpn/bgpvpns/{vpn['id']}/network_associations"
    api.create(path, "network_association", network_id=external["id"])
    network = api.create("/v2.0/networks", "network", name="inside")
    router = api.create("/v2.0/routers", "router", name="r")
    subnets = []
    for prefix in ("10.7.0.0/24", "2001:db8:7::/64"):
        version = 6 if ":" in prefix else 4
        subnet = api.create(
            *("/v2.0/subnets", "subnet"),
            network_id=network["id"],
            cidr=prefix,
            ip_version=version,
        )
        subnets.append(subnet)
        path = f"/v2.0/routers/{router['id']}/add_router_interface"
        api.send("PUT", path, {"subnet_id": subnet["id"]})
    group = api.create("/v2.0/security-groups", "security_group", name="open")
    house = House(site, api, router["id"], external["id"], group["id"], {})
    house.change(external_gateway_info={"network_id": external["id"]})
    for ethertype in ("IPv4", "IPv6"):
        api.create(
            *("/v2.0/security-group-rules", "security_group_rule"),
            security_group_id=group["id"],
            direction="ingress",
            ethertype=ethertype,
        )
    for number, host in enumerate(("hv1", "hv2", "hv3"), 1):
        name = f"vm{number}"
        port = house.ports[name] = api.create(
            "/v2.0/ports",
            "port",
            **{
                "name": name,
                "network_id": network["id"],
                "binding:host_id": host,
                "device_owner": "compute:nova",
                "fixed_ips": [
                    {"subnet_id": subnets[0]["id"], "ip_address": f"10.7.0.1{number}"},
                    {"subnet_id": subnets[1]["id"], "ip_address": f"2001:db8:7::1{number}"},
                ],
                "security_groups": [group["id"]],
            },
        )
        guests.plug(
            *(site, name),
            hypervisor=host,
            port_id=port["id"],
            mac=port["mac_address"],
            addresses=[f"10.7.0.1{number}/24", f"2001:db8:7::1{number}/64"],
            gateways=[subnet["gateway_ip"] for subnet in subnets],
            mtu=network["mtu"],
        )
    return house


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    site = lab.up(TOPOLOGY, services.start, name=f"out{os.getpid()}")
    servers = []
    try:
        with Api(services.api_socket(site, "controller")) as api:
            made = build(site, api)
            for node in ("outside-red", "vm1", "vm2"):
                command = made.inside(node, *TALK, "serve", "7777")
                server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                servers.append(server)
                assert server.stdout is not None
                assert server.stdout.readline() == "ready\n"
            yield made
    finally:
        for server in servers:
            server.kill()
            server.communicate()
        lab.down(site.state.name)


def test_a_floating_ip_its_status_and_its_end(house: House) -> None:
    address = house.address()
    for name in house.ports:
        house.await_seen(name, address)
        there = house.lab.namespace(name)
        wait_for("IPv6", lambda n=there: netns.ping(n, WORLD_6), timeout=20)  # type: ignore[misc]
    made = house.floating(port_id=house.ports["vm1"]["id"])
    mine = made["floating_ip_address"]
    house.await_seen("vm1", mine)
    assert house.ask("outside-red", mine) == WORLD
    assert house.ask("vm2", mine) == address
    shown = house.api.send("GET", f"/v2.0/floatingips/{made['id']}")["floatingip"]
    assert shown["status"] == "ACTIVE"
    for node in ("vm1", "outside-red"):  # through the address, and through SNAT to it
        assert netns.ping(house.lab.namespace(node), mine)
    policy = house.api.send("POST", "/v2.0/qos/policies", {"policy": {}})["policy"]["id"]
    rule = {"bandwidth_limit_rule": {"max_kbps": 50_000, "direction": "ingress"}}
    house.api.send("POST", f"/v2.0/qos/policies/{policy}/bandwidth_limit_rules", rule)
    limited = {"floatingip": {"qos_policy_id": policy}}
    house.api.send("PUT", f"/v2.0/floatingips/{made['id']}", limited)
    wait_for("the limit", lambda: house.meters() == ["rate=50000 burst_size=40000"])
    assert house.ask("outside-red", mine) == WORLD
    house.api.send("DELETE", f"/v2.0/floatingips/{made['id']}")
    house.await_seen("vm1", address)
    wait_for("the limit to go", lambda: house.meters() == [])
    assert house.ask("outside-red", mine) == ""


def test_a_port_is_forwarded(house: House) -> None:
    made = house.floating()
    path = f"/v2.0/floatingips/{made['id']}/port_forwardings"
    house.api.create(
        *(path, "port_forwarding"),
        protocol="tcp",
        external_port=8080,
        internal_port=7777,
        internal_port_id=house.ports["vm2"]["id"],
        internal_ip_address="10.7.0.12",
    )
    mine = made["floating_ip_address"]
    wait_for("the forwarding", lambda: house.ask("outside-red", mine, 8080) == WORLD, timeout=20)
    assert house.ask("outside-red", mine, 7777) == ""


def test_a_connection_outlives_agents_and_controller(house: House) -> None:
    address = house.address()
    house.await_seen("vm3", address)
    with Chat(house, "vm3", WORLD) as chat:
        first = chat.ask()
        assert first.startswith(address)
        for node in ("hv1", "hv2", "hv3"):
            house.kill_agent(node)
            assert chat.ask() == first
            services.start_agent(house.lab, house.lab.node(node))
        before = house.elected()
        controller = [p for p in house.lab.state.processes if p.name == "sdnctl-controller"][-1]
        os.kill(controller.pid, signal.SIGKILL)
        wait_for("its end", lambda: not controller.alive)
        assert chat.ask() == first
        services.start_controller(house.lab, house.lab.node("controller"))
        time.sleep(2)
        assert house.elected() == before, "a restart moves nothing"
        assert chat.ask() == first


@dataclass(frozen=True)
class Way:
    """From a client to a server, translated on ``node``: the client is seen as ``seen``."""

    client: str
    server: str
    target: str
    seen: str
    node: str
    direction: str
    """Of the rule that allows it."""


@pytest.fixture(params=["floating", "snat"])
def way(house: House, request: pytest.FixtureRequest) -> Iterator[Way]:
    if request.param == "snat":
        seen = house.address()
        house.await_seen("vm3", seen)
        yield Way("vm3", "outside-red", WORLD, seen, house.elected(), "egress")
        return
    made = house.floating(port_id=house.ports["vm1"]["id"])
    try:
        address = made["floating_ip_address"]
        house.await_seen("vm1", address)
        yield Way("outside-red", "vm1", address, WORLD, "hv1", "ingress")
    finally:
        house.api.send("DELETE", f"/v2.0/floatingips/{made['id']}")


def test_a_removed_rule_cuts_what_is_translated(house: House, way: Way) -> None:
    rules = "/v2.0/security-group-rules"
    terms = {"security_group_id": house.group, "direction": way.direction, "ethertype": "IPv4"}
    query = "&".join(f"{name}={value}" for name, value in terms.items())
    (rule,) = house.api.send("GET", f"{rules}?{query}")["security_group_rules"]
    with Chat(house, way.client, way.target) as chat:
        assert chat.ask().startswith(way.seen)
        house.api.send("DELETE", f"{rules}/{rule['id']}")
        try:
            time.sleep(0.5)
            assert chat.ask() == "TimeoutError"
        finally:
            house.api.create(rules, "security_group_rule", **terms)
    wait_for("the way", lambda: house.ask(way.client, way.target) == way.seen, timeout=20)


def test_a_stream_flows_on_while_the_agent_restarts(house: House, way: Way) -> None:
    listener = subprocess.Popen(
        house.inside(way.server, "iperf3", "-s", "-1", "--forceflush"), stdout=subprocess.PIPE
    )
    try:
        assert listener.stdout is not None
        listener.stdout.readline()
        command = house.inside(way.client, *IPERF, way.target)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
            time.sleep(1.5)
            house.kill_agent(way.node)
            time.sleep(0.5)
            services.start_agent(house.lab, house.lab.node(way.node))
            said = json.loads(sender.communicate(timeout=30)[0])
    finally:
        listener.kill()
        listener.communicate()
    assert "error" not in said
    rates = [interval["sum"]["bits_per_second"] for interval in said["intervals"]]
    assert len(rates) >= 5
    assert min(rates) > 10e6, "no second without half of what was asked for"


def test_another_takes_over_where_one_is_gone(house: House) -> None:
    address, gone = house.address(), house.elected()
    (name,) = [n for n, port in house.ports.items() if port["binding:host_id"] != gone][:1]
    house.await_seen(name, address)
    agent = [p for p in house.lab.state.processes if (p.node, p.name) == (gone, "sdnctl-vrouter")][
        -1
    ]
    switch = house.lab.process(gone, services.SWITCH)
    os.kill(agent.pid, signal.SIGKILL)
    os.kill(switch.pid, signal.SIGKILL)
    began = time.monotonic()
    wait_for("another", lambda: house.elected() != gone, timeout=20)
    house.await_seen(name, address)
    print(f"\nSNAT moved {time.monotonic() - began:.1f} s after its hypervisor died")
    services.restart(house.lab, gone, services.SWITCH)
    services.start_agent(house.lab, house.lab.node(gone))
    wait_for("it is back", lambda: house.elected() == gone, timeout=40)
    house.await_seen(name, address)
