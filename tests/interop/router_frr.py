"""FRR: bgpd with zebra and a kernel VXLAN bridge, so that it originates EVPN as a gateway does."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import msgspec

from sdnctl.bgp.peer import Family
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
)
from sdnctl.types import Ip, Mac, Prefix, RouteDistinguisher, RouteTarget
from tests.interop.base import L2_VNI, L3_VNI, ROUTER_MAC, Router, run, shown

BRIDGE, PORT = f"br{L2_VNI}", "port"

AFI = {Family.IPV4_VPN: "ipv4", Family.IPV6_VPN: "ipv6"}


class Frr(Router):
    """bgpd, and zebra for EVPN; VPN routes it takes from its configuration."""

    families = (Family.IPV4_VPN, Family.IPV6_VPN, Family.EVPN)

    def start(self, *extra: str) -> None:
        """``extra`` are lines of ``router bgp``, before the address families."""
        wanted = self.settings
        neighbors = [self.neighbor, *wanted.clients]
        lines = [
            f"log file {self.directory}/log debugging",
            *([] if wanted.quiet else ["debug bgp updates in"]),
            f"router bgp {wanted.asn}",
            f" bgp router-id {self.address}",
            " no bgp default ipv4-unicast",
            " no bgp network import-check",
            " no bgp ebgp-requires-policy",
            # One that restarts itself holds back what it would reflect until all have spoken.
            *([] if wanted.clients else [" bgp graceful-restart"]),
            *([] if wanted.clients else [" bgp graceful-restart preserve-fw-state"]),
            *extra,
        ]
        for neighbor in neighbors:
            lines += [
                f" neighbor {neighbor} remote-as {wanted.speaker_asn}",
                f" neighbor {neighbor} timers connect 1",
                f" neighbor {neighbor} advertisement-interval 0",
            ]
            if wanted.password:
                lines.append(f" neighbor {neighbor} password {wanted.password}")
            if wanted.ttl_security:
                lines.append(f" neighbor {neighbor} ttl-security hops 1")
        for family in ("ipv4 vpn", "ipv6 vpn", "l2vpn evpn"):
            lines.append(f" address-family {family}")
            for neighbor in neighbors:
                lines.append(f"  neighbor {neighbor} activate")
                if wanted.clients:
                    lines.append(f"  neighbor {neighbor} route-reflector-client")
            lines.append(" exit-address-family")
        (self.directory / "frr.conf").write_text("\n".join(lines) + "\n")
        (self.directory / "zebra.conf").write_text("ip nht resolve-via-default\n")
        self.directory.chmod(0o755)
        for path in (self.directory, *self.directory.glob("*.conf")):
            shutil.chown(path, "frr", "frr")
        self._overlay()
        at = str(self.directory)
        self.helpers.append(
            self.popen("/usr/lib/frr/zebra", "-f", f"{at}/zebra.conf", "-i", f"{at}/zebra.pid",
                       "-z", f"{at}/zserv", "--vty_socket", at))  # fmt: skip
        self.answers((self.directory / "zebra.vty").exists)
        self.vtysh("conf t", f"vni {L3_VNI}")
        self.run(again=False)

    def run(self, *, again: bool) -> None:
        self._maps = itertools.count(1)
        self._networks: dict[Nlri, str] = {}
        self._targets: dict[tuple[str, ...], tuple[RouteTarget, ...]] = {}
        at = str(self.directory)
        (self.directory / "bgpd.vty").unlink(missing_ok=True)
        self.spawn("/usr/lib/frr/bgpd", "-f", f"{at}/frr.conf", "-i", f"{at}/pid",
                   "-z", f"{at}/zserv", "--vty_socket", at, "-l", self.address)  # fmt: skip
        self.answers(
            lambda: run("vtysh", "--vty_socket", at, "-c", "show bgp summary", check=False)
        )

    def _overlay(self) -> None:
        """A bridge with a VXLAN device and a port for the L2 VNI, and one for the L3 VNI."""

        def link(*words: str) -> None:
            run("ip", "-n", self.namespace, "link", *words)

        for vni in (L2_VNI, L3_VNI):
            bridge, vxlan = f"br{vni}", f"vx{vni}"
            link("add", bridge, "address", str(ROUTER_MAC), "type", "bridge")
            link("add", vxlan, "master", bridge, "type", "vxlan", "id",
                 str(vni), "dstport", "4789", "local", self.address, "nolearning")  # fmt: skip
            for device in (bridge, vxlan):
                link("set", device, "up")
        link("add", PORT, "master", BRIDGE, "type", "veth", "peer", "name", f"{PORT}-guest")
        for device in (PORT, f"{PORT}-guest"):
            link("set", device, "up")

    def vtysh(self, *lines: str) -> str:
        options = [word for line in lines for word in ("-c", line)]
        return run("vtysh", "--vty_socket", str(self.directory), *options)

    def session(self) -> dict[str, Any]:
        """Its own account of the session."""
        shown = json.loads(self.vtysh(f"show bgp neighbors {self.neighbor} json"))
        session: dict[str, Any] = shown[self.neighbor]
        return session

    def ask_again(self) -> None:
        """Have it send a route refresh for VPNv4 (RFC 2918)."""
        self.vtysh(f"clear bgp ipv4 vpn {self.neighbor} soft in")

    def losses(self) -> int:
        return int(self.session()["connectionsDropped"])

    def withdrawals(self) -> list[str]:
        log = (self.directory / "log").read_text()
        return [line for line in log.splitlines() if "withdrawn" in line]

    # ---- what it learned

    def table(self, family: Family) -> dict[Nlri, Path]:
        return dict(self._evpn() if family is Family.EVPN else self._vpn(AFI[family]))

    def _vpn(self, afi: str) -> Iterator[tuple[Nlri, Path]]:
        summary = json.loads(self.vtysh(f"show bgp {afi} vpn json") or "{}")
        tables = summary["routes"]["routeDistinguishers"] if summary else {}
        keys = [(rd, prefix) for rd, prefixes in tables.items() for prefix in prefixes]
        if not keys:
            return
        text = self.vtysh(*(f"show bgp {afi} vpn rd {rd} {prefix} json" for rd, prefix in keys))
        for (rd, prefix), detail in zip(keys, _objects(text), strict=True):
            for path in detail.get(rd, detail).get("paths", ()):
                if path["peer"]["peerId"] == self.neighbor:
                    nlri = IpPrefixRoute(RouteDistinguisher.parse(rd), Prefix.parse(prefix))
                    yield nlri, _path(path, path["remoteLabel"])

    def _evpn(self) -> Iterator[tuple[Nlri, Path]]:
        tables = json.loads(self.vtysh("show bgp l2vpn evpn route detail json") or "{}")
        for rd, table in tables.items():
            for route in table.values() if isinstance(table, dict) else ():
                if not isinstance(route, dict):
                    continue
                for (path,) in route["paths"]:
                    if path["peer"]["peerId"] == self.neighbor:
                        number = path.get("vni") or path["pmsi"]["label"]
                        yield _evpn_nlri(rd, route), _path(path, int(number))

    # ---- what it says

    def says(self, nlri: Nlri, path: Path) -> Path:
        if path.label:
            return msgspec.structs.replace(path, encapsulations=())
        if isinstance(nlri, MacIpRoute) and nlri.ip is not None:
            # Symmetric IRB: the L3 VNI is there too, as a second label and by its targets.
            routed = self._targets.get((), (RouteTarget.of(self.settings.asn, L3_VNI),))
            targets = tuple(sorted({*path.route_targets, *routed}))
            return msgspec.structs.replace(path, route_targets=targets, router_mac=ROUTER_MAC)
        return path

    def originate(self, nlri: Nlri, path: Path) -> None:
        assert not isinstance(nlri, MembershipRoute)
        if isinstance(nlri, IpPrefixRoute) and path.label:
            targets = " ".join(map(str, path.route_targets))
            afi = f"ipv{nlri.prefix.version}"
            # A map of its own for every change: an edited one is applied seconds later.
            name = f"M{next(self._maps)}"
            network = f"network {nlri.prefix} rd {nlri.rd} label {path.label}"
            # It takes no change of a network that it has; removed and added is one change.
            before = self._networks.get(nlri)
            self._networks[nlri] = network
            self.vtysh("conf t", f"route-map {name} permit 10", f"set extcommunity rt {targets}",
                       f"set {afi} vpn next-hop {path.next_hop}", "exit",
                       *self._family(f"{afi} vpn"), *([f"no {before}"] if before else []),
                       f"{network} route-map {name}")  # fmt: skip
            return
        instance = () if isinstance(nlri, IpPrefixRoute) else (f"vni {L2_VNI}",)
        old, new = self._targets.get(instance, ()), path.route_targets
        self._targets[instance] = new
        exports = [f"route-target export {target}" for target in new if target not in old]
        exports += [f"no route-target export {target}" for target in old if target not in new]
        self.vtysh("conf t", *self._family("l2vpn evpn"), "advertise-all-vni",
                   "advertise ipv4 unicast", "advertise ipv6 unicast",
                   *instance, f"rd {nlri.rd}", *exports)  # fmt: skip
        run("ip", "-n", self.namespace, "link", "set", f"vx{L2_VNI}", "up")
        match nlri:
            case IpPrefixRoute(_, prefix):
                self.vtysh("conf t", *self._family(f"ipv{prefix.version} unicast"),
                           f"network {prefix}")  # fmt: skip
            case MacIpRoute(_, mac, ip):
                run("bridge", "-n", self.namespace, "fdb", "replace", str(mac), "dev", PORT,
                    "master", "static")  # fmt: skip
                if ip is not None:
                    run("ip", "-n", self.namespace, "neigh", "replace", str(ip), "lladdr",
                        str(mac), "dev", BRIDGE, "nud", "permanent")  # fmt: skip

    def retract(self, nlri: Nlri, path: Path) -> None:
        if isinstance(nlri, IpPrefixRoute):
            afi = f"ipv{nlri.prefix.version}"
            if path.label:
                self.vtysh("conf t", *self._family(f"{afi} vpn"), f"no {self._networks.pop(nlri)}")
            else:
                self.vtysh("conf t", *self._family(f"{afi} unicast"), f"no network {nlri.prefix}")
        elif isinstance(nlri, MacIpRoute):
            if nlri.ip is not None:
                run("ip", "-n", self.namespace, "neigh", "del", str(nlri.ip), "dev", BRIDGE)
            run("bridge", "-n", self.namespace, "fdb", "del", str(nlri.mac), "dev", PORT, "master")
        else:
            run("ip", "-n", self.namespace, "link", "set", f"vx{L2_VNI}", "down")

    def _family(self, name: str) -> tuple[str, str]:
        return f"router bgp {self.settings.asn}", f"address-family {name}"


def _objects(text: str) -> Iterator[Any]:
    """JSON objects, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        yield value


def _path(path: dict[str, Any], label: int) -> Path:
    communities = path["extendedCommunity"]["string"]
    router_mac = re.search(r"Rmac:(\S+)", communities)
    moved = re.search(r"MM:(\d+)", communities)
    return shown(
        path["nexthops"][0]["ip"],
        re.findall(r"RT:(\S+)", communities),
        tunnels=[int(tunnel) for tunnel in re.findall(r"ET:(\d+)", communities)],
        router_mac=router_mac and router_mac[1],
        sequence=int(moved[1]) if moved else 0,
        stale=path.get("stale", False),
        label=label,
    )


def _evpn_nlri(rd: str, route: dict[str, Any]) -> Nlri:
    distinguisher = RouteDistinguisher.parse(rd)
    ip = Ip.parse(route["ip"]) if "ip" in route else None
    if route["routeType"] == 2:
        return MacIpRoute(distinguisher, Mac.parse(route["mac"]), ip)
    assert ip is not None
    if route["routeType"] == 3:
        return InclusiveMulticastRoute(distinguisher, ip)
    return IpPrefixRoute(distinguisher, Prefix(ip, route["ipLen"]))
