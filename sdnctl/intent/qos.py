"""QoS policies and their rules.

Knows nothing of the ports that have them.
"""

from __future__ import annotations

from sdnctl.intent.projects import Shareable
from sdnctl.intent.row import Row


class QosPolicy(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """What ports may send and are sent; its rules say so and name it.

    ``is_default`` makes it that of its project's networks that name none when they are made.
    """

    is_default: bool = False


class BandwidthLimitRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How much a port may send (``egress``) or is sent (``ingress``).

    ``max_kbps`` are kilobits a second, 0 for any; ``max_burst_kbps`` the kilobits that may come
    at once, 0 for four fifths of a second's.
    """

    qos_policy_id: str
    max_kbps: int
    max_burst_kbps: int = 0
    direction: str = "egress"


class DscpMarkingRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The differentiated services code point (RFC 2474) of what a port sends."""

    qos_policy_id: str
    dscp_mark: int


class MinimumBandwidthRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a port is to get at least, in kilobits a second: kept and shown, and nobody's to do."""

    qos_policy_id: str
    min_kbps: int
    direction: str = "egress"
