"""Projects, users and role assignments, as administrators change them.

Promise: each call is one transaction; names are unique in the domain by the store's claims; with
a user or a project its role assignments go. A project's networks stay, as in Keystone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from sdnctl.api.errors import ApiError, bad_request
from sdnctl.api.identity.directory import (
    DOMAIN,
    ROLES,
    Directory,
    assignment,
    new_id,
    project_target,
)
from sdnctl.api.identity.tokens import SYSTEM
from sdnctl.intent import ApplicationCredential, Project, RoleAssignment, Row, User
from sdnctl.store import Transaction

R = TypeVar("R", bound=Row)

_Text = str | None | UnsetType


class _ProjectFields(msgspec.Struct):
    name: str | UnsetType = UNSET
    description: _Text = UNSET
    enabled: bool | UnsetType = UNSET
    domain_id: _Text = UNSET


class _UserFields(msgspec.Struct):
    name: str | UnsetType = UNSET
    description: _Text = UNSET
    enabled: bool | UnsetType = UNSET
    domain_id: _Text = UNSET
    default_project_id: _Text = UNSET
    email: _Text = UNSET
    password: _Text = UNSET


class ProjectBody(msgspec.Struct):
    """The body of a request on a project."""

    project: _ProjectFields


class UserBody(msgspec.Struct):
    """The body of a request on a user."""

    user: _UserFields


def missing(name: str, id_: str) -> ApiError:
    """There is none, in Keystone's words."""
    return ApiError(404, "Not Found", f"Could not find {name}: {id_}.")


def _given(fields: _ProjectFields | _UserFields) -> dict[str, Any]:
    """What was given, without a password; null is empty."""
    given = {
        name: "" if value is None else value
        for name in fields.__struct_fields__
        if (value := getattr(fields, name)) is not UNSET and name != "password"
    }
    if given.pop("domain_id", DOMAIN) != DOMAIN:
        raise bad_request("There is one domain, default.")
    if not given.get("name", "x").strip():
        raise bad_request("name is empty.")
    for name, value in given.items():
        if isinstance(value, str) and len(value) > 255:
            raise bad_request(f"{name} is longer than 255 characters.")
    return given


async def create_project(directory: Directory, body: ProjectBody) -> Project:
    """A new project."""
    given = _given(body.project)
    if "name" not in given:
        raise bad_request("'name' is a required property.")
    row = Project(id=new_id(), created_at=int(time.time()), **given)
    await directory.store.transact(lambda tx: tx.put(row))
    return row


async def update_project(directory: Directory, id_: str, body: ProjectBody) -> Project:
    """The project as it is then."""
    return await _update(directory, Project, id_, _given(body.project))


async def create_user(directory: Directory, body: UserBody) -> User:
    """A new user; without a password it cannot log in."""
    given = _given(body.user)
    if "name" not in given:
        raise bad_request("'name' is a required property.")
    if body.user.password:
        given["password"] = await directory.passwords.hash(body.user.password)
    row = User(id=new_id(), created_at=int(time.time()), **given)
    await directory.store.transact(lambda tx: tx.put(row))
    return row


async def update_user(directory: Directory, id_: str, body: UserBody) -> User:
    """The user as it is then; a new password makes its tokens useless."""
    given = _given(body.user)
    if body.user.password:
        given["password"] = await directory.passwords.hash(body.user.password)
        given["valid_from"] = time.time_ns() // 1000
    return await _update(directory, User, id_, given)


async def _update(directory: Directory, kind: type[R], id_: str, fields: Mapping[str, Any]) -> R:
    def change(tx: Transaction) -> R:
        row = tx.get(kind, id_)
        if row is None:
            raise missing(kind.__name__.lower(), id_)
        new: R = msgspec.structs.replace(row, **fields)
        tx.put(new)
        return new

    return await directory.store.transact(change)


async def delete(directory: Directory, kind: type[Project | User], id_: str) -> None:
    """Delete a project or a user with its role assignments and application credentials."""
    index, value = ("user_id", id_) if kind is User else ("target", project_target(id_))

    def remove(tx: Transaction) -> None:
        if tx.get(kind, id_) is None:
            raise missing(kind.__name__.lower(), id_)
        for row in tx.find(RoleAssignment, index, value):
            tx.delete(RoleAssignment, row.id)
        for credential in tx.find(ApplicationCredential, index, value):
            tx.delete(ApplicationCredential, credential.id)
        tx.delete(kind, id_)

    await directory.store.transact(remove)


def target(kind: str, id_: str) -> str:
    """What roles are on: ``projects``, ``domains`` or ``system``."""
    return {"projects": project_target(id_), "domains": f"domain:{id_}"}.get(kind, SYSTEM)


async def assign(directory: Directory, user_id: str, on: str, role: str) -> None:
    """Give a role; twice is once."""

    def give(tx: Transaction) -> None:
        _check(tx, user_id, on, role)
        tx.put(assignment(user_id, on, role))

    await directory.store.transact(give)


async def unassign(directory: Directory, user_id: str, on: str, role: str) -> None:
    """Take a role away."""

    def take(tx: Transaction) -> None:
        _check(tx, user_id, on, role)
        row = assignment(user_id, on, role)
        if tx.get(RoleAssignment, row.id) is None:
            raise missing("role assignment", role)
        tx.delete(RoleAssignment, row.id)

    await directory.store.transact(take)


def _check(tx: Transaction, user_id: str, on: str, role: str) -> None:
    if tx.get(User, user_id) is None:
        raise missing("user", user_id)
    kind, _, id_ = on.partition(":")
    if (kind == "project" and tx.get(Project, id_) is None) or (kind == "domain" and id_ != DOMAIN):
        raise missing(kind, id_)
    if role not in ROLES:
        raise missing("role", role)


def assignments(directory: Directory, asked: Mapping[str, str]) -> list[RoleAssignment]:
    """The role assignments that a query asks for, by the narrowest index."""
    store = directory.store
    if "user.id" in asked:
        rows = store.find(RoleAssignment, "user_id", asked["user.id"])
    elif "scope.project.id" in asked:
        rows = store.find(RoleAssignment, "target", project_target(asked["scope.project.id"]))
    else:
        rows = list(store.rows(RoleAssignment))
    wanted = {
        "user_id": asked.get("user.id"),
        "role": asked.get("role.id"),
        "target": _asked_target(asked),
    }
    return [
        row
        for row in rows
        if all(value is None or getattr(row, name) == value for name, value in wanted.items())
    ]


def _asked_target(asked: Mapping[str, str]) -> str | None:
    if "scope.project.id" in asked:
        return project_target(asked["scope.project.id"])
    if "scope.domain.id" in asked:
        return f"domain:{asked['scope.domain.id']}"
    return SYSTEM if "scope.system" in asked else None
