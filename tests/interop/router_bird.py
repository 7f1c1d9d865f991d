"""BIRD 2: VPNv4 and VPNv6, and no EVPN."""

from __future__ import annotations

import re

from sdnctl.bgp.peer import Family
from sdnctl.routes import IpPrefixRoute, Nlri, Path
from sdnctl.types import Prefix, RouteDistinguisher
from tests.interop.base import Router, run, shown

CHANNELS = {Family.IPV4_VPN: "vpn4", Family.IPV6_VPN: "vpn6"}


class Bird(Router):
    """BIRD without kernel: it has tables and no forwarding, and says so when it restarts."""

    families = (Family.IPV4_VPN, Family.IPV6_VPN)

    def start(self) -> None:
        self._configure()
        self.run(again=False)

    def run(self, *, again: bool) -> None:
        at = self.directory
        (at / "control").unlink(missing_ok=True)
        self.spawn("bird", "-f", "-c", f"{at}/bird.conf", "-s", f"{at}/control", "-P", f"{at}/pid")
        self.answers(lambda: run("birdc", "-s", f"{at}/control", "show", "status", check=False))

    def birdc(self, *words: str) -> str:
        return run("birdc", "-s", str(self.directory / "control"), *words)

    def ask_again(self) -> None:
        """Have it send a route refresh for VPNv4 (RFC 2918)."""
        self.birdc("reload", "in", "speaker")

    def losses(self) -> int:
        return len(re.findall(r"speaker: State changed to (?:stop|start|down)\b", self._log())) - 1

    def withdrawals(self) -> list[str]:
        return re.findall(r".*speaker\.vpn[46]-mpls > removed.*", self._log())

    def table(self, family: Family) -> dict[Nlri, Path]:
        text = self.birdc(
            "show", "route", "table", f"t{CHANNELS[family]}", "protocol", "speaker", "all"
        )
        found: dict[Nlri, Path] = {}
        for route in re.split(r"\n(?=\S+ \S+/\d+ )", text)[1:]:
            rd, prefix = route.split()[:2]
            said = dict(re.findall(r"^\tBGP\.(\w+): (.*)$", route, re.MULTILINE))
            communities = said.get("ext_community", "")
            targets = re.findall(r"\(rt, ([\d.]+), (\d+)\)", communities)
            found[IpPrefixRoute(RouteDistinguisher.parse(rd), Prefix.parse(prefix))] = shown(
                said["next_hop"],
                [f"{administrator}:{number}" for administrator, number in targets],
                tunnels=[int(t, 16) for t in re.findall(r"0x30c0000, (0x\w+)", communities)],
                label=int(said["mpls_label_stack"]),
            )
        return found

    def tell(self) -> None:
        """Have it take over ``said``."""
        self._configure()
        self.birdc("configure")

    def originate(self, nlri: Nlri, path: Path) -> None:
        self.tell()

    retract = originate

    def count(self, protocol: str = "speaker") -> int:
        """How many VPNv4 routes of a neighbour it holds."""
        text = self.birdc("show", "route", "table", "tvpn4", "protocol", protocol, "count")
        found = re.search(r"(\d+) of \d+ routes", text)
        return int(found[1]) if found else 0

    def _log(self) -> str:
        return (self.directory / "log").read_text()

    def _configure(self) -> None:
        routes: dict[Family, list[str]] = {family: [] for family in self.families}
        for nlri, path in self.said.items():
            assert isinstance(nlri, IpPrefixRoute)
            communities = [f"(rt, {str(t).replace(':', ', ')})" for t in path.route_targets]
            communities += [f"(generic, 0x030c0000, {int(e)})" for e in path.encapsulations]
            added = "".join(f" bgp_ext_community.add({c});" for c in communities)
            family = self.families[nlri.prefix.version == 6]
            # The label goes out with the gateway that it is for, and the gateway as next hop.
            routes[family].append(
                f"  route {nlri.rd} {nlri.prefix} via {path.next_hop}%{self.link}"
                f" mpls {path.label} onlink {{{added} }};"
            )
        wanted = self.settings
        tables = "".join(
            f"""
{channel} table t{channel};
protocol static static_{channel} {{
  {channel} {{ table t{channel}; }};
{chr(10).join(routes[family])}
}}
"""
            for family, channel in CHANNELS.items()
        )
        channels = "".join(
            f"""
  {channel} mpls {{
    table t{channel};
    import all;
    gateway recursive;
    export where source = RTS_STATIC;
    next hop keep;
  }};"""
            for channel in CHANNELS.values()
        )
        names = ["speaker", *(f"client{number}" for number in range(1, len(wanted.clients) + 1))]
        sessions = "".join(
            f"""
protocol bgp {name} {{
  local {self.address} as {wanted.asn};
  neighbor {neighbor} as {wanted.speaker_asn};
  strict bind on;
  {"direct" if wanted.ebgp or wanted.ttl_security else "multihop"};
  passive on;
  graceful restart on;
  {f'password "{wanted.password}";' if wanted.password else ""}
  ttl security {"on" if wanted.ttl_security else "off"};
  error wait time 1, 2;
{channels}
}}
"""
            for name, neighbor in zip(names, (self.neighbor, *wanted.clients), strict=True)
        )
        (self.directory / "bird.conf").write_text(
            f"""log "{self.directory}/log" all;
debug protocols {{ states{"" if wanted.quiet else ", routes"} }};
router id {self.address};
protocol device {{ }}
{tables}
{sessions}"""
        )
