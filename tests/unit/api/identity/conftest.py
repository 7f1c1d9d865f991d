"""The identity service over a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sdnctl.api import Settings, make_app
from sdnctl.api.identity import Directory, bootstrap
from sdnctl.api.identity import directory as directory_module
from sdnctl.api.identity.passwords import Passwords
from sdnctl.store import Store
from tests.unit.api.identity.service import CHEAP, Service


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = await Store.open(tmp_path / "db")
    yield found
    await found.close()


@pytest.fixture
async def service(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr(directory_module, "Passwords", lambda: Passwords(CHEAP))
    await bootstrap(store, "admin", "cloud", "sesame")
    directory = await Directory.open(store)
    transport = httpx.ASGITransport(app=make_app(store, Settings(), directory=directory))
    async with httpx.AsyncClient(transport=transport, base_url="http://sdn.test") as http:
        found = Service(http, directory)
        scope = {"project": {"name": "cloud", "domain": {"name": "Default"}}}
        found.admin = await found.token("admin", "sesame", scope)
        yield found
    directory.passwords.close()
