"""Projects, users, roles and application credentials."""

from __future__ import annotations

from typing import Any

import httpx

from sdnctl.intent import ApplicationCredential, User
from tests.unit.api.identity.service import DEFAULT, V3, Service, on


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
