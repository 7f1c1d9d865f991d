"""External networks, the ways of routers to them, and who translates there.

Knows no packet's way: what hypervisors are told of it is among ``resources``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.graph.engine import Relation
from sdnctl.graph.relations.vpns import Policy
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteTarget, Vni


class External(NamedTuple):
    """An external network as an IP-VRF; ``policy`` is what is said with its routes.

    ``segment`` is the VNI of the network itself.
    """

    vrf: Vni
    number: int
    label: Label
    mac: Mac
    automatic: RouteTarget
    policy: Policy
    segment: Vni
    encapsulation: Encapsulation | None
    connected: tuple[Prefix, ...]


class WayOut(NamedTuple):
    """A router's way to an external network, whose VRF and ``policy`` are named.

    ``address`` is the router's own there, ``zone`` its zone of the connection tracker,
    ``prefixes`` what leads out.
    """

    vrf: Vni
    external: Vni
    network_id: str
    policy: Policy
    zone: int
    snat: bool
    distributed: bool
    address: Ip | None
    prefixes: tuple[Prefix, ...]


class Forwarded(NamedTuple):
    """A port forwarding's router, floating IP and way out."""

    router_id: str
    floatingip_id: str
    ip: Ip
    out: WayOut


class Candidate(NamedTuple):
    """A hypervisor that can translate for others, with the hash of its name."""

    host: str
    weight: int
    encapsulations: tuple[Encapsulation, ...]


class Elected(NamedTuple):
    """The hypervisor that translates for a router, and the VRFs that it needs for that."""

    host: str
    vrf: Vni
    external: Vni


EXTERNAL: Final[Relation[str, External]] = Relation("external", vrf=lambda _k, row: (row.vrf,))
"""By network."""
WAY_OUT: Final[Relation[str, WayOut]] = Relation("way_out", vrf=lambda _k, row: (row.vrf,))
"""By router."""

FORWARDED: Final[Relation[str, Forwarded]] = Relation(
    "forwarded",
    router=lambda _k, row: (row.router_id,),
    floatingip=lambda _k, row: (row.floatingip_id,),
)
CANDIDATES: Final[Relation[str, tuple[Candidate, ...]]] = Relation("candidates")
ELECTED: Final[Relation[str, Elected]] = Relation(
    "elected", member=lambda _k, row: ((row.vrf, row.host), (row.external, row.host))
)
"""By router."""
