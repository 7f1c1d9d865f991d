"""The process: follows the BGP daemon's table and keeps the switch as the table says.

Promise: a change in the table is in the switch within ``--poll`` seconds and a round. A daemon
that does not answer changes nothing: the last flows stay, as a router's FIB does in graceful
restart (RFC 4724). A switch that lost its flows gets them back within ``SWEEP_S``.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sdnctl.lab.errors import LabError
from sdnctl.lab.gateway import config, flows, table
from sdnctl.lab.process import attempt
from sdnctl.lab.switch import Switch
from sdnctl.types import Ip

SWEEP_S: Final = 5.0

log = logging.getLogger("sdnctl.lab.gateway")


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; 1 if the configuration or the switch does not let it start."""
    parser = argparse.ArgumentParser(prog="python -m sdnctl.lab.gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the VRFs, TOML")
    parser.add_argument("--rundir", type=Path, required=True, help="of Open vSwitch")
    parser.add_argument("--ready", type=Path, required=True, help="made when packets can flow")
    parser.add_argument("--poll", type=float, default=0.2, help="seconds between two readings")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        plane = Plane(config.load(options.config), Switch(options.rundir))
        plane.wire()
    except LabError as error:
        log.error("%s", error)  # noqa: TRY400 - it is for a person
        return 1
    while True:
        try:
            plane.follow()
            options.ready.touch()
        except LabError as error:
            log.warning("%s; the flows stay as they are", error)
            time.sleep(1)
        time.sleep(options.poll)


class Plane:
    """The switch of one gateway and what was last put into it."""

    def __init__(self, gateway: config.Gateway, switch: Switch) -> None:
        self._gateway = gateway
        self._switch = switch
        self._flows: list[str] = []
        self._next_hops: set[Ip] = set()
        self._swept = 0.0

    def wire(self) -> None:
        """The bridge with the VRFs' interfaces and the tunnel port."""
        self._switch.add_bridge(
            flows.BRIDGE, [v.interface for v in self._gateway.vrf], standalone=False
        )
        self._switch.vsctl(
            *("--may-exist", "add-port", flows.BRIDGE, flows.TUNNEL, "--"),
            *("set", "Interface", flows.TUNNEL, "type=gre", "options:remote_ip=flow"),
            *(f"options:local_ip={self._gateway.address}", "options:packet_type=legacy_l3"),
        )

    def follow(self) -> None:
        """One round: read the table, announce what it lacks, bring the switch to it."""
        routes = table.read()
        table.announce(self._gateway, routes)
        fresh = flows.render(self._gateway, routes)
        due = time.monotonic() - self._swept > SWEEP_S
        if fresh == self._flows and not due:
            return
        used = {
            route.next_hop
            for vrf in self._gateway.vrf
            for route in flows.imported(self._gateway, vrf, routes)
        }
        self._resolve(used if due else used - self._next_hops)
        self._switch.ofctl("--bundle", "replace-flows", flows.BRIDGE, "-", stdin="\n".join(fresh))
        if fresh != self._flows:
            log.info("%d routes in the table, %d flows", len(routes), len(fresh))
        self._flows, self._next_hops, self._swept = fresh, used, time.monotonic()

    @staticmethod
    def _resolve(next_hops: Iterable[Ip]) -> None:
        """Have the kernel ask for their MACs: the switch listens to the answers.

        It would drop the first packet to a tunnel's end that it has no MAC of.
        """
        for address in sorted(next_hops):
            attempt(["ping", "-n", "-q", "-c", "1", "-W", "1", str(address)])


if __name__ == "__main__":
    raise SystemExit(main())
