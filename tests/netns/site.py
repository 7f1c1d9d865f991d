"""A cloud with an outside: intent in, the graph's resources on real switches, a gateway by BGP.

The gateway is a switch of its own. What peers are told becomes its flows, so packets come in by
the routes that hypervisors originate, and by nothing else; behind it is one guest, the world.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path as FilePath
from typing import Any

import msgspec

from sdnctl.delta import Change
from sdnctl.desired import Desired
from sdnctl.graph.relations.inputs import FLOATING_IP, PORT, PORT_FORWARDING
from sdnctl.graph.relations.resources import LOCAL_PORT
from sdnctl.intent import FixedIp, FloatingIp, Port, PortForwarding
from sdnctl.types import Encapsulation, Ip, Mac
from tests.netns.agents import Agent
from tests.netns.gateway import Gateway
from tests.netns.harness import Guest, Lab
from tests.netns.tenants import external, hypervisors
from tests.properties.mirror import House
from tests.properties.strategies.small import Write

PYTHON = (sys.executable, str(FilePath(__file__).with_name("talk.py")))


class Chat:
    """A TCP connection that lasts; see ``talk.chat``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def ask(self) -> list[str]:
        """The address and port that the other end sees, or the error."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("who\n")
        stdin.flush()
        return (await asyncio.to_thread(stdout.readline)).split()


class Site:
    """Hypervisors ``h0``..., a gateway, the network ``ext``; tenants as a test makes them."""

    def __init__(self, lab: Lab, hosts: int, encapsulation: Encapsulation) -> None:
        self.lab = lab
        self.encapsulation = encapsulation
        self.switches = {f"h{n}": lab.hypervisor() for n in range(hosts)}
        self.agents: dict[str, Agent] = {}
        self.guests: dict[str, Guest] = {}
        self.house = House(list(self.switches))
        self.gateway = Gateway(lab, self.house.engine, encapsulation)
        self._processes: list[subprocess.Popen[str]] = []

    async def start(self) -> None:
        """Agents, the gateway, and the external network with its routes."""
        for host, switch in self.switches.items():
            self.agents[host] = await Agent(switch).start()
        self.world = self.gateway.start(self.switches.values())
        await self.commit(
            *hypervisors(self.switches, self.encapsulation),
            *external(self.gateway.switch.vtep),
            *(self.gateway.learned(prefix) for prefix in ("0.0.0.0/0", "::/0")),
        )

    async def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        for agent in self.agents.values():
            await agent.stop()

    # ---- intent

    def guest(self, network: str, number: int, host: str, **more: Any) -> Write:
        """A guest's port; its namespace is made with it."""
        if network == "ext":
            return self._guest_outside(number, host)
        tenant, m = int(network[0]), "ab".index(network[1])
        port = Port(
            id=f"{network}{number}",
            network_id=network,
            mac=Mac.parse(f"fa:16:3e:{tenant:02x}:0{m}:{number:02x}"),
            fixed_ips=(
                FixedIp(f"{network}4", Ip.parse(f"10.0.{m}.{number}")),
                FixedIp(f"{network}6", Ip.parse(f"2001:db8:{tenant}:{m}::{number:x}")),
            ),
            host=host,
            security_groups=("open",),
            **more,
        )
        if port.id not in self.guests:
            self.guests[port.id] = self.lab.guest(
                self.switches[host],
                port.id,
                port.mac,
                f"10.0.{m}.{number}/24",
                f"2001:db8:{tenant}:{m}::{number:x}/64",
                gateways=(f"10.0.{m}.254", f"2001:db8:{tenant}:{m}::fe"),
            )
            self.guests[port.id].plug()
        return PORT, port.id, port

    def _guest_outside(self, number: int, host: str) -> Write:
        """One on the external network itself."""
        port = Port(
            id=f"ext{number}",
            network_id="ext",
            mac=Mac.parse(f"fa:16:3e:ee:03:{number:02x}"),
            fixed_ips=(FixedIp("ext4", Ip.parse(f"203.0.113.{number}")),),
            host=host,
            security_groups=("open",),
        )
        guest = self.guests[port.id] = self.lab.guest(
            self.switches[host],
            port.id,
            port.mac,
            f"203.0.113.{number}/24",
            gateways=("203.0.113.1",),
        )
        guest.plug()
        return PORT, port.id, port

    def move(self, port_id: str, host: str) -> None:
        """A guest's interface is on another hypervisor."""
        guest, target = self.guests[port_id], self.switches[host]
        guest.unplug()
        guest.switch.run("ip", "link", "set", guest.tap, "netns", target.name)
        target.run("ip", "link", "set", guest.tap, "up")
        target.run("ethtool", "-K", guest.tap, "tx", "off")
        guest.switch = target
        guest.plug()

    def floating(self, last: int, port_id: str) -> Write:
        """203.0.113.LAST stands for a guest's first address; "" for nobody."""
        id_ = f"fip{last}"
        row = FloatingIp(
            id=id_, network_id="ext", ip=Ip.parse(f"203.0.113.{last}"), floating_port_id=f"p{id_}"
        )
        if port_id:
            port: Port = self.row(PORT, port_id)
            row = msgspec.structs.replace(
                row,
                port_id=port_id,
                fixed_ip=port.fixed_ips[0].ip,
                router_id=f"r{port_id[0]}",
            )
        return FLOATING_IP, id_, row

    def forwarded(self, last: int, port_id: str, protocol: int, *ports: int) -> list[Write]:
        """Ports of 203.0.113.LAST lead to those of a guest: first and last of both."""
        _relation, id_, floating = self.floating(last, "")
        port: Port = self.row(PORT, port_id)
        forwarding = PortForwarding(
            id=f"pf{last}-{protocol}-{ports[0]}",
            floatingip_id=id_,
            protocol=protocol,
            external=(ports[0], ports[1]),
            port_id=port_id,
            fixed_ip=port.fixed_ips[0].ip,
            internal=(ports[2], ports[3]),
        )
        floating = msgspec.structs.replace(floating, router_id=f"r{port_id[0]}")
        return [
            (FLOATING_IP, id_, floating),
            (PORT_FORWARDING, forwarding.id, forwarding),
        ]

    def row(self, relation: Any, key: str) -> Any:
        return self.house.engine.rows(relation)[key]

    def changed(self, relation: Any, key: str, **fields: Any) -> Write:
        return relation, key, msgspec.structs.replace(self.row(relation, key), **fields)

    # ---- and what follows

    async def commit(self, *writes: Write) -> None:
        """On every switch, and told to the gateway."""
        self.house.commit(list(writes))
        self.house.settle()
        await asyncio.gather(*(self._follow(host) for host in self.agents))
        self.gateway.tell()
        for host, port_id in self._bound():
            await self.agents[host].up(port_id)
        for agent in self.agents.values():
            await agent.settle()

    def _bound(self) -> list[tuple[str, str]]:
        return [
            (placed.host, port_id)
            for port_id, placed in self.house.engine.rows(LOCAL_PORT).items()
            if port_id in self.guests
            and self.guests[port_id].switch is self.switches.get(placed.host)
        ]

    async def _follow(self, host: str) -> None:
        agent, desired = self.agents[host], self.house.agents[host].desired
        changes: list[Change[str, Desired]] = [
            Change(key, agent.desired.get(key), desired.get(key))
            for key in {**agent.desired, **desired}
            if agent.desired.get(key) != desired.get(key)
        ]
        agent.desired = dict(desired)
        assert not await agent.change(changes)
        agent.reconciler.in_sync()

    async def restart(self, host: str) -> None:
        """A new agent in place of the old."""
        await self.agents[host].stop()
        self.agents[host] = await Agent(self.switches[host]).start()
        await self._follow(host)
        await self.agents[host].settle()

    async def ping(self, source: str, target: str, count: int = 3, *options: str) -> int:
        """How many of ``count`` were answered; ``world`` is the guest behind the gateway."""
        return await asyncio.to_thread(self._of(source).ping, target, count, *options)

    def serve(self, name: str, *ports: int) -> None:
        """A guest answers whoever asks at these ports, by TCP and UDP, with whom it sees."""
        process = self._of(name).popen(*PYTHON, "serve", *map(str, ports))
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    async def ask(self, name: str, kind: str, target: str, port: int, *source: int) -> list[str]:
        """The address and port that a guest is seen with at a server; [] without an answer."""
        command = ("ask", kind, target, str(port), *map(str, source))
        return (await asyncio.to_thread(self._of(name).run, *PYTHON, *command)).split()

    def chat(self, name: str, target: str, port: int) -> Chat:
        """A connection that stays."""
        process = self._of(name).popen(*PYTHON, "chat", target, str(port))
        self._processes.append(process)
        return Chat(process)

    def _of(self, name: str) -> Guest:
        return self.world if name == "world" else self.guests[name]
