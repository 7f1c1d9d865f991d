"""What security groups cost: a member that joins, many rules, and packets.

``join``: a port joins a group of 1,000 members that every rule of its group refers to, on 10
hypervisors; changes and octets on the streams, CPU time of graph and delivery, and of one agent's
model. ``rules``: rules on one hypervisor: flows, memory, time. ``traffic``: one TCP stream, and
connections one after the other, between two guests of one switch, with port security and groups
on and off. The last line printed is one JSON object.

    python -m tests.bench.bench_security [--members 1000] [--rules 10000] [--seconds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.desired import Desired, LocalPort, RemoteAddresses, SecurityRule
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import SECURITY_GROUP, SECURITY_GROUP_RULE
from sdnctl.intent import SecurityGroup, SecurityGroupRule
from sdnctl.types import Ip, Prefix, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from sdnctl.wire import read_downstream
from sdnctl_vrouter.drivers.ovs.model import Model
from tests.bench.worlds import Write, cloud, guest
from tests.netns.agents import Agent
from tests.netns.harness import Guest, Lab, Switch
from tests.netns.world import Cloud, Place, node

HYPERVISORS = 10
JOINS = 200


# ---- a port joins a remote group


def policy() -> list[Write]:
    """A group like a default one, with ten more rules that refer to its own members."""
    writes: list[Write] = [(SECURITY_GROUP, "g", SecurityGroup(id="g", name="g"))]
    for number in range(10):
        rule = SecurityGroupRule(
            id=f"r{number}",
            security_group_id="g",
            direction="ingress",
            protocol=6,
            port_range_min=80 + number,
            port_range_max=80 + number,
            remote_group_id="g",
        )
        writes.append((SECURITY_GROUP_RULE, rule.id, rule))
    return writes


def member(number: int, members: int, groups: tuple[str, ...]) -> Write:
    relation, key, port = guest(number, members, HYPERVISORS)
    return relation, key, msgspec.structs.replace(port, security_groups=groups)


def joins(members: int, groups: tuple[str, ...]) -> dict[str, Any]:
    """What the controller sends and spends for one more port; half of the changes are its end."""
    engine = make_engine(64512)
    delivery = Delivery(1, Observed())
    writes = [w for w in cloud(members, HYPERVISORS) if not w[1].startswith("p")]
    writes += [member(number, members, groups) for number in range(members)]
    delivery.commit(0, engine.commit([*policy(), *writes]), 0)
    for number in range(HYPERVISORS):
        host = f"h{number}"
        for _ in delivery.attach(host, pb.Hello(), 0.0):
            pass
        acknowledge(delivery, host)
    times, messages, octets, changes = [], 0, 0, 0
    for number in range(JOINS):
        relation, key, row = member(members + number, members, groups)
        for version in (row, None):
            start = time.process_time_ns()
            out = delivery.commit(number + 1, engine.commit([(relation, key, version)]), 0)
            times.append((time.process_time_ns() - start) / 1e6)
            messages += len(out)
            octets += sum(len(data) for _host, data in out)
            for _host, data in out:
                for delta in read_downstream(data).groups:
                    if delta.group.startswith("remote/"):
                        changes += len(delta.upserts) + len(delta.removals)
            for host, _data in out:
                acknowledge(delivery, host)
    count = 2 * JOINS
    return {
        "median_ms": round(statistics.median(times), 3),
        "messages": round(messages / count, 2),
        "octets": round(octets / count),
        "remote_changes": round(changes / count, 2),
    }


def acknowledge(delivery: Delivery, host: str) -> None:
    session = delivery.sessions[host]
    while session.programmed < session.sent:
        ack = pb.Upstream(ack=pb.Ack(received=session.sent, programmed=session.sent))
        delivery.received(session, ack, 0.0, 0)


def member_at_agent(members: int) -> dict[str, Any]:
    """Flows and CPU time of one agent's model for one more member."""
    model = Model()
    for number in range(10):
        rule = SecurityRule("g", f"r{number}", True, 4, 6, 80 + number, 80 + number, None, "g")
        model.put(rule.key, rule)
    port = LocalPort("p", Vni(5), Vni(0), node_mac(), (), security_groups=("g",))
    model.set_vif("p", 1)
    model.put(port.key, port)
    for number in range(members):
        row = remote(number)
        model.put(row.key, row)
    for _ in model.flush():
        pass
    times, flows = [], 0
    for number in range(JOINS):
        row = remote(members + number)
        start = time.process_time_ns()
        model.put(row.key, row)
        flows += sum(len(difference.flows) for difference in model.flush())
        times.append((time.process_time_ns() - start) / 1e6)
    return {"median_ms": round(statistics.median(times), 4), "flows": flows / JOINS}


def node_mac() -> Any:
    return guest(0, 20, 1)[2].mac


def remote(number: int) -> RemoteAddresses:
    prefix = Prefix.host(Ip.from_number(0x0A000000 + number, 4))
    return RemoteAddresses("g", f"m{number}", (prefix,))


# ---- many rules


