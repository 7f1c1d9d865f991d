"""What both sockets need of asyncio."""

from __future__ import annotations

import asyncio
from typing import Final

PATIENCE: Final = 1.0
"""Seconds for what is still unsent, when the other side may not be reading."""


async def hang_up(transport: asyncio.Transport, lost: asyncio.Future[None]) -> None:
    """Close, and wait until the protocol was told."""
    transport.close()
    await asyncio.wait((lost,), timeout=PATIENCE)
    if not lost.done():
        transport.abort()
        await lost
