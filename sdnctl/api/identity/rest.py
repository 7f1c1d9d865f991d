"""Identity v3 over HTTP: as much as clients, SDKs and test suites log in and manage with.

Promise: administrators may do everything, a reader of the system may look, a user may look at
itself and change its password; nobody else anything. There is one domain, the roles are fixed,
and there are no groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from sdnctl.api.caller import Identity
from sdnctl.api.errors import ApiError, bad_request, of_store
from sdnctl.api.http import JsonResponse, base_url, header, read_body
from sdnctl.api.identity import accounts, credentials, documents
from sdnctl.api.identity.directory import DOMAIN, Directory, Session
from sdnctl.api.identity.documents import PREFIX
from sdnctl.api.identity.login import log_in
from sdnctl.api.identity.tokens import SYSTEM
from sdnctl.api.values import Json
from sdnctl.intent import Project, RoleAssignment, User
from sdnctl.store import StoreError

T = TypeVar("T")

MAX_BODY: Final = 1 << 16

OPEN: Final = frozenset({"/identity", "/identity/", PREFIX, f"{PREFIX}/"})
"""What is answered without a token; and to log in is."""


def is_open(scope: Scope) -> bool:
    """Whether a request needs no token."""
    path = scope["path"]
    return path in OPEN or (path == f"{PREFIX}/auth/tokens" and scope["method"] == "POST")


class _PasswordFields(msgspec.Struct):
    password: str
    original_password: str


class _PasswordBody(msgspec.Struct):
    user: _PasswordFields


class _Call(NamedTuple):
    caller: Identity
    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes
    token: bytes
    subject: bytes
    base: str
    address: str

    def decoded(self, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # Not the decoder's reason: it may quote a password.
            raise bad_request(f"The body is not that of a {kind.__name__}.") from None


class _Answer(NamedTuple):
    status: int
    body: Json = None
    token: str = ""


class IdentityApi:
    """An ASGI application for what is under /identity; authenticated requests have a caller."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ApiError if it cannot be."""
        base = base_url(scope)
        if scope["path"] in OPEN:
            await self._versions(scope, receive, send)
            return
        client = scope.get("client")
        call = _Call(
            caller=scope.get("caller") or Identity(),
            method="GET" if scope["method"] == "HEAD" else scope["method"],
            path=tuple(scope["path"].removeprefix(f"{PREFIX}/").removesuffix("/").split("/")),
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            body=await read_body(receive, MAX_BODY),
            token=header(scope, b"x-auth-token"),
            subject=header(scope, b"x-subject-token"),
            base=base,
            address=client[0] if client else "",
        )
        try:
            answer = await self._answer(call)
        except StoreError as error:
            raise of_store(error) from error
        headers = {"vary": "X-Auth-Token"}
        if answer.token:
            headers["x-subject-token"] = answer.token
        await JsonResponse(answer.body, answer.status, headers)(scope, receive, send)

    async def _versions(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = documents.version(base_url(scope))
        many = not scope["path"].startswith(PREFIX)
        body = {"versions": {"values": [version]}} if many else {"version": version}
        await JsonResponse(body, 300 if many else 200)(scope, receive, send)

    async def _answer(self, call: _Call) -> _Answer:
        match (call.method, *call.path):
            case ("POST", "auth", "tokens"):
                text, session = await log_in(self._directory, call.body, call.address)
                return _Answer(201, self._token(call, session), text)
            case (_, "auth", *_):
                return await self._auth(call)
            case ("GET", *_):
                shown = self._own(call) or self._shown(call)
                return _Answer(200 if shown else 204, shown)
            case ("POST", "users", id_, "password"):
                return await self._change_password(call, id_)
            case ("POST" | "DELETE", "users", id_, "application_credentials", *rest):
                return await self._change_credentials(call, id_, rest)
        if not call.caller.is_admin:
            raise _forbidden()
        return await self._changed(call)

    # ---- tokens --------------------------------------------------------------------------------

    def _token(self, call: _Call, session: Session) -> Json:
        return documents.token(session, call.base, with_catalog="nocatalog" not in call.query)

    async def _auth(self, call: _Call) -> _Answer:
        match (call.method, *call.path[1:]):
            case ("GET", "tokens"):
                session = self._subject(call)
                return _Answer(200, self._token(call, session), call.subject.decode("latin-1"))
            case ("DELETE", "tokens"):
                await self._directory.revoke(self._subject(call).token)
                return _Answer(204)
            case ("GET", "catalog"):
                return _Answer(200, _listed(call, "catalog", documents.catalog(call.base)))
            case ("GET", "projects"):
                return _Answer(200, self._projects_of(call, call.caller.user_id))
            case ("GET", "domains"):
                there = self._directory.roles(call.caller.user_id, f"domain:{DOMAIN}")
                return _Answer(200, _listed(call, "domains", [documents.domain()] if there else []))
            case ("GET", "system"):
                there = self._directory.roles(call.caller.user_id, SYSTEM)
                return _Answer(200, _listed(call, "system", [{"all": True}] if there else []))
        raise _nothing()

    def _subject(self, call: _Call) -> Session:
        """The session of the token that is asked about: one's own, or anybody's to look at."""
        session = self._directory.session(call.subject)
        caller = call.caller
        looks = call.method == "GET" and (caller.sees_all or "service" in caller.roles)
        own = session is not None and session.user.id == caller.user_id
        if not (caller.is_admin or looks or own):
            raise _forbidden()
        if session is None:
            raise ApiError(404, "Not Found", "Could not find token.")
        return session

    async def _change_password(self, call: _Call, id_: str) -> _Answer:
        if id_ != call.caller.user_id:
            raise _forbidden()
        credentials.check_may_manage(self._directory.session(call.token))
        given = call.decoded(_PasswordBody).user
        user = self._directory.store.get(User, id_)
        await self._directory.log_in(user, id_, given.original_password, call.address)
        await self._directory.set_password(id_, given.password)
        return _Answer(204)

    async def _change_credentials(self, call: _Call, id_: str, rest: list[str]) -> _Answer:
        """Of oneself alone: not even an administrator makes what logs in for another."""
        if id_ != call.caller.user_id:
            raise _forbidden()
        session = self._directory.session(call.token)
        match (call.method, *rest):
            case ("POST",):
                body = call.decoded(credentials.CredentialBody)
                row, secret = await credentials.create(self._directory, session, body)
                shown = credentials.document(row) | {"secret": secret}
                return _Answer(201, {"application_credential": shown})
            case ("DELETE", one):
                await credentials.delete(self._directory, session, id_, one)
                return _Answer(204)
        raise _nothing()

    # ---- what is shown -------------------------------------------------------------------------

    def _own(self, call: _Call) -> Json:
        """What everybody may see, and of its own each; None if it is not that."""
        caller = call.caller
        match call.path:
            case ("users", id_) if id_ == caller.user_id:
                return self._one(call, User, id_)
            case ("users", id_, "projects") if caller.sees_all or id_ == caller.user_id:
                return self._projects_of(call, id_)
            case ("users", id_, "application_credentials", *rest) if (
                caller.sees_all or id_ == caller.user_id
            ):
                return self._credentials(call, id_, rest)
            case ("projects", id_) if id_ == caller.project_id:
                return self._one(call, Project, id_)
            case ("role_assignments",) if call.query.get("user.id") == caller.user_id:
                return self._assignments(call)
            case ("roles" | "regions" | "services" | "endpoints" | "domains" as name, *rest):
                return _fixed(call, name, rest)
        return None

    def _shown(self, call: _Call) -> Json:
        """What a GET answers; None is an empty body, of a check."""
        store = self._directory.store
        if not call.caller.sees_all:
            raise _forbidden()
        match call.path:
            case ("projects",):
                rows = [documents.project(row) for row in store.rows(Project)]
                return _listed(call, "projects", _links(call, "projects", rows))
            case ("users",):
                rows = [documents.user(row) for row in store.rows(User)]
                return _listed(call, "users", _links(call, "users", rows))
            case ("projects", id_):
                return self._one(call, Project, id_)
            case ("users", id_):
                return self._one(call, User, id_)
            case ("groups",) | ("users", _, "groups"):
                return _listed(call, "groups", [])
            case ("role_assignments",):
                return self._assignments(call)
            case ("projects" | "domains" as kind, id_, "users", user_id, "roles", *role):
                return self._roles(call, user_id, accounts.target(kind, id_), role)
            case ("system", "users", user_id, "roles", *role):
                return self._roles(call, user_id, SYSTEM, role)
        raise _nothing()

    def _one(self, call: _Call, kind: type[Project | User], id_: str) -> Json:
        row = self._directory.store.get(kind, id_)
        name = kind.__name__.lower()
        if row is None:
            raise accounts.missing(name, id_)
        return {name: _document(call, row)}

    def _credentials(self, call: _Call, user_id: str, rest: list[str]) -> Json:
        if rest:
            row = credentials.one(self._directory, user_id, rest[0])
            return {"application_credential": credentials.document(row)}
        rows = credentials.listed(self._directory, user_id)
        return _listed(call, "application_credentials", [credentials.document(r) for r in rows])

    def _projects_of(self, call: _Call, user_id: str) -> Json:
        store = self._directory.store
        found = {}
        for row in store.find(RoleAssignment, "user_id", user_id):
            project = store.get(Project, row.target.removeprefix("project:"))
            if project is not None and project.enabled:
                found[project.id] = documents.project(project)
        return _listed(call, "projects", _links(call, "projects", found.values()))

    def _roles(self, call: _Call, user_id: str, target: str, role: list[str]) -> Json:
        rows = self._directory.store.find(RoleAssignment, "user_target", (user_id, target))
        names = {row.role for row in rows}
        if not role:
            return _listed(call, "roles", [r for r in documents.roles() if r["id"] in names])
        if len(role) > 1 or role[0] not in names:
            raise accounts.missing("role assignment", role[0])
        return None

    def _assignments(self, call: _Call) -> Json:
        store, names = self._directory.store, "include_names" in call.query
        found: list[Json] = []
        for row in accounts.assignments(self._directory, call.query):
            kind, _, id_ = row.target.partition(":")
            user = store.get(User, row.user_id)
            role: dict[str, Json] = {"id": row.role}
            who: dict[str, Json] = {"id": row.user_id}
            where: dict[str, Json] = {"id": id_}
            if names and user is not None:
                domain = {"id": DOMAIN, "name": "Default"}
                role["name"] = row.role
                who |= {"name": user.name, "domain": domain}
                project = store.get(Project, id_)
                where |= {"name": project.name, "domain": domain} if project else {"name": id_}
            scope = {"system": {"all": True}} if kind == SYSTEM else {kind: where}
            found.append({"role": role, "user": who, "scope": scope, "links": {}})
        return _listed(call, "role_assignments", found, filtered=False)

    # ---- what is changed -----------------------------------------------------------------------

    async def _changed(self, call: _Call) -> _Answer:
        directory = self._directory
        row: Project | User
        match (call.method, *call.path):
            case ("POST", "projects"):
                row = await accounts.create_project(directory, call.decoded(accounts.ProjectBody))
                return _Answer(201, {"project": _document(call, row)})
            case ("PATCH", "projects", id_):
                row = await accounts.update_project(
                    directory, id_, call.decoded(accounts.ProjectBody)
                )
                return _Answer(200, {"project": _document(call, row)})
            case ("POST", "users"):
                row = await accounts.create_user(directory, call.decoded(accounts.UserBody))
                return _Answer(201, {"user": _document(call, row)})
            case ("PATCH", "users", id_):
                row = await accounts.update_user(directory, id_, call.decoded(accounts.UserBody))
                return _Answer(200, {"user": _document(call, row)})
            case ("DELETE", "projects", id_):
                await accounts.delete(directory, Project, id_)
            case ("DELETE", "users", id_):
                await accounts.delete(directory, User, id_)
            case (
                "PUT" | "DELETE" as method,
                "projects" | "domains" as kind,
                id_,
                "users",
                user_id,
                "roles",
                role,
            ):
                await self._assign(method, user_id, accounts.target(kind, id_), role)
            case ("PUT" | "DELETE" as method, "system", "users", user_id, "roles", role):
                await self._assign(method, user_id, SYSTEM, role)
            case (_, "roles" | "domains" | "regions" | "services" | "endpoints" | "groups", *_):
                raise ApiError(403, "Forbidden", "The built-in identity service has these fixed.")
            case _:
                raise _nothing()
        return _Answer(204)

    async def _assign(self, method: str, user_id: str, target: str, role: str) -> None:
        change = accounts.assign if method == "PUT" else accounts.unassign
        await change(self._directory, user_id, target, role)


def _forbidden() -> ApiError:
    return ApiError(403, "Forbidden", "You are not authorized to perform the requested action.")


def _nothing() -> ApiError:
    return ApiError(404, "Not Found", "The resource could not be found.")


def _document(call: _Call, row: Project | User) -> Json:
    if isinstance(row, Project):
        return documents.linked(call.base, "projects", documents.project(row))
    return documents.linked(call.base, "users", documents.user(row))


def _links(call: _Call, collection: str, rows: Iterable[dict[str, Json]]) -> list[Json]:
    return [documents.linked(call.base, collection, row) for row in rows]


def _fixed(call: _Call, name: str, rest: list[str]) -> Json:
    """What never changes: all of it, or one by its id."""
    rows = {
        "roles": documents.roles(),
        "regions": [documents.region()],
        "services": documents.services(),
        "endpoints": documents.endpoints(call.base),
        "domains": [documents.domain()],
    }[name]
    singular = name.removesuffix("s")
    if not rest:
        return _listed(call, name, _links(call, name, rows))
    for row in rows:
        if [row["id"]] == rest:
            return {singular: documents.linked(call.base, name, row)}
    raise accounts.missing(singular, rest[0])


def _listed(call: _Call, name: str, rows: list[Any], *, filtered: bool = True) -> Json:
    """A list; what the query names of its attributes is equal to what it asks."""
    if filtered:
        rows = [row for row in rows if _matches(row, call.query)]
    path = "/".join(call.path)
    links = {"self": f"{call.base}{PREFIX}/{path}", "previous": None, "next": None}
    return {name: rows, "links": links}


def _matches(row: Mapping[str, Json], query: Mapping[str, str]) -> bool:
    for name, asked in query.items():
        value = row.get(name)
        if name in row and str(value).lower() != asked.lower() and (value or asked):
            return False
    return True
