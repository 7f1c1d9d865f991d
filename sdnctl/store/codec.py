"""Rows to bytes and back: JSON, so that an operator can read the database with any tool.

Promise: ``decode(kind, encode(row)) == row``. Addresses, MACs and route targets are written as
people write them. A field added to a kind with a default needs no migration; anything else
is a step in ``MIGRATIONS``, a changed default included, since defaults are not written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from sdnctl.intent import KINDS, Row
from sdnctl.types import Ip, Mac, RouteTarget

Migration = Callable[[str, dict[str, Any]], dict[str, Any] | None]
"""From (kind, row of version n) to the row of version n + 1; None if it is no more."""

MIGRATIONS: Final[tuple[Migration, ...]] = ()
"""The steps from version 1, in order; the current version is one more than their number."""

_TEXTS: Final[dict[type, Callable[[str], object]]] = {
    cls: cls.parse for cls in (Mac, Ip, RouteTarget)
}


def _to_text(value: object) -> str:
    if type(value) not in _TEXTS:
        raise NotImplementedError(type(value).__name__)
    return str(value)


def _from_text(cls: type, value: object) -> object:
    parse = _TEXTS.get(cls)
    if parse is None or not isinstance(value, str):
        raise NotImplementedError(cls.__name__)
    return parse(value)


encode: Final = msgspec.json.Encoder(enc_hook=_to_text).encode
"""A row, or a structure of rows, as JSON."""

_DECODERS: Final = {
    kind: msgspec.json.Decoder(row, dec_hook=_from_text) for kind, row in KINDS.items()
}


def decode(kind: str, value: bytes) -> Row:
    """The row that ``encode`` wrote; msgspec.ValidationError if it is none."""
    return _DECODERS[kind].decode(value)
