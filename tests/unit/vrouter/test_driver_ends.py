"""A driver whose loop broke must not live on as an agent that programs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

BROKEN = """
import asyncio
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver

async def main():
    driver = OvsDriver("/nonexistent")

    async def broken():
        raise RuntimeError("a defect")

    driver._run = broken
    await driver.start(lambda status: None, lambda failure: None)
    await asyncio.sleep(10)

asyncio.run(main())
"""


def test_the_process_ends_with_its_driver() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGABRT
    assert "a defect" in done.stderr
