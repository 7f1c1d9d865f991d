"""Routes by the hundred thousand: from the graph into routers' tables, and from a peer into it.

Everything is what runs in production: the engine's rows, the controller's advertisements, the
link, a speaker process; FRR, GoBGP and BIRD count what is in their tables themselves. For
comparison, a second gobgpd whose session with the same router is up is given the same routes over
its gRPC API; and, as it holds them then, it begins its session anew. CPU seconds are of the process
that is named; wall times include all that the machine does besides, the routers' own work foremost.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath
from typing import Any, Final

from sdnctl import interpreter
from sdnctl.app.controller import _advertisements
from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family, Peer
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import BGP_PEER, HYPERVISOR, LEARNED
from sdnctl.graph.relations.resources import FIB
from sdnctl.graph.relations.routes import ADVERTISED
from sdnctl.intent import BgpPeer
from sdnctl.routes import IpPrefixRoute, Nlri, Path, RouteKey
from sdnctl.types import Ip
from tests.bench.injector import Injector
from tests.bench.worlds import cloud, guest
from tests.interop.base import ASN, Router
from tests.interop.router_bird import Bird
from tests.interop.router_frr import Frr
from tests.interop.router_gobgp import Gobgp
from tests.interop.routers import Lab
from tests.waiting import until

LIMIT_SECONDS = 180.0
HYPERVISORS = 1000
Figures = dict[str, Any]


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process."""
    fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * 4096 / (1 << 20)


def count(router: Router, neighbor: str) -> int:
    """How many VPNv4 routes of a neighbour are in its table, by its own account."""
    match router:
        case Frr():
            shown = json.loads(router.vtysh("show bgp ipv4 vpn summary json"))
            peers = shown.get("peers", shown.get("default", {}).get("peers", {}))
            return int(peers.get(neighbor, {}).get("pfxRcd", 0))
        case Gobgp():
            shown = json.loads(router.gobgp("neighbor", neighbor, "-j"))
            return sum(int(f["state"].get("accepted", 0)) for f in shown["afi_safis"])
        case Bird():
            return router.count("speaker" if neighbor == router.neighbor else "client1")
    raise AssertionError(router)


async def holds(router: Router, neighbor: str, routes: int) -> None:
    """Wait until so many routes of a neighbour are in a router's table.

    A router that counts does nothing else, and some walk all of the table: no more than a tenth of
    its time goes into that.
    """
    limit = time.monotonic() + LIMIT_SECONDS
    while True:
        began = time.monotonic()
        found = count(router, neighbor)
        if found == routes:
            return
        now = time.monotonic()
        assert now < limit, f"{router.name} holds {found} of {routes} routes"
        await asyncio.sleep(max(0.02, 9 * (now - began)))


class Bulk:
    """A cloud of ``routes`` ports in an engine, and a link to a speaker in a lab."""

    def __init__(self, routes: int, lab: Lab) -> None:
        self.routes = routes
        self.lab = lab
        self.engine = make_engine(ASN)
        self.link = SpeakerLink(lab.socket, lambda _: None, lambda _: None, command=lab.command)
        self.peers: dict[str, Peer] = {}

    def commit(self, writes: Iterable[Any]) -> None:
        log = self.engine.commit(writes)
        if ADVERTISED.name in log:
            self.link.update(_advertisements(log[ADVERTISED.name]))

    def add(self, peer: Peer) -> float:
        """Have the graph advertise to a peer from now on; gives this process's CPU seconds."""
        began = time.process_time()
        row = BgpPeer(id=peer.name, address=peer.address, asn=peer.asn, families=peer.families)
        self.commit([(BGP_PEER, peer.name, row)])
        return time.process_time() - began

    async def connect(self, peer: Peer) -> None:
        self.peers[peer.name] = peer
        self.link.set_peers(self.peers.values())
        await until(lambda: any(s.peer == peer.name and s.up for s in self.link.sessions), 60)

    def told(self) -> list[tuple[Nlri, Path]]:
        """What is advertised as VPNv4."""
        return [
            (key.nlri, row.path)
            for key, row in self.engine.rows(ADVERTISED).items()
            if isinstance(key.nlri, IpPrefixRoute)
        ]

    def remove(self, name: str) -> None:
        del self.peers[name]
        self.link.set_peers(self.peers.values())
        self.commit([(BGP_PEER, name, None)])

    async def into(self, router: Router) -> Figures:
        """All routes to a router whose session is up."""
        await self.connect(router.peer(Family.IPV4_VPN))
        speaker = self.lab.speaker()
        before, began = time.process_time(), time.perf_counter()
        cpu = usage(speaker)[0]
        self.add(self.peers[router.name])
        graph = time.perf_counter() - began
        await holds(router, router.neighbor, self.routes)
        return {
            "wall_s": round(time.perf_counter() - began, 2),
            "graph_s": round(graph, 2),
            "controller_cpu_s": round(time.process_time() - before, 2),
            "speaker_cpu_s": round(usage(speaker)[0] - cpu, 2),
            "speaker_rss_mib": round(usage(speaker)[1]),
        }

    async def one_more(self, router: Router, number: int) -> float:
        """One port among them all: milliseconds from its commit to the router's table."""
        relation, key, row = guest(self.routes + number, self.routes, HYPERVISORS)
        began = time.perf_counter()
        self.commit([(relation, key, row)])
        await until(lambda: count(router, router.neighbor) == self.routes + 1, pause=0.0)
        milliseconds = (time.perf_counter() - began) * 1000
        self.commit([(relation, key, None)])
        await until(lambda: count(router, router.neighbor) == self.routes)
        return milliseconds


