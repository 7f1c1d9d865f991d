"""Finding a free number cheaply.

Promise: the cost of one allocation does not grow with how many are taken, amortised: every
taken number is stepped over once. A ``FreeList`` is a hint and never the truth: whoever takes
from it proves each candidate against the claims, so a hint that went stale (an aborted
transaction, an address chosen by hand) costs a step and nothing else.

What must hold instead: every free number of the ranges is ahead of the cursor or in the list
of those released. Hence each number that a row lets go of, be it by a commit or because its
transaction was abandoned, is released here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from sdnctl.intent import Subnet
from sdnctl.store.claims import Claim
from sdnctl.types import MAX_LABEL, MAX_VNI, MIN_LABEL, Ip

MAC_PREFIX: Final = bytes.fromhex("fa163e")
"""The prefix of allocated MAC addresses: Neutron's default ``base_mac``, which guests and
tools recognise."""


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """What may be allocated, each range with both ends included."""

    vnis: tuple[int, int] = (4096, MAX_VNI)
    labels: tuple[int, int] = (MIN_LABEL, MAX_LABEL)
    rd_numbers: tuple[int, int] = (1, 0xFFFF)
    nats: tuple[int, int] = (1, 0x7FFF)
    meters: tuple[int, int] = (1, 0x7FFF)


class FreeList:
    """Where to look for a free number of ``ranges`` (both ends included), lowest first.

    A number that was released is used again only when no fresh one is left, and then the one
    released longest ago: caches out there forget before an address comes back.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self.ranges = tuple(sorted(ranges))
        self._range = 0
        self._cursor = self.ranges[0][0] if self.ranges else 0
        self._released: OrderedDict[int, None] = OrderedDict()

    def take(self, taken: Callable[[int], bool]) -> int | None:
        """A number for which ``taken`` says False, or None if there is none."""
        while self._range < len(self.ranges):
            number = self._cursor
            if number > self.ranges[self._range][1]:
                self._range += 1
                if self._range < len(self.ranges):
                    self._cursor = self.ranges[self._range][0]
                continue
            self._cursor += 1
            if not taken(number):
                return number
        while self._released:
            number, _ = self._released.popitem(last=False)
            if not taken(number):
                return number
        return None

    def release(self, number: int) -> None:
        """``number`` may be free now."""
        if number < self._cursor and any(low <= number <= high for low, high in self.ranges):
            self._released[number] = None

    def warm(self, taken: Callable[[int], bool]) -> None:
        """Step over what is taken now rather than on the first allocation."""
        number = self.take(taken)
        if number is not None:
            self._cursor = number


class FreeLists:
    """The free lists of the whole store: five of the domain, one for each subnet in use."""

    def __init__(self, ranges: Ranges) -> None:
        self._domain = {
            "vni": FreeList([ranges.vnis]),
            "label": FreeList([ranges.labels]),
            "rd_number": FreeList([ranges.rd_numbers]),
            "nat": FreeList([ranges.nats]),
            "meter": FreeList([ranges.meters]),
        }
        self._subnets: dict[str, FreeList] = {}

    def domain(self, space: str) -> FreeList:
        """Of ``vni``, ``label``, ``rd_number``, ``nat`` or ``meter``."""
        return self._domain[space]

    def subnet(self, subnet: Subnet) -> FreeList:
        """Of a subnet's pools; begun anew if they changed."""
        ranges = tuple(sorted((pool.start.number, pool.end.number) for pool in subnet.pools))
        found = self._subnets.get(subnet.id)
        if found is None or found.ranges != ranges:
            found = self._subnets[subnet.id] = FreeList(ranges)
        return found

    def warm(self, subnets: Iterable[Subnet], holders: Container[Claim]) -> None:
        """Step over all that is held now, so that the first allocations need not."""
        for space, free in self._domain.items():
            free.warm(partial(_number_is_held, holders, space))
        for subnet in subnets:
            self.subnet(subnet).warm(partial(_address_is_held, holders, subnet))

    def release(self, claim: Claim) -> None:
        """A row let go of ``claim``."""
        if claim.space == "address":
            subnet = self._subnets.get(claim.scope)
            if subnet is not None and isinstance(claim.value, Ip):
                subnet.release(claim.value.number)
        elif claim.space in self._domain and isinstance(claim.value, int):
            self._domain[claim.space].release(claim.value)

    def forget(self, subnet_id: str) -> None:
        """The subnet is gone."""
        self._subnets.pop(subnet_id, None)


def _number_is_held(holders: Container[Claim], space: str, number: int) -> bool:
    return Claim(space, "", number) in holders


def _address_is_held(holders: Container[Claim], subnet: Subnet, number: int) -> bool:
    return Claim("address", subnet.id, Ip.from_number(number, subnet.prefix.version)) in holders
