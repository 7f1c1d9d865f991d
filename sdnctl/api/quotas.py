"""Quotas: how much a project may have of each resource.

Promise: a create counts its project's rows by an index, within its transaction, so that no two
of them together exceed a limit; it costs one look, and none where there is no limit. -1 is no
limit. A project without limits of its own has the operator's defaults (``Settings.quotas``). As
in Neutron a limit below what is there takes nothing away, and what a router or an operator makes
for itself counts without being refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from sdnctl.api import values
from sdnctl.api.authorization import forbidden
from sdnctl.api.caller import Identity
from sdnctl.api.errors import ApiError, bad_request, conflict, no_such_path, not_allowed
from sdnctl.api.http import JsonResponse, read_body
from sdnctl.api.schema import Resource, converted
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import Quota, Row
from sdnctl.store import Transaction

R = TypeVar("R", bound=Row)

_LIMIT: Final = values.integer(-1, (1 << 31) - 1)
_DETAILS: Final = ("details", "details.json")


class _Rows(Protocol):
    """A transaction, or what is committed."""

    def get(self, kind: type[R], id_: str) -> R | None: ...


WITHIN: Final = ("router_route",)
"""What is limited within one thing, a router here: as in Neutron, none of it is in use."""


def names(resources: Mapping[str, Resource]) -> tuple[str, ...]:
    """All that has a limit."""
    return (*limited(resources), *WITHIN)


def limited(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    """The resources that are projects', by name."""
    return {r.name: r for r in resources.values() if "project_id" in r.readers}


def parse_default(text: str, resources: Mapping[str, Resource]) -> tuple[str, int]:
    """``NAME=NUMBER`` of an operator; ValueError if it is something else."""
    name, equals, number = text.partition("=")
    if not equals or name not in names(resources):
        raise ValueError(f"{text!r} is not NAME=NUMBER with a NAME of {list(names(resources))}")
    limit: int = _LIMIT.convert(number)
    return name, limit


def limit_of(rows: _Rows, defaults: Mapping[str, int], project_id: str, name: str) -> int:
    """How many of ``name`` the project may have; -1 for any number."""
    own = rows.get(Quota, project_id)
    if own is not None and name in own.limits:
        return own.limits[name]
    return defaults.get(name, -1)


def check_create(work: Work, resource: Resource, project_id: str) -> None:
    """Refuse one more than the project may have."""
    limit = limit_of(work.tx, work.settings.quotas, project_id, resource.name)
    if 0 <= limit <= work.tx.count(resource.kind, "project_id", project_id):
        raise conflict("OverQuota", f"Quota exceeded for resources: ['{resource.name}'].")


def check_made(work: Work, resource: Resource, project_id: str) -> None:
    """Refuse what was made along with something, if it is more than the project may have."""
    limit = limit_of(work.tx, work.settings.quotas, project_id, resource.name)
    if 0 <= limit < work.tx.count(resource.kind, "project_id", project_id):
        raise conflict("OverQuota", f"Quota exceeded for resources: ['{resource.name}'].")


def check_within(work: Work, name: str, project_id: str, wanted: int) -> None:
    """Refuse more in one thing than its project may have there."""
    if 0 <= limit_of(work.tx, work.settings.quotas, project_id, name) < wanted:
        raise conflict("OverQuota", f"Quota exceeded for resources: ['{name}'].")


