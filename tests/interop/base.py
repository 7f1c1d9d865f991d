"""What every router of the interop lab has: a namespace, a cable to the speaker, a process.

``Router`` is what the tests speak: a route goes in and comes out as the house's own NLRI and
``Path``, read from what the router's own command line shows, never from our side of the session.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sdnctl.bgp.peer import Family, Peer, Secret
from sdnctl.routes import Nlri, Path
from sdnctl.types import IPV6_BYTES, Encapsulation, Ip, Label, Mac, RouteTarget, Vni
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.interop.routers import Lab

ASN = 64512
L2_VNI, L3_VNI = Vni(5001), Vni(5009)
"""Of a router that has its own, and can announce no other."""
ROUTER_MAC = Mac.parse("02:00:00:00:50:09")
_V4_MAPPED = bytes(10) + b"\xff\xff"


def run(*command: str, check: bool = True) -> str:
    """Standard output of a command that is expected to be quick."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Settings(NamedTuple):
    """How a router sees the session with the speaker."""

    asn: int = ASN
    speaker_asn: int = ASN
    password: str = ""
    ttl_security: bool = False
    neighbor: str = ""
    """Another neighbour than the speaker."""
    clients: tuple[str, ...] = ()
    """Further neighbours; all are clients of this route reflector then (RFC 4456)."""

    quiet: bool = False
    """Without a log of routes, for benchmarks."""

    @property
    def ebgp(self) -> bool:
        return self.asn != self.speaker_asn


class Router(ABC):
    """A BGP daemon in a namespace of its own, a neighbour of the speaker."""

    families: ClassVar[tuple[Family, ...]]
    """What it speaks."""

    def __init__(self, lab: Lab, name: str, settings: Settings) -> None:
        self.lab = lab
        self.number = number = len(lab.routers) + 1
        self.name = name
        self.settings = settings
        self.namespace = f"{lab.prefix}{name}"
        self.address = f"10.99.{number}.2"
        self.speaker_address = f"10.99.{number}.1"
        self.neighbor = settings.neighbor or self.speaker_address
        self.directory = FilePath(tempfile.mkdtemp(prefix="sdnctl-bgp-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.helpers: list[subprocess.Popen[bytes]] = []
        self.said: dict[Nlri, Path] = {}
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        self.link = link = f"cable{number}"
        run("ip", "link", "add", link, "netns", lab.namespace, "type", "veth",
            "peer", "name", link, "netns", self.namespace)  # fmt: skip
        for namespace, address in (
            (lab.namespace, self.speaker_address),
            (self.namespace, self.address),
        ):
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", link)
            run("ip", "-n", namespace, "link", "set", link, "up")
        # Next hops are to be reachable, and one router's session to another is by way of the lab.
        run("ip", "-n", self.namespace, "route", "add", "default", "via", self.speaker_address)

    # ---- the daemon

    @abstractmethod
    def start(self) -> None:
        """Configure it and run it."""

    @abstractmethod
    def run(self, *, again: bool) -> None:
        """Run it as ``start`` configured it; ``again`` after a restart."""

    def restart(self) -> None:
        """Run it again; it says what it said before as soon as it can be heard."""
        self.cable("down")
        self.run(again=True)
        for nlri, path in self.said.items():
            self.originate(nlri, path)
        self.cable("up")

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

    def exec(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.namespace, *command)

    def popen(self, *command: str, output: str = "output") -> subprocess.Popen[bytes]:
        with (self.directory / output).open("ab") as file:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )

    def spawn(self, *command: str) -> None:
        self.process = self.popen(*command)

    def answers(self, condition: Callable[[], Any]) -> None:
        """Wait for a daemon that has just been spawned."""
        try:
            wait_for(condition)
        except AssertionError as error:
            raise AssertionError((self.directory / "output").read_text()) from error

    def cable(self, state: str) -> None:
        """Set the link between it and the speaker ``up`` or ``down``."""
        run("ip", "-n", self.lab.namespace, "link", "set", self.link, state)

    # ---- the session

    def peer(self, *families: Family, **settings: Any) -> Peer:
        """The speaker's configuration of this router."""
        given: dict[str, Any] = {
            "name": self.name,
            "address": Ip.parse(self.address),
            "asn": self.settings.asn,
            "local_asn": self.settings.speaker_asn,
            "router_id": Ip.parse("10.99.0.1"),
            "families": families or self.families,
            "password": Secret(self.settings.password),
            "ttl_security": int(self.settings.ttl_security),
        }
        return Peer(**given | settings)

    @abstractmethod
    def losses(self) -> int:
        """How often it lost the session, by its own account."""

    @abstractmethod
    def withdrawals(self) -> list[str]:
        """Its own account of every route of the speaker that it took out of its table."""

    # ---- routes

    @abstractmethod
    def table(self, family: Family) -> dict[Nlri, Path]:
        """What it holds of the speaker's: next hop, targets, tunnels, label or VNI."""

    def says(self, nlri: Nlri, path: Path) -> Path:
        """How a path that it was told to originate comes over."""
        return path

    def say(self, nlri: Nlri, path: Path) -> None:
        """Originate this from now on."""
        self.said[nlri] = path
        self.originate(nlri, path)

    def unsay(self, nlri: Nlri) -> None:
        """Originate it no more."""
        self.retract(nlri, self.said.pop(nlri))

    @abstractmethod
    def originate(self, nlri: Nlri, path: Path) -> None: ...

    @abstractmethod
    def retract(self, nlri: Nlri, path: Path) -> None: ...


def shown(
    next_hop: str,
    targets: list[str],
    *,
    tunnels: list[int],
    label: int = 0,
    router_mac: str | None = None,
    sequence: int = 0,
    stale: bool = False,
) -> Path:
    """A path out of what a command line shows."""
    hop = Ip.parse(next_hop)
    if len(hop) == IPV6_BYTES and hop.startswith(_V4_MAPPED):
        hop = Ip(hop[len(_V4_MAPPED) :])  # RFC 4659 section 3.2.1.2
    encapsulations = tuple(Encapsulation(tunnel) for tunnel in sorted(tunnels))
    # What is for VXLAN and what is for MPLS is the tunnels' to say (RFC 8365 section 5.1.3).
    vxlan = Encapsulation.VXLAN in encapsulations
    return Path(
        next_hop=hop,
        route_targets=tuple(sorted(map(RouteTarget.parse, targets))),
        encapsulations=encapsulations,
        label=Label(0 if vxlan else label),
        vni=Vni(label if vxlan else 0),
        router_mac=Mac.parse(router_mac) if router_mac else None,
        sequence=sequence,
        stale=stale,
    )
