"""What the store's tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdnctl.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    opened = await Store.open(tmp_path / "db")
    yield opened
    await opened.close()
