"""The oracle's part on route targets: what each instance imports, and what is said of a prefix.

As plain as the rest of it: every question looks through all rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Union

from sdnctl.intent import BgpVpn, BgpVpnNetwork, Network, Port, PortRoute, Router
from sdnctl.types import Prefix, RouteTarget
from tests.properties.world import World

if TYPE_CHECKING:
    from tests.properties.wayout import Outer

ASN = 64512

Routed = Union[Router, BgpVpnNetwork, "Outer"]
"""What has a VRF."""


def chosen(targets: Iterable[RouteTarget]) -> set[RouteTarget]:
    """Without the automatic ones."""
    return {t for t in targets if not 8_000_000 <= int(str(t).split(":")[1]) <= 8_065_535}


def automatic(row: Network | Routed) -> RouteTarget:
    return RouteTarget.parse(f"{ASN}:{8_000_000 + row.number}")


def imports(vpn: BgpVpn) -> set[RouteTarget]:
    return chosen(vpn.route_targets) | chosen(vpn.import_targets)


def exports(vpn: BgpVpn) -> set[RouteTarget]:
    return chosen(vpn.route_targets) | chosen(vpn.export_targets)


def vpns(w: World, associations: Iterable[Any], kind: str) -> list[BgpVpn]:
    found = [w.bgpvpn.get(association.bgpvpn_id) for association in associations]
    return [vpn for vpn in found if vpn is not None and vpn.type == kind]


def vpns_of_network(w: World, network_id: str, kind: str) -> list[BgpVpn]:
    return vpns(w, (a for a in w.bgpvpn_network.values() if a.network_id == network_id), kind)


def vpns_of_router(w: World, row: Routed) -> list[BgpVpn]:
    return vpns(w, (a for a in w.bgpvpn_router.values() if a.router_id == row.id), "l3")


def ports_of(w: World, network_id: str) -> Iterator[tuple[Port, BgpVpn, bool, list[PortRoute]]]:
    """The ports of a network that are in layer 3 BGP VPNs."""
    for association in w.bgpvpn_port.values():
        port = w.port.get(association.port_id)
        for vpn in vpns(w, [association], "l3"):
            if port is not None and port.network_id == network_id:
                yield port, vpn, association.advertise_fixed_ips, list(association.routes)


def evi_imports(w: World, network: Network) -> set[RouteTarget]:
    wanted = {automatic(network)} | chosen(network.import_targets)
    return wanted.union(*map(imports, vpns_of_network(w, network.id, "l2")))


def vrf_imports(w: World, row: Routed, networks: list[Network]) -> set[RouteTarget]:
    """Of a VRF that these networks belong to."""
    wanted = {automatic(row)}
    if isinstance(row, Router):
        wanted |= chosen(row.import_targets)
        wanted = wanted.union(*map(imports, vpns_of_router(w, row)))
    for network in networks:
        wanted = wanted.union(*map(imports, vpns_of_network(w, network.id, "l3")))
        wanted = wanted.union(*(imports(vpn) for _p, vpn, _f, _r in ports_of(w, network.id)))
    return wanted


def _is_hidden(row: Routed, prefix: Prefix) -> bool:
    """Of a router that has a way out."""
    gateway = row.gateway if isinstance(row, Router) else None
    return len(prefix.ip) == 4 and gateway is not None and gateway.enable_snat


def outwards(w: World, row: Routed) -> tuple[set[RouteTarget], list[BgpVpn]] | None:
    """What the external network that a router leads to says with its routes."""
    from tests.properties import wayout  # noqa: PLC0415 they need each other

    where = wayout.outer_of(w, row)
    if where is None:
        return None
    return {automatic(where)}, vpns_of_network(w, where.id, "l3")


def vrf_exports(w: World, row: Routed, networks: list[Network]) -> set[RouteTarget]:
    """The targets that some route of it carries."""
    given = {automatic(row)}
    if isinstance(row, Router):
        given |= chosen(row.export_targets)
        given = given.union(*map(exports, vpns_of_router(w, row)))
    outside = outwards(w, row)
    if outside is not None:
        given = given.union(outside[0], *map(exports, outside[1]))
    for network in networks:
        given = given.union(*map(exports, vpns_of_network(w, network.id, "l3")))
        for _port, vpn, fixed, behind in ports_of(w, network.id):
            given |= exports(vpn) if fixed or behind else set()
    return given


def attributes(given: set[RouteTarget], by: list[tuple[BgpVpn, int | None]]) -> dict[str, Any]:
    """Of a route: the targets of the instance, and BGP VPNs, each with a preference."""
    preferences = [number for _vpn, number in by if number is not None]
    return {
        "route_targets": tuple(sorted(given.union(*(exports(vpn) for vpn, _n in by)))),
        "local_preference": max(preferences) if preferences else 100,
        "communities": tuple(sorted({c for vpn, _n in by for c in vpn.communities})),
    }


def said_of_network(w: World, network: Network) -> dict[str, Any]:
    given = {automatic(network)} | chosen(network.export_targets)
    by = vpns_of_network(w, network.id, "l2")
    return attributes(given, [(vpn, vpn.local_preference) for vpn in by])


def prefixes_of(
    w: World,
    port: Port,
    network: Network,
    row: Routed,
    hosts: set[Prefix],
    taken: set[Prefix] = frozenset(),  # type: ignore[assignment]
) -> dict[Prefix, dict[str, Any]]:
    """What a port announces for its VRF, and what is said of each.

    ``hosts`` are its addresses, ``taken`` those that it has for now and that are not its own.
    """
    own: dict[Prefix, list[tuple[BgpVpn, int | None]]] = {}
    also: dict[Prefix, set[RouteTarget]] = {}
    outside = outwards(w, row)
    for where, vpn, fixed, behind in ports_of(w, network.id):
        if where.id == port.id:
            for host in hosts if fixed else ():
                own.setdefault(host, []).append((vpn, vpn.local_preference))
            for route in behind:
                number = route.local_preference
                number = vpn.local_preference if number is None else number
                own.setdefault(route.prefix, []).append((vpn, number))
    usual = vpns_of_network(w, network.id, "l3") + vpns_of_router(w, row)
    given = {automatic(row)}
    if isinstance(row, Router):
        given |= chosen(row.export_targets)
    for static in row.routes if isinstance(row, Router) else ():
        if Prefix.host(static.nexthop) in hosts:
            told = [
                vpn
                for a in w.bgpvpn_router.values()
                if a.router_id == row.id and a.advertise_extra_routes
                for vpn in vpns(w, [a], "l3")
            ]
            by = own.setdefault(static.destination, [])
            by += [(vpn, vpn.local_preference) for vpn in told]
            also.setdefault(static.destination, set()).update(given)
            if outside is not None and not _is_hidden(row, static.destination):
                also[static.destination] |= outside[0]
                by += [(vpn, vpn.local_preference) for vpn in outside[1]]
    out = {}
    for prefix, by in own.items():
        out[prefix] = attributes({automatic(row)} | also.get(prefix, set()), by)
    for host in hosts:
        by = [(vpn, vpn.local_preference) for vpn in usual] + own.get(host, [])
        more = set(also.get(host, ()))
        if outside is not None and not _is_hidden(row, host):
            more |= outside[0]
            by += [(vpn, vpn.local_preference) for vpn in outside[1]]
        out[host] = attributes(given | more, by)
    for host in taken - out.keys():
        by = [(vpn, vpn.local_preference) for vpn in usual]
        more = set()
        if outside is not None and not _is_hidden(row, host):
            more = outside[0]
            by += [(vpn, vpn.local_preference) for vpn in outside[1]]
        out[host] = attributes(given | more, by)
    return out
