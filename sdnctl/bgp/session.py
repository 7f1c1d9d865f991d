"""One BGP session: ExaBGP's peer with the house's tables, timers and account of itself.

Promise: what is learned survives the peer's restart as RFC 4724 says, and no longer; a session
that cannot be established is tried again every few seconds, and says why. Runs in the reactor's
thread; knows nothing of other sessions or of who listens.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from exabgp.bgp.fsm import FSM
from exabgp.bgp.message import _NOP, Notify
from exabgp.bgp.message.open.capability import REFRESH
from exabgp.bgp.message.refresh import RouteRefresh
from exabgp.protocol.family import Family as AfiSafi
from exabgp.reactor.network.error import NetworkError
from exabgp.reactor.network.tcp import set_minimum_ttl
from exabgp.reactor.peer import ACTION
from exabgp.reactor.peer import Peer as ExaPeer

from sdnctl.bgp.adjrib_in import MAXIMUM_PREFIXES, AdjRibIn
from sdnctl.bgp.adjrib_out import AdjRibOut, send_updates
from sdnctl.bgp.codec import AFI_SAFI, FAMILIES, Attachment
from sdnctl.bgp.neighbor import Retry, Rib, least_ttl, make_neighbor
from sdnctl.bgp.peer import Family, Peer, SessionEvent
from sdnctl.bgp.retention import Retention
from sdnctl.routes import MembershipRoute, Path, RouteKey
from sdnctl.types import Ip

CONNECT_LIMIT: Final = 5.0
"""Seconds for one attempt to connect; the kernel's own limit is minutes."""

SETTLE_SECONDS: Final = 10.0
"""How long a peer that does not send End-of-RIB has to send its routes."""

WISHES_SECONDS: Final = 60.0
"""How long a peer has to say which route targets it wants (RFC 4684 section 6)."""


class Owner(Protocol):
    """What a session tells of itself."""

    def on_route(self, key: RouteKey, path: Path | None) -> None:
        """The peer says this now."""

    def on_state(self, event: SessionEvent) -> None:
        """The session's state changed."""

    def on_end_of_rib(self, peer: str, family: Family) -> None:
        """The peer has sent all that it has of a family."""

    def on_in_sync(self, peer: str) -> None:
        """The peer has said all, or had its time."""

    def on_tick(self) -> None:
        """A second has passed, and all sessions had their turn."""


