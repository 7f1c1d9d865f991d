"""Waiting for what another process does, with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait outside of the loop, for a daemon to start."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "a daemon does not start"
        time.sleep(0.02)


async def until(
    condition: Callable[[], Any], seconds: float = 15.0, what: str = "", pause: float = 0.05
) -> Any:
    """Wait for something true, and give it; look again after each ``pause`` (seconds)."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < limit, f"waited {seconds} s for {what or condition}"
        await asyncio.sleep(pause)


async def becomes(observe: Callable[[], Any], expected: Any, seconds: float = 15.0) -> None:
    """Wait until what is observed is what is expected."""
    with contextlib.suppress(AssertionError):
        await until(lambda: observe() == expected, seconds)
    seen = observe()
    assert seen == expected, f"{seen} instead of {expected}"
