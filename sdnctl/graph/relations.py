"""Every relation of the graph, inputs first: the schema that the rule families share."""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.desired import (
    Evi,
    FdbEntry,
    FibEntry,
    FloodEntry,
    HostName,
    Irb,
    LocalPort,
    Neighbor,
    Node,
    SubnetOptions,
    Vrf,
)
from sdnctl.graph.engine import Relation
from sdnctl.intent import (
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Gateway,
    Hypervisor,
    Network,
    Port,
    Router,
    Subnet,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    Nlri,
    Path,
    RouteKey,
)
from sdnctl.types import (
    Encapsulation,
    Ip,
    Label,
    Mac,
    Prefix,
    RouteDistinguisher,
    RouteTarget,
    Vni,
)


class Domain(NamedTuple):
    """Settings of the whole: the AS of its BGP sessions and of its automatic route targets."""

    asn: int


# ---- inputs ------------------------------------------------------------------------------------

DOMAIN: Final[Relation[str, Domain]] = Relation("domain")
HYPERVISOR: Final[Relation[str, Hypervisor]] = Relation(
    "hypervisor", vtep=lambda _key, row: (row.vtep,)
)
GATEWAY: Final[Relation[str, Gateway]] = Relation("gateway", address=lambda _k, row: (row.address,))
BGP_PEER: Final[Relation[str, BgpPeer]] = Relation(
    "bgp_peer", family=lambda _k, row: set(row.families) if row.admin_state_up else ()
)
NETWORK: Final[Relation[str, Network]] = Relation("network")
SUBNET: Final[Relation[str, Subnet]] = Relation("subnet")
PORT: Final[Relation[str, Port]] = Relation("port")
ROUTER: Final[Relation[str, Router]] = Relation("router")
BGPVPN: Final[Relation[str, BgpVpn]] = Relation("bgpvpn")
BGPVPN_NETWORK: Final[Relation[str, BgpVpnNetwork]] = Relation("bgpvpn_network")
BGPVPN_ROUTER: Final[Relation[str, BgpVpnRouter]] = Relation("bgpvpn_router")
BGPVPN_PORT: Final[Relation[str, BgpVpnPort]] = Relation("bgpvpn_port")
LEARNED: Final[Relation[RouteKey, Path]] = Relation("learned")
UNDERLAY: Final[Relation[str, dict[Ip, int]]] = Relation("underlay")
"""Distances from a hypervisor to the addresses of the underlay, from sdnctl.topology."""

# ---- instances and attachments -----------------------------------------------------------------


class EviInstance(NamedTuple):
    """A network as a MAC-VRF (RFC 7432 section 6)."""

    vni: Vni
    label: Label
    number: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    encapsulation: Encapsulation | None


class VrfInstance(NamedTuple):
    """A router as an IP-VRF."""

    vni: Vni
    label: Label
    number: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]


class Interface(NamedTuple):
    """A router's interface on a network."""

    vni: Vni
    vrf: Vni
    mac: Mac
    addresses: tuple[tuple[Ip, int], ...]


class Attachment(NamedTuple):
    """A port on the hypervisor that it is bound to. ``vrf`` is 0 where no router is attached.

    ``routed`` are those of ``addresses`` that an interface of the router has on link.
    ``up`` False: programmed as closed, and no route leads to it. ``mtu`` is what fits into every
    tunnel that may carry its packets.
    """

    host: str
    vtep: Ip
    encapsulations: tuple[Encapsulation, ...]
    network_id: str
    vni: Vni
    number: int
    router_id: str
    vrf: Vni
    vrf_number: int
    mac: Mac
    addresses: tuple[Ip, ...]
    routed: tuple[Ip, ...]
    up: bool
    security: bool
    mtu: int


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
    if port.vrf:
        vrf = RouteDistinguisher.of(port.vtep, port.vrf_number)
        nlris += [IpPrefixRoute(vrf, Prefix.host(ip)) for ip in port.routed]
    return tuple(RouteKey(port.host, nlri) for nlri in nlris)


EVI_INSTANCE: Final[Relation[str, EviInstance]] = Relation(
    "evi_instance", imports=lambda _k, row: row.imports
)
VRF_INSTANCE: Final[Relation[str, VrfInstance]] = Relation(
    "vrf_instance", imports=lambda _k, row: row.imports, vni=lambda _k, row: (row.vni,)
)
INTERFACE: Final[Relation[str, Interface]] = Relation("interface", vni=lambda _k, row: (row.vni,))
ATTACHMENT: Final[Relation[str, Attachment]] = Relation(
    "attachment",
    evi=lambda _k, row: ((row.vni, row.host),),
    vrf=lambda _k, row: ((row.vrf, row.host),) if row.vrf else (),
    route=lambda _k, row: routes_of(row),
)

# ---- routes ------------------------------------------------------------------------------------


class Imported(NamedTuple):
    """A route and the instances that import it."""

    path: Path
    evis: tuple[Vni, ...]
    vrfs: tuple[Vni, ...]


class Export(NamedTuple):
    """A route in one address family."""

    family: str
    route: RouteKey


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
    return tuple((vni, nlri.prefix) for vni in row.vrfs) if isinstance(nlri, IpPrefixRoute) else ()


class PlacedPort(NamedTuple):
    """A port as the agent of ``host`` is told of it."""

    host: str
    port: LocalPort


ORIGINATED: Final[Relation[RouteKey, Path]] = Relation("originated")
IMPORTED: Final[Relation[RouteKey, Imported]] = Relation(
    "imported",
    mac=_imported_mac,
    ip=_imported_ip,
    member=_imported_member,
    prefix=_imported_prefix,
)
FAMILY_PEERS: Final[Relation[str, tuple[str, ...]]] = Relation("family_peers")
"""The peers of an address family."""
ADVERTISED: Final[Relation[Export, Advertised]] = Relation("advertised")

# ---- what agents are told ----------------------------------------------------------------------

EVI: Final[Relation[str, Evi]] = Relation("evi")
IRB: Final[Relation[str, Irb]] = Relation("irb")
HOST_NAME: Final[Relation[str, HostName]] = Relation("host_name")
SUBNET_OPTIONS: Final[Relation[str, SubnetOptions]] = Relation("subnet_options")
FDB: Final[Relation[tuple[Vni, Mac], FdbEntry]] = Relation("fdb")
NEIGHBOR: Final[Relation[tuple[Vni, Ip], Neighbor]] = Relation("neighbor")
FLOOD: Final[Relation[tuple[Vni, Ip], FloodEntry]] = Relation("flood")
VRF: Final[Relation[str, Vrf]] = Relation("vrf")
FIB: Final[Relation[tuple[Vni, Prefix], FibEntry]] = Relation(
    "fib",
    competing=lambda key, row: [(key[0], hop.vtep) for hop in row.via] if len(row.via) > 1 else (),
)
COMPETING: Final[Relation[tuple[Vni, Ip], bool]] = Relation(
    "competing", vrf=lambda key, _row: (key[0],)
)
"""Next hops of a VRF between which distance decides."""
LOCAL_PORT: Final[Relation[str, PlacedPort]] = Relation("local_port")
EVI_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation("evi_member")
VRF_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation(
    "vrf_member", host=lambda key, _row: (key[1],)
)
NODE: Final[Relation[str, Node]] = Relation("node")
