"""The agent's side of the stream, sans-IO: bytes in, changes out; versions kept per group.

Promise: what it hands out is the difference between what it held and what the controller says,
whatever was missed, repeated or cut in between; it checks every group against the version that
came with it and asks for the group again if they differ. It outlives connections: a new stream
begins with what is held. It knows nothing of the switch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sdnctl import wire
from sdnctl.delta import Change
from sdnctl.desired import Desired
from sdnctl.types import Ip, Mac
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from sdnctl_vrouter.drivers.base import VifStatus

SOFTWARE: Final = "sdnctl-vrouter 0.1.0"

_MODULUS: Final = 1 << 64


class SupersededError(Exception):
    """The controller's epoch is lower than one that was obeyed before: not to be obeyed."""


@dataclass(slots=True)
class Group:
    """What is held of one group: the resources, and what each adds to the version."""

    rows: dict[str, Desired | None] = field(default_factory=dict)
    hashes: dict[str, int] = field(default_factory=dict)
    version: int = 0
    stale: set[str] = field(default_factory=set)  # held before a snapshot that is under way
    asked_again: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One message's worth of work. ``nacks`` go back to the controller at once."""

    nonce: int
    changes: list[Change[str, Desired]]
    nacks: list[bytes]
    in_sync: bool


class ClientSession:
    """What the controller said so far. ``save_epoch`` makes a new highest epoch durable."""

    def __init__(self, epoch: int, save_epoch: Callable[[int], None]) -> None:
        self.groups: dict[str, Group] = {}
        self.epoch = epoch
        self.revision = 0
        self._save_epoch = save_epoch
        self._received = 0
        self._programmed = 0
        self._first = True

    def hello(self) -> bytes:
        """Begin a stream: the message to send first."""
        self._received = self._programmed = 0
        self._first = True
        for group in self.groups.values():
            group.asked_again = False
            group.stale.clear()
        return pb.Upstream(
            hello=pb.Hello(
                # The version is of what is held, be it half a snapshot: the controller finds
                # out what that lacks.
                versions={name: group.version for name, group in self.groups.items()},
                epoch=self.epoch,
                software=SOFTWARE,
            )
        ).SerializeToString()

    def receive(self, data: bytes) -> Batch:
        """One message. ValueError if it is none; SupersededError if it must not be obeyed."""
        message = wire.read_downstream(data)
        if self._first:
            if message.epoch < self.epoch:
                raise SupersededError(f"epoch {message.epoch}, obeyed {self.epoch} before")
            if message.epoch > self.epoch:
                self._save_epoch(message.epoch)  # durable first: it may fail, and comes again
                self.epoch = message.epoch
            self._first = False
        self._received = message.nonce
        self.revision = message.revision
        changes: dict[str, Change[str, Desired]] = {}
        nacks: list[bytes] = []
        for delta in message.groups:
            self._apply(delta, message.nonce, changes, nacks)
        return Batch(message.nonce, list(changes.values()), nacks, message.in_sync)

    def _apply(
        self,
        delta: pb.GroupDelta,
        nonce: int,
        changes: dict[str, Change[str, Desired]],
        nacks: list[bytes],
    ) -> None:
        group = self.groups.get(delta.group)
        if group is None:
            group = self.groups[delta.group] = Group()
        if delta.snapshot or delta.leave:
            group.stale = set(group.rows)
        for resource in delta.upserts:
            row: Desired | None = None
            try:
                row = wire.decode(resource)
            except wire.UnknownResourceError as error:
                nacks.append(self.nack(nonce, delta.group, resource.key, error.reason))
            self._put(group, resource.key, row, resource.SerializeToString(), changes)
        for key in delta.removals:
            self._remove(group, key, changes)
        if delta.partial:
            return
        for key in tuple(group.stale):
            self._remove(group, key, changes)
        if delta.leave:
            del self.groups[delta.group]
            return
        if group.version != delta.version and not group.asked_again:
            group.asked_again = True
            nacks.append(
                self.nack(nonce, delta.group, "", "the group is not what was said", resync=True)
            )

    @staticmethod
    def _put(
        group: Group,
        key: str,
        row: Desired | None,
        encoded: bytes,
        changes: dict[str, Change[str, Desired]],
    ) -> None:
        digest = wire.version_of(encoded)
        group.version = (group.version + digest - group.hashes.get(key, 0)) % _MODULUS
        group.hashes[key] = digest
        group.stale.discard(key)
        _note(changes, key, group.rows.get(key), row)
        group.rows[key] = row

    @staticmethod
    def _remove(group: Group, key: str, changes: dict[str, Change[str, Desired]]) -> None:
        group.stale.discard(key)
        if key in group.rows:
            group.version = (group.version - group.hashes.pop(key)) % _MODULUS
            _note(changes, key, group.rows.pop(key), None)

    # -- back to the controller ------------------------------------------------------------------

    def programmed(self, nonce: int) -> None:
        """The switch confirmed all up to this message."""
        self._programmed = max(self._programmed, nonce)

    def ack(self, received_ns: int, programmed_ns: int) -> bytes:
        """Tell how far both acknowledgements are; times are of the wall clock."""
        return pb.Upstream(
            ack=pb.Ack(
                received=self._received,
                programmed=self._programmed,
                received_ns=received_ns,
                programmed_ns=programmed_ns,
            )
        ).SerializeToString()

    @staticmethod
    def nack(nonce: int, group: str, key: str, reason: str, *, resync: bool = False) -> bytes:
        """Tell of a key that failed (or, with an empty reason, does no longer)."""
        return pb.Upstream(
            nack=pb.Nack(nonce=nonce, group=group, key=key, reason=reason, resync=resync)
        ).SerializeToString()

    @staticmethod
    def drops(packets: dict[str, int]) -> bytes:
        """Tell what was refused so far, by reason."""
        return pb.Upstream(drops=pb.Drops(packets=packets)).SerializeToString()

    @staticmethod
    def port_status(status: VifStatus, age_ms: int) -> bytes:
        """Tell of a VIF, and for how long it has been so."""
        return pb.Upstream(
            port_status=pb.PortStatus(
                port_id=status.port_id,
                up=status.up,
                reason=status.reason,
                awaited=status.awaited,
                failed=status.failed,
                age_ms=age_ms,
            )
        ).SerializeToString()

    @staticmethod
    def claim(port_id: str, mac: Mac, ip: Ip, age_ms: int) -> bytes:
        """Tell of an address that a guest said, so long ago, that it has."""
        return pb.Upstream(
            claim=pb.Claim(port_id=port_id, mac=mac, ip=ip, age_ms=age_ms)
        ).SerializeToString()

    @staticmethod
    def reachability(vtep: Ip, up: bool) -> bytes:
        """Tell of a probed next hop."""
        return pb.Upstream(reachability=pb.Reachability(vtep=vtep, up=up)).SerializeToString()


def _note(
    changes: dict[str, Change[str, Desired]], key: str, old: Desired | None, new: Desired | None
) -> None:
    """Add a change to those of the same message: one for a key, none if nothing changed."""
    before = changes.pop(key, None)
    if before is not None:
        old = before.old
    if old != new:
        changes[key] = Change(key, old, new)
