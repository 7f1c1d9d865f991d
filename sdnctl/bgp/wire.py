"""Peers, sessions and routes <-> protobuf: the codec of the speaker's stream.

Promise: decoding gives the value that was encoded. Both ends are of one release and of one
user, so it trusts the lengths of what it reads. Knows nothing of BGP's own encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sdnctl.bgp.peer import Family, Peer, Secret, SessionEvent
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    RouteKey,
)
from sdnctl.speaker.v1 import speaker_pb2 as pb
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni

METHOD: Final = "/sdnctl.speaker.v1.Speaker/Attach"
CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 20),
    # A socket that is not there yet is tried again soon: it is on this machine.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)
NANOSECONDS: Final = 1_000_000_000


def encode_peer(peer: Peer) -> pb.Peer:
    """A peer with its password: for the unix socket only."""
    return pb.Peer(
        name=peer.name,
        address=peer.address,
        asn=peer.asn,
        local_asn=peer.local_asn,
        router_id=peer.router_id,
        local_address=peer.local_address or b"",
        families=peer.families,
        hold_time=peer.hold_time,
        passive=peer.passive,
        port=peer.port,
        password=peer.password,
        graceful_restart=peer.graceful_restart,
        long_lived_stale=peer.long_lived_stale,
        ttl_security=peer.ttl_security,
        max_prefixes=peer.max_prefixes,
        add_path=peer.add_path,
    )


def decode_peer(message: pb.Peer) -> Peer:
    """The inverse of ``encode_peer``."""
    return Peer(
        name=message.name,
        address=Ip(message.address),
        asn=message.asn,
        local_asn=message.local_asn,
        router_id=Ip(message.router_id),
        local_address=Ip(message.local_address) if message.local_address else None,
        families=tuple(Family(f) for f in message.families),
        hold_time=message.hold_time,
        passive=message.passive,
        port=message.port,
        password=Secret(message.password),
        graceful_restart=message.graceful_restart,
        long_lived_stale=message.long_lived_stale,
        ttl_security=message.ttl_security,
        max_prefixes=message.max_prefixes,
        add_path=message.add_path,
    )


def encode_session(event: SessionEvent) -> pb.Session:
    """The state of a session."""
    return pb.Session(
        peer=event.peer,
        state=event.state,
        last_error=event.last_error,
        since_ns=round(event.since * NANOSECONDS),
        established=event.established,
        updates_sent=event.updates_sent,
        updates_received=event.updates_received,
        routes_out=event.routes_out,
        routes_in=event.routes_in,
        families=event.families,
    )


def decode_session(message: pb.Session) -> SessionEvent:
    """The inverse of ``encode_session``, to the nanosecond's rounding."""
    return SessionEvent(
        peer=message.peer,
        state=message.state,
        last_error=message.last_error,
        since=message.since_ns / NANOSECONDS,
        established=message.established,
        updates_sent=message.updates_sent,
        updates_received=message.updates_received,
        routes_out=message.routes_out,
        routes_in=message.routes_in,
        families=tuple(Family(f) for f in message.families),
    )


def encode_nlri(nlri: Nlri, path_id: int = 0) -> pb.Nlri:
    """What a route is about."""
    match nlri:
        case IpPrefixRoute(rd, (ip, length)):
            prefix = pb.IpPrefix(rd=rd, ip=ip, length=length)
            return pb.Nlri(ip_prefix=prefix, path_id=path_id)
        case MacIpRoute(rd, mac, address):
            return pb.Nlri(mac_ip=pb.MacIp(rd=rd, mac=mac, ip=address or b""), path_id=path_id)
        case InclusiveMulticastRoute(rd, originator):
            member = pb.InclusiveMulticast(rd=rd, originator=originator)
            return pb.Nlri(inclusive_multicast=member, path_id=path_id)
        case MembershipRoute(asn, target, length):
            wanted = pb.Membership(asn=asn, target=target or b"", length=length)
            return pb.Nlri(membership=wanted, path_id=path_id)


