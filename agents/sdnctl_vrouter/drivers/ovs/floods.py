"""Who gets a copy of a network's broadcast: lists of actions, one per network and direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sdnctl.types import Vni
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.translation import (
    LONGEST,
    NOTHING,
    Translation,
    Unreachable,
    with_actions,
)

FLOOD_CHUNK: Final = 500
"""Members in one flood flow: a message of OpenFlow has 64 KiB, a member at most 64 octets."""


class FloodList(NamedTuple):
    """The ports here, or the members elsewhere."""

    vni: Vni
    remote: bool

    @property
    def unit(self) -> str:
        """Its name among the units."""
        return f"flood-{'remote' if self.remote else 'local'}/{self.vni}"


class Floods:
    """A member is a unit with its actions, in one list at most."""

    def __init__(self) -> None:
        self._members: dict[FloodList, dict[str, bytes]] = {}
        self._of: dict[str, FloodList] = {}
        self._dirty: dict[FloodList, None] = {}

    def enlist(self, unit: str, flood: FloodList, actions: bytes) -> None:
        """``unit`` is in that list, with these actions, and in no other."""
        if self._of.get(unit, flood) != flood:
            self.leave(unit)
        self._of[unit] = flood
        members = self._members.setdefault(flood, {})
        if members.get(unit) != actions:
            members[unit] = actions
            self._dirty[flood] = None

    def leave(self, unit: str) -> None:
        """``unit`` is in no list."""
        flood = self._of.pop(unit, None)
        if flood is None:
            return
        members = self._members[flood]
        del members[unit]
        if not members:
            del self._members[flood]
        self._dirty[flood] = None

    def touch(self, vni: Vni) -> None:
        """Translate the lists of a network again."""
        for remote in (False, True):
            if (flood := FloodList(vni, remote)) in self._members:
                self._dirty[flood] = None

    def changed(self) -> list[FloodList]:
        """The lists that changed since the last call."""
        dirty, self._dirty = self._dirty, {}
        return list(dirty)

    def translate(self, flood: FloodList) -> Translation:
        """The flows of a list."""
        members = self._members.get(flood, {})
        actions = [members[unit] for unit in sorted(members)]
        if flood.remote:
            return flood_remote(flood.vni, actions)
        return flood_local(flood.vni, actions)


def flood_local(vni: int, ports: Sequence[bytes]) -> Translation:
    """The ports here that get a copy; the switch leaves out the sender."""
    if not ports:
        return NOTHING
    actions = b"".join(ports)
    if len(actions) > LONGEST:
        raise Unreachable(f"{len(ports)} ports are too long for a message of OpenFlow")
    return Translation((with_actions(t.flood_local(vni), actions),))


def flood_remote(vni: int, members: Sequence[bytes]) -> Translation:
    """The members elsewhere that get a copy, in flows that call the next."""
    flows = []
    for chunk, start in enumerate(range(0, len(members), FLOOD_CHUNK)):
        actions = b"".join(members[start : start + FLOOD_CHUNK])
        if start + FLOOD_CHUNK < len(members):
            actions += t.next_chunk(chunk + 1)
        flows.append(with_actions(t.flood_remote(vni, chunk), actions))
    return Translation(tuple(flows))
