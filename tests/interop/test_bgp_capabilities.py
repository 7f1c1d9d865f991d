"""What the speaker agrees on with GoBGP: route targets, several paths, long-lived stale routes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest

from sdnctl.bgp.peer import Family, Peer
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget
from tests.unit.bgp.conftest import Link
from tests.waiting import until, wait_for

pytestmark = [pytest.mark.interop]

HERE = Ip.from_number(0x7F400000 | os.getpid() & 0x3FFFFF, 4)
"""A loopback address of this process alone: a port that is free on it stays free."""
RD = RouteDistinguisher.parse("10.0.0.1:7")
ROUTE = IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32"))
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(1000),
)
THEIRS = IpPrefixRoute(RouteDistinguisher.parse("64512:1"), Prefix.parse("10.88.0.0/24"))


def free_port() -> int:
    with socket.create_server((str(HERE), 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Gobgpd:
    """One on the loopback, on ports of its own, that waits for the speaker."""

    def __init__(self, directory: FilePath) -> None:
        self.directory = directory
        self.bgp, self.api = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (directory / "gobgpd.toml").write_text(
            f"""
[global.config]
  as = 64512
  router-id = "127.0.0.9"
  port = {self.bgp}
  local-address-list = ["{HERE}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{HERE}"
    peer-as = 64512
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 1
    long-lived-enabled = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
    [neighbors.afi-safis.long-lived-graceful-restart.config]
      enabled = true
      restart-time = 100
    [neighbors.afi-safis.add-paths.config]
      receive = true
      send-max = 4
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "rtc"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
"""
        )

    def start(self, *options: str) -> None:
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                ["gobgpd", "-f", self.directory / "gobgpd.toml", "--pprof-disable",
                 f"--api-hosts={HERE}:{self.api}", *options],
                stdout=output, stderr=output,
            )  # fmt: skip
        wait_for(lambda: self.run("neighbor", str(HERE), check=False))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def run(self, *words: str, check: bool = True) -> str:
        command = ("gobgp", "-u", str(HERE), "-p", str(self.api), *words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert not (check and done.returncode), done.stdout + done.stderr
        return done.stdout if done.returncode == 0 else ""

    def originate(self) -> None:
        self.run("global", "rib", "add", "-a", "vpnv4", str(THEIRS.prefix), "label", "100",
                 "rd", str(THEIRS.rd), "rt", "64512:9", "nexthop", "10.0.0.9")  # fmt: skip

    def table(self, family: str) -> dict[str, list[dict[str, Any]]]:
        shown: dict[str, list[dict[str, Any]]]
        shown = json.loads(self.run("global", "rib", "-a", family, "-j") or "{}")
        return shown

    def next_hops(self) -> set[str]:
        """Of the paths that it holds to our prefix."""
        paths = self.table("vpnv4").get(f"{RD}:{ROUTE.prefix}", [])
        return {a["nexthop"] for path in paths for a in path["attrs"] if a["type"] == 14}


@pytest.fixture
def gobgpd(tmp_path: FilePath) -> Iterator[Gobgpd]:
    daemon = Gobgpd(tmp_path)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()


@pytest.fixture
async def link(tmp_path: FilePath, gobgpd: Gobgpd) -> AsyncIterator[Link]:
    link = Link(tmp_path / "speaker.sock")
    link.set_peers([
        Peer(
            name="gw", address=HERE, local_address=HERE, port=gobgpd.bgp,
            asn=64512, local_asn=64512, router_id=Ip.parse("127.0.0.8"),
            families=(Family.IPV4_VPN, Family.ROUTE_TARGET),
            add_path=True, long_lived_stale=60,
        )
    ])  # fmt: skip
    await link.start()
    yield link
    await link.stop()


def put(link: Link, nlri: IpPrefixRoute | MembershipRoute, path: Path | None, number: int) -> None:
    link.update([Change(RouteKey("gw", nlri, number), None, path)])


async def test_several_paths_and_what_is_wanted(link: Link, gobgpd: Gobgpd) -> None:
    other = msgspec.structs.replace(PATH, next_hop=Ip.parse("10.0.0.2"))
    put(link, ROUTE, PATH, 1)
    put(link, ROUTE, other, 2)
    await until(lambda: gobgpd.next_hops() == {"10.0.0.1", "10.0.0.2"})
    put(link, ROUTE, None, 1)
    await until(lambda: gobgpd.next_hops() == {"10.0.0.2"})
    # It sends what we want, and nothing before.
    gobgpd.originate()
    wanted = MembershipRoute(64512, RouteTarget.parse("64512:9"))
    put(link, wanted, Path(next_hop=Ip(), route_targets=(), encapsulations=()), 0)
    await until(lambda: [key.nlri for key in link.learned] == [THEIRS])
    assert gobgpd.table("rtc").keys() == {"64512:64512:9"}
    put(link, wanted, None, 0)
    await until(lambda: not link.learned)
    gobgpd.run("vrf", "add", "red", "rd", "64512:50", "rt", "both", "64512:7")
    await until(
        lambda: (
            [key.nlri for key in link.learned]
            == [MembershipRoute(64512, RouteTarget.parse("64512:7"))]
        )
    )


async def test_long_lived_stale_routes(link: Link, gobgpd: Gobgpd) -> None:
    """RFC 9494 with a router that dies, and comes back after its restart time."""
    wanted = MembershipRoute(64512, RouteTarget.parse("64512:9"))
    put(link, wanted, Path(next_hop=Ip(), route_targets=(), encapsulations=()), 0)
    gobgpd.originate()
    await until(lambda: [path.stale for path in link.learned.values()] == [False])
    gobgpd.kill()
    await until(lambda: [path.stale for path in link.learned.values()] == [True])
    gobgpd.start("--graceful-restart")
    gobgpd.originate()
    await until(lambda: [path.stale for path in link.learned.values()] == [False])
    assert link.sessions[0].established == 2
