"""Requests on resources: each verb once, for every resource of the table.

Promise: a write is one transaction; an error leaves no trace; the answer is what was
committed. Knows methods and bodies, nothing of ASGI.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from sdnctl.api import query, quotas
from sdnctl.api.authorization import Policy, as_seen, sees
from sdnctl.api.caller import Identity
from sdnctl.api.encoded import Encoded
from sdnctl.api.errors import (
    ApiError,
    bad_request,
    conflict,
    no_such_path,
    not_allowed,
    not_found,
    of_store,
)
from sdnctl.api.http import Listing
from sdnctl.api.schema import Bare, Read, Resource, Sight
from sdnctl.api.tags import TAGS, tagged
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import Row, Shareable
from sdnctl.store import StoreError, Transaction

T = TypeVar("T")

_IF_MATCH: Final = re.compile(r'"?revision_number=([0-9]{1,18})"?')


class Request(NamedTuple):
    """What came. ``path`` is what follows the API's prefix, decoded; ``url`` is without query.

    ``above`` is the id of the member whose part is asked for, if one is; ``path`` is then what
    follows the part.
    """

    caller: Identity
    method: str
    path: tuple[str, ...]
    query: bytes
    body: bytes
    if_match: str
    url: str
    above: str = ""


class Answer(NamedTuple):
    """What goes: a status and a JSON value, or a list; None is an empty body."""

    status: int
    body: Json | Listing = None


class Service:
    """The resources of one API by their collections."""

    def __init__(self, context: Context, resources: Mapping[str, Resource]) -> None:
        self._context = context
        self._resources = resources
        parts = [part for resource in resources.values() for part in resource.parts]
        aliases = [part.aliased for part in parts if part.alias]
        self._aliases = {alias.path: alias for alias in aliases}
        # Neutron's clients look for tags where there is no prefix, which is where it has them.
        self._tagged = {
            r.collection: r for r in resources.values() if r.prefix and "tags" in r.by_name
        }
        self._encoded = Encoded(context)
        self._policies = {r.name: Policy(r) for r in (*resources.values(), *parts, *aliases)}

    async def handle(self, request: Request) -> Answer:
        """Answer a request; ApiError if it cannot be."""
        resource, request = self._located(request)
        try:
            if not request.path:
                return await self._on_collection(resource, request)
            if len(request.path) == 1:
                return await self._on_member(resource, request, request.path[0])
            return await self._below(resource, request, *request.path)
        except StoreError as error:
            raise of_store(error) from error

    def _located(self, request: Request) -> tuple[Resource, Request]:
        """The resource that a path names, and the request with what follows it."""
        alias = self._aliases.get("/".join(request.path[:2])) if len(request.path) == 3 else None
        if alias is not None and alias.above is not None:
            id_ = request.path[2]
            row = self._context.store.get(alias.kind, id_)
            above = getattr(row, alias.above.field, "")
            return alias, request._replace(path=(id_,), above=above)
        if "tags" in request.path[2:3] and request.path[0] in self._tagged:
            return self._tagged[request.path[0]], request._replace(path=request.path[1:])
        for length in (1, 2):
            resource = self._resources.get("/".join(request.path[:length]))
            if resource is not None:
                rest = request.path[length:]
                part = resource.part(rest[1]) if len(rest) > 1 else None
                if part is not None:
                    return part, request._replace(path=rest[2:], above=rest[0])
                return resource, request._replace(path=rest)
        raise no_such_path()

    async def _on_collection(self, resource: Resource, request: Request) -> Answer:
        match request.method:
            case "GET":
                return await self._list(resource, request)
            case "POST":
                return await self._create(resource, request)
        raise not_allowed()

    async def _on_member(self, resource: Resource, request: Request, id_: str) -> Answer:
        match request.method:
            case "GET":
                return self._show(resource, request, id_)
            case "PUT":
                return await self._update(resource, request, id_)
            case "DELETE":
                return await self._delete(resource, request, id_)
        raise not_allowed()

    async def _below(
        self, resource: Resource, request: Request, id_: str, name: str, *rest: str
    ) -> Answer:
        taggable = "tags" in resource.by_name
        if name == "tags" and taggable and (request.method, len(rest)) in TAGS:
            return await self._tags(resource, request, id_, rest)
        if request.method == "PUT" and name in resource.actions and not rest:
            return await self._act(resource, request, id_, name)
        if request.method == "GET" and name in resource.looks and not rest:
            return self._show(resource, request, id_, resource.looks[name])
        raise no_such_path()

    async def _sight(
        self, sight: Sight, request: Request, filters: Mapping[str, list[str]]
    ) -> None:
        """What is there without asking is there when somebody looks."""
        project = request.caller.project_id
        if request.caller.is_admin:
            project = (filters.get("project_id") or filters.get("tenant_id") or [project])[0]
        if not sight.there(self._context.store, request.caller, project):
            await self._transact(request, lambda work: sight.make(work, project))

    async def _list(self, resource: Resource, request: Request) -> Answer:
        policy, store = self._policies[resource.name], self._context.store
        above = resource.above
        if above is not None:
            whole = store.get(above.kind, request.above)
            if whole is None or not sees(request.caller, whole, store.get):
                raise not_found(above.title, request.above)
        readers = policy.readers(request.caller)
        asked = query.parse(resource, request.query, readers)
        if resource.sight is not None:
            await self._sight(resource.sight, request, asked.filters)
        scope = query.Scope(request.caller, policy, request.above)
        revision = store.revision
        rows = await query.select(self._context, resource, asked, scope)
        name = resource.collection.replace("-", "_")
        links = query.links(request.url, request.query, asked, rows)
        rest = {f"{name}_links": links} if links else {}
        if asked.fields:
            write = self._encoded.fresh(query.chosen(readers, asked.fields))
        else:
            write = self._encoded.kept(resource, readers)
        if issubclass(resource.kind, Shareable):
            rows = [as_seen(request.caller, row) for row in rows]
        return Answer(200, Listing(name, rows, write, rest, revision))

    def _show(
        self, resource: Resource, request: Request, id_: str, look: Read | None = None
    ) -> Answer:
        policy, store = self._policies[resource.name], self._context.store
        row = store.get(resource.kind, id_)
        if (
            row is None
            or not _is_part(resource, row, request.above)
            or not policy.sees(request.caller, row, store.get)
        ):
            raise resource.missing(id_, request.above)
        if look is not None:
            return Answer(200, look(self._context, row))
        readers, row = policy.readers(request.caller), as_seen(request.caller, row)
        if not request.query:
            return Answer(200, {resource.name: self._encoded.one(resource, readers, row)})
        chosen = query.chosen(readers, query.parse(resource, request.query, readers).fields)
        return Answer(200, {resource.name: resource.show(self._context, row, chosen)})

    async def _create(self, resource: Resource, request: Request) -> Answer:
        body = _decode(request.body)
        plural = resource.collection.replace("-", "_")
        if isinstance(body, dict) and resource.name in body:
            bodies, bulk = [body[resource.name]], False
        elif isinstance(body, dict) and plural in body:
            bodies, bulk = body[plural], True
            if not isinstance(bodies, list) or not bodies:
                raise bad_request(f"'{plural}' must be a list with at least one element")
            if len(bodies) > self._context.settings.max_bulk:
                raise bad_request(f"'{plural}' has more than {self._context.settings.max_bulk}")
        else:
            raise bad_request(f"Unable to find '{resource.name}' in request body")
        parsed = [resource.parse_create(_item(resource, item)) for item in bodies]
        policy = self._policies[resource.name]
        for given in parsed:
            policy.check_project(request.caller, given)

        def create(work: Work) -> list[Row]:
            return [_create(work, resource, policy, given, request.above) for given in parsed]

        rows = await self._transact(request, create)
        readers = policy.readers(request.caller)
        shown = [self._encoded.one(resource, readers, row) for row in rows]
        return Answer(201, {plural: shown} if bulk else {resource.name: shown[0]})

    async def _update(self, resource: Resource, request: Request, id_: str) -> Answer:
        body = _decode(request.body)
        if not isinstance(body, dict) or resource.name not in body:
            raise bad_request(f"Unable to find '{resource.name}' in request body")
        given = resource.parse_update(body[resource.name])
        policy = self._policies[resource.name]

        def update(work: Work) -> Row:
            old: Row = _existing(work, resource, policy, id_, request)
            policy.check_update(request.caller, old, given, work.tx.get)
            new = resource.update(work, old, given, resource.fields(given))
            return work.put_changed(old, new)

        row = await self._transact(request, update)
        readers = policy.readers(request.caller)
        return Answer(200, {resource.name: self._encoded.one(resource, readers, row)})

    async def _delete(self, resource: Resource, request: Request, id_: str) -> Answer:
        policy = self._policies[resource.name]

        def delete(work: Work) -> None:
            row = _existing(work, resource, policy, id_, request)
            policy.check("delete", request.caller, row, work.tx.get)
            resource.delete(work, row)
            work.tx.delete(resource.kind, id_)

        await self._transact(request, delete)
        return Answer(204)

    async def _act(self, resource: Resource, request: Request, id_: str, action: str) -> Answer:
        body = _decode(request.body)
        if not isinstance(body, dict):
            raise bad_request("Resource body required")

        policy = self._policies[resource.name]

        def act(work: Work) -> dict[str, Json] | Row | Bare:
            row = _existing(work, resource, policy, id_, request)
            policy.check("update", request.caller, row, work.tx.get)
            return resource.actions[action](work, row, body)

        done = await self._transact(request, act)
        if isinstance(done, Row | Bare):
            bare = isinstance(done, Bare)
            row: Row = done.row if isinstance(done, Bare) else done
            shown = resource.show(self._context, row, policy.readers(request.caller))
            return Answer(200, shown if bare else {resource.name: shown})
        return Answer(200, done)

    async def _tags(
        self, resource: Resource, request: Request, id_: str, rest: tuple[str, ...]
    ) -> Answer:
        tag = rest[0] if rest else None
        body = _decode(request.body) if request.method in {"PUT", "POST"} and tag is None else None

        policy = self._policies[resource.name]

        def tag_it(work: Work) -> Answer:
            old: Row = _existing(work, resource, policy, id_, request)
            if request.method != "GET":
                policy.check("update", request.caller, old, work.tx.get)
            new, status, shown = tagged(request.method, old, tag, body)
            work.put_changed(old, new)
            return Answer(status, shown)

        return await self._transact(request, tag_it)

    async def _transact(self, request: Request, work: Callable[[Work], T]) -> T:
        settings = self._context.settings
        now = int(time.time())

        def run(tx: Transaction) -> T:
            return work(Work(tx, settings, now, request.caller))

        return await self._context.store.transact(run)


def _create(
    work: Work, resource: Resource, policy: Policy, given: dict[str, Any], above: str
) -> Row:
    row = resource.fields(given)
    if resource.above is not None:
        if work.visible(resource.above.kind, above) is None:
            raise not_found(resource.above.title, above)
        row[resource.above.field] = above
    row["revision_number"] = 1
    row["created_at"] = row["updated_at"] = work.now
    row.setdefault("project_id", work.caller.project_id)
    policy.check_create(work.caller, row["project_id"], given, work.tx.get)
    if not resource.own_ids:
        row["id"] = str(uuid.uuid4())
    elif work.tx.get(resource.kind, row["id"]) is not None:
        raise conflict(f"{resource.title}Exists", f"{resource.title} {row['id']} exists already.")
    new = resource.create(work, given, row)
    quotas.check_create(work, resource, new.project_id)
    work.tx.put(new)
    return new


def _is_part(resource: Resource, row: Row, above: str) -> bool:
    """Whether the row is below the member that the path named, if it named one."""
    return resource.above is None or getattr(row, resource.above.field) == above


def _existing(work: Work, resource: Resource, policy: Policy, id_: str, request: Request) -> Any:
    """The row to be changed, if it is at the revision that the client believes."""
    row = work.tx.get(resource.kind, id_)
    if (
        row is None
        or not _is_part(resource, row, request.above)
        or not policy.sees(request.caller, row, work.tx.get)
    ):
        raise resource.missing(id_, request.above)
    if request.if_match:
        asked = _IF_MATCH.fullmatch(request.if_match)
        if asked is None:
            raise bad_request("Invalid If-Match: it must be revision_number=NUMBER")
        if int(asked[1]) != row.revision_number:
            raise ApiError(
                412,
                "RevisionNumberConstraintFailed",
                f"Constrained to {asked[1]}, but current revision is {row.revision_number}",
            )
    return row


def _item(resource: Resource, item: Json) -> Json:
    """One of a bulk create, which may have its name around it once more, as in Neutron."""
    if isinstance(item, dict) and set(item) == {resource.name}:
        return item[resource.name]
    return item


def _decode(body: bytes) -> Json:
    if not body:
        raise bad_request("Resource body required")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise bad_request("The request body is not valid JSON") from None
