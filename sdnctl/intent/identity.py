"""The rows of the built-in identity service.

Promise: no secret in clear, and none in what ``repr`` says. A cloud with Keystone has none.
"""

from __future__ import annotations

from sdnctl.intent.row import Row


class Project(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What owns networks: a tenant."""

    domain_id: str = "default"
    enabled: bool = True


class User(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Who may log in. ``password`` is a hash; without one nobody can.

    Tokens issued before ``valid_from``, microseconds since the epoch, are not good any more.
    """

    domain_id: str = "default"
    enabled: bool = True
    password: str = ""
    default_project_id: str = ""
    email: str = ""
    valid_from: int = 0

    def __repr__(self) -> str:
        """Without the password, wherever a row is logged."""
        return f"User(id={self.id!r}, name={self.name!r})"


class RoleAssignment(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A user's role on a ``target``: ``project:ID``, ``domain:ID`` or ``system``."""

    user_id: str
    target: str
    role: str


class ApplicationCredential(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a program logs in with for a user, on one ``target`` with some of its ``roles``.

    ``secret`` is a hash; ``expires_at`` is microseconds since the epoch, 0 for never.
    """

    user_id: str
    target: str
    roles: tuple[str, ...]
    secret: str
    expires_at: int = 0

    def __repr__(self) -> str:
        """Without the secret, wherever a row is logged."""
        return f"ApplicationCredential(id={self.id!r}, user_id={self.user_id!r})"


class RevokedToken(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A token that is no longer good; ``id`` is its audit id, ``expires_at`` microseconds."""

    expires_at: int


class TokenKey(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The key that tokens are signed with, as hexadecimal digits."""

    secret: str

    def __repr__(self) -> str:
        """Without the secret, wherever a row is logged."""
        return f"TokenKey(id={self.id!r})"
