"""The steps of the demo, what they show, and the exit code: 0 if every packet was right."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdnctl.lab import lab, services
from sdnctl.lab.demo import capture, matrix, tenants, timing
from sdnctl.lab.demo.api import Api
from sdnctl.lab.demo.matrix import Pair
from sdnctl.lab.demo.tenants import TENANTS, Station
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.netns import ping
from sdnctl.lab.process import wait_for
from sdnctl.lab.topology import Role

TOPOLOGY = Path(__file__).parents[3] / "labs" / "demo" / "demo.clab.yml"
TIMING_ROUNDS = 20


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
    options = parser.parse_args(argv)
    # A demo that is told to go takes its lab with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    show = Show(Console(highlight=False))
    name = None
    try:
        with show.step("namespaces, switches, controller, agents and gateway"):
            site = lab.up(options.file, services.start, name=options.name)
            name = site.state.name
        return Demo(site, show).run()
    except LabError as error:
        show.failed(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if name is not None and options.keep:
            show.explore(name)
        elif name is not None:
            with show.step("taking everything down"):
                lab.down(name)


class Show:
    """What a person sees: a line for each step with its time, and results between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step under way, then done with its seconds."""
        start = time.monotonic()
        with self._console.status(title):
            yield
        self.line(f"✓ {title}", f"{time.monotonic() - start:6.1f} s")

    def line(self, text: str, right: str = "") -> None:
        """A line of text and something at its right."""
        self._console.print(Text(f"{text:<70}{right}".rstrip()), soft_wrap=True)

    def title(self, text: str) -> None:
        """What follows."""
        self._console.print()
        self._console.print(Text(text, "bold"))

    def table(self, table: Table) -> None:
        """A table."""
        self._console.print(table)

    def failed(self, reason: str) -> None:
        """Why it ended."""
        self._console.print(Text(f"✗ {reason}", "bold red"), soft_wrap=True)

    def explore(self, name: str) -> None:
        """How to look around in a lab that stays up."""
        socket = services.api_socket(lab.opened(name), "controller")
        sdnctl = _command()
        self.title("The lab stays up. To explore:")
        for command in (
            f"export SDNCTL_URL=unix://{socket}",
            f"{sdnctl} topology",
            f"{sdnctl} port list",
            f"{sdnctl} route list --vrf red",
            f"{sdnctl} lab exec red-web1 -- ping 10.0.1.21",
            f"{sdnctl} lab exec hv1 -- ovs-ofctl -O OpenFlow14 dump-flows br-int",
            f"{sdnctl} lab exec gateway -- gobgp global rib -a vpnv4",
            f"{sdnctl} lab down {name}",
        ):
            self.line(f"  {command}")


def _command() -> str:
    """How ``sdnctl`` is called from here: by name if a shell finds it, else by its path."""
    script = Path(sys.executable).with_name("sdnctl")
    if shutil.which("sdnctl") is None and script.exists():
        return os.path.relpath(script)
    return "sdnctl"


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
            with show.step("ports and guests"):
                for tenant in TENANTS:
                    stations += tenants.populate(self._lab, api, tenant, networks[tenant.name])
            outsides = [tenants.outside(self._lab, tenant) for tenant in TENANTS]
            with show.step("waiting until every port is ACTIVE"):
                wait_for("every port ACTIVE", lambda: self._active(api), timeout=20)
            with show.step("waiting until the gateway and the tenants have each other's routes"):
                self._await_gateway(stations, outsides)
            with show.step(f"timing {TIMING_ROUNDS} ports, from POST to the last switch"):
                network = networks[TENANTS[0].name]["front"]
                seconds = timing.programmed(
                    self._lab, api, network, self._hypervisors, TIMING_ROUNDS
                )
        with show.step("pinging every pair"):
            pairs = list(matrix.measure(self._lab, [*stations, *outsides]))
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
        self._show.title("One packet of each encapsulation, on the cable of hv1")
        for tenant in TENANTS:
            mine = {s.name: s for s in stations if s.tenant == tenant.name}
            for what, target in (("bridged", "web3"), ("routed", "db2")):
                line = capture.packet(
                    *(self._lab, "hv1", tenant.encapsulation),
                    source=mine["web1"],
                    address=mine[target].addresses[0],
                )
                self._show.line(f"  {what:<8} {line}")

    def _gateway_table(self) -> None:
        for family in ("vpnv4", "vpnv6"):
            self._show.title(f"The gateway's own table (gobgp global rib -a {family})")
            text = self._lab.exec("gateway", ["gobgp", "global", "rib", "-a", family])
            heading, *routes = text.splitlines()
            for line in (heading, *sorted(routes)):
                self._show.line(f"  {line.rstrip()}")

    def _verdict(self, pairs: Sequence[Pair]) -> int:
        for version in sorted({p.version for p in pairs}):
            self._show.title(f"Who reaches whom over IPv{version}: ✓ answered, · kept apart")
            self._show.table(_matrix([p for p in pairs if p.version == version]))
        wrong = [p for p in pairs if not p.right]
        inside = sum(p.wanted for p in pairs)
        self._show.line("")
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


def _matrix(pairs: Sequence[Pair]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("from", no_wrap=True)
    stations = list(dict.fromkeys(p.source for p in pairs))
    for target in stations:
        table.add_column(f"{target.tenant}\n{target.name}", justify="center", no_wrap=True)
    by_pair = {(p.source.node, p.target.node): p for p in pairs}
    for source in stations:
        cells = (by_pair.get((source.node, target.node)) for target in stations)
        table.add_row(f"{source.tenant} {source.name}", *(_cell(p) if p else "" for p in cells))
    return table


def _cell(pair: Pair) -> Text:
    if pair.right:
        return Text("✓", "green") if pair.wanted else Text("·", "dim")
    return Text("LOST" if pair.wanted else "LEAK", "bold red")


if __name__ == "__main__":
    sys.exit(main())
