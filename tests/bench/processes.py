"""What processes took, how times spread, and an end that is not cut short."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
from collections.abc import Iterator
from pathlib import Path


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Its memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def spread(times_ms: list[float]) -> dict[str, float]:
    """Median and tail; of fewer than a hundred, the 99th percentile is the longest."""
    ordered = sorted(times_ms)
    return {
        "median_ms": round(statistics.median(ordered), 2),
        "p90_ms": round(ordered[int(len(ordered) * 0.9)], 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
    }


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """For cleaning up: a signal to end takes effect afterwards."""
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
