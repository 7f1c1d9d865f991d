"""The built-in identity service: who gets a token, what it is good for, and for how long."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sdnctl.api import Settings, make_app
from sdnctl.api.identity import Directory, bootstrap
from sdnctl.api.identity import directory as directory_module
from sdnctl.api.identity.passwords import Cost, Passwords
from sdnctl.api.identity.throttle import FREE, LONGEST_S, Throttle
from sdnctl.api.identity.tokens import Token, opened, sealed
from sdnctl.intent import ApplicationCredential, RevokedToken, TokenKey, User
from sdnctl.store import Store

CHEAP = Cost(log_n=4, r=1, p=1)
V3 = "/identity/v3"
DEFAULT = {"id": "default"}


class Service:
    """Calls that state which status they expect."""

    def __init__(self, http: httpx.AsyncClient, directory: Directory) -> None:
        self.http = http
        self.directory = directory
        self.admin = ""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        status: int = 200,
        **headers: str,
    ) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {"X-Auth-Token": self.admin if token is None else token}
        more = {} if body is None else {"json": body}
        answer = await self.http.request(method, V3 + path, headers=given, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        if status >= 400 and method != "HEAD":
            assert set(answer.json()["error"]) == {"code", "title", "message"}
        return answer

    async def json(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return (await self.call(method, path, body, **more)).json()

    async def log_in(
        self, name: str, password: str, scope: Any = None, *, status: int = 201
    ) -> httpx.Response:
        user = {"name": name, "domain": DEFAULT, "password": password}
        identity = {"methods": ["password"], "password": {"user": user}}
        auth = {"identity": identity} | ({"scope": scope} if scope else {})
        return await self.call("POST", "/auth/tokens", {"auth": auth}, token="", status=status)

    async def token(self, name: str, password: str, scope: Any = None) -> str:
        return (await self.log_in(name, password, scope)).headers["x-subject-token"]

    async def project(self, name: str) -> str:
        made = await self.json("POST", "/projects", {"project": {"name": name}}, status=201)
        return str(made["project"]["id"])

    async def user(self, name: str, project_id: str = "", role: str = "member") -> str:
        body = {"user": {"name": name, "password": f"{name}'s"}}
        made = await self.json("POST", "/users", body, status=201)
        id_ = str(made["user"]["id"])
        if project_id:
            path = f"/projects/{project_id}/users/{id_}/roles/{role}"
            await self.call("PUT", path, status=204)
        return id_


def on(project_id: str) -> Any:
    return {"project": {"id": project_id}}


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


async def test_who_guesses_must_wait(service: Service) -> None:
    red = await service.project("red")
    await service.user("rita", red)
    # Many of one who knows the password are no guesses.
    tokens = [service.token("rita", "rita's", on(red)) for _ in range(20)]
    assert len(set(await asyncio.gather(*tokens))) == 20
    for number in range(FREE):
        await service.log_in("rita", f"guess{number}", status=401)
    await service.log_in("rita", "guess", status=429)
    await service.log_in("rita", "rita's", status=429)
    # From elsewhere the owner comes in.
    await service.directory.log_in(
        service.directory.user_named("rita"), "rita", "rita's", "192.0.2.7"
    )


def test_waiting_doubles_and_memory_is_bounded() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    waits = []
    for _ in range(FREE + 30):
        throttle.failed("k")
        waits.append(throttle.wait_s("k"))
        now += waits[-1]
        assert throttle.wait_s("k") == 0
    assert waits[:FREE] == [0] * (FREE - 1) + [1]
    assert waits[FREE : FREE + 3] == [2, 4, 8]
    assert waits[-1] == LONGEST_S
    throttle.succeeded("k")
    for number in range(20_000):
        throttle.failed(number)
    assert len(throttle._failures) <= 10_000


async def test_no_more_wait_for_a_password_than_there_is_room_for() -> None:
    passwords = Passwords(Cost(log_n=12), workers=1, waiting=2)
    kept = await passwords.hash("x")
    tries = [passwords.matches("x", kept) for _ in range(9)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert found.count(True) == 3
    assert sum(getattr(one, "status", 0) == 503 for one in found) == 6
    assert await passwords.matches("x", kept)
    passwords.close()


async def test_passwords() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash("pässword\ud800")
    assert kept != await passwords.hash("pässword\ud800")
    assert await passwords.matches("pässword\ud800", kept)
    assert not await passwords.matches("passwort", kept)
    assert not await passwords.matches("", "")
    # A hash is checked at the cost that it was made at.
    assert await Passwords(Cost(log_n=5, r=2, p=2)).matches("pässword\ud800", kept)
    assert "scrypt" not in repr(User(id="u", name="u", password=kept))
    assert "abc" not in repr(TokenKey(id="k", secret="abc"))
    passwords.close()


async def test_accounts(service: Service) -> None:
    red = await service.project("red")
    again = await service.json("POST", "/projects", {"project": {"name": "red"}}, status=409)
    assert "red" in again["error"]["message"]
    shown = (await service.json("GET", f"/projects/{red}"))["project"]
    assert shown["links"]["self"] == f"http://sdn.test{V3}/projects/{red}"
    body = {"project": {"name": "crimson", "description": None}}
    assert (await service.json("PATCH", f"/projects/{red}", body))["project"]["name"] == "crimson"
    found = await service.json("GET", "/projects?name=crimson&domain_id=default")
    assert [row["id"] for row in found["projects"]] == [red]
    assert (await service.json("GET", "/projects?name=red"))["projects"] == []
    assert (await service.json("GET", "/projects?enabled=False"))["projects"] == []
    rita = await service.user("rita", red)
    assert "password" not in (await service.json("GET", f"/users/{rita}"))["user"]
    await service.call("PUT", f"/system/users/{rita}/roles/reader", status=204)
    await service.call("PUT", f"/domains/default/users/{rita}/roles/reader", status=204)
    found = await service.json("GET", f"/role_assignments?user.id={rita}&include_names")
    scopes = [next(iter(row["scope"])) for row in found["role_assignments"]]
    assert sorted(scopes) == ["domain", "project", "system"]
    for path in (
        f"/projects/none/users/{rita}/roles/member",
        f"/projects/{red}/users/none/roles/member",
        f"/projects/{red}/users/{rita}/roles/none",
        f"/domains/none/users/{rita}/roles/member",
    ):
        await service.call("PUT", path, status=404)
    for bad in ({}, {"name": ""}, {"name": "x" * 256}, {"name": "x", "domain_id": "other"}):
        await service.call("POST", "/projects", {"project": bad}, status=400)
        await service.call("POST", "/users", {"user": bad}, status=400)
    for bad_user in ({"name": 7}, {"name": "x", "password": ["secret"]}):
        answer = await service.json("POST", "/users", {"user": bad_user}, status=400)
        assert "secret" not in str(answer)
    for method, path, status in (
        ("GET", "/users/none", 404),
        ("DELETE", "/projects/none", 404),
        ("PATCH", "/nothing", 404),
        ("GET", "/nothing", 404),
        ("POST", "/roles", 403),
        ("GET", "/roles/none", 404),
        ("GET", "/domains/default", 200),
        ("GET", "/groups", 200),
        ("GET", "/regions/RegionOne", 200),
        ("GET", "/auth/nothing", 404),
    ):
        body_: Any = {"x": {}} if method in {"PATCH", "POST"} else None
        await service.call(method, path, body_, status=status)
    await service.call("DELETE", f"/projects/{red}", status=204)
    await service.call("GET", f"/projects/{red}", status=404)


async def test_who_may_do_what(service: Service) -> None:
    red = await service.project("red")
    rita, rolf = await service.user("rita", red, "manager"), await service.user("rolf", red)
    auditor = await service.user("otto")
    await service.call("PUT", f"/system/users/{auditor}/roles/reader", status=204)
    member = await service.token("rita", "rita's", on(red))
    looks = await service.token("otto", "otto's", {"system": {"all": True}})
    calls: list[tuple[str, str, Any, int, int]] = [
        ("GET", "/users", None, 403, 200),
        ("GET", f"/users/{rita}", None, 200, 200),
        ("GET", f"/users/{rolf}", None, 403, 200),
        ("GET", f"/projects/{red}", None, 200, 200),
        ("GET", "/projects", None, 403, 200),
        ("GET", f"/role_assignments?user.id={rolf}", None, 403, 200),
        ("GET", f"/role_assignments?user.id={rita}", None, 200, 200),
        ("GET", "/roles", None, 200, 200),
        ("POST", "/users", {"user": {"name": "x"}}, 403, 403),
        ("PATCH", f"/users/{rita}", {"user": {"name": "x"}}, 403, 403),
        ("DELETE", f"/users/{rolf}", None, 403, 403),
        ("PUT", f"/projects/{red}/users/{rita}/roles/admin", None, 403, 403),
        ("PUT", f"/system/users/{rita}/roles/admin", None, 403, 403),
        ("POST", "/projects", {"project": {"name": "x"}}, 403, 403),
    ]
    for method, path, body, of_member, of_auditor in calls:
        await service.call(method, path, body, token=member, status=of_member)
        await service.call(method, path, body, token=looks, status=of_auditor)
        await service.call(method, path, body, token="", status=401)
    rolfs = await service.token("rolf", "rolf's", on(red))
    await service.call("GET", "/auth/tokens", token=member, status=403, X_Subject_Token=rolfs)
    await service.call("DELETE", "/auth/tokens", token=looks, status=403, X_Subject_Token=rolfs)
    await service.call("GET", "/auth/tokens", token=looks, X_Subject_Token=rolfs)
    await service.call("GET", "/auth/tokens", token=looks, status=404, X_Subject_Token="x")


async def test_bootstrap_again_sets_the_password(service: Service, store: Store) -> None:
    await bootstrap(store, "admin", "cloud", "other")
    await service.call("GET", "/users", status=401)
    await service.log_in("admin", "sesame", status=401)
    await service.token("admin", "other", {"system": {"all": True}})
    assert len(store.rows(User)) == 1


async def test_application_credentials(service: Service) -> None:
    red = await service.project("red")
    rita, rolf = await service.user("rita", red, "manager"), await service.user("rolf", red)
    own = await service.token("rita", "rita's", on(red))
    rolfs = await service.token("rolf", "rolf's", on(red))
    path = f"/users/{rita}/application_credentials"

    def body(**more: Any) -> Any:
        return {"application_credential": {"name": "ci", "roles": [{"name": "reader"}]} | more}

    made = (await service.json("POST", path, body(), token=own, status=201))[
        "application_credential"
    ]
    assert [role["name"] for role in made["roles"]] == ["reader"]
    assert made["project_id"] == red
    await service.call("POST", path, body(), token=own, status=409)
    shown = (await service.json("GET", f"{path}/{made['id']}", token=own))["application_credential"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    listed = (await service.json("GET", f"{path}?name=ci", token=own))["application_credentials"]
    assert listed == [shown]
    for token in (service.admin, rolfs):
        await service.call("POST", path, body(name="x"), token=token, status=403)
        await service.call("DELETE", f"{path}/{made['id']}", token=token, status=403)
    await service.call("GET", path, token=rolfs, status=403)
    other = f"/users/{rolf}/application_credentials/{made['id']}"
    await service.call("DELETE", other, token=rolfs, status=404)
    for more in (
        {"roles": [{"name": "admin"}]},
        {"roles": [{"id": "none"}]},
        {"unrestricted": True},
        {"expires_at": "soon"},
        {"name": ""},
    ):
        await service.call("POST", path, body(**{"name": "x"} | more), token=own, status=400)
    unscoped = await service.token("rita", "rita's", "unscoped")
    await service.call("POST", path, body(name="x"), token=unscoped, status=400)

    async def log_in(given: Any, status: int = 201, **more: Any) -> httpx.Response:
        identity = {"methods": ["application_credential"], "application_credential": given}
        auth = {"auth": {"identity": identity} | more}
        return await service.call("POST", "/auth/tokens", auth, token="", status=status)

    good = {"id": made["id"], "secret": made["secret"]}
    answer = await log_in(good)
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    named = {"name": "ci", "user": {"name": "rita", "domain": DEFAULT}, "secret": made["secret"]}
    await log_in(named)
    await log_in(good, 401, scope=on(red))
    for wrong in (good | {"secret": "x"}, named | {"name": "x"}, {"id": "x", "secret": "x"}, {}):
        await log_in(wrong, 401)
    token = answer.headers["x-subject-token"]
    await service.call("POST", path, body(name="x"), token=token, status=403)
    given = {"user": {"password": "x", "original_password": "rita's"}}
    await service.call("POST", f"/users/{rita}/password", given, token=token, status=403)
    rescoped = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    await service.call("POST", "/auth/tokens", rescoped, token="", status=401)

    # No more than its user has now, and no longer than it is there.
    role = f"/projects/{red}/users/{rita}/roles/manager"
    await service.call("DELETE", role, status=204)
    await log_in(good, 401)
    await service.call("GET", "/roles", token=token, status=401)
    await service.call("PUT", role, status=204)
    await service.call("GET", "/roles", token=token)
    past = body(name="past", expires_at="2020-01-01T00:00:00")
    old = (await service.json("POST", path, past, token=own, status=201))["application_credential"]
    assert old["expires_at"] == "2020-01-01T00:00:00.000000"
    await log_in({"id": old["id"], "secret": old["secret"]}, 401)
    await service.call("DELETE", f"{path}/{made['id']}", token=own, status=204)
    await service.call("GET", "/roles", token=token, status=401)
    await log_in(good, 401)
    await service.call("DELETE", f"/users/{rita}", status=204)
    assert not service.directory.store.rows(ApplicationCredential)


JUNK: list[Any] = [None, 7, "x", [], {}, [{}], "\x00", "é" * 300, {"id": []}, {"name": 7}, -1, True]


async def test_no_body_breaks_anything(service: Service) -> None:
    red = await service.project("red")
    rita = await service.user("rita", red)
    own = await service.token("rita", "rita's", on(red))
    member = f"/projects/{red}/users/{rita}/roles/member"
    paths = {
        "/auth/tokens": ["auth"],
        "/projects": ["project"],
        f"/projects/{red}": ["project"],
        "/users": ["user"],
        f"/users/{rita}": ["user"],
        f"/users/{rita}/password": ["user"],
        f"/users/{rita}/application_credentials": ["application_credential"],
        f"/users/{rita}/application_credentials/x/y": ["x"],
        member: ["x"],
        "/role_assignments?user.id=&scope.system=all&include_names&=&x": ["x"],
        "/users?name=%00&limit=-1": ["x"],
        "//": ["x"],
    }
    auth = {"identity": {"methods": ["password"], "password": {"user": {"id": rita}}}}
    good: list[Any] = [
        auth | {"scope": junk} for junk in (*JUNK, {"project": {"id": 7}}, {"system": []})
    ]
    fields = ("name", "password", "enabled", "domain_id", "email", "secret", "roles", "expires_at")
    good += [{"name": "n", field: junk} for field in fields for junk in JUNK]
    for path, [key] in paths.items():
        for method in ("GET", "POST", "PATCH", "PUT", "HEAD", "OPTIONS"):
            for inner in [*JUNK, *good] if method in {"POST", "PATCH"} else [None]:
                for token in (service.admin, own):
                    # Guesses are not the matter here.
                    service.directory.throttle._failures.clear()
                    answer = await service.http.request(
                        method, V3 + path, json={key: inner}, headers={"X-Auth-Token": token}
                    )
                    assert answer.status_code < 500, (method, path, inner, answer.text)
    for row in service.directory.store.rows(User):
        assert isinstance(row.enabled, bool)
    again = await service.http.get(f"{V3}/users", headers={"X-Auth-Token": service.admin})
    assert again.status_code == 200
