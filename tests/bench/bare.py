"""What the parts take with nothing between them: the floor under ``bench_latency``.

uvicorn takes a request, SQLite commits a row durably, grpc.aio carries a message to each agent,
which sends its switch a bundle of three flows and says so when it is in force. The octets are those
of a port in a network that others are in, on as many switches with as many flows. Nothing is
validated, allocated, computed, compared or remembered, and there is no other way that our
dependencies leave us: what is above this floor is ours, what is below it is theirs.

``bench`` is for ``bench_latency --bare``; a controller and an agent are processes of this module.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import grpc
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sdnctl import interpreter, wire
from sdnctl.desired import FdbEntry, FibEntry, Neighbor, NextHop
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.flows import Flow
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, fib_priority
from sdnctl_vrouter.drivers.ovs.translation import netmask, with_actions
from sdnctl_vrouter.platform.openflow import (
    FLOW_MOD,
    Connection,
    Message,
    Outcome,
    delete_by_cookie,
)
from tests.bench.bench_api import Client
from tests.bench.processes import cpu_s, spread, undisturbed
from tests.netns.harness import Lab

API: Final = 19698
AGENTS: Final = 19699
WARM: Final = 20
"""Changes of each case that are not counted."""

METHOD: Final = "/sdnctl.bench.Bare/Attach"
EVI, VRF = Vni(5000), Vni(5001)
VTEP, ROUTER_MAC = Ip.parse("192.0.2.1"), Mac(b"\x02\0\xc0\0\2\1")


def _address(number: int) -> Ip:
    return Ip(bytes((10,)) + number.to_bytes(3, "big"))


def _mac(number: int) -> Mac:
    return Mac(b"\xfa\x16\x3e" + number.to_bytes(3, "big"))


def _message(number: int, *, removed: bool) -> bytes:
    """A port's address, MAC and host route, as an agent elsewhere is told of them."""
    hop = NextHop(VTEP, Label(100), EVI, (Encapsulation.VXLAN, Encapsulation.MPLS_GRE))
    routed = hop._replace(vni=VRF, router_mac=ROUTER_MAC)
    ip, mac = _address(number), _mac(number)
    groups = {
        f"evi/{EVI}": (Neighbor(EVI, ip, mac), FdbEntry(EVI, mac, hop)),
        f"vrf/{VRF}": (FibEntry(VRF, Prefix.host(ip), (routed,)),),
    }
    deltas = [
        wire.group_delta(
            *(name, number),
            [] if removed else [wire.encode(row) for row in rows],
            [row.key for row in rows] if removed else [],
        )
        for name, rows in groups.items()
    ]
    return wire.downstream(deltas, number, number)


def _flows(number: int) -> list[Flow]:
    """What such a port is to a switch elsewhere."""
    ip, mac = _address(number), _mac(number)
    priority = fib_priority(32, Preference.REMOTE)
    bridged = t.via_vxlan_4(VTEP, EVI)
    routed = t.dec_ttl() + t.routed_vxlan_4(ROUTER_MAC, VTEP, VRF)
    bodies = (
        t.neighbor_4(EVI, ip, mac),
        with_actions(t.l2_remote(EVI, mac), bridged),
        with_actions(t.fib_remote_4(priority, VRF, ip, netmask(32, ip.bits)), routed),
    )
    return [Flow.of(body) for body in bodies]


