"""What the API costs: durable creates from 1 and from 16 clients, bulks, lists, pages, memory.

The server runs in a process of its own, as it would; the load comes over kept-alive TCP
connections that write each request at once and parse no more of an answer than its length.
Beside it, in ``bare_commit``, what the disk allows: SQLite's own commits in the same place.
The last line is one JSON object; ``cpu_s`` and ``rss_mib`` are the server's.

    python -m tests.bench.bench_api [--creates 4000] [--rows 100000] [--directory DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.server import running

LISTED = 1000
LONG = 10_000
PAGES = {
    "by_name": "name=n777",
    "by_address": "fixed_ips=ip_address%3D10.2.0.9",
    "page": "limit=100",
    "page_after_marker": "limit=100&marker={id}",
    "page_by_name": "limit=100&sort_key=name",
    "page_of_status": "limit=100&status=DOWN",
    "by_absent_tag": "tags=none",
}
NEUTRON: dict[str, Any] = {
    "create_per_s": "10 to 16",
    "bulk_of_100": "no faster",
    "list_1000_ms": 650,
    "rss_mib": 205,
}
"""Neutron 29 with ML2/Open vSwitch and MariaDB on a machine like this one, a worker."""


class Client(asyncio.BufferedProtocol):
    """One kept-alive connection, one request at a time.

    Answers are received where they stay: a client that copies a megabyte about as it comes takes
    half as long for that as the server for making it.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = memoryview(bytearray(1 << 18))
        self.answer: asyncio.Future[bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        self.size = 0
        self.length: int | None = None
        """Octets of the answer, head included; 0 where its chunks say when it ends."""

    def get_buffer(self, _sizehint: int) -> memoryview:
        needed = max(self.length or 0, self.size + (1 << 16))
        if needed > len(self.buffer):
            larger = memoryview(bytearray(max(needed, 2 * len(self.buffer))))
            larger[: self.size] = self.buffer[: self.size]
            self.buffer = larger
        return self.buffer[self.size :]

    def buffer_updated(self, nbytes: int) -> None:
        self.size += nbytes
        if self.length is None:
            self.length = self._length()
        if self.length == 0:
            # The last chunk is empty (RFC 9112 section 7.1); JSON holds no line like it.
            end = bytes(self.buffer[max(self.size - 7, 0) : self.size])
            complete = end == b"\r\n0\r\n\r\n"
        else:
            complete = self.length is not None and self.size >= self.length
        if complete and self.answer is not None:
            answer = bytes(self.buffer[: self.size])
            self._begin()
            self.answer.set_result(answer)

    def _length(self) -> int | None:
        head, found, _body = bytes(self.buffer[: self.size]).partition(b"\r\n\r\n")
        if not found:
            return None
        head = head.lower()
        if b"transfer-encoding: chunked" in head:
            return 0
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return len(head) + 4 + length

    async def send(self, method: str, path: str, body: object = None) -> bytes:
        payload = b"" if body is None else json.dumps(body).encode()
        self.answer = asyncio.get_running_loop().create_future()
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(payload)}\r\n\r\n"
        self.transport.write(head.encode() + payload)
        return await self.answer

    async def json(self, method: str, path: str, body: object = None) -> Any:
        return json.loads((await self.send(method, path, body)).split(b"\r\n\r\n", 1)[1])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def figures(samples: list[float], elapsed: float, made: int) -> dict[str, float]:
    ordered = sorted(samples)
    return {
        "median_ms": round(statistics.median(ordered) * 1e3, 3),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1e3, 3),
        "rate_per_s": round(made / elapsed, 1),
    }


