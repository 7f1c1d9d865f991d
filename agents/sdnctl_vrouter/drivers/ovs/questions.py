"""What the switch hands to the agent: questions of guests, answered on the spot.

Router advertisements that nobody asked for go out here too: soon after a port is there or its
network has changed, then every ten minutes or so.

Promise: an answer goes to the port that asked and nowhere else. A port may ask ``RATE`` times a
second, ``BURST`` times at once; the switch drops what more it asks, for a second at a time, so
that a guest costs the agent no more than that. Knows no protocol: the answers are the responder's,
and discovery's for the gateways' link-layer addresses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from sdnctl.desired import LocalPort
from sdnctl.types import Ip, Mac, Vni
from sdnctl_vrouter.allowance import Allowance
from sdnctl_vrouter.drivers.ovs import discovery, templates
from sdnctl_vrouter.drivers.ovs.pipeline import PAUSE_COOKIE, PAUSE_SECONDS
from sdnctl_vrouter.platform.openflow import Connection
from sdnctl_vrouter.responder.advertisement import INTERVAL, advertise
from sdnctl_vrouter.responder.answer import answer
from sdnctl_vrouter.responder.claim import claimed
from sdnctl_vrouter.responder.guest import Guest

log = logging.getLogger(__name__)

RATE: Final = 10.0
BURST: Final = 30.0

ADVERTISE_EVERY: Final = 3.0
"""Seconds between two looks at what is due: MIN_DELAY_BETWEEN_RAS (RFC 4861 section 10)."""


class Guests(Protocol):
    """Who is there: see ``model.Model``."""

    @property
    def vifs(self) -> Mapping[str, int]:
        """OpenFlow ports by port."""

    def guest(self, ofport: int) -> Guest | None:
        """Who is on an OpenFlow port."""

    def changed_segments(self) -> set[Vni]:
        """Networks of which guests are told otherwise since the last call."""


def _unheard(port: LocalPort, mac: Mac, ip: Ip) -> None:
    """Nobody wants to know."""
    del port, mac, ip


class Questions:
    """See the module."""

    def __init__(self, guests: Guests, *, answers_nd: bool) -> None:
        self.on_claim: Callable[[LocalPort, Mac, Ip], None] = _unheard
        self._guests = guests
        self._answers_nd = answers_nd
        self._allowance = Allowance(RATE, BURST)
        self._paused: dict[int, float] = {}
        self._due: dict[str, float] = {}
        """When a port is to get its next advertisement."""
        self._connection: Connection | None = None

    def connected(self, connection: Connection | None) -> None:
        """Talk to the switch through this from now on."""
        self._connection = connection
        self._paused.clear()

    def asked(self, ofport: int, frame: bytes) -> None:
        """A frame of a VIF that a flow sent here."""
        guest = self._guests.guest(ofport)
        connection = self._connection
        if guest is None or connection is None:
            return
        now = time.monotonic()
        if self._allowance.take(ofport, now):
            self._pause(ofport, now, guest, connection)
            return
        taken = claimed(guest, frame)
        if taken is not None:
            self.on_claim(guest.port, *taken)
            return
        reply = answer(guest, frame)
        if reply is None and not self._answers_nd:
            reply = discovery.answer(guest, frame)
        if reply is not None:
            connection.packet_out(templates.send(ofport), reply)

    def _pause(self, ofport: int, now: float, guest: Guest, connection: Connection) -> None:
        if self._paused.get(ofport, 0) > now:
            return  # what was on its way when the switch was told
        self._paused = {port: until for port, until in self._paused.items() if until > now}
        self._paused[ofport] = now + PAUSE_SECONDS / 2
        log.info("port %s asks too much: not heard for a while", guest.port.port_id)
        connection.flow(PAUSE_COOKIE, templates.ask_paused(ofport))

    async def advertise(self) -> None:
        """Send what is due, for ever."""
        while True:
            await asyncio.sleep(ADVERTISE_EVERY)
            if self._connection is not None:
                self._advertise_due(self._connection, time.monotonic())

    def _advertise_due(self, connection: Connection, now: float) -> None:
        changed = self._guests.changed_segments()
        vifs = self._guests.vifs
        self._due = {port: due for port, due in self._due.items() if port in vifs}
        for port_id, ofport in vifs.items():
            if not changed and self._due.get(port_id, now) > now:
                continue
            guest = self._guests.guest(ofport)
            if guest is None or (
                guest.port.vni not in changed and self._due.get(port_id, now) > now
            ):
                continue
            # Spread by port, so that they do not fall together (RFC 4861 section 6.2.4).
            self._due[port_id] = now + INTERVAL * (1 - ofport * 37 % 67 / 100)
            frame = advertise(guest)
            if frame is not None:
                connection.packet_out(templates.send(ofport), frame)
