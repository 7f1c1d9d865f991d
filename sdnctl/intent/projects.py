"""What projects open to one another, and how much each may have.

Knows nothing of who asks: that is the API's policy.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.intent.row import Row

EVERYBODY: Final = "*"
"""The target of an RBAC policy for all projects."""


class Shareable(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What may be shared: with every project, or (``shared_with``) with those."""

    shared: bool = False
    shared_with: tuple[str, ...] = ()


class RbacPolicy(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Opens an object to a project, or to ``EVERYBODY``.

    ``action`` is ``access_as_shared`` or ``access_as_external``. What follows for the object is
    noted in its row.
    """

    object_type: str
    object_id: str
    action: str
    target_project: str


class Quota(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How much a project, whose id is the row's, may have of each resource; -1 for no limit."""

    limits: dict[str, int] = msgspec.field(default_factory=dict)
