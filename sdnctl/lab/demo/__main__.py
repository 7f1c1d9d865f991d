"""The steps of the demo, what they show, and the exit code: 0 if every packet was right."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdnctl.lab import lab, services
from sdnctl.lab.demo import capture, matrix, tenants, timing
from sdnctl.lab.demo.api import Api
from sdnctl.lab.demo.matrix import Pair
from sdnctl.lab.demo.show import Show
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.errors import LabError
from sdnctl.lab.gateway import table
from sdnctl.lab.lab import Lab
from sdnctl.lab.netns import ping
from sdnctl.lab.process import wait_for
from sdnctl.lab.topology import Role

TOPOLOGY = Path(__file__).parents[3] / "labs" / "demo" / "demo.clab.yml"
TIMING_ROUNDS = 20
_TENANTS = [t.name for t in TENANTS]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 1 if a packet went where it should not, or did not where it should."""
    parser = argparse.ArgumentParser(prog="python -m sdnctl.lab.demo", description=__doc__)
    parser.add_argument("--file", type=Path, default=TOPOLOGY, help="the topology")
    parser.add_argument("--name", default=None, help="of the lab, in place of the file's")
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in ("", "0"),
        help="leave the lab up (KEEP=1 says the same)",
    )
    parser.add_argument("--svg", type=Path, help="draw what is shown", metavar="FILE")
    options = parser.parse_args(argv)
    # A demo that is told to go takes its lab with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    show = Show(options.svg)
    show.line("Two tenants with the same addresses on three hypervisors and behind a gateway:")
    show.line("red over VXLAN, blue over MPLS-over-GRE, both to the gateway over MPLS-over-GRE.")
    show.line()
    try:
        with _up(show, options.file, options.name, keep=options.keep) as site:
            return Demo(site, show).run()
    except LabError as error:
        show.failed(str(error))
        return 1
    except KeyboardInterrupt:
        show.failed("interrupted")
        return 130
    finally:
        show.draw()


@contextlib.contextmanager
def _up(show: Show, file: Path, name: str | None, *, keep: bool) -> Iterator[Lab]:
    """The lab while the demo runs, and after it if it is to be kept."""
    with show.step("namespaces, switches, controller, agents and gateway") as note:
        site = lab.up(file, services.start, name=name, progress=note)
    try:
        yield site
    finally:
        if keep:
            _explore(show, site)
        else:
            # Whoever presses Ctrl-C twice wants it gone, not half gone.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with show.step("taking everything down"):
                lab.down(site.state.name)


def _explore(show: Show, site: Lab) -> None:
    """How to look around in a lab that stays up."""
    sdnctl = lab.command_line()
    show.title("The lab stays up. To explore:")
    for command in (
        f"export SDNCTL_URL=unix://{services.api_socket(site, 'controller')}",
        f"{sdnctl} topology",
        f"{sdnctl} port list",
        f"{sdnctl} route list --vrf red",
        f"{sdnctl} lab exec red-web1 -- ping -c 3 10.0.1.21",
        f"{sdnctl} lab exec hv1 -- ovs-ofctl -O OpenFlow14 dump-flows br-int",
        f"{sdnctl} lab exec gateway -- gobgp global rib -a vpnv4",
        f"{sdnctl} lab check",
        f"{sdnctl} lab down {site.state.name}",
    ):
        show.line(f"  {command}")
    show.line(f"Logs are in {site.folder}, a folder for each node.")