def memory(pid: int | str) -> float:
    """Resident MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 / (1 << 20)


async def many_rules(lab: Lab, rules: int) -> dict[str, Any]:
    """A hundred groups on a hundred ports, rules of one port or a small range each."""
    switch = lab.hypervisor()
    pid = switch.pid("ovs-vswitchd")
    assert pid is not None
    agent = await Agent(switch).start()
    await agent.put(node([switch], 0))
    for number in range(100):
        switch.vsctl(
            *("add-port", "br-int", f"q{number}", "--", "set", "Interface", f"q{number}"),
            *("type=internal", f"external_ids:iface-id=q{number}"),
        )
    ports: list[Desired] = [
        LocalPort(
            f"q{number}",
            Vni(5),
            Vni(0),
            guest(number, 2000, 1)[2].mac,
            (Ip.from_number(0x0A000001 + number, 4),),
            security_groups=(f"g{number}",),
        )
        for number in range(100)
    ]
    await agent.put(*ports)
    await agent.up(*(f"q{number}" for number in range(100)))
    before, ours = memory(pid), memory("self")
    flows = dump(switch)
    fresh = [
        SecurityRule(
            f"g{number % 100}", f"r{number}", True, 4, 6, 1000 + number, 1000 + number + number % 2
        )
        for number in range(rules)
    ]
    start = time.perf_counter()
    await agent.put(*fresh)
    took = time.perf_counter() - start
    one = SecurityRule("g1", "one", True, 4, 17, 53, 53)
    singles = []
    for _ in range(50):
        start = time.perf_counter()
        await agent.put(one)
        singles.append((time.perf_counter() - start) * 1000)
        await agent.drop([one.key])
    result = {
        "rules": rules,
        "flows": dump(switch) - flows,
        "seconds": round(took, 3),
        "one_more_ms": round(statistics.median(singles), 2),
        "switch_mib": round(memory(pid) - before, 1),
        "agent_mib": round(memory("self") - ours, 1),
    }
    await agent.stop()
    return result


def dump(switch: Switch) -> int:
    return switch.ofctl("dump-flows", "--no-stats").count("cookie=0x5d4e")


# ---- packets

SINK = """
import socket
server = socket.create_server(("", 7000), backlog=128)
print("ready", flush=True)
while True:
    talk, _ = server.accept()
    while talk.recv(1 << 16):
        pass
    talk.close()
"""

STREAM = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], 7000))
end, sent, block = time.monotonic() + float(sys.argv[2]), 0, bytes(1 << 16)
start = time.monotonic()
while time.monotonic() < end:
    talk.sendall(block)
    sent += len(block)
print(sent * 8 / (time.monotonic() - start) / 1e6)
"""

CONNECTIONS = """
import socket, sys, time
end, count = time.monotonic() + float(sys.argv[2]), 0
start = time.monotonic()
while time.monotonic() < end:
    socket.create_connection((sys.argv[1], 7000)).close()
    count += 1
print(count / (time.monotonic() - start))
"""


def measured(source: Guest, program: str, address: str, seconds: float) -> float:
    return float(source.run(sys.executable, "-c", program, address, str(seconds)))


async def traffic(lab: Lab, seconds: float, rounds: int) -> dict[str, Any]:
    """In turn with groups and without, on the same switch; medians."""
    made = Cloud(lab, 1)
    await made.start()
    places = (Place(0, 0, 1), Place(0, 0, 2))
    tenant = made.tenant(*places)
    await made.program()
    agent = made.agents[0]
    one, two = (made.guests[0, place] for place in places)
    address = str(tenant.addresses(places[1])[0])
    server = two.popen(sys.executable, "-c", SINK)
    found: dict[bool, dict[str, list[float]]] = {
        on: {"mbit_per_s": [], "connections_per_s": []} for on in (True, False)
    }
    try:
        assert server.stdout is not None
        server.stdout.readline()
        for _ in range(rounds):
            for on in (True, False):
                ports = [
                    msgspec.structs.replace(tenant.port(place), security=on) for place in places
                ]
                await agent.put(*ports)
                await agent.settle()
                for name, program in (("mbit_per_s", STREAM), ("connections_per_s", CONNECTIONS)):
                    rate = await asyncio.to_thread(measured, one, program, address, seconds)
                    found[on][name].append(rate)
    finally:
        server.kill()
        server.communicate()
        await made.close()
    shown = {
        name: {n: round(statistics.median(rates)) for n, rates in found[on].items()}
        for name, on in (("on", True), ("off", False))
    }
    return {**shown, "rounds": rounds, "seconds": seconds}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    result: dict[str, Any] = {
        "name": "security",
        "parameters": vars(options),
        "join": joins(options.members, ("g",)),
        "join_without_groups": joins(options.members, ()),
        "join_at_agent": member_at_agent(options.members),
    }
    lab = Lab()
    try:
        result["rules"] = asyncio.run(many_rules(lab, options.rules))
    finally:
        lab.close()
    lab = Lab()
    try:
        result["traffic"] = asyncio.run(traffic(lab, options.seconds, options.rounds))
    finally:
        lab.close()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
