"""What one port costs the graph, at 1,000, 20,000 and 100,000 ports; cold start and memory.

Each size runs in a process of its own. A port is created and deleted again, in turn, in networks
all over the cloud. The last line is one JSON object; ``flatness`` is the cost of a port at the
largest size over that at the smallest (aim: 1.2 at most), taken from CPU time.

    python -m tests.bench.bench_engine [--sizes 1000,20000,100000] [--changes 2000]
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import resource
import statistics
import time
from typing import Any

from sdnctl.graph.model import make_engine
from tests.bench.worlds import cloud, guest


def measure(ports: int, hypervisors: int, changes: int) -> dict[str, Any]:
    engine = make_engine(64512)
    writes = list(cloud(ports, hypervisors))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.disable()
    began = time.process_time()
    engine.commit(writes)
    cold = time.process_time() - began
    gc.enable()
    gc.collect()
    gc.freeze()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    times = []
    for n in range(changes):
        relation, key, row = guest(ports + n, ports, hypervisors)
        for version in (row, None):
            start = time.process_time_ns()
            engine.commit([(relation, key, version)])
            times.append((time.process_time_ns() - start) / 1e6)
    times.sort()
    return {
        "ports": ports,
        "hypervisors": hypervisors,
        "median_ms": round(statistics.median(times), 4),
        "p99_ms": round(times[int(len(times) * 0.99)], 4),
        "cold_cpu_s": round(cold, 2),
        "rows_mib": round(memory / 1024, 1),
        **engine.size(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,20000,100000")
    parser.add_argument("--changes", type=int, default=2000)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    context = multiprocessing.get_context("spawn")
    results = []
    for size in sizes:
        with context.Pool(1) as pool:
            row = pool.apply(measure, (size, max(10, size // 100), options.changes))
        print(json.dumps(row), flush=True)
        results.append(row)
    last = results[-1]
    print(
        json.dumps(
            {
                "name": "engine",
                "parameters": {"sizes": sizes, "changes": options.changes},
                "median_ms": last["median_ms"],
                "p99_ms": last["p99_ms"],
                "rate_per_s": round(1000 / last["median_ms"]),
                "cpu_s": last["cold_cpu_s"],
                "rss_mib": last["rows_mib"],
                "flatness": round(last["median_ms"] / results[0]["median_ms"], 3),
                "sizes": results,
            }
        )
    )


if __name__ == "__main__":
    main()
