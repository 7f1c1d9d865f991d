"""Users, projects, roles and tokens: who somebody is.

Promise: what an administrator changes is true at once, for tokens that exist as well: roles,
enabled users and projects are looked up for each request, by index. Passwords and tokens appear
in no log. Knows nothing of HTTP.
"""

from __future__ import annotations

import base64
import logging
import secrets
import time
import uuid
from functools import lru_cache
from typing import Final, NamedTuple, Self

import msgspec

from sdnctl.api.caller import Identity, expanded
from sdnctl.api.errors import ApiError
from sdnctl.api.identity.passwords import Passwords
from sdnctl.api.identity.throttle import Throttle
from sdnctl.api.identity.tokens import SYSTEM, Token, opened, sealed
from sdnctl.intent import (
    ApplicationCredential,
    Project,
    RevokedToken,
    RoleAssignment,
    TokenKey,
    User,
)
from sdnctl.store import Store, Transaction

log = logging.getLogger(__name__)

ROLES: Final = ("admin", "manager", "member", "reader", "service")
"""Every role there is; the name is the id."""

DOMAIN: Final = "default"
"""The id of the one domain; its name is Default."""

LIFETIME_S: Final = 4 * 3600
"""Of a token."""

_KEY: Final = "tokens"


def project_target(project_id: str) -> str:
    """The target of roles on a project."""
    return f"project:{project_id}"


def new_id() -> str:
    """An id as Keystone makes them."""
    return uuid.uuid4().hex


def unauthorized() -> ApiError:
    """Whatever was wrong, no more is said."""
    return ApiError(401, "Unauthorized", "The request you have made requires authentication.")


class Session(NamedTuple):
    """A good token, and what it says now."""

    token: Token
    user: User
    project: Project | None
    roles: tuple[str, ...]

    @property
    def identity(self) -> Identity:
        """The caller."""
        return _identity(
            self.user.id,
            self.user.name,
            self.project.id if self.project else "",
            self.roles,
            self.token.target == SYSTEM,
        )


def lent(row: ApplicationCredential, has: tuple[str, ...], now: int) -> tuple[str, ...]:
    """The roles that it gives now, of those that its user ``has``; none once it has expired."""
    if row.expires_at and row.expires_at <= now:
        return ()
    return tuple(sorted(expanded(frozenset(row.roles)).intersection(has)))


@lru_cache(maxsize=4096)
def _identity(
    user_id: str, user_name: str, project_id: str, roles: tuple[str, ...], system: bool
) -> Identity:
    return Identity(
        user_id=user_id,
        user_name=user_name,
        project_id=project_id,
        roles=frozenset(roles),
        system=system,
    )


