"""Runs the scenarios beside it: plain text of intent, and what hypervisors must then hold.

A line is one of

    KIND ID ATTRIBUTE=VALUE ...          make a row, or change these attributes of it
    KIND ID gone                         delete it
    down HOST  |  up HOST                a hypervisor's agent is silent, or is back
    route PEER WHAT via NEXT_HOP ...     a peer announces, with target=, label=, as_path= and more
    route PEER WHAT gone                 it withdraws
    membership PEER TARGET wanted|gone   it asks for a route target, or for all (``default``)
    HOST: KEY VALUE                      this hypervisor's agent holds that
    HOST: no PATTERN                     it holds nothing whose key matches
    PEER> SOURCE/WHAT VALUE              this peer is told of that route of a hypervisor
    PEER> no PATTERN                     it is told of none that matches
    # ...                                for the reader

WHAT is a PREFIX, a MAC, MAC,IP, or ``member`` (a route of type 3), of the RD 65000:1 or, WHAT@RD,
of that one.

Lines that follow one another without an expectation in between are one transaction. The agents
are real sessions that are fed by deliveries, so what is checked is what would be programmed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest

from sdnctl.desired import (
    Desired,
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    LocalPort,
    Neighbor,
    NextHop,
)
from sdnctl.graph.model import INPUTS
from sdnctl.graph.relations.inputs import HYPERVISOR_DOWN, LEARNED
from sdnctl.graph.relations.routes import ADVERTISED
from sdnctl.intent import (
    KINDS,
    MIGRATING_TO,
    ROUTER_INTERFACE_OWNER,
    Binding,
    FixedIp,
    HostRoute,
    PortRoute,
    RouterGateway,
    Subnet,
    VrfNumbers,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    RouteKey,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.properties.mirror import House
from tests.properties.worlds import Write

SCENARIOS = sorted(FilePath(__file__).parent.glob("*.txt"))


def _list(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: tuple(read(part) for part in text.split(",") if part)


def _community(text: str) -> int:
    asn, number = text.split(":")
    return int(asn) << 16 | int(number)


def _behind(text: str) -> PortRoute:
    prefix, _, preference = text.partition("=")
    return PortRoute(
        prefix=Prefix.parse(prefix), local_preference=int(preference) if preference else None
    )


def _binding(text: str) -> Binding:
    host, _, left = text.partition("=")
    return Binding(host, left=left == "left")


def _numbers(vni: str, label: str, number: str) -> VrfNumbers:
    mac = Mac.parse("fa:16:3e:ee:ee:ee")
    return VrfNumbers(Vni(int(vni)), Label(int(label)), int(number), mac)


def _way_out(network: str, port: str, snat: str = "snat") -> RouterGateway:
    return RouterGateway(network, port, snat == "snat")


def _static(text: str) -> HostRoute:
    destination, _, hop = text.partition("=")
    return HostRoute(Prefix.parse(destination), Ip.parse(hop))


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "vtep": ("vtep", Ip.parse),
    "address": ("address", Ip.parse),
    "asn": ("asn", int),
    "accepts": ("encapsulations", _list(Encapsulation.parse)),
    "pinned": ("encapsulation", lambda text: Encapsulation.parse(text) if text else None),
    "project": ("project_id", str),
    "imports": ("import_targets", _list(RouteTarget.parse)),
    "exports": ("export_targets", _list(RouteTarget.parse)),
    "vni": ("vni", lambda text: Vni(int(text))),
    "label": ("label", lambda text: Label(int(text))),
    "network": ("network_id", str),
    "prefix": ("prefix", Prefix.parse),
    "mac": ("mac", Mac.parse),
    "host": ("host", str),
    "bindings": ("bindings", _list(_binding)),
    "going": ("profile", lambda text: {MIGRATING_TO: text} if text else {}),
    "router": ("device_id", str),
    "families": ("families", _list(str)),
    "preference": ("local_preference", lambda text: int(text) if text else None),
    "gateway": ("gateway_ip", Ip.parse),
    "type": ("type", str),
    "bgpvpn": ("bgpvpn_id", str),
    "number": ("number", int),
    "port": ("port_id", str),
    "targets": ("route_targets", _list(RouteTarget.parse)),
    "communities": ("communities", _list(_community)),
    "behind": ("routes", _list(_behind)),
    "moves": ("moves", int),
    "fixed": ("advertise_fixed_ips", lambda text: text == "yes"),
    "vrf": ("vrf", lambda text: _numbers(*text.split(","))),
    "out": ("gateway", lambda text: _way_out(*text.split(",")) if text else None),
    "distributed": ("distributed", lambda text: text == "yes"),
    "nat": ("nat", int),
    "static": ("routes", _list(_static)),
    "owner": ("device_owner", lambda text: f"network:{text}"),
    "for": ("fixed_ip", Ip.parse),
    "leads": ("router_id", str),
    "floating": ("floatingip_id", str),
    "protocol": ("protocol", int),
    "outer": ("external", _range),
    "inner": ("internal", _range),
    "external": ("external", lambda text: text == "yes"),
}
"""By the word of the scripts: the row's field and how to read it."""

