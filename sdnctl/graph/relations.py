"""Every relation of the graph, inputs first: the schema that the rule families share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sdnctl.desired import (
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    HidingAddress,
    HostName,
    Irb,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    Probe,
    Qos,
    RemoteAddresses,
    SecurityRule,
    SubnetOptions,
    Vrf,
)
from sdnctl.graph.engine import Relation
from sdnctl.intent import (
    AddressGroup,
    BandwidthLimitRule,
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    DscpMarkingRule,
    FloatingIp,
    Gateway,
    Hypervisor,
    Network,
    Port,
    PortForwarding,
    QosPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
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
    "hypervisor", vtep=lambda _key, row: (row.vtep,), all=lambda _key, _row: ((),)
)
HYPERVISOR_DOWN: Final[Relation[str, bool]] = Relation("hypervisor_down")
"""Hypervisors whose agents have been silent for a while: others translate in their place."""
GATEWAY: Final[Relation[str, Gateway]] = Relation("gateway", address=lambda _k, row: (row.address,))
BGP_PEER: Final[Relation[str, BgpPeer]] = Relation(
    "bgp_peer", family=lambda _k, row: set(row.families) if row.admin_state_up else ()
)
NETWORK: Final[Relation[str, Network]] = Relation("network")
SUBNET: Final[Relation[str, Subnet]] = Relation(
    "subnet", network=lambda _key, row: (row.network_id,)
)
PORT: Final[Relation[str, Port]] = Relation("port")
QOS_POLICY: Final[Relation[str, QosPolicy]] = Relation("qos_policy")
BANDWIDTH_LIMIT_RULE: Final[Relation[str, BandwidthLimitRule]] = Relation(
    "bandwidth_limit_rule", policy=lambda _k, row: (row.qos_policy_id,)
)
DSCP_MARKING_RULE: Final[Relation[str, DscpMarkingRule]] = Relation(
    "dscp_marking_rule", policy=lambda _k, row: (row.qos_policy_id,)
)
ROUTER: Final[Relation[str, Router]] = Relation(
    "router", nexthop=lambda _k, row: {(row.vni, route.nexthop) for route in row.routes}
)
FLOATING_IP: Final[Relation[str, FloatingIp]] = Relation(
    "floatingip",
    fixed=lambda _k, row: ((row.port_id, row.fixed_ip),) if row.port_id else (),
)
PORT_FORWARDING: Final[Relation[str, PortForwarding]] = Relation("port_forwarding")
SECURITY_GROUP: Final[Relation[str, SecurityGroup]] = Relation("security_group")
SECURITY_GROUP_RULE: Final[Relation[str, SecurityGroupRule]] = Relation(
    "security_group_rule",
    group=lambda _k, row: (row.security_group_id,),
    remote=lambda _k, row: () if row.remote_id is None else (row.remote_id,),
)
ADDRESS_GROUP: Final[Relation[str, AddressGroup]] = Relation("address_group")
BGPVPN: Final[Relation[str, BgpVpn]] = Relation("bgpvpn")
BGPVPN_NETWORK: Final[Relation[str, BgpVpnNetwork]] = Relation(
    "bgpvpn_network", network=lambda _key, row: (row.network_id,)
)
BGPVPN_ROUTER: Final[Relation[str, BgpVpnRouter]] = Relation(
    "bgpvpn_router", router=lambda _key, row: (row.router_id,)
)
BGPVPN_PORT: Final[Relation[str, BgpVpnPort]] = Relation("bgpvpn_port")


def membership_prefix(target: RouteTarget | None, length: int) -> tuple[int, int]:
    """A prefix of route targets (RFC 4684 section 4): its length in bits, and those bits.

    The default route target is the prefix of no length.
    """
    if target is None or length <= 0:
        return 0, 0
    bits = min(length, 64)
    return bits, int.from_bytes(target, "big") >> (64 - bits)


def _membership(key: RouteKey, _path: Path) -> tuple[tuple[int, int], ...]:
    nlri = key.nlri
    if not isinstance(nlri, MembershipRoute):
        return ()
    return (membership_prefix(nlri.target, nlri.length),)


LEARNED: Final[Relation[RouteKey, Path]] = Relation(
    "learned",
    membership=_membership,
    membership_length=lambda key, path: tuple(bits for bits, _value in _membership(key, path)),
)
UNDERLAY: Final[Relation[str, dict[Ip, int]]] = Relation("underlay")
"""Distances from a hypervisor to the addresses of the underlay, from sdnctl.topology."""


class Claim(NamedTuple):
    """Who has an address that several ports may have, and by which MAC.

    ``sequence`` counts how often it went from one to another (RFC 7432 section 7.7).
    """

    port_id: str
    mac: Mac
    sequence: int


CLAIM: Final[Relation[tuple[str, Ip], Claim]] = Relation(
    "claim", port=lambda _key, row: (row.port_id,)
)
"""By network and address, as guests said last."""

# ---- instances and attachments -----------------------------------------------------------------


class Policy(NamedTuple):
    """What is said with routes that are exported; a preference of None leaves it as it is."""

    targets: tuple[RouteTarget, ...] = ()
    local_preference: int | None = None
    communities: tuple[int, ...] = ()


def joined(policies: Iterable[Policy]) -> Policy:
    """All that several policies say of a route, with the highest preference."""
    policies = list(policies)
    return Policy(
        tuple(sorted({target for policy in policies for target in policy.targets})),
        max((p.local_preference for p in policies if p.local_preference is not None), default=None),
        tuple(sorted({number for policy in policies for number in policy.communities})),
    )


class Terms(NamedTuple):
    """A BGP VPN as its members take it over; ``kind`` is ``l2`` or ``l3``."""

    kind: str
    imports: tuple[RouteTarget, ...]
    policy: Policy


class PortVpn(NamedTuple):
    """A port in a BGP VPN: what is said with its addresses, if anything, and the prefixes behind.

    ``network_id`` is that of the port, whose VRF imports.
    """

    port_id: str
    network_id: str
    imports: tuple[RouteTarget, ...]
    fixed: Policy | None
    behind: tuple[tuple[Prefix, Policy], ...]

    @property
    def exports(self) -> set[RouteTarget]:
        """All targets that the port's routes carry because of it."""
        policies = [policy for _prefix, policy in self.behind]
        policies += [self.fixed] if self.fixed is not None else []
        return {target for policy in policies for target in policy.targets}


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
EXTERNAL: Final[Relation[str, External]] = Relation("external", vrf=lambda _k, row: (row.vrf,))
"""By network."""
WAY_OUT: Final[Relation[str, WayOut]] = Relation("way_out", vrf=lambda _k, row: (row.vrf,))
"""By router."""
EXTRA_ROUTE: Final[Relation[tuple[Vni, Ip], tuple[Prefix, ...]]] = Relation("extra_route")
"""Static routes, by VRF and next hop."""
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
TERMS: Final[Relation[str, Terms]] = Relation("terms")
PORT_VPN: Final[Relation[str, PortVpn]] = Relation(
    "port_vpn",
    port=lambda _k, row: (row.port_id,),
    network=lambda _k, row: (row.network_id,),
)
ROUTING: Final[Relation[str, Routing]] = Relation("routing")
"""By network."""


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

