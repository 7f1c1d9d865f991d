"""How long VPN routes take from the controller to a router's table, and from a peer to us.

``python -m tests.bench.bench_bgp [--routes N] [--router NAME]``, as root. The last line is JSON:

- ``median_ms``, ``p99_ms``: one route, from ``SpeakerLink.update`` to the peer's socket;
  ``learn_median_ms``, ``learn_p99_ms``: one route, from the peer's socket to ``on_learned``;
- ``frr``, ``gobgp``, ``bird``: N routes of the graph into that router's table, from the commit
  that adds the peer until the router counts them all; of it ``graph_s`` is the engine's, with the
  CPU seconds of the controller's side and of the speaker; ``one_route_median_ms`` is one port
  more among them; ``gobgp`` within is a gobgpd that is given the same routes over gRPC, from the
  first of them until the router counts them all (``held``: that has them as its session begins);
- ``learned``: N routes from a speaker into a graph that imports them all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
from tests.bench.bgp_bulk import KINDS, bulk
from tests.interop.routers import Lab
from tests.unit.bgp.raw_peer import RawPeer, update, vpnv4
from tests.waiting import until


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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--router", action="append", choices=KINDS, help="default: all three")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        one = asyncio.run(latency(FilePath(directory), options.rounds))
        lab = Lab(FilePath(directory))
        try:
            many = asyncio.run(
                bulk(options.routes, lab, options.changes, options.router or list(KINDS))
            )
        finally:
            lab.close()
    parameters = vars(options)
    result = {"name": "bgp", "parameters": parameters, **one, **many}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
