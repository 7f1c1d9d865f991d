"""The built-in identity service: who gets a token, what it is good for, and for how long."""

from __future__ import annotations

import base64
import hmac
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sdnctl.api.identity import Directory
from sdnctl.api.identity import directory as directory_module
from sdnctl.api.identity.passwords import Passwords
from sdnctl.api.identity.tokens import Token, opened, sealed
from sdnctl.intent import RevokedToken
from sdnctl.store import Store
from tests.unit.api.identity.service import CHEAP, V3, Service, on


async def test_versions_are_told_to_everybody(service: Service) -> None:
    for path in ("/identity", "/identity/"):
        answer = await service.http.get(path)
        assert answer.status_code == 300
        [version] = answer.json()["versions"]["values"]
        assert version["id"] == "v3.14"
    for path in (V3, f"{V3}/"):
        version = (await service.http.get(path)).json()["version"]
        assert version["links"] == [{"rel": "self", "href": f"http://sdn.test{V3}/"}]


async def test_a_scoped_token(service: Service) -> None:
    red = await service.project("red")
    await service.user("rita", red)
    answer = await service.log_in("rita", "rita's", on(red))
    token = answer.json()["token"]
    assert token["project"]["name"] == "red"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["user"]["name"] == "rita"
    urls = {e["url"] for s in token["catalog"] if s["type"] == "network" for e in s["endpoints"]}
    assert urls == {"http://sdn.test"}
    text = answer.headers["x-subject-token"]
    seen = await service.json("GET", "/auth/tokens", X_Subject_Token=text)
    assert seen == answer.json()
    own = await service.call("HEAD", "/auth/tokens", token=text, X_Subject_Token=text)
    assert own.headers["x-subject-token"] == text
    bare = await service.json("GET", "/auth/tokens?nocatalog", X_Subject_Token=text)
    assert "catalog" not in bare["token"]
    network = await service.http.post(
        "/v2.0/networks", json={"network": {}}, headers={"X-Auth-Token": text}
    )
    assert network.json()["network"]["project_id"] == red


async def test_an_unscoped_token_finds_its_projects(service: Service) -> None:
    red, blue = await service.project("red"), await service.project("blue")
    rita = await service.user("rita", red)
    unscoped = await service.token("rita", "rita's")
    found = await service.json("GET", "/auth/projects", token=unscoped)
    assert [p["id"] for p in found["projects"]] == [red]
    assert (await service.json("GET", f"/users/{rita}/projects", token=unscoped))["projects"]
    for path in ("/users", "/projects", f"/projects/{red}", "/role_assignments"):
        await service.call("GET", path, token=unscoped, status=403)
    headers = {"X-Auth-Token": unscoped}
    assert (await service.http.get("/v2.0/networks", headers=headers)).json() == {"networks": []}
    body: Any = {"auth": {"identity": {"methods": ["token"], "token": {"id": unscoped}}}}
    body["auth"]["scope"] = on(red)
    scoped = await service.call("POST", "/auth/tokens", body, token="", status=201)
    assert scoped.json()["token"]["methods"] == ["password", "token"]
    body["auth"]["scope"] = on(blue)
    await service.call("POST", "/auth/tokens", body, token="", status=401)
    # A default project is where one is who says nothing.
    await service.json("PATCH", f"/users/{rita}", {"user": {"default_project_id": red}})
    answer = await service.log_in("rita", "rita's")
    assert answer.json()["token"]["project"]["id"] == red
    assert "project" not in (await service.log_in("rita", "rita's", "unscoped")).json()["token"]


