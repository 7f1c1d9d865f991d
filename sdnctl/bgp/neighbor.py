"""A peer as ExaBGP is configured with it, and when to try it again.

Promise: no text of the configuration exists that could be logged or parsed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.open.holdtime import HoldTime
from exabgp.bgp.message.open.routerid import RouterID
from exabgp.bgp.neighbor import Neighbor
from exabgp.protocol.ip import IP

from sdnctl.bgp.adjrib_in import AdjRibIn
from sdnctl.bgp.adjrib_out import AdjRibOut
from sdnctl.bgp.codec import AFI_SAFI
from sdnctl.bgp.peer import Peer
from sdnctl.types import Ip

MAX_PASSWORD: Final = 80
"""Linux's TCP_MD5SIG_MAXKEYLEN."""

MIN_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 5.0


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
    """When to connect again: at once, then after 0.5, 1, 2, 4 and 5 seconds, and so on."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    def reset(self) -> None:
        """Connect at once."""
        self._pause = self._until = 0.0

    def increase(self) -> None:
        """An attempt failed."""
        self._until = time.monotonic() + self._pause
        self._pause = min(self._pause * 2 or MIN_RETRY_SECONDS, MAX_RETRY_SECONDS)

    def backoff(self) -> bool:
        """Not yet."""
        return time.monotonic() < self._until


def make_neighbor(peer: Peer, rib: Rib) -> Neighbor:
    """ExaBGP's configuration of a peer; ValueError if there is no such peer."""
    if not peer.password.isascii() or len(peer.password) > MAX_PASSWORD:
        raise ValueError(f"a password is at most {MAX_PASSWORD} ASCII characters")
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
    neighbor["capability"]["graceful-restart"] = peer.graceful_restart or False
    neighbor["capability"]["route-refresh"] = 2
    for family in peer.families:
        neighbor.add_family(AFI_SAFI[family])
    neighbor.api = defaultdict(bool)
    neighbor.rib = rib
    return neighbor
