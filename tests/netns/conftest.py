from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.harness import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()
