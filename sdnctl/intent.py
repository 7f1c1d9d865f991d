"""What tenants and operators asked for: the rows of the store.

Promise: frozen values, one struct per kind, keyed by ``id``; they hold what was decided
inside the transaction (VNIs, labels, RD numbers, addresses) so that nothing is decided twice.
They know nothing of how they are stored, served or routed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteTarget, Vni

ROUTER_INTERFACE_OWNER: Final = "network:router_interface"
"""``device_owner`` of a port that is a router's interface; ``device_id`` is then the router."""

ROUTER_GATEWAY_OWNER: Final = "network:router_gateway"
"""That of a port whose addresses are a router's on an external network."""

FLOATING_IP_OWNER: Final = "network:floatingip"
"""That of a port whose address is a floating IP's; ``device_id`` is then the floating IP."""

SNAT_OWNER: Final = "network:floatingip_agent_gateway"
"""That of a port whose addresses a hypervisor has on an external network, for the guests of its
own that distributed routers let out; ``host`` and ``device_id`` are then the hypervisor."""


SUBPORT_OWNER: Final = "trunk:subport"
"""That of a port that is a subport of a trunk."""

MIGRATING_TO: Final = "migrating_to"
"""The key of a port's ``profile`` under which Nova says where its guest is about to go."""

DEFAULT_DNS_DOMAIN: Final = "openstacklocal."
"""What ports' names end in where their network says nothing; Neutron's default."""

EVERYBODY: Final = "*"
"""The target of an RBAC policy for all projects."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every kind has.

    ``created_at`` and ``updated_at`` are seconds since the epoch, UTC; ``revision_number``
    counts the changes of this row (Neutron's standard attribute), not the store's revision.
    """

    id: str
    name: str = ""
    description: str = ""
    project_id: str = ""
    tags: tuple[str, ...] = ()
    revision_number: int = 0
    created_at: int = 0
    updated_at: int = 0


