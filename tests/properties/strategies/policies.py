"""QoS policies, security groups, and what belongs to them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sdnctl.intent import (
    AddressGroup,
    AddressPair,
    BandwidthLimitRule,
    DscpMarkingRule,
    QosPolicy,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.types import Prefix
from tests.properties.strategies.small import IPS, MACS, PREFIXES, mostly

SECURITY_GROUPS = ["g0", "g1", "g2"]
ADDRESS_GROUPS = ["a0", "a1"]
RULES = [f"u{n}" for n in range(6)]

some_groups = st.sampled_from(
    [("g0",), ("g0",), ("g0", "g1"), ("g1",), ("g2", "g1"), (), ("ghost",)]
)
some_pairs = st.sampled_from(
    [
        (),
        (),
        (AddressPair(MACS[2], Prefix.host(IPS[1])),),
        (AddressPair(MACS[0], PREFIXES[0]), AddressPair(MACS[0], PREFIXES[2])),
    ]
)


def qos_policies(key: str) -> st.SearchStrategy[Any]:
    return st.builds(QosPolicy, id=st.just(key))


of_policy = st.sampled_from(["q0", "q0", "q1", "ghost"])


def limits(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        BandwidthLimitRule,
        id=st.just(key),
        qos_policy_id=of_policy,
        max_kbps=st.sampled_from([0, 1, 1000, 1000]),
        max_burst_kbps=st.sampled_from([0, 0, 7]),
        direction=st.sampled_from(["ingress", "egress"]),
    )


def marks(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        DscpMarkingRule,
        id=st.just(key),
        qos_policy_id=of_policy,
        dscp_mark=st.sampled_from([0, 46]),
    )


def security_groups(key: str) -> st.SearchStrategy[Any]:
    return st.builds(SecurityGroup, id=st.just(key), stateful=mostly)


def rules(key: str) -> st.SearchStrategy[Any]:
    """Rules of one remote or none; the group may be one that is not there."""
    remotes: list[dict[str, Any]] = [
        {},
        {"remote_ip_prefix": st.sampled_from(PREFIXES)},
        {"remote_group_id": st.sampled_from([*SECURITY_GROUPS, "ghost"])},
        {"remote_address_group_id": st.sampled_from(ADDRESS_GROUPS)},
    ]
    return st.one_of(
        *(
            st.builds(
                SecurityGroupRule,
                id=st.just(key),
                security_group_id=st.sampled_from([*SECURITY_GROUPS * 3, "ghost"]),
                direction=st.sampled_from(["ingress", "egress"]),
                ethertype=st.sampled_from(["IPv4", "IPv6"]),
                protocol=st.sampled_from([None, 6, 17]),
                port_range_min=st.sampled_from([None, 80]),
                port_range_max=st.sampled_from([None, 90]),
                **remote,
            )
            for remote in remotes
        )
    )


def address_groups(key: str) -> st.SearchStrategy[Any]:
    return st.builds(
        AddressGroup,
        id=st.just(key),
        addresses=st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple),
    )
