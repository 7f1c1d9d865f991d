"""Flows from an empty switch: the driver against ``ovs-ofctl --bundle add-flows``.

Both program the same flows on the same switch, in turn; figures are medians of ``--rounds``.
The driver starts from resources, ovs-ofctl from the text of the flows. The last line printed
is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sdnctl.delta import Change
from sdnctl.desired import Desired, Evi, FdbEntry, FibEntry, Neighbor, NextHop, Node, Vrf
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter.drivers.base import Failure
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from tests.netns.harness import Lab, Switch

NETWORKS = 50
HOSTS = 100
BOTH = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)


def resources(count: int) -> Iterator[Desired]:
    """``count`` entries: a third each of FDB, FIB and neighbours, IPv4 and IPv6 in turn."""
    yield Node("h", Ip.parse("192.0.2.1"), BOTH, 1500, Mac.parse("02:00:00:00:00:01"))
    yield Vrf(Vni(5000), Label(5000))
    for network in range(NETWORKS):
        yield Evi(Vni(100 + network), Label(100 + network), 1450, Vni(5000))
    for number in range(count):
        place = number // 3
        vni = Vni(100 + place % NETWORKS)
        mac = Mac(b"\xfa\x16" + place.to_bytes(4, "big"))
        six = place % 2
        base = int.from_bytes(Ip.parse("fd00::") if six else Ip.parse("10.0.0.0"), "big")
        ip = Ip.from_number(base + place, 6 if six else 4)
        vtep = Ip.from_number(int.from_bytes(Ip.parse("192.0.2.2"), "big") + place % HOSTS, 4)
        accepted = (BOTH[place % 2],)
        match number % 3:
            case 0:
                yield FdbEntry(vni, mac, NextHop(vtep, Label(100), vni, accepted))
            case 1:
                router_mac = Mac(b"\x02\0" + vtep)
                hop = NextHop(vtep, Label(5000), Vni(5000), accepted, router_mac)
                yield FibEntry(Vni(5000), Prefix.host(ip), (hop,))
            case _:
                yield Neighbor(vni, ip, mac)


class Driver:
    """A driver in this process."""

    def __init__(self, switch: Switch) -> None:
        self._driver = OvsDriver(str(switch.rundir), datapath_type="netdev")

    async def start(self) -> None:
        await self._driver.start(lambda _: None, lambda _: None)
        self._driver.in_sync()

    async def stop(self) -> None:
        await self._driver.stop()

    async def apply(self, changes: list[Change[str, Desired]]) -> float:
        """Seconds from the call to done."""
        future: asyncio.Future[list[Failure]] = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self._driver.apply(changes, lambda failures: future.set_result(list(failures)))
        failures = await future
        took = time.perf_counter() - start
        if failures:
            raise AssertionError(failures[:3])
        return took


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def bench(lab: Lab, count: int, rounds: int) -> dict[str, object]:
    switch = lab.hypervisor()
    entries = list(resources(count))
    up: list[Change[str, Desired]] = [Change(r.key, None, r) for r in entries]
    down: list[Change[str, Desired]] = [Change(r.key, r, None) for r in entries[1:]]
    text = lab.folder / "flows"
    gc.collect()
    gc.freeze()  # as the agent does once it runs
    gc.set_threshold(50_000, 20, 100)
    target = f"unix:{switch.rundir}/br-int.mgmt"
    pid = switch.pid("ovs-vswitchd")
    assert pid is not None
    ours: list[float] = []
    theirs: list[float] = []
    agent_cpu: list[float] = []
    switch_cpu: list[float] = []
    flows = 0
    for _ in range(rounds):
        driver = Driver(switch)
        await driver.start()
        await driver.apply(up[:1])
        before, switch_before = cpu(), cpu_of(pid)
        ours.append(await driver.apply(up[1:]))
        agent_cpu.append(cpu() - before)
        switch_cpu.append(cpu_of(pid) - switch_before)
        if not flows:
            dump = switch.ofctl("dump-flows", "--no-stats")
            lines = [line.strip() for line in dump.splitlines() if "cookie=0x5d4e" in line]
            text.write_text("\n".join(lines) + "\n")
            flows = len(lines)
        await driver.apply(down)
        await driver.stop()
        switch.ofctl("del-flows")
        command = ["ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", target, str(text)]
        start = time.perf_counter()
        subprocess.run(command, check=True, timeout=120)
        theirs.append(time.perf_counter() - start)
        switch.ofctl("del-flows")
    median, peer = statistics.median(ours), statistics.median(theirs)
    return {
        "name": "flows",
        "parameters": {"flows": flows, "rounds": rounds},
        "median_ms": round(median * 1000, 1),
        "rate_per_s": round(flows / median),
        "cpu_s": round(statistics.median(agent_cpu), 3),
        "switch_cpu_s": round(statistics.median(switch_cpu), 3),
        "peer": "ovs-ofctl --bundle add-flows",
        "peer_median_ms": round(peer * 1000, 1),
        "peer_rate_per_s": round(flows / peer),
        "ratio": round(median / peer, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lab = Lab()
    try:
        result = asyncio.run(bench(lab, options.entries, options.rounds))
    finally:
        lab.close()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
