"""The containerlab file, as far as a lab in namespaces needs it.

Promise: ``load`` gives a consistent topology (every endpoint's node exists, no interface is
used twice, names fit the kernel) or a LabError that names the node or the link. What of the
grammar has no meaning here (management network, images, ports) is read over, because the same
file serves containerlab. Knows nothing of namespaces.

Grammar: https://containerlab.dev/manual/topo-def-file/
"""

from __future__ import annotations

import enum
import ipaddress
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from sdnctl.lab.errors import LabError

ROLE_LABEL: Final = "sdnctl.role"
DEFAULT_MTU: Final = 9500
"""Containerlab's own default for links, in octets."""
MAX_INTERFACE_NAME: Final = 15
"""IFNAMSIZ less its closing zero."""


class Role(enum.StrEnum):
    """What runs in a node; the label ``sdnctl.role``, or the kind ``bridge``."""

    HOST = "host"
    BRIDGE = "bridge"
    HYPERVISOR = "hypervisor"
    GATEWAY = "gateway"
    ROUTER = "router"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Node:
    """A node with what it inherits from its group, its kind and the defaults.

    ``files`` maps a path inside the node to the file on this machine (``binds``).
    """

    name: str
    kind: str
    role: Role
    env: Mapping[str, str]
    files: Mapping[str, Path]
    commands: tuple[tuple[str, ...], ...]

    def setting(self, name: str, default: str | None = None) -> str:
        """An environment variable of the node; LabError if it must be there and is not."""
        value = self.env.get(name, default)
        if value is None:
            raise LabError(f"node {self.name}: its role {self.role} needs env {name}")
        return value

    def file(self, path: str) -> Path:
        """What is bound to ``path`` inside the node; LabError if nothing is."""
        found = self.files.get(path)
        if found is None:
            raise LabError(f"node {self.name}: its role {self.role} needs a bind to {path}")
        if not found.is_file():
            raise LabError(f"node {self.name}: {found} is not there")
        return found


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link; ``addresses`` are with prefix length, ``mac`` empty if any will do."""

    node: str
    interface: str
    mac: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A cable; ``mtu`` in octets."""

    a: Endpoint
    b: Endpoint
    mtu: int


@dataclass(frozen=True, slots=True)
class Topology:
    """A lab's nodes by name, and its links."""

    name: str
    file: Path
    nodes: Mapping[str, Node]
    links: tuple[Link, ...]

    def with_role(self, *roles: Role) -> list[Node]:
        """The nodes of these roles, in the file's order."""
        return [n for n in self.nodes.values() if n.role in roles]

    def mtu(self, endpoint: Endpoint) -> int:
        """Of the cable that an end belongs to, in octets."""
        return next(link.mtu for link in self.links if endpoint in (link.a, link.b))

    def endpoints(self, node: str) -> Iterator[Endpoint]:
        """The ends of links at a node, in the file's order."""
        for link in self.links:
            yield from (e for e in (link.a, link.b) if e.node == node)


def load(path: Path, name: str | None = None) -> Topology:
    """Read a containerlab file; ``name`` takes the place of the lab's own.

    Raises:
        LabError: the file is not there, is no YAML, or is no topology that can run here.
    """
    try:
        document = msgspec.yaml.decode(path.read_bytes())
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except ImportError:
        raise LabError("labs need PyYAML: pip install 'sdnctl[lab]'") from None
    except msgspec.DecodeError as error:
        raise LabError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return _topology(path.resolve(), document, name)
    except LabError as error:
        raise LabError(f"{path}: {error}") from None


def _topology(path: Path, document: object, name: str | None) -> Topology:
    top = _mapping(document, "the file")
    lab = name or top.get("name")
    if not isinstance(lab, str) or not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", lab):
        raise LabError(f"name: {lab!r} is not a lab's name (letters, digits, '-', '_', '.')")
    body = _mapping(top.get("topology"), "topology")
    definitions = _mapping(body.get("nodes"), "topology.nodes")
    if not definitions:
        raise LabError("topology.nodes: there is none")
    nodes = {
        str(key): _node(str(key), _inherited(str(key), value, body), path.parent)
        for key, value in definitions.items()
    }
    links = tuple(
        _link(number, value)
        for number, value in enumerate(_sequence(body.get("links"), "links"), 1)
    )
    _consistent(nodes, links)
    return Topology(lab, path, MappingProxyType(nodes), links)


def _inherited(name: str, value: object, body: Mapping[str, object]) -> dict[str, object]:
    """A node's definition over those of its group, its kind and the defaults, in this order."""
    what = f"node {name}"
    own = _mapping(value, what)
    defaults = _mapping(body.get("defaults"), "topology.defaults")
    groups = _mapping(body.get("groups"), "topology.groups")
    kinds = _mapping(body.get("kinds"), "topology.kinds")
    group_name = own.get("group", defaults.get("group"))
    if group_name is not None and group_name not in groups:
        raise LabError(f"{what}: there is no group {group_name!r}")
    group = _mapping(groups.get(str(group_name)), f"group {group_name}")
    kind_name = own.get("kind", group.get("kind", defaults.get("kind")))
    kind = _mapping(kinds.get(str(kind_name)), f"kind {kind_name}")
    merged: dict[str, object] = {}
    for layer in (defaults, kind, group, own):
        for key, item in layer.items():
            before = merged.get(key)
            if isinstance(before, dict) and isinstance(item, dict):
                merged[key] = {**before, **item}
            elif key in ("binds", "exec") and isinstance(before, list) and isinstance(item, list):
                merged[key] = [*before, *item]
            else:
                merged[key] = item
    return merged


