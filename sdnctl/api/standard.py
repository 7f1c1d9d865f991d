"""The attributes that resources of every kind have.

Promise: Neutron's standard attributes, and as Neutron writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final

from sdnctl.api import values
from sdnctl.api.schema import REQUIRED, UNSET, Attribute, shown, stored


@lru_cache(maxsize=4096)
def timestamp(seconds: int) -> str:
    """Seconds since the epoch as Neutron writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(name: str) -> Attribute:
    kept = attrgetter(name)
    return shown(
        name, values.TIME, lambda _, row: timestamp(kept(row)), sort=True, order=name, of=()
    )


_PROJECT: Final = {"put": False, "field": "project_id", "index": "project_id"}

COMMON: Final = (
    stored("name", values.NAME, "", index="name"),
    stored("description", values.DESCRIPTION, "", sort=False),
    stored("project_id", values.NAME, UNSET, **_PROJECT),
    stored("tenant_id", values.NAME, UNSET, **_PROJECT),
    stored(
        "tags", values.sequence(values.string(60), most=50), (), put=False, filter=False, sort=False
    ),
    *(_time(name) for name in ("created_at", "updated_at")),
    stored("revision_number", values.integer(0, 1 << 62), post=False, put=False),
)
"""The attributes of every resource but its id (Neutron's standard attributes)."""

STANDARD: Final = (stored("id", values.UUID, post=False, put=False), *COMMON)
"""Those of Neutron's resources, whose ids the controller makes."""

NAMED: Final = (stored("id", values.OWN_NAME, REQUIRED, put=False), *COMMON)
"""Those of our own resources, whose ids the operator chooses."""
