"""What reads and writes of a resource are given: a transaction, and all that they may look at.

Promise: what a request names is looked up as its caller sees it; a change of a row moves its
revision and its time. Knows no resource.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import msgspec

from sdnctl.api import authorization
from sdnctl.api.caller import Identity
from sdnctl.api.observed import Observed
from sdnctl.api.settings import Settings
from sdnctl.intent import Row
from sdnctl.store import Store, Transaction

R = TypeVar("R", bound=Row)


class Context(NamedTuple):
    """What a read needs."""

    store: Store
    settings: Settings
    observed: Observed


class Work(NamedTuple):
    """What a write needs. ``now`` is seconds since the epoch; ``caller`` is whose write it is."""

    tx: Transaction
    settings: Settings
    now: int
    caller: Identity

    def visible(self, kind: type[R], id_: str) -> R | None:
        """What the caller refers to, if it exists for the caller."""
        row = self.tx.get(kind, id_)
        return (
            row if row is not None and authorization.sees(self.caller, row, self.tx.get) else None
        )

    def replace(self, old: R, fields: dict[str, Any]) -> R:
        """``old`` with other fields; the same object if they are equal."""
        new = msgspec.structs.replace(old, **fields)
        return old if new == old else new

    def put(self, old: R, **fields: Any) -> R:
        """Put ``old`` with other fields, as a change of its own: revision and time move."""
        return self.put_changed(old, self.replace(old, fields))

    def touch(self, row: R) -> R:
        """Count a change of what belongs to ``row``, of which the row itself says nothing."""
        new = msgspec.structs.replace(
            row, revision_number=row.revision_number + 1, updated_at=self.now
        )
        self.tx.put(new)
        return new

    def put_changed(self, old: R, new: R) -> R:
        """Put ``new`` in the place of ``old``, if it differs."""
        if new is old:
            return old
        new = msgspec.structs.replace(
            new, revision_number=old.revision_number + 1, updated_at=self.now
        )
        self.tx.put(new)
        return new