class Hypervisor(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A compute node; ``id`` is its host name, the ``binding:host_id`` of its ports.

    ``encapsulations`` are those that it accepts and would send, best first.
    ``mtu`` is the underlay's, in octets. ``datapath_type`` is its bridge's in Open vSwitch,
    ``system`` (kernel) or ``netdev`` (userspace).
    """

    vtep: Ip
    encapsulations: tuple[Encapsulation, ...] = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    mtu: int = 1500
    datapath_type: str = "system"


class Link(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A cable of the underlay between two named nodes (hypervisors, switches, gateways)."""

    a: str
    b: str
    cost: int = 1


class BgpPeer(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A BGP session with a gateway or a route reflector; ``id`` is its name.

    ``families`` are of ``ipv4-vpn``, ``ipv6-vpn``, ``l2vpn-evpn`` and ``route-target`` (RFC
    4684). ``password`` (RFC 2385) is write-only: no answer, log or command line shows it.
    Peers of one ``group`` share a speaker process, so that none of another group can stall them.
    ``ttl_security`` is the number of hops allowed (RFC 5082), 0 for off; ``hold_time``,
    ``graceful_restart`` (RFC 4724) and ``long_lived_stale`` (RFC 9494) are seconds, 0 for off.
    ``max_prefixes`` received end the session (RFC 4486), 0 for no limit. ``add_path`` asks for,
    and offers, several paths to a prefix in the VPN families (RFC 7911).
    """

    address: Ip
    asn: int
    families: tuple[str, ...] = ("ipv4-vpn",)
    group: str = "default"
    port: int = 179
    hold_time: int = 90
    graceful_restart: int = 120
    long_lived_stale: int = 0
    passive: bool = False
    password: str = ""
    ttl_security: int = 0
    max_prefixes: int = 0
    add_path: bool = False
    admin_state_up: bool = True

    def __repr__(self) -> str:
        """Without the password, wherever a row is logged."""
        return f"BgpPeer(id={self.id!r}, address={self.address}, asn={self.asn})"


class Gateway(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A data-centre router as an end of tunnels; it may be learned from without being listed.

    ``encapsulations``, if given, pins what is sent to ``address``, whatever it advertises.
    ``local_preference``, if given, replaces that of every path learned with it as next hop:
    higher is preferred, equal is shared (ECMP). ``probe_interval`` is milliseconds between two
    probes of ``address`` by every hypervisor that sends to it, 0 for none; ``probe_multiplier``
    of them unanswered in a row take it out of use there.
    """

    address: Ip
    encapsulations: tuple[Encapsulation, ...] = ()
    local_preference: int | None = None
    probe_interval: int = 0
    probe_multiplier: int = 3


class Shareable(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What may be shared: with every project, or (``shared_with``) with those."""

    shared: bool = False
    shared_with: tuple[str, ...] = ()


class RbacPolicy(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Opens an object to a project, or to ``EVERYBODY``.

    ``action`` is ``access_as_shared`` or ``access_as_external``. What follows for the object is
    noted in its row.
    """

    object_type: str
    object_id: str
    action: str
    target_project: str


class QosPolicy(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """What ports may send and are sent; its rules say so and name it.

    ``is_default`` makes it that of its project's networks that name none when they are made.
    """

    is_default: bool = False


class BandwidthLimitRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How much a port may send (``egress``) or is sent (``ingress``).

    ``max_kbps`` are kilobits a second, 0 for any; ``max_burst_kbps`` the kilobits that may come
    at once, 0 for four fifths of a second's.
    """

    qos_policy_id: str
    max_kbps: int
    max_burst_kbps: int = 0
    direction: str = "egress"


class DscpMarkingRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The differentiated services code point (RFC 2474) of what a port sends."""

    qos_policy_id: str
    dscp_mark: int


class MinimumBandwidthRule(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a port is to get at least, in kilobits a second: kept and shown, and nobody's to do."""

    qos_policy_id: str
    min_kbps: int
    direction: str = "egress"


class VrfNumbers(msgspec.Struct, frozen=True):
    """What makes a VRF of something: allocated once, never changed. ``mac`` is its gateways'."""

    vni: Vni
    label: Label
    number: int
    mac: Mac


class Network(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """A layer 2 segment: an EVI.

    ``vni``, ``label`` and ``number`` (of the route distinguisher) are allocated once and never
    change. ``encapsulation`` pins one for all traffic of the network. ``dns_domain`` is what its
    ports' names end in, with its last dot. ``external_to`` are the projects, or ``EVERYBODY``,
    that an external network is there for. ``vrf`` is what an external network is routed by:
    there its floating IPs and routers' addresses are known, and to its BGP VPNs they are announced.
    ``qos_policy_id`` is that of its ports that name none.
    ``zone_hints`` are the availability zones that it was asked for in.
    """

    vni: Vni
    label: Label
    number: int
    mtu: int = 1450
    admin_state_up: bool = True
    external: bool = False
    external_to: tuple[str, ...] = ()
    port_security_enabled: bool = True
    encapsulation: Encapsulation | None = None
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    dns_domain: str = ""
    vrf: VrfNumbers | None = None
    qos_policy_id: str | None = None
    zone_hints: tuple[str, ...] = ()


class Pool(msgspec.Struct, frozen=True):
    """A range of addresses, both ends included."""

    start: Ip
    end: Ip


class HostRoute(msgspec.Struct, frozen=True):
    """A route that the guests of a subnet are told of."""

    destination: Prefix
    nexthop: Ip


class AddressScope(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Subnet pools whose prefixes do not overlap, so that their subnets may be routed together."""

    ip_version: int


class SubnetPool(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Prefixes, of one IP version, that subnets get theirs from.

    ``default_quota`` is what a project may have of it, in /32 (IPv4) or /64 (IPv6).
    """

    prefixes: tuple[Prefix, ...]
    min_prefixlen: int
    max_prefixlen: int
    default_prefixlen: int
    default_quota: int | None = None
    is_default: bool = False
    address_scope_id: str | None = None

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.prefixes[0].version


class Subnet(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An IP prefix on a network; with ``service_types`` for ports of those ``device_owner``."""

    network_id: str
    prefix: Prefix
    gateway_ip: Ip | None = None
    enable_dhcp: bool = True
    pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[Ip, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    subnetpool_id: str | None = None
    service_types: tuple[str, ...] = ()


class ExtraDhcpOption(msgspec.Struct, frozen=True):
    """An option for one port: its name or number, its value as text ("" sends none), 4 or 6."""

    name: str
    value: str
    ip_version: int = 4


class FixedIp(msgspec.Struct, frozen=True):
    """An address of a port, taken from a subnet."""

    subnet_id: str
    ip: Ip


class AddressPair(msgspec.Struct, frozen=True):
    """What else a port may send as: an address or a prefix, by a MAC of its own or another."""

    mac: Mac
    prefix: Prefix


class Subport(msgspec.Struct, frozen=True):
    """A port's place in a trunk: frames tagged with ``vlan`` (1 to 4094) of the VIF of ``parent``.

    ``parent`` is the trunk's own port, whose host is the subport's.
    """

    trunk_id: str
    parent: str
    vlan: int


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A host that a port is bound to beside the one that it is at.

    It is where the guest is about to go or, ``left``, where it came from.
    """

    host: str
    vnic_type: str = "normal"
    profile: dict[str, object] = msgspec.field(default_factory=dict)
    left: bool = False


class Port(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An attachment to a network: a guest's interface, or a router's.

    ``moves`` counts how often it left a host that it was bound to: the sequence number of MAC
    mobility (RFC 7432 section 7.7), which has to rise whatever restarts in between.
    ``dns_name`` is its host name, without its network's domain. ``host``, ``vnic_type`` and
    ``profile`` are those of its active binding; ``bindings`` are the others, of other hosts, while
    the guest is migrated. ``subport`` is its place in a trunk, whose VIF it then shares instead of
    having its own.
    """

    network_id: str
    mac: Mac
    fixed_ips: tuple[FixedIp, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    moves: int = 0
    vnic_type: str = "normal"
    admin_state_up: bool = True
    port_security_enabled: bool = True
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    profile: dict[str, object] = msgspec.field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    extra_dhcp_options: tuple[ExtraDhcpOption, ...] = ()
    dns_name: str = ""
    subport: Subport | None = None
    qos_policy_id: str | None = None

    @property
    def standby(self) -> dict[str, bool]:
        """The hosts beside its own that are made ready for it, and whether it was there before.

        Nova without port bindings says where a guest is about to go in ``binding:profile``.
        """
        hosts = {binding.host: binding.left for binding in self.bindings}
        going = self.profile.get(MIGRATING_TO) if self.profile else None
        if isinstance(going, str) and going:
            hosts.setdefault(going, False)
        hosts.pop(self.host, None)
        return hosts


class Trunk(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A port whose VIF carries other ports too, each by a VLAN tag: those name it as theirs.

    ``admin_state_up`` False keeps it as it is: neither subports come and go, nor does it itself.
    """

    port_id: str
    admin_state_up: bool = True


class RouterGateway(msgspec.Struct, frozen=True):
    """The way out of a router: an external network, and the router's port there.

    ``enable_snat`` hides the IPv4 addresses of guests without a floating IP behind one address:
    the port's where the router is centralised, their hypervisor's where it is distributed.
    ``qos_policy_id`` is for what is hidden behind the port's.
    """

    network_id: str
    port_id: str
    enable_snat: bool = True
    qos_policy_id: str | None = None


class Router(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A VRF. ``vni`` is the layer 3 VNI of symmetric IRB (RFC 9135), ``label`` its MPLS label.

    ``import_targets`` and ``export_targets`` come on top of the automatic route target.
    ``distributed`` says where SNAT is done: on each guest's own hypervisor, or on one for the
    router, which another takes over from. ``nat`` is the number of its connection tracking zone,
    1 to 32767, allocated with its first gateway; 0 before. ``routes`` are static, by next hops on
    the router's networks or on the external one. ``zone_hints`` are the availability zones that it
    was asked for in.
    """

    vni: Vni
    label: Label
    number: int
    admin_state_up: bool = True
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    gateway: RouterGateway | None = None
    distributed: bool = False
    ha: bool = False
    nat: int = 0
    routes: tuple[HostRoute, ...] = ()
    zone_hints: tuple[str, ...] = ()


class FloatingIp(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An address of an external network that stands for one of a guest.

    ``floating_port_id`` is the port that holds the address. ``port_id`` is the guest's, "" while
    it stands for none, ``fixed_ip`` its address and ``router_id`` the router between. ``dns_name``
    and ``dns_domain`` are kept and shown. ``meter`` is the number that its bandwidth is limited by,
    1 to 32767, allocated with its first QoS policy; 0 before.
    """

    network_id: str
    ip: Ip
    floating_port_id: str
    port_id: str = ""
    fixed_ip: Ip | None = None
    router_id: str = ""
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None
    meter: int = 0


class PortForwarding(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Ports of a floating IP that stand for ports of a guest's address: as many, in order.

    ``protocol`` is IANA's number (TCP or UDP); ``external`` and ``internal`` are the first and
    last port of each range.
    """

    floatingip_id: str
    protocol: int
    external: tuple[int, int]
    port_id: str
    fixed_ip: Ip
    internal: tuple[int, int]


DEFAULT_GROUP: Final = "default"
"""The name of a project's default security group, which no other has."""


class SecurityGroup(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """A set of rules that ports share; what no rule of a port's groups allows is dropped.

    ``stateful`` lets the answers to what is allowed pass without a rule.
    """

    stateful: bool = True

    @property
    def is_default(self) -> bool:
        """Whether it is its project's default group."""
        return self.name == DEFAULT_GROUP


class RuleTerms(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What is allowed.

    ``direction`` is ``ingress`` (to the port) or ``egress``. ``protocol`` is IANA's number, None
    for any, and ``protocol_name`` how it was said. ``port_range_min`` and ``port_range_max`` are
    the destination ports; type and code of ICMP. At most one of the three remotes is given.
    ``cidr`` is ``remote_ip_prefix`` as it was said.
    """

    direction: str
    ethertype: str = "IPv4"
    protocol: int | None = None
    protocol_name: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: Prefix | None = None
    cidr: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None

    @property
    def remote_id(self) -> str | None:
        """The set of addresses that it refers to, if any."""
        return self.remote_group_id or self.remote_address_group_id


class SecurityGroupRule(RuleTerms, frozen=True, kw_only=True, omit_defaults=True):
    """What a security group allows."""

    security_group_id: str


ITSELF: Final = "PARENT"
"""The remote group of a rule for new groups that is to be the new group."""


class DefaultRule(RuleTerms, frozen=True, kw_only=True, omit_defaults=True):
    """A rule that new security groups have from the start.

    Those are projects' default groups (``used_in_default_sg``), or all others. Its remote group may
    be ``ITSELF``.
    """

    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True


class Seeded(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A kind, whose name is the id, that the controller put first rows of: it does so once."""


class AddressGroup(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Prefixes that rules refer to together."""

    addresses: tuple[Prefix, ...] = ()


class Quota(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How much a project, whose id is the row's, may have of each resource; -1 for no limit."""

    limits: dict[str, int] = msgspec.field(default_factory=dict)


class BgpVpn(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A BGP VPN that tenants may join (Neutron's ``bgpvpn``).

    ``type`` is ``l3`` or ``l2``. ``route_targets`` are imported and exported both.
    ``local_preference`` and ``communities`` (RFC 1997, as 32-bit numbers) are said with every
    route that is exported because of it. ``route_distinguishers`` and ``vni`` are the
    operator's, kept and shown: the controller gives every path its own RD.
    """

    type: str = "l3"
    route_targets: tuple[RouteTarget, ...] = ()
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    route_distinguishers: tuple[str, ...] = ()
    vni: int | None = None
    local_preference: int | None = None
    communities: tuple[int, ...] = ()


class BgpVpnNetwork(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A network in a BGP VPN. An ``l2`` one joins its EVI.

    An ``l3`` one joins what routes the network: its router's VRF, for this network's prefixes
    only; or, while it has no router, a VRF of its own with what is allocated here (``mac`` is
    then its gateway's).
    """

    bgpvpn_id: str
    network_id: str
    vni: Vni
    label: Label
    number: int
    mac: Mac


class BgpVpnRouter(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A router in a BGP VPN; ``advertise_extra_routes`` says its extra routes too."""

    bgpvpn_id: str
    router_id: str
    advertise_extra_routes: bool = True


class PortRoute(msgspec.Struct, frozen=True):
    """What a port association announces more: a prefix behind the port."""

    prefix: Prefix
    local_preference: int | None = None


class BgpVpnPort(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A port in a BGP VPN: its addresses (``advertise_fixed_ips``) and routes behind it."""

    bgpvpn_id: str
    port_id: str
    advertise_fixed_ips: bool = True
    routes: tuple[PortRoute, ...] = ()


# ---- the built-in identity service -------------------------------------------------------------


class Project(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What owns networks: a tenant."""

    domain_id: str = "default"
    enabled: bool = True


class User(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Who may log in. ``password`` is a hash; without one nobody can.

    Tokens issued before ``valid_from``, microseconds since the epoch, are not good any more.
    """

    domain_id: str = "default"
    enabled: bool = True
    password: str = ""
    default_project_id: str = ""
    email: str = ""
    valid_from: int = 0

    def __repr__(self) -> str:
        """Without the password, wherever a row is logged."""
        return f"User(id={self.id!r}, name={self.name!r})"


class RoleAssignment(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A user's role on a ``target``: ``project:ID``, ``domain:ID`` or ``system``."""

    user_id: str
    target: str
    role: str


class ApplicationCredential(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a program logs in with for a user, on one ``target`` with some of its ``roles``.

    ``secret`` is a hash; ``expires_at`` is microseconds since the epoch, 0 for never.
    """

    user_id: str
    target: str
    roles: tuple[str, ...]
    secret: str
    expires_at: int = 0

    def __repr__(self) -> str:
        """Without the secret, wherever a row is logged."""
        return f"ApplicationCredential(id={self.id!r}, user_id={self.user_id!r})"


class RevokedToken(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A token that is no longer good; ``id`` is its audit id, ``expires_at`` microseconds."""

    expires_at: int


class TokenKey(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The key that tokens are signed with, as hexadecimal digits."""

    secret: str

    def __repr__(self) -> str:
        """Without the secret, wherever a row is logged."""
        return f"TokenKey(id={self.id!r})"


KINDS: Final[dict[str, type[Row]]] = {
    "hypervisor": Hypervisor,
    "link": Link,
    "bgp_peer": BgpPeer,
    "gateway": Gateway,
    "network": Network,
    "rbac_policy": RbacPolicy,
    "qos_policy": QosPolicy,
    "bandwidth_limit_rule": BandwidthLimitRule,
    "dscp_marking_rule": DscpMarkingRule,
    "minimum_bandwidth_rule": MinimumBandwidthRule,
    "address_scope": AddressScope,
    "subnetpool": SubnetPool,
    "subnet": Subnet,
    "port": Port,
    "trunk": Trunk,
    "router": Router,
    "floatingip": FloatingIp,
    "port_forwarding": PortForwarding,
    "security_group": SecurityGroup,
    "security_group_rule": SecurityGroupRule,
    "default_rule": DefaultRule,
    "seeded": Seeded,
    "address_group": AddressGroup,
    "quota": Quota,
    "bgpvpn": BgpVpn,
    "bgpvpn_network": BgpVpnNetwork,
    "bgpvpn_router": BgpVpnRouter,
    "bgpvpn_port": BgpVpnPort,
    "project": Project,
    "user": User,
    "role_assignment": RoleAssignment,
    "application_credential": ApplicationCredential,
    "revoked_token": RevokedToken,
    "token_key": TokenKey,
}
"""Every kind by the name of its relation, in the store and in the graph alike."""

KIND_OF: Final[dict[type[Row], str]] = {row: kind for kind, row in KINDS.items()}
"""The inverse of ``KINDS``."""