async def injected(injector: Injector, router: Router, told: list[tuple[Nlri, Path]]) -> Figures:
    """The same routes to the same router from a gobgpd: as it is told them, and as it has them."""
    assert injector.process is not None
    daemon = injector.process.pid

    def established() -> bool:
        shown = json.loads(injector.gobgp("neighbor", router.address, "-j"))
        return shown["state"].get("session_state") == 6 or count(router, injector.address) > 0

    async def arrived() -> None:
        await holds(router, injector.address, len(told))

    async def disabled() -> None:
        injector.gobgp("neighbor", router.address, "disable")
        await holds(router, injector.address, 0)

    injector.gobgp("neighbor", router.address, "enable")
    await until(established, 60, pause=0.0)
    cpu, began = usage(daemon)[0], time.perf_counter()
    cpu_of_client = await asyncio.to_thread(injector.inject, told)
    await arrived()
    figures: Figures = {
        "wall_s": round(time.perf_counter() - began, 2),
        "client_cpu_s": round(cpu_of_client, 2),
        "cpu_s": round(usage(daemon)[0] - cpu, 2),
        "rss_mib": round(usage(daemon)[1]),
    }
    await disabled()
    injector.gobgp("neighbor", router.address, "enable")
    await until(established, 60, pause=0.0)
    cpu, began = usage(daemon)[0], time.perf_counter()
    await arrived()
    figures["held_wall_s"] = round(time.perf_counter() - began, 2)
    figures["held_cpu_s"] = round(usage(daemon)[0] - cpu, 2)
    await disabled()
    injector.gobgp("global", "rib", "del", "all", "-a", "vpnv4")
    return figures


async def learned(routes: int, bulk: Bulk) -> Figures:
    """All routes from a peer into a graph that has VRFs for each of them."""
    lab = bulk.lab
    engine = make_engine(ASN)
    engine.commit(w for w in cloud(routes, HYPERVISORS) if w[0] is not HYPERVISOR)
    loop = [Ip.parse("127.0.0.1"), Ip.parse("127.0.0.2")]

    def end(me: int, *, passive: bool) -> Peer:
        return Peer(
            name="other", address=loop[1 - me], local_address=loop[me], asn=ASN,
            local_asn=ASN, router_id=loop[me], passive=passive, port=1790,
        )  # fmt: skip

    def on_learned(changes: list[Change[RouteKey, Path]]) -> None:
        engine.commit((LEARNED, key, new) for key, _old, new in changes)

    socket = lab.socket.with_name("other.sock")
    command = ("ip", "netns", "exec", lab.namespace, *speaker_command(socket))
    receiver = SpeakerLink(socket, on_learned, lambda _: None, command=command)
    bulk.peers["other"] = end(0, passive=False)
    bulk.link.set_peers(bulk.peers.values())
    bulk.add(bulk.peers["other"])
    await until(lambda: bulk.link.settled, LIMIT_SECONDS)
    before = lab.speakers()
    rss = usage(os.getpid())[1]
    await receiver.start()
    try:
        await until(lambda: receiver.connected)
        (speaker,) = set(lab.speakers()) - set(before)
        receiver.set_peers([end(1, passive=True)])
        began, cpu = time.perf_counter(), time.process_time()
        cpu_speaker = usage(speaker)[0]
        await until(lambda: len(receiver.learned) == routes, LIMIT_SECONDS)
        figures = {
            "wall_s": round(time.perf_counter() - began, 2),
            "controller_cpu_s": round(time.process_time() - cpu, 2),
            "speaker_cpu_s": round(usage(speaker)[0] - cpu_speaker, 2),
            "controller_mib": round(usage(os.getpid())[1] - rss),
            "speaker_rss_mib": round(usage(speaker)[1]),
        }
        assert len(engine.rows(FIB)) >= routes * 0.99, len(engine.rows(FIB))
        return figures
    finally:
        await receiver.stop()


KINDS: Final[dict[str, type[Frr] | type[Gobgp] | type[Bird]]] = {
    "frr": Frr,
    "gobgp": Gobgp,
    "bird": Bird,
}


async def bulk(routes: int, lab: Lab, rounds: int, names: Sequence[str]) -> Figures:
    """Every router in turn, each beside GoBGP; then the way back."""
    kinds = {name: KINDS[name] for name in names}
    addresses = {name: f"10.99.{number}.2" for number, name in enumerate((*kinds, "injector"), 1)}
    routers: dict[str, Router] = {
        name: lab.add(kind, name, clients=(addresses["injector"],), quiet=True)
        for name, kind in kinds.items()
    }
    injector = lab.add(Injector, "injector", clients=tuple(addresses[n] for n in kinds), quiet=True)
    for router in (*routers.values(), injector):
        assert router.address == addresses[router.name]
        router.start()
    for name in kinds:
        injector.gobgp("neighbor", addresses[name], "disable")
    world = Bulk(routes, lab)
    world.commit(cloud(routes, HYPERVISORS))
    interpreter.settle()  # as the controller does
    await world.link.start()
    figures: Figures = {}
    try:
        for name, router in routers.items():
            ours = await world.into(router)
            one = sorted([await world.one_more(router, n) for n in range(rounds)])
            told = world.told()
            assert len(told) == routes
            world.remove(name)
            await holds(router, router.neighbor, 0)
            figures[name] = ours | {
                "one_route_median_ms": round(one[len(one) // 2], 1),
                "gobgp": await injected(injector, router, told),
            }
        figures["learned"] = await learned(routes, world)
    finally:
        await world.link.stop()
    return figures
