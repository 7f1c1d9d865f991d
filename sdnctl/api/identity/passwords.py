"""Passwords: hashed with scrypt (RFC 7914), off the event loop, in bounded numbers.

Promise: checking takes as long for a user that does not exist; no more threads than ``workers``
work and no more requests than ``waiting`` wait, whatever comes. A hash says what it cost, so that
the cost may be raised later.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sdnctl.api.errors import ApiError, bad_request

MAX_LENGTH: Final = 256
"""Characters."""

_MAX_MEMORY: Final = 1 << 27


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """The parameters of RFC 7914 section 2; memory is 128 * r * 2 ** log_n octets."""

    log_n: int = 14
    r: int = 8
    p: int = 5


class Passwords:
    """Hashes and checks."""

    def __init__(self, cost: Cost | None = None, *, workers: int = 0, waiting: int = 32) -> None:
        """By default half of the processors work at most: the others have networks to serve."""
        self._cost = cost or Cost()
        workers = workers or max(1, (os.cpu_count() or 1) // 2)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="scrypt")
        self._room = workers + waiting
        self._none = _text(self._cost, b"\0" * 16, b"\0" * 32)

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        if not 0 < len(password) <= MAX_LENGTH:
            raise bad_request(f"A password has between 1 and {MAX_LENGTH} characters.")
        salt = secrets.token_bytes(16)
        return _text(self._cost, salt, await self._run(password, self._cost, salt))

    async def matches(self, password: str, kept: str) -> bool:
        """Whether it is the password of which ``kept`` was kept; empty is nobody's."""
        cost, salt, wanted = _parsed(kept or self._none)
        found = await self._run(password[: MAX_LENGTH + 1], cost, salt)
        return hmac.compare_digest(found, wanted) and bool(kept)

    def close(self) -> None:
        """Give the threads back."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, password: str, cost: Cost, salt: bytes) -> bytes:
        if not self._room:
            raise ApiError(503, "Service Unavailable", "Too many log in at once; try again.")
        self._room -= 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, _scrypt, password, cost, salt)
        finally:
            self._room += 1


def _scrypt(password: str, cost: Cost, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << cost.log_n,
        r=cost.r,
        p=cost.p,
        maxmem=_MAX_MEMORY,
        dklen=32,
    )


def _text(cost: Cost, salt: bytes, found: bytes) -> str:
    parts = (base64.b64encode(part).decode() for part in (salt, found))
    return "$".join(("scrypt", str(cost.log_n), str(cost.r), str(cost.p), *parts))


def _parsed(kept: str) -> tuple[Cost, bytes, bytes]:
    _name, log_n, r, p, salt, found = kept.split("$")
    return (
        Cost(int(log_n), int(r), int(p)),
        base64.b64decode(salt),
        base64.b64decode(found),
    )
