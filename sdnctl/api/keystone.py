"""Who calls, by Keystone's word: tokens validated as keystonemiddleware's ``auth_token`` does.

Promise: a token is asked about once, however many requests come with it, and again after
``CACHE_S``: that is how long a token that was revoked, or whose user lost a role, may still be
good here. None outlives its own expiry. What Keystone does not know is remembered as long, apart,
so that guesses push out no good token. Memory is bounded, and so are the questions under way; a
token is kept as its hash only. While Keystone cannot be asked the answer is 503.

keystonemiddleware itself is WSGI. Not served: ``X-Service-Token`` with an expired user's token,
bind and trust checks, memcached.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from sdnctl import keystone
from sdnctl.api.caller import Identity
from sdnctl.api.errors import unavailable
from sdnctl.api.settings import read_token
from sdnctl.keystone import Account

log = logging.getLogger(__name__)

CACHE_S: Final = 300.0
"""keystonemiddleware's ``token_cache_time``."""

_MOST_TOKENS: Final = 10_000
_MOST_QUESTIONS: Final = 64
_LONGEST: Final = 8192
SECTION: Final = "keystone_authtoken"


def read_account(path: Path) -> Account:
    """The section ``[keystone_authtoken]`` of a file as other services have it."""
    text = read_token(path)
    try:
        return keystone.read_account(text, SECTION)[0]
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


class _Known(NamedTuple):
    """What Keystone said of a token, and until when that is believed."""

    caller: Identity | None
    until: float


class _Memory:
    """The latest answers, by the hash of their token."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def get(self, key: bytes, now: float) -> _Known | None:
        known = self._known.get(key)
        if known is None or known.until <= now:
            return None
        self._known.move_to_end(key)
        return known

    def put(self, key: bytes, known: _Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _MOST_TOKENS:
            self._known.popitem(last=False)


class Keystone:
    """See the module; an ``Authenticator``. ``close`` when done."""

    def __init__(self, account: Account, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._url = f"{account.url}/auth/tokens"
        self._http = keystone.make_client(account)
        self._good, self._bad = _Memory(), _Memory()
        self._asked: dict[bytes, asyncio.Task[Identity | None]] = {}
        self._own_token = ""
        self._logging_in = asyncio.Lock()

    async def close(self) -> None:
        """Hang up."""
        for task in tuple(self._asked.values()):
            task.cancel()
        await self._http.aclose()

    async def identify(self, token: bytes) -> Identity | None:
        """Whose token it is; ApiError 503 if Keystone cannot be asked."""
        if not token or len(token) > _LONGEST or not token.isascii():
            return None
        key = hashlib.sha256(token).digest()
        now = self._clock()
        known = self._good.get(key, now) or self._bad.get(key, now)
        if known is not None:
            return known.caller
        task = self._asked.get(key)
        if task is None:
            if len(self._asked) >= _MOST_QUESTIONS:
                raise unavailable("Too many tokens wait for Keystone; try again.")
            task = asyncio.create_task(self._validated(key, token.decode("ascii")))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        # Who gives up waiting does not take the answer from the others.
        return await asyncio.shield(task)

    def _answered(self, key: bytes, done: asyncio.Task[Identity | None]) -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # told to who waits, if anybody still does

    async def _validated(self, key: bytes, token: str) -> Identity | None:
        answer = await self._ask(token)
        now = self._clock()
        if answer is None:
            self._bad.put(key, _Known(None, now + CACHE_S))
            return None
        try:
            caller, expires_at = _read(answer.json()["token"])
        except (ValueError, KeyError, TypeError):
            raise unavailable("Keystone's answer makes no sense.") from None
        if expires_at <= now:
            return None
        self._good.put(key, _Known(caller, min(now + CACHE_S, expires_at)))
        return caller

    async def _ask(self, token: str) -> httpx.Response | None:
        """What Keystone says of a token; None if it does not know it."""
        for last in (False, True):
            own = self._own_token or await self._log_in()
            headers = {"X-Auth-Token": own, "X-Subject-Token": token}
            answer = await self._request("GET", f"{self._url}?nocatalog", headers=headers)
            match answer.status_code:
                case 200:
                    return answer
                case 404:
                    return None
                case 401 if not last:
                    # Ours has expired; another request may have renewed it meanwhile.
                    if self._own_token == own:
                        self._own_token = ""
                case status:
                    log.warning("keystone answered %d to a validation", status)
                    break
        raise unavailable("Keystone does not validate tokens for us.")

    async def _log_in(self) -> str:
        async with self._logging_in:
            if not self._own_token:
                try:
                    self._own_token = (await keystone.log_in(self._http, self._account)).token
                except keystone.KeystoneError as error:
                    log.warning("%s", error)
                    raise unavailable(f"{error}.") from None
            return self._own_token

    async def _request(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, **more)
        except httpx.HTTPError as error:
            log.warning("keystone does not answer: %s", type(error).__name__)
            raise unavailable("Keystone does not answer.") from None


def _read(token: dict[str, Any]) -> tuple[Identity, float]:
    """The caller, and when the token expires, in seconds since the epoch."""
    caller = Identity(
        user_id=token["user"]["id"],
        user_name=token["user"]["name"],
        project_id=token.get("project", {}).get("id", ""),
        roles=frozenset(role["name"] for role in token.get("roles", ())),
        system=bool(token.get("system", {}).get("all")),
    )
    return caller, datetime.fromisoformat(token["expires_at"]).timestamp()
