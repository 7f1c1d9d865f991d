"""How long a gateway's silent death is felt: pings lost on the way through one of two.

Both are FRR on kernel VXLAN, probed every 200 ms with a multiplier of 3; the sessions' hold time
is 90 s. The one in use loses its cable under 100 pings a second: first of two that are equal, then
the preferred one. Prints JSON.

    python -m tests.bench.bench_failover [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import statistics

from tests.interop.failover import PROBES, Pair, lose_the_one_in_use, pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with pair() as both:
        shared = _figures(both, rounds)
        both.set("gw1", local_preference=200)
        both.best("gw1")
        both.uses("gw1")
        preferred = _figures(both, rounds)
    print(
        json.dumps(
            {**PROBES, "pings_per_s": 100, "rounds": rounds}
            | {"shared": shared, "preferred": preferred}
        )
    )


def _figures(both: Pair, rounds: int) -> dict[str, object]:
    results = [lose_the_one_in_use(both) for _round in range(rounds)]
    silent = [round(1000 * longest) for _sent, _lost, longest in results]
    return {
        "lost": [missing for _sent, missing, _longest in results],
        "silent_ms": silent,
        "silent_ms_median": statistics.median(silent),
        "silent_ms_max": max(silent),
    }


if __name__ == "__main__":
    main()
