"""Agents that hold what the stream told them, joined to a Delivery without any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdnctl.delivery.delivery import Delivery, Outgoing
from sdnctl.delivery.observed import Observed
from sdnctl.delivery.session import AgentSession
from sdnctl.delta import Change, Delta
from sdnctl.desired import Desired
from sdnctl.graph.engine import Engine, Log
from sdnctl.graph.model import make_engine
from sdnctl.wire import read_upstream
from sdnctl_vrouter.session import ClientSession
from tests.properties.agreed import ASN
from tests.properties.strategies.small import HOSTS, Write


class Agent:
    """A client session with the mirror of its changes, and the messages under way to it."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.session = ClientSession(0, self.epochs.append)
        self.desired: dict[str, Desired] = {}
        self.inbox: list[bytes] = []
        self.in_sync = False

    def take(self, message: bytes) -> list[bytes]:
        """Apply one message; return what goes back."""
        batch = self.session.receive(message)
        for key, old, new in batch.changes:
            assert self.desired.get(key) == old, f"{key}: the change starts from another value"
            if new is None:
                del self.desired[key]
            else:
                self.desired[key] = new
        self.in_sync |= batch.in_sync
        self.session.programmed(batch.nonce)
        return [*batch.nacks, self.session.ack(1, 2)]


class House:
    """Engine, delivery and agents."""

    def __init__(self, hosts: Sequence[str] = HOSTS) -> None:
        self.engine: Engine = make_engine(ASN)
        self.revision = 0
        self.agents = {host: Agent() for host in hosts}
        self.restart(1)

    def restart(self, epoch: int) -> None:
        """A new controller with the same intent; every stream is cut."""
        self.delivery = Delivery(epoch, Observed())
        self.live: dict[str, AgentSession] = {}
        everything: Log = {
            name: list(_all_rows(self.engine, name))
            for name in ("evi", "irb", "subnet_options", "host_name", "fdb", "neighbor", "flood",
                         "vrf", "fib", "node", "rule", "remote", "local_port", "standby_port",
                         "evi_member", "vrf_member", "policy_member", "remote_member", "evi_probe",
                         "vrf_probe", "exit", "floating", "hiding", "forwarding")
        }  # fmt: skip
        self.delivery.commit(self.revision, everything, 0)
        for agent in self.agents.values():
            agent.inbox.clear()

    def commit(self, writes: list[Write]) -> None:
        self.revision += 1
        log = self.engine.commit(writes)
        self.route(self.delivery.commit(self.revision, log, 0))

    def route(self, out: Outgoing) -> None:
        for host, message in out:
            self.agents[host].inbox.append(message)

    def connect(self, host: str) -> None:
        agent = self.agents[host]
        agent.inbox.clear()  # what was under way on the former stream is lost
        agent.in_sync = False
        hello = read_upstream(agent.session.hello()).hello
        self.route(self.delivery.attach(host, hello, 0.0))
        self.live[host] = self.delivery.sessions[host]

    def cut(self, host: str) -> None:
        if host in self.live:
            self.delivery.detach(host, self.live.pop(host), 0.0)
            self.agents[host].inbox.clear()

    def deliver(self, host: str, *, lose_acks: bool = False) -> None:
        """One message, if any is under way."""
        agent = self.agents[host]
        if host not in self.live or not agent.inbox:
            return
        replies = agent.take(agent.inbox.pop(0))
        if not lose_acks:
            for reply in replies:
                self.route(self.delivery.received(self.live[host], read_upstream(reply), 0.0, 0))

    def settle(self) -> None:
        for host in self.agents:
            if host not in self.live:
                self.connect(host)
        for _round in range(10_000):
            busy = [host for host in self.agents if self.agents[host].inbox]
            if not busy:
                return
            for host in busy:
                self.deliver(host)
        raise AssertionError("the stream does not come to rest")


def _all_rows(engine: Engine, name: str) -> Delta[Any, Any]:
    relation = next(rule.output for rule in engine.rules if rule.output.name == name)
    return [Change(key, None, row) for key, row in engine.rows(relation).items()]
