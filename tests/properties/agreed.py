"""The oracle's part on route targets: what each instance imports, and what is said of a prefix.

As plain as the rest of it: every question looks through all rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sdnctl.intent import BgpVpn, BgpVpnNetwork, Network, Port, PortRoute, Router
from sdnctl.types import Prefix, RouteTarget

if TYPE_CHECKING:
    from tests.properties.oracle import World

ASN = 64512

Routed = Router | BgpVpnNetwork
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


def vrf_exports(w: World, row: Routed, networks: list[Network]) -> set[RouteTarget]:
    """The targets that some route of it carries."""
    given = {automatic(row)}
    if isinstance(row, Router):
        given |= chosen(row.export_targets)
        given = given.union(*map(exports, vpns_of_router(w, row)))
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
    out = {prefix: attributes({automatic(row)}, by) for prefix, by in own.items()}
    for host in hosts:
        by = [(vpn, vpn.local_preference) for vpn in usual] + own.get(host, [])
        out[host] = attributes(given, by)
    for host in taken - out.keys():
        out[host] = attributes(given, [(vpn, vpn.local_preference) for vpn in usual])
    return out