# ---- routes ------------------------------------------------------------------------------------


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
    evi_hop=_evi_hop,
    vrf_hop=_vrf_hop,
)
FAMILY_PEERS: Final[Relation[str, FamilyPeers]] = Relation("family_peers")
"""The peers of an address family."""
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
EVI_PROBE: Final[Relation[tuple[Vni, Ip], Probe]] = Relation(
    "evi_probe", vtep=lambda key, _row: (key[1],)
)
VRF_PROBE: Final[Relation[tuple[Vni, Ip], Probe]] = Relation(
    "vrf_probe", vtep=lambda key, _row: (key[1],)
)
QOS: Final[Relation[str, Qos]] = Relation("qos")
"""What a policy asks of a hypervisor, if anything."""
EXIT: Final[Relation[str, Exit]] = Relation("exit")


class PlacedFloating(NamedTuple):
    """A floating IP as the agent of ``host`` is told of it."""

    host: str
    address: FloatingAddress


class PlacedHiding(NamedTuple):
    """An address that ``host`` hides its guests behind."""

    host: str
    address: HidingAddress


FLOATING: Final[Relation[str, PlacedFloating]] = Relation("floating")
HIDING: Final[Relation[str, PlacedHiding]] = Relation("hiding")
FORWARDING: Final[Relation[str, Forwarding]] = Relation("forwarding")
LOCAL_PORT: Final[Relation[str, PlacedPort]] = Relation("local_port")
STANDBY_PORT: Final[Relation[tuple[str, str], PlacedPort]] = Relation("standby_port")
EVI_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation("evi_member")
VRF_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation(
    "vrf_member", host=lambda key, _row: (key[1],)
)
NODE: Final[Relation[str, Node]] = Relation("node")

# ---- security groups ---------------------------------------------------------------------------


class PolicyMember(NamedTuple):
    """A hypervisor that hosts a port of a security group, whose rules refer to ``remotes``."""

    remotes: tuple[str, ...]


RULE: Final[Relation[str, SecurityRule]] = Relation("rule")
REMOTES: Final[Relation[str, tuple[str, ...]]] = Relation("remotes")
"""The sets of addresses that the rules of a security group refer to."""
REMOTE: Final[Relation[tuple[str, str], RemoteAddresses]] = Relation("remote")
"""By set and member; only of sets that some rule refers to."""
POLICY_MEMBER: Final[Relation[tuple[str, str], PolicyMember]] = Relation(
    "policy_member", remote=lambda key, row: [(remote, key[1]) for remote in row.remotes]
)
"""By security group and hypervisor."""
REMOTE_MEMBER: Final[Relation[tuple[str, str], bool]] = Relation("remote_member")
"""By set of addresses and hypervisor."""
