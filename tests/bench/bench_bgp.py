"""How long VPN routes take from the controller to a router's table, and from a peer to us.

``python -m tests.bench.bench_bgp [--routes N]``, as root. The last line is a JSON object:

- ``median_ms``, ``p99_ms``: one route, from ``SpeakerLink.update`` to the peer's socket;
  ``learn_median_ms``, ``learn_p99_ms``: one route, from the peer's socket to ``on_learned``;
- ``rate_per_s``, ``cpu_s``, ``rss_mib``: N routes of 100 VRFs on 100 hypervisors, each with a
  label of its own, in one call of ``update``, until FRR counts them all; the speaker's cost;
- ``learn_rate_per_s``: the same N until a second speaker's link has learned them all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path as FilePath

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Peer
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget
from tests.interop.routers import Frr, Lab
from tests.unit.bgp.raw_peer import RawPeer, update, vpnv4
from tests.waiting import until

LIMIT_SECONDS = 120.0


def routes(count: int) -> list[tuple[Nlri, Path]]:
    """``count`` host routes."""
    made: list[tuple[Nlri, Path]] = []
    for n in range(count):
        vrf, host = n * 100 // count, n // 10 % 100
        path = Path(
            next_hop=Ip.from_number((10 << 24) + (100 << 16) + host + 1, 4),
            route_targets=(RouteTarget.of(64512, 1000 + vrf),),
            encapsulations=(Encapsulation.MPLS_GRE,),
            label=Label(16 + n),
        )
        rd = RouteDistinguisher.of(path.next_hop, vrf)
        made.append((IpPrefixRoute(rd, Prefix(Ip.from_number((11 << 24) + n, 4), 32)), path))
    return made


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process."""
    fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * 4096 / (1 << 20)


def frr_count(frr: Frr) -> int:
    """How many routes FRR accepted from the speaker."""
    shown = json.loads(frr.vtysh("show bgp ipv4 vpn summary json"))
    peers = shown.get("peers", shown.get("default", {}).get("peers", {}))
    return int(peers[frr.speaker_address].get("pfxRcd", 0))


async def latency(directory: FilePath, rounds: int) -> dict[str, object]:
    """One route at a time, to and from a peer made of a socket."""
    learned = asyncio.Event()
    socket = directory / "latency.sock"
    link = SpeakerLink(
        socket, lambda _: learned.set(), lambda _: None, command=speaker_command(socket)
    )
    raw = RawPeer()
    await raw.start()
    await link.start()
    loopback = [Ip.parse("127.0.0.1"), Ip.parse("127.0.0.8")]
    link.set_peers([
        Peer(name="raw", address=loopback[0], asn=64512, local_asn=64512,
             router_id=loopback[1], port=raw.port)
    ])  # fmt: skip
    to_peer, to_us = [], []
    try:
        await until(raw.up.is_set)
        await asyncio.sleep(0.5)
        for number, (nlri, path) in enumerate(routes(rounds)):
            seen, began = len(raw.received), time.perf_counter()
            link.update([Change(RouteKey("raw", nlri), None, path)])
            while len(raw.received) == seen:
                await asyncio.sleep(0)
            to_peer.append(time.perf_counter() - began)
            learned.clear()
            began = time.perf_counter()
            raw.send(update(vpnv4(number % 256, label=16 + number)))
            await learned.wait()
            to_us.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)
    finally:
        await link.stop()
        await raw.stop()
    return {
        "median_ms": round(statistics.median(to_peer) * 1000, 2),
        "p99_ms": round(sorted(to_peer)[rounds * 99 // 100] * 1000, 2),
        "learn_median_ms": round(statistics.median(to_us) * 1000, 2),
        "learn_p99_ms": round(sorted(to_us)[rounds * 99 // 100] * 1000, 2),
    }


async def bulk(count: int, lab: Lab) -> dict[str, object]:
    """All routes at once, to FRR and to a second speaker."""
    frr = lab.add(Frr, "frr")
    frr.start()
    conf = frr.directory / "frr.conf"
    conf.write_text(conf.read_text().replace("debug bgp updates in\n", ""))
    frr.kill()
    frr.restart()
    other = lab.socket.with_name("other.sock")
    command = ("ip", "netns", "exec", lab.namespace, *speaker_command(other))
    sender = SpeakerLink(lab.socket, lambda _: None, lambda _: None, command=lab.command)
    receiver = SpeakerLink(other, lambda _: None, lambda _: None, command=command)
    loop = [Ip.parse("127.0.0.1"), Ip.parse("127.0.0.2")]

    def end(me: int, *, passive: bool) -> Peer:
        return Peer(
            name="other", address=loop[1 - me], local_address=loop[me], asn=64512,
            local_asn=64512, router_id=loop[me], passive=passive, port=1790,
        )  # fmt: skip

    made = routes(count)
    await sender.start()
    await receiver.start()
    try:
        sender.set_peers([frr.peer(), end(0, passive=False)])
        receiver.set_peers([end(1, passive=True)])
        await until(lambda: all(s.up for s in (*sender.sessions, *receiver.sessions)))
        ours, theirs = sorted(lab.speakers())[:2]
        seconds = {}
        for name, arrived in (
            ("frr", lambda: frr_count(frr) == count),
            ("other", lambda: len(receiver.learned) == count),
        ):
            cpu, _ = usage(ours)
            began = time.perf_counter()
            sender.update(Change(RouteKey(name, nlri), None, path) for nlri, path in made)
            await until(arrived, LIMIT_SECONDS)
            seconds[name] = time.perf_counter() - began, usage(ours)[0] - cpu
        return {
            "rate_per_s": round(count / seconds["frr"][0]),
            "cpu_s": round(seconds["frr"][1], 2),
            "rss_mib": round(usage(ours)[1]),
            "learn_rate_per_s": round(count / seconds["other"][0]),
            "learn_cpu_s": round(usage(theirs)[0], 2),
            "learn_rss_mib": round(usage(theirs)[1]),
        }
    finally:
        await sender.stop()
        await receiver.stop()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        one = asyncio.run(latency(FilePath(directory), options.rounds))
        lab = Lab(FilePath(directory))
        try:
            many = asyncio.run(bulk(options.routes, lab))
        finally:
            lab.close()
    parameters = {"routes": options.routes, "rounds": options.rounds}
    result = {"name": "bgp", "parameters": parameters, **one, **many}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
