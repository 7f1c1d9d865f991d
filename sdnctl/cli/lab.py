"""``sdnctl lab``: topologies in network namespaces on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from sdnctl.cli.command import Command, Context, argument
from sdnctl.cli.errors import CliError, UsageError
from sdnctl.lab import checks, guests, lab, netns, services, state
from sdnctl.lab.topology import Role, load

_SHOWN_LINES: Final = 20
"""Of what a check that failed has seen."""
_LAB: Final = argument("--lab", help="its name, if several are up", metavar="NAME")


def _up(context: Context, args: argparse.Namespace) -> None:
    made = lab.up(args.file, services.start, name=args.name, progress=_note)
    context.output.done(f"lab {made.state.name} is up")
    for node in made.topology.with_role(Role.CONTROLLER):
        socket = services.api_socket(made, node.name)
        context.output.done(f"export SDNCTL_URL=unix://{socket}")


def _note(step: str) -> None:
    if sys.stderr.isatty():
        print(f"  {step}", file=sys.stderr)


def _down(context: Context, args: argparse.Namespace) -> None:
    name = args.name
    if name is None:
        up = state.read_all()
        if len(up) > 1:
            raise UsageError(f"several labs are up: {', '.join(s.name for s in up)}; say which")
        name = up[0].name if up else None
    elif Path(name).is_file():
        name = load(Path(name)).name
    ended = name is not None and lab.down(name)
    context.output.done(f"lab {name} is down" if ended else "there is nothing to end")


def _exec(context: Context, args: argparse.Namespace) -> None:
    del context
    site = lab.opened(args.lab)
    command = netns.inside(site.namespace(args.node), args.command)
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, **site.env(args.node)})  # noqa: S606 - no shell is meant


def _check(context: Context, args: argparse.Namespace) -> int:
    site = lab.opened(args.lab)
    file = args.file or site.topology.file.with_name(checks.FILE)
    results = []
    for result in checks.run(site, checks.load(file)):
        results.append(result)
        context.output.done(f"{'FAILED' if result.problem else 'ok    '}  {result.check.name}")
        if result.problem:
            context.output.done(f"        {result.check.node}: {result.check.run}")
            context.output.done(f"        {result.problem}")
            for line in result.output.splitlines()[-_SHOWN_LINES:]:
                context.output.done(f"        | {line}")
    if context.output.format == "json":
        context.output.json(
            [
                {"name": r.check.name, "problem": r.problem, "seconds": round(r.seconds, 3)}
                for r in results
            ]
        )
    return 1 if any(r.problem for r in results) else 0


def _restart(context: Context, args: argparse.Namespace) -> None:
    services.restart(lab.opened(args.lab), args.node, args.process)
    context.output.done(f"{args.process} of {args.node} is started again")


def _list(context: Context, args: argparse.Namespace) -> None:
    del args
    labs = [
        {
            "name": found.name,
            "nodes": len(found.namespaces) - len(found.guests),
            "guests": len(found.guests),
            "running": sum(p.alive for p in found.processes) if found.booted else 0,
            "ended": [f"{p.name} of {p.node}" for p in found.processes if not p.alive],
            "file": found.file,
            "state": str(found.folder),
        }
        for found in state.read_all()
    ]
    headings = ("name", "nodes", "guests", "running", "ended", "file", "state")
    context.output.items(labs, {h.upper(): h for h in headings})


def _plug(context: Context, args: argparse.Namespace) -> None:
    site = lab.opened(args.lab)
    client = context.client
    port = client.find("/v2.0/ports", "port", "ports", args.port)
    network = client.get(f"/v2.0/networks/{port['network_id']}")["network"]
    addresses, gateways = [], []
    for fixed in port["fixed_ips"]:
        subnet = client.get(f"/v2.0/subnets/{fixed['subnet_id']}")["subnet"]
        addresses.append(f"{fixed['ip_address']}/{subnet['cidr'].rpartition('/')[2]}")
        gateways += [subnet["gateway_ip"]] if subnet["gateway_ip"] else []
    if not port["binding:host_id"]:
        raise CliError(f"port {args.port} has no binding:host_id: it belongs to no hypervisor")
    guest = guests.plug(
        site,
        args.name,
        hypervisor=port["binding:host_id"],
        port_id=port["id"],
        mac=port["mac_address"],
        addresses=addresses,
        gateways=gateways,
        mtu=network["mtu"],
    )
    context.output.done(f"guest {guest.name} is in {guest.hypervisor}: {', '.join(addresses)}")


def _unplug(context: Context, args: argparse.Namespace) -> None:
    guests.unplug(lab.opened(args.lab), args.name)
    context.output.done(f"guest {args.name} is gone")


COMMANDS: Final = (
    Command(
        ("lab", "up"),
        "bring a topology up in network namespaces",
        _up,
        (
            argument("file", help="containerlab file", type=Path, metavar="FILE"),
            argument("--name", help="of the lab, in place of the file's"),
        ),
    ),
    Command(
        ("lab", "down"),
        "end a lab and leave nothing",
        _down,
        (argument("name", help="of the lab, or its file", nargs="?", metavar="NAME|FILE"),),
    ),
    Command(
        ("lab", "exec"),
        "run a command in a node or a guest",
        _exec,
        (
            _LAB,
            argument("node", help="node or guest", metavar="NODE"),
            argument("command", help="after --", nargs="+", metavar="COMMAND"),
        ),
    ),
    Command(
        ("lab", "check"),
        "run the checks beside the topology",
        _check,
        (_LAB, argument("file", help="other checks", nargs="?", type=Path, metavar="FILE")),
    ),
    Command(
        ("lab", "restart"),
        "end a node's process and start it as it was",
        _restart,
        (
            _LAB,
            argument("node", help="of the process", metavar="NODE"),
            argument("process", help="its name: that of its log", metavar="PROCESS"),
        ),
    ),
    Command(("lab", "list"), "list the labs of this machine", _list),
    Command(
        ("lab", "plug"),
        "make a guest for a port, as a compute service would",
        _plug,
        (
            _LAB,
            argument("name", help="of the guest", metavar="GUEST"),
            argument("port", help="name or id", metavar="PORT", complete="port"),
        ),
    ),
    Command(
        ("lab", "unplug"),
        "take a guest away",
        _unplug,
        (_LAB, argument("name", help="of the guest", metavar="GUEST")),
    ),
)
