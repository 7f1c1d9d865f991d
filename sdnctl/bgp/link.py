"""The controller's link to the speaker: what to announce goes in, what was learned comes out.

Promise: the speaker holds exactly the peers and routes that were last asked for, whoever of the
two restarts and however often; after a restart everything is replayed, and nothing is withdrawn
meanwhile. ``on_learned`` is told of real differences only: a restart changes no learned route
by itself. Memory is that of the routes; at most one change per route waits.

asyncio, one task; the callbacks are called in it and must not block. Knows nothing of how BGP
works or of what the routes are for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any, Final

import grpc

from sdnctl.bgp import wire
from sdnctl.bgp.learned import Learned
from sdnctl.bgp.peer import Family, Peer, SessionEvent
from sdnctl.bgp.supervisor import Supervisor
from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey, by_path
from sdnctl.speaker.v1 import speaker_pb2 as pb

ROUTES_PER_BATCH: Final = 250
"""A few milliseconds of work, between which the loop does other things."""

BATCHES_IN_FLIGHT: Final = 32
CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 8.0
"""A speaker gives a sign of life every second, out of its reactor."""

SILENCE_LOOKS: Final = 4
TAKEN_PAUSE_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


Wanted = dict[str, dict[RouteKey, Path]]
"""What each peer shall be told; links of peers that may change places share one."""


class SpeakerLink:
    """The link; ``start`` it in a running loop.

    ``on_session`` is told when a session comes up, goes down, or fails for another reason than
    before; ``sessions`` has the counters too.

    With a ``command`` (see ``speaker_command``) a speaker is started where none answers, and
    again when it dies; one that hangs is killed. One that runs already is used as it is.
    """

    def __init__(
        self,
        socket_path: str | FilePath,
        on_learned: Callable[[list[Change[RouteKey, Path]]], None],
        on_session: Callable[[SessionEvent], None],
        *,
        command: tuple[str, ...] | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self.socket_path = str(socket_path)
        self._learned = Learned(on_learned)
        self._on_session = on_session
        self._supervisor = Supervisor(command, self.socket_path) if command else None
        self._peers: dict[str, Peer] = {}
        self._desired: Wanted = wanted if wanted is not None else {}
        self._sessions: dict[str, SessionEvent] = {}
        self._dirty: dict[RouteKey, None] = {}
        self._replay: Iterator[RouteKey] | None = None
        self._tell_peers = False
        self._wishes_heard: dict[str, None] = {}
        self._refreshes: dict[tuple[str, Family], None] = {}
        self._sent = 0
        self._acked = 0
        self._connected = False
        self._wake = asyncio.Event()
        self._found = asyncio.Event()
        self._lost = asyncio.Event()
        self._supervision: asyncio.Task[None] | None = None
        self._stream: asyncio.Task[None] | None = None
        self._shut_down = False
        self._ending = False
        self._taken = False

    # ---- for the controller

    @property
    def connected(self) -> bool:
        """The speaker answers."""
        return self._connected

    @property
    def heard(self) -> bool:
        """Every peer has told all its routes since the speaker was found, or had its time."""
        told = self._connected and self._learned.heard >= self._peers.keys()
        return told or not self._peers

    @property
    def settled(self) -> bool:
        """Everything that was asked for is in the speaker's Adj-RIBs-Out."""
        idle = not (self._dirty or self._replay is not None or self._tell_peers)
        return self._connected and idle and self._acked == self._sent

    @property
    def sessions(self) -> tuple[SessionEvent, ...]:
        """Every configured peer's session as last heard of, for people to read."""
        return tuple(self._sessions[name] for name in sorted(self._sessions))

    @property
    def learned(self) -> dict[RouteKey, Path]:
        """All routes learned, as they hold now; not to be changed."""
        return self._learned.routes

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Have exactly these peers. What was learned of one that goes is taken back at once."""
        new = {peer.name: peer for peer in peers}
        gone = [name for name in self._peers if name not in new]
        fresh = [p.name for p in new.values() if _replaced(self._peers.get(p.name), p)]
        self._peers = new
        for name in gone:
            self._sessions.pop(name, None)
        self._learned.forget(gone, fresh)
        for name in fresh:
            self._sessions[name] = SessionEvent(peer=name)
        if self._connected:
            self._tell_peers = True
            self._replay = itertools.chain(self._replay or (), self._keys(fresh))
            self._wake.set()

    def update(self, changes: Iterable[Change[RouteKey, Path]]) -> None:
        """Announce what is new, withdraw what is None, to the peer that the key names as source.

        The next hop is announced as it is, to iBGP and eBGP peers alike. Routes for a peer that
        is not configured wait for it.
        """
        for key, path in by_path((key, new) for key, _old, new in changes):
            routes = self._desired.setdefault(key.source, {})
            if routes.get(key) == path:
                continue
            if path is None:
                del routes[key]
            else:
                routes[key] = path
            if self._connected and key.source in self._peers:
                self._dirty[key] = None
        self._wake.set()

    def refresh(self, peer: str, family: Family) -> None:
        """Ask a peer for its routes of a family again (RFC 2918); nothing if it is not up."""
        if self._connected:
            self._refreshes[peer, family] = None
            self._wake.set()

    async def start(self) -> None:
        """Connect, and keep connected."""
        if self._supervisor is not None:
            self._supervision = asyncio.create_task(self._supervisor.run())
        self._stream = asyncio.create_task(self._run())

    async def stop(self, *, keep_speaker: bool = False) -> None:
        """Disconnect; a speaker that this link would start is ended unless it shall be kept.

        Its sessions close without a NOTIFICATION: peers with graceful restart keep the routes.
        """
        if self._supervision is not None and not keep_speaker:
            await self.retire()
            return
        self._ending = True
        await self._stop_supervision()
        await self._stop_stream()

    async def retire(self) -> None:
        """End the speaker, started by whomever, and disconnect.

        It obeys what it was told before: peers that were taken from it have heard so.
        """
        self._ending = True
        if self._stream is None:
            self._stream = asyncio.create_task(self._run())
        # One that was started a moment ago must be reached before it can be ended.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._found.wait(), CONNECT_SECONDS)
        await self._stop_supervision()
        obeyed = False
        if self._connected:
            self._shut_down = True
            self._wake.set()
            with contextlib.suppress(TimeoutError):
                obeyed = await asyncio.wait_for(self._lost.wait(), CONNECT_SECONDS)
        await self._stop_stream()
        if self._supervisor is not None and not obeyed and not self._taken:
            self._supervisor.kill()

    async def _stop_supervision(self) -> None:
        task, self._supervision = self._supervision, None
        if task is not None:
            await _cancel(task)

    async def _stop_stream(self) -> None:
        task, self._stream = self._stream, None
        if task is not None:
            await _cancel(task)

    # ---- the stream

    async def _run(self) -> None:
        while True:
            try:
                async with grpc.aio.insecure_channel(
                    f"unix:{self.socket_path}", options=wire.CHANNEL_OPTIONS
                ) as channel:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await channel.channel_ready()
                    await self._exchange(channel.stream_stream(wire.METHOD))
                    _log.warning("another controller has taken the speaker")
                    self._disconnected()
                    self._taken = not self._ending
                    await asyncio.sleep(TAKEN_PAUSE_SECONDS)
            except TimeoutError:
                if self._supervisor is not None:
                    self._supervisor.silent()
            except grpc.aio.AioRpcError as error:
                _log.debug("speaker: %s", error)
            except Exception:
                _log.exception("the stream with the speaker broke")
            self._disconnected()
            await asyncio.sleep(0.05)

    async def _exchange(self, attach: Any) -> None:
        call = attach()
        self._begin()
        writer = asyncio.create_task(self._write(call))
        try:
            while (message := await _read(call)) is not grpc.aio.EOF:
                if self._supervisor is not None:
                    self._supervisor.heard()
                self._receive(pb.Upstream.FromString(message))
            if writer.done():
                writer.result()  # raises what broke it
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            call.cancel()

    def _begin(self) -> None:
        """From nothing: what the speaker holds of us is unknown, what we hold of it is stale."""
        _log.info("speaker connected")
        self._connected = True
        self._taken = False
        self._lost.clear()
        self._found.set()
        self._sent = self._acked = 0
        self._dirty.clear()
        self._learned.begin()
        self._wishes_heard.clear()
        self._replay = self._keys(self._peers)
        self._tell_peers = True
        self._wake.set()

    def _disconnected(self) -> None:
        if not self._connected:
            return
        _log.log(logging.INFO if self._ending else logging.WARNING, "speaker lost")
        self._connected = False
        self._lost.set()
        self._found.clear()
        self._dirty.clear()
        self._refreshes.clear()
        self._replay = None
        for name, event in list(self._sessions.items()):
            if event.up:
                self._session(SessionEvent(peer=name, last_error="the speaker does not answer"))

    def _keys(self, peers: Iterable[str]) -> Iterator[RouteKey]:
        """What is desired of these peers as of now; a key may be gone when its turn comes."""
        desired = [route for p in peers for route in self._desired.get(p, {}).items()]
        return iter([key for key, _path in by_path(desired)])

    async def _write(self, call: Any) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (message := self._next()) is not None:
                    await call.write(message.SerializeToString())
        except Exception:
            await call.done_writing()  # so that the speaker ends the stream
            raise

    def _next(self) -> pb.Downstream | None:
        if self._tell_peers:
            self._tell_peers = False
            peers = [wire.encode_peer(peer) for peer in self._peers.values()]
            return pb.Downstream(peers=pb.Peers(peers=peers))
        if self._shut_down:
            self._shut_down = False
            return pb.Downstream(shutdown=pb.Shutdown())
        if self._refreshes:
            peer, family = next(iter(self._refreshes))
            del self._refreshes[peer, family]
            return pb.Downstream(refresh=pb.Refresh(peer=peer, family=family))
        if self._sent - self._acked >= BATCHES_IN_FLIGHT:
            return None
        if self._replay is not None:
            keys = list(itertools.islice(self._replay, ROUTES_PER_BATCH))
            if keys:
                return self._batch(keys)
            self._replay = None
            return pb.Downstream(replay_complete=pb.ReplayComplete())
        keys = list(itertools.islice(self._dirty, ROUTES_PER_BATCH))
        if not keys and self._wishes_heard:
            # What follows from the peer's wishes has been sent.
            peer = next(iter(self._wishes_heard))
            del self._wishes_heard[peer]
            return pb.Downstream(replay_complete=pb.ReplayComplete(peer=peer))
        if not keys:
            return None
        for key in keys:
            del self._dirty[key]
        return self._batch(keys)

    def _batch(self, keys: Iterable[RouteKey]) -> pb.Downstream:
        self._sent += 1
        routes = ((k, self._desired.get(k.source, {}).get(k)) for k in keys)
        announced, withdrawn = wire.encode_routes(routes)
        batch = pb.Batch(sequence=self._sent, routes=announced, withdrawn=withdrawn)
        return pb.Downstream(batch=batch)

    def _receive(self, message: pb.Upstream) -> None:
        match message.WhichOneof("body"):
            case "ack":
                self._acked = message.ack.sequence
                self._wake.set()
            case "learned":
                told = wire.decode_routes(message.learned.routes, message.learned.withdrawn)
                self._learned.tell(row for row in told if row[0].source in self._peers)
            case "session" if message.session.peer in self._peers:
                self._session(wire.decode_session(message.session))
            case "end_of_rib" if message.end_of_rib.family == Family.ROUTE_TARGET:
                self._wishes_heard[message.end_of_rib.peer] = None
                self._wake.set()
            case "in_sync":
                peer = message.in_sync.peer
                self._learned.in_sync(peer)
                if peer in self._peers and Family.ROUTE_TARGET in self._peers[peer].families:
                    self._wishes_heard[peer] = None
                    self._wake.set()

    def _session(self, event: SessionEvent) -> None:
        before = self._sessions[event.peer]
        self._sessions[event.peer] = event
        if (before.up, before.last_error) != (event.up, event.last_error):
            self._on_session(event)


def _replaced(old: Peer | None, new: Peer) -> bool:
    """The speaker starts this peer from nothing: another router, or none before."""
    return old is None or old.address != new.address


async def _read(call: Any) -> Any:
    """The next message; TimeoutError if the speaker is silent.

    Looked at several times: where this loop itself was held up, the first look is before what
    came meanwhile has been read.
    """
    read = asyncio.ensure_future(call.read())
    try:
        for _ in range(SILENCE_LOOKS):
            done, _pending = await asyncio.wait({read}, timeout=SILENCE_SECONDS / SILENCE_LOOKS)
            if done:
                return read.result()
    finally:
        read.cancel()
    raise TimeoutError


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
