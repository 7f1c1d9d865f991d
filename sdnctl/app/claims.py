"""Addresses that several ports may have: whose guest said last that it has it.

Promise: of an address that pairs let a port have, the last that said so has it; what is said again
after a restart counts as of when it was said. Memory of the present, rebuilt by the agents'
reports. The graph decides whether it is true: this only writes down who said it.

So it is in OpenContrail (a route in active and backup) and in OVN (virtual ports), where a chassis
sees the announcement too. Declared alone, the address would lead to all that may have it, and most
of them do not. OVN wants a port for the address and its parents named; here the pairs say who may,
which is what tenants declare anyway.
"""

from __future__ import annotations

from sdnctl.graph.engine import Engine
from sdnctl.graph.relations.inputs import CLAIM, PORT, Claim
from sdnctl.graph.relations.resources import LOCAL_PORT
from sdnctl.types import Ip, Mac

Key = tuple[str, Ip]


class Claims:
    """See the module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._since: dict[Key, float] = {}

    def said(
        self, host: str, port_id: str, mac: Mac, ip: Ip, at: float
    ) -> tuple[Key, Claim] | None:
        """What changes because a guest of ``host`` said at ``at`` that it has an address."""
        port = self._engine.rows(PORT).get(port_id)
        placed = self._engine.rows(LOCAL_PORT).get(port_id)
        if port is None or placed is None or placed.host != host:
            return None
        if not any(p.mac == mac and ip in p.prefix for p in port.allowed_address_pairs):
            return None
        key = port.network_id, ip
        old = self._engine.rows(CLAIM).get(key)
        if old is None:
            self._since[key] = at
            return key, Claim(port_id, mac, 0)
        if at < self._since.get(key, at):
            return None
        self._since[key] = at
        if (old.port_id, old.mac) == (port_id, mac):
            return None
        return key, Claim(port_id, mac, old.sequence + 1)

    def forget(self, port_id: str) -> list[Key]:
        """The addresses that a port had which is no more."""
        keys = [key for key, _claim in self._engine.view().find(CLAIM, "port", port_id)]
        for key in keys:
            self._since.pop(key, None)
        return keys
