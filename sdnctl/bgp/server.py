"""The speaker's side of the controller's stream: gRPC in a thread of its own.

Promise: one controller at a time, the newest; what it is told is the state as of now, at most
one pending change per route and session however slow it reads; jobs reach the reactor in the
order of the stream. Knows the reactor by its jobs only.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import grpc

from sdnctl.bgp import wire
from sdnctl.bgp.peer import Family, SessionEvent
from sdnctl.bgp.reactor import Reactor
from sdnctl.routes import Path, RouteKey
from sdnctl.speaker.v1 import speaker_pb2 as pb

ROUTES_PER_MESSAGE: Final = 250
"""A few milliseconds of work for the controller's loop."""

_log = logging.getLogger(__name__)


class Outbox:
    """What a controller has still to be told; filled by the reactor, drained by the stream."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._acked = 0
        self._sessions: dict[str, SessionEvent] = {}
        self._routes: dict[RouteKey, Path | None] = {}
        self._end_of_rib: dict[tuple[str, Family], None] = {}
        self._in_sync: dict[str, None] = {}
        self._signalled = False

    def ack(self, sequence: int) -> None:
        """Every batch up to this one is done."""
        with self._lock:
            self._acked = sequence
            self._signal()

    def session(self, event: SessionEvent) -> None:
        """A session's state."""
        with self._lock:
            self._sessions[event.peer] = event
            self._signal()

    def route(self, key: RouteKey, path: Path | None) -> None:
        """A learned route, or None where it is gone."""
        with self._lock:
            self._routes[key] = path
            self._signal()

    def end_of_rib(self, peer: str, family: Family) -> None:
        """A peer's End-of-RIB."""
        with self._lock:
            self._end_of_rib[peer, family] = None
            self._signal()

    def in_sync(self, peer: str) -> None:
        """All of a peer was told."""
        with self._lock:
            self._in_sync[peer] = None
            self._signal()

    def sign_of_life(self) -> None:
        """Say something, be it nothing."""
        with self._lock:
            self._signal()

    @property
    def closed(self) -> bool:
        """The stream is over, or another one has taken its place."""
        return self._closed

    def close(self) -> None:
        """End the stream."""
        with self._lock:
            self._closed = True
            self._signal()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon_threadsafe(self._event.set)

    async def messages(self) -> AsyncIterator[pb.Upstream]:
        """What is to be told, as it comes, until closed; markers follow what they speak of."""
        while True:
            await self._event.wait()
            self._event.clear()
            with self._lock:
                if self._closed:
                    return
                acked, sessions, routes = self._acked, self._sessions, self._routes
                end_of_rib, in_sync = self._end_of_rib, self._in_sync
                self._reset()
            if not (acked or sessions or routes or end_of_rib or in_sync):
                yield pb.Upstream()
            if acked:
                yield pb.Upstream(ack=pb.Ack(sequence=acked))
            for event in sessions.values():
                yield pb.Upstream(session=wire.encode_session(event))
            for learned in _learned(routes):
                yield pb.Upstream(learned=learned)
            for peer, family in end_of_rib:
                yield pb.Upstream(end_of_rib=pb.EndOfRib(peer=peer, family=family))
            for peer in in_sync:
                yield pb.Upstream(in_sync=pb.InSync(peer=peer))


def _learned(routes: dict[RouteKey, Path | None]) -> Iterator[pb.Learned]:
    items = iter(routes.items())
    while chunk := list(itertools.islice(items, ROUTES_PER_MESSAGE)):
        announced, withdrawn = wire.encode_routes(chunk)
        yield pb.Learned(routes=announced, withdrawn=withdrawn)


class Server:
    """Serves ``Attach``; it is the sessions' ``Owner``."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._outbox: Outbox | None = None
        self.reactor = Reactor(self)

    # ---- in the reactor's thread: what sessions tell

    def on_route(self, key: RouteKey, path: Path | None) -> None:
        """The peer says this now."""
        if self._outbox is not None:
            self._outbox.route(key, path)

    def on_state(self, event: SessionEvent) -> None:
        """The session's state changed."""
        if self._outbox is not None:
            self._outbox.session(event)

    def on_end_of_rib(self, peer: str, family: Family) -> None:
        """The peer has sent all that it has of a family."""
        if self._outbox is not None:
            self._outbox.end_of_rib(peer, family)

    def on_in_sync(self, peer: str) -> None:
        """The peer has said all, or had its time."""
        if self._outbox is not None:
            self._outbox.in_sync(peer)

    def on_tick(self) -> None:
        """A second has passed: the controller shall know that we live."""
        if self._outbox is not None:
            self._outbox.sign_of_life()

    # ---- in the reactor's thread: what the controller says

    def _handle(self, outbox: Outbox, message: pb.Downstream) -> None:
        if outbox.closed:
            return
        match message.WhichOneof("body"):
            case "shutdown":
                self.reactor.stop()
            case "peers" if self._outbox is not outbox:
                self._take_over(outbox, message.peers)
            case "peers":
                self.reactor.set_peers(wire.decode_peer(p) for p in message.peers.peers)
            case _ if self._outbox is not outbox:
                _log.warning("a controller's first message has to be its peers")
                outbox.close()
            case "batch":
                batch = message.batch
                try:
                    self.reactor.put(wire.decode_routes(batch.routes, batch.withdrawn))
                finally:
                    outbox.ack(batch.sequence)
            case "refresh":
                self.reactor.refresh(message.refresh.peer, Family(message.refresh.family))
            case "replay_complete":
                self.reactor.replay_complete(message.replay_complete.peer)

    def _take_over(self, outbox: Outbox, peers: pb.Peers) -> None:
        """Obey this controller from now on, and tell it how things are."""
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = outbox
        self.reactor.begin_replay()
        self.reactor.set_peers(wire.decode_peer(p) for p in peers.peers)
        for session in self.reactor.sessions():
            name = session.peer.name
            outbox.session(session.event())
            for key, path in session.adj_rib_in.routes():
                outbox.route(key, path)
            if session.wishes_heard:
                outbox.end_of_rib(name, Family.ROUTE_TARGET)
            if session.in_sync:
                outbox.in_sync(name)

    # ---- in the thread of gRPC

    async def attach(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        """One controller's stream."""
        outbox = Outbox()

        async def read() -> None:
            try:
                async for request in requests:
                    message = pb.Downstream.FromString(request)
                    self.reactor.submit(functools.partial(self._handle, outbox, message))
            finally:
                outbox.close()

        reader = asyncio.create_task(read())
        try:
            async for message in outbox.messages():
                yield message.SerializeToString()
        finally:
            reader.cancel()

    async def serve(self, ready: threading.Event) -> None:
        """Serve on the socket until cancelled."""
        handler = grpc.stream_stream_rpc_method_handler(self.attach)
        service, method = wire.METHOD.strip("/").split("/")
        server = grpc.aio.server(options=wire.CHANNEL_OPTIONS)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {method: handler})]
        )
        server.add_insecure_port(f"unix:{self._socket_path}")
        await server.start()
        ready.set()
        try:
            await server.wait_for_termination()
        finally:
            await server.stop(None)
