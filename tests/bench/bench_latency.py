"""From the first byte of a POST to the last acknowledgement of a switch: the whole house.

Ten hypervisors, each a namespace with its own ovsdb-server and ovs-vswitchd (userspace data path)
and a real agent; one real controller with its store on disk; 10,000 ports. Two thirds of the ports
are in networks over two hypervisors, the rest in two networks over all ten, and every network has a
router, and a tenant with a default security group for its ports. A port is created and deleted in
turn, each as soon as every affected switch has confirmed the one before; a second connection
follows the convergence of revisions, so that no question is asked in the time that is measured.
What is timed is the creation: from before the request is written to the moment when the controller
has the acknowledgement, after the barrier, of every affected switch. ``--pause`` seconds may be put
between the steps: the longer, the colder are the caches of twenty processes on two cores, and the
higher the figures.

With ``--peer`` OVN does the same work afterwards, on the same machine (``tests.bench.ovn`` says
how, and what differs), with as many changes as fit into ``--peer-seconds`` a case. Mind what its
barrier means: it is of all hypervisors, in both cases. ``ratio`` is ours by theirs, of medians.

With ``--bare`` the parts are measured with nothing between them (``tests.bench.bare``), on as many
switches, in the same minutes: the floor of this machine at this time. ``over_bare`` is ours by
that, of medians.

The last line is one JSON object; ``ovn`` in it is null where OVN was not measured, and ``ovn_why``
says why.

    python -m tests.bench.bench_latency [--ports 10000] [--hypervisors 10] [--posts 300] [--mtls]
        [--pause 0] [--bare] [--peer] [--peer-seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from tests.bench import bare, ovn
from tests.bench.bench_api import Client
from tests.bench.processes import cpu_s, rss_mib, spread, undisturbed
from tests.bench.worlds import WIDE, layout
from tests.netns.harness import Lab

API = 19696
AGENTS = 19697
BULK = 100


class House:
    """Controller, switches and agents, as processes."""

    def __init__(self, folder: Path, hypervisors: int, *, mtls: bool) -> None:
        self.folder = folder
        self.lab = Lab(quiet=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.mtls = mtls
        self.names = [f"h{n + 1}" for n in range(hypervisors)]

    def start(self, name: str, *argv: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self.processes[name] = subprocess.Popen([sys.executable, "-m", *argv], stderr=log)

    def up(self) -> None:
        state = self.folder / "controller"
        if self.mtls:
            for command in (("init-ca",), *(("enrol", name) for name in self.names)):
                subprocess.run(
                    [sys.executable, "-m", "sdnctl.app", "--state-dir", state, *command],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
        self.start(
            "controller",
            *("sdnctl.app", "--state-dir", str(state), "--api", f"127.0.0.1:{API}"),
            *("--agents", f"127.0.0.1:{AGENTS}"),
        )
        for name in self.names:
            switch = self.lab.hypervisor()
            pki = ("--pki", str(state / "pki" / name)) if self.mtls else ()
            self.start(
                name,
                *("sdnctl_vrouter", "--name", name, "--controller", f"127.0.0.1:{AGENTS}"),
                *("--ovs-rundir", str(switch.rundir), "--datapath", "netdev"),
                *("--state-dir", str(self.folder / name), *pki),
            )

    @undisturbed()
    def down(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.lab.close()

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of the controller, of the first agent, and of its switch."""
        pids = {
            "controller": self.processes["controller"].pid,
            "agent": self.processes[self.names[0]].pid,
            "switch": self.lab.switches[0].pid("ovs-vswitchd"),
        }
        return {name: cpu_s(pid) for name, pid in pids.items() if pid}

    def rss_mib(self, name: str) -> float:
        """Memory of the controller or of an agent."""
        return rss_mib(self.processes[name].pid)


