from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Downstream(_message.Message):
    __slots__ = ("groups", "nonce", "revision", "in_sync", "epoch")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[GroupDelta]
    nonce: int
    revision: int
    in_sync: bool
    epoch: int
    def __init__(self, groups: _Optional[_Iterable[_Union[GroupDelta, _Mapping]]] = ..., nonce: _Optional[int] = ..., revision: _Optional[int] = ..., in_sync: _Optional[bool] = ..., epoch: _Optional[int] = ...) -> None: ...

class GroupDelta(_message.Message):
    __slots__ = ("group", "version", "snapshot", "upserts", "removals", "leave", "partial")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    UPSERTS_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    group: str
    version: int
    snapshot: bool
    upserts: _containers.RepeatedCompositeFieldContainer[Resource]
    removals: _containers.RepeatedScalarFieldContainer[str]
    leave: bool
    partial: bool
    def __init__(self, group: _Optional[str] = ..., version: _Optional[int] = ..., snapshot: _Optional[bool] = ..., upserts: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., removals: _Optional[_Iterable[str]] = ..., leave: _Optional[bool] = ..., partial: _Optional[bool] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("key", "node", "port", "evi", "irb", "neighbor", "fdb", "flood", "vrf", "fib", "probe", "subnet", "rule", "remote", "name", "exit", "floating", "hiding", "forwarding")
    KEY_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    EVI_FIELD_NUMBER: _ClassVar[int]
    IRB_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOR_FIELD_NUMBER: _ClassVar[int]
    FDB_FIELD_NUMBER: _ClassVar[int]
    FLOOD_FIELD_NUMBER: _ClassVar[int]
    VRF_FIELD_NUMBER: _ClassVar[int]
    FIB_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    FLOATING_FIELD_NUMBER: _ClassVar[int]
    HIDING_FIELD_NUMBER: _ClassVar[int]
    FORWARDING_FIELD_NUMBER: _ClassVar[int]
    key: str
    node: Node
    port: LocalPort
    evi: Evi
    irb: Irb
    neighbor: Neighbor
    fdb: Fdb
    flood: Flood
    vrf: Vrf
    fib: Fib
    probe: Probe
    subnet: SubnetOptions
    rule: SecurityRule
    remote: RemoteAddresses
    name: HostName
    exit: Exit
    floating: FloatingAddress
    hiding: HidingAddress
    forwarding: Forwarding
    def __init__(self, key: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., port: _Optional[_Union[LocalPort, _Mapping]] = ..., evi: _Optional[_Union[Evi, _Mapping]] = ..., irb: _Optional[_Union[Irb, _Mapping]] = ..., neighbor: _Optional[_Union[Neighbor, _Mapping]] = ..., fdb: _Optional[_Union[Fdb, _Mapping]] = ..., flood: _Optional[_Union[Flood, _Mapping]] = ..., vrf: _Optional[_Union[Vrf, _Mapping]] = ..., fib: _Optional[_Union[Fib, _Mapping]] = ..., probe: _Optional[_Union[Probe, _Mapping]] = ..., subnet: _Optional[_Union[SubnetOptions, _Mapping]] = ..., rule: _Optional[_Union[SecurityRule, _Mapping]] = ..., remote: _Optional[_Union[RemoteAddresses, _Mapping]] = ..., name: _Optional[_Union[HostName, _Mapping]] = ..., exit: _Optional[_Union[Exit, _Mapping]] = ..., floating: _Optional[_Union[FloatingAddress, _Mapping]] = ..., hiding: _Optional[_Union[HidingAddress, _Mapping]] = ..., forwarding: _Optional[_Union[Forwarding, _Mapping]] = ...) -> None: ...

class NextHop(_message.Message):
    __slots__ = ("vtep", "label", "vni", "encapsulations", "router_mac")
    VTEP_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATIONS_FIELD_NUMBER: _ClassVar[int]
    ROUTER_MAC_FIELD_NUMBER: _ClassVar[int]
    vtep: bytes
    label: int
    vni: int
    encapsulations: _containers.RepeatedScalarFieldContainer[int]
    router_mac: bytes
    def __init__(self, vtep: _Optional[bytes] = ..., label: _Optional[int] = ..., vni: _Optional[int] = ..., encapsulations: _Optional[_Iterable[int]] = ..., router_mac: _Optional[bytes] = ...) -> None: ...

class Distance(_message.Message):
    __slots__ = ("vtep", "cost")
    VTEP_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    vtep: bytes
    cost: int
    def __init__(self, vtep: _Optional[bytes] = ..., cost: _Optional[int] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("host", "vtep", "encapsulations", "mtu", "router_mac", "distances")
    HOST_FIELD_NUMBER: _ClassVar[int]
    VTEP_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATIONS_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    ROUTER_MAC_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    host: str
    vtep: bytes
    encapsulations: _containers.RepeatedScalarFieldContainer[int]
    mtu: int
    router_mac: bytes
    distances: _containers.RepeatedCompositeFieldContainer[Distance]
    def __init__(self, host: _Optional[str] = ..., vtep: _Optional[bytes] = ..., encapsulations: _Optional[_Iterable[int]] = ..., mtu: _Optional[int] = ..., router_mac: _Optional[bytes] = ..., distances: _Optional[_Iterable[_Union[Distance, _Mapping]]] = ...) -> None: ...

class LocalPort(_message.Message):
    __slots__ = ("port_id", "vni", "vrf", "mac", "addresses", "admin_state_up", "security", "behind", "router_mac", "host_name", "dhcp_options", "mtu", "device_id", "project_id", "security_groups", "pairs", "parent", "vlan", "qos", "zone", "standby", "onward", "onward_routed", "picks_up", "claimed")
    PORT_ID_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    VRF_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ADMIN_STATE_UP_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    ROUTER_MAC_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    DHCP_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    QOS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    STANDBY_FIELD_NUMBER: _ClassVar[int]
    ONWARD_FIELD_NUMBER: _ClassVar[int]
    ONWARD_ROUTED_FIELD_NUMBER: _ClassVar[int]
    PICKS_UP_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    port_id: str
    vni: int
    vrf: int
    mac: bytes
    addresses: _containers.RepeatedScalarFieldContainer[bytes]
    admin_state_up: bool
    security: bool
    behind: _containers.RepeatedCompositeFieldContainer[Prefix]
    router_mac: bytes
    host_name: str
    dhcp_options: _containers.RepeatedCompositeFieldContainer[DhcpOption]
    mtu: int
    device_id: str
    project_id: str
    security_groups: _containers.RepeatedScalarFieldContainer[str]
    pairs: _containers.RepeatedCompositeFieldContainer[AddressPair]
    parent: str
    vlan: int
    qos: Qos
    zone: int
    standby: bool
    onward: NextHop
    onward_routed: NextHop
    picks_up: bool
    claimed: _containers.RepeatedCompositeFieldContainer[Claimed]
    def __init__(self, port_id: _Optional[str] = ..., vni: _Optional[int] = ..., vrf: _Optional[int] = ..., mac: _Optional[bytes] = ..., addresses: _Optional[_Iterable[bytes]] = ..., admin_state_up: _Optional[bool] = ..., security: _Optional[bool] = ..., behind: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ..., router_mac: _Optional[bytes] = ..., host_name: _Optional[str] = ..., dhcp_options: _Optional[_Iterable[_Union[DhcpOption, _Mapping]]] = ..., mtu: _Optional[int] = ..., device_id: _Optional[str] = ..., project_id: _Optional[str] = ..., security_groups: _Optional[_Iterable[str]] = ..., pairs: _Optional[_Iterable[_Union[AddressPair, _Mapping]]] = ..., parent: _Optional[str] = ..., vlan: _Optional[int] = ..., qos: _Optional[_Union[Qos, _Mapping]] = ..., zone: _Optional[int] = ..., standby: _Optional[bool] = ..., onward: _Optional[_Union[NextHop, _Mapping]] = ..., onward_routed: _Optional[_Union[NextHop, _Mapping]] = ..., picks_up: _Optional[bool] = ..., claimed: _Optional[_Iterable[_Union[Claimed, _Mapping]]] = ...) -> None: ...

class Claimed(_message.Message):
    __slots__ = ("mac", "ip")
    MAC_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    mac: bytes
    ip: bytes
    def __init__(self, mac: _Optional[bytes] = ..., ip: _Optional[bytes] = ...) -> None: ...

class Qos(_message.Message):
    __slots__ = ("egress", "ingress", "dscp")
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    DSCP_FIELD_NUMBER: _ClassVar[int]
    egress: Limit
    ingress: Limit
    dscp: int
    def __init__(self, egress: _Optional[_Union[Limit, _Mapping]] = ..., ingress: _Optional[_Union[Limit, _Mapping]] = ..., dscp: _Optional[int] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("rate", "burst")
    RATE_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    rate: int
    burst: int
    def __init__(self, rate: _Optional[int] = ..., burst: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("number", "egress", "ingress")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    number: int
    egress: Limit
    ingress: Limit
    def __init__(self, number: _Optional[int] = ..., egress: _Optional[_Union[Limit, _Mapping]] = ..., ingress: _Optional[_Union[Limit, _Mapping]] = ...) -> None: ...

class AddressPair(_message.Message):
    __slots__ = ("mac", "prefix")
    MAC_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    mac: bytes
    prefix: Prefix
    def __init__(self, mac: _Optional[bytes] = ..., prefix: _Optional[_Union[Prefix, _Mapping]] = ...) -> None: ...

class SecurityRule(_message.Message):
    __slots__ = ("group", "rule_id", "ingress", "version", "protocol", "first", "last", "prefix", "remote", "stateful")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    STATEFUL_FIELD_NUMBER: _ClassVar[int]
    group: str
    rule_id: str
    ingress: bool
    version: int
    protocol: int
    first: int
    last: int
    prefix: Prefix
    remote: str
    stateful: bool
    def __init__(self, group: _Optional[str] = ..., rule_id: _Optional[str] = ..., ingress: _Optional[bool] = ..., version: _Optional[int] = ..., protocol: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., prefix: _Optional[_Union[Prefix, _Mapping]] = ..., remote: _Optional[str] = ..., stateful: _Optional[bool] = ...) -> None: ...

class RemoteAddresses(_message.Message):
    __slots__ = ("remote", "name", "prefixes")
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    remote: str
    name: str
    prefixes: _containers.RepeatedCompositeFieldContainer[Prefix]
    def __init__(self, remote: _Optional[str] = ..., name: _Optional[str] = ..., prefixes: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ...) -> None: ...

class DhcpOption(_message.Message):
    __slots__ = ("version", "code", "value")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    version: int
    code: int
    value: bytes
    def __init__(self, version: _Optional[int] = ..., code: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class Evi(_message.Message):
    __slots__ = ("vni", "label", "mtu", "vrf")
    VNI_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    VRF_FIELD_NUMBER: _ClassVar[int]
    vni: int
    label: int
    mtu: int
    vrf: int
    def __init__(self, vni: _Optional[int] = ..., label: _Optional[int] = ..., mtu: _Optional[int] = ..., vrf: _Optional[int] = ...) -> None: ...

class Prefix(_message.Message):
    __slots__ = ("ip", "length")
    IP_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ip: bytes
    length: int
    def __init__(self, ip: _Optional[bytes] = ..., length: _Optional[int] = ...) -> None: ...

class Irb(_message.Message):
    __slots__ = ("vni", "vrf", "port_id", "mac", "addresses")
    VNI_FIELD_NUMBER: _ClassVar[int]
    VRF_FIELD_NUMBER: _ClassVar[int]
    PORT_ID_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    vni: int
    vrf: int
    port_id: str
    mac: bytes
    addresses: _containers.RepeatedCompositeFieldContainer[Prefix]
    def __init__(self, vni: _Optional[int] = ..., vrf: _Optional[int] = ..., port_id: _Optional[str] = ..., mac: _Optional[bytes] = ..., addresses: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ...) -> None: ...

class HostRoute(_message.Message):
    __slots__ = ("destination", "next_hop")
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_HOP_FIELD_NUMBER: _ClassVar[int]
    destination: Prefix
    next_hop: bytes
    def __init__(self, destination: _Optional[_Union[Prefix, _Mapping]] = ..., next_hop: _Optional[bytes] = ...) -> None: ...

class SubnetOptions(_message.Message):
    __slots__ = ("vni", "subnet_id", "prefix", "gateway", "dhcp", "stateless", "advertised", "autonomous", "dns_servers", "routes", "lease_time", "domain", "other")
    VNI_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    DHCP_FIELD_NUMBER: _ClassVar[int]
    STATELESS_FIELD_NUMBER: _ClassVar[int]
    ADVERTISED_FIELD_NUMBER: _ClassVar[int]
    AUTONOMOUS_FIELD_NUMBER: _ClassVar[int]
    DNS_SERVERS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    LEASE_TIME_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    vni: int
    subnet_id: str
    prefix: Prefix
    gateway: bytes
    dhcp: bool
    stateless: bool
    advertised: bool
    autonomous: bool
    dns_servers: _containers.RepeatedScalarFieldContainer[bytes]
    routes: _containers.RepeatedCompositeFieldContainer[HostRoute]
    lease_time: int
    domain: str
    other: bool
    def __init__(self, vni: _Optional[int] = ..., subnet_id: _Optional[str] = ..., prefix: _Optional[_Union[Prefix, _Mapping]] = ..., gateway: _Optional[bytes] = ..., dhcp: _Optional[bool] = ..., stateless: _Optional[bool] = ..., advertised: _Optional[bool] = ..., autonomous: _Optional[bool] = ..., dns_servers: _Optional[_Iterable[bytes]] = ..., routes: _Optional[_Iterable[_Union[HostRoute, _Mapping]]] = ..., lease_time: _Optional[int] = ..., domain: _Optional[str] = ..., other: _Optional[bool] = ...) -> None: ...

class HostName(_message.Message):
    __slots__ = ("vni", "port_id", "name", "addresses")
    VNI_FIELD_NUMBER: _ClassVar[int]
    PORT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    vni: int
    port_id: str
    name: str
    addresses: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, vni: _Optional[int] = ..., port_id: _Optional[str] = ..., name: _Optional[str] = ..., addresses: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Neighbor(_message.Message):
    __slots__ = ("vni", "ip", "mac")
    VNI_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    vni: int
    ip: bytes
    mac: bytes
    def __init__(self, vni: _Optional[int] = ..., ip: _Optional[bytes] = ..., mac: _Optional[bytes] = ...) -> None: ...

class Fdb(_message.Message):
    __slots__ = ("vni", "mac", "via")
    VNI_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    vni: int
    mac: bytes
    via: NextHop
    def __init__(self, vni: _Optional[int] = ..., mac: _Optional[bytes] = ..., via: _Optional[_Union[NextHop, _Mapping]] = ...) -> None: ...

class Flood(_message.Message):
    __slots__ = ("vni", "via")
    VNI_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    vni: int
    via: NextHop
    def __init__(self, vni: _Optional[int] = ..., via: _Optional[_Union[NextHop, _Mapping]] = ...) -> None: ...

class Vrf(_message.Message):
    __slots__ = ("vni", "label", "connected")
    VNI_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    vni: int
    label: int
    connected: _containers.RepeatedCompositeFieldContainer[Prefix]
    def __init__(self, vni: _Optional[int] = ..., label: _Optional[int] = ..., connected: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ...) -> None: ...

class Fib(_message.Message):
    __slots__ = ("vrf", "prefix", "via", "backup")
    VRF_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    vrf: int
    prefix: Prefix
    via: _containers.RepeatedCompositeFieldContainer[NextHop]
    backup: _containers.RepeatedCompositeFieldContainer[NextHop]
    def __init__(self, vrf: _Optional[int] = ..., prefix: _Optional[_Union[Prefix, _Mapping]] = ..., via: _Optional[_Iterable[_Union[NextHop, _Mapping]]] = ..., backup: _Optional[_Iterable[_Union[NextHop, _Mapping]]] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("vrf", "external", "zone", "prefixes", "snat", "distributed", "address", "at", "limits")
    VRF_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    SNAT_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTED_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    vrf: int
    external: int
    zone: int
    prefixes: _containers.RepeatedCompositeFieldContainer[Prefix]
    snat: bool
    distributed: bool
    address: bytes
    at: NextHop
    limits: Limits
    def __init__(self, vrf: _Optional[int] = ..., external: _Optional[int] = ..., zone: _Optional[int] = ..., prefixes: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ..., snat: _Optional[bool] = ..., distributed: _Optional[bool] = ..., address: _Optional[bytes] = ..., at: _Optional[_Union[NextHop, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class FloatingAddress(_message.Message):
    __slots__ = ("external", "ip", "vrf", "fixed", "zone", "limits")
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    VRF_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    external: int
    ip: bytes
    vrf: int
    fixed: bytes
    zone: int
    limits: Limits
    def __init__(self, external: _Optional[int] = ..., ip: _Optional[bytes] = ..., vrf: _Optional[int] = ..., fixed: _Optional[bytes] = ..., zone: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class HidingAddress(_message.Message):
    __slots__ = ("external", "ip")
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    external: int
    ip: bytes
    def __init__(self, external: _Optional[int] = ..., ip: _Optional[bytes] = ...) -> None: ...

class Forwarding(_message.Message):
    __slots__ = ("vrf", "forwarding_id", "external", "ip", "protocol", "first", "last", "fixed", "internal_first", "internal_last", "zone", "at", "limits")
    VRF_FIELD_NUMBER: _ClassVar[int]
    FORWARDING_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIRST_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_LAST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    vrf: int
    forwarding_id: str
    external: int
    ip: bytes
    protocol: int
    first: int
    last: int
    fixed: bytes
    internal_first: int
    internal_last: int
    zone: int
    at: NextHop
    limits: Limits
    def __init__(self, vrf: _Optional[int] = ..., forwarding_id: _Optional[str] = ..., external: _Optional[int] = ..., ip: _Optional[bytes] = ..., protocol: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., fixed: _Optional[bytes] = ..., internal_first: _Optional[int] = ..., internal_last: _Optional[int] = ..., zone: _Optional[int] = ..., at: _Optional[_Union[NextHop, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("vni", "vtep", "interval", "multiplier")
    VNI_FIELD_NUMBER: _ClassVar[int]
    VTEP_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    vni: int
    vtep: bytes
    interval: int
    multiplier: int
    def __init__(self, vni: _Optional[int] = ..., vtep: _Optional[bytes] = ..., interval: _Optional[int] = ..., multiplier: _Optional[int] = ...) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("hello", "ack", "nack", "port_status", "drops", "reachability", "claim")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    PORT_STATUS_FIELD_NUMBER: _ClassVar[int]
    DROPS_FIELD_NUMBER: _ClassVar[int]
    REACHABILITY_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ack: Ack
    nack: Nack
    port_status: PortStatus
    drops: Drops
    reachability: Reachability
    claim: Claim
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., nack: _Optional[_Union[Nack, _Mapping]] = ..., port_status: _Optional[_Union[PortStatus, _Mapping]] = ..., drops: _Optional[_Union[Drops, _Mapping]] = ..., reachability: _Optional[_Union[Reachability, _Mapping]] = ..., claim: _Optional[_Union[Claim, _Mapping]] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("port_id", "mac", "ip", "age_ms")
    PORT_ID_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    port_id: str
    mac: bytes
    ip: bytes
    age_ms: int
    def __init__(self, port_id: _Optional[str] = ..., mac: _Optional[bytes] = ..., ip: _Optional[bytes] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("versions", "epoch", "software")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.ScalarMap[str, int]
    epoch: int
    software: str
    def __init__(self, versions: _Optional[_Mapping[str, int]] = ..., epoch: _Optional[int] = ..., software: _Optional[str] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("received", "programmed", "received_ns", "programmed_ns")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PROGRAMMED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMMED_NS_FIELD_NUMBER: _ClassVar[int]
    received: int
    programmed: int
    received_ns: int
    programmed_ns: int
    def __init__(self, received: _Optional[int] = ..., programmed: _Optional[int] = ..., received_ns: _Optional[int] = ..., programmed_ns: _Optional[int] = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("nonce", "group", "key", "reason", "resync")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    group: str
    key: str
    reason: str
    resync: bool
    def __init__(self, nonce: _Optional[int] = ..., group: _Optional[str] = ..., key: _Optional[str] = ..., reason: _Optional[str] = ..., resync: _Optional[bool] = ...) -> None: ...

class Drops(_message.Message):
    __slots__ = ("packets",)
    class PacketsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    packets: _containers.ScalarMap[str, int]
    def __init__(self, packets: _Optional[_Mapping[str, int]] = ...) -> None: ...

class PortStatus(_message.Message):
    __slots__ = ("port_id", "up", "reason", "awaited", "failed", "age_ms")
    PORT_ID_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    port_id: str
    up: bool
    reason: str
    awaited: bool
    failed: bool
    age_ms: int
    def __init__(self, port_id: _Optional[str] = ..., up: _Optional[bool] = ..., reason: _Optional[str] = ..., awaited: _Optional[bool] = ..., failed: _Optional[bool] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Reachability(_message.Message):
    __slots__ = ("vtep", "up")
    VTEP_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    vtep: bytes
    up: bool
    def __init__(self, vtep: _Optional[bytes] = ..., up: _Optional[bool] = ...) -> None: ...
