"""Packed flows, and which unit holds each match: one flow a match, whoever claims it.

Promise: when two units claim the same match, the one whose name sorts first has it, and the other
gets it when that one goes; so what is held depends on the claims that there are, not on their
order. ``difference`` is since the last one. Knows no resource and no switch.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from sdnctl_vrouter.drivers.ovs.pipeline import OWNER

_OWNER: Final = OWNER.to_bytes(2, "big")


class Flow(NamedTuple):
    """A packed flow, what tells it from others in the switch, and the hash of its content."""

    slot: bytes
    cookie: int
    message: bytes

    @classmethod
    def of(cls, body: bytes) -> Flow:
        """From a FlowMod without header and cookie.

        From the table to the end of the match is the slot: what else lies there is the same
        in all our flows.
        """
        cookie = _OWNER + blake2b(body, digest_size=6).digest()
        end = 32 + int.from_bytes(body[34:36], "big")
        return cls(body[8:end], int.from_bytes(cookie, "big"), cookie + body)


class Flows:
    """See the module. A unit is what is translated at once."""

    def __init__(self) -> None:
        self._holders: dict[bytes, tuple[str, Flow]] = {}
        self._rivals: dict[bytes, dict[str, Flow]] = {}
        self._owned: dict[str, tuple[Flow, ...]] = {}
        self._before: dict[bytes, Flow | None] = {}

    @property
    def held(self) -> Iterable[tuple[str, Flow]]:
        """All flows that hold their matches, each with its unit."""
        return self._holders.values()

    def of(self, unit: str) -> tuple[Flow, ...]:
        """What a unit claims."""
        return self._owned.get(unit, ())

    def claim(self, unit: str, bodies: Iterable[bytes]) -> None:
        """``unit`` has these flows from now on, and no others."""
        new = tuple(map(Flow.of, bodies))
        if len(new) > 1:  # two addresses of a router in one prefix say the same twice
            new = tuple({flow.slot: flow for flow in new}.values())
        old = self._owned.get(unit, ())
        if new:
            self._owned[unit] = new
        elif old:
            del self._owned[unit]
        for flow in new:
            self._take(flow, unit)
        if old:
            kept = {flow.slot for flow in new}
            for flow in old:
                if flow.slot not in kept:
                    self._release(flow, unit)

    def difference(self) -> tuple[list[tuple[str, Flow]], list[int]]:
        """What holds its match since the last call, with its unit; cookies of what does not."""
        before, self._before = self._before, {}
        flows, dead = [], []
        for slot, old in before.items():
            holder = self._holders.get(slot)
            if holder is None:
                if old is not None:
                    dead.append(old.cookie)
            elif old is None or old.cookie != holder[1].cookie:
                flows.append(holder)
        return flows, dead

    def _take(self, flow: Flow, unit: str) -> None:
        slot = flow.slot
        holder = self._holders.get(slot)
        if holder is None:
            self._before.setdefault(slot, None)
        else:
            self._before.setdefault(slot, holder[1])
            if holder[0] < unit:
                self._rivals.setdefault(slot, {})[unit] = flow
                return
            if holder[0] > unit:
                rivals = self._rivals.setdefault(slot, {})
                rivals[holder[0]] = holder[1]
                rivals.pop(unit, None)
        self._holders[slot] = (unit, flow)

    def _release(self, flow: Flow, unit: str) -> None:
        slot = flow.slot
        holder = self._holders[slot]
        rivals = self._rivals.get(slot, {})
        if holder[0] != unit:
            del rivals[unit]
        else:
            self._before.setdefault(slot, holder[1])
            if rivals:
                heir = min(rivals)
                self._holders[slot] = (heir, rivals.pop(heir))
            else:
                del self._holders[slot]
        if not rivals:
            self._rivals.pop(slot, None)