class Follower(asyncio.Protocol):
    """Reads the lines of ``convergence?follow``; keeps those of revisions that were asked for."""

    def __init__(self) -> None:
        self.buffer = b""
        self.seen: dict[int, Any] = {}
        self.waiting: dict[int, asyncio.Future[Any]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        head = b"GET /sdn/v1/convergence?follow HTTP/1.1\r\nHost: bench\r\n\r\n"
        cast("asyncio.Transport", transport).write(head)

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if line.startswith(b'{"revision"'):  # and not the frame of a chunk
                row = json.loads(line)
                revision = row["revision"]
                if revision in self.waiting:
                    self.waiting.pop(revision).set_result(row)
                else:
                    self.seen = {revision: row}

    async def complete(self, revision: int) -> Any:
        row = self.seen.get(revision)
        if row is None:
            future = self.waiting[revision] = asyncio.get_running_loop().create_future()
            row = await asyncio.wait_for(future, 10)
        return row


P = TypeVar("P", bound=asyncio.BaseProtocol)


async def connect(protocol: Callable[[], P]) -> P:
    loop = asyncio.get_running_loop()
    deadline = time.monotonic() + 30
    while True:
        try:
            _transport, client = await loop.create_connection(protocol, "127.0.0.1", API)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return client


def blocks(total: int) -> Iterator[int]:
    while total > 0:
        yield min(total, BULK)
        total -= BULK


async def create(client: Client, collection: str, **body: object) -> Any:
    kind = collection[:-1]
    api = "/v2.0" if kind in ("network", "subnet", "router", "port") else "/sdn/v1"
    answer = await client.json("POST", f"{api}/{collection}", {kind: body})
    return answer[kind]


async def make_network(client: Client, hosts: list[str], ports: int, number: int) -> str:
    # A tenant of its own, whose default security group has the network's ports as members.
    tenant = {"project_id": f"tenant{number}"}
    network = (await create(client, "networks", name=f"n{number}", **tenant))["id"]
    subnet = await create(
        client, "subnets", network_id=network, cidr=f"10.{number % 200}.0.0/16", ip_version=4
    )
    router = (await create(client, "routers", name=f"r{number}", **tenant))["id"]
    await client.json(
        "PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]}
    )
    made = 0
    for count in blocks(ports):
        rows = [
            {"network_id": network, "binding:host_id": hosts[(made + n) % len(hosts)]}
            for n in range(count)
        ]
        await client.json("POST", "/v2.0/ports", {"ports": rows})
        made += count
    return str(network)


async def fill(client: Client, house: House, ports: int) -> tuple[str, str]:
    """The cloud; returns a network over two hypervisors and one over all."""
    names = house.names
    for number, name in enumerate(names):
        await create(
            client, "hypervisors", id=name, vtep=f"192.0.2.{number + 1}", datapath_type="netdev"
        )
    made = [
        await make_network(client, hosts, count, number)
        for number, (hosts, count) in enumerate(layout(names, ports))
    ]
    return made[WIDE], made[0]


async def settled(client: Client) -> None:
    """Every agent has confirmed all that it was sent."""
    for _try in range(1200):
        agents = (await client.json("GET", "/sdn/v1/agents"))["agents"]
        if all(a["in_sync"] and a["programmed"] == a["sent"] for a in agents):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"not settled: {agents}")


STAGES = ("total", "commit", "stream", "switch", "back")


def revision_of(answer: bytes) -> int:
    """The store's revision that an answer is true of."""
    for line in answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n"):
        if line.startswith(b"x-sdnctl-revision:"):
            return int(line.partition(b":")[2])
    raise RuntimeError(f"no revision: {answer!r}")


async def one(
    client: Client, follower: Follower, network: str, expected: int, pause: float
) -> tuple[float, ...]:
    """Milliseconds: in all, then to the commit, to the last agent, to its switch, and back."""
    body = {"port": {"network_id": network, "binding:host_id": "h1"}}
    began = time.time_ns()
    answer = await client.send("POST", "/v2.0/ports", body)
    row = await follower.complete(revision_of(answer))
    if not row["complete"] or row["agents"] != expected:
        raise RuntimeError(f"{expected} agents were expected: {row}")
    await asyncio.sleep(pause)
    port = json.loads(answer.partition(b"\r\n\r\n")[2])["port"]["id"]
    answer = await client.send("DELETE", f"/v2.0/ports/{port}")
    await follower.complete(revision_of(answer))
    await asyncio.sleep(pause)
    last = row["last"]
    marks = (
        began,
        row["committed_ns"],
        last["received_ns"],
        last["switch_ns"],
        row["programmed_ns"],
    )
    stages = ((b - a) / 1e6 for a, b in itertools.pairwise(marks))
    return ((row["programmed_ns"] - began) / 1e6, *stages)


