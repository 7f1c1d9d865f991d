"""What can go wrong with the store; each says what a person needs to know."""

from __future__ import annotations

from sdnctl.store.claims import Claim


class StoreError(Exception):
    """Any failure of the store."""


class Locked(StoreError):
    """Another process has the database."""


class UnknownSchema(StoreError):
    """The database was written by a newer version."""


class Conflict(StoreError):
    """The backend is at another revision than the writer believed."""


class Compacted(StoreError):
    """The change feed no longer reaches back to the revision that was asked for."""


class CommitFailed(StoreError):
    """The backend could not make the transaction durable; nothing that is shown changed."""


class Taken(StoreError):
    """A row claims what another row holds."""

    def __init__(self, claim: Claim, holder: tuple[str, str]) -> None:
        super().__init__(f"{claim.text} is held by {holder[0]} {holder[1]}")
        self.claim = claim
        self.holder = holder


class Exhausted(StoreError):
    """Nothing free is left in ``space``."""

    def __init__(self, space: str) -> None:
        super().__init__(f"no free {space} is left")
        self.space = space
