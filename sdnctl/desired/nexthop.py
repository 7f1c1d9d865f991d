"""The far ends of tunnels, and which of them are probed.

Knows nothing of what is sent there.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from sdnctl.types import Encapsulation, Ip, Label, Mac, Vni


class NextHop(NamedTuple):
    """The far end of a tunnel and what to write into the header.

    ``encapsulations`` are those that ``vtep`` accepts: the sender takes the first of its own
    preference that is among them (RFC 9012). ``label`` serves
    MPLS, ``vni`` VXLAN; 0 where the far end gave none. ``router_mac`` is the inner destination
    of routed VXLAN (RFC 9135 section 5); None for bridged entries.
    """

    vtep: Ip
    label: Label
    vni: Vni
    encapsulations: tuple[Encapsulation, ...]
    router_mac: Mac | None = None


class Probe(msgspec.Struct, frozen=True):
    """A next hop of the network or router ``vni`` that is asked every ``interval`` milliseconds.

    ``multiplier`` probes unanswered in a row take it out of use on the hypervisor that asked.
    """

    vni: Vni
    vtep: Ip
    interval: int
    multiplier: int

    @property
    def key(self) -> str:
        """By network or router, and next hop."""
        return f"probe/{self.vni}/{self.vtep}"
