"""What a person sees of the demo: a line a step, and the results, in 80 columns.

Promise: nothing but text where the output is no terminal; on one, a spinner while a step is
under way. Knows no lab: it is told what to show.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdnctl.lab.demo.matrix import Pair
from sdnctl.lab.gateway.table import VpnRoute
from sdnctl.types import Encapsulation

_TIME_COLUMN: Final = 70
_COLUMNS: Final = 80
"""Of a picture."""
_PICTURE: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g>
</g>
</svg>
"""
"""Rich's own template fetches its font from elsewhere; this one takes what the reader has."""
_TUNNELS: Final = {int(e): str(e).removeprefix("mpls-").upper() for e in Encapsulation}
"""By number, as routers print them."""


class Show:
    """A terminal, or a file."""

    def __init__(self, picture: Path | None = None) -> None:
        """Draw all of it into an SVG file, too, if that is asked for."""
        self._picture = picture
        if picture is None:
            self._console = Console(highlight=False)
        else:
            self._console = Console(
                highlight=False, record=True, width=_COLUMNS, force_terminal=False
            )

    def draw(self) -> None:
        """Draw what was shown, if that was asked for."""
        if self._picture is not None:
            svg = self._console.export_svg(
                title="make demo", code_format=_PICTURE, unique_id="demo"
            )
            lines = (line.rstrip() for line in svg.splitlines())
            self._picture.write_text("\n".join(lines) + "\n")

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """A step under way, then done with its seconds; gives what tells how far it is."""
        start = time.monotonic()
        with self._console.status(title) as status:
            yield lambda detail: status.update(f"{title}: {detail}")
        self.line(f"✓ {title:<{_TIME_COLUMN}}{time.monotonic() - start:5.1f} s")

    def line(self, text: str = "", style: str = "") -> None:
        """A line, never folded: a terminal wraps what is longer."""
        self._console.print(Text(text, style), soft_wrap=True)

    def title(self, text: str) -> None:
        """What follows."""
        self.line()
        self.line(text, "bold")

    def failed(self, reason: str) -> None:
        """What is wrong."""
        self.line(f"✗ {reason}", "bold red")

    def layers(self, title: str, layers: Iterable[str]) -> None:
        """A packet, a header a line, the outermost first."""
        self.line(f"  {title}")
        for layer in layers:
            self.line(f"    {layer}")

    def routes(self, routes: Iterable[VpnRoute]) -> None:
        """A router's VPN routes, a line each."""
        table = _table()
        for heading in ("RD", "prefix", "label", "next hop", "route targets", "encap"):
            table.add_column(heading, no_wrap=True)
        for route in sorted(routes, key=lambda r: (r.rd, str(r.prefix))):
            table.add_row(
                *(route.rd, str(route.prefix), str(route.label), str(route.next_hop)),
                " ".join(sorted(map(str, route.route_targets), key=lambda t: (len(t), t))),
                " ".join(_TUNNELS.get(e, str(e)) for e in sorted(route.encapsulations)),
            )
        self._console.print(table)

    def matrix(self, pairs: Sequence[Pair]) -> None:
        """Who reaches whom, IPv4 and IPv6 in one cell."""
        table = _table()
        table.add_column("from", no_wrap=True)
        stations = list(dict.fromkeys(p.source for p in pairs))
        for tenant, members in groupby(stations, key=lambda s: s.tenant):
            for number, station in enumerate(members):
                heading = f"{'' if number else tenant}\n{station.name}"
                table.add_column(heading, justify="center", no_wrap=True, min_width=4)
        for source in stations:
            cells = (
                _cell([p for p in pairs if (p.source, p.target) == (source, target)])
                for target in stations
            )
            table.add_row(f"{source.tenant} {source.name}", *cells)
        self._console.print(table)


def _table() -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")


def _cell(pairs: Sequence[Pair]) -> Text:
    wrong = [p for p in pairs if not p.right]
    if wrong:
        return Text("LOST" if wrong[0].wanted else "LEAK", "bold red")
    if not pairs:
        return Text()
    return Text("✓", "green") if pairs[0].wanted else Text("·", "dim")
