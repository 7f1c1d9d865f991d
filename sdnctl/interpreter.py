"""Python itself, set up for processes that answer quickly and hold millions of objects for good.

Standard library only, so that controller, speaker and agent do alike.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)
"""Rounds of the collector over what is young are rare, and those over everything all but never."""

SWITCH_SECONDS: Final = 0.0001
"""A thread that waits for the interpreter has it after so long.

Python's own 5 ms suit threads that compute. Ours wait for the disk, and hold the interpreter for a
moment before and after: whoever asked for that would wait 5 ms for each such moment while the event
loop is busy; or the event loop for a thread that is.
"""


def settle() -> None:
    """What is there stays: a full round over it would stop everything for 100 ms and more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
