"""Availability zones of networks and routers: there is one, and all of them are in it."""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.errors import not_found
from sdnctl.api.schema import shown, stored

ZONE: Final = "nova"
"""The one availability zone, which Neutron calls so where none is configured."""


def check(row: dict[str, Any]) -> None:
    """No one is promised a zone that there is not."""
    for hint in row["zone_hints"]:
        if hint != ZONE:
            raise not_found("AvailabilityZone", hint)


ATTRIBUTES: Final = (
    shown("availability_zones", values.STRINGS, lambda _c, _r: [ZONE]),
    stored(
        "availability_zone_hints",
        values.STRINGS,
        (),
        put=False,
        field="zone_hints",
        filter=False,
        sort=False,
    ),
)
"""Of networks and routers."""
