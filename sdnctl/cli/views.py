"""What is computed, not stored: routes, topology, status."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final

from rich.tree import Tree

from sdnctl.cli.client import Item
from sdnctl.cli.command import Command, Context, Run, argument
from sdnctl.cli.errors import CliError
from sdnctl.cli.output import Format, cell, safe
from sdnctl.cli.resources import BY_NOUN

_ROUTE_COLUMNS: Final = {
    "TABLE": "table",
    "TYPE": "type",
    "PREFIX / MAC": "destination",
    "RD": "rd",
    "NEXT HOP": "next_hop",
    "ENCAPSULATIONS": "encapsulations",
    "LABEL": "label",
    "VNI": "vni",
    "SOURCE": "source",
    "BEST": "best",
}
_MIGRATION_COLUMNS: Final = {
    "PORT": "port_id",
    "HYPERVISOR": "hypervisor",
    "ROLE": "role",
    "PLUGGED": "plugged",
    "ACTIVE AT": "active",
    "PLUGGED THERE": "active_plugged",
    "SENT ON": "sent_on",
}
_AGENT_COLUMNS: Final = {
    "HYPERVISOR": "hypervisor",
    "IN SYNC": "in_sync",
    "SENT": "sent",
    "RECEIVED": "received",
    "PROGRAMMED": "programmed",
    "FAILURES": "failures",
    "DROPS": "drops",
    "UNREACHABLE": "unreachable",
}


def _routes(context: Context, params: Mapping[str, str]) -> list[Item]:
    body = context.client.get("/sdn/v1/routes", params)
    return list(body["routes"])


def destination(route: Item) -> str:
    """The prefix or the MAC address, and the address that comes with the latter."""
    return " ".join(str(route[k]) for k in ("prefix", "ip") if route.get(k))


def _show_routes(context: Context, routes: list[Item]) -> None:
    if context.output.format is Format.JSON:
        context.output.json(routes)
        return
    # The controller's order holds for programs; people find what they look for.
    routes = sorted(routes, key=lambda r: (str(r["table"]), destination(r), not r.get("best")))
    rows = [{**r, "destination": destination(r), "name": destination(r)} for r in routes]
    context.output.items(rows, _ROUTE_COLUMNS)


def _route_list(context: Context, args: argparse.Namespace) -> None:
    wanted = {k: getattr(args, k) for k in ("vrf", "evi", "hypervisor", "source")}
    params = _with_vnis(context, {k: v for k, v in wanted.items() if v is not None})
    if "hypervisor" in params:
        params["hypervisor"] = BY_NOUN["hypervisor"].find(context, params["hypervisor"])["id"]
    _show_routes(context, _routes(context, params))


def _route_show(context: Context, args: argparse.Namespace) -> None:
    routes = _routes(context, {})
    found = [r for r in routes if args.name in (r["prefix"], r.get("ip"))]
    found += _longest_matches(routes, args.name)
    if not found:
        raise CliError(f"no route to {args.name!r}; sdnctl route list shows all")
    _show_routes(context, found)


def _longest_matches(routes: Iterable[Item], name: str) -> list[Item]:
    """The routes that a VRF's table has for an address: those of the longest prefix."""
    try:
        address = ip_address(name)
    except ValueError:
        return []
    lengths: dict[str, int] = {}
    covering = []
    for route in routes:
        if route["type"] == "prefix" and address in (prefix := ip_network(route["prefix"])):
            covering.append((route, prefix.prefixlen))
            table = str(route["table"])
            lengths[table] = max(lengths.get(table, 0), prefix.prefixlen)
    return [route for route, length in covering if length == lengths[str(route["table"])]]


def _route_explain(context: Context, args: argparse.Namespace) -> None:
    wanted = {"destination": args.name, "vrf": args.vrf, "evi": args.evi}
    params = _with_vnis(context, {k: v for k, v in wanted.items() if v is not None})
    found = context.client.get("/sdn/v1/explanations", params)["explanations"]
    if not found:
        raise CliError(f"nothing leads to {args.name!r}; sdnctl route list shows all")
    if context.output.format is Format.JSON:
        context.output.json(found)
        return
    if context.output.format is Format.NAME:
        context.output.lines(f"{one['table']} {one['destination']}" for one in found)
        return
    for one in found:
        tree = Tree(safe(f"{one['table']}  {one['entry']}  {one['destination']}", "bold"))
        if one["entry"] == "exit":
            branch = tree.add(safe(f"to {one['leads_to']}, translated {one['translated']}"))
            for line in one["computed_from"]:
                branch.add(safe(line))
        for route in one["routes"]:
            branch = tree.add(
                safe(f"by {route['next_hop']}, said by {route['source']} as {route['rd']}")
            )
            for line in route["computed_from"]:
                branch.add(safe(line))
        context.output.tree(tree)


def _with_vnis(context: Context, params: dict[str, str]) -> dict[str, str]:
    """``params`` with the VNI of a VRF or EVI that was given by its name or id."""
    return {
        name: _vni(context, name, value)
        if name in ("vrf", "evi") and not value.isdigit()
        else value
        for name, value in params.items()
    }