async def test_who_gets_none(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    red = await service.project("red")
    await service.user("rita", red)
    wrong = [
        await service.log_in(name, password, scope, status=401)
        for name, password, scope in (
            ("rita", "guess", on(red)),
            ("nobody", "guess", on(red)),
            ("rita", "rita's", on("none")),
            ("rita", "rita's", {"project": {"name": "red"}}),
            ("rita", "rita's", {"system": {"all": True}}),
            ("rita", "rita's", {"domain": {"id": "default"}}),
            ("rita", "rita's", "everything"),
            ("rita", "", None),
        )
    ]
    assert len({answer.text for answer in wrong}) == 1
    none = await service.json("POST", "/users", {"user": {"name": "none"}}, status=201)
    await service.log_in("none", "", status=401)
    await service.json("PATCH", f"/users/{none['user']['id']}", {"user": {"password": "x"}})
    await service.token("none", "x")
    for body in (b"", b"{", b"[]", b'{"auth": 7}', b'{"auth": {"identity": {}}}', b"[" * 9000):
        answer = await service.http.post(f"{V3}/auth/tokens", content=body)
        assert answer.status_code == 400
    for methods in ([], ["saml2"], ["password", "totp"], ["password"], ["token"]):
        body_ = {"auth": {"identity": {"methods": methods}}}
        await service.call("POST", "/auth/tokens", body_, token="", status=401)
    assert "rita's" not in caplog.text
    assert "guess" not in caplog.text
    assert "log in failed" in caplog.text


async def test_what_is_changed_is_true_at_once(service: Service) -> None:
    red = await service.project("red")
    rita = await service.user("rita", red)

    async def works() -> bool:
        answer = await service.http.get("/v2.0/networks", headers={"X-Auth-Token": text})
        return answer.status_code == 200

    text = await service.token("rita", "rita's", on(red))
    role = f"/projects/{red}/users/{rita}/roles/member"
    await service.call("HEAD", role, status=204)
    await service.call("DELETE", role, status=204)
    await service.call("DELETE", role, status=404)
    await service.call("HEAD", role, status=404)
    assert not await works()
    await service.call("PUT", role, status=204)
    await service.call("PUT", role, status=204)
    assert await works()
    for path, name in ((f"/users/{rita}", "user"), (f"/projects/{red}", "project")):
        await service.call("PATCH", path, {name: {"enabled": False}})
        assert not await works()
        await service.call("PATCH", path, {name: {"enabled": True}})
        assert await works()
    text = await service.token("rita", "rita's", on(red))
    child = {"auth": {"identity": {"methods": ["token"], "token": {"id": text}}, "scope": on(red)}}
    made = await service.call("POST", "/auth/tokens", child, token="", status=201)
    await service.call("DELETE", "/auth/tokens", token=text, X_Subject_Token=text, status=204)
    assert not await works()
    text = made.headers["x-subject-token"]
    assert not await works()
    text = await service.token("rita", "rita's", on(red))
    given = {"password": "new", "original_password": "guess"}
    path = f"/users/{rita}/password"
    await service.call("POST", path, {"user": given}, token=text, status=401)
    given["original_password"] = "rita's"
    await service.call("POST", path, {"user": given}, status=403)
    await service.call("POST", path, {"user": given}, token=text, status=204)
    assert not await works()
    text = await service.token("rita", "new", on(red))
    assert await works()
    await service.call("DELETE", f"/users/{rita}", status=204)
    assert not await works()
    found = await service.json("GET", f"/role_assignments?scope.project.id={red}")
    assert found["role_assignments"] == []


async def test_tokens_expire_and_what_was_revoked_is_forgotten(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = directory_module._now
    text = await service.token("admin", "sesame")
    other = await service.token("admin", "sesame")
    await service.call("DELETE", "/auth/tokens", X_Subject_Token=other, status=204)
    assert len(service.directory.store.rows(RevokedToken)) == 1
    late = (directory_module.LIFETIME_S + 1) * 1_000_000
    monkeypatch.setattr(directory_module, "_now", lambda: now() + late)
    await service.call("GET", "/auth/projects", token=text, status=401)
    service.admin = await service.token("admin", "sesame", {"system": {"all": True}})
    await service.call("DELETE", "/auth/tokens", X_Subject_Token=service.admin, status=204)
    assert len(service.directory.store.rows(RevokedToken)) == 1


async def test_a_token_outlives_a_restart_and_no_other_key(
    service: Service, store: Store, tmp_path: Path
) -> None:
    text = service.admin.encode()
    again = await Directory.open(store, Passwords(CHEAP))
    assert await again.identify(text) == await service.directory.identify(text)
    other = await Store.open(tmp_path / "other")
    stranger = await Directory.open(other, Passwords(CHEAP))
    assert await stranger.identify(text) is None
    await other.close()


def test_a_token_is_ours_or_none() -> None:
    key = b"k" * 32
    token = Token("u", "project:p", ("password",), 1, 2, ("a",))
    text = sealed(key, token).encode()
    assert opened(key, text) == token
    for at in range(len(text)):
        other = text[:at] + (b"A" if text[at : at + 1] != b"A" else b"B") + text[at + 1 :]
        assert opened(key, other) in {None, token}  # the last digit has unused bits
    other_version = msgspec.msgpack.encode(["u"])
    signed = base64.urlsafe_b64encode(hmac.digest(key, other_version, "sha256") + other_version)
    assert opened(key, signed) is None
    for junk in (b"", b"=", b"A", b"\xff", "é".encode(), b"A" * 5000, text[:-4], text + b"AAAA"):
        assert opened(key, junk) is None
