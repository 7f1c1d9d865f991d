"""One speaker process per group of peers, as the controller sees them: as one.

Promise: no peer can stall one of another group, for they share neither process nor socket.
Processes come and go as groups do; each is supervised, and outlives the controller. What is
asked for and told is that of ``SpeakerLink``, which serves one of them. A speaker of the default
group is there always; one that an earlier controller left for a group that is no more is ended.

Limits: peers of one group share one thread, so that a flood from one costs the others time, if no
session: a change of theirs waits for ``reactor.TURNS`` messages of it, some 35 ms. Passive peers on
one local address and port have to be of one group, for one process listens there. A peer that
changes its group loses its session once. A process takes some 45 MB.

Knows nothing of what the processes do.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Final

from sdnctl.bgp.link import SpeakerLink, Wanted
from sdnctl.bgp.peer import Family, Peer, SessionEvent
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey

DEFAULT_GROUP: Final = "default"


class Speakers:
    """The links to all speakers; ``start`` it in a running loop. Sockets are in ``directory``."""

    def __init__(
        self,
        directory: FilePath,
        on_learned: Callable[[list[Change[RouteKey, Path]]], None],
        on_session: Callable[[SessionEvent], None],
        *,
        command: Callable[[FilePath], tuple[str, ...]] = speaker_command,
    ) -> None:
        self._directory = directory
        self._on_learned = on_learned
        self._on_session = on_session
        self._command = command
        self._wanted: Wanted = {}
        self._groups: dict[str, str] = {}
        self._started = False
        self._retiring: dict[FilePath, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._links = {DEFAULT_GROUP: self._link(self.socket(DEFAULT_GROUP))}

    def socket(self, group: str) -> FilePath:
        """Where the speaker of a group serves; any text is a group's name, but no file's."""
        if group == DEFAULT_GROUP:
            return self._directory / "speaker.sock"
        digest = hashlib.blake2b(group.encode(), digest_size=8).hexdigest()
        return self._directory / f"speaker-{digest}.sock"

    @property
    def heard(self) -> bool:
        """Every peer has told all its routes since its speaker was found, or had its time."""
        return all(link.heard for link in self._links.values())

    @property
    def settled(self) -> bool:
        """Everything that was asked for is in the speakers' Adj-RIBs-Out."""
        return all(link.settled for link in self._links.values())

    @property
    def sessions(self) -> tuple[SessionEvent, ...]:
        """Every configured peer's session as last heard of, for people to read."""
        every = itertools.chain.from_iterable(link.sessions for link in self._links.values())
        return tuple(sorted(every, key=lambda event: event.peer))

    def set_peers(self, peers: Mapping[str, Iterable[Peer]]) -> None:
        """Have exactly these peers, by group."""
        wanted = {group: list(members) for group, members in peers.items()}
        wanted = {group: members for group, members in wanted.items() if members}
        self._groups = {peer.name: group for group, members in wanted.items() for peer in members}
        for group in self._links.keys() - wanted.keys() - {DEFAULT_GROUP}:
            self._retire(self._links.pop(group))
        for group in wanted.keys() - self._links.keys():
            self._links[group] = self._link(self.socket(group))
            if self._started:
                self._start(self._links[group])
        for group, link in self._links.items():
            link.set_peers(wanted.get(group, ()))

    def update(self, changes: Iterable[Change[RouteKey, Path]]) -> None:
        """Announce and withdraw, as ``SpeakerLink.update`` does."""
        shares: dict[str, list[Change[RouteKey, Path]]] = {}
        for change in changes:
            group = self._groups.get(change.key.source, DEFAULT_GROUP)
            shares.setdefault(group, []).append(change)
        for group, share in shares.items():
            self._links[group].update(share)

    def refresh(self, peer: str, family: Family) -> None:
        """Ask a peer for its routes of a family again (RFC 2918)."""
        self._links[self._groups.get(peer, DEFAULT_GROUP)].refresh(peer, family)

    async def start(self) -> None:
        """Connect to all, and keep connected."""
        self._started = True
        mine = {FilePath(link.socket_path) for link in self._links.values()}
        for path in self._directory.glob("speaker-*.sock"):
            if path not in mine:
                self._retire(self._link(path))
        for link in self._links.values():
            await link.start()

    async def stop(self, *, keep_speakers: bool = False) -> None:
        """Disconnect from all; they are ended unless they shall be kept."""
        self._started = False
        await asyncio.gather(*self._retiring.values(), *self._starting)
        await asyncio.gather(
            *(link.stop(keep_speaker=keep_speakers) for link in self._links.values())
        )

    def _link(self, path: FilePath) -> SpeakerLink:
        return SpeakerLink(
            path,
            self._on_learned,
            self._on_session,
            command=self._command(path),
            wanted=self._wanted,
        )

    def _start(self, link: SpeakerLink) -> None:
        before = self._retiring.get(FilePath(link.socket_path))

        async def start() -> None:
            if before is not None:
                await before
            if link in self._links.values():
                await link.start()

        task = asyncio.create_task(start())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _retire(self, link: SpeakerLink) -> None:
        """End a speaker: its peers are told that they are no more (RFC 4486)."""
        link.set_peers(())
        if not self._started:
            return
        path = FilePath(link.socket_path)
        before = self._retiring.get(path)

        async def retire() -> None:
            if before is not None:
                await before
            await link.retire()
            for file in (path, path.with_name(f"{path.name}.lock")):
                file.unlink(missing_ok=True)
            if self._retiring.get(path) is task:
                del self._retiring[path]

        task = asyncio.create_task(retire())
        self._retiring[path] = task
