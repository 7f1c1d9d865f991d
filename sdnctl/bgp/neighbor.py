"""A peer as ExaBGP is configured with it, and when to try it again.

Promise: no text of the configuration exists that could be logged or parsed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.open.capability.negotiated import RequirePath
from exabgp.bgp.message.open.holdtime import HoldTime
from exabgp.bgp.message.open.routerid import RouterID
from exabgp.bgp.neighbor import Neighbor
from exabgp.protocol.ip import IP

from sdnctl.bgp.adjrib_in import AdjRibIn
from sdnctl.bgp.adjrib_out import AdjRibOut
from sdnctl.bgp.codec import AFI_SAFI
from sdnctl.bgp.peer import Family, Peer
from sdnctl.types import Ip

MAX_PASSWORD: Final = 80
"""Linux's TCP_MD5SIG_MAXKEYLEN."""

MAX_RESTART_SECONDS: Final = 0xFFF
"""Twelve bits (RFC 4724 section 3)."""

MAX_TTL: Final = 255

EXPIRING: Final = frozenset(Family) - {Family.ROUTE_TARGET}
"""Families whose routes go, and may be several to a prefix; memberships are neither."""

MIN_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 5.0

MIN_PENALTY_SECONDS: Final = 30.0
MAX_PENALTY_SECONDS: Final = 960.0


class Rib:
    """Both Adj-RIBs, as ExaBGP's neighbour wants to hold them."""

    def __init__(self, incoming: AdjRibIn, outgoing: AdjRibOut) -> None:
        self.incoming = incoming
        self.outgoing = outgoing

    def reset(self) -> None:
        """The session is over; the next one starts with ``replace_restart``."""

    def uncache(self) -> None:
        """There is no cache of RIBs by name here."""


class Retry:
    """When to connect again: at once, then after 0.5, 1, 2, 4 and 5 seconds, and so on.

    After a penalty not for 30 s, and twice as long whenever the peer has not bettered itself.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0
        self._penalty = 0.0
        self._barred_until = 0.0

    @property
    def barred(self) -> bool:
        """A penalty lasts; the peer may not connect either."""
        return time.monotonic() < self._barred_until

    def punish(self) -> float:
        """Give a penalty, and say of how many seconds."""
        now = time.monotonic()
        bettered = now - self._barred_until > MAX_PENALTY_SECONDS
        self._penalty = MIN_PENALTY_SECONDS if bettered else self._penalty * 2
        self._penalty = min(self._penalty, MAX_PENALTY_SECONDS)
        self._barred_until = now + self._penalty
        return self._penalty

    def reset(self) -> None:
        """Connect at once."""
        self._pause = self._until = 0.0

    def increase(self) -> None:
        """An attempt failed."""
        self._until = time.monotonic() + self._pause
        self._pause = min(self._pause * 2 or MIN_RETRY_SECONDS, MAX_RETRY_SECONDS)

    def backoff(self) -> bool:
        """Not yet."""
        return self.barred or time.monotonic() < self._until


def least_ttl(peer: Peer) -> int:
    """What a packet of the peer must have left of its 255 hops (RFC 5082 section 3), or 0."""
    return MAX_TTL + 1 - peer.ttl_security if peer.ttl_security else 0


def make_neighbor(peer: Peer, rib: Rib) -> Neighbor:
    """ExaBGP's configuration of a peer; ValueError if there is no such peer."""
    if not peer.password.isascii() or len(peer.password) > MAX_PASSWORD:
        raise ValueError(f"a password is at most {MAX_PASSWORD} ASCII characters")
    if not 0 <= peer.ttl_security < MAX_TTL:
        raise ValueError(f"TTL security allows 1 to {MAX_TTL - 1} hops")
    neighbor = Neighbor()
    address = IP.unpack(bytes(peer.address))
    local = peer.local_address or Ip(bytes(len(peer.address)))
    neighbor.auto_discovery = peer.local_address is None
    neighbor["peer-address"] = address
    neighbor["local-address"] = neighbor["md5-ip"] = IP.unpack(bytes(local))
    neighbor["router-id"] = RouterID(str(peer.router_id))
    neighbor["local-as"] = ASN(peer.local_asn)
    neighbor["peer-as"] = ASN(peer.asn)
    neighbor["passive"] = peer.passive
    neighbor["listen" if peer.passive else "connect"] = peer.port
    neighbor["hold-time"] = HoldTime(peer.hold_time)
    neighbor["md5-password"] = str(peer.password) or None
    neighbor["manual-eor"] = True
    graceful = min(peer.graceful_restart, MAX_RESTART_SECONDS)
    neighbor["capability"]["graceful-restart"] = graceful or False
    neighbor["capability"]["long-lived"] = peer.long_lived_stale
    if peer.add_path:
        neighbor["capability"]["add-path"] = RequirePath.BOTH
        for family in EXPIRING & set(peer.families):
            neighbor.add_addpath(AFI_SAFI[family])
    neighbor["incoming-ttl"] = least_ttl(peer) or None
    neighbor["capability"]["route-refresh"] = 2
    for family in peer.families:
        neighbor.add_family(AFI_SAFI[family])
    neighbor.api = defaultdict(bool)
    neighbor.rib = rib
    return neighbor