OURS = Prefix.parse("192.0.2.0/24")
"""Where the scripts' hypervisors are."""

SAID: dict[str, tuple[str, Callable[[str], Any]]] = {
    "target": ("route_targets", _list(RouteTarget.parse)),
    "label": ("label", lambda text: Label(int(text))),
    "vni": ("vni", lambda text: Vni(int(text))),
    "l3vni": ("l3_vni", lambda text: Vni(int(text))),
    "by": ("encapsulations", _list(Encapsulation.parse)),
    "router_mac": ("router_mac", Mac.parse),
    "as_path": ("as_path", _list(int)),
    "preference": ("local_preference", int),
    "sequence": ("sequence", int),
    "stale": ("stale", bool),
    "sticky": ("sticky", bool),
}
"""The same for what a peer says about a route."""


class Script:
    """One scenario under way."""

    def __init__(self, text: str) -> None:
        self.house = House(sorted(set(re.findall(r"^hypervisor (\S+)", text, re.MULTILINE))))
        self.rows: dict[tuple[str, str], Any] = {}
        self.pending: list[Write] = []
        self.numbers = 0
        self.members: dict[str, str] = {}  # what was announced, and the next hop then

    def line(self, text: str) -> None:
        words = text.partition("#")[0].split()
        if not words:
            return
        if words[0].endswith((":", ">")):
            self.commit()
            who, key, value = words[0][:-1], words[1], " ".join(words[2:])
            if words[0].endswith(":"):
                expect(dict(self.house.agents[who].desired), told, key, value)
            else:
                expect(self.peer(who), announced, key, value)
        elif words[0] in ("down", "up"):
            self.pending.append((HYPERVISOR_DOWN, words[1], words[0] == "down" or None))
        elif words[0] == "route":
            self.pending.append(self.route(*words[1:]))
        elif words[0] == "membership":
            self.pending.append(membership(*words[1:]))
        else:
            self.pending.append(self.row(*words))

    def commit(self) -> None:
        if self.pending:
            self.house.commit(self.pending)
            self.pending = []
            self.house.settle()

    def row(self, kind: str, id_: str, *attributes: str) -> Write:
        relation = next(r for r in INPUTS if r.name == kind)
        if attributes == ("gone",):
            del self.rows[kind, id_]
            return relation, id_, None
        fields: dict[str, Any] = {}
        for name, value in (attribute.split("=", 1) for attribute in attributes):
            if name == "ip" and kind == "floatingip":
                fields["ip"] = Ip.parse(value)
                continue
            if name == "ip":
                fields["fixed_ips"] = tuple(map(self.fixed_ip, value.split(",")))
                continue
            field, read = READ[name]
            if kind == "bgpvpn_router" and name == "router":
                field = "router_id"
            fields[field] = read(value)
            if field == "device_id" and "device_owner" not in fields:
                fields["device_owner"] = ROUTER_INTERFACE_OWNER
        old = self.rows.get((kind, id_))
        if old is not None:
            row = msgspec.structs.replace(old, **fields)
        else:
            if kind in ("network", "router"):
                self.numbers += 1
                fields = {"number": self.numbers, "label": Label(100 + self.numbers)} | fields
            if kind == "floatingip":
                fields = {"floating_port_id": f"port-of-{id_}"} | fields
            row = KINDS[kind](id=id_, **fields)
        self.rows[kind, id_] = row
        return relation, id_, row

    def fixed_ip(self, text: str) -> FixedIp:
        """The address in the subnet that it lies in; scenarios have no two such subnets."""
        ip = Ip.parse(text)
        subnets = [row for row in self.rows.values() if isinstance(row, Subnet)]
        return FixedIp(next(row.id for row in subnets if ip in row.prefix), ip)

    def route(self, peer: str, what: str, *words: str) -> Write:
        key = RouteKey(peer, nlri_of(what, words[1] if words[0] == "via" else self.members[what]))
        if words == ("gone",):
            return LEARNED, key, None
        assert words[0] == "via"
        self.members[what] = words[1]
        fields: dict[str, Any] = {"encapsulations": (), "as_path": (65001,), "ebgp": True}
        for name, value in (word.split("=", 1) for word in words[2:]):
            field, read = SAID[name]
            fields[field] = read(value)
        return LEARNED, key, Path(next_hop=Ip.parse(words[1]), peer=True, **fields)

    def peer(self, name: str) -> dict[str, Any]:
        """What the peer is told; of two networks' members on one host, the latter's is shown."""
        rows = self.house.engine.rows(ADVERTISED)
        return {name_of(key): row.path for key, row in rows.items() if name in row.peers}


