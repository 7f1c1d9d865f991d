"""Ports on hypervisors, and addresses outside: what originates routes, and which.

Knows nothing of who imports them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.desired import NextHop
from sdnctl.graph.engine import Relation
from sdnctl.graph.relations.vpns import Policy
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Nlri, RouteKey
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher, Vni


class Claimed(NamedTuple):
    """An address beside its own that a port has now; ``routed`` if it is on link of its router."""

    ip: Ip
    mac: Mac
    sequence: int
    routed: bool


class Attachment(NamedTuple):
    """A port on the hypervisor that it is bound to. ``vrf`` is 0 where no router is attached.

    ``routed`` are those of ``addresses`` that an interface of the router has on link. ``said`` is
    what BGP VPNs want said of the port's own prefixes: of its addresses, and of what is behind it,
    which ``router_mac`` sends to it.
    ``external`` is the VRF that its router leads out to, 0 if none; ``zone`` that of the tracker
    where its host hides its addresses there.
    ``up`` False: programmed as closed, and no route leads to it. ``mtu`` is what fits into every
    tunnel that may carry its packets. ``qos_policy_id`` is its own, or else its network's.
    """

    host: str
    vtep: Ip
    encapsulations: tuple[Encapsulation, ...]
    network_id: str
    vni: Vni
    number: int
    vrf: Vni
    vrf_number: int
    mac: Mac
    addresses: tuple[Ip, ...]
    routed: tuple[Ip, ...]
    up: bool
    security: bool
    security_groups: tuple[str, ...]
    pairs: tuple[tuple[Mac, Prefix], ...]
    mtu: int
    said: tuple[tuple[Prefix, Policy], ...] = ()
    moves: int = 0
    router_mac: Mac | None = None
    qos_policy_id: str | None = None
    claimed: tuple[Claimed, ...] = ()
    external: Vni = Vni(0)
    zone: int = 0

    @property
    def behind(self) -> tuple[Prefix, ...]:
        """The prefixes that are reached through the port and are not its own addresses."""
        if not self.said:
            return ()
        own = set(map(Prefix.host, self.routed))
        return tuple(prefix for prefix, _policy in self.said if prefix not in own)


class Outside(NamedTuple):
    """Addresses that a hypervisor has in an external network's VRF, to translate what is for them.

    ``routes`` are those that it originates for them, ``segment`` the VNI of the network.
    """

    host: str
    vtep: Ip
    encapsulations: tuple[Encapsulation, ...]
    network_id: str
    addresses: tuple[Ip, ...]
    routes: tuple[RouteKey, ...]
    segment: Vni


def routes_of(port: Attachment) -> tuple[RouteKey, ...]:
    """The routes that a port originates (RFC 7432 section 7, RFC 9136).

    Its network's membership, one MAC/IP route an address (or one without), and the host prefixes
    of its VRF.
    """
    if not port.up:
        return ()
    evi = RouteDistinguisher.of(port.vtep, port.number)
    nlris: list[Nlri] = [InclusiveMulticastRoute(evi, port.vtep)]
    nlris += [MacIpRoute(evi, port.mac, ip) for ip in port.addresses or (None,)]
    nlris += [MacIpRoute(evi, claim.mac, claim.ip) for claim in port.claimed]
    if port.vrf:
        vrf = RouteDistinguisher.of(port.vtep, port.vrf_number)
        nlris += [IpPrefixRoute(vrf, Prefix.host(ip)) for ip in port.routed]
        nlris += [IpPrefixRoute(vrf, Prefix.host(c.ip)) for c in port.claimed if c.routed]
        if port.said:
            nlris += [IpPrefixRoute(vrf, prefix) for prefix in port.behind]
    return tuple(RouteKey(port.host, nlri) for nlri in nlris)


def _member_of(_key: object, port: Attachment) -> tuple[tuple[Vni, str], ...]:
    if not port.vrf:
        return ()
    if not port.external:
        return ((port.vrf, port.host),)
    return ((port.vrf, port.host), (port.external, port.host))


class Standby(NamedTuple):
    """A port on a hypervisor that its guest is about to come to or has just left.

    ``attachment`` is what it would be there. Of a guest that has left, ``onward`` is the next hop
    to where it is now, and ``onward_routed`` that of the VRF.
    """

    attachment: Attachment
    onward: NextHop | None
    onward_routed: NextHop | None


ATTACHMENT: Final[Relation[str, Attachment]] = Relation(
    "attachment",
    evi=lambda _k, row: ((row.vni, row.host),),
    vrf=_member_of,
    route=lambda _k, row: routes_of(row),
    policy=lambda _k, row: (
        [(group, row.host) for group in row.security_groups] if row.security_groups else ()
    ),
)

STANDBY: Final[Relation[tuple[str, str], Standby]] = Relation(
    "standby",
    evi=lambda _k, row: ((row.attachment.vni, row.attachment.host),),
    vrf=lambda key, row: _member_of(key, row.attachment),
    policy=lambda _k, row: [
        (group, row.attachment.host) for group in row.attachment.security_groups
    ],
)
"""By port and hypervisor. It originates no route."""

OUTSIDE: Final[Relation[tuple[str, str], Outside]] = Relation(
    "outside",
    route=lambda _k, row: row.routes,
    ip=lambda _k, row: tuple((row.segment, ip) for ip in row.addresses),
)
"""By the kind of row that they are the addresses of (``floatingip``, ``router``, ``port``), and
its id."""
