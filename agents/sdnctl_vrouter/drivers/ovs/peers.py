"""Far ends of tunnels, kept known to the userspace data path.

Promise: a next hop's link-layer address is looked up before the first packet needs it, and
again before it would be forgotten. Open vSwitch's userspace data path keeps a neighbour table
of its own for tunnels (15 minutes), fills it by ARP and ND only when a packet needs it, and
drops that packet. So the agent sends one that may be lost: an empty frame with VNI 0, which no
hypervisor takes. It leaves through the switch itself, so the agent needs no namespace, no
route and no raw socket. With the kernel's data path the kernel queues packets, and this is
not needed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import Final

from sdnctl.types import Ip
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.platform.openflow import Connection

FRAME: Final = bytes(60)
CONFIRM_AFTER: Final = 1.0
"""Seconds to the second look-up, should the first have been lost."""

REFRESH_TICKS: Final = 300
"""The same in ticks of ``CONFIRM_AFTER``: a third of the switch's ageing time."""


class Peers:
    """See the module."""

    def __init__(self) -> None:
        self._vteps: dict[Ip, None] = {}
        self._unconfirmed: dict[Ip, None] = {}
        self._connection: Connection | None = None
        self._ofport = 0

    def connected(self, connection: Connection | None, ofport: int) -> None:
        """Look up all, through this VXLAN port of this switch; None while it is away."""
        if (connection, ofport) != (self._connection, self._ofport):
            self._connection, self._ofport = connection, ofport
            self._look_up(self._vteps)

    def add(self, vteps: Iterable[Ip]) -> None:
        """Look up those that are new."""
        new = [vtep for vtep in vteps if vtep not in self._vteps]
        if new:
            self._vteps.update(dict.fromkeys(new))
            self._unconfirmed.update(dict.fromkeys(new))
            self._look_up(new)

    async def run(self) -> None:
        """Look up new ones once more, and all of them every now and then."""
        for tick in itertools.count(1):
            await asyncio.sleep(CONFIRM_AFTER)
            again, self._unconfirmed = self._unconfirmed, {}
            self._look_up(self._vteps if tick % REFRESH_TICKS == 0 else again)

    def _look_up(self, vteps: Iterable[Ip]) -> None:
        if self._connection is None or not self._ofport:
            return
        for vtep in vteps:
            pack = templates.probe_4 if vtep.version == 4 else templates.probe_6
            self._connection.packet_out(pack(vtep, self._ofport), FRAME)
