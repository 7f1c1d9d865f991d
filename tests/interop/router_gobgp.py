"""GoBGP: every family that there is, and each originated by a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from sdnctl.bgp.peer import Family
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Nlri, Path
from sdnctl.types import Ip, Mac, Prefix, RouteDistinguisher
from tests.interop.base import Router, run, shown

TABLES = {
    Family.IPV4_VPN: "vpnv4",
    Family.IPV6_VPN: "vpnv6",
    Family.EVPN: "evpn",
    Family.ROUTE_TARGET: "rtc",
}
NAMES = {
    Family.IPV4_VPN: "l3vpn-ipv4-unicast",
    Family.IPV6_VPN: "l3vpn-ipv6-unicast",
    Family.EVPN: "l2vpn-evpn",
    Family.ROUTE_TARGET: "rtc",
}
EXTENDED_COMMUNITIES, MP_REACH, PMSI = 16, 14, 22
ROUTE_TARGET, ENCAPSULATION, MAC_MOBILITY, ROUTER_MAC = (2, 12, 0, 3)


class Gobgp(Router):
    """gobgpd; the VPN routes that it originates carry the encapsulation community of GRE."""

    families: ClassVar[tuple[Family, ...]] = (Family.IPV4_VPN, Family.IPV6_VPN, Family.EVPN)

    def start(self) -> None:
        wanted = self.settings
        families = "".join(
            f"""
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{NAMES[family]}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true"""
            for family in self.families
        )
        reflector = f"""
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "{self.address}" """
        neighbors = "".join(
            f"""
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{neighbor}"
    peer-as = {wanted.speaker_asn}
    auth-password = "{wanted.password}"
  [neighbors.transport.config]
    passive-mode = {str(not wanted.clients).lower()}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.ttl-security.config]
    enabled = {str(wanted.ttl_security).lower()}
    ttl-min = 255
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 30
{reflector if wanted.clients else ""}
{families}
"""
            for neighbor in (self.neighbor, *wanted.clients)
        )
        (self.directory / "gobgpd.toml").write_text(
            f"""
[global.config]
  as = {wanted.asn}
  router-id = "{self.address}"
[global.apply-policy.config]
  import-policy-list = ["encapsulation"]
  default-import-policy = "accept-route"
[[policy-definitions]]
  name = "encapsulation"
  [[policy-definitions.statements]]
    name = "gre"
    [policy-definitions.statements.conditions.bgp-conditions]
      route-type = "local"
      afi-safi-in-list = ["l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"]
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions.set-ext-community]
      options = "add"
      [policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method]
        communities-list = ["encap:gre"]
{neighbors}
"""
        )
        self.run(again=False)

    def run(self, *, again: bool) -> None:
        options = ["--graceful-restart"] if again else []
        self.spawn("gobgpd", "-f", f"{self.directory}/gobgpd.toml", *options)
        gobgp = ("ip", "netns", "exec", self.namespace, "gobgp")
        self.answers(lambda: run(*gobgp, "neighbor", self.neighbor, check=False))
        if self.settings.quiet:
            return
        watch = ("gobgp", "monitor", "global", "rib", "-j")
        self.helpers.append(self.popen(*watch, output="monitor"))

    def gobgp(self, *words: str) -> str:
        return self.exec("gobgp", *words)

    def losses(self) -> int:
        # Its own counter of flaps passes over those that graceful restart covers.
        lines = (self.directory / "output").read_text().splitlines()
        return sum('"Peer Down"' in line and f'"{self.neighbor}"' in line for line in lines)

    def withdrawals(self) -> list[str]:
        told, _, _ = (self.directory / "monitor").read_text().rpartition("\n")
        changes = [change for line in told.splitlines() for change in json.loads(line)]
        return [str(c["nlri"]) for c in changes if c.get("withdrawal")]

    # ---- what it learned

    def rib(self, family: Family) -> dict[str, list[dict[str, Any]]]:
        """Its table, what it originates included."""
        table: dict[str, list[dict[str, Any]]]
        table = json.loads(self.gobgp("global", "rib", "-a", TABLES[family], "-j") or "{}")
        return table

    def table(self, family: Family) -> dict[Nlri, Path]:
        return {
            _nlri(path["nlri"]): _path(path)
            for paths in self.rib(family).values()
            for path in paths
            if path.get("neighbor-ip") == self.neighbor
        }

    # ---- what it says

    def originate(self, nlri: Nlri, path: Path) -> None:
        self.gobgp("global", "rib", "add", *_words(nlri, path))

    def retract(self, nlri: Nlri, path: Path) -> None:
        self.gobgp("global", "rib", "del", *_words(nlri, path))


def _words(nlri: Nlri, path: Path) -> Iterator[str]:
    """The words of ``gobgp global rib add`` for a route."""
    common = ["rd", str(nlri.rd), "rt", *map(str, path.route_targets)]  # type: ignore[union-attr]
    hop = ["nexthop", str(path.next_hop)]
    evpn = ["-a", "evpn"]
    vxlan = ["encap", "vxlan"]
    match nlri:
        case IpPrefixRoute(_, prefix) if path.label:
            family = "vpnv4" if prefix.version == 4 else "vpnv6"
            yield from ("-a", family, str(prefix), "label", str(path.label), *common, *hop)
        case IpPrefixRoute(_, prefix):
            yield from (*evpn, "prefix", str(prefix), "etag", "0", "label", str(path.vni))
            yield from (*common, *vxlan, "router-mac", str(path.router_mac), *hop)
        case MacIpRoute(_, mac, ip):
            yield from (*evpn, "macadv", str(mac), str(ip or "0.0.0.0"), "etag", "0")
            yield from ("label", str(path.vni), *common, *vxlan, *hop)
        case InclusiveMulticastRoute(_, originator):
            yield from (*evpn, "multicast", str(originator), "etag", "0", *common, *vxlan)
            yield from ("pmsi", "ingress-repl", str(path.vni), str(path.next_hop), *hop)


def _nlri(said: dict[str, Any]) -> Nlri:
    value = said.get("value", said)
    rd = RouteDistinguisher.parse(f"{value['rd']['admin']}:{value['rd']['assigned']}")
    match said.get("type"):
        case 2:
            ip = None if value["ip"] == "<nil>" else Ip.parse(value["ip"])
            return MacIpRoute(rd, Mac.parse(value["mac"]), ip)
        case 3:
            return InclusiveMulticastRoute(rd, Ip.parse(value["ip"]))
        case _:
            return IpPrefixRoute(rd, Prefix.parse(value["prefix"]))


def _path(path: dict[str, Any]) -> Path:
    attributes = {a["type"]: a for a in path["attrs"]}
    communities = attributes[EXTENDED_COMMUNITIES]["value"]

    def of(subtype: int, *kinds: int) -> list[dict[str, Any]]:
        return [c for c in communities if c["subtype"] == subtype and c["type"] in kinds]

    value = path["nlri"].get("value", path["nlri"])
    label = value.get("label") or (value.get("labels") or [0])[0]
    if PMSI in attributes:
        label = attributes[PMSI]["label"]
    return shown(
        attributes[MP_REACH]["nexthop"],
        [c["value"] for c in of(ROUTE_TARGET, 0, 1, 2)],
        tunnels=[c["tunnel_type"] for c in of(ENCAPSULATION, 3)],
        label=label,
        router_mac=next((c["mac"] for c in of(ROUTER_MAC, 6)), None),
        sequence=next((c["sequence"] for c in of(MAC_MOBILITY, 6)), 0),
        stale=path["stale"],
    )
