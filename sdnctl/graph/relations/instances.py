"""Networks as MAC-VRFs, routers as IP-VRFs, and where the ones are routed by the others.

Knows nothing of what is attached to them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.graph.engine import Relation
from sdnctl.graph.relations.vpns import Policy
from sdnctl.graph.relations.wayout import WayOut
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteTarget, Vni


class EviInstance(NamedTuple):
    """A network as a MAC-VRF (RFC 7432 section 6)."""

    vni: Vni
    label: Label
    number: int
    imports: tuple[RouteTarget, ...]
    policy: Policy
    encapsulation: Encapsulation | None

    @property
    def exports(self) -> tuple[RouteTarget, ...]:
        """The targets that its routes carry."""
        return self.policy.targets


class VrfInstance(NamedTuple):
    """An IP-VRF: a router, an external network, or one that is in a BGP VPN without a router.

    ``policy`` is for every route, ``extra`` for static ones; ``exports`` are all targets that some
    of its routes carry, those of single networks and ports included.
    """

    vni: Vni
    label: Label
    number: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    policy: Policy
    extra: Policy = Policy()


class Interface(NamedTuple):
    """A router's interface on a network."""

    vni: Vni
    vrf: Vni
    mac: Mac
    addresses: tuple[tuple[Ip, int], ...]
    network_id: str


class Routing(NamedTuple):
    """Where a network is routed, and what is said with its prefixes.

    ``automatic`` is the VRF's own route target, ``on_link`` what its interfaces have there and
    ``mac`` the first one's. ``out`` is the router's way out, and ``known_outside`` what is said
    with prefixes that nothing hides there; ``extra`` is what is said with the router's static
    routes, None if it has none.
    """

    vrf: Vni
    number: int
    label: Label
    automatic: RouteTarget
    policy: Policy
    on_link: tuple[Prefix, ...]
    mac: Mac
    out: WayOut | None = None
    known_outside: Policy = Policy()
    extra: Policy | None = None

    @property
    def zone(self) -> int:
        """The tracking zone in which every hypervisor hides its own IPv4 addresses, or 0."""
        out = self.out
        return out.zone if out is not None and out.snat and out.distributed else 0

    def is_hidden(self, prefix: Prefix) -> bool:
        """Whether nobody outside knows of a prefix: there is no outside, or SNAT on the way."""
        return self.out is None or (prefix.version == 4 and self.out.snat)

    def policy_of(self, prefix: Prefix) -> Policy:
        """What is said with an address on the network."""
        return self.policy if self.is_hidden(prefix) else self.known_outside


EVI_INSTANCE: Final[Relation[str, EviInstance]] = Relation(
    "evi_instance", imports=lambda _k, row: row.imports, exports=lambda _k, row: row.exports
)
VRF_INSTANCE: Final[Relation[str, VrfInstance]] = Relation(
    "vrf_instance",
    imports=lambda _k, row: row.imports,
    exports=lambda _k, row: row.exports,
    vni=lambda _k, row: (row.vni,),
)
INTERFACE: Final[Relation[str, Interface]] = Relation(
    "interface", vni=lambda _k, row: (row.vni,), vrf=lambda _k, row: (row.vrf,)
)
"""Those of routers."""
NETWORK_IRB: Final[Relation[str, Interface]] = Relation(
    "network_irb", vni=lambda _k, row: (row.vni,), vrf=lambda _k, row: (row.vrf,)
)
"""Those of networks that are routed without a router: external ones by their ids, others by a BGP
VPN, by association."""

EXTRA_ROUTE: Final[Relation[tuple[Vni, Ip], tuple[Prefix, ...]]] = Relation("extra_route")
"""Static routes, by VRF and next hop."""

ROUTING: Final[Relation[str, Routing]] = Relation("routing")
"""By network."""
