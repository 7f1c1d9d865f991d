"""One change of one keyed row, and an ordered list of them: what moves through the house."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Change(NamedTuple, Generic[K, V]):
    """``key`` went from ``old`` to ``new``; None means that there is no row."""

    key: K
    old: V | None
    new: V | None


Delta = list[Change[K, V]]
"""Changes in the order in which they hold; at most one for a key."""
