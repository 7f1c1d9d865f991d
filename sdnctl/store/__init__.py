"""Rows, transactions and revisions: what was asked for, kept.

``Store`` is what the rest of the house uses; ``backend.Backend`` is what keeps it, SQLite here.
"""

from sdnctl.store.allocation import Ranges
from sdnctl.store.errors import (
    CommitFailed,
    Compacted,
    Conflict,
    Exhausted,
    Locked,
    StoreError,
    Taken,
    UnknownSchema,
)
from sdnctl.store.store import Commit, Listener, Store
from sdnctl.store.transaction import Transaction

__all__ = [
    "Commit",
    "CommitFailed",
    "Compacted",
    "Conflict",
    "Exhausted",
    "Listener",
    "Locked",
    "Ranges",
    "Store",
    "StoreError",
    "Taken",
    "Transaction",
    "UnknownSchema",
]
