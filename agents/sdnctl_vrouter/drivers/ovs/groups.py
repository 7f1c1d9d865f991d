"""Select groups by content: entries with the same paths share one.

Promise: a group lives while an entry uses it; its number follows from its content (a clash of
two contents moves the later one to the next free number).

What the switch hashes over is its own choice, OpenFlow 1.4 cannot ask: addresses, protocol and
ports with the kernel's data path; the userspace data path leaves out the ports of UDP.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.pipeline import GROUP_OWNER, GROUP_OWNER_MASK


@dataclass(slots=True)
class _Group:
    number: int
    users: int = 0


class Groups:
    """See the module."""

    def __init__(self) -> None:
        self._groups: dict[bytes, _Group] = {}
        self._numbers: dict[int, bytes] = {}
        self._used_by: dict[str, bytes] = {}
        self._unsent: dict[bytes, None] = {}
        self._unused: dict[bytes, None] = {}

    @property
    def numbers(self) -> set[int]:
        """Of all groups in use."""
        return set(self._numbers)

    def use(self, unit: str, buckets: bytes) -> int:
        """``unit`` goes through these buckets from now on, b"" for none; the group's number."""
        old = self._used_by.get(unit, b"")
        if old == buckets:
            return self._groups[buckets].number if buckets else 0
        number = 0
        if buckets:
            group = self._groups.get(buckets)
            if group is None:
                group = self._groups[buckets] = _Group(self._free_number(buckets))
                self._numbers[group.number] = buckets
                self._unsent[buckets] = None
            group.users += 1
            self._unused.pop(buckets, None)
            self._used_by[unit] = buckets
            number = group.number
        else:
            del self._used_by[unit]
        if old:
            self._groups[old].users -= 1
            if not self._groups[old].users:
                self._unused[old] = None
        return number

    def added(self) -> list[bytes]:
        """The messages for groups that are new since the last call."""
        unsent, self._unsent = self._unsent, {}
        return [self._message(buckets) for buckets in unsent]

    def removed(self) -> list[bytes]:
        """The messages for groups that nothing uses any more since the last call."""
        unused, self._unused = self._unused, {}
        messages = []
        for buckets in unused:
            number = self._groups.pop(buckets).number
            del self._numbers[number]
            messages.append(templates.group_delete(number))
        return messages

    def all(self) -> list[bytes]:
        """The messages for all groups in use."""
        return [self._message(buckets) for buckets in self._groups]

    def _message(self, buckets: bytes) -> bytes:
        return templates.group_select(self._groups[buckets].number) + buckets

    def _free_number(self, buckets: bytes) -> int:
        low = int.from_bytes(blake2b(buckets, digest_size=3).digest(), "big")
        while GROUP_OWNER | low in self._numbers:
            low = (low + 1) & ~GROUP_OWNER_MASK & 0xFFFFFFFF
        return GROUP_OWNER | low
