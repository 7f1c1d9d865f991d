"""Who calls, by the token of the request.

Promise: a token that is not good is nobody's, and how it is wrong takes no time to tell apart.
No token is logged. The built-in identity service and Keystone have authenticators of their own.
"""

from __future__ import annotations

import hmac
from typing import Protocol

from sdnctl.api.caller import Identity, administrator
from sdnctl.api.settings import Settings


class Authenticator(Protocol):
    """Says who calls."""

    async def identify(self, token: bytes) -> Identity | None:
        """Whose token it is; None if it is not good. Empty is no token."""
        ...


class Nobody:
    """Asks for no token: everybody is an administrator."""

    def __init__(self, settings: Settings) -> None:
        self._caller = administrator(settings.project_id)

    async def identify(self, token: bytes) -> Identity | None:
        """Always the administrator."""
        del token
        return self._caller


class StaticToken:
    """One token, the administrator's."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._caller = administrator()

    async def identify(self, token: bytes) -> Identity | None:
        """The administrator, for that token."""
        return self._caller if hmac.compare_digest(token, self._token) else None


class AnyOf:
    """The first that knows a token."""

    def __init__(self, *authenticators: Authenticator) -> None:
        self._authenticators = authenticators

    async def identify(self, token: bytes) -> Identity | None:
        """Whose token it is, by whoever knows."""
        for authenticator in self._authenticators:
            caller = await authenticator.identify(token)
            if caller is not None:
                return caller
        return None
