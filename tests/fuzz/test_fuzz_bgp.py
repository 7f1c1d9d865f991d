"""Some seconds of ``make fuzz-bgp``."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.fuzz_bgp import fuzz
from tests.fuzz.mutations import Mutator

SECONDS = 5
SEED = 7606


async def test_broken_updates_harm_nobody(tmp_path: Path) -> None:
    done = await fuzz(tmp_path, SECONDS, SEED)
    assert done["updates_within_attributes"] >= 100
    assert done["updates_broken_anywhere"] >= 2
    assert done["rss_mib"] - done["rss_mib_before"] < 50


def test_a_seed_says_what_is_sent() -> None:
    one, same, other = (Mutator(seed, 64512) for seed in (1, 1, 2))
    sent = [[m.within_attributes() + m.anywhere() for _ in range(20)] for m in (one, same, other)]
    assert sent[0] == sent[1]
    assert sent[0] != sent[2]
