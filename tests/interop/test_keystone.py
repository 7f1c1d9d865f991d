"""Tokens of a real Keystone: who they make a caller, and what happens without Keystone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openstack as sdk
import pytest

from sdnctl.api import ApiError
from sdnctl.api.keystone import Keystone
from sdnctl.keystone import Account
from tests.interop import keystone
from tests.interop.keystone import PASSWORD
from tests.unit.api.client import opened

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(keystone.MISSING), reason=keystone.MISSING),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[keystone.Running]:
    with keystone.running(tmp_path_factory.mktemp("keystone")) as found:
        yield found


def connected(auth_url: str, **more: str) -> Any:
    connect: Any = sdk.connect
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return connect(auth_url=auth_url, region_name="RegionOne", **domains, **more)


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
async def test_who_a_token_of_keystone_makes_a_caller(
    server: keystone.Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = {"username": "admin", "password": PASSWORD}
    cloud = connected(server.auth_url, **admin, project_name="admin")
    project = cloud.identity.create_project(name="red", domain_id="default")
    user = cloud.identity.create_user(name="rita", password="pw", domain_id="default")
    role = cloud.identity.find_role("member")
    cloud.identity.assign_project_role_to_user(project, user, role)
    rita = connected(server.auth_url, username="rita", password="pw", project_name="red")
    ritas = rita.auth_token
    unscoped = connected(server.auth_url, username="rita", password="pw").auth_token
    system = connected(server.auth_url, **admin, system_scope="all").auth_token

    now = [0.0]
    asked: list[httpx.URL] = []
    request = httpx.AsyncClient.request

    async def counted(http: httpx.AsyncClient, method: str, url: Any, **more: Any) -> Any:
        if "auth/tokens?" in str(url):
            asked.append(url)
        return await request(http, method, url, **more)

    authenticator = Keystone(
        Account(auth_url=server.auth_url, **admin, project_name="admin"),
        clock=lambda: time.time() + now[0],
    )
    async with opened(tmp_path / "db", authenticator=authenticator) as api:
        monkeypatch.setattr(httpx.AsyncClient, "request", counted)
        made = await api.by(ritas).create("networks", name="mine")
        assert made["project_id"] == project.id
        assert not [name for name in made if name.startswith("provider:")]
        before = len(asked)
        for _ in range(20):
            await api.by(ritas).rows("networks")
        assert len(asked) == before
        assert await api.by(cloud.auth_token).ids("networks") == {made["id"]}
        assert await api.by(system).ids("networks") == {made["id"]}
        assert await api.by(unscoped).ids("networks") == set()
        for junk in ("", "x", "x" * 9000, "é"):
            headers = {"X-Auth-Token": junk.encode()}
            await api.refused("GET", "networks", None, 401, "HTTPUnauthorized", headers=headers)
        body = {"network": {"shared": True}}
        await api.by(ritas).refused("POST", "networks", body, 403, "PolicyNotAuthorized")

        # A revoked token is good for as long as the cache remembers it, and no longer.
        rita.identity.delete("/auth/tokens", headers={"X-Subject-Token": ritas})
        await api.by(ritas).rows("networks")
        now[0] = 301.0
        await api.by(ritas).refused("GET", "networks", None, 401, "HTTPUnauthorized")
        # Our own token is renewed when Keystone does not know it any more.
        own = authenticator._own_token
        cloud.identity.delete("/auth/tokens", headers={"X-Subject-Token": own})
        now[0] = 700.0
        await api.by(system).rows("networks")
        assert authenticator._own_token != own
    await authenticator.close()
    for connection in (cloud, rita):
        connection.close()


async def test_a_wrong_account_or_no_keystone_is_a_503(server: keystone.Running) -> None:
    wrong = Account(auth_url=server.auth_url, username="admin", password="guess")
    gone = Account(auth_url="http://127.0.0.1:1/v3", username="admin", password=PASSWORD)
    for account in (wrong, gone):
        assert account.password not in repr(account)
        authenticator = Keystone(account)
        with pytest.raises(ApiError) as raised:
            await authenticator.identify(b"token")
        assert raised.value.status == 503
        await authenticator.close()