def decode_nlri(message: pb.Nlri) -> Nlri:
    """The inverse of ``encode_nlri``; ValueError for a kind that is not known."""
    match message.WhichOneof("kind"):
        case "ip_prefix":
            m = message.ip_prefix
            return IpPrefixRoute(RouteDistinguisher(m.rd), Prefix(Ip(m.ip), m.length))
        case "mac_ip":
            r = message.mac_ip
            return MacIpRoute(RouteDistinguisher(r.rd), Mac(r.mac), Ip(r.ip) if r.ip else None)
        case "inclusive_multicast":
            i = message.inclusive_multicast
            return InclusiveMulticastRoute(RouteDistinguisher(i.rd), Ip(i.originator))
        case "membership":
            w = message.membership
            return MembershipRoute(w.asn, RouteTarget(w.target) if w.target else None, w.length)
        case kind:
            raise ValueError(f"NLRI of unknown kind {kind}")


def encode_path(path: Path) -> pb.Path:
    """What is said about a route."""
    return pb.Path(
        next_hop=path.next_hop,
        route_targets=path.route_targets,
        encapsulations=path.encapsulations,
        label=path.label,
        vni=path.vni,
        router_mac=path.router_mac or b"",
        local_preference=path.local_preference,
        as_path=path.as_path,
        origin=path.origin,
        med=path.med,
        peer=path.peer,
        ebgp=path.ebgp,
        router_id=path.router_id or b"",
        sequence=path.sequence,
        sticky=path.sticky,
        communities=path.communities,
        default_gateway=path.default_gateway,
        stale=path.stale,
        l3_vni=path.l3_vni,
    )


def decode_path(message: pb.Path) -> Path:
    """The inverse of ``encode_path``."""
    return Path(
        next_hop=Ip(message.next_hop),
        route_targets=tuple(RouteTarget(t) for t in message.route_targets),
        encapsulations=tuple(Encapsulation(e) for e in message.encapsulations),
        label=Label(message.label),
        vni=Vni(message.vni),
        router_mac=Mac(message.router_mac) if message.router_mac else None,
        local_preference=message.local_preference,
        as_path=tuple(message.as_path),
        origin=message.origin,
        med=message.med,
        peer=message.peer,
        ebgp=message.ebgp,
        router_id=Ip(message.router_id) if message.router_id else None,
        sequence=message.sequence,
        sticky=message.sticky,
        communities=tuple(message.communities),
        default_gateway=message.default_gateway,
        stale=message.stale,
        l3_vni=Vni(message.l3_vni),
    )


def encode_routes(
    routes: Iterable[tuple[RouteKey, Path | None]],
) -> tuple[list[pb.Routes], list[pb.Withdrawn]]:
    """Routes that hold and routes that are gone (None), those that differ only in NLRI as one."""
    groups: dict[tuple[str, Path | None], list[pb.Nlri]] = {}
    for (peer, nlri, path_id), path in routes:
        groups.setdefault((peer, path), []).append(encode_nlri(nlri, path_id))
    announced = [
        pb.Routes(peer=peer, path=encode_path(path), nlris=nlris)
        for (peer, path), nlris in groups.items()
        if path is not None
    ]
    withdrawn = [
        pb.Withdrawn(peer=peer, nlris=nlris)
        for (peer, path), nlris in groups.items()
        if path is None
    ]
    return announced, withdrawn


def decode_routes(
    routes: Iterable[pb.Routes], withdrawn: Iterable[pb.Withdrawn]
) -> Iterator[tuple[RouteKey, Path | None]]:
    """The inverse of ``encode_routes``, in its order."""
    for group in routes:
        path = decode_path(group.path)
        for nlri in group.nlris:
            yield RouteKey(group.peer, decode_nlri(nlri), nlri.path_id), path
    for gone in withdrawn:
        for nlri in gone.nlris:
            yield RouteKey(gone.peer, decode_nlri(nlri), nlri.path_id), None
