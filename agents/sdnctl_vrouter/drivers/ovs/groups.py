"""Select groups by content: entries with the same paths share one.

Promise: a group lives while an entry uses it; its number follows from its content (a clash of
two contents moves the later one to the next free number). Of its paths the switch is given those
of the lowest rank that has a next hop which is there; where none is, those of the lowest rank,
for a chance is better than none. So a dead next hop costs a message a group, however many routes
go through it.

What the switch hashes over is its own choice, OpenFlow 1.4 cannot ask: addresses, protocol and
ports with the kernel's data path; the userspace data path leaves out the ports of UDP.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from sdnctl.types import Ip
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.pipeline import GROUP_OWNER, GROUP_OWNER_MASK
from sdnctl_vrouter.drivers.ovs.translation import Bucket

Content = tuple[Bucket, ...]


@dataclass(slots=True, eq=False)
class _Group:
    number: int
    content: Content
    users: int = 0


class Groups:
    """See the module."""

    def __init__(self) -> None:
        self._groups: dict[Content, _Group] = {}
        self._numbers: set[int] = set()
        self._used_by: dict[str, _Group] = {}
        self._unsent: dict[_Group, None] = {}
        self._unused: dict[_Group, None] = {}
        self._unreachable: frozenset[Ip] = frozenset()

    @property
    def numbers(self) -> set[int]:
        """Of all groups in use."""
        return set(self._numbers)

    def use(self, unit: str, content: Content) -> int:
        """``unit`` goes through these paths from now on, () for none; the group's number."""
        old = self._used_by.get(unit)
        if (old.content if old else ()) == content:
            return old.number if old else 0
        number = 0
        if content:
            group = self._groups.get(content)
            if group is None:
                group = self._groups[content] = _Group(self._free_number(content), content)
                self._numbers.add(group.number)
                self._unsent[group] = None
            group.users += 1
            self._unused.pop(group, None)
            self._used_by[unit] = group
            number = group.number
        else:
            del self._used_by[unit]
        if old:
            old.users -= 1
            if not old.users:
                self._unused[old] = None
        return number

    def set_unreachable(self, vteps: frozenset[Ip]) -> None:
        """Exactly these next hops are not there."""
        before, self._unreachable = self._unreachable, vteps
        for group in self._groups.values():
            if _chosen(group.content, before) != _chosen(group.content, vteps):
                self._unsent[group] = None

    def added(self) -> list[bytes]:
        """The messages for groups that are new, or have other paths, since the last call."""
        unsent, self._unsent = self._unsent, {}
        return [self._message(group) for group in unsent]

    def removed(self) -> list[bytes]:
        """The messages for groups that nothing uses any more since the last call."""
        unused, self._unused = self._unused, {}
        for group in unused:
            del self._groups[group.content]
            self._numbers.remove(group.number)
        return [templates.group_delete(group.number) for group in unused]

    def all(self) -> list[bytes]:
        """The messages for all groups in use."""
        return [self._message(group) for group in self._groups.values()]

    def _message(self, group: _Group) -> bytes:
        chosen = _chosen(group.content, self._unreachable)
        buckets = b"".join(bucket.data for bucket in chosen)
        return templates.group_select(group.number) + buckets

    def _free_number(self, content: Content) -> int:
        digest = blake2b(digest_size=3)
        for bucket in content:
            digest.update(bytes((bucket.rank & 0xFF,)) + bucket.data)
        low = int.from_bytes(digest.digest(), "big")
        while GROUP_OWNER | low in self._numbers:
            low = (low + 1) & ~GROUP_OWNER_MASK & 0xFFFFFFFF
        return GROUP_OWNER | low


def _chosen(content: Content, unreachable: frozenset[Ip]) -> list[Bucket]:
    there = [bucket for bucket in content if bucket.vtep not in unreachable] or content
    rank = min(bucket.rank for bucket in there)
    return [bucket for bucket in there if bucket.rank == rank]