def membership(peer: str, target: str, wanted: str) -> Write:
    whole = None if target == "default" else RouteTarget.parse(target)
    key = RouteKey(peer, MembershipRoute(65001, whole, 64 if whole else 0))
    path = Path(next_hop=Ip.parse("198.51.100.1"), route_targets=(), encapsulations=(), peer=True)
    return LEARNED, key, path if wanted == "wanted" else None


def expect(held: dict[str, Any], say: Callable[[Any], str], key: str, value: str) -> None:
    if key == "no":
        assert [k for k in held if fnmatch(k, value)] == []
    else:
        assert key in held, f"there are {sorted(held)}"
        assert say(held[key]) == value


def nlri_of(text: str, next_hop: str) -> Nlri:
    what, _, rd_text = text.partition("@")
    rd = RouteDistinguisher.parse(rd_text or "65000:1")
    if what == "member":
        return InclusiveMulticastRoute(rd, Ip.parse(next_hop))
    if "/" in what:
        return IpPrefixRoute(rd, Prefix.parse(what))
    mac, _, ip = what.partition(",")
    return MacIpRoute(rd, Mac.parse(mac), Ip.parse(ip) if ip else None)


def name_of(key: RouteKey) -> str:
    """A local route, for a person."""
    match key.nlri:
        case IpPrefixRoute(_, prefix):
            what = str(prefix)
        case MacIpRoute(_, mac, ip):
            what = f"{mac},{ip}" if ip else str(mac)
        case MembershipRoute(_, target, _):
            what = f"wants/{target}"
        case _:
            what = "member"
    return f"{key.source}/{what}"


def announced(path: Path) -> str:
    """What is said about a route beside its key."""
    if not path.route_targets:
        return "there"
    words = [f"label {path.label}", f"vni {path.vni}"]
    if path.l3_vni:
        words.append(f"l3vni {path.l3_vni}")
    words.append("by " + "/".join(str(e) for e in path.encapsulations))
    words.append("to " + ",".join(str(t) for t in path.route_targets))
    if path.default_gateway:
        words.append("gateway")
    if path.sequence:
        words.append(f"sequence {path.sequence}")
    if path.local_preference != 100:
        words.append(f"preference {path.local_preference}")
    if path.communities:
        pairs = (f"{number >> 16}:{number & 0xFFFF}" for number in path.communities)
        words.append("communities " + ",".join(pairs))
    return " ".join(words)


def told(row: Desired) -> str:
    """What a resource says beside its key."""
    match row:
        case LocalPort():
            behind = f" before {','.join(map(str, row.behind))}" if row.behind else ""
            state = "standby" if row.standby else "open" if row.admin_state_up else "closed"
            if row.onward is not None:
                state += f" on to {_hop(row.onward)}"
            if row.onward_routed is not None:
                state += f", routed to {_hop(row.onward_routed)}"
            return state + (" picking up" if row.picks_up and not row.standby else "") + behind
        case Neighbor():
            return f"at {row.mac}"
        case FdbEntry() | FloodEntry():
            return f"via {_hop(row.via)}"
        case FibEntry():
            return "via " + ", ".join(map(_hop, row.via))
        case Exit():
            way = "as it is"
            if row.snat:
                way = "hidden by each" if row.distributed else f"hidden behind {row.address}"
            at = f" at {row.at.vtep}" if row.at is not None else ""
            return f"to {row.external} {way}{at}"
        case FloatingAddress():
            return f"for {row.fixed} of {row.vrf}"
        case Forwarding():
            ends = f"{row.ip}:{row.ports[0]} to {row.fixed}:{row.internal[0]}"
            return f"{ends} at {row.at.vtep}"
        case Evi():
            return f"in vrf {row.vrf}" if row.vrf else "alone"
        case _:
            return "there"


def _hop(hop: NextHop) -> str:
    """As a sender would use it: what is the same for all our own is left out."""
    words = [str(hop.vtep)]
    if hop.vtep not in OURS:
        words += [f"label {hop.label}"] if hop.label else []
        words += [f"vni {hop.vni}"] if hop.vni else []
        words += [f"at {hop.router_mac}"] if hop.router_mac else []
    elif hop.router_mac:
        words.append(f"label {hop.label}")
    words.append("by " + "/".join(str(e) for e in hop.encapsulations))
    return " ".join(words)


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_scenario(file: FilePath) -> None:
    text = file.read_text()
    script = Script(text)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            script.line(line)
        except (AssertionError, LookupError, ValueError) as error:
            raise AssertionError(f"{file.name}:{number}: {line.strip()}\n{error}") from error
    assert not script.pending, "nothing is expected of the last transaction"


def test_a_wrong_expectation_is_found() -> None:
    script = Script("hypervisor h1 vtep=192.0.2.1")
    script.line("hypervisor h1 vtep=192.0.2.1")
    script.line("h1: node there")
    with pytest.raises(AssertionError):
        script.line("h1: no node")
    with pytest.raises(AssertionError):
        script.line("h1: port/a open")
