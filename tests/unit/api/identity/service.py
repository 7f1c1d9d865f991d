"""The identity service as a client calls it, with passwords that cost little."""

from __future__ import annotations

from typing import Any

import httpx

from sdnctl.api.identity import Directory
from sdnctl.api.identity.passwords import Cost

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
