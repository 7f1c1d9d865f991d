"""Routes: originated, imported by instances, told to BGP peers, and who asked for which.

Knows nothing of what hypervisors make of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.graph.engine import Relation
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Path,
    RouteKey,
)
from sdnctl.types import Ip, Mac, Prefix, RouteTarget, Vni


class Imported(NamedTuple):
    """A route and the instances that import it."""

    path: Path
    evis: tuple[Vni, ...]
    vrfs: tuple[Vni, ...]


class FamilyPeers(NamedTuple):
    """The peers of a family by name: ``free`` get all, ``constrained`` what they asked for."""

    free: tuple[str, ...]
    constrained: tuple[str, ...] = ()


class Advertised(NamedTuple):
    """A route as it is told to BGP peers, and which."""

    path: Path
    peers: tuple[str, ...]


def _imported_mac(key: RouteKey, row: Imported) -> tuple[tuple[Vni, Mac], ...]:
    nlri = key.nlri
    return tuple((vni, nlri.mac) for vni in row.evis) if isinstance(nlri, MacIpRoute) else ()


def _imported_ip(key: RouteKey, row: Imported) -> tuple[tuple[Vni, Ip], ...]:
    nlri = key.nlri
    if not isinstance(nlri, MacIpRoute) or nlri.ip is None:
        return ()
    return tuple((vni, nlri.ip) for vni in row.evis)


def _imported_member(key: RouteKey, row: Imported) -> tuple[tuple[Vni, Ip], ...]:
    nlri = key.nlri
    if not isinstance(nlri, InclusiveMulticastRoute):
        return ()
    return tuple((vni, row.path.next_hop) for vni in row.evis)


def _imported_prefix(key: RouteKey, row: Imported) -> tuple[tuple[Vni, Prefix], ...]:
    nlri = key.nlri
    if isinstance(nlri, IpPrefixRoute):
        return tuple((vni, nlri.prefix) for vni in row.vrfs)
    if isinstance(nlri, MacIpRoute) and nlri.ip is not None and row.vrfs:
        prefix = Prefix.host(nlri.ip)
        return tuple((vni, prefix) for vni in row.vrfs)
    return ()


def _evi_hop(_key: RouteKey, row: Imported) -> tuple[tuple[Vni, Ip], ...]:
    return tuple((vni, row.path.next_hop) for vni in row.evis) if row.path.peer else ()


def _vrf_hop(_key: RouteKey, row: Imported) -> tuple[tuple[Vni, Ip], ...]:
    return tuple((vni, row.path.next_hop) for vni in row.vrfs) if row.path.peer else ()


ORIGINATED: Final[Relation[RouteKey, Path]] = Relation("originated")
IMPORTED: Final[Relation[RouteKey, Imported]] = Relation(
    "imported",
    mac=_imported_mac,
    ip=_imported_ip,
    member=_imported_member,
    prefix=_imported_prefix,
    evi_hop=_evi_hop,
    vrf_hop=_vrf_hop,
)
FAMILY_PEERS: Final[Relation[str, FamilyPeers]] = Relation("family_peers")
"""The peers of an address family."""
PREFIX_TAKEN: Final[Relation[int, bool]] = Relation("prefix_taken")
"""The IP versions of whose prefixes any peer takes routes, in whatever family."""
MEMBERSHIP_LENGTH: Final[Relation[int, bool]] = Relation(
    "membership_length", all=lambda _key, _row: ((),)
)
WANTING_PEERS: Final[Relation[RouteTarget, tuple[str, ...]]] = Relation("wanting_peers")
"""The peers that announced a membership for a target that we export."""
WANTED: Final[Relation[RouteTarget, MembershipRoute]] = Relation("wanted")
"""The targets that we import, as memberships."""
IRB_ROUTES: Final[Relation[tuple[Vni, str], dict[RouteKey, Path]]] = Relation(
    "irb_routes", route=lambda _key, row: tuple(row)
)
"""What a member of a network says of the router's interfaces there."""
ADVERTISED: Final[Relation[RouteKey, Advertised]] = Relation("advertised")