def _node(name: str, definition: Mapping[str, object], folder: Path) -> Node:
    what = f"node {name}"
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", name):
        raise LabError(f"{what}: not a name that a namespace can have")
    kind = definition.get("kind")
    if kind not in ("linux", "bridge"):
        raise LabError(f"{what}: kind {kind!r} needs containerlab; here are linux and bridge")
    if kind == "bridge" and len(name) > MAX_INTERFACE_NAME:
        raise LabError(f"{what}: a bridge's name is an interface's: 15 characters")
    labels = _mapping(definition.get("labels"), f"{what}: labels")
    role = Role.BRIDGE if kind == "bridge" else str(labels.get(ROLE_LABEL, Role.HOST))
    if role not in set(Role) or (role == Role.BRIDGE) != (kind == "bridge"):
        raise LabError(f"{what}: {ROLE_LABEL}: {role!r} is none of {', '.join(Role)}")
    files = {}
    for bind in _sequence(definition.get("binds"), f"{what}: binds"):
        source, colon, target = str(bind).partition(":")
        if not colon:
            raise LabError(f"{what}: binds: {bind!r} is not SOURCE:TARGET")
        files[target.partition(":")[0]] = (folder / source).resolve()
    commands = []
    for command in _sequence(definition.get("exec"), f"{what}: exec"):
        try:
            commands.append(tuple(shlex.split(str(command))))
        except ValueError as error:
            raise LabError(f"{what}: exec: {command!r}: {error}") from None
    env = {k: str(v) for k, v in _mapping(definition.get("env"), f"{what}: env").items()}
    return Node(name, str(kind), Role(role), env, files, tuple(commands))


def _link(number: int, value: object) -> Link:
    what = f"link {number}"
    definition = _mapping(value, what)
    kind = definition.get("type", "veth")
    if kind != "veth":
        raise LabError(f"{what}: type {kind!r} needs containerlab; here is veth")
    ends = _sequence(definition.get("endpoints"), f"{what}: endpoints")
    if len(ends) != 2:
        raise LabError(f"{what}: endpoints: two are needed, {len(ends)} given")
    mtu = definition.get("mtu", DEFAULT_MTU)
    if not isinstance(mtu, int) or not 68 <= mtu <= 65535:
        raise LabError(f"{what}: mtu: {mtu!r} is not 68..65535 octets")
    addresses = [
        [str(a) for a in _sequence(definition.get(family), f"{what}: {family}")]
        for family in ("ipv4", "ipv6")
    ]
    a, b = (
        _endpoint(what, end, [family[at] for family in addresses if at < len(family)])
        for at, end in enumerate(ends)
    )
    return Link(a, b, mtu)


def _endpoint(what: str, value: object, addresses: list[str]) -> Endpoint:
    """The brief form ``node:interface``, or the mapping of the extended one."""
    if isinstance(value, str):
        node, _, interface = value.partition(":")
        mac = ""
    else:
        definition = _mapping(value, f"{what}: endpoint")
        node, interface = str(definition.get("node", "")), str(definition.get("interface", ""))
        mac = str(definition.get("mac", ""))
        addresses = [
            *addresses,
            *(str(definition[f]) for f in ("ipv4", "ipv6") if f in definition),
        ]
    if not node or not interface:
        raise LabError(f"{what}: endpoint {value!r} is not node:interface")
    if len(interface) > MAX_INTERFACE_NAME or not re.fullmatch(r"[^\s/:]+", interface):
        raise LabError(f"{what}: {node}: {interface!r} is no interface name (15 characters)")
    given = tuple(a for a in addresses if a)
    for address in given:
        try:
            ipaddress.ip_interface(address)
        except ValueError as error:
            raise LabError(f"{what}: {node}: {error}") from None
    return Endpoint(node, interface, mac, given)


def _consistent(nodes: Mapping[str, Node], links: tuple[Link, ...]) -> None:
    seen: set[tuple[str, str]] = set()
    for number, link in enumerate(links, 1):
        for end in (link.a, link.b):
            if end.node not in nodes:
                raise LabError(f"link {number}: there is no node {end.node!r}")
            if (end.node, end.interface) in seen:
                raise LabError(f"link {number}: {end.node}:{end.interface} is already taken")
            seen.add((end.node, end.interface))


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise LabError(f"{what}: a mapping is needed, not {type(value).__name__}")
    return value


def _sequence(value: object, what: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise LabError(f"{what}: a list is needed, not {type(value).__name__}")
    return value
