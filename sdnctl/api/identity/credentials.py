"""Application credentials: secrets that programs log in with in place of their user's password.

Promise: one is good for one project and for no more roles than its user has there now; it ends
with its user, its project, its roles or its time. A token that it gave makes no further ones.
Not served: access rules, and credentials that are ``unrestricted``.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import msgspec

from sdnctl.api.errors import ApiError, bad_request
from sdnctl.api.identity.accounts import missing
from sdnctl.api.identity.directory import ROLES, Directory, Session, new_id
from sdnctl.api.identity.documents import moment
from sdnctl.api.values import Json
from sdnctl.intent import ApplicationCredential
from sdnctl.store import Transaction


class _Role(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Fields(msgspec.Struct):
    name: str
    description: str | None = None
    secret: str | None = None
    roles: list[_Role] | None = None
    expires_at: str | None = None
    unrestricted: bool | None = None
    access_rules: list[object] | None = None


class CredentialBody(msgspec.Struct):
    """The body of a request for one."""

    application_credential: _Fields


def document(row: ApplicationCredential) -> dict[str, Json]:
    """One, without its secret."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user_id,
        "project_id": row.target.removeprefix("project:"),
        "roles": [{"id": name, "name": name, "domain_id": None} for name in row.roles],
        "expires_at": moment(row.expires_at).removesuffix("Z") if row.expires_at else None,
        "unrestricted": False,
        "system": None,
    }


def check_may_manage(session: Session | None) -> Session:
    """Only who logged in itself makes, deletes and lends what logs in for it."""
    if session is None or session.token.credential_id:
        raise ApiError(403, "Forbidden", "You are not authorized to perform the requested action.")
    return session


async def create(
    directory: Directory, session: Session | None, body: CredentialBody
) -> tuple[ApplicationCredential, str]:
    """A new one for the project of the session, and its secret."""
    session = check_may_manage(session)
    fields = body.application_credential
    if session.project is None:
        raise bad_request("An application credential is of a project: the token has none.")
    if fields.unrestricted or fields.access_rules:
        raise bad_request("unrestricted and access_rules are not served.")
    if not 0 < len(fields.name) <= 255 or len(fields.description or "") > 255:
        raise bad_request("name and description have at most 255 characters.")
    roles = tuple(sorted({role.id or role.name for role in fields.roles or ()}))
    for role in roles:
        if role not in ROLES or role not in session.roles:
            raise bad_request(f"You have no role {role[:40]} to give.")
    secret = fields.secret or secrets.token_urlsafe(48)
    row = ApplicationCredential(
        id=new_id(),
        name=fields.name,
        description=fields.description or "",
        created_at=int(time.time()),
        user_id=session.user.id,
        target=session.token.target,
        roles=roles or session.roles,
        secret=await directory.passwords.hash(secret),
        expires_at=_microseconds(fields.expires_at),
    )
    await directory.store.transact(lambda tx: tx.put(row))
    return row, secret


def _microseconds(text: str | None) -> int:
    if text is None:
        return 0
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request("expires_at is not a time in ISO 8601.") from None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return int(then.timestamp() * 1_000_000)


def listed(directory: Directory, user_id: str) -> list[ApplicationCredential]:
    """Those of a user."""
    return directory.store.find(ApplicationCredential, "user_id", user_id)


def one(directory: Directory, user_id: str, id_: str) -> ApplicationCredential:
    """One of a user; ApiError if it has none of that id."""
    row = directory.store.get(ApplicationCredential, id_)
    if row is None or row.user_id != user_id:
        raise missing("application credential", id_)
    return row


async def delete(directory: Directory, session: Session | None, user_id: str, id_: str) -> None:
    """Delete one of a user; its tokens are not good any more."""
    check_may_manage(session)

    def remove(tx: Transaction) -> None:
        row = tx.get(ApplicationCredential, id_)
        if row is None or row.user_id != user_id:
            raise missing("application credential", id_)
        tx.delete(ApplicationCredential, id_)

    await directory.store.transact(remove)
