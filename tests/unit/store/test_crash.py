"""Killed at any moment, the store has everything that it said it had."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdnctl.intent import Port, Subnet
from sdnctl.store import Store

WRITER = """
import asyncio, sys
from pathlib import Path
from sdnctl.intent import Subnet
from sdnctl.store import Store
from tests.unit.store.rows import add_network, add_port, add_subnet

async def client(store, subnet):
    while True:
        port = await store.transact(lambda tx: add_port(tx, subnet))
        sys.stdout.write(f"{port.id} {port.fixed_ips[0].ip}\\n")
        sys.stdout.flush()

async def main():
    store = await Store.open(Path(sys.argv[1]))
    subnet = next(iter(store.rows(Subnet)), None)
    if subnet is None:
        await store.transact(lambda tx: add_network(tx, "n"))
        subnet = await store.transact(
            lambda tx: add_subnet(tx, "n", "10.0.0.0/16", "10.0.0.2", "10.0.255.254"))
    await asyncio.gather(*(client(store, subnet) for _ in range(8)))

asyncio.run(main())
"""


def killed_after(seconds: float, path: Path) -> dict[str, str]:
    """The address of each port that a writer acknowledged before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
    return dict(line.split() for line in lines if line.endswith("\n"))


@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.3])
async def test_kill_nine_loses_nothing_acknowledged(tmp_path: Path, seconds: float) -> None:
    acknowledged: dict[str, str] = {}
    for _ in range(2):
        acknowledged |= killed_after(seconds, tmp_path / "db")
        store = await Store.open(tmp_path / "db")
        kept = {port.id: str(port.fixed_ips[0].ip) for port in store.rows(Port)}
        assert kept.items() >= acknowledged.items()
        assert len(set(kept.values())) == len(kept)
        replayed = {
            change.key for commit in await store.changes_since(0) for change in commit.changes
        }
        assert replayed >= {("port", port_id) for port_id in acknowledged}
        assert len(store.rows(Subnet)) == 1
        await store.close()
    assert acknowledged
