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
from sdnctl.graph.relations.inputs import (
    BGP_PEER,
    BGPVPN,
    BGPVPN_NETWORK,
    FLOATING_IP,
    HYPERVISOR,
    LEARNED,
    NETWORK,
    PORT,
    PORT_FORWARDING,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
)
from sdnctl.graph.relations.resources import LOCAL_PORT
from sdnctl.graph.relations.routes import ADVERTISED
from sdnctl.intent import (
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    FixedIp,
    FloatingIp,
    Hypervisor,
    Network,
    Port,
    PortForwarding,
    Router,
    RouterGateway,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    VrfNumbers,
)
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.netns.agents import Agent
from tests.netns.harness import DATAPATH, Guest, Lab
from tests.properties.mirror import House
from tests.properties.worlds import Write

TARGET = RouteTarget.parse("65000:1")
"""What gateway and external network share."""

WORLD_4, WORLD_6 = "198.51.100.10", "2001:db8:ffff::10"
WORLD_MAC = Mac.parse("02:00:5e:00:71:01")
ROUTER_MAC = Mac.parse("02:00:5e:00:00:01")
GATEWAY_LABEL = {4: Label(900001), 6: Label(900011)}
GATEWAY_VNI = Vni(77)


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
        self.gateway = lab.hypervisor()
        self.agents: dict[str, Agent] = {}
        self.guests: dict[str, Guest] = {}
        self.house = House(list(self.switches))
        self._flows: set[str] = set()
        self._processes: list[subprocess.Popen[str]] = []

    async def start(self) -> None:
        """Agents, the gateway, and the external network with its routes."""
        for host, switch in self.switches.items():
            self.agents[host] = await Agent(switch).start()
        self.world = self._start_gateway()
        await self.commit(*self._outside())

    async def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        for agent in self.agents.values():
            await agent.stop()

    # ---- intent

    def _outside(self) -> list[Write]:
        rows: list[Write] = [
            (
                HYPERVISOR,
                host,
                Hypervisor(id=host, vtep=switch.vtep, encapsulations=(self.encapsulation,)),
            )
            for host, switch in self.switches.items()
        ]
        rows += [
            (SECURITY_GROUP, "open", SecurityGroup(id="open")),
            *(
                (
                    SECURITY_GROUP_RULE,
                    f"{way}{kind}",
                    SecurityGroupRule(
                        id=f"{way}{kind}", security_group_id="open", direction=way, ethertype=kind
                    ),
                )
                for way in ("ingress", "egress")
                for kind in ("IPv4", "IPv6")
            ),
            (
                NETWORK,
                "ext",
                Network(
                    id="ext",
                    vni=Vni(5000),
                    label=Label(500),
                    number=500,
                    external=True,
                    vrf=VrfNumbers(Vni(9000), Label(900), 900, Mac.parse("fa:16:3e:ee:00:01")),
                ),
            ),
            (
                SUBNET,
                "ext4",
                Subnet(
                    id="ext4",
                    network_id="ext",
                    prefix=Prefix.parse("203.0.113.0/24"),
                    gateway_ip=Ip.parse("203.0.113.1"),
                ),
            ),
            (BGPVPN, "up", BgpVpn(id="up", route_targets=(TARGET,))),
            (
                BGPVPN_NETWORK,
                "upext",
                BgpVpnNetwork(
                    id="upext",
                    bgpvpn_id="up",
                    network_id="ext",
                    vni=Vni(9999),
                    label=Label(999),
                    number=999,
                    mac=ROUTER_MAC,
                ),
            ),
            (
                BGP_PEER,
                "gw",
                BgpPeer(
                    id="gw",
                    address=self.gateway.vtep,
                    asn=64512,
                    families=("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn"),
                ),
            ),
        ]
        return rows + [self.learned(prefix) for prefix in ("0.0.0.0/0", "::/0")]

    def learned(self, prefix: str) -> Write:
        """A route of the gateway's."""
        network = Prefix.parse(prefix)
        rd = RouteDistinguisher.of(self.gateway.vtep, 1)
        path = Path(
            next_hop=self.gateway.vtep,
            route_targets=(TARGET,),
            encapsulations=(self.encapsulation,),
            label=GATEWAY_LABEL[network.version],
            vni=GATEWAY_VNI,
            router_mac=ROUTER_MAC,
            peer=True,
        )
        return LEARNED, RouteKey("gw", IpPrefixRoute(rd, network)), path

    def tenant(self, n: int, *, distributed: bool = False, snat: bool = True) -> list[Write]:
        """Router ``rN`` with a way out, networks ``Na`` and ``Nb``; all IPv4 addresses overlap."""
        rows: list[Write] = [
            (
                ROUTER,
                f"r{n}",
                Router(
                    id=f"r{n}",
                    vni=Vni(9100 + n),
                    label=Label(910 + n),
                    number=910 + n,
                    gateway=RouterGateway("ext", f"way{n}", snat),
                    distributed=distributed,
                    nat=1 + n,
                ),
            ),
            (
                PORT,
                f"way{n}",
                Port(
                    id=f"way{n}",
                    network_id="ext",
                    mac=Mac.parse(f"fa:16:3e:ee:01:{n:02x}"),
                    fixed_ips=(FixedIp("ext4", Ip.parse(f"203.0.113.{200 + n}")),),
                    device_owner=ROUTER_GATEWAY_OWNER,
                    device_id=f"r{n}",
                ),
            ),
        ]
        for m, name in enumerate("ab"):
            key = f"{n}{name}"
            four, six = Ip.parse(f"10.0.{m}.254"), Ip.parse(f"2001:db8:{n}:{m}::fe")
            rows += [
                (
                    NETWORK,
                    key,
                    Network(
                        id=key,
                        vni=Vni(5100 + 10 * n + m),
                        label=Label(510 + 10 * n + m),
                        number=510 + 10 * n + m,
                        mtu=1400,
                    ),
                ),
                (
                    SUBNET,
                    f"{key}4",
                    Subnet(
                        id=f"{key}4",
                        network_id=key,
                        prefix=Prefix.covering(four, 24),
                        gateway_ip=four,
                    ),
                ),
                (
                    SUBNET,
                    f"{key}6",
                    Subnet(
                        id=f"{key}6",
                        network_id=key,
                        prefix=Prefix.covering(six, 64),
                        gateway_ip=six,
                    ),
                ),
                (
                    PORT,
                    f"if{key}",
                    Port(
                        id=f"if{key}",
                        network_id=key,
                        mac=Mac.parse(f"fa:16:3e:ff:{n:02x}:{m:02x}"),
                        fixed_ips=(FixedIp(f"{key}4", four), FixedIp(f"{key}6", six)),
                        device_owner=ROUTER_INTERFACE_OWNER,
                        device_id=f"r{n}",
                    ),
                ),
            ]
        return rows

    def hiding(self, host: str, last: int) -> Write:
        """An address of a hypervisor's own on the external network."""
        port = Port(
            id=f"hide-{host}",
            network_id="ext",
            mac=Mac.parse(f"fa:16:3e:ee:02:{last:02x}"),
            fixed_ips=(FixedIp("ext4", Ip.parse(f"203.0.113.{last}")),),
            device_owner=SNAT_OWNER,
            device_id=host,
            host=host,
        )
        return PORT, port.id, port

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
        self._tell_gateway()
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

    # ---- the gateway

    def _start_gateway(self) -> Guest:
        switch = self.gateway
        switch.vsctl(
            *("add-br", "br-int", "--", "set", "Bridge", "br-int"),
            *(f"datapath_type={DATAPATH}", "fail_mode=secure", "protocols=OpenFlow14"),
        )
        for name, kind, options in (
            ("gre", "gre", ("options:packet_type=legacy_l3",)),
            ("vxlan", "vxlan", ("options:key=flow",)),
        ):
            switch.vsctl(
                *("add-port", "br-int", name, "--", "set", "Interface", name, f"type={kind}"),
                *("options:remote_ip=flow", f"options:local_ip={switch.vtep}", *options),
            )
        guest = self.lab.guest(
            switch,
            "world",
            WORLD_MAC,
            f"{WORLD_4}/24",
            f"{WORLD_6}/64",
            gateways=("198.51.100.1", "2001:db8:ffff::1"),
        )
        guest.plug()
        for router in ("198.51.100.1", "2001:db8:ffff::1"):
            guest.run("ip", "neigh", "add", router, "lladdr", str(ROUTER_MAC), "dev", "eth0")
        for host in self.switches.values():
            switch.run("ping", "-c", "1", "-W", "2", str(host.vtep))
            host.run("ping", "-c", "1", "-W", "2", str(switch.vtep))
        return guest

    def _tell_gateway(self) -> None:
        """Flows for what it says itself, and for what peers are told."""
        tap = self.world.tap
        to_world = f"dec_ttl,set_field:{WORLD_MAC}->eth_dst,output:{tap}"
        flows = [
            f"in_port=gre,mpls,mpls_label={GATEWAY_LABEL[4]},actions=pop_mpls:0x0800,{to_world}",
            f"in_port=gre,mpls,mpls_label={GATEWAY_LABEL[6]},actions=pop_mpls:0x86dd,{to_world}",
            f"in_port=vxlan,tun_id={GATEWAY_VNI},ip,actions={to_world}",
            f"in_port=vxlan,tun_id={GATEWAY_VNI},ipv6,actions={to_world}",
        ]
        for key, row in self.house.engine.rows(ADVERTISED).items():
            nlri = key.nlri
            if isinstance(nlri, IpPrefixRoute) and TARGET in row.path.route_targets:
                flows.append(self._towards(nlri.prefix, row.path))
        if set(flows) != self._flows:
            self._flows = set(flows)
            file = self.lab.folder / "gateway-flows"
            file.write_text("\n".join(flows))
            self.gateway.ofctl("replace-flows", str(file))
            self.gateway.settle()

    def _towards(self, prefix: Prefix, path: Path) -> str:
        match = f"in_port={self.world.tap},priority={1000 + prefix.length},"
        match += f"ip,nw_dst={prefix}" if prefix.version == 4 else f"ipv6,ipv6_dst={prefix}"
        if self.encapsulation is Encapsulation.VXLAN:
            return (
                f"{match},actions=dec_ttl,set_field:{path.router_mac}->eth_dst,"
                f"set_field:{path.next_hop}->tun_dst,set_field:{path.vni}->tun_id,output:vxlan"
            )
        return (
            f"{match},actions=dec_ttl,push_mpls:0x8847,set_field:{path.label}->mpls_label,"
            f"set_field:{path.next_hop}->tun_dst,output:gre"
        )

    def reached(self) -> dict[str, str]:
        """Host routes that the gateway is told of, and by whom."""
        return {
            str(key.nlri.prefix.ip): key.source
            for key, row in self.house.engine.rows(ADVERTISED).items()
            if isinstance(key.nlri, IpPrefixRoute) and TARGET in row.path.route_targets
        }
