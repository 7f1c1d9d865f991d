"""From the graph's log to every agent's messages, by membership.

Promise: the cost of a commit is of the groups that it changes and of their members that are
connected; a delta is encoded once, whoever gets it. Sans-IO: returns (hypervisor, bytes) pairs in
order; the caller moves them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from sdnctl import wire
from sdnctl.delivery.observed import AgentState, Observed, Vif, VifChange
from sdnctl.delivery.session import CHUNK, AgentSession
from sdnctl.delivery.tables import (
    GroupChange,
    Tables,
    group_of_evi,
    group_of_node,
    group_of_policy,
    group_of_remote,
    group_of_vrf,
)
from sdnctl.graph.engine import Log
from sdnctl.types import Ip, Mac
from sdnctl.vrouter.v1 import vrouter_pb2 as pb

_MEMBERS: Final[tuple[tuple[str, Callable[[Any], str]], ...]] = (
    ("evi_member", group_of_evi),
    ("vrf_member", group_of_vrf),
    ("policy_member", group_of_policy),
    ("remote_member", group_of_remote),
)
"""The relations that say who is a member of what; keyed by the group's owner and hypervisor."""

MOST_REASONS: Final = 32
"""Reasons of drops that are remembered of an agent."""

MOST_AGE_MS: Final = 10**12
"""An age that an agent tells is no more, whatever it says."""

Outgoing = list[tuple[str, bytes]]


def _unheard(host: str, port_id: str, mac: Mac, ip: Ip, at: float) -> None:
    """Nobody wants to know."""
    del host, port_id, mac, ip, at


def _unseen(change: VifChange) -> None:
    """Nobody wants to know."""
    del change


def _vif(said: pb.PortStatus) -> Vif:
    if said.up:
        return Vif.UP
    if said.failed:
        return Vif.FAILED
    return Vif.AWAITED if said.awaited else Vif.GONE


class SupersededError(Exception):
    """An agent has seen a controller with a higher epoch: this one must not write any more."""


