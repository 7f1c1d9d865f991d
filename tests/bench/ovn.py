"""OVN, made to do what ``bench_latency`` makes sdnctl do: the same hypervisors, networks and ports.

One northbound and one southbound database and one ovn-northd, as Debian's units start them; on
each hypervisor an ovn-controller over the same Open vSwitch; all at their defaults. Databases are
reached over unix sockets, by hypervisors too. The networks are ``worlds.layout``'s, as Neutron's
ML2/OVN writes them: a logical switch with DHCP options and a router, ports with port security, and
the tenant's default security group as a port group with four ACLs that allow and two that drop.

What is timed is one port, written as one transaction by a client that is connected already: from
before it is written until ``hv_cfg`` of ``NB_Global`` says that every chassis has installed it,
which is what ``ovn-nbctl --wait=hv`` waits for. That barrier is of all chassis, whoever hosts the
network: with a network over two hypervisors, too, the eight others answer. There is no other
confirmation from the switches, so an operator of OVN waits for the same.

Where the two cannot do the same, OVN has the smaller task. A change begins when ovn-northd is at
rest; sdnctl's follow each other at once. Of each network, one port on each of its
hypervisors is plugged: enough to make the network local there (checked), so that its flows are
installed; the others, the one that is timed too, are bound to no chassis, so nothing is claimed and
no location is told. A plugged interface is a patch port without a peer, which costs the switch
nothing. Neutron's two ACLs that drop are in one group of all ports of the cloud, here in each
tenant's. And OVSDB answers before its file is on the disk. Which version of OVN it was is in the
result: Debian 12's computes all logical flows anew with each change, later ones do less.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sdnctl_vrouter.platform.ovsdb import Column, Ovsdb
from tests.bench.processes import cpu_s, rss_mib, spread, undisturbed
from tests.bench.worlds import WIDE, layout
from tests.netns.harness import Lab, Switch, run

NORTHBOUND: Final = "OVN_Northbound"
SOUTHBOUND: Final = "OVN_Southbound"
SCHEMAS: Final = "/usr/share/ovn"
PATIENCE: Final = 180.0
"""Seconds for the whole cloud to reach every switch, and for any one change."""
NICE: Final = -10
"""As ``ovn-ctl`` starts ovn-northd and ovn-controller."""
QUIET: Final = 0.2
"""Seconds without a tick of CPU are rest."""
WARM: Final = 1
LEAST: Final = 8
"""So many changes are timed, however long they take."""

Operation = dict[str, Any]


def missing() -> str | None:
    """Why OVN cannot be measured here, if so."""
    lacking = [name for name in ("ovn-northd", "ovn-controller") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else None


# ---- what Neutron writes


@dataclass(frozen=True, slots=True)
class Network:
    """A tenant's network, once it is there."""

    number: int
    ports: int
    switch: str
    group: str
    dhcp: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many changes are timed in each case, within how many seconds, and rests between."""

    posts: int
    seconds: float
    pause: float


def _named(name: str) -> list[str]:
    return ["named-uuid", name]


def _set(items: list[Any]) -> list[Any]:
    return ["set", items]


def _map(**pairs: str) -> list[Any]:
    return ["map", [[key, value] for key, value in pairs.items()]]


def _insert(table: str, uuid_name: str, **row: Any) -> Operation:
    return {"op": "insert", "table": table, "uuid-name": uuid_name, "row": row}


def _mutate(table: str, uuid: str | None, column: str, mutator: str, value: Any) -> Operation:
    where = [["_uuid", "==", ["uuid", uuid]]] if uuid else []
    mutations = [[column, mutator, value]]
    return {"op": "mutate", "table": table, "where": where, "mutations": mutations}


def mac(network: int, port: int) -> str:
    """A port's MAC address."""
    digits = f"02{network:04x}{port:06x}"
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))


def port_row(network: int, port: int, dhcp: list[str]) -> Operation:
    """A port as Neutron writes it, addresses and port security included."""
    number = port + 2  # .1 is the router's
    address = f"{mac(network, port)} 10.{network % 200}.{number >> 8}.{number & 255}"
    return _insert(
        "Logical_Switch_Port",
        f"p{port}",
        name=f"p{network}-{port}",
        addresses=address,
        port_security=address,
        enabled=True,
        dhcpv4_options=dhcp,
        external_ids=["map", [["neutron:project_id", f"tenant{network}"]]],
    )


