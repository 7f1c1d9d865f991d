"""Python's garbage collector, set up for processes that hold millions of objects for good.

Standard library only, so that controller, speaker and agent do alike.
"""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)
"""Rounds over what is young are rare, and those over everything all but never."""


def settle() -> None:
    """What is there stays: a full round over it would stop everything for 100 ms and more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
