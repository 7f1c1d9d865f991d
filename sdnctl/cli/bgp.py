"""BGP as it is: sessions, and the routes of each peer."""

from __future__ import annotations

import argparse
from typing import Any, Final
from urllib.parse import quote

from sdnctl.cli.client import Item
from sdnctl.cli.command import Command, Context, argument
from sdnctl.cli.errors import UsageError
from sdnctl.cli.output import Format
from sdnctl.cli.resources import BY_NOUN, FAMILIES
from sdnctl.cli.views import destination, listing

_SESSION_COLUMNS: Final = {
    "PEER": "peer",
    "STATE": "state",
    "SINCE": "since",
    "FAMILIES": "families",
    "ADVERTISED": "routes_advertised",
    "RECEIVED": "routes_received",
    "UPDATES SENT": "updates_sent",
    "UPDATES RECEIVED": "updates_received",
    "LAST ERROR": "last_error",
}
_ROUTE_COLUMNS: Final = {
    "PREFIX / MAC": "destination",
    "RD": "rd",
    "NEXT HOP": "next_hop",
    "FAMILIES": "families",
    "LABEL": "label",
    "VNI": "vni",
    "ROUTE TARGETS": "route_targets",
    "COMMUNITIES": "communities",
    "PREFERENCE": "local_preference",
    "AS PATH": "as_path",
}
_ADVERTISED_COLUMNS: Final = {
    "PREFIX / MAC": "destination",
    "RD": "rd",
    "SOURCE": "source",
    "FAMILY": "family",
    "ADVERTISED": "advertised",
    "BECAUSE": "reason",
}
_USED_COLUMNS: Final = {
    "PREFIX / MAC": "destination",
    "RD": "rd",
    "TABLE": "table",
    "USED": "used",
    "BECAUSE": "reason",
}
_IMPORTED: Final = {"VRFS": "vrfs", "EVIS": "evis"}

_SCREENS: Final = 1000
"""Routes that a person is shown without asking for more."""

_PAGE: Final = 5000
"""Routes that are asked for at once, at most: what the controller gives."""


def _routes(context: Context, args: argparse.Namespace) -> None:
    if args.limit is not None and args.limit < 1:
        raise UsageError("--limit is at least 1")
    for_people = context.output.format is Format.TABLE
    limit = _SCREENS if for_people and args.limit is None else args.limit
    peer = BY_NOUN["bgp peer"].find(context, args.peer)["id"]
    path = f"/sdn/v1/bgp-peers/{quote(str(peer), safe='')}/{args.direction}"
    asked = {"destination": args.destination, "family": args.family}
    query = {name: value for name, value in asked.items() if value is not None}
    routes, more = _walk(context, path, query, limit)
    if context.output.format is Format.JSON:
        context.output.json(routes)
        return
    columns = _ROUTE_COLUMNS | (_IMPORTED if args.direction == "received" else {})
    rows = [{**r, "destination": destination(r), "name": destination(r)} for r in routes]
    context.output.items(rows, columns)
    if more:
        context.output.done(f"and more than these {limit}: narrow them, or give --limit")


def _walk(
    context: Context, path: str, query: dict[str, str], limit: int | None
) -> tuple[list[Item], bool]:
    """The routes, page after page up to a limit, and whether there are more."""
    routes: list[Item] = []
    marker = ""
    while True:
        size = _PAGE if limit is None else min(_PAGE, limit - len(routes))
        page: dict[str, Any] = context.client.get(
            path, {**query, "limit": str(size), "marker": marker}
        )
        routes += page["routes"]
        marker = page["next"]
        if not marker or len(routes) == limit:
            return routes, bool(marker)


def _why(context: Context, args: argparse.Namespace) -> None:
    peer = BY_NOUN["bgp peer"].find(context, args.peer)["id"]
    path = f"/sdn/v1/bgp-peers/{quote(str(peer), safe='')}/why"
    found = context.client.get(path, {"destination": args.destination})["why"]
    if context.output.format is Format.JSON:
        context.output.json(found)
        return
    if context.output.format is Format.NAME:
        routes = (*found["advertised"], *found["received"])
        context.output.lines(dict.fromkeys(destination(route) for route in routes))
        return
    state = found["session"]
    error = f" ({state['last_error']})" if state["last_error"] else ""
    context.output.lines([f"the session with {peer} is {state['state']}{error}"])
    for direction, columns in (("advertised", _ADVERTISED_COLUMNS), ("received", _USED_COLUMNS)):
        rows = [{**row, "destination": destination(row)} for row in found[direction]]
        if rows:
            context.output.lines(["", direction])
            context.output.items(rows, columns)
        else:
            nobody = "the peer announced none" if direction == "received" else "there is none"
            context.output.lines(["", f"{direction}: no route to {args.destination}, {nobody}"])
    if found["more"]:
        context.output.lines(["", "and more: ask for a longer prefix"])


COMMANDS: Final = (
    Command(
        ("bgp", "why"),
        "say why a peer is told of a route or not, and why what it tells is used or not",
        _why,
        (
            argument("peer", help="which peer", complete="bgp peer", metavar="PEER"),
            argument("destination", help="of the routes", metavar="PREFIX|ADDRESS|MAC|TARGET"),
        ),
    ),
    Command(
        ("bgp", "sessions"),
        "list the sessions as the speaker sees them",
        listing("/sdn/v1/bgp-sessions", "bgp_sessions", _SESSION_COLUMNS),
    ),
    Command(
        ("bgp", "routes"),
        "list the routes that a peer tells, or is told",
        _routes,
        (
            argument("peer", help="of which peer", complete="bgp peer", metavar="PEER"),
            argument("direction", help="which", choices=("received", "advertised")),
            argument(
                "destination",
                help="only those within a prefix, covering an address, to a MAC, or of a target",
                nargs="?",
                metavar="PREFIX|ADDRESS|MAC|TARGET",
            ),
            argument("--family", help="only those of this one", choices=FAMILIES),
            argument(
                "--limit",
                help=f"at most so many (default: {_SCREENS} in a table, else all)",
                type=int,
                metavar="N",
            ),
        ),
    ),
)
