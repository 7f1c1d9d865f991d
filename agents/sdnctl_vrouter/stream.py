"""The agent's end of the stream on the network: keeps one, moves bytes, sends acknowledgements.

Promise: losing the controller changes nothing on the switch and costs nothing but the news; the
agent tries its controllers in turn until one answers, with back-off, for ever. Every message is
acknowledged twice, when it is received and when the switch confirmed it: in one message where
the switch is quick.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import grpc

from sdnctl.delta import Change
from sdnctl.desired import Desired, LocalPort
from sdnctl.types import Ip, Mac
from sdnctl_vrouter.drivers.base import Failure, Reachability, VifStatus
from sdnctl_vrouter.session import Batch, ClientSession, SupersededError

METHOD: Final = "/sdnctl.vrouter.v1.VRouter/Attach"
RECEIVED_AFTER: Final = 0.02
"""Seconds that a received message may wait for the switch before it is acknowledged alone."""

DROPS_SECONDS: Final = 5.0
"""Between two looks at what was refused."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
CONNECT_SECONDS: Final = 5.0

OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # Connecting again is this module's business, so that it happens in one place.
    ("grpc.enable_retries", 0),
)

_log = logging.getLogger(__name__)


class Dataplane(Protocol):
    """What the stream drives: see ``reconciler.Reconciler``."""

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        """Program; call ``done`` once, in order."""

    def in_sync(self) -> None:
        """All was said."""

    async def drops(self) -> dict[str, int]:
        """What was refused so far, by reason."""