async def measure(house: House, options: argparse.Namespace) -> dict[str, Any]:
    client = await connect(Client)
    follower = await connect(Follower)
    began = time.monotonic()
    pair, wide = await fill(client, house, options.ports)
    filled = time.monotonic() - began
    for _try in range(300):
        if len((await client.json("GET", "/sdn/v1/agents"))["agents"]) == len(house.names):
            break
        await asyncio.sleep(0.1)
    await settled(client)
    synced = time.monotonic() - began
    result: dict[str, Any] = {}
    cases = (("two", pair, 2), ("all", wide, len(house.names)))
    before = house.cpu_s()
    for case, network, agents in cases:
        case_of = (client, follower, network, agents, options.pause)
        for _warm in range(20):
            await one(*case_of)
        rows = [await one(*case_of) for _n in range(options.posts)]
        result[case] = {
            "agents": agents,
            **spread([row[0] for row in rows]),
            "stages_ms": {
                stage: round(statistics.median(row[n] for row in rows), 2)
                for n, stage in enumerate(STAGES)
                if n
            },
        }
        print(json.dumps({case: result[case]}), flush=True)
    changes = 2 * len(cases) * (options.posts + 20)
    cpu = {name: seconds - before[name] for name, seconds in house.cpu_s().items()}
    flows = int(house.lab.switches[0].ofctl("dump-aggregate").split("flow_count=")[1].split()[0])
    return {
        "name": "latency",
        "parameters": {
            "ports": options.ports,
            "hypervisors": len(house.names),
            "posts": options.posts,
            "mtls": options.mtls,
            "pause_s": options.pause,
            "flows_on_first": flows,
            "filled_s": round(filled, 1),
            "synced_s": round(synced, 1),
        },
        "median_ms": result["all"]["median_ms"],
        "p99_ms": max(row["p99_ms"] for row in result.values()),
        "rate_per_s": None,
        "cpu_s": round(cpu["controller"], 2),
        "rss_mib": round(house.rss_mib("controller"), 1),
        "cpu_ms_per_change": {name: round(s * 1e3 / changes, 2) for name, s in cpu.items()},
        "agent_rss_mib": round(house.rss_mib(house.names[0]), 1),
        **result,
    }


def _by(ours: dict[str, Any], theirs: dict[str, Any], digits: int) -> dict[str, float]:
    """Medians, case by case."""
    pairs = {case: (ours[case], theirs[case]) for case in ("two", "all")}
    return {case: round(a["median_ms"] / b["median_ms"], digits) for case, (a, b) in pairs.items()}


def beside(ours: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """What OVN takes for the same, or why that is not known."""
    why = ovn.missing() if options.peer else "not asked for"
    theirs = None
    if why is None:
        limits = ovn.Limits(options.posts, options.peer_seconds, options.pause)
        try:
            theirs = ovn.bench(options.ports, options.hypervisors, limits)
        except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            # What was measured of our own is told all the same.
            traceback.print_exc()
            why = f"failed: {error!r}"
    ratio = _by(ours, theirs, 5) if theirs else None
    return {"ovn": theirs, "ovn_why": why, "ratio": ratio}


def stop(number: int, _frame: object) -> None:
    """Clean up then too, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, default=10_000)
    parser.add_argument("--hypervisors", type=int, default=10)
    parser.add_argument("--posts", type=int, default=300)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two changes")
    parser.add_argument("--bare", action="store_true", help="the parts alone too")
    parser.add_argument("--mtls", action="store_true", help="certificates on the agent stream")
    parser.add_argument(
        "--peer", action=argparse.BooleanOptionalAction, default=False, help="OVN too"
    )
    parser.add_argument("--peer-seconds", type=float, default=60.0, help="for each of its cases")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        house = House(folder, options.hypervisors, mtls=options.mtls)
        stack.callback(house.down)
        house.up()
        result = asyncio.run(measure(house, options))
    if options.bare:
        flows = result["parameters"]["flows_on_first"]
        floor = bare.bench(options.hypervisors, flows, options.posts, options.pause)
        result |= {"bare": floor, "over_bare": _by(result, floor, 2)}
    result |= beside(result, options)
    print(json.dumps(result))
    sys.exit(result["ovn_why"] is not None and result["ovn_why"].startswith("failed"))


if __name__ == "__main__":
    main()