async def creates(clients: list[Client], network_id: str, count: int) -> dict[str, float]:
    samples: list[float] = []
    body = {"port": {"network_id": network_id, "binding:host_id": "cn1", "device_id": "vm"}}

    async def run(client: Client, share: int) -> None:
        for _ in range(share):
            begun = time.perf_counter()
            answer = await client.send("POST", "/v2.0/ports", body)
            samples.append(time.perf_counter() - begun)
            assert answer.startswith(b"HTTP/1.1 201"), answer

    begun = time.perf_counter()
    await asyncio.gather(*(run(client, count // len(clients)) for client in clients))
    return figures(samples, time.perf_counter() - begun, len(samples))


async def repeated(
    client: Client, times: int, each: int, method: str, path: str, body: object = None
) -> dict[str, float]:
    samples = []
    for _ in range(times):
        begun = time.perf_counter()
        answer = await client.send(method, path, body)
        samples.append(time.perf_counter() - begun)
        assert answer[9:10] == b"2", answer[:200]
    return figures(samples, sum(samples), times * each)


async def beside(client: Client, path: str, busy: Client, long_path: str) -> dict[str, float]:
    """What one client waits for short answers while another is given a long one."""
    long = asyncio.create_task(busy.send("GET", long_path))
    samples = []
    begun = time.perf_counter()
    while not long.done():
        asked = time.perf_counter()
        await client.send("GET", path)
        samples.append(time.perf_counter() - asked)
    found = figures(samples, time.perf_counter() - begun, len(samples))
    return found | {"max_ms": round(max(samples) * 1e3, 3)}


async def network(client: Client, cidr: str) -> str:
    made = await client.json("POST", "/v2.0/networks", {"network": {}})
    id_: str = made["network"]["id"]
    await client.json(
        "POST", "/v2.0/subnets", {"subnet": {"network_id": id_, "cidr": cidr, "ip_version": 4}}
    )
    return id_


async def at_many(client: Client, pid: int, rows: int) -> dict[str, Any]:
    """What lists cost beside many rows that they do not return, and what those take."""
    made = (await client.json("GET", "/sdn/v1/status"))["status"]["rows"]["port"]
    for number in range(3, 3 + (rows - made) // LONG):
        id_ = await network(client, f"10.{number}.0.0/16")
        for block in range(LONG // LISTED):
            names = (f"n{made + block * LISTED + one}" for one in range(LISTED))
            bodies = [{"network_id": id_, "name": name, "device_id": name} for name in names]
            await client.send("POST", "/v2.0/ports", {"ports": bodies})
        made += LONG
    one = (await client.json("GET", "/v2.0/ports?limit=1"))["ports"][0]["id"]
    found: dict[str, Any] = {"rss_mib_at_many": round(rss_mib(pid), 1)}
    for name, text in PAGES.items():
        path = f"/v2.0/ports?{text.format(id=one)}"
        await client.send("GET", path)  # which makes the order, the first time
        found[name] = await repeated(client, 20, 1, "GET", path)
    return found


async def measure(port: int, pid: int, count: int, rows: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(16)]
    first = clients[0]
    await first.json(
        "POST", "/sdn/v1/hypervisors", {"hypervisor": {"id": "cn1", "vtep": "192.0.2.1"}}
    )
    listed = await network(first, "10.1.0.0/16")
    big = await network(first, "10.2.0.0/16")
    bulk = [{"network_id": listed, "binding:host_id": "cn1"}] * LISTED
    await first.send("POST", "/v2.0/ports", {"ports": bulk})
    await creates(clients, big, 160)  # warm
    results: dict[str, Any] = {}
    begun = cpu_s(pid)
    results["create_1_client"] = await creates(clients[:1], big, count // 2)
    before = cpu_s(pid)
    results["create_16_clients"] = await creates(clients, big, count)
    results["create_16_clients"]["cpu_ms"] = round((cpu_s(pid) - before) / count * 1e3, 3)
    results["bulk_of_100"] = await repeated(
        first, 20, 100, "POST", "/v2.0/ports", {"ports": [{"network_id": big}] * 100}
    )
    before = cpu_s(pid)
    results["list_1000"] = await repeated(
        first, 100, LISTED, "GET", f"/v2.0/ports?network_id={listed}"
    )
    results["list_1000"]["cpu_ms"] = round((cpu_s(pid) - before) / 100 * 1e3, 2)
    shown = (await first.json("GET", f"/v2.0/ports?network_id={listed}&limit=1"))["ports"][0]["id"]
    everything = "/v2.0/ports"
    for _ in range(9):
        await first.send("POST", everything, {"ports": [{"network_id": big}] * LISTED})
    results["list_10000"] = await repeated(first, 3, LONG, "GET", f"{everything}?limit={LONG}")
    results["show_beside_list_10000"] = await beside(
        clients[1], f"{everything}/{shown}", first, f"{everything}?network_id={big}"
    )
    results["show"] = await repeated(first, 500, 1, "GET", f"/v2.0/ports/{shown}")
    results["cpu_s"] = round(cpu_s(pid) - begun, 2)
    results["rss_mib"] = round(rss_mib(pid), 1)
    results |= await at_many(first, pid, rows)
    results["rows"] = (await first.json("GET", "/sdn/v1/status"))["status"]["rows"]["port"]
    return results


def bare(directory: Path, count: int) -> dict[str, float]:
    """Commits of one row by SQLite alone in the same place, with the same promises: the limit
    of what one client can have made durable."""
    db = sqlite3.connect(directory / "bare", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, value BLOB)")
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        db.execute("INSERT INTO rows (value) VALUES (?)", (bytes(1000),))
        times.append(time.perf_counter() - begin)
    db.close()
    return {
        "median_ms": round(statistics.median(times) * 1e3, 3),
        "rate_per_s": round(count / sum(times), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=100_000, help="ports in the end")
    parser.add_argument("--directory", type=Path, help="where the database goes; default: /tmp")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.directory) as directory,
        running(Path(directory) / "db") as server,
    ):
        results = uvloop.run(measure(server.port, server.pid, arguments.creates, arguments.rows))
        results["bare_commit"] = bare(Path(directory), arguments.creates // 2)
    for name, value in results.items():
        print(f"{name}: {value}", file=sys.stderr)
    head = results["create_16_clients"]
    summary = {
        "name": "api",
        "parameters": {"creates": arguments.creates, "clients": 16, "listed": LISTED},
        "median_ms": head["median_ms"],
        "p99_ms": head["p99_ms"],
        "rate_per_s": head["rate_per_s"],
        **results,
        "neutron": NEUTRON,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
