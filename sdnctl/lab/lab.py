"""The runner: a topology's nodes as namespaces, with what runs in each.

Promise: ``up`` returns when every node is there and its services answer, or raises and leaves
nothing; ``down`` ends what the state names and no more, and may be called twice. What a role
means is in ``services``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdnctl.lab import netns, state
from sdnctl.lab.errors import LabError
from sdnctl.lab.process import Process, adopt, attempt, end, run, spawn
from sdnctl.lab.state import State
from sdnctl.lab.switch import Switch
from sdnctl.lab.topology import Endpoint, Node, Role, Topology, load

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up, or being brought up."""

    topology: Topology
    state: State

    @property
    def folder(self) -> Path:
        """Its state directory."""
        return self.state.folder

    def node(self, name: str) -> Node:
        """A node by its name; LabError if there is none."""
        try:
            return self.topology.nodes[name]
        except KeyError:
            names = ", ".join(self.topology.nodes)
            raise LabError(f"lab {self.state.name}: no node {name!r} ({names})") from None

    def namespace(self, name: str) -> str:
        """The namespace of a node or a guest."""
        try:
            return self.state.namespaces[name]
        except KeyError:
            names = ", ".join(self.state.namespaces)
            raise LabError(f"lab {self.state.name}: no node {name!r} ({names})") from None

    def switch(self, node: str) -> Switch:
        """The Open vSwitch of a hypervisor or a gateway."""
        return Switch(self.folder / node / "ovs")

    def router(self, node: str) -> Path:
        """The folder of the FRR of a router: its sockets and its log."""
        return self.folder / node / "frr"

    def env(self, node: str) -> Mapping[str, str]:
        """The environment of a node's commands: its own, and its switch's."""
        known = self.topology.nodes.get(node)
        if known is None:
            return {}
        own: Mapping[str, str] = {}
        if known.role in (Role.HYPERVISOR, Role.GATEWAY):
            own = self.switch(node).env
        elif known.role is Role.ROUTER:
            own = {"FRR_RUNDIR": str(self.router(node))}
        return {**known.env, **own}

    def exec(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> str:
        """Run a command in a node and give its output; LabError if it fails."""
        command = netns.inside(self.namespace(node), argv)
        try:
            return run(command, env=self.env(node), timeout=timeout)
        except LabError as error:
            raise LabError(f"node {node}: {error}") from None

    def answers(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> bool:
        """Run a command in a node: did it succeed?"""
        command = netns.inside(self.namespace(node), argv)
        return attempt(command, env=self.env(node), timeout=timeout).returncode == 0

    def start(self, node: str, name: str, argv: Sequence[str]) -> Process:
        """Start a process in a node; the state names it from then on, in place of a dead one."""
        log = self.folder / node / f"{name}.log"
        command = netns.inside(self.namespace(node), argv)
        process = replace(spawn(node, name, command, self.env(node), log), argv=tuple(argv))
        kept = [p for p in self.state.processes if (p.node, p.name) != (node, name) or p.alive]
        self.state.processes = [*kept, process]
        self.state.save()
        return process

    def process(self, node: str, name: str) -> Process:
        """What was started last under a name in a node; LabError if nothing was."""
        for process in reversed(self.state.processes):
            if (process.node, process.name) == (node, name):
                return process
        raise LabError(f"node {node}: no process {name!r} was started")

    def claim(self, node: str) -> str:
        """Make a namespace for a node or a guest, and have it in the state before."""
        namespace = f"{self.state.name}-{node}"
        if netns.exists(namespace):
            raise LabError(f"node {node}: a network namespace {namespace} is already there")
        self.state.namespaces[node] = namespace
        self.state.save()
        netns.create(namespace)
        return namespace

    def release(self, node: str) -> None:
        """End what runs in a namespace of the lab, and delete it."""
        namespace = self.namespace(node)
        end([p for pid in netns.pids(namespace) if (p := adopt(node, pid)) is not None])
        netns.delete(namespace)
        del self.state.namespaces[node]
        self.state.save()


def up(
    file: Path,
    services: Callable[[Lab, Progress], None],
    *,
    name: str | None = None,
    progress: Progress = lambda _: None,
) -> Lab:
    """Bring a topology up.

    Args:
        file: the containerlab file.
        services: starts what the roles call for, once all nodes and cables are there.
        name: of the lab, in place of the file's own.
        progress: is told each step.

    Raises:
        LabError: what failed; nothing of the lab is left.
    """
    topology = load(file, name)
    if os.geteuid() != 0:
        raise LabError("a lab needs root: it makes network namespaces")
    with state.locked(topology.name):
        if state.read(topology.name) is not None:
            ending = f"{command_line()} lab down {topology.name}"
            raise LabError(f"lab {topology.name} is already up; end it with: {ending}")
        lab = Lab(topology, State(topology.name, str(topology.file)))
        try:
            lab.state.save()
            progress("namespaces and cables")
            _build(lab)
            services(lab, progress)
            _run_commands(lab)
        except BaseException:
            _tear_down(lab.state)
            raise
    return lab


def down(name: str) -> bool:
    """End a lab; False if there was none.

    Raises:
        LabError: something does not end; the state still names it.
    """
    with state.locked(name):
        found = state.read(name)
        if found is None:
            return False
        _tear_down(found)
        return True


def opened(name: str | None = None) -> Lab:
    """The lab of that name, or the only one that is up."""
    labs = state.read_all()
    if name is not None:
        labs = [s for s in labs if s.name == name]
    if not labs:
        raise LabError(f"lab {name} is not up" if name else "no lab is up: sdnctl lab up FILE")
    if len(labs) > 1:
        names = ", ".join(s.name for s in labs)
        raise LabError(f"several labs are up ({names}): say which with --lab")
    return Lab(load(Path(labs[0].file), labs[0].name), labs[0])


def command_line() -> str:
    """How a person calls ``sdnctl`` from here: by name if a shell finds it, else by its path."""
    script = Path(sys.executable).with_name("sdnctl")
    if shutil.which("sdnctl") is None and script.exists():
        return os.path.relpath(script)
    return "sdnctl"


def _build(lab: Lab) -> None:
    for node in lab.topology.nodes.values():
        namespace = lab.claim(node.name)
        if node.role is Role.BRIDGE:
            netns.configure(
                namespace,
                [f"link add name {node.name} type bridge", f"link set dev {node.name} up"],
            )
    for link in lab.topology.links:
        ends = (link.a, link.b)
        try:
            a, b = (netns.End(lab.namespace(e.node), e.interface, e.mac) for e in ends)
            netns.cable(a, b, link.mtu)
            for e in ends:
                netns.configure(lab.namespace(e.node), _address(lab, e))
        except LabError as error:
            names = " to ".join(f"{e.node}:{e.interface}" for e in ends)
            raise LabError(f"link {names}: {error}") from None


def _address(lab: Lab, endpoint: Endpoint) -> list[str]:
    """The ``ip`` commands of one end of a link."""
    if lab.node(endpoint.node).role is Role.BRIDGE:
        return [f"link set dev {endpoint.interface} master {endpoint.node}"]
    return [f"address add {a} dev {endpoint.interface}" for a in endpoint.addresses]


def _run_commands(lab: Lab) -> None:
    for node in lab.topology.nodes.values():
        for command in node.commands:
            lab.exec(node.name, command)


def _tear_down(found: State) -> None:
    if found.booted:
        end(found.processes)
        inside = ((n, pid) for n, ns in found.namespaces.items() for pid in netns.pids(ns))
        end([p for node, pid in inside if (p := adopt(node, pid)) is not None])
        for namespace in found.namespaces.values():
            netns.delete(namespace)
    found.remove()
