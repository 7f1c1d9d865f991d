"""A data-centre gateway: a switch with tunnels, and a guest behind it that is the world.

It says its routes and is told ours as a BGP peer would be; no BGP is spoken.
"""

from __future__ import annotations

from collections.abc import Iterable

from sdnctl.graph.engine import Engine
from sdnctl.graph.relations.inputs import LEARNED
from sdnctl.graph.relations.routes import ADVERTISED
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.netns.harness import DATAPATH, Guest, Lab, Switch
from tests.properties.strategies.small import Write

TARGET = RouteTarget.parse("65000:1")
"""What gateway and external network share."""

WORLD_4, WORLD_6 = "198.51.100.10", "2001:db8:ffff::10"
WORLD_MAC = Mac.parse("02:00:5e:00:71:01")
ROUTER_MAC = Mac.parse("02:00:5e:00:00:01")
GATEWAY_LABEL = {4: Label(900001), 6: Label(900011)}
GATEWAY_VNI = Vni(77)


class Gateway:
    """See the module. ``world`` is the guest behind it."""

    def __init__(self, lab: Lab, engine: Engine, encapsulation: Encapsulation) -> None:
        self._lab = lab
        self._engine = engine
        self._encapsulation = encapsulation
        self.switch = lab.hypervisor()
        self._flows: set[str] = set()

    def start(self, hosts: Iterable[Switch]) -> Guest:
        """Tunnels, and the guest behind them; every hypervisor is to know the way."""
        switch = self.switch
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
        guest = self.world = self._lab.guest(
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
        for host in hosts:
            switch.run("ping", "-c", "1", "-W", "2", str(host.vtep))
            host.run("ping", "-c", "1", "-W", "2", str(switch.vtep))
        return guest

    def learned(self, prefix: str) -> Write:
        """A route of its own, as it says it."""
        network = Prefix.parse(prefix)
        rd = RouteDistinguisher.of(self.switch.vtep, 1)
        path = Path(
            next_hop=self.switch.vtep,
            route_targets=(TARGET,),
            encapsulations=(self._encapsulation,),
            label=GATEWAY_LABEL[network.version],
            vni=GATEWAY_VNI,
            router_mac=ROUTER_MAC,
            peer=True,
        )
        return LEARNED, RouteKey("gw", IpPrefixRoute(rd, network)), path

    def tell(self) -> None:
        """Flows for what it says itself, and for what peers are told by now."""
        tap = self.world.tap
        to_world = f"dec_ttl,set_field:{WORLD_MAC}->eth_dst,output:{tap}"
        flows = [
            f"in_port=gre,mpls,mpls_label={GATEWAY_LABEL[4]},actions=pop_mpls:0x0800,{to_world}",
            f"in_port=gre,mpls,mpls_label={GATEWAY_LABEL[6]},actions=pop_mpls:0x86dd,{to_world}",
            f"in_port=vxlan,tun_id={GATEWAY_VNI},ip,actions={to_world}",
            f"in_port=vxlan,tun_id={GATEWAY_VNI},ipv6,actions={to_world}",
        ]
        for key, row in self._engine.rows(ADVERTISED).items():
            nlri = key.nlri
            if isinstance(nlri, IpPrefixRoute) and TARGET in row.path.route_targets:
                flows.append(self._towards(nlri.prefix, row.path))
        if set(flows) != self._flows:
            self._flows = set(flows)
            file = self._lab.folder / "gateway-flows"
            file.write_text("\n".join(flows))
            self.switch.ofctl("replace-flows", str(file))
            self.switch.settle()

    def _towards(self, prefix: Prefix, path: Path) -> str:
        match = f"in_port={self.world.tap},priority={1000 + prefix.length},"
        match += f"ip,nw_dst={prefix}" if prefix.version == 4 else f"ipv6,ipv6_dst={prefix}"
        if self._encapsulation is Encapsulation.VXLAN:
            return (
                f"{match},actions=dec_ttl,set_field:{path.router_mac}->eth_dst,"
                f"set_field:{path.next_hop}->tun_dst,set_field:{path.vni}->tun_id,output:vxlan"
            )
        return (
            f"{match},actions=dec_ttl,push_mpls:0x8847,set_field:{path.label}->mpls_label,"
            f"set_field:{path.next_hop}->tun_dst,output:gre"
        )

    def reached(self) -> dict[str, str]:
        """Host routes that it is told of, and by whom."""
        return {
            str(key.nlri.prefix.ip): key.source
            for key, row in self._engine.rows(ADVERTISED).items()
            if isinstance(key.nlri, IpPrefixRoute) and TARGET in row.path.route_targets
        }