ACLS: Final = (
    ("from-lport", 1002, "inport == @{0} && ip4", "allow-related"),
    ("from-lport", 1002, "inport == @{0} && ip6", "allow-related"),
    ("to-lport", 1002, "outport == @{0} && ip4 && ip4.src == ${0}_ip4", "allow-related"),
    ("to-lport", 1002, "outport == @{0} && ip6 && ip6.src == ${0}_ip6", "allow-related"),
    ("from-lport", 1001, "inport == @{0} && ip", "drop"),
    ("to-lport", 1001, "outport == @{0} && ip", "drop"),
)
"""A default security group: everything out, its own members in, nothing else."""


def network_rows(number: int, ports: int) -> Iterator[Operation]:
    """A tenant: network, group, DHCP, router and ports; the first three have those rows."""
    names = [_named(f"p{n}") for n in range(ports)]
    gateway, gateway_mac = (
        f"10.{number % 200}.0.1",
        f"0a:00:00:00:{number >> 8:02x}:{number & 255:02x}",
    )
    group = f"pg{number}"
    yield _insert("Logical_Switch", "switch", name=f"n{number}", ports=_set([*names, _named("up")]))
    acls = [_named(f"acl{n}") for n in range(len(ACLS))]
    yield _insert("Port_Group", "group", name=group, ports=_set(names), acls=_set(acls))
    yield _insert(
        "DHCP_Options",
        "dhcp",
        cidr=f"10.{number % 200}.0.0/16",
        options=["map", [
            ["server_id", gateway],
            ["server_mac", gateway_mac],
            ["router", gateway],
            ["lease_time", "43200"],
        ]],
    )  # fmt: skip
    for n, (direction, priority, match, action) in enumerate(ACLS):
        row = {"direction": direction, "priority": priority, "action": action}
        yield _insert("ACL", f"acl{n}", match=match.format(group), **row)
    yield _insert("Logical_Router", "router", name=f"r{number}", ports=_named("down"))
    yield _insert(
        "Logical_Router_Port", "down", name=f"lrp{number}", mac=gateway_mac,
        networks=f"{gateway}/16",
    )  # fmt: skip
    yield _insert(
        "Logical_Switch_Port", "up", name=f"up{number}", type="router", addresses="router",
        options=["map", [["router-port", f"lrp{number}"]]],
    )  # fmt: skip
    for n in range(ports):
        yield port_row(number, n, _named("dhcp"))


# ---- the daemons


