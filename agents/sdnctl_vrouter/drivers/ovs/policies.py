"""Security groups as the switch has them: one policy for each set of groups that ports have.

Promise: the flows of a policy are those of its groups' rules, whatever the order in which groups,
rules, members and ports came; ports of the same groups share them. A rule that refers to a set
of addresses is a conjunction of two dimensions (ovs-actions(7)), its services and the set's
members: so a member that joins is one flow for each policy that refers to the set, and a rule is
as many flows as it has ranges of ports. Knows ports by their unit's name alone.

A policy without rules, because its groups have none or are not known yet, lets nothing through.
Numbers follow from content, so that a restarted agent finds its flows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from sdnctl.desired import RemoteAddresses, SecurityRule
from sdnctl.types import Ip, Prefix
from sdnctl_vrouter.drivers.ovs import rules, templates
from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.translation import LONGEST, Translation, Unreachable

Groups = tuple[str, ...]

EVERYONE: Final = {4: Prefix(Ip(bytes(4)), 0), 6: Prefix(Ip(bytes(16)), 0)}
"""A member that is all addresses of a version."""

_TABLES: Final = {True: Table.INGRESS, False: Table.EGRESS}


class Service(NamedTuple):
    """A unit: what one match of rules allows, with anyone, a prefix, or sets of addresses."""

    policy: int
    ingress: bool
    version: int
    match: bytes
    prefix: Prefix | None


class Membership(NamedTuple):
    """A unit: the sets that a prefix is a member of."""

    policy: int
    ingress: bool
    prefix: Prefix


class Conjunction(NamedTuple):
    """A unit: a set of addresses with the services that a policy allows it."""

    policy: int
    ingress: bool
    remote: str


class Stateless(NamedTuple):
    """A unit: whether the policy does without the connection tracker."""

    policy: int


Acl = Service | Membership | Conjunction | Stateless


def name_of(acl: Acl) -> str:
    """The name of a unit."""
    way = "" if isinstance(acl, Stateless) else "in/" if acl.ingress else "out/"
    what = "/".join(
        part.hex() if type(part) is bytes else str(part)
        for part in acl[1 if isinstance(acl, Stateless) else 2 :]
    )
    return f"acl/{acl.policy:08x}/{type(acl).__name__.lower()}/{way}{what}"


@dataclass(slots=True)
class _Policy:
    """A set of groups in use."""

    groups: Groups
    users: set[str] = field(default_factory=set)
    services: dict[Service, dict[str, str]] = field(default_factory=dict)
    """By rule: the set that it refers to, or ""."""
    remotes: Counter[tuple[bool, int, str]] = field(default_factory=Counter)
    """How many rules refer to a set: by direction and version."""
    stateless: set[str] = field(default_factory=set)
    """Rules that say so."""


class Numbers:
    """Numbers for names, from a hash of the name; a clash moves the later one on."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._taken: set[int] = set()

    def of(self, name: Hashable) -> int:
        """The number of ``name``, not 0."""
        number = self._numbers.get(name)
        if number is None:
            number = int.from_bytes(blake2b(repr(name).encode(), digest_size=4).digest(), "big")
            while number in self._taken or not number:
                number = (number + 1) & 0xFFFFFFFF
            self._numbers[name] = number
            self._taken.add(number)
        return number

    def release(self, name: Hashable) -> None:
        """``name`` is no more."""
        number = self._numbers.pop(name, None)
        if number is not None:
            self._taken.discard(number)


