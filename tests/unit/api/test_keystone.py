"""Tokens validated by another identity service: here the built-in one in a process of its own.

``tests/interop/test_keystone.py`` does it with a real Keystone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdnctl.api import ApiError
from sdnctl.api import keystone as module
from sdnctl.api.keystone import Keystone, read_account
from sdnctl.keystone import Account
from tests.server import running

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def auth_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("keystone") / "db", identity=PASSWORD) as server:
        yield f"http://127.0.0.1:{server.port}/identity/v3"


class Watched(Keystone):
    """Counts its questions, on a clock that the test moves."""

    def __init__(self, auth_url: str, password: str = PASSWORD) -> None:
        account = Account(
            auth_url=auth_url, username="admin", password=password, project_name="admin"
        )
        super().__init__(account, clock=lambda: time.time() + self.later)
        self.later = 0.0
        self.questions = 0

    async def _request(self, method: str, url: str, **more: Any) -> httpx.Response:
        self.questions += method == "GET"
        return await super()._request(method, url, **more)


async def token(auth_url: str) -> bytes:
    user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"system": {"all": True}}}}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{auth_url}/auth/tokens", json=body)
    return answer.headers["x-subject-token"].encode()


async def test_a_token_is_asked_about_once(auth_url: str) -> None:
    keystone, text = Watched(auth_url), await token(auth_url)
    callers = await asyncio.gather(*(keystone.identify(text) for _ in range(20)))
    assert keystone.questions == 1
    assert {(c.user_name, c.is_admin, c.system) for c in callers if c} == {("admin", True, True)}
    assert len(callers) == 20
    keystone.later = module.CACHE_S - 30
    await keystone.identify(text)
    assert keystone.questions == 1
    keystone.later = module.CACHE_S + 30
    assert await keystone.identify(text) is not None
    assert keystone.questions == 2
    # By now it has expired here, whatever Keystone's clock says.
    keystone.later = 5 * 3600
    assert await keystone.identify(text) is None
    await keystone.close()


async def test_guesses_are_remembered_apart(auth_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TOKENS", 3)
    keystone, text = Watched(auth_url), await token(auth_url)
    assert await keystone.identify(text) is not None
    for number in range(9):
        assert await keystone.identify(b"guess%d" % number) is None
    assert keystone.questions == 10
    assert await keystone.identify(text) is not None
    assert await keystone.identify(b"guess8") is None
    assert keystone.questions == 10
    for junk in (b"", b"\xff", b"x" * 9000):
        assert await keystone.identify(junk) is None
    assert keystone.questions == 10
    await keystone.close()


async def test_no_more_questions_at_once_than_there_is_room_for(
    auth_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_QUESTIONS", 2)
    keystone = Watched(auth_url)
    asked = (keystone.identify(b"guess%d" % number) for number in range(6))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found.count(None) == 2
    assert sum(isinstance(one, ApiError) and one.status == 503 for one in found) == 4
    assert await keystone.identify(b"guess9") is None
    await keystone.close()


async def test_who_gives_up_takes_no_answer_from_the_others(auth_url: str) -> None:
    keystone, text = Watched(auth_url), await token(auth_url)
    first = asyncio.create_task(keystone.identify(text))
    second = asyncio.create_task(keystone.identify(text))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert keystone.questions == 1
    await keystone.close()


async def test_our_own_token_is_renewed(auth_url: str) -> None:
    keystone, text = Watched(auth_url), await token(auth_url)
    keystone._own_token = "expired"
    assert await keystone.identify(text) is not None
    assert keystone._own_token != "expired"
    assert keystone.questions == 2
    await keystone.close()


async def test_without_keystone_nobody_comes_in_who_is_not_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path / "db", identity=PASSWORD) as server:
        url = f"http://127.0.0.1:{server.port}/identity/v3"
        keystone, text = Watched(url), await token(url)
        other = await token(url)
        assert await keystone.identify(text) is not None
        wrong = Watched(url, "guess")
        with pytest.raises(ApiError) as raised:
            await wrong.identify(text)
        assert raised.value.status == 503
    assert await keystone.identify(text) is not None
    with pytest.raises(ApiError) as raised:
        await keystone.identify(other)
    assert raised.value.status == 503
    for secret in (PASSWORD, text.decode(), "guess"):
        assert secret not in caplog.text
    for one in (keystone, wrong):
        await one.close()


def test_the_account_is_read_from_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "keystone.conf"
    path.write_text(
        "[keystone_authtoken]\nauth_url = http://k:5000/v3\nusername = sdn\n"
        "password = per%cent\nmemcached_servers = x\n"
    )
    path.chmod(0o644)
    with pytest.raises(ValueError, match="readable by everybody"):
        read_account(path)
    path.chmod(0o600)
    account = read_account(path)
    assert account == Account(auth_url="http://k:5000/v3", username="sdn", password="per%cent")
    assert "per%cent" not in repr(account)
    for text in (
        "x",
        "[other]\na = b\n",
        "[keystone_authtoken]\npassword = secret\n",
        "[[\nsecret",
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"no \[keystone_authtoken\]") as raised:
            read_account(path)
        assert "secret" not in str(raised.value)