def _vni(context: Context, kind: str, name: str) -> str:
    """The VNI of an instance by its name or by its router's or network's id."""
    instances = context.client.get("/sdn/v1/topology")["topology"][f"{kind}s"]
    names = ("name", "router_id", "network_id")
    found = [x for x in instances if name in (x.get(k) for k in names)]
    if len(found) != 1:
        known = ", ".join(sorted(f"{x['name']} ({x['vni']})" for x in instances)) or "none"
        problem = f"no {kind}" if not found else f"several {kind}s are"
        raise CliError(f"{problem} named {name!r}; there are: {known}")
    return str(found[0]["vni"])


def _topology(context: Context, args: argparse.Namespace) -> None:
    del args
    body = context.client.get("/sdn/v1/topology")["topology"]
    if context.output.format is Format.JSON:
        context.output.json(body)
        return
    if context.output.format is Format.NAME:
        context.output.lines(str(n["id"]) for n in body["nodes"])
        return
    context.output.tree(_underlay(body))
    context.output.tree(_overlay(body))


def _underlay(body: Mapping[str, Any]) -> Tree:
    tree = Tree(safe("underlay", "bold"))
    for node in sorted(body["nodes"], key=lambda n: (n["kind"], n["id"])):
        branch = tree.add(safe(f"{node['id']}  {node['kind']}  {cell(node.get('address'))}"))
        for link in body["links"]:
            ends = (link["a"], link["b"])
            if node["id"] in ends:
                far = ends[ends.index(node["id"]) - 1]
                branch.add(safe(f"to {far}, cost {link['cost']}"))
    return tree


def _overlay(body: Mapping[str, Any]) -> Tree:
    tree = Tree(safe("overlay", "bold"))
    for title, instances in (("VRFs (routers)", body["vrfs"]), ("EVIs (networks)", body["evis"])):
        kind = tree.add(safe(title))
        for instance in sorted(instances, key=lambda i: (i["name"], i["vni"])):
            label = f"  label {instance['label']}" if instance.get("label") else ""
            branch = kind.add(safe(f"{cell(instance['name'])}  VNI {instance['vni']}{label}"))
            branch.add(safe(f"members: {cell(sorted(map(str, instance['members'])))}"))
    return tree


def _status(context: Context, args: argparse.Namespace) -> None:
    del args
    body = context.client.get("/sdn/v1/status")["status"]
    if context.output.format is Format.JSON:
        context.output.json(body)
    else:
        context.output.table([], [[k, cell(v)] for k, v in _flat(body)])


def _flat(value: object, path: str = "") -> Iterable[tuple[str, object]]:
    """Leaves of nested mappings, named by their dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def listing(path: str, plural: str, columns: Mapping[str, str]) -> Run:
    """A command that lists what a read view answers; the first column is the item's name."""

    def run(context: Context, args: argparse.Namespace) -> None:
        del args
        items = context.client.get(path)[plural]
        if context.output.format is Format.NAME:
            context.output.lines(str(i[next(iter(columns.values()))]) for i in items)
        elif context.output.format is Format.JSON:
            context.output.json(items)
        else:
            context.output.items([_dated(i) for i in items], columns)

    return run


def _dated(item: Item) -> Item:
    """With ``since``, seconds since the epoch, as a time (RFC 3339, UTC)."""
    if not item.get("since"):
        return item
    since = datetime.fromtimestamp(item["since"], tz=UTC)
    return {**item, "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}


COMMANDS: Final = (
    Command(
        ("agent", "list"),
        "list the connected agents and what they have programmed",
        listing("/sdn/v1/agents", "agents", _AGENT_COLUMNS),
    ),
    Command(
        ("migration", "list"),
        "list ports that hypervisors hold beside the one where their guest is",
        listing("/sdn/v1/migrations", "migrations", _MIGRATION_COLUMNS),
    ),
    Command(
        ("route", "list"),
        "list routes: what the hypervisors and the gateways are told",
        _route_list,
        (
            argument("--vrf", help="of a router: VNI, name or id", complete="router"),
            argument("--evi", help="of a network: VNI, name or id", complete="network"),
            argument("--hypervisor", help="that this one holds", complete="hypervisor"),
            argument("--source", help="that this hypervisor or BGP peer originates"),
        ),
    ),
    Command(
        ("route", "show"),
        "show every path to a destination; to an address: by the longest prefix",
        _route_show,
        (argument("name", help="a prefix, a MAC or an IP address", metavar="DESTINATION"),),
    ),
    Command(
        ("route", "explain"),
        "say what is done with packets to a destination, and what that was computed from",
        _route_explain,
        (
            argument("name", help="a prefix, a MAC or an IP address", metavar="DESTINATION"),
            argument("--vrf", help="of a router: VNI, name or id", complete="router"),
            argument("--evi", help="of a network: VNI, name or id", complete="network"),
        ),
    ),
    Command(("topology",), "show the underlay and who is member of what", _topology),
    Command(("status",), "show how the controller is", _status),
)
