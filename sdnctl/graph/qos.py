"""QoS policies: what their rules ask of the hypervisors that host a port with the policy.

The outcome is part of the port itself, so one port is one resource; a policy that changes is a
change of each port that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from sdnctl.desired import Limit, Qos
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.inputs import BANDWIDTH_LIMIT_RULE, DSCP_MARKING_RULE, QOS_POLICY
from sdnctl.graph.relations.resources import QOS
from sdnctl.intent import BandwidthLimitRule

_NOTHING: Final = Qos()


def qos(policy_id: str, v: View) -> Qos | None:
    """What a policy says, if it says anything.

    The API lets a policy say each thing once; else what is said first, by id, is meant.
    """
    if v.get(QOS_POLICY, policy_id) is None:
        return None
    limits = [
        rule
        for _key, rule in sorted(
            v.find(BANDWIDTH_LIMIT_RULE, "policy", policy_id), key=itemgetter(0)
        )
    ]
    marks = sorted(v.find(DSCP_MARKING_RULE, "policy", policy_id), key=itemgetter(0))
    found = Qos(
        egress=_limit(limits, "egress"),
        ingress=_limit(limits, "ingress"),
        dscp=marks[0][1].dscp_mark if marks else None,
    )
    return None if found == _NOTHING else found


def _limit(rules: Sequence[BandwidthLimitRule], direction: str) -> Limit | None:
    """Without a burst, four fifths of a second's, as Neutron has it: TCP needs some.

    A limit of 0 is none.
    """
    for rule in rules:
        if rule.direction == direction:
            rate = rule.max_kbps
            return Limit(rate, rule.max_burst_kbps or max(rate * 4 // 5, 1)) if rate else None
    return None


RULES: Final = (Rule(QOS, qos, (on(QOS_POLICY, same_key),)),)
