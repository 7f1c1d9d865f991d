"""The speaker's main loop: gives each session its turn, sleeps on their sockets and on jobs.

Promise: a job handed over from another thread is begun within the time of the job before it;
an idle speaker sleeps; a session in trouble delays no other. It stands in the place of ExaBGP's
own reactor, which wakes a hundred times a second and knows no jobs. Knows nothing of gRPC.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from exabgp.reactor.listener import Listener
from exabgp.reactor.network.tcp import set_sending_ttl
from exabgp.reactor.peer import ACTION

from sdnctl.bgp.neighbor import MAX_TTL, least_ttl
from sdnctl.bgp.peer import Family, Peer, SessionEvent
from sdnctl.bgp.session import Owner, Session
from sdnctl.routes import Path, RouteKey

TURNS: Final = 64
"""Messages that a session may read or write before the others have their turn."""

TICK_SECONDS: Final = 1.0
LISTEN_SECONDS: Final = 5.0
"""When to try again to listen, where an address or a port was not to be had."""

CONNECTING_SECONDS: Final = 0.02
"""How often a connection attempt is looked at; ExaBGP keeps that socket to itself."""

MINIMUM_TTL: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 21),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 73),
}
"""IP_MINTTL and IPV6_MINHOPCOUNT of Linux, by address family; Python does not know them."""

_log = logging.getLogger(__name__)


class _Helpers:
    """ExaBGP asks whether its helper processes are alive; here there are none."""

    @staticmethod
    def broken(_neighbor: object) -> bool:
        return False


class _Refusals:
    """ExaBGP hands over what it writes to a caller that is nobody's peer."""

    def __init__(self) -> None:
        self._writers: list[Iterator[Any]] = []

    def schedule(self, _uid: str, _what: str, writer: Iterator[Any]) -> None:
        self._writers.append(writer)

    def run(self) -> None:
        # One attempt each: a refusal that does not fit an empty socket buffer is not worth more.
        for writer in self._writers:
            for _ in range(3):
                next(writer, None)
        self._writers.clear()


class _Listener(Listener):  # type: ignore[misc]  # ExaBGP has no types
    def _new_socket(self, ip: Any) -> Any:
        """The listener answers a call itself: it has to with the TTL of RFC 5082 section 3."""
        sock = super()._new_socket(ip)
        set_sending_ttl(sock, ip.afi, ip.top(), MAX_TTL)
        return sock

    def sockets(self) -> list[int]:
        return [sock.fileno() for sock in self._sockets]

    def demand(self, at: tuple[str, int], ttl: int) -> None:
        """Let nobody call who is further away; 0 for anybody.

        What arrives of a call before it is accepted is seen by this socket alone.
        """
        for sock, (address, port, _, _) in self._sockets.items():
            if (address, port) == at:
                sock.setsockopt(*MINIMUM_TTL[sock.family], ttl)


