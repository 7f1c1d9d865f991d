"""What every row has, whatever its kind.

Knows no kind.
"""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every kind has.

    ``created_at`` and ``updated_at`` are seconds since the epoch, UTC; ``revision_number``
    counts the changes of this row (Neutron's standard attribute), not the store's revision.
    """

    id: str
    name: str = ""
    description: str = ""
    project_id: str = ""
    tags: tuple[str, ...] = ()
    revision_number: int = 0
    created_at: int = 0
    updated_at: int = 0


class Seeded(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A kind, whose name is the id, that the controller put first rows of: it does so once."""
