"""Real BGP routers in network namespaces, and what their own tables say.

A ``Lab`` is a star: the speaker's namespace in the middle, one namespace per router. Everything
that was started or made is gone after ``close``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family, Peer, Secret, SessionEvent
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import Path as RoutePath
from sdnctl.routes import RouteKey
from sdnctl.types import Ip
from tests.waiting import wait_for

ASN = 64512
_numbers = itertools.count(1)


def run(*command: str, check: bool = True) -> str:
    """Standard output of a command that is expected to be quick."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class VpnRoute(NamedTuple):
    """A VPN route in a router's own table."""

    next_hop: str
    label: int
    communities: frozenset[str]
    stale: bool


class Router:
    """A BGP daemon in a namespace of its own, a neighbour of the speaker."""

    def __init__(self, lab: Lab, name: str, asn: int, password: str) -> None:
        number = next(_numbers)
        self.lab = lab
        self.name = name
        self.asn = asn
        self.password = password
        self.namespace = f"{lab.prefix}{name}"
        self.address = f"10.99.{number}.2"
        self.speaker_address = f"10.99.{number}.1"
        self.directory = Path(tempfile.mkdtemp(prefix="sdnctl-bgp-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.helpers: list[subprocess.Popen[bytes]] = []
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        self.link = link = f"v{number}"
        run("ip", "link", "add", link, "netns", lab.namespace, "type", "veth",
            "peer", "name", link, "netns", self.namespace)  # fmt: skip
        for namespace, address in (
            (lab.namespace, self.speaker_address),
            (self.namespace, self.address),
        ):
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", link)
            run("ip", "-n", namespace, "link", "set", link, "up")

    def peer(self, *families: Family, **settings: Any) -> Peer:
        """The speaker's configuration of this router."""
        return Peer(
            name=self.name,
            address=Ip.parse(self.address),
            asn=self.asn,
            local_asn=ASN,
            router_id=Ip.parse("10.99.0.1"),
            families=families or (Family.IPV4_VPN,),
            password=Secret(self.password),
            **settings,
        )

    def exec(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.namespace, *command)

    def spawn(self, *command: str) -> None:
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )

    def cable(self, state: str) -> None:
        """Set the link between it and the speaker ``up`` or ``down``."""
        run("ip", "-n", self.lab.namespace, "link", "set", self.link, state)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        run("ip", "netns", "del", self.namespace, check=False)
        shutil.rmtree(self.directory)


class Frr(Router):
    """FRR's bgpd without zebra: it has tables and no forwarding."""

    def start(self, *extra: str) -> None:
        """``extra`` are lines of ``router bgp``, before the address families."""
        password = f" neighbor {self.speaker_address} password {self.password}"
        (self.directory / "frr.conf").write_text(
            f"""log file {self.directory}/log debugging
debug bgp updates in
route-map TARGET permit 10
 set extcommunity rt 64512:1
router bgp {self.asn}
 bgp router-id {self.address}
 no bgp default ipv4-unicast
 no bgp network import-check
 no bgp ebgp-requires-policy
 neighbor {self.speaker_address} remote-as {ASN}
 neighbor {self.speaker_address} timers connect 1
 neighbor {self.speaker_address} advertisement-interval 0
{password if self.password else ""}
{chr(10).join(extra)}
 address-family ipv4 vpn
  neighbor {self.speaker_address} activate
 exit-address-family
 address-family ipv6 vpn
  neighbor {self.speaker_address} activate
 exit-address-family
 address-family l2vpn evpn
  neighbor {self.speaker_address} activate
 exit-address-family
"""
        )
        self.directory.chmod(0o755)
        shutil.chown(self.directory, "frr", "frr")
        shutil.chown(self.directory / "frr.conf", "frr", "frr")
        self.restart()

    def restart(self) -> None:
        at = str(self.directory)
        (self.directory / "bgpd.vty").unlink(missing_ok=True)
        self.spawn("/usr/lib/frr/bgpd", "-f", f"{at}/frr.conf", "-i", f"{at}/pid",
                   "-z", f"{at}/zserv", "--vty_socket", at, "-Z", "-l", self.address)  # fmt: skip
        wait_for(lambda: run("vtysh", "--vty_socket", at, "-c", "show bgp summary", check=False))

    def vtysh(self, *lines: str) -> str:
        options = [word for line in lines for word in ("-c", line)]
        return run("vtysh", "--vty_socket", str(self.directory), *options)

    def announce(self, prefix: str, label: int, *, rd: str = "64512:1", on: bool = True) -> None:
        family = "ipv6" if ":" in prefix else "ipv4"
        network = f"{'' if on else 'no '}network {prefix} rd {rd} label {label}"
        self.vtysh("conf t", f"router bgp {self.asn}", f"address-family {family} vpn",
                   f"{network} route-map TARGET" if on else network)  # fmt: skip

    def routes(self, family: str = "ipv4") -> dict[str, VpnRoute]:
        """What it learned from the speaker, by ``RD prefix``."""
        summary = json.loads(self.vtysh(f"show bgp {family} vpn json") or "{}")
        if not summary:
            return {}
        found = {}
        for rd, prefixes in summary["routes"]["routeDistinguishers"].items():
            for prefix in prefixes:
                shown = json.loads(self.vtysh(f"show bgp {family} vpn rd {rd} {prefix} json"))
                for path in shown.get(rd, shown).get("paths", ()):
                    if path["peer"]["peerId"] == self.speaker_address:
                        found[f"{rd} {prefix}"] = VpnRoute(
                            path["nexthops"][0]["ip"],
                            path["remoteLabel"],
                            frozenset(path["extendedCommunity"]["string"].split()),
                            path.get("stale", False),
                        )
        return found

    def session(self) -> dict[str, Any]:
        """Its own account of the session."""
        shown = json.loads(self.vtysh(f"show bgp neighbors {self.speaker_address} json"))
        session: dict[str, Any] = shown[self.speaker_address]
        return session

    def connections(self) -> tuple[int, int]:
        """How often the session came up, and was lost."""
        session = self.session()
        return session["connectionsEstablished"], session["connectionsDropped"]

    def withdrawals(self) -> list[str]:
        """Lines of its log that tell of a withdrawn route."""
        log = (self.directory / "log").read_text()
        return [line for line in log.splitlines() if "withdrawn" in line]


class Gobgp(Router):
    """gobgpd; what it originates carries the encapsulation community of GRE."""

    def start(self, *, passive: bool = True) -> None:
        families = "".join(
            f"""
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{family}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true"""
            for family in ("l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast", "l2vpn-evpn")
        )
        (self.directory / "gobgpd.toml").write_text(
            f"""
[global.config]
  as = {self.asn}
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
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{self.speaker_address}"
    peer-as = {ASN}
    auth-password = "{self.password}"
  [neighbors.transport.config]
    passive-mode = {str(passive).lower()}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 30
{families}
"""
        )
        self.restart()

    def restart(self, *options: str) -> None:
        self.spawn("gobgpd", "-f", f"{self.directory}/gobgpd.toml", *options)
        gobgp = ("ip", "netns", "exec", self.namespace, "gobgp")
        wait_for(lambda: run(*gobgp, "neighbor", self.speaker_address, check=False))

    def gobgp(self, *words: str) -> str:
        return self.exec("gobgp", *words)

    def monitor(self, family: str) -> Path:
        """A file that collects its account of every change, a JSON object a line."""
        path = self.directory / "monitor"
        command = ("ip", "netns", "exec", self.namespace, "gobgp", "monitor", "global", "rib")
        with path.open("wb") as output:
            self.helpers.append(subprocess.Popen([*command, "-a", family, "-j"], stdout=output))
        return path

    def rib(self, family: str) -> dict[str, list[dict[str, Any]]]:
        """Its table, what it originates included."""
        table: dict[str, list[dict[str, Any]]]
        table = json.loads(self.gobgp("global", "rib", "-a", family, "-j") or "{}")
        return table

    def stale(self) -> int:
        """How many VPN routes it keeps for a neighbour that is gone."""
        return sum(path["stale"] for paths in self.rib("vpnv4").values() for path in paths)

    def routes(self) -> dict[str, tuple[str, int, set[str]]]:
        """Next hop, label and communities of its VPN routes."""
        found = {}
        for key, (path,) in self.rib("vpnv4").items():
            attributes = {a["type"]: a for a in path["attrs"]}
            communities = {_community(c) for c in attributes[16]["value"]}
            found[key] = (attributes[14]["nexthop"], path["nlri"]["labels"][0], communities)
        return found


def _community(shown: dict[str, Any]) -> str:
    return str(shown.get("value", shown.get("tunnel_type")))


class Lab:
    """The speaker's namespace and its routers."""

    def __init__(self, directory: Path) -> None:
        self.prefix = f"bgp{os.getpid()}-"
        self.namespace = f"{self.prefix}speaker"
        self.socket = directory / "speaker.sock"
        self.routers: list[Router] = []
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")

    @property
    def command(self) -> tuple[str, ...]:
        """How a link starts the speaker here."""
        return ("ip", "netns", "exec", self.namespace, *speaker_command(self.socket))

    def frr(self, name: str, *, asn: int = ASN, password: str = "") -> Frr:
        router = Frr(self, name, asn, password)
        self.routers.append(router)
        return router

    def gobgp(self, name: str, *, asn: int = ASN, password: str = "") -> Gobgp:
        router = Gobgp(self, name, asn, password)
        self.routers.append(router)
        return router

    def speakers(self) -> list[int]:
        """Processes in the speaker's namespace."""
        return [int(pid) for pid in run("ip", "netns", "pids", self.namespace).split()]

    def kill_speaker(self) -> None:
        """kill -9."""
        for pid in self.speakers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill_speaker()
        for router in self.routers:
            router.close()
        run("ip", "netns", "del", self.namespace, check=False)


class Link(SpeakerLink):
    """A link and its history."""

    def __init__(self, lab: Lab) -> None:
        self.changes: list[Change[RouteKey, RoutePath]] = []
        self.events: list[SessionEvent] = []
        super().__init__(lab.socket, self.changes.extend, self.events.append, command=lab.command)

    def up(self, *names: str) -> bool:
        """These sessions, and no others, are established."""
        return {s.peer for s in self.sessions if s.up} == set(names)