class Controller:
    """Commits, tells and waits."""

    def __init__(self, database: Path) -> None:
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE change (id INTEGER PRIMARY KEY, body BLOB)")
        self._contexts: list[Any] = []
        self._writes: set[asyncio.Task[None]] = set()
        self._missing = 0
        self._done: asyncio.Future[int] | None = None

    async def attached(self, _request: Request) -> JSONResponse:
        """How many agents there are."""
        return JSONResponse(len(self._contexts))

    async def change(self, request: Request) -> JSONResponse:
        """The port of a number, on so many agents; answers when all have it."""
        body = await request.body()
        wish = json.loads(body)
        self._db.execute("INSERT INTO change (body) VALUES (?)", (body,))
        data = _message(wish["number"], removed=wish["removed"])
        loop = asyncio.get_running_loop()
        self._missing = wish["agents"]
        self._done = loop.create_future()
        for context in self._contexts[: wish["agents"]]:
            task = loop.create_task(context.write(data))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)
        return JSONResponse({"programmed_ns": await self._done})

    async def attach(self, requests: Any, context: Any) -> None:
        """A stream, until it ends."""
        self._contexts.append(context)
        async for data in requests:
            wire.read_upstream(data)
            self._missing -= 1
            if not self._missing and self._done is not None:
                self._done.set_result(time.time_ns())

    async def run(self) -> None:
        """Serve for ever."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handler = grpc.stream_stream_rpc_method_handler(self.attach)
        service, _slash, method = METHOD.removeprefix("/").partition("/")
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        server.add_insecure_port(f"127.0.0.1:{AGENTS}")
        await server.start()
        routes = [
            Route("/agents", self.attached),
            Route("/change", self.change, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            *("127.0.0.1", API),
            http="httptools",
            log_level="error",
            access_log=False,
            lifespan="off",
        )
        interpreter.settle()
        await uvicorn.Server(config).serve()


def _demand(outcome: Outcome) -> None:
    """What a switch refuses costs it nothing, and is no floor."""
    if not outcome.committed or outcome.refused:
        sys.exit(f"a switch refused its flows: {outcome}")


async def agent(management: str, held: int) -> None:
    """One agent, whose switch holds so many flows already."""
    switch = await Connection.open(management)
    numbers = range(1 << 23, (1 << 23) + held // 3)
    messages = [(FLOW_MOD, flow.message) for number in numbers for flow in _flows(number)]
    _demand(await switch.bundle([messages]))
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{AGENTS}")
    call = channel.stream_stream(METHOD)(wait_for_ready=True)
    writes: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    def programmed(nonce: int, outcome: Outcome) -> None:
        _demand(outcome)
        data = pb.Upstream(ack=pb.Ack(received=nonce, programmed=nonce)).SerializeToString()
        task = loop.create_task(call.write(data))
        writes.add(task)
        task.add_done_callback(writes.discard)

    interpreter.settle()
    async for data in call:
        message = wire.read_downstream(data)
        flows = _flows(message.nonce)
        bundle: list[Message] = (
            [delete_by_cookie(flow.cookie) for flow in flows]
            if message.groups[0].removals
            else [(FLOW_MOD, flow.message) for flow in flows]
        )
        switch.bundle([bundle], functools.partial(programmed, message.nonce))


async def _case(client: Client, agents: int, posts: int, pause: float) -> dict[str, Any]:
    times = []
    for number in range(WARM + posts):
        for removed in (False, True):
            began = time.time_ns()
            wish = {"number": number, "removed": removed, "agents": agents}
            async with asyncio.timeout(10):  # for agents that are no more
                answer = await client.json("POST", "/change", wish)
            if not removed and number >= WARM:
                times.append((answer["programmed_ns"] - began) / 1e6)
            await asyncio.sleep(pause)
    return {"agents": agents, **spread(times)}


async def _measure(controller: int, agents: int, posts: int, pause: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while True:
            try:
                _transport, client = await loop.create_connection(Client, "127.0.0.1", API)
                break
            except OSError:
                await asyncio.sleep(0.1)
        while await client.json("GET", "/agents") != agents:
            await asyncio.sleep(0.1)
    before = cpu_s(controller)
    cases = {
        "two": await _case(client, 2, posts, pause),
        "all": await _case(client, agents, posts, pause),
    }
    changes = 2 * len(cases) * (posts + WARM)
    return {"controller_ms": round((cpu_s(controller) - before) * 1e3 / changes, 2), **cases}


def bench(hypervisors: int, flows: int, posts: int, pause: float) -> dict[str, Any]:
    """The whole of it; nothing is left, whatever happens."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*argv: str) -> int:
        process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare", *argv])
        processes.append(process)
        return process.pid

    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        lab = Lab(quiet=True)
        try:
            controller = start("controller", f"{folder}/db")
            for _number in range(hypervisors):
                switch = lab.hypervisor()
                bridge = ("br-int", "--", "set", "Bridge", "br-int")
                switch.vsctl("add-br", *bridge, "datapath_type=netdev", "protocols=OpenFlow14")
                start("agent", f"{switch.rundir}/br-int.mgmt", str(flows))
            result = uvloop.run(_measure(controller, hypervisors, posts, pause))
            held = lab.switches[0].ofctl("dump-aggregate").split("flow_count=")[1].split()[0]
            return {"flows_on_first": int(held), **result}
        finally:
            with undisturbed():
                for process in reversed(processes):  # the controller last, or they complain
                    process.kill()
                    process.wait()
                lab.close()


def main() -> None:
    """A controller, or an agent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("controller").add_argument("database", type=Path)
    other = parts.add_parser("agent")
    other.add_argument("management")
    other.add_argument("flows", type=int)
    options = parser.parse_args()
    if options.part == "controller":
        uvloop.run(Controller(options.database).run())
    else:
        uvloop.run(agent(options.management, options.flows))


if __name__ == "__main__":
    main()