class Session(ExaPeer):  # type: ignore[misc]  # ExaBGP has no types
    """A peer that is configured, connected or not."""

    generator: Any
    _restarted: bool
    """The next OPEN has the R bit of RFC 4724: this process may have restarted."""

    def __init__(self, peer: Peer, reactor: Any, owner: Owner) -> None:
        self.peer = peer
        self._owner = owner
        unknown = Attachment(peer.local_asn, peer.asn, peer.router_id, Ip(bytes(4)))
        self.adj_rib_out = AdjRibOut(peer.families, unknown)
        self.adj_rib_in = AdjRibIn(
            peer.name, owner.on_route, self._on_end_of_rib, peer.max_prefixes
        )
        super().__init__(make_neighbor(peer, Rib(self.adj_rib_in, self.adj_rib_out)), reactor)
        # Type 0 is ExaBGP's own, and one from the wire is counted before it is refused.
        self.stats["receive-nop"] = 0
        self._delay = Retry()
        self._replayed: frozenset[Family] = frozenset()
        self._end_of_rib_sent: set[Family] = set()
        self._closing = False
        self._attempt = 0.0
        self.full = False
        """In its last turn its socket took no more."""
        self._told: SessionEvent | None = None
        self._last_error = ""
        self._since = time.time()
        self._established = 0
        self._retention = Retention(peer, self.adj_rib_in)
        self._awaited: set[Family] = set(peer.families)
        self._in_sync_by = time.monotonic() + peer.graceful_restart
        self.in_sync = False
        self.wishes_heard = False
        self._wishes_by = 0.0
        self._held = False
        self._tell()

    # ---- what the reactor calls

    def turn(self, now: float) -> Any:
        """Go on where it stopped; gives ExaBGP's ACTION."""
        if self.proto or not self.generator:
            self._attempt = now
        elif now - self._attempt > CONNECT_LIMIT:
            self._last_error = "no answer to the connection attempt"
            self.generator = None
        self.full = False
        action = self.run()
        return ACTION.NOW if self.neighbor.refresh and self.fsm == FSM.ESTABLISHED else action

    def tick(self, now: float) -> None:
        """Let time pass: stale routes expire, a silent peer is taken to have said all."""
        self._retention.tick(now)
        if self._wishes_by and now > self._wishes_by:
            self._hear_wishes()
        if not self.in_sync and now > self._in_sync_by:
            self._set_in_sync()
        self._tell()

    def begin_replay(self) -> None:
        """A new controller is about to put all that it wants."""
        self._replayed = frozenset()
        self.adj_rib_out.begin_replay()

    def replay_complete(self, *, wishes_heard: bool = False) -> None:
        """All that is wanted was put: End-of-RIB may go out, once per session.

        What is wanted of VPN routes follows from what the peer wants, where it says that.
        """
        waits = Family.ROUTE_TARGET in self.peer.families and not wishes_heard
        self.adj_rib_out.end_replay(of_memberships=waits)
        self._replayed |= {Family.ROUTE_TARGET} if waits else set(Family)
        self._send_end_of_rib()

    def refresh(self, family: Family) -> None:
        """Ask the peer for all its routes of a family again (RFC 2918)."""
        if family in self._negotiated() and self.proto.negotiated.refresh != REFRESH.ABSENT:
            self.neighbor.refresh.append(RouteRefresh(*AFI_SAFI[family]))

    def inherit(self, other: Session) -> None:
        """Take over the routes of the same peer's session with older settings."""
        self.adj_rib_out.adopt(other.adj_rib_out)
        self.adj_rib_in.adopt(other.adj_rib_in)
        self._retention.inherit(other._retention, time.monotonic())
        self._replayed = other._replayed
        self._restarted = other._restarted

    def event(self) -> SessionEvent:
        """The state as it is now."""
        return SessionEvent(
            peer=self.peer.name,
            state=self.fsm.name().lower(),
            last_error=self._last_error,
            since=self._since,
            established=self._established,
            updates_sent=self.stats["send-update"],
            updates_received=self.stats["receive-update"],
            routes_out=len(self.adj_rib_out),
            routes_in=len(self.adj_rib_in),
            families=self._negotiated(),
        )

    def fail(self, why: str) -> None:
        """The session cannot come up, for a reason that it does not see itself."""
        self._last_error = why
        self._tell()

    def restart(self) -> None:
        """Begin anew after an error of our own."""
        self._reset("internal error")

    def close(self) -> None:
        """Close without a word: a peer with graceful restart keeps the routes (RFC 4724)."""
        self._closing = True
        self.shutdown()

    def remove(self) -> None:
        """Cease, peer de-configured (RFC 4486): the peer drops the routes; so do we."""
        if self.proto is not None and self.fsm == FSM.ESTABLISHED:
            self._cease()
        super().remove()
        for family in Family:
            self.adj_rib_in.drop(family)

    def _cease(self) -> None:
        # Unread data would make the kernel reset the connection, and the peer miss this.
        with contextlib.suppress(OSError):
            while self.proto.connection.io.recv(1 << 16):
                pass
        with contextlib.suppress(NetworkError):
            for attempts, _ in enumerate(self.proto.new_notification(Notify(6, 3))):
                if attempts > 100:
                    break

    # ---- what ExaBGP calls

    def handle_connection(self, connection: Any) -> Any:
        """The peer calls; gives the writer of a refusal, or None."""
        if self._delay.barred:
            return connection.notification(6, 5, "too many prefixes were received")
        if self.peer.ttl_security:
            limit = least_ttl(self.peer)
            set_minimum_ttl(connection.io, connection.afi, connection.peer, limit)
        if self.fsm == FSM.ESTABLISHED and self._retention.graceful:
            # RFC 4724 section 4.2: it has restarted, and we were not told.
            self._reset("the peer connected anew")
        return super().handle_connection(connection)

    def _main(self) -> Any:
        self._on_up()
        yield from super()._main()

    def _close(self, message: str = "", error: object = "") -> None:
        was_up = self.fsm == FSM.ESTABLISHED
        reason = str(error) or message
        if reason:
            self._last_error = reason
        super()._close(message, error)
        if isinstance(error, Notify) and (error.code, error.subcode) == MAXIMUM_PREFIXES:
            self._last_error = (
                f"more than {self.peer.max_prefixes} prefixes received: "
                f"the session stays down for {self._delay.punish():.0f} s"
            )
        if was_up:
            self._on_down(notified=isinstance(error, Notify) or message.startswith("notification"))

    def resend(self, enhanced: bool, family: Any = None) -> None:
        """The peer asks for a family again (RFC 2918); for one that it has not, in vain."""
        if FAMILIES.get(family) not in self._negotiated():
            return
        if enhanced:  # RFC 7313 section 4: what comes is marked with its begin and its end
            self.neighbor.refresh.append(RouteRefresh(*family, RouteRefresh.start))
            end = RouteRefresh(*family, RouteRefresh.end)
            self.adj_rib_out.then(lambda: self.neighbor.refresh.append(end))
        self.adj_rib_out.resend(enhanced, family)

    def _read(self, read: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """What the peer sends; ExaBGP takes any ROUTE-REFRESH for a request."""
        for message in read():
            if message.TYPE != RouteRefresh.TYPE or not self._marks(message):
                yield message
            else:
                yield _NOP

    def _marks(self, message: Any) -> bool:
        """Not a request, but a mark or unknown; without RFC 7313 all are requests."""
        if self.proto.negotiated.refresh != REFRESH.ENHANCED:
            return False
        family = FAMILIES.get((message.afi, message.safi))
        if family in self._negotiated():
            if message.reserved == RouteRefresh.start:
                self._retention.refresh_begins(family, time.monotonic())
            elif message.reserved == RouteRefresh.end:
                self._retention.refresh_ends(family)
        return bool(message.reserved != RouteRefresh.request)

    # ---- the session's life

    def _negotiated(self) -> tuple[Family, ...]:
        if self.proto is None or self.fsm != FSM.ESTABLISHED:
            return ()
        return tuple(FAMILIES[f] for f in self.proto.negotiated.families if f in FAMILIES)

    def _on_up(self) -> None:
        peer, received = self.peer, self.proto.negotiated.received_open
        router_id = Ip(received.router_id.pack())
        self.adj_rib_in.session_up(Attachment(peer.local_asn, peer.asn, peer.router_id, router_id))
        self.proto.read_message = functools.partial(self._read, self.proto.read_message)
        self.proto.new_update = functools.partial(send_updates, self.proto, self._on_full)
        now = time.monotonic()
        negotiated = set(self._negotiated())
        self._retention.up(received.capabilities, negotiated, now)
        self._await_wishes(router_id)
        self._awaited = set(negotiated)
        if not self.in_sync:
            self._in_sync_by = now + (self._retention.restart_time or SETTLE_SECONDS)
        self._since = time.time()
        self._established += 1
        self._last_error = ""
        self.neighbor.eor.clear()
        self._end_of_rib_sent = set()
        self._send_end_of_rib()
        self._tell()

    def _on_full(self) -> None:
        self.full = True

    def _on_down(self, *, notified: bool) -> None:
        if self._closing:
            return
        self._since = time.time()
        self._retention.down(time.monotonic(), notified=notified)
        self._wishes_by, self.wishes_heard, self._held = 0.0, False, False
        self._tell()

    def _send_end_of_rib(self) -> None:
        """Once per session, after all routes; ExaBGP sends it when nothing else is to be sent.

        That of route target memberships waits for no other: the peer waits for it.
        """
        for family in self._negotiated():
            held = self._held and family is not Family.ROUTE_TARGET
            if family in self._replayed and family not in self._end_of_rib_sent and not held:
                self.neighbor.eor.append(AfiSafi(*AFI_SAFI[family]))
                self._end_of_rib_sent.add(family)

    def _await_wishes(self, router_id: Ip) -> None:
        """Hold the VPN routes until the peer has said which it wants (RFC 4684 section 6).

        But not for a peer that restarts: it says nothing until it has End-of-RIB of all, and is
        not to be waited for (RFC 4724 section 4.2). It gets what it wanted before.
        """
        negotiated = self._negotiated()
        waits = Family.ROUTE_TARGET in negotiated
        self._wishes_by = time.monotonic() + WISHES_SECONDS if waits else 0.0
        self._held = waits and not self._retention.restarting
        held = frozenset(negotiated) - {Family.ROUTE_TARGET} if self._held else frozenset()
        sends = self.proto.negotiated.addpath.send
        add_path = frozenset(family for family in negotiated if sends(*AFI_SAFI[family]))
        self.adj_rib_out.session_up(add_path, held)
        if Family.ROUTE_TARGET in self.peer.families and not waits:
            # It cannot say what it wants, so it gets all: the default route target.
            everything = Path(next_hop=router_id, route_targets=(), encapsulations=(), peer=True)
            self.adj_rib_in.say(Family.ROUTE_TARGET, MembershipRoute(0, None, 0), everything)
            self._hear_wishes()
        elif waits and not self._held:
            self.wishes_heard = True
            self._owner.on_end_of_rib(self.peer.name, Family.ROUTE_TARGET)

    def _hear_wishes(self) -> None:
        """The peer has said what it wants, or had its time to."""
        self._wishes_by, self.wishes_heard, self._held = 0.0, True, False
        self.adj_rib_in.sweep(Family.ROUTE_TARGET)
        self.adj_rib_out.release()
        self._owner.on_end_of_rib(self.peer.name, Family.ROUTE_TARGET)
        self._send_end_of_rib()

    def _tell(self) -> None:
        event = self.event()
        if event != self._told:
            self._told = event
            self._owner.on_state(event)

    def _on_end_of_rib(self, family: Family) -> None:
        if family is Family.ROUTE_TARGET:
            self._hear_wishes()
        else:
            self._owner.on_end_of_rib(self.peer.name, family)
        self._retention.end_of_rib(family)
        self._awaited.discard(family)
        if not self._awaited and not self.in_sync:
            self._set_in_sync()

    def _set_in_sync(self) -> None:
        self.in_sync = True
        self._owner.on_in_sync(self.peer.name)