class QuotaApi:
    """``/v2.0/quotas``, as an ASGI application below it."""

    def __init__(self, context: Context, resources: Mapping[str, Resource]) -> None:
        self._context = context
        self._resources = limited(resources)
        self._names = names(resources)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ApiError if it cannot be."""
        caller: Identity = scope["caller"]
        path = [part for part in scope["path_params"].get("path", "").split("/") if part]
        body = await read_body(receive, self._context.settings.max_body)
        answer = await self._answer(caller, scope["method"], path, body)
        status = 204 if answer is None else 200
        await JsonResponse(answer, status)(scope, receive, send)

    async def _answer(self, caller: Identity, method: str, path: list[str], body: bytes) -> Json:
        match method, path:
            case "GET", []:
                return {"quotas": self._all(caller)}
            case "GET", [("project" | "tenant") as name]:
                return {name: {f"{name}_id": caller.project_id}}
            case "GET", [project_id]:
                _check(caller, project_id)
                return {"quota": self._limits(project_id)}
            case "GET", [project_id, "default"]:
                _check(caller, project_id)
                return {"quota": self._defaults()}
            case "GET", [project_id, name] if name in _DETAILS:
                _check(caller, project_id)
                return {"quota": self._details(project_id)}
            case "PUT", [project_id]:
                _check_admin(caller, "update")
                return {"quota": await self._update(project_id, body)}
            case "DELETE", [project_id]:
                _check_admin(caller, "delete")
                await self._context.store.transact(lambda tx: _delete(tx, project_id))
                return None
            case _, [] | [_]:
                raise not_allowed()
        raise no_such_path()

    def _all(self, caller: Identity) -> list[Json]:
        """Those of projects that have limits of their own."""
        if not caller.sees_all:
            raise forbidden("get", "quota")
        rows = self._context.store.rows(Quota)
        return [{"project_id": row.id, "tenant_id": row.id, **self._limits(row.id)} for row in rows]

    def _defaults(self) -> dict[str, int]:
        defaults = self._context.settings.quotas
        return {name: defaults.get(name, -1) for name in self._names}

    def _limits(self, project_id: str) -> dict[str, int]:
        store, defaults = self._context.store, self._context.settings.quotas
        return {name: limit_of(store, defaults, project_id, name) for name in self._names}

    def _details(self, project_id: str) -> Json:
        count = self._context.store.count
        return {
            name: {
                "limit": limit,
                "used": self._used(count, name, project_id),
                "reserved": 0,  # what is not committed is nowhere to be seen
            }
            for name, limit in self._limits(project_id).items()
        }

    def _used(self, count: Callable[[type[Row], str, str], int], name: str, project_id: str) -> int:
        resource = self._resources.get(name)
        return count(resource.kind, "project_id", project_id) if resource is not None else 0

    async def _update(self, project_id: str, body: bytes) -> Json:
        given, check_limit = self._parsed(body)

        def update(tx: Transaction) -> None:
            if check_limit:
                for name, limit in given.items():
                    used = self._used(tx.count, name, project_id)
                    if 0 <= limit < used:
                        raise bad_request(
                            f"Quota limit {limit} for {name} must be greater than or equal to "
                            f"already used {used}"
                        )
            old = tx.get(Quota, project_id)
            limits = (old.limits if old is not None else {}) | given
            tx.put(Quota(id=project_id, project_id=project_id, limits=limits))

        await self._context.store.transact(update)
        return self._limits(project_id)

    def _parsed(self, body: bytes) -> tuple[dict[str, int], bool]:
        """The limits that a PUT gives, and whether they are checked against what is used."""
        try:
            decoded = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise bad_request("The request body is not valid JSON") from None
        quota: Any = decoded.get("quota") if isinstance(decoded, dict) else None
        if not isinstance(quota, dict):
            raise bad_request("Unable to find 'quota' in request body")
        asked = dict(quota)
        for name in ("tenant_id", "project_id"):
            asked.pop(name, None)
        force = converted("force", values.BOOLEAN, asked.pop("force", False) or False)
        check = converted("check_limit", values.BOOLEAN, asked.pop("check_limit", False) or False)
        unknown = sorted(set(asked) - set(self._names))
        if unknown:
            raise bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        limits = {name: converted(name, _LIMIT, value) for name, value in asked.items()}
        return limits, check and not force


def _delete(tx: Transaction, project_id: str) -> None:
    if tx.get(Quota, project_id) is None:
        raise ApiError(
            404, "TenantQuotaNotFound", f"Quota for tenant {project_id} could not be found."
        )
    tx.delete(Quota, project_id)


def _check(caller: Identity, project_id: str) -> None:
    """A project asks for its own."""
    if not (caller.sees_all or (caller.own and caller.project_id == project_id)):
        raise forbidden("get", "quota")


def _check_admin(caller: Identity, verb: str) -> None:
    if not caller.is_admin:
        raise forbidden(verb, "quota")
