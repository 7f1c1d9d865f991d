"""The tables of the groups, encoded once for all members.

Promise: a group's version depends on its contents alone, so two controllers, or one before and
after a restart, give the same version to the same table. Knows nothing of agents.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sdnctl import wire
from sdnctl.desired import Desired
from sdnctl.graph.engine import Log

HISTORY: Final = 256
"""Changes of a group that an agent may have missed without being sent the whole of it."""

_MODULUS: Final = 1 << 64


@dataclass(slots=True)
class Table:
    """The resources of one group, by key, as encoded."""

    entries: dict[str, bytes] = field(default_factory=dict)
    version: int = 0
    history: deque[tuple[int, tuple[str, ...]]] = field(default_factory=deque)
    remembered: int = 0  # keys in the history

    def remember(self, before: int, keys: tuple[str, ...]) -> None:
        """Note a change; as much is kept as is less than the whole table."""
        self.history.append((before, keys))
        self.remembered += len(keys)
        while len(self.history) > HISTORY or self.remembered > max(HISTORY, len(self.entries)):
            self.remembered -= len(self.history.popleft()[1])

    def missed_since(self, version: int) -> dict[str, None] | None:
        """The keys that changed since the table had that version; None if that is not known."""
        if version == self.version:
            return {}
        keys: dict[str, None] = {}
        for before, changed in reversed(self.history):
            keys.update(dict.fromkeys(changed))
            if before == version:
                return keys
        return None


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What one commit did to one group."""

    group: str
    upserts: tuple[tuple[str, bytes], ...]
    removals: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that changed."""
        return (*self.removals, *(key for key, _resource in self.upserts))


def group_of_evi(vni: int) -> str:
    """The group of a network."""
    return f"evi/{vni}"


def group_of_vrf(vni: int) -> str:
    """The group of a router."""
    return f"vrf/{vni}"


def group_of_node(host: str) -> str:
    """The group of what concerns one hypervisor alone."""
    return f"node/{host}"


def group_of_policy(security_group_id: str) -> str:
    """The group of a security group's rules."""
    return f"policy/{security_group_id}"


def group_of_remote(remote_id: str) -> str:
    """The group of a set of addresses that rules refer to."""
    return f"remote/{remote_id}"


_GROUPS: Final[dict[str, Callable[[Any], tuple[str, Desired]]]] = {
    **dict.fromkeys(
        (
            *("evi", "irb", "subnet_options", "host_name", "fdb", "neighbor", "flood"),
            "evi_probe",
        ),
        lambda row: (group_of_evi(row.vni), row),
    ),
    "vrf_probe": lambda row: (group_of_vrf(row.vni), row),
    "vrf": lambda row: (group_of_vrf(row.vni), row),
    "fib": lambda row: (group_of_vrf(row.vrf), row),
    **dict.fromkeys(("exit", "forwarding"), lambda row: (group_of_vrf(row.vrf), row)),
    **dict.fromkeys(("floating", "hiding"), lambda row: (group_of_node(row.host), row.address)),
    "rule": lambda row: (group_of_policy(row.group), row),
    "remote": lambda row: (group_of_remote(row.remote), row),
    "node": lambda row: (group_of_node(row.host), row),
    **dict.fromkeys(
        ("local_port", "standby_port"), lambda row: (group_of_node(row.host), row.port)
    ),
}
"""The relations that agents are told of: the group and the resource of a row."""


class Tables:
    """All groups. ``apply`` follows the graph's log."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def table(self, group: str) -> Table:
        """A group's table; an empty one if nothing was ever said about the group."""
        found = self._tables.get(group)
        return found if found is not None else Table()

    @property
    def groups(self) -> list[str]:
        """The names of all groups that hold anything."""
        return list(self._tables)

    def apply(self, log: Log) -> list[GroupChange]:
        """Bring the tables up to date; return what changed, by group."""
        touched: dict[str, dict[str, bytes | None]] = {}
        for relation, place in _GROUPS.items():
            for _key, old, new in log.get(relation, ()):
                if old is not None:
                    # A key that another row has taken over in the same commit keeps that row.
                    group, row = place(old)
                    touched.setdefault(group, {}).setdefault(row.key, None)
                if new is not None:
                    group, row = place(new)
                    touched.setdefault(group, {})[row.key] = wire.encode(row)
        return [
            change
            for group, rows in touched.items()
            if (change := self._put(group, rows)) is not None
        ]

    def _put(self, group: str, rows: dict[str, bytes | None]) -> GroupChange | None:
        table = self._tables.setdefault(group, Table())
        before = version = table.version
        upserts, removals = [], []
        for key, resource in rows.items():
            old = table.entries.get(key)
            if old == resource:
                continue
            if old is not None:
                version -= wire.version_of(old)
            if resource is None:
                del table.entries[key]
                removals.append(key)
            else:
                version += wire.version_of(resource)
                table.entries[key] = resource
                upserts.append((key, resource))
        if not upserts and not removals:
            return None
        change = GroupChange(group, tuple(upserts), tuple(removals))
        table.version = version % _MODULUS
        table.remember(before, change.keys)
        if not table.entries:
            del self._tables[group]
        return change
