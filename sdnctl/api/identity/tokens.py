"""Tokens: who logged in, to what, until when; signed, so that nothing is kept of them.

Promise: ``opened`` returns what ``sealed`` was given, and None for anything else. A token is
opaque to whoever has it and good until it expires or is revoked, across restarts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

import msgspec

SYSTEM: Final = "system"
_LONGEST: Final = 2048


class Token(msgspec.Struct, frozen=True, array_like=True):
    """``target`` is as of a role assignment, empty for an unscoped token; times are microseconds.

    ``credential_id`` is that of the application credential that gave it, if one did. The first of
    ``audit_ids`` is its own, the other that of the first token of its chain.
    """

    user_id: str
    target: str
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int
    audit_ids: tuple[str, ...]
    credential_id: str = ""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Token).decode


def sealed(key: bytes, token: Token) -> str:
    """The token as its owner gets it."""
    body = _encode(token)
    return base64.urlsafe_b64encode(hmac.digest(key, body, "sha256") + body).rstrip(b"=").decode()


def opened(key: bytes, text: bytes) -> Token | None:
    """What was sealed; None if we did not seal it."""
    if len(text) > _LONGEST:
        return None
    try:
        both = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
    signature, body = both[:32], both[32:]
    # Decoded only once it is known to be ours.
    if not hmac.compare_digest(signature, hmac.digest(key, body, "sha256")):
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError:  # ours, of another version
        return None
