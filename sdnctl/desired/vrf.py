"""A router or an external network, for all that host it: where its prefixes are.

Knows no port of its members.
"""

from __future__ import annotations

import msgspec

from sdnctl.desired.nexthop import NextHop
from sdnctl.desired.node import Limits
from sdnctl.types import Ip, Label, Prefix, Vni


class Vrf(msgspec.Struct, frozen=True):
    """A router, or an external network: its layer 3 VNI and its MPLS label on our hypervisors.

    ``connected`` are the prefixes that it has on link: what nothing names in them is nowhere,
    on hypervisors too that host no port of the network.
    """

    vni: Vni
    label: Label
    connected: tuple[Prefix, ...] = ()

    @property
    def key(self) -> str:
        """By the layer 3 VNI."""
        return f"vrf/{self.vni}"


class FibEntry(msgspec.Struct, frozen=True):
    """A prefix of the VRF and its equal paths, one or more, in a fixed order.

    ``backup`` are the next best, for as long as none of ``via`` answers its ``Probe``.
    """

    vrf: Vni
    prefix: Prefix
    via: tuple[NextHop, ...]
    backup: tuple[NextHop, ...] = ()

    @property
    def key(self) -> str:
        """By VRF and prefix."""
        return f"fib/{self.vrf}/{self.prefix}"


class Exit(msgspec.Struct, frozen=True):
    """The way out of a router: where packets go that its VRF has no longer prefix for.

    They go on in the VRF ``external``. Before, IPv4 sources without a floating IP are hidden if
    ``snat`` says so: behind ``address`` on the one hypervisor ``at``, which the others send them
    to; or, ``distributed``, behind an address of each hypervisor's own. ``zone`` is the router's in
    the connection tracker. ``prefixes`` are the default routes, and others that lead out.
    ``limits`` are those of ``address``.
    """

    vrf: Vni
    external: Vni
    zone: int
    prefixes: tuple[Prefix, ...]
    snat: bool = False
    distributed: bool = False
    address: Ip | None = None
    at: NextHop | None = None
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """By the router's layer 3 VNI."""
        return f"exit/{self.vrf}"


class Forwarding(msgspec.Struct, frozen=True):
    """Ports of an address of the VRF ``external`` that stand for ports of ``fixed`` in ``vrf``.

    As many, in order; or, where the first of ``internal`` is the last, all for that one.
    The hypervisor ``at`` translates; answers go there. ``limits`` are those of the address.
    """

    vrf: Vni
    forwarding_id: str
    external: Vni
    ip: Ip
    protocol: int
    ports: tuple[int, int]
    fixed: Ip
    internal: tuple[int, int]
    zone: int
    at: NextHop
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """By VRF and forwarding: another guest may get it, behind another router."""
        return f"forwarding/{self.vrf}/{self.forwarding_id}"