class Policies:
    """See the module."""

    def __init__(self) -> None:
        self._policies: dict[int, _Policy] = {}
        self._numbers = Numbers()
        self._conjunctions = Numbers()
        self._groups_of: dict[str, Groups] = {}
        self._by_group: dict[str, set[int]] = {}
        self._rules: dict[str, dict[str, SecurityRule]] = {}
        self._members: dict[str, Counter[Prefix]] = {}
        self._known: dict[str, SecurityRule | RemoteAddresses] = {}
        """Rules and members as they were put, by unit."""
        self._users_of: dict[str, set[int]] = {}
        """Policies that refer to a set."""
        self._dirty: dict[Acl, None] = {}

    # ---- ports

    def enlist(self, unit: str, groups: Groups) -> int:
        """The port ``unit`` has these groups from now on; the number of its policy."""
        groups = tuple(sorted(set(groups)))
        if self._groups_of.get(unit) != groups:
            self.leave(unit)
        number = self._numbers.of(groups)
        policy = self._policies.get(number)
        if policy is None:
            policy = self._policies[number] = _Policy(groups)
            for group in groups:
                self._by_group.setdefault(group, set()).add(number)
                for rule in self._rules.get(group, {}).values():
                    self._add(number, rule)
        policy.users.add(unit)
        self._groups_of[unit] = groups
        return number

    def leave(self, unit: str) -> None:
        """``unit``, a port, a rule or a member, is no more."""
        self._forget(unit)
        groups = self._groups_of.pop(unit, None)
        if groups is None:
            return
        number = self._numbers.of(groups)
        policy = self._policies[number]
        policy.users.discard(unit)
        if policy.users:
            return
        for group in groups:
            for rule in self._rules.get(group, {}).values():
                self._remove(number, rule)
            self._by_group[group].discard(number)
            if not self._by_group[group]:
                del self._by_group[group]
        del self._policies[number]
        self._numbers.release(groups)

    # ---- what they are checked against

    def put_rule(self, rule: SecurityRule) -> None:
        """A rule as it is from now on; Unreachable if it cannot be programmed."""
        self._forget(rule.key)
        rules.services(rule)
        self._known[rule.key] = rule
        self._rules.setdefault(rule.group, {})[rule.key] = rule
        for number in self._by_group.get(rule.group, ()):
            self._add(number, rule)

    def put_addresses(self, row: RemoteAddresses) -> None:
        """A member's addresses as they are from now on."""
        old = self._known.get(row.key)
        self._known[row.key] = row
        self._count(row, 1)
        if isinstance(old, RemoteAddresses):
            self._count(old, -1)

    def _forget(self, unit: str) -> None:
        match self._known.pop(unit, None):
            case SecurityRule() as rule:
                found = self._rules[rule.group]
                del found[rule.key]
                if not found:
                    del self._rules[rule.group]
                for number in self._by_group.get(rule.group, ()):
                    self._remove(number, rule)
            case RemoteAddresses() as row:
                self._count(row, -1)
            case None:
                pass

    def _count(self, row: RemoteAddresses, step: int) -> None:
        if row.prefixes:
            members = self._members.setdefault(row.remote, Counter())
            for prefix in row.prefixes:
                was_there = prefix in members
                members[prefix] += step
                if not members[prefix]:
                    del members[prefix]
                if (prefix in members) != was_there:
                    self._mark_member(row.remote, prefix)
            if not members:
                del self._members[row.remote]

    def _mark_member(self, remote: str, prefix: Prefix) -> None:
        for number in self._users_of.get(remote, ()):
            for ingress in (True, False):
                policy = self._policies[number]
                if (ingress, prefix.version, remote) not in policy.remotes:
                    continue
                if prefix.length:
                    self._dirty[Membership(number, ingress, prefix)] = None
                else:  # everyone is a member: what refers to the set is no conjunction
                    self._dirty.update(
                        (service, None)
                        for service, found in policy.services.items()
                        if remote in found.values()
                    )

    # ---- policies

    def _add(self, number: int, rule: SecurityRule) -> None:
        policy = self._policies[number]
        for service in _services(number, rule):
            policy.services.setdefault(service, {})[rule.key] = rule.remote
            self._dirty[service] = None
        if rule.remote:
            use = (rule.ingress, rule.version, rule.remote)
            policy.remotes[use] += 1
            if policy.remotes[use] == 1:
                self._users_of.setdefault(rule.remote, set()).add(number)
                self._mark_set(number, use)
        if not rule.stateful:
            policy.stateless.add(rule.key)
            self._dirty[Stateless(number)] = None

    def _remove(self, number: int, rule: SecurityRule) -> None:
        policy = self._policies[number]
        for service in _services(number, rule):
            found = policy.services[service]
            del found[rule.key]
            if not found:
                del policy.services[service]
            self._dirty[service] = None
        if rule.remote:
            use = (rule.ingress, rule.version, rule.remote)
            policy.remotes[use] -= 1
            if not policy.remotes[use]:
                del policy.remotes[use]
                self._mark_set(number, use)
                if not any(remote == rule.remote for _in, _version, remote in policy.remotes):
                    self._users_of[rule.remote].discard(number)
                    if not self._users_of[rule.remote]:
                        del self._users_of[rule.remote]
        if rule.key in policy.stateless:
            policy.stateless.discard(rule.key)
            self._dirty[Stateless(number)] = None

    def _mark_set(self, number: int, use: tuple[bool, int, str]) -> None:
        """A policy begins or ceases to refer to a set."""
        ingress, version, remote = use
        self._dirty[Conjunction(number, ingress, remote)] = None
        for prefix in self._members.get(remote, ()):
            if prefix.version == version and prefix.length:
                self._dirty[Membership(number, ingress, prefix)] = None

    # ---- flows

    def changed(self) -> list[Acl]:
        """The units that changed since the last call."""
        dirty, self._dirty = self._dirty, {}
        return list(dirty)

    def translate(self, acl: Acl) -> Translation:
        """The flows of a unit."""
        policy = self._policies.get(acl.policy)
        match acl:
            case Service():
                return self._service(policy, acl)
            case Membership():
                return self._membership(policy, acl)
            case Conjunction():
                return self._conjunction(policy, acl)
            case Stateless(policy=number):
                if policy is None or not policy.stateless:
                    return Translation()
                shapes = (
                    templates.stateless_out_4,
                    templates.stateless_out_6,
                    templates.stateless_in_4,
                    templates.stateless_in_6,
                )
                return Translation(tuple(pack(number) for pack in shapes))

    def _service(self, policy: _Policy | None, acl: Service) -> Translation:
        remotes = set(policy.services.get(acl, {}).values()) if policy is not None else set()
        if not remotes:
            return Translation()
        match = templates.rule_policy(acl.policy) + acl.match
        everyone = EVERYONE[acl.version]
        if not any(not r or everyone in self._members.get(r, ()) for r in remotes):
            conjunctions = sorted(self._conjunction_id(acl, remote) for remote in remotes)
            actions = b"".join(map(templates.service_of, conjunctions))
            return _flow(acl, Priority.DEFAULT, match, actions)
        if acl.prefix is not None:
            match += rules.address(acl.prefix, ingress=acl.ingress)
        return _flow(acl, Priority.ALLOW, match, _allow(acl))

    def _membership(self, policy: _Policy | None, acl: Membership) -> Translation:
        ingress, version = acl.ingress, acl.prefix.version
        remotes = [
            remote
            for way, ip, remote in (policy.remotes if policy is not None else ())
            if (way, ip) == (ingress, version) and acl.prefix in self._members.get(remote, ())
        ]
        if not remotes:
            return Translation()
        any_ip = (templates.rule_ip_4 if version == 4 else templates.rule_ip_6)()
        match = templates.rule_policy(acl.policy) + any_ip
        match += rules.address(acl.prefix, ingress=ingress)
        conjunctions = sorted(self._conjunction_id(acl, remote) for remote in remotes)
        actions = b"".join(map(templates.member_of, conjunctions))
        return _flow(acl, Priority.DEFAULT, match, actions)

    def _conjunction(self, policy: _Policy | None, acl: Conjunction) -> Translation:
        used = policy is not None and any(
            (acl.ingress, version, acl.remote) in policy.remotes for version in (4, 6)
        )
        if not used:
            self._conjunctions.release(acl)
            return Translation()
        match = templates.rule_conj_id(self._conjunctions.of(acl))
        return _flow(acl, Priority.DEFAULT, match, _allow(acl))

    def _conjunction_id(self, acl: Service | Membership, remote: str) -> int:
        return self._conjunctions.of(Conjunction(acl.policy, acl.ingress, remote))


def _services(number: int, rule: SecurityRule) -> list[Service]:
    prefix = rule.prefix if rule.prefix is not None and rule.prefix.length else None
    return [
        Service(number, rule.ingress, rule.version, match, prefix) for match in rules.services(rule)
    ]


def _allow(acl: Service | Conjunction) -> bytes:
    return templates.ingress_allow() if acl.ingress else templates.egress_allow()


def _flow(
    acl: Service | Membership | Conjunction, priority: Priority, match: bytes, actions: bytes
) -> Translation:
    if len(actions) > LONGEST:
        raise Unreachable(f"{len(actions) // 16} sets of addresses are too many for one rule")
    return Translation((rules.flow(_TABLES[acl.ingress], priority, match, actions),))
