"""Security groups: what their rules say, whom they refer to, and which hypervisors need that.

A rule refers to a set of addresses (a security group's members, an address group) by its id. The
set is a table of its own, so that a port that joins is one change, however many rules and ports
refer to the set; it goes to the hypervisors that host a port of a referring group, and nowhere
as long as no rule refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sdnctl.desired import RemoteAddresses, SecurityRule
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.attachments import ATTACHMENT, STANDBY
from sdnctl.graph.relations.inputs import ADDRESS_GROUP, PORT, SECURITY_GROUP, SECURITY_GROUP_RULE
from sdnctl.graph.relations.resources import (
    POLICY_MEMBER,
    REMOTE,
    REMOTE_MEMBER,
    REMOTES,
    RULE,
    PolicyMember,
)
from sdnctl.intent import AddressGroup, Port
from sdnctl.types import Prefix


def rule(rule_id: str, v: View) -> SecurityRule | None:
    """A rule of a group that is there."""
    row = v.get(SECURITY_GROUP_RULE, rule_id)
    group = v.get(SECURITY_GROUP, row.security_group_id) if row is not None else None
    if row is None or group is None:
        return None
    return SecurityRule(
        group=row.security_group_id,
        rule_id=rule_id,
        ingress=row.direction == "ingress",
        version=4 if row.ethertype == "IPv4" else 6,
        protocol=row.protocol,
        first=row.port_range_min,
        last=row.port_range_max,
        prefix=row.remote_ip_prefix,
        remote=row.remote_id or "",
        stateful=group.stateful,
    )


def remotes(group_id: str, v: View) -> tuple[str, ...] | None:
    """The sets that the rules of a group refer to."""
    rules = v.find(SECURITY_GROUP_RULE, "group", group_id)
    return tuple(sorted({row.remote_id for _id, row in rules if row.remote_id})) or None


def _memberships(port_id: str, port: Port) -> Iterable[tuple[str, str]]:
    return [(group, port_id) for group in port.security_groups] if port.security_groups else ()


def _entries(group_id: str, group: AddressGroup) -> Iterable[tuple[str, str]]:
    return [(group_id, str(prefix)) for prefix in group.addresses]


def remote(key: tuple[str, str], v: View) -> RemoteAddresses | None:
    """A port's addresses as a member of a group, or one prefix of an address group."""
    remote_id, name = key
    # The member is read first: the engine remembers only what was made of something.
    port = v.get(PORT, name)
    if port is None and v.get(ADDRESS_GROUP, remote_id) is None:
        return None
    if not v.exists(SECURITY_GROUP_RULE, "remote", remote_id):
        return None
    if port is not None and remote_id in port.security_groups:
        pairs = (pair.prefix for pair in port.allowed_address_pairs)
        prefixes = {*(Prefix.host(fixed.ip) for fixed in port.fixed_ips), *pairs}
    else:
        group = v.get(ADDRESS_GROUP, remote_id)
        prefixes = {p for p in group.addresses if str(p) == name} if group is not None else set()
    return RemoteAddresses(remote_id, name, tuple(sorted(prefixes))) if prefixes else None


def policy_member(key: tuple[str, str], v: View) -> PolicyMember | None:
    """A hypervisor that hosts a port of the group, or is about to."""
    if not (v.exists(ATTACHMENT, "policy", key) or v.exists(STANDBY, "policy", key)):
        return None
    return PolicyMember(v.get(REMOTES, key[0]) or ())


def remote_member(key: tuple[str, str], v: View) -> bool | None:
    """A hypervisor that hosts a port whose rules refer to the set."""
    return True if v.exists(POLICY_MEMBER, "remote", key) else None


RULES: Final = (
    Rule(RULE, rule, (on(SECURITY_GROUP_RULE, same_key),)),
    Rule(REMOTES, remotes, (on(SECURITY_GROUP_RULE, SECURITY_GROUP_RULE.indexes["group"]),)),
    Rule(REMOTE, remote, (on(PORT, _memberships), on(ADDRESS_GROUP, _entries))),
    Rule(
        POLICY_MEMBER,
        policy_member,
        (on(ATTACHMENT, ATTACHMENT.indexes["policy"]), on(STANDBY, STANDBY.indexes["policy"])),
    ),
    Rule(REMOTE_MEMBER, remote_member, (on(POLICY_MEMBER, POLICY_MEMBER.indexes["remote"]),)),
)