class Demo:
    """One run over a lab that is up."""

    def __init__(self, site: Lab, show: Show) -> None:
        self._lab = site
        self._show = show
        (self._controller,) = (n.name for n in site.topology.with_role(Role.CONTROLLER))
        self._hypervisors = [n.name for n in site.topology.with_role(Role.HYPERVISOR)]

    def run(self) -> int:
        """Everything; the exit code."""
        show = self._show
        with Api(services.api_socket(self._lab, self._controller)) as api:
            with show.step("registering hypervisors, links and the gateway's BGP session"):
                tenants.register(self._lab, api)
            networks = {}
            with show.step("networks, subnets and routers of two tenants"):
                for tenant in TENANTS:
                    networks[tenant.name] = tenants.build(api, tenant)
            stations: list[Station] = []
            with show.step("ports and guests") as note:
                for tenant in TENANTS:
                    for guest in tenants.populate(self._lab, api, tenant, networks[tenant.name]):
                        note(guest.node)
                        stations.append(guest)
            outsides = [tenants.outside(self._lab, tenant) for tenant in TENANTS]
            with show.step("every port ACTIVE"):
                wait_for("every port ACTIVE", lambda: self._active(api), timeout=20)
            with show.step("routes exchanged with the gateway"):
                self._await_gateway(stations, outsides)
            with show.step(f"timing {TIMING_ROUNDS} ports from POST to the last switch"):
                network = networks[TENANTS[0].name]["front"]
                seconds = timing.programmed(
                    self._lab, api, network, self._hypervisors, TIMING_ROUNDS
                )
        everyone = sorted([*stations, *outsides], key=lambda s: _TENANTS.index(s.tenant))
        pairs: list[Pair] = []
        with show.step("pinging every pair over IPv4 and IPv6") as note:
            for pair in matrix.measure(self._lab, everyone):
                note(f"from {pair.source.node}")
                pairs.append(pair)
        self._packets(stations)
        self._gateway_table()
        show.title("From POST to programmed on all hypervisors, by the switches' own account")
        show.line(
            f"  median {statistics.median(seconds) * 1e3:.1f} ms, worst {max(seconds) * 1e3:.1f} ms"
            f" of {len(seconds)} ports on {len(self._hypervisors)} hypervisors"
        )
        return self._verdict(pairs)

    def _active(self, api: Api) -> bool:
        ports: list[dict[str, Any]] = api.list("/v2.0/ports?device_owner=compute:demo", "ports")
        return all(p["status"] == "ACTIVE" for p in ports)

    def _await_gateway(self, stations: Sequence[Station], outsides: Sequence[Station]) -> None:
        for far in outsides:
            for station in stations:
                if station.tenant == far.tenant:
                    namespace = self._lab.namespace(station.node)
                    for address in far.addresses:
                        wait_for(
                            f"{station.node} reaches {far.node} by {address}",
                            lambda n=namespace, a=address: ping(n, a),  # type: ignore[misc]
                            timeout=20,
                        )

    def _packets(self, stations: Sequence[Station]) -> None:
        self._show.title("One packet of each encapsulation, on the cable of hv1 (tcpdump)")
        for tenant in TENANTS:
            mine = {s.name: s for s in stations if s.tenant == tenant.name}
            for what, target in (("same subnet", "web3"), ("other subnet", "db2")):
                layers = capture.packet(
                    *(self._lab, "hv1", tenant.encapsulation),
                    source=mine["web1"],
                    address=mine[target].addresses[0],
                )
                self._show.layers(f"{tenant.name}, {what}", layers)

    def _gateway_table(self) -> None:
        for family in table.FAMILIES.values():
            command = ["gobgp", "global", "rib", "-a", family]
            self._show.title(f"The gateway's own table ({' '.join(command)})")
            self._show.routes(table.parse(self._lab.exec("gateway", [*command, "-j"])))

    def _verdict(self, pairs: Sequence[Pair]) -> int:
        self._show.title("Who reaches whom over IPv4 and IPv6: ✓ both answered, · neither arrived")
        self._show.matrix(pairs)
        wrong = [p for p in pairs if not p.right]
        inside = sum(p.wanted for p in pairs)
        self._show.line()
        self._show.line(
            f"{inside} pairs of one tenant: {sum(p.wanted and p.arrived for p in pairs)} answered. "
            f"{len(pairs) - inside} pairs of two tenants: "
            f"{sum(p.arrived and not p.wanted for p in pairs)} answered."
        )
        for pair in wrong[:10]:
            problem = "does not reach" if pair.wanted else "reaches"
            self._show.failed(
                f"{pair.source.node} {problem} {pair.target.node} (IPv{pair.version})"
            )
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