class Reactor:
    """All sessions; ``submit`` and ``stop`` may be called from any thread."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._sessions: dict[str, Session] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = True
        self.processes = _Helpers()
        self.asynchronous = _Refusals()
        self._listener = _Listener(self)
        self._listen_again = math.inf

    # ---- from any thread

    def submit(self, job: Callable[[], None]) -> None:
        """Have the reactor's thread call this, after what was submitted before."""
        self._jobs.put(job)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Have ``run`` return; safe in a signal handler."""
        self._running = False
        os.eventfd_write(self._wake, 1)

    # ---- jobs: the reactor's thread only

    def begin_replay(self) -> None:
        """A controller begins its replay."""
        for session in self._sessions.values():
            session.begin_replay()

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Have exactly these peers; those that are listed as they are stay undisturbed."""
        wanted = {peer.name: peer for peer in peers}
        for name, session in list(self._sessions.items()):
            if name not in wanted or wanted[name].address != session.peer.address:
                session.remove()
                del self._sessions[name]
        for name, peer in wanted.items():
            old = self._sessions.get(name)
            if old is not None and old.peer == peer:
                continue
            try:
                session = Session(peer, self, self._owner)
            except (ValueError, OSError) as error:
                self._owner.on_state(SessionEvent(peer=name, last_error=f"not configured: {error}"))
                continue
            if old is not None:
                old.close()
                session.inherit(old)
            self._sessions[name] = session
        self._listen()

    def put(self, routes: Iterable[tuple[RouteKey, Path | None]]) -> None:
        """Want these announced, or (None) withdrawn; a peer that is not there is passed over."""
        for key, path in routes:
            session = self._sessions.get(key.source)
            if session is not None:
                session.adj_rib_out.put(key.nlri, path, key.path_id)

    def replay_complete(self, name: str = "") -> None:
        """The controller's replay ends; ``name``: also of what follows from that peer's wishes."""
        for session in self._sessions.values():
            if not name:
                session.replay_complete()
            elif name == session.peer.name:
                session.replay_complete(wishes_heard=True)

    def refresh(self, name: str, family: Family) -> None:
        """Ask a peer for its routes again."""
        session = self._sessions.get(name)
        if session is not None:
            session.refresh(family)

    def sessions(self) -> Iterable[Session]:
        """Every session."""
        return self._sessions.values()

    # ---- the loop

    def run(self) -> None:
        """Run until ``stop``; then close all sessions without a word, for graceful restart."""
        next_tick = 0.0
        while self._running:
            self._run_jobs()
            if self._listener.incoming():
                for _ in self._listener.new_connections():
                    pass
                self.asynchronous.run()
            now = time.monotonic()
            waiting = [(s, self._turn(s, now)) for s in self._sessions.values()]
            if now >= self._listen_again:
                self._listen()
            if now >= next_tick:
                next_tick = now + TICK_SECONDS
                for session in self._sessions.values():
                    session.tick(now)
                self._owner.on_tick()
            self._sleep(waiting, next_tick - now)
        for session in self._sessions.values():
            session.close()
        self._listener.stop()

    def _run_jobs(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            try:
                job()
            except Exception:
                _log.exception("a job of the controller failed")

    @staticmethod
    def _turn(session: Session, now: float) -> bool:
        """Whether the session wants more at once, or as soon as its socket takes more."""
        if session.neighbor["passive"] and session.proto is None:
            return False
        try:
            for _ in range(TURNS):
                if session.turn(now) != ACTION.NOW:
                    return False
                if session.full:
                    break
        except Exception:
            _log.exception("session with %s broke", session.peer.name)
            session.restart()
            return False
        return True

    def _sleep(self, waiting: list[tuple[Session, bool]], limit: float) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        for fd in self._listener.sockets():
            poller.register(fd, select.POLLIN)
        for session, wants_more in waiting:
            fd = session.socket()
            if fd != -1:
                # A session that wants more waits at most until its socket takes more.
                more = select.POLLOUT if wants_more else 0
                poller.register(fd, select.POLLIN | more)
            elif not session.neighbor["passive"]:
                limit = min(limit, CONNECTING_SECONDS)
        for fd, _ in poller.poll(max(0.0, limit) * 1000):
            if fd == self._wake:
                os.eventfd_read(self._wake)

    def _listen(self) -> None:
        self._listen_again = math.inf
        wanted: dict[tuple[str, int], int] = {}
        for session in self._sessions.values():
            neighbor = session.neighbor
            if not neighbor["passive"]:
                continue
            at = (neighbor["md5-ip"].top(), neighbor["listen"])
            ttl = least_ttl(session.peer)
            wanted[at] = min(wanted.get(at, ttl), ttl)
            listening = self._listener.listen_on(
                neighbor["md5-ip"],
                neighbor["peer-address"],
                neighbor["listen"],
                neighbor["md5-password"],
                neighbor["md5-base64"],
                None,
            )
            if not listening:
                session.fail(f"cannot listen on {at[0]} port {at[1]}")
                self._listen_again = time.monotonic() + LISTEN_SECONDS
        self._listener.close_unwanted(wanted)
        for at, ttl in wanted.items():
            self._listener.demand(at, ttl)

    # ---- what ExaBGP's listener calls

    def peers(self) -> list[str]:
        """The names of those who may call; the others connect by themselves."""
        return [name for name, s in self._sessions.items() if s.neighbor["passive"]]

    def neighbor(self, name: str) -> Any:
        """ExaBGP's configuration of a peer."""
        return self._sessions[name].neighbor

    def handle_connection(self, name: str, connection: Any) -> Any:
        """A peer calls; gives the writer of a refusal, which ExaBGP then forgets, or None."""
        refusal = self._sessions[name].handle_connection(connection)
        if refusal is not None:
            self.asynchronous.schedule(name, "refusal", refusal)
        return refusal
