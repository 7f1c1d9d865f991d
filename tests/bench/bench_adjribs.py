"""What a look at the routes of one BGP peer costs, and how long it keeps the event loop.

A peer's learned routes, all of one import target, are in the graph; a page of them is asked for
again and again while another task counts the gaps between its turns: they are what a change
would have to wait. The last line is one JSON object.

    python -m tests.bench.bench_adjribs [--routes 100000] [--pages 20]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import time

from sdnctl.bgp.peer import families_of
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import BGP_PEER, LEARNED
from sdnctl.inspect.adjribs import DEFAULT_LIMIT, AdjRibs, Question
from sdnctl.intent import BgpPeer
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget

HOP = Ip.parse("198.51.100.1")
PATH = Path(
    next_hop=HOP,
    route_targets=(RouteTarget.of(65001, 1),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(100),
    peer=True,
)


def ribs_of(routes: int) -> AdjRibs:
    engine = make_engine(64512)
    rd = RouteDistinguisher.of(HOP, 1)
    engine.commit([(BGP_PEER, "edge", BgpPeer(id="edge", address=HOP, asn=65001))])
    engine.commit(
        (LEARNED, RouteKey("edge", IpPrefixRoute(rd, Prefix(Ip.from_number(n << 8, 4), 24))), PATH)
        for n in range(routes)
    )
    return AdjRibs(engine, families_of)


async def measure(ribs: AdjRibs, pages: int) -> tuple[list[float], list[float], float]:
    """Wall times of the pages, gaps between the turns of another task, CPU time of all."""
    gaps: list[float] = []

    async def other() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append((now - last) * 1000)
            last = now

    task = asyncio.create_task(other())
    took = []
    began = time.process_time()
    marker = ""
    for _page in range(pages):
        start = time.perf_counter()
        question = Question("edge", "received", marker=bytes.fromhex(marker))
        _rows, marker = await ribs.page(question)
        took.append((time.perf_counter() - start) * 1000)
    cpu = time.process_time() - began
    task.cancel()
    return took, gaps, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=20)
    options = parser.parse_args()
    ribs = ribs_of(options.routes)
    gc.collect()
    gc.freeze()
    took, gaps, cpu = asyncio.run(measure(ribs, options.pages))
    gaps.sort()
    print(
        json.dumps(
            {
                "name": "adjribs",
                "parameters": vars(options) | {"routes_per_page": DEFAULT_LIMIT},
                "median_ms": round(statistics.median(took), 1),
                "p99_ms": round(max(took), 1),
                "turn_p99_ms": round(gaps[int(len(gaps) * 0.99)], 2),
                "turn_max_ms": round(gaps[-1], 2),
                "cpu_s": round(cpu, 3),
                "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            }
        )
    )


if __name__ == "__main__":
    main()
