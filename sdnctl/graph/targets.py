"""Route targets: the automatic ones of networks and routers, and those that are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sdnctl.types import RouteTarget

AUTOMATIC_TARGETS: Final = 8_000_000
"""Automatic route targets are ASN : this + a 16-bit number; all others are the operators' own."""

AS_TRANS: Final = 23456
"""Stands for a four-octet AS in automatic targets, whose number needs 32 bits (RFC 6793)."""


def automatic_target(asn: int, number: int) -> RouteTarget:
    """The route target that a network or router has without being told one."""
    return RouteTarget.of(asn if asn <= 0xFFFF else AS_TRANS, AUTOMATIC_TARGETS + number)


def is_automatic(asn: int, target: RouteTarget) -> bool:
    """Whether a route target is, or may become, the automatic one of a network or router."""
    first, last = automatic_target(asn, 0), automatic_target(asn, 0xFFFF)
    return first <= target <= last


def asked_for(asn: int, targets: Iterable[RouteTarget]) -> set[RouteTarget]:
    """Those that are not automatic.

    An automatic target is exported without being asked, so to import another's would take one
    hand only; to export one would put routes where nobody asked for them.
    """
    return {target for target in targets if not is_automatic(asn, target)}
