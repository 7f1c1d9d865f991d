"""One transaction: what a piece of work reads and writes, and the allocations it makes.

Promise: sees what was committed and what the works before it in the same flush wrote; a work
that raises leaves nothing behind. Every allocation is unique against all of that. A work is
pure but for its transaction: it may run again.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Iterator
from typing import TypeVar, cast

from sdnctl.delta import Change
from sdnctl.intent import KIND_OF, Row, Subnet
from sdnctl.store import claims
from sdnctl.store.allocation import MAC_PREFIX, FreeLists
from sdnctl.store.claims import Claim
from sdnctl.store.errors import Exhausted
from sdnctl.store.tables import Key, Overlay, RowChange, claims_of
from sdnctl.types import Ip, Label, Mac, Vni

R = TypeVar("R", bound=Row)


class Transaction:
    """Reads and writes of one work, over ``overlay``."""

    def __init__(self, overlay: Overlay, free: FreeLists) -> None:
        self._overlay = overlay
        self._free = free
        self._written: dict[Key, Row | None] = {}

    def get(self, kind: type[R], id_: str) -> R | None:
        """The row, or None."""
        return cast("R | None", self._overlay.get((KIND_OF[kind], id_)))

    def find(self, kind: type[R], index: str, value: Hashable) -> list[R]:
        """The rows that the declared ``index`` has under ``value``."""
        name = KIND_OF[kind]
        ids = self._overlay.ids(name, index, value)
        return [cast("R", self._overlay.get((name, id_))) for id_ in ids]

    def each(self, kind: type[R], index: str, value: Hashable) -> Iterator[R]:
        """The same, one at a time, for who stops at one; not across a write of that kind."""
        name = KIND_OF[kind]
        for id_ in self._overlay.ids(name, index, value):
            yield cast("R", self._overlay.get((name, id_)))

    def first(self, kind: type[R], index: str, value: Hashable) -> R | None:
        """One of the rows that ``find`` would return, or None; costs one look."""
        name = KIND_OF[kind]
        id_ = next(self._overlay.ids(name, index, value), None)
        return None if id_ is None else cast("R", self._overlay.get((name, id_)))

    def count(self, kind: type[Row], index: str, value: Hashable) -> int:
        """How many rows ``find`` would return; costs one look."""
        return self._overlay.count(KIND_OF[kind], index, value)

    def holder(self, claim: Claim) -> Key | None:
        """The key of the row that holds ``claim``, or None."""
        return self._overlay.holder(claim)

    def put(self, row: Row) -> None:
        """Create or replace a row; Taken if it claims what another holds."""
        self._write((KIND_OF[type(row)], row.id), row)

    def delete(self, kind: type[Row], id_: str) -> None:
        """Delete a row, which must exist."""
        key = (KIND_OF[kind], id_)
        if self._overlay.get(key) is None:
            raise KeyError(key)
        self._write(key, None)

    def allocate_vni(self) -> Vni:
        """A VNI that no network and no router holds."""
        return Vni(self._allocate("vni"))

    def allocate_label(self) -> Label:
        """An MPLS label that no network and no router holds."""
        return Label(self._allocate("label"))

    def allocate_rd_number(self) -> int:
        """A number for route distinguishers that no network and no router holds."""
        return self._allocate("rd_number")

    def allocate_nat(self) -> int:
        """The number of a connection tracking zone that no router holds."""
        return self._allocate("nat")

    def allocate_meter(self) -> int:
        """A number to limit bandwidth by that no floating IP holds."""
        return self._allocate("meter")

    def allocate_mac(self, network_id: str) -> Mac:
        """A MAC address that no port of the network and no gateway of its own has."""
        while True:
            mac = Mac(MAC_PREFIX + secrets.token_bytes(3))
            if self.holder(claims.mac(network_id, mac)) is None:
                return mac

    def allocate_address(self, subnet: Subnet) -> Ip:
        """An address of the subnet's pools that no port has; Exhausted if none is left."""
        version = subnet.prefix.version
        number = self._free.subnet(subnet).take(
            lambda n: self.holder(claims.address(subnet.id, Ip.from_number(n, version))) is not None
        )
        if number is None:
            raise Exhausted(f"address of subnet {subnet.id}")
        return Ip.from_number(number, version)

    def changes(self) -> list[RowChange]:
        """What this transaction changed, each key once, in the order first written."""
        return [
            Change(key, old, new)
            for key, old in self._written.items()
            if (new := self._overlay.get(key)) != old
        ]

    def roll_back(self) -> None:
        """Leave nothing behind."""
        # All go before any comes back: a restored row may claim what a new one took over.
        for key in self._written:
            self._release(key, self._overlay.write(key, None))
        for key, old in self._written.items():
            if old is not None:
                self._overlay.write(key, old)
        self._written.clear()

    def _write(self, key: Key, new: Row | None) -> None:
        old = self._overlay.write(key, new)
        self._written.setdefault(key, old)
        self._release(key, old)

    def _release(self, key: Key, old: Row | None) -> None:
        for claim in claims_of(key, old):
            self._free.release(claim)

    def _allocate(self, space: str) -> int:
        number = self._free.domain(space).take(
            lambda n: self.holder(Claim(space, "", n)) is not None
        )
        if number is None:
            raise Exhausted(space)
        return number
