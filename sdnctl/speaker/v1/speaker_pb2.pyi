from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MacIp(_message.Message):
    __slots__ = ("rd", "mac", "ip")
    RD_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    rd: bytes
    mac: bytes
    ip: bytes
    def __init__(self, rd: _Optional[bytes] = ..., mac: _Optional[bytes] = ..., ip: _Optional[bytes] = ...) -> None: ...

class InclusiveMulticast(_message.Message):
    __slots__ = ("rd", "originator")
    RD_FIELD_NUMBER: _ClassVar[int]
    ORIGINATOR_FIELD_NUMBER: _ClassVar[int]
    rd: bytes
    originator: bytes
    def __init__(self, rd: _Optional[bytes] = ..., originator: _Optional[bytes] = ...) -> None: ...

class IpPrefix(_message.Message):
    __slots__ = ("rd", "ip", "length")
    RD_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    rd: bytes
    ip: bytes
    length: int
    def __init__(self, rd: _Optional[bytes] = ..., ip: _Optional[bytes] = ..., length: _Optional[int] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("asn", "target", "length")
    ASN_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    asn: int
    target: bytes
    length: int
    def __init__(self, asn: _Optional[int] = ..., target: _Optional[bytes] = ..., length: _Optional[int] = ...) -> None: ...

class Nlri(_message.Message):
    __slots__ = ("ip_prefix", "mac_ip", "inclusive_multicast", "membership", "path_id")
    IP_PREFIX_FIELD_NUMBER: _ClassVar[int]
    MAC_IP_FIELD_NUMBER: _ClassVar[int]
    INCLUSIVE_MULTICAST_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    PATH_ID_FIELD_NUMBER: _ClassVar[int]
    ip_prefix: IpPrefix
    mac_ip: MacIp
    inclusive_multicast: InclusiveMulticast
    membership: Membership
    path_id: int
    def __init__(self, ip_prefix: _Optional[_Union[IpPrefix, _Mapping]] = ..., mac_ip: _Optional[_Union[MacIp, _Mapping]] = ..., inclusive_multicast: _Optional[_Union[InclusiveMulticast, _Mapping]] = ..., membership: _Optional[_Union[Membership, _Mapping]] = ..., path_id: _Optional[int] = ...) -> None: ...

class Path(_message.Message):
    __slots__ = ("next_hop", "route_targets", "encapsulations", "label", "vni", "router_mac", "local_preference", "as_path", "origin", "med", "peer", "ebgp", "router_id", "sequence", "sticky", "communities", "default_gateway", "stale", "l3_vni")
    NEXT_HOP_FIELD_NUMBER: _ClassVar[int]
    ROUTE_TARGETS_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATIONS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    ROUTER_MAC_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    AS_PATH_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    MED_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    EBGP_FIELD_NUMBER: _ClassVar[int]
    ROUTER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    COMMUNITIES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_GATEWAY_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    L3_VNI_FIELD_NUMBER: _ClassVar[int]
    next_hop: bytes
    route_targets: _containers.RepeatedScalarFieldContainer[bytes]
    encapsulations: _containers.RepeatedScalarFieldContainer[int]
    label: int
    vni: int
    router_mac: bytes
    local_preference: int
    as_path: _containers.RepeatedScalarFieldContainer[int]
    origin: int
    med: int
    peer: bool
    ebgp: bool
    router_id: bytes
    sequence: int
    sticky: bool
    communities: _containers.RepeatedScalarFieldContainer[int]
    default_gateway: bool
    stale: bool
    l3_vni: int
    def __init__(self, next_hop: _Optional[bytes] = ..., route_targets: _Optional[_Iterable[bytes]] = ..., encapsulations: _Optional[_Iterable[int]] = ..., label: _Optional[int] = ..., vni: _Optional[int] = ..., router_mac: _Optional[bytes] = ..., local_preference: _Optional[int] = ..., as_path: _Optional[_Iterable[int]] = ..., origin: _Optional[int] = ..., med: _Optional[int] = ..., peer: _Optional[bool] = ..., ebgp: _Optional[bool] = ..., router_id: _Optional[bytes] = ..., sequence: _Optional[int] = ..., sticky: _Optional[bool] = ..., communities: _Optional[_Iterable[int]] = ..., default_gateway: _Optional[bool] = ..., stale: _Optional[bool] = ..., l3_vni: _Optional[int] = ...) -> None: ...

class Routes(_message.Message):
    __slots__ = ("peer", "path", "nlris")
    PEER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    NLRIS_FIELD_NUMBER: _ClassVar[int]
    peer: str
    path: Path
    nlris: _containers.RepeatedCompositeFieldContainer[Nlri]
    def __init__(self, peer: _Optional[str] = ..., path: _Optional[_Union[Path, _Mapping]] = ..., nlris: _Optional[_Iterable[_Union[Nlri, _Mapping]]] = ...) -> None: ...

class Withdrawn(_message.Message):
    __slots__ = ("peer", "nlris")
    PEER_FIELD_NUMBER: _ClassVar[int]
    NLRIS_FIELD_NUMBER: _ClassVar[int]
    peer: str
    nlris: _containers.RepeatedCompositeFieldContainer[Nlri]
    def __init__(self, peer: _Optional[str] = ..., nlris: _Optional[_Iterable[_Union[Nlri, _Mapping]]] = ...) -> None: ...

class Downstream(_message.Message):
    __slots__ = ("peers", "batch", "replay_complete", "shutdown", "refresh")
    PEERS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    REPLAY_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    peers: Peers
    batch: Batch
    replay_complete: ReplayComplete
    shutdown: Shutdown
    refresh: Refresh
    def __init__(self, peers: _Optional[_Union[Peers, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., replay_complete: _Optional[_Union[ReplayComplete, _Mapping]] = ..., shutdown: _Optional[_Union[Shutdown, _Mapping]] = ..., refresh: _Optional[_Union[Refresh, _Mapping]] = ...) -> None: ...

class Peers(_message.Message):
    __slots__ = ("peers",)
    PEERS_FIELD_NUMBER: _ClassVar[int]
    peers: _containers.RepeatedCompositeFieldContainer[Peer]
    def __init__(self, peers: _Optional[_Iterable[_Union[Peer, _Mapping]]] = ...) -> None: ...

class Peer(_message.Message):
    __slots__ = ("name", "address", "asn", "local_asn", "router_id", "local_address", "families", "hold_time", "passive", "port", "password", "graceful_restart", "long_lived_stale", "ttl_security", "max_prefixes", "add_path")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ASN_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ASN_FIELD_NUMBER: _ClassVar[int]
    ROUTER_ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    HOLD_TIME_FIELD_NUMBER: _ClassVar[int]
    PASSIVE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    GRACEFUL_RESTART_FIELD_NUMBER: _ClassVar[int]
    LONG_LIVED_STALE_FIELD_NUMBER: _ClassVar[int]
    TTL_SECURITY_FIELD_NUMBER: _ClassVar[int]
    MAX_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    ADD_PATH_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: bytes
    asn: int
    local_asn: int
    router_id: bytes
    local_address: bytes
    families: _containers.RepeatedScalarFieldContainer[str]
    hold_time: int
    passive: bool
    port: int
    password: str
    graceful_restart: int
    long_lived_stale: int
    ttl_security: int
    max_prefixes: int
    add_path: bool
    def __init__(self, name: _Optional[str] = ..., address: _Optional[bytes] = ..., asn: _Optional[int] = ..., local_asn: _Optional[int] = ..., router_id: _Optional[bytes] = ..., local_address: _Optional[bytes] = ..., families: _Optional[_Iterable[str]] = ..., hold_time: _Optional[int] = ..., passive: _Optional[bool] = ..., port: _Optional[int] = ..., password: _Optional[str] = ..., graceful_restart: _Optional[int] = ..., long_lived_stale: _Optional[int] = ..., ttl_security: _Optional[int] = ..., max_prefixes: _Optional[int] = ..., add_path: _Optional[bool] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("sequence", "routes", "withdrawn")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    routes: _containers.RepeatedCompositeFieldContainer[Routes]
    withdrawn: _containers.RepeatedCompositeFieldContainer[Withdrawn]
    def __init__(self, sequence: _Optional[int] = ..., routes: _Optional[_Iterable[_Union[Routes, _Mapping]]] = ..., withdrawn: _Optional[_Iterable[_Union[Withdrawn, _Mapping]]] = ...) -> None: ...

class ReplayComplete(_message.Message):
    __slots__ = ("peer",)
    PEER_FIELD_NUMBER: _ClassVar[int]
    peer: str
    def __init__(self, peer: _Optional[str] = ...) -> None: ...

class Refresh(_message.Message):
    __slots__ = ("peer", "family")
    PEER_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    peer: str
    family: str
    def __init__(self, peer: _Optional[str] = ..., family: _Optional[str] = ...) -> None: ...

class Shutdown(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("ack", "session", "learned", "end_of_rib", "in_sync")
    ACK_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    END_OF_RIB_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    ack: Ack
    session: Session
    learned: Learned
    end_of_rib: EndOfRib
    in_sync: InSync
    def __init__(self, ack: _Optional[_Union[Ack, _Mapping]] = ..., session: _Optional[_Union[Session, _Mapping]] = ..., learned: _Optional[_Union[Learned, _Mapping]] = ..., end_of_rib: _Optional[_Union[EndOfRib, _Mapping]] = ..., in_sync: _Optional[_Union[InSync, _Mapping]] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("peer", "state", "last_error", "since_ns", "established", "updates_sent", "updates_received", "routes_out", "routes_in", "families")
    PEER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    SINCE_NS_FIELD_NUMBER: _ClassVar[int]
    ESTABLISHED_FIELD_NUMBER: _ClassVar[int]
    UPDATES_SENT_FIELD_NUMBER: _ClassVar[int]
    UPDATES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ROUTES_OUT_FIELD_NUMBER: _ClassVar[int]
    ROUTES_IN_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    peer: str
    state: str
    last_error: str
    since_ns: int
    established: int
    updates_sent: int
    updates_received: int
    routes_out: int
    routes_in: int
    families: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, peer: _Optional[str] = ..., state: _Optional[str] = ..., last_error: _Optional[str] = ..., since_ns: _Optional[int] = ..., established: _Optional[int] = ..., updates_sent: _Optional[int] = ..., updates_received: _Optional[int] = ..., routes_out: _Optional[int] = ..., routes_in: _Optional[int] = ..., families: _Optional[_Iterable[str]] = ...) -> None: ...

class Learned(_message.Message):
    __slots__ = ("routes", "withdrawn")
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    routes: _containers.RepeatedCompositeFieldContainer[Routes]
    withdrawn: _containers.RepeatedCompositeFieldContainer[Withdrawn]
    def __init__(self, routes: _Optional[_Iterable[_Union[Routes, _Mapping]]] = ..., withdrawn: _Optional[_Iterable[_Union[Withdrawn, _Mapping]]] = ...) -> None: ...

class EndOfRib(_message.Message):
    __slots__ = ("peer", "family")
    PEER_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    peer: str
    family: str
    def __init__(self, peer: _Optional[str] = ..., family: _Optional[str] = ...) -> None: ...

class InSync(_message.Message):
    __slots__ = ("peer",)
    PEER_FIELD_NUMBER: _ClassVar[int]
    peer: str
    def __init__(self, peer: _Optional[str] = ...) -> None: ...