class Stream:
    """One agent's stream, over as many connections as it takes.

    ``credentials`` None speaks plain text. ``server_name`` is what the controller's certificate
    must name.
    """

    def __init__(
        self,
        name: str,
        controllers: Sequence[str],
        session: ClientSession,
        dataplane: Dataplane,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str = "sdnctl-controller",
    ) -> None:
        self._name = name
        self._controllers = controllers
        self._session = session
        self._dataplane = dataplane
        self._credentials = credentials
        self._server_name = server_name
        self._vifs: dict[str, tuple[VifStatus, float]] = {}
        """By port, with the time since when."""
        self._failures: dict[str, str] = {}
        self._drops: dict[str, int] = {}
        self._unreachable: set[Ip] = set()
        self._claims: dict[tuple[str, Ip], tuple[Mac, float]] = {}
        """What guests said that they have, by port and address, and when."""
        self._out: deque[bytes] = deque()
        self._call: Any = None
        self._pump: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received_ns = self._programmed_ns = 0
        self._connection = 0

    async def run(self) -> None:
        """Until cancelled."""
        pause = FIRST_PAUSE
        turn = 0
        while True:
            address = self._controllers[turn % len(self._controllers)]
            turn += 1
            began = time.monotonic()
            try:
                await self._connect(address)
                reason = "the controller closed the stream"
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
            except (OSError, SupersededError, ValueError) as error:  # TimeoutError is an OSError
                reason = str(error) or type(error).__name__
            finally:
                self._disconnected()
            lasted = time.monotonic() - began
            pause = FIRST_PAUSE if lasted > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            _log.warning(
                "no controller; the switch goes on as it is",
                extra={"controller": address, "reason": reason, "again_in_s": round(pause, 1)},
            )
            # Spread out, or a thousand agents come back in the same instant.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def _connect(self, address: str) -> None:
        if self._credentials is None:
            channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        else:
            name = ("grpc.ssl_target_name_override", self._server_name)
            channel = grpc.aio.secure_channel(address, self._credentials, options=(*OPTIONS, name))
        async with channel:
            async with asyncio.timeout(CONNECT_SECONDS):
                await channel.channel_ready()
            call = channel.stream_stream(METHOD)(metadata=(("hypervisor", self._name),))
            self._connection += 1
            self._call = call
            self._send(self._session.hello())
            for status, since in self._vifs.values():
                age_ms = int(1000 * (time.monotonic() - since))
                self._send(self._session.port_status(status, age_ms))
            for key, reason in self._failures.items():
                self._send(self._session.nack(0, "", key, reason))
            for (port_id, ip), (mac, at) in self._claims.items():
                age_ms = int(1000 * (time.monotonic() - at))
                self._send(self._session.claim(port_id, mac, ip, age_ms))
            for vtep in self._unreachable:
                self._send(self._session.reachability(vtep, up=False))
            _log.info("connected", extra={"controller": address})
            async for data in call:
                self._received(self._session.receive(data))

    def _disconnected(self) -> None:
        self._call = None
        self._out.clear()
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- in --------------------------------------------------------------------------------------

    def _received(self, batch: Batch) -> None:
        self._received_ns = time.time_ns()
        for key, old, new in batch.changes:
            if self._failures.pop(key, None) is not None:  # of what the key no longer asks for
                self._send(self._session.nack(0, "", key, ""))
            if isinstance(old, LocalPort):
                self._forget_claims(old, new)
                if new is None:
                    self._vifs.pop(old.port_id, None)
        for nack in batch.nacks:
            self._send(nack)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECEIVED_AFTER, self._acknowledge)
        done = functools.partial(self._programmed, self._connection, batch.nonce)
        self._dataplane.apply(batch.changes, done)
        if batch.in_sync:
            self._dataplane.in_sync()

    # -- out -------------------------------------------------------------------------------------

    def _programmed(self, connection: int, nonce: int, failures: Sequence[Failure]) -> None:
        for key, reason in failures:
            self.key_failed(Failure(key, reason))
        if connection == self._connection:
            self._session.programmed(nonce)
            self._programmed_ns = time.time_ns()
            self._acknowledge()

    def _acknowledge(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._send(self._session.ack(self._received_ns, self._programmed_ns))

    def vif_changed(self, status: VifStatus) -> None:
        """Tell of a VIF, now and at every connection to come."""
        self._vifs[status.port_id] = status, time.monotonic()
        self._send(self._session.port_status(status, 0))

    def claimed(self, port: LocalPort, mac: Mac, ip: Ip) -> None:
        """Tell of an address that a guest says it has; once, while the controller agrees."""
        self._claims[port.port_id, ip] = mac, time.monotonic()
        if (mac, ip) not in port.claimed:
            self._send(self._session.claim(port.port_id, mac, ip, 0))

    def _forget_claims(self, old: LocalPort, new: Desired | None) -> None:
        """What another has taken since, or a port that is no more."""
        kept = new.claimed if isinstance(new, LocalPort) else ()
        for mac, ip in old.claimed if isinstance(new, LocalPort) else self._claims_of(old):
            if (mac, ip) not in kept:
                self._claims.pop((old.port_id, ip), None)

    def _claims_of(self, port: LocalPort) -> list[tuple[Mac, Ip]]:
        return [(mac, ip) for (id_, ip), (mac, _at) in self._claims.items() if id_ == port.port_id]

    async def watch_drops(self) -> None:
        """Tell of what is refused, every now and then, until cancelled."""
        while True:
            await asyncio.sleep(DROPS_SECONDS)
            if self._call is None:
                self._drops = {}
                continue
            drops = await self._dataplane.drops()
            if drops != self._drops:
                self._drops = drops
                self._send(self._session.drops(drops))

    def key_failed(self, failure: Failure) -> None:
        """Tell of a key that cannot be programmed, or with an empty reason that it was."""
        if failure.reason:
            self._failures[failure.key] = failure.reason
        else:
            self._failures.pop(failure.key, None)
        self._send(self._session.nack(0, "", failure.key, failure.reason))

    def reachability_changed(self, reachability: Reachability) -> None:
        """Tell of a probed next hop; of one that is dead at every connection to come."""
        vtep, up = reachability
        (self._unreachable.discard if up else self._unreachable.add)(vtep)
        self._send(self._session.reachability(vtep, up))

    def _send(self, data: bytes) -> None:
        if self._call is None:
            return
        self._out.append(data)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._write(self._call))

    async def _write(self, call: Any) -> None:
        try:
            while self._out:
                await call.write(self._out.popleft())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self._out.clear()  # the reader learns why