class Directory:
    """See the module. Made by ``open``; an ``Authenticator``."""

    def __init__(self, store: Store, key: bytes, passwords: Passwords) -> None:
        self.store = store
        self.passwords = passwords
        self.throttle = Throttle()
        self._key = key

    @classmethod
    async def open(cls, store: Store, passwords: Passwords | None = None) -> Self:
        """The directory in a store; its key is made the first time."""

        def key(tx: Transaction) -> TokenKey:
            row = tx.get(TokenKey, _KEY)
            if row is None:
                row = TokenKey(id=_KEY, secret=secrets.token_hex(32))
                tx.put(row)
            return row

        row = await store.transact(key)
        return cls(store, bytes.fromhex(row.secret), passwords or Passwords())

    async def identify(self, token: bytes) -> Identity | None:
        """Whose token it is."""
        session = self.session(token)
        return None if session is None else session.identity

    def session(self, text: bytes) -> Session | None:
        """What a token is good for; None if it is not."""
        token = opened(self._key, text)
        if token is None or token.expires_at <= _now():
            return None
        if any(self.store.get(RevokedToken, id_) is not None for id_ in token.audit_ids):
            return None
        return self._current(token)

    def _current(self, token: Token) -> Session | None:
        user = self.store.get(User, token.user_id)
        if user is None or not user.enabled or token.issued_at < user.valid_from:
            return None
        if not token.target:
            return Session(token, user, None, ())
        roles = self.roles(user.id, token.target)
        if token.credential_id:
            row = self.store.get(ApplicationCredential, token.credential_id)
            roles = () if row is None else lent(row, roles, _now())
        project = None
        if token.target.startswith("project:"):
            project = self.store.get(Project, token.target.removeprefix("project:"))
            if project is None or not project.enabled:
                return None
        return Session(token, user, project, roles) if roles else None

    def roles(self, user_id: str, target: str) -> tuple[str, ...]:
        """A user's roles on a target, with those that they contain."""
        rows = self.store.find(RoleAssignment, "user_target", (user_id, target))
        if not rows:
            return ()
        return tuple(sorted(expanded(frozenset(row.role for row in rows))))

    def user_named(self, name: str) -> User | None:
        """The user of a name."""
        return next(iter(self.store.find(User, "name", name)), None)

    def project_named(self, name: str) -> Project | None:
        """The project of a name."""
        return next(iter(self.store.find(Project, "name", name)), None)

    async def log_in(self, user: User | None, tried: str, password: str, address: str) -> User:
        """The user whose password it is; ApiError, as slowly, for any other reason."""
        kept = user.password if user is not None and user.enabled else ""
        await self.check(kept, password, tried, address)
        if user is None:
            raise unauthorized()
        return user

    async def check(self, kept: str, secret: str, tried: str, address: str) -> None:
        """ApiError unless ``kept`` was kept of that secret.

        ``tried`` is the name or id that was given, ``address`` where from.
        """
        key = (tried, address)
        wait_s = self.throttle.wait_s(key)
        if wait_s:
            raise ApiError(429, "Too Many Requests", f"Try again in {wait_s} seconds.")
        # Many at once may pass before the first has failed: as many as there is room for.
        if not await self.passwords.matches(secret, kept):
            self.throttle.failed(key)
            # Not what was tried: a password is easily typed for a name.
            log.info("log in failed", extra={"address": address})
            raise unauthorized()
        self.throttle.succeeded(key)

    def issue(
        self,
        user: User,
        target: str,
        methods: tuple[str, ...],
        former: Token | None = None,
        credential_id: str = "",
    ) -> tuple[str, Session]:
        """A new token; ApiError if the user has no role there.

        One made of a ``former`` token lives no longer, and is revoked with it.
        """
        now = _now()
        expires_at = now + LIFETIME_S * 1_000_000
        audit_ids: tuple[str, ...] = (_audit_id(),)
        if former is not None:
            expires_at = min(expires_at, former.expires_at)
            audit_ids += (former.audit_ids[-1],)
            methods = tuple(dict.fromkeys((*former.methods, *methods)))
        token = Token(user.id, target, methods, now, expires_at, audit_ids, credential_id)
        session = self._current(token)
        if session is None:
            raise unauthorized()
        return sealed(self._key, token), session

    async def revoke(self, token: Token) -> None:
        """Make a token useless, and those made of it; forget such as have expired since."""
        now = _now()
        old = [row.id for row in self.store.rows(RevokedToken) if row.expires_at <= now]

        def revoke(tx: Transaction) -> None:
            tx.put(RevokedToken(id=token.audit_ids[0], expires_at=token.expires_at))
            for id_ in old:
                if tx.get(RevokedToken, id_) is not None:
                    tx.delete(RevokedToken, id_)

        await self.store.transact(revoke)

    async def set_password(self, user_id: str, password: str) -> None:
        """Change a password; tokens issued before are not good any more."""
        kept = await self.passwords.hash(password)

        def change(tx: Transaction) -> None:
            user = tx.get(User, user_id)
            if user is None:
                raise unauthorized()
            tx.put(_with_password(user, kept))

        await self.store.transact(change)


def _with_password(user: User, kept: str) -> User:
    return replaced(user, password=kept, valid_from=_now())


def replaced(user: User, **fields: object) -> User:
    """The user with other fields."""
    return msgspec.structs.replace(user, **fields)


def assignment(user_id: str, target: str, role: str) -> RoleAssignment:
    """The row of a role assignment: there is one."""
    return RoleAssignment(
        id=f"{user_id}/{target}/{role}", user_id=user_id, target=target, role=role
    )


async def bootstrap(store: Store, name: str, project_name: str, password: str) -> None:
    """An administrator of that name and password, of a project and of the system.

    Run again it sets the password: that is how a lost one is replaced.
    """
    directory = await Directory.open(store)
    kept = await directory.passwords.hash(password)
    directory.passwords.close()

    def make(tx: Transaction) -> None:
        user = next(iter(tx.find(User, "name", name)), None)
        user = user or User(id=new_id(), name=name, created_at=int(time.time()))
        project = next(iter(tx.find(Project, "name", project_name)), None)
        project = project or Project(id=new_id(), name=project_name, created_at=int(time.time()))
        tx.put(replaced(_with_password(user, kept), enabled=True))
        tx.put(project)
        for target in (project_target(project.id), SYSTEM):
            tx.put(assignment(user.id, target, "admin"))

    await store.transact(make)


def _now() -> int:
    return time.time_ns() // 1000


def _audit_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
