"""The API in this process, over its ASGI interface, with what the tests ask of it every time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.routing import BaseRoute

from sdnctl.api import Observed, Settings, make_app
from sdnctl.api.authentication import Authenticator
from sdnctl.api.caller import Identity
from sdnctl.store import Ranges, Store


class Api:
    """Calls that state which status they expect."""

    def __init__(
        self, http: httpx.AsyncClient, store: Store, headers: dict[str, str] | None = None
    ) -> None:
        self.http = http
        self.store = store
        self.headers = headers or {}

    def by(self, token: str) -> Api:
        """The same API, called with a token."""
        return Api(self.http, self.store, {"X-Auth-Token": token})

    async def call(
        self, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any
    ) -> Any:
        """The decoded answer; a path without a leading slash is under /v2.0."""
        url = path if path.startswith("/") else f"/v2.0/{path}"
        answer = await self.send(method, url, body, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        assert "x-openstack-request-id" in answer.headers
        return answer.json() if answer.content else None

    async def send(self, method: str, url: str, body: Any = None, **more: Any) -> httpx.Response:
        """The answer, whatever it is."""
        headers = self.headers | more.pop("headers", {})
        given = {} if body is None else {"json": body}
        return await self.http.request(method, url, headers=headers, **given, **more)

    async def create(self, collection: str, **attributes: Any) -> Any:
        """One resource of a collection."""
        name = collection.rpartition("/")[2].removesuffix("s").replace("-", "_")
        made = await self.call("POST", collection, {name: attributes}, status=201)
        return made[name]

    async def update(self, collection: str, id_: str, **attributes: Any) -> Any:
        """The resource after a PUT."""
        name = collection.rpartition("/")[2].removesuffix("s").replace("-", "_")
        return (await self.call("PUT", f"{collection}/{id_}", {name: attributes}))[name]

    async def rows(self, path: str) -> Any:
        """The rows of a list, and nothing beside them."""
        answer = await self.call("GET", path)
        assert len(answer) == 1
        return next(iter(answer.values()))

    async def ids(self, path: str) -> set[str]:
        """The ids of a list."""
        return {row["id"] for row in await self.rows(path)}

    async def refused(
        self, method: str, path: str, body: Any, status: int, kind: str, *texts: str, **more: Any
    ) -> None:
        """The call fails as said, in Neutron's shape, naming ``texts``; nothing changed."""
        revision = self.store.revision
        answer = await self.call(method, path, body, status=status, **more)
        error = answer["NeutronError"]
        assert set(error) == {"type", "message", "detail"}
        assert error["type"] == kind, error
        for text in texts:
            assert text in error["message"]
        assert self.store.revision == revision

    async def network(self, *prefixes: str, **attributes: Any) -> tuple[Any, list[Any]]:
        """A network with a subnet for each prefix."""
        network = await self.create("networks", **attributes)
        subnets = [
            await self.create(
                "subnets",
                network_id=network["id"],
                cidr=prefix,
                ip_version=6 if ":" in prefix else 4,
            )
            for prefix in prefixes
        ]
        return network, subnets


class Known:
    """Callers by their tokens."""

    def __init__(self, **callers: Identity) -> None:
        self._callers = {token.encode(): caller for token, caller in callers.items()}

    async def identify(self, token: bytes) -> Identity | None:
        return self._callers.get(token)


@contextlib.asynccontextmanager
async def opened(
    path: Path,
    *,
    settings: Settings | None = None,
    observed: Observed | None = None,
    ranges: Ranges | None = None,
    routes: Sequence[BaseRoute] = (),
    authenticator: Authenticator | None = None,
) -> AsyncIterator[Api]:
    """The API on a new store."""
    store = await Store.open(path, ranges=ranges)
    app = make_app(store, settings, observed, routes=routes, authenticator=authenticator)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sdn.test") as http:
        yield Api(http, store)
    await store.close()