class Delivery:
    """All tables, all members, all sessions."""

    def __init__(self, epoch: int, observed: Observed) -> None:
        self.tables = Tables()
        self.sessions: dict[str, AgentSession] = {}
        self.observed = observed
        self.revision = 0
        self.on_claim: Callable[[str, str, Mac, Ip, float], None] = _unheard
        """Told what guests say they have: hypervisor, port, MAC, address, and since when."""
        self.on_vif: Callable[[VifChange], None] = _unseen
        """Told how VIFs come and go."""
        self._epoch = epoch
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._groups: defaultdict[str, set[str]] = defaultdict(set)

    def groups_of(self, host: str) -> set[str]:
        """The groups that a hypervisor is a member of, its own included."""
        return {group_of_node(host), *self._groups.get(host, ())}

    def members_of(self, group: str) -> set[str]:
        """The hypervisors that are members of a group."""
        return set(self._members.get(group, ()))

    def commit(self, revision: int, log: Log, now_ns: int) -> Outgoing:
        """Tell every agent concerned what changed; ``now_ns`` is the commit's wall clock time."""
        self.revision = revision
        joined, left = self._follow_members(log)
        moved = joined.keys() | left.keys()
        fast: dict[str, list[bytes]] = {}
        slow = {host for host in moved if host in self.sessions}
        changes = self.tables.apply(log)
        self._forget_reports(changes, log)
        slow |= self._overfull(changes)
        for change in changes:
            self._spread(change, fast, slow, joined)
        for host in slow:
            for group in sorted(joined.get(host, ())):
                self.sessions[host].join(group)
            for group in sorted(left.get(host, ())):
                self.sessions[host].leave(group)
        out: Outgoing = [
            (host, self.sessions[host].send(deltas, revision)) for host, deltas in fast.items()
        ]
        for host in slow:
            out += ((host, message) for message in self.sessions[host].defer(revision))
        if out or slow:
            self.observed.sent(revision, slow | fast.keys(), now_ns)
        return out

    def _forget_reports(self, changes: list[GroupChange], log: Log) -> None:
        """What agents said of ports that moved away and of hypervisors that are no more."""
        for change in changes:
            kind, _slash, host = change.group.partition("/")
            state = self.observed.known(host) if kind == "node" else None
            if state is not None:
                for key in change.removals:
                    state.ports.pop(key.removeprefix("port/"), None)
        for host, _old, node in log.get("node", ()):
            if node is None and host not in self.sessions:
                self.observed.forget(host)

    def _spread(
        self,
        change: GroupChange,
        fast: dict[str, list[bytes]],
        slow: set[str],
        joined: dict[str, set[str]],
    ) -> None:
        """Give a group's change to its members: as bytes where they keep up, else as keys."""
        shared = b""
        for host in self._audience(change.group):
            session = self.sessions.get(host)
            if session is None or change.group in joined.get(host, ()):
                continue
            if session.keeps_up and host not in slow:
                if not shared:
                    shared = wire.group_delta(
                        change.group,
                        self.tables.table(change.group).version,
                        [resource for _key, resource in change.upserts],
                        list(change.removals),
                    )
                fast.setdefault(host, []).append(shared)
            else:
                session.note(change.group, change.keys)
                slow.add(host)

    def _overfull(self, changes: list[GroupChange]) -> set[str]:
        """Agents for which these changes are too much for one message."""
        if sum(len(change.upserts) + len(change.removals) for change in changes) <= CHUNK:
            return set()
        due: defaultdict[str, int] = defaultdict(int)
        for change in changes:
            for host in self._audience(change.group):
                due[host] += len(change.keys)
        return {host for host, keys in due.items() if keys > CHUNK and host in self.sessions}

    def _audience(self, group: str) -> set[str]:
        kind, _slash, name = group.partition("/")
        return {name} if kind == "node" else self._members.get(group, set())

    def _follow_members(self, log: Log) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        joined: dict[str, set[str]] = {}
        left: dict[str, set[str]] = {}
        for relation, group_of in _MEMBERS:
            for (owner, host), old, new in log.get(relation, ()):
                group = group_of(owner)
                if new is not None:
                    if old is not None:
                        continue
                    self._members[group].add(host)
                    self._groups[host].add(group)
                    joined.setdefault(host, set()).add(group)
                    continue
                left.setdefault(host, set()).add(group)
                for index, at, value in ((self._members, group, host), (self._groups, host, group)):
                    index[at].discard(value)
                    if not index[at]:
                        del index[at]
        return joined, left

    def _reached(self, host: str, state: AgentState, said: pb.Reachability) -> None:
        vtep = Ip(said.vtep)
        if said.up:
            state.unreachable.discard(vtep)
        elif self._is_probed(host, vtep):
            state.unreachable.add(vtep)

    def _plugged(self, host: str, state: AgentState, said: pb.PortStatus, now: float) -> None:
        """A VIF of this hypervisor came, went or failed, or is as it was when last told."""
        port_id = said.port_id
        if f"port/{port_id}" not in self.tables.table(group_of_node(host)).entries:
            return
        old = state.ports.get(port_id, Vif.GONE)
        new = _vif(said)
        state.ports[port_id] = new
        if new is not old:
            age = min(said.age_ms, MOST_AGE_MS) / 1000
            self.on_vif(VifChange(port_id, host, old, new, now - age))

    def _claimed(self, host: str, claim: pb.Claim, now: float) -> None:
        """An address that a guest of this hypervisor says it has; not of another's guest."""
        port = f"port/{claim.port_id}"
        if port not in self.tables.table(group_of_node(host)).entries:
            return
        if len(claim.mac) == 6 and len(claim.ip) in (4, 16):
            age = min(claim.age_ms, MOST_AGE_MS) / 1000
            self.on_claim(host, claim.port_id, Mac(claim.mac), Ip(claim.ip), now - age)

    def _is_probed(self, host: str, vtep: Ip) -> bool:
        """A hypervisor is told to probe this next hop, for some group of its own."""
        if len(vtep) not in (4, 16):
            return False
        return any(
            f"probe/{group.partition('/')[2]}/{vtep}" in self.tables.table(group).entries
            for group in self._groups.get(host, ())
        )

    # -- agents ----------------------------------------------------------------------------------

    def attach(self, host: str, hello: pb.Hello, now: float) -> Outgoing:
        """A stream begins; a former one of the same hypervisor is forgotten.

        Raises SupersededError if the agent obeys a later controller.
        """
        if hello.epoch > self._epoch:
            raise SupersededError(f"{host} obeys epoch {hello.epoch}, this is {self._epoch}")
        session = AgentSession(host, self.tables, self._epoch)
        self.sessions[host] = session
        state = self.observed.agent(host)
        state.connected, state.last_seen, state.software = True, now, hello.software
        state.unreachable.clear()  # it tells them again
        messages = session.start(hello, self.groups_of(host), self.revision)
        return [(host, message) for message in messages]

    def detach(self, host: str, session: AgentSession, now: float) -> None:
        """A stream ended; nothing is removed from anywhere."""
        if self.sessions.get(host) is session:
            del self.sessions[host]
            state = self.observed.agent(host)
            state.connected, state.last_seen = False, now

    def received(
        self, session: AgentSession, message: pb.Upstream, now: float, now_ns: int
    ) -> Outgoing:
        """A message of an agent; returns what may now be sent to it."""
        host = session.host
        state = self.observed.agent(host)
        state.last_seen = now
        match message.WhichOneof("body"):
            case "ack":
                done = session.ack(message.ack)
                if done is not None:
                    self.observed.programmed(host, done, now_ns)
            case "nack":
                session.nack(message.nack, self.groups_of(host))
            case "drops":
                state.drops = dict(islice(message.drops.packets.items(), MOST_REASONS))
            case "port_status":
                self._plugged(host, state, message.port_status, now)
            case "reachability":
                self._reached(host, state, message.reachability)
            case "claim":
                self._claimed(host, message.claim, now)
            case _:
                return []
        return [(host, data) for data in session.drain()]
