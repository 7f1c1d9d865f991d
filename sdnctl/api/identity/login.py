"""Logging in: from what a client says of itself to a token.

Promise: what is wrong with who it says it is, is not told. Methods: ``password``, ``token`` and
``application_credential``; scopes: a project, the system, the domain, or none.
"""

from __future__ import annotations

import msgspec

from sdnctl.api.errors import bad_request
from sdnctl.api.identity import credentials
from sdnctl.api.identity.directory import (
    DOMAIN,
    Directory,
    Session,
    project_target,
    unauthorized,
)
from sdnctl.api.identity.tokens import SYSTEM, Token
from sdnctl.intent import ApplicationCredential, Project, User


class _Domain(msgspec.Struct):
    id: str = ""
    name: str = ""

    def is_known(self) -> bool:
        return self.id == DOMAIN or (not self.id and self.name in {"Default", DOMAIN})


class _Named(msgspec.Struct):
    id: str = ""
    name: str = ""
    domain: _Domain | None = None

    def is_named(self) -> bool:
        return bool(self.name) and self.domain is not None and self.domain.is_known()


class _User(_Named):
    password: str = ""


class _Password(msgspec.Struct):
    user: _User


class _Token(msgspec.Struct):
    id: str


class _Credential(_Named):
    secret: str = ""
    user: _Named | None = None


class _Identity(msgspec.Struct):
    methods: list[str]
    application_credential: _Credential | None = None
    password: _Password | None = None
    token: _Token | None = None


class _System(msgspec.Struct):
    all: bool = False


class _Scope(msgspec.Struct):
    project: _Named | None = None
    system: _System | None = None
    domain: _Domain | None = None


class _Auth(msgspec.Struct):
    identity: _Identity
    scope: _Scope | str | None = None


class _Request(msgspec.Struct):
    auth: _Auth


_decode = msgspec.json.Decoder(_Request).decode


async def log_in(directory: Directory, body: bytes, address: str) -> tuple[str, Session]:
    """The token and what it says; ``address`` is the client's."""
    try:
        auth = _decode(body).auth
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # Not the decoder's reason: it may quote what was sent.
        raise bad_request("Expecting to find auth, with identity and its methods.") from None
    match auth.identity:
        case _Identity(
            methods=["application_credential"], application_credential=_Credential() as given
        ):
            return await _by_credential(directory, given, auth.scope, address)
    user, former = await _who(directory, auth.identity, address)
    target = _target(directory, auth.scope, user)
    return directory.issue(user, target, tuple(auth.identity.methods), former)


async def _who(
    directory: Directory, identity: _Identity, address: str
) -> tuple[User, Token | None]:
    match identity:
        case _Identity(methods=["password"], password=_Password(user=given)):
            tried = given.id or given.name
            user = _user(directory, given)
            return await directory.log_in(user, tried, given.password, address), None
        case _Identity(methods=["token"], token=_Token(id=text)):
            session = directory.session(text.encode("utf-8", "replace"))
            if session is None or session.token.credential_id:
                raise unauthorized()
            return session.user, session.token
        case _:
            raise unauthorized()


def _user(directory: Directory, given: _Named) -> User | None:
    if given.id:
        return directory.store.get(User, given.id)
    return directory.user_named(given.name) if given.is_named() else None


async def _by_credential(
    directory: Directory, given: _Credential, scope: _Scope | str | None, address: str
) -> tuple[str, Session]:
    """By an application credential, whose scope is its own."""
    row = directory.store.get(ApplicationCredential, given.id) if given.id else None
    if not given.id and given.user is not None:
        owner = _user(directory, given.user)
        rows = credentials.listed(directory, owner.id) if owner else []
        row = next((one for one in rows if one.name == given.name), None)
    kept = row.secret if row is not None else ""
    await directory.check(kept, given.secret, given.id or given.name, address)
    user = directory.store.get(User, row.user_id) if row is not None else None
    if row is None or user is None or scope is not None:
        raise unauthorized()
    return directory.issue(user, row.target, ("application_credential",), credential_id=row.id)


def _target(directory: Directory, scope: _Scope | str | None, user: User) -> str:
    """Of the roles that are asked for; that there are any is checked by who issues the token."""
    match scope:
        case None:
            target = project_target(user.default_project_id)
            return target if user.default_project_id and directory.roles(user.id, target) else ""
        case "unscoped":
            return ""
        case _Scope(project=_Named() as given, system=None, domain=None):
            project = directory.store.get(Project, given.id) if given.id else None
            if not given.id and given.is_named():
                project = directory.project_named(given.name)
            if project is None:
                raise unauthorized()
            return project_target(project.id)
        case _Scope(project=None, system=_System(all=True), domain=None):
            return SYSTEM
        case _Scope(project=None, system=None, domain=_Domain() as domain) if domain.is_known():
            return f"domain:{DOMAIN}"
        case _:
            raise unauthorized()
