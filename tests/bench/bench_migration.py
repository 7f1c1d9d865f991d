"""What a live migration costs in packets: those lost, and for how long, when a guest moves.

The demo's three hypervisors and its gateway; a guest goes back and forth under 500 pings a second
from each of: its source's hypervisor, another one, the destination's (by the router), the gateway.
The guest's own downtime is no part of it: the leg at the destination opens as the one at the
source is shut, then the binding is activated, as Nova does when libvirt says that it is suspended.
Prints JSON: for each tenant (red on VXLAN, blue on MPLS over GRE) and source the median and the
most of the pings lost around the move, and of the milliseconds without an answer.

    python -m tests.bench.bench_migration [--rounds N] [--rate N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from tests.netns.migration import Site, site

ICMP = {"direction": "ingress", "ethertype": "IPv4", "protocol": "icmp"}
SOURCES = {
    "same_hypervisor": "{}-web1",
    "other_hypervisor": "{}-web3",
    "destination_routed": "{}-db2",
    "gateway": "outside-{}",
}
ENCAPSULATIONS = {"red": "vxlan", "blue": "mpls-gre"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=500)
    arguments = parser.parse_args()
    with site() as made:
        print(
            json.dumps(
                {"pings_per_s": arguments.rate, "rounds": arguments.rounds}
                | {
                    encapsulation: measured(made, tenant, arguments.rounds, arguments.rate)
                    for tenant, encapsulation in ENCAPSULATIONS.items()
                }
            )
        )


def measured(made: Site, tenant: str, rounds: int, rate: int) -> dict[str, object]:
    """Rounds from hv1 to hv3; each goes back unmeasured, so that the sources keep their parts."""
    guest = made.guest(f"{tenant}-mover", tenant, "hv1", [made.group("ping", ICMP)])
    names = {name: source.format(tenant) for name, source in SOURCES.items()}
    lost: dict[str, list[int]] = {name: [] for name in names}
    silent: dict[str, list[float]] = {name: [] for name in names}
    activation: list[float] = []
    for _round in range(rounds):
        with made.pings(rate, guest.address, *names.values()) as pings:
            guest.bind("hv3")
            time.sleep(0.3)
            cut = time.monotonic()
            guest.run_at("hv3", off="hv1")
            asked = time.monotonic()
            guest.activate("hv3")
            activation.append(1000 * (time.monotonic() - asked))
            time.sleep(0.5)
            guest.unbind("hv1")
        for name, source in names.items():
            rows = [(sent, n) for sent, n in pings[source].gaps if -0.05 <= sent - cut < 0.5]
            lost[name].append(sum(n for _sent, n in rows))
            silent[name].append(1000 * max([n for _sent, n in rows], default=0) / rate)
        guest.migrate("hv3", "hv1")
    return {
        "activate_ms_median": round(statistics.median(activation), 1),
        **{
            name: {
                "lost_median": statistics.median(lost[name]),
                "lost_max": max(lost[name]),
                "window_ms_median": round(statistics.median(silent[name]), 1),
                "window_ms_max": round(max(silent[name]), 1),
            }
            for name in names
        },
    }


if __name__ == "__main__":
    main()
