"""Who calls: what a token, or the lack of one, says of a request.

Promise: a value for each caller, from which the policy's checks follow by comparing bits; it
holds no secret. Knows nothing of how it was found out.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Final


class Who(enum.IntFlag):
    """Those whom a rule of the policy may name; an administrator may do everything.

    READER, MEMBER, MANAGER: with that role on the project that owns the row. NETWORK_*: on the
    project that owns the row's network. SHARED, EXTERNAL: everybody, if the row's network is.
    SERVICE: with the role ``service``, which Nova has. ANYBODY: with the role ``reader``, wherever.
    """

    ADMIN = 0
    READER = enum.auto()
    MEMBER = enum.auto()
    MANAGER = enum.auto()
    NETWORK_READER = enum.auto()
    NETWORK_MEMBER = enum.auto()
    NETWORK_MANAGER = enum.auto()
    SHARED = enum.auto()
    EXTERNAL = enum.auto()
    SERVICE = enum.auto()
    ANYBODY = enum.auto()


class Rank(enum.IntEnum):
    """Which attributes a caller may be shown, whatever the row."""

    PROJECT = 0
    SERVICE = 1
    ALL = 2


IMPLIED: Final = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
}
"""What a role contains, as Keystone's defaults have it."""

_OWN: Final = {"reader": Who.READER, "member": Who.MEMBER, "manager": Who.MANAGER}
_NETWORK: Final = {
    "reader": Who.NETWORK_READER,
    "member": Who.NETWORK_MEMBER,
    "manager": Who.NETWORK_MANAGER,
}


def expanded(roles: frozenset[str]) -> frozenset[str]:
    """The roles with those that they contain."""
    return roles.union(*(IMPLIED.get(role, ()) for role in roles))


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """A caller: a user, in a project or in the whole system, with roles there.

    ``is_admin`` may do everything; ``sees_all`` may look at everything, as an administrator or
    as a reader of the system. ``own``, ``on_network`` and ``anywhere`` are what ``Who`` it is to
    a row of its project, to a row on a network of its project, and to any.
    """

    user_id: str = ""
    user_name: str = ""
    project_id: str = ""
    roles: frozenset[str] = frozenset()
    system: bool = False
    is_admin: bool = dataclasses.field(init=False, repr=False)
    sees_all: bool = dataclasses.field(init=False, repr=False)
    rank: Rank = dataclasses.field(init=False, repr=False)
    own: int = dataclasses.field(init=False, repr=False)
    on_network: int = dataclasses.field(init=False, repr=False)
    anywhere: int = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        roles = expanded(self.roles)
        put = object.__setattr__
        put(self, "is_admin", "admin" in roles)
        put(self, "sees_all", self.is_admin or (self.system and "reader" in roles))
        service = "service" in roles
        put(self, "rank", Rank.ALL if self.sees_all else Rank.SERVICE if service else Rank.PROJECT)
        # Rows without an owner are nobody's, not those of who is in no project.
        inside = roles if self.project_id else frozenset()
        put(self, "own", _bits(_OWN, inside))
        put(self, "on_network", _bits(_NETWORK, inside))
        anybody = int(Who.ANYBODY) if "reader" in roles else 0
        put(self, "anywhere", anybody | (int(Who.SERVICE) if service else 0))


def _bits(of: dict[str, Who], roles: frozenset[str]) -> int:
    return sum(int(who) for role, who in of.items() if role in roles)


def administrator(project_id: str = "") -> Identity:
    """Who is asked for nothing, or has the one token, may do everything."""
    return Identity(project_id=project_id, roles=frozenset({"admin"}))
