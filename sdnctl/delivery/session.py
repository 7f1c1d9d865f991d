"""One agent's stream, sans-IO: messages in, messages out, and what is still owed.

Rules of the stream (DESIGN.md section 6) that live here: whole-resource upserts and removals, a
version per group, a nonce per message; the difference on reconnect; the InSync marker; at most
one pending update per key, whatever the speed of the agent; make before break, over however
many messages it takes.

Two ways lead to an agent. The fast one: the agent keeps up, and gets the bytes that were encoded
once for all members. The slow one: the window is full or a whole table is due; then only keys
are noted, and what they are worth is looked up when the agent has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sdnctl import wire
from sdnctl.delivery.observed import REMEMBERED, Programmed
from sdnctl.delivery.tables import Tables, group_of_node
from sdnctl.vrouter.v1 import vrouter_pb2 as pb

WINDOW: Final = 64
"""Messages that may be under way without having been received."""

CHUNK: Final = 500
"""Resources in one message of a table; a larger message costs the agent memory for good."""


@dataclass(slots=True)
class Pending:
    """What an agent must still be told about one group."""

    keys: dict[str, None] = field(default_factory=dict)
    snapshot: bool = False
    leave: bool = False


class AgentSession:
    """A stream from its Hello to its end."""

    def __init__(self, host: str, tables: Tables, epoch: int) -> None:
        self.host = host
        self.revision = 0
        self.received = 0
        self.programmed = 0
        self.failures: dict[str, str] = {}
        self.in_sync = False
        self._tables = tables
        self._epoch = epoch
        self._nonce = 0
        self._pending: dict[str, Pending] = {}
        self._sync_due = True
        self._own = group_of_node(host)
        # (nonce that completes it, revision), and revisions whose changes are among the pending
        # keys: for an agent whose switch is stuck no more than anybody asks for.
        self._owed: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._waiting: deque[int] = deque(maxlen=REMEMBERED)

    # -- out -------------------------------------------------------------------------------------

    def start(self, hello: pb.Hello, groups: set[str], revision: int) -> list[bytes]:
        """Answer a Hello with what the agent lacks and what it no longer should hold."""
        self.revision = revision
        for group in sorted(groups):
            if group in hello.versions:
                missed = self._tables.table(group).missed_since(hello.versions[group])
                if missed is not None:
                    if missed:
                        self._pending[group] = Pending(missed)
                    continue
            self.join(group)
        for group in hello.versions:
            if group not in groups:
                self.leave(group)
        return self.drain()

    def join(self, group: str) -> None:
        """The agent becomes a member: it is due the whole table."""
        self._pending[group] = Pending(
            dict.fromkeys(self._tables.table(group).entries), snapshot=True
        )

    def leave(self, group: str) -> None:
        """The agent is no longer a member."""
        self._pending[group] = Pending(leave=True)

    def note(self, group: str, keys: Iterable[str]) -> None:
        """Changed keys, to be looked up when there is room."""
        pending = self._pending.get(group)
        if pending is None:
            pending = self._pending[group] = Pending()
        pending.keys.update(dict.fromkeys(keys))

    @property
    def sent(self) -> int:
        """The nonce of the last message."""
        return self._nonce

    @property
    def keeps_up(self) -> bool:
        """Nothing is pending and the window is open: encoded bytes may go as they are."""
        return not self._pending and self._nonce - self.received < WINDOW

    def send(self, deltas: list[bytes], revision: int) -> bytes:
        """The fast way: one message of deltas that were encoded for all."""
        self.revision = revision
        message = self._message(deltas)
        self._owed.append((self._nonce, revision))
        return message

    def defer(self, revision: int) -> list[bytes]:
        """The slow way, after ``note``, ``join`` or ``leave``: send what there is room for."""
        self.revision = revision
        self._waiting.append(revision)
        return self.drain()

    def drain(self) -> list[bytes]:
        """Messages for pending keys, as far as the window goes."""
        messages = []
        while self._pending and self._nonce - self.received < WINDOW:
            messages.append(self._message(self._next_deltas()))
        if not self._pending:
            if self._sync_due:
                messages.append(self._message([]))
            if self._waiting:
                self._owed.extend((self._nonce, revision) for revision in self._waiting)
                self._waiting.clear()
        return messages

    def _next_deltas(self) -> list[bytes]:
        """What the next message holds, in the order of rule 4: make before break.

        First the hypervisor itself and the ports that close, then the tables, then the ports
        that open, and when all that is said, the groups that are left.
        """
        deltas: list[bytes] = []
        room = CHUNK
        tables = [g for g, p in self._pending.items() if g != self._own and not p.leave]
        if tables and self._own in self._pending:
            entries = self._tables.table(self._own).entries
            keys = self._pending[self._own].keys
            early = [key for key in keys if key == "node" or key not in entries][:room]
            if early:
                room -= self._take(self._own, early, deltas)
        for group in (*tables, self._own):
            if group in self._pending:
                if room <= 0:
                    return deltas
                room -= self._take(group, list(islice(self._pending[group].keys, room)), deltas)
        if all(pending.leave for pending in self._pending.values()):
            deltas += (wire.group_delta(group, 0, [], [], leave=True) for group in self._pending)
            self._pending.clear()
        return deltas

    def _take(self, group: str, keys: list[str], deltas: list[bytes]) -> int:
        """Move these pending keys of a group into a message; return how many they are."""
        pending = self._pending[group]
        table = self._tables.table(group)
        partial = len(keys) < len(pending.keys)
        deltas.append(
            wire.group_delta(
                group,
                table.version,
                [table.entries[key] for key in keys if key in table.entries],
                [key for key in keys if key not in table.entries],
                snapshot=pending.snapshot,
                partial=partial,
            )
        )
        if partial:
            for key in keys:
                del pending.keys[key]
            pending.snapshot = False
        else:
            del self._pending[group]
        return len(keys)

    def _message(self, deltas: list[bytes]) -> bytes:
        self._nonce += 1
        in_sync = self._sync_due and not self._pending
        if in_sync:
            self._sync_due = False
            self.in_sync = True
        epoch = self._epoch if self._nonce == 1 else 0
        return wire.downstream(deltas, self._nonce, self.revision, in_sync=in_sync, epoch=epoch)

    # -- in --------------------------------------------------------------------------------------

    def ack(self, message: pb.Ack) -> Programmed | None:
        """Move the window; return the revisions that are now in the switch, if any."""
        self.received = max(self.received, min(message.received, self._nonce))
        self.programmed = max(self.programmed, min(message.programmed, self._nonce))
        done = []
        while self._owed and self._owed[0][0] <= self.programmed:
            done.append(self._owed.popleft()[1])
        if not done:
            return None
        return Programmed(tuple(done), message.received_ns, message.programmed_ns)

    def nack(self, message: pb.Nack, groups: set[str]) -> None:
        """Remember, or forget, a key that failed; send a group again if the agent asks for it."""
        if message.key:
            if message.reason:
                self.failures[message.key] = message.reason
            else:
                self.failures.pop(message.key, None)
        if message.resync and message.group in groups:
            self.join(message.group)