class Ovn:
    """Databases, ovn-northd, and hypervisors with an ovn-controller each."""

    def __init__(self, hypervisors: int) -> None:
        self.hypervisors = hypervisors
        self.lab = Lab(quiet=True)

    def up(self) -> None:
        """Start what is central, and the switches; no ovn-controller yet."""
        self.north, self.south = self.lab.machine(), self.lab.machine()
        for machine, schema in ((self.north, "ovn-nb"), (self.south, "ovn-sb")):
            database = f"{machine.rundir}/{schema}.db"
            run("ovsdb-tool", "create", database, f"{SCHEMAS}/{schema}.ovsschema")
            machine.daemon("ovsdb-server", database, f"--remote=punix:{machine.rundir}/db.sock")
        self.north.daemon(
            "ovn-northd",
            f"--ovnnb-db=unix:{self.north.rundir}/db.sock",
            f"--ovnsb-db=unix:{self.south.rundir}/db.sock",
            "-vsyslog:err",
            nice=NICE,
        )
        for _n in range(self.hypervisors):
            self.lab.hypervisor()

    def start_chassis(self, switch: Switch, plugged: list[str]) -> None:
        """Plug these logical ports, then start ovn-controller."""
        interfaces = itertools.chain.from_iterable(
            (
                *("--", "add-port", "br-int", f"v{n}", "--", "set", "Interface", f"v{n}"),
                *("type=patch", "options:peer=none", f"external_ids:iface-id={port}"),
            )
            for n, port in enumerate(plugged)
        )
        switch.vsctl(
            *("set", "Open_vSwitch", ".", f"external_ids:system-id={switch.name}"),
            f"external_ids:ovn-remote=unix:{self.south.rundir}/db.sock",
            "external_ids:ovn-encap-type=geneve",
            f"external_ids:ovn-encap-ip={switch.vtep}",
            "external_ids:ovn-bridge-datapath-type=netdev",
            *("--", "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev"),
            "fail_mode=secure",
            *interfaces,
        )
        switch.daemon("ovn-controller", f"unix:{switch.database}", "-vsyslog:err", nice=NICE)

    def pids(self) -> dict[str, int]:
        """The central daemons, and those of the first hypervisor."""
        first = self.lab.switches[0]
        pids = {
            "northd": self.north.pid("ovn-northd"),
            "northbound": self.north.pid("ovsdb-server"),
            "southbound": self.south.pid("ovsdb-server"),
            "controller": first.pid("ovn-controller"),
            "switch": first.pid("ovs-vswitchd"),
        }
        return {name: pid for name, pid in pids.items() if pid}

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each."""
        return {name: cpu_s(pid) for name, pid in self.pids().items()}

    async def rest(self) -> None:
        """Wait until ovn-northd does nothing: it goes on computing after the barrier."""
        pid = self.pids()["northd"]
        before = -1.0
        while (now := cpu_s(pid)) != before:
            before = now
            await asyncio.sleep(QUIET)

    def hosting(self, match: str) -> int:
        """How many switches have a flow that matches."""
        return sum("cookie" in s.ofctl("dump-flows", match) for s in self.lab.switches)


class Northbound(Ovsdb):
    """Writes changes, and knows when they are where they should be."""

    def __init__(self) -> None:
        columns = dict.fromkeys(("sb_cfg", "hv_cfg"), Column.ONE)
        super().__init__({"NB_Global": columns}, self._note, NORTHBOUND)
        self._wake = asyncio.Event()
        self._seen: dict[str, float] = {}
        self._sequence = 0

    @classmethod
    async def connect(cls, path: str) -> Northbound:
        """Connect, and wait until ovn-northd has written its row."""
        _, north = await asyncio.get_running_loop().create_unix_connection(cls, path)
        await north.monitor()
        await north._until(lambda: bool(north.tables["NB_Global"]))
        return north

    async def change(self, *operations: Operation) -> tuple[list[Any], float, float]:
        """One transaction: its results; ms until southbound database and hypervisors have it."""
        self._sequence += 1
        self._seen.clear()
        began = time.perf_counter()
        rows = await self.transact(*operations, _mutate("NB_Global", None, "nb_cfg", "+=", 1))
        await self._until(lambda: "hv_cfg" in self._seen)
        southbound, hypervisors = ((self._seen[c] - began) * 1e3 for c in ("sb_cfg", "hv_cfg"))
        return rows, southbound, hypervisors

    def _note(self, _changes: list[tuple[str, str]]) -> None:
        now = time.perf_counter()
        for row in self.tables["NB_Global"].values():
            for column in ("sb_cfg", "hv_cfg"):
                if (row[column] or 0) >= self._sequence:  # a default value is not told
                    self._seen.setdefault(column, now)
        self._wake.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wake.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self.lost.done():
                    raise ConnectionResetError("the northbound database hung up")
                self._wake.clear()
                await self._wake.wait()


# ---- the measurement


async def fill(ovn: Ovn, north: Northbound, ports: int) -> tuple[Network, Network]:
    """The cloud, on every switch; a network over two hypervisors, and one over all."""
    names = [switch.name for switch in ovn.lab.switches]
    plugged: dict[str, list[str]] = {name: [] for name in names}
    networks = []
    for number, (hosts, count) in enumerate(layout(names, ports)):
        # Neutron gives ports to hypervisors in turn: the first of each is the one that is plugged.
        for n, host in enumerate(hosts[:count]):
            plugged[host].append(f"p{number}-{n}")
        rows = await north.transact(*network_rows(number, count))
        networks.append(Network(number, count, *(row["uuid"][1] for row in rows[:3])))
    for switch in ovn.lab.switches:
        ovn.start_chassis(switch, plugged[switch.name])
    south = await Ovsdb.open(f"{ovn.south.rundir}/db.sock", {}, lambda _: None, SOUTHBOUND)
    await bound(south, sum(map(len, plugged.values())))
    await south.close()
    await north.change()
    return networks[WIDE], networks[0]


async def bound(south: Ovsdb, expected: int) -> None:
    """Wait until every plugged port is claimed by its hypervisor, and so its network local."""
    query = {
        "op": "select", "table": "Port_Binding", "columns": ["_uuid"],
        "where": [["chassis", "!=", _set([])], ["type", "==", ""], ["up", "==", True]],
    }  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        while len((await south.transact(query))[0]["rows"]) != expected:
            await asyncio.sleep(0.2)


async def create(north: Northbound, network: Network) -> tuple[str, float, float]:
    """A port in its network and its security group, as Neutron writes it; its row, and times."""
    port = _named(f"p{network.ports}")
    rows, southbound, hypervisors = await north.change(
        port_row(network.number, network.ports, ["uuid", network.dhcp]),
        _mutate("Logical_Switch", network.switch, "ports", "insert", port),
        _mutate("Port_Group", network.group, "ports", "insert", port),
    )
    return rows[0]["uuid"][1], southbound, hypervisors


async def delete(north: Northbound, network: Network, port: str) -> None:
    """What refers to it weakly, as a group does, loses it by itself."""
    await north.change(_mutate("Logical_Switch", network.switch, "ports", "delete", ["uuid", port]))


async def case(
    ovn: Ovn, north: Northbound, network: Network, expected: int, limits: Limits
) -> dict[str, Any]:
    """Ports created and deleted in turn; all times in milliseconds."""
    rows = []
    end = 0.0
    for n in itertools.count(-WARM):
        if n == 0:
            end = time.monotonic() + limits.seconds
        if n >= limits.posts or (n >= LEAST and time.monotonic() > end):
            break
        await ovn.rest()
        port, southbound, hypervisors = await create(north, network)
        if n < 0:
            match = f"dl_dst={mac(network.number, network.ports)}"
            if (hosting := ovn.hosting(match)) != expected:
                raise RuntimeError(f"{expected} switches should know {match}: {hosting} do")
        else:
            rows.append((southbound, hypervisors))
        await asyncio.sleep(limits.pause)
        await delete(north, network, port)
        await asyncio.sleep(limits.pause)
    return {
        "agents": expected,
        "posts": len(rows),
        **spread([hypervisors for _southbound, hypervisors in rows]),
        "stages_ms": {
            "southbound": round(statistics.median(a for a, _b in rows), 2),
            "hypervisors": round(statistics.median(b - a for a, b in rows), 2),
        },
    }


async def measure(ovn: Ovn, ports: int, limits: Limits) -> dict[str, Any]:
    """Fill the cloud, then both cases."""
    north = await Northbound.connect(f"{ovn.north.rundir}/db.sock")
    began = time.monotonic()
    pair, wide = await fill(ovn, north, ports)
    synced = time.monotonic() - began
    before = ovn.cpu_s()
    result: dict[str, Any] = {}
    for name, network, expected in (("two", pair, 2), ("all", wide, ovn.hypervisors)):
        result[name] = await case(ovn, north, network, expected, limits)
        print(json.dumps({"ovn": {name: result[name]}}), flush=True)
    changes = 2 * sum(row["posts"] + WARM for row in result.values())
    cpu = {name: seconds - before[name] for name, seconds in ovn.cpu_s().items()}
    rss = {name: round(rss_mib(pid), 1) for name, pid in ovn.pids().items()}
    flows = int(ovn.lab.switches[0].ofctl("dump-aggregate").split("flow_count=")[1].split()[0])
    await north.close()
    return {
        "version": run("ovn-northd", "--version").split()[1],
        "parameters": {
            "ports": ports,
            "hypervisors": ovn.hypervisors,
            "posts": limits.posts,
            "seconds": limits.seconds,
            "pause_s": limits.pause,
            "flows_on_first": flows,
            "synced_s": round(synced, 1),
        },
        "cpu_ms_per_change": {name: round(s * 1e3 / changes, 2) for name, s in cpu.items()},
        "rss_mib": rss,
        **result,
    }


def bench(ports: int, hypervisors: int, limits: Limits) -> dict[str, Any]:
    """The whole of it; nothing is left, whatever happens."""
    ovn = Ovn(hypervisors)
    try:
        ovn.up()
        return asyncio.run(measure(ovn, ports, limits))
    finally:
        with undisturbed():
            ovn.lab.close()
