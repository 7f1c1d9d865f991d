"""Types to and from protobuf: the only codec of the agent stream.

Promise: ``decode(encode(x)) == x`` for every ``Desired``; equal resources encode to equal bytes,
so that a hash of the bytes is a version of the value. What a newer sender may say and this
decoder does not know raises ``UnknownResourceError`` with the key, and nothing else breaks.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import DecodeError

from sdnctl.desired import (
    Desired,
    DhcpOption,
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
    Limit,
    Limits,
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
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb


class UnknownResourceError(ValueError):
    """A resource whose body this version does not know or cannot read."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.reason = why


def version_of(resource: bytes) -> int:
    """What one encoded resource adds to its group's version, modulo 2^64."""
    return int.from_bytes(hashlib.blake2b(resource, digest_size=8).digest(), "big")


# ---- encode ------------------------------------------------------------------------------------


def _hop(hop: NextHop) -> pb.NextHop:
    return pb.NextHop(
        vtep=hop.vtep,
        label=hop.label,
        vni=hop.vni,
        encapsulations=hop.encapsulations,
        router_mac=hop.router_mac or b"",
    )


def _prefix(prefix: Prefix) -> pb.Prefix:
    return pb.Prefix(ip=prefix.ip, length=prefix.length)


def _node(row: Node) -> dict[str, Any]:
    return {
        "node": pb.Node(
            host=row.host,
            vtep=row.vtep,
            encapsulations=row.encapsulations,
            mtu=row.mtu,
            router_mac=row.router_mac,
            distances=[pb.Distance(vtep=vtep, cost=cost) for vtep, cost in row.distances],
        )
    }


def _port(row: LocalPort) -> dict[str, Any]:
    return {
        "port": pb.LocalPort(
            port_id=row.port_id,
            vni=row.vni,
            vrf=row.vrf,
            mac=row.mac,
            addresses=row.addresses,
            admin_state_up=row.admin_state_up,
            security=row.security,
            security_groups=row.security_groups,
            pairs=[pb.AddressPair(mac=mac, prefix=_prefix(prefix)) for mac, prefix in row.pairs],
            behind=[pb.Prefix(ip=ip, length=length) for ip, length in row.behind],
            router_mac=row.router_mac or b"",
            host_name=row.host_name,
            dhcp_options=[
                pb.DhcpOption(version=version, code=code, value=value)
                for version, code, value in row.dhcp_options
            ],
            mtu=row.mtu,
            device_id=row.device_id,
            project_id=row.project_id,
            parent=row.parent,
            vlan=row.vlan,
            qos=None if row.qos is None else _qos(row.qos),
            zone=row.zone,
            standby=row.standby,
            onward=None if row.onward is None else _hop(row.onward),
            onward_routed=None if row.onward_routed is None else _hop(row.onward_routed),
            picks_up=row.picks_up,
            claimed=[pb.Claimed(mac=mac, ip=ip) for mac, ip in row.claimed],
        )
    }


def _qos(qos: Qos) -> pb.Qos:
    return pb.Qos(egress=_limit(qos.egress), ingress=_limit(qos.ingress), dscp=qos.dscp)


def _limit(limit: Limit | None) -> pb.Limit | None:
    return None if limit is None else pb.Limit(rate=limit.rate, burst=limit.burst)


def _limits(row: Limits | None) -> pb.Limits | None:
    if row is None:
        return None
    egress, ingress = _limit(row.egress), _limit(row.ingress)
    return pb.Limits(number=row.number, egress=egress, ingress=ingress)


def _evi(row: Evi) -> dict[str, Any]:
    return {"evi": pb.Evi(vni=row.vni, label=row.label, mtu=row.mtu, vrf=row.vrf)}


def _irb(row: Irb) -> dict[str, Any]:
    return {
        "irb": pb.Irb(
            vni=row.vni,
            vrf=row.vrf,
            port_id=row.port_id,
            mac=row.mac,
            addresses=[pb.Prefix(ip=ip, length=length) for ip, length in row.addresses],
        )
    }


def _subnet(row: SubnetOptions) -> dict[str, Any]:
    return {
        "subnet": pb.SubnetOptions(
            vni=row.vni,
            subnet_id=row.subnet_id,
            prefix=_prefix(row.prefix),
            gateway=row.gateway or b"",
            dhcp=row.dhcp,
            stateless=row.stateless,
            advertised=row.advertised,
            autonomous=row.autonomous,
            other=row.other,
            dns_servers=row.dns_servers,
            routes=[
                pb.HostRoute(destination=_prefix(destination), next_hop=hop)
                for destination, hop in row.routes
            ],
            lease_time=row.lease_time,
            domain=row.domain,
        )
    }


def _name(row: HostName) -> dict[str, Any]:
    return {
        "name": pb.HostName(
            vni=row.vni, port_id=row.port_id, name=row.name, addresses=row.addresses
        )
    }


def _neighbor(row: Neighbor) -> dict[str, Any]:
    return {"neighbor": pb.Neighbor(vni=row.vni, ip=row.ip, mac=row.mac)}


def _fdb(row: FdbEntry) -> dict[str, Any]:
    return {"fdb": pb.Fdb(vni=row.vni, mac=row.mac, via=_hop(row.via))}


def _flood(row: FloodEntry) -> dict[str, Any]:
    return {"flood": pb.Flood(vni=row.vni, via=_hop(row.via))}


def _vrf(row: Vrf) -> dict[str, Any]:
    connected = map(_prefix, row.connected)
    return {"vrf": pb.Vrf(vni=row.vni, label=row.label, connected=connected)}


def _fib(row: FibEntry) -> dict[str, Any]:
    return {
        "fib": pb.Fib(
            vrf=row.vrf,
            prefix=_prefix(row.prefix),
            via=[_hop(hop) for hop in row.via],
            backup=[_hop(hop) for hop in row.backup],
        )
    }


def _probe(row: Probe) -> dict[str, Any]:
    return {
        "probe": pb.Probe(
            vni=row.vni, vtep=row.vtep, interval=row.interval, multiplier=row.multiplier
        )
    }


def _exit(row: Exit) -> dict[str, Any]:
    return {
        "exit": pb.Exit(
            vrf=row.vrf,
            external=row.external,
            zone=row.zone,
            prefixes=map(_prefix, row.prefixes),
            snat=row.snat,
            distributed=row.distributed,
            address=row.address or b"",
            at=None if row.at is None else _hop(row.at),
            limits=_limits(row.limits),
        )
    }


def _floating(row: FloatingAddress) -> dict[str, Any]:
    return {
        "floating": pb.FloatingAddress(
            external=row.external,
            ip=row.ip,
            vrf=row.vrf,
            fixed=row.fixed,
            zone=row.zone,
            limits=_limits(row.limits),
        )
    }


def _hiding(row: HidingAddress) -> dict[str, Any]:
    return {"hiding": pb.HidingAddress(external=row.external, ip=row.ip)}


def _forwarding(row: Forwarding) -> dict[str, Any]:
    return {
        "forwarding": pb.Forwarding(
            vrf=row.vrf,
            forwarding_id=row.forwarding_id,
            external=row.external,
            ip=row.ip,
            protocol=row.protocol,
            first=row.ports[0],
            last=row.ports[1],
            fixed=row.fixed,
            internal_first=row.internal[0],
            internal_last=row.internal[1],
            zone=row.zone,
            at=_hop(row.at),
            limits=_limits(row.limits),
        )
    }


def _rule(row: SecurityRule) -> dict[str, Any]:
    return {
        "rule": pb.SecurityRule(
            group=row.group,
            rule_id=row.rule_id,
            ingress=row.ingress,
            version=row.version,
            protocol=row.protocol,
            first=row.first,
            last=row.last,
            prefix=None if row.prefix is None else _prefix(row.prefix),
            remote=row.remote,
            stateful=row.stateful,
        )
    }


def _remote(row: RemoteAddresses) -> dict[str, Any]:
    return {
        "remote": pb.RemoteAddresses(
            remote=row.remote, name=row.name, prefixes=map(_prefix, row.prefixes)
        )
    }


_ENCODERS: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    Node: _node,
    LocalPort: _port,
    Evi: _evi,
    Irb: _irb,
    SubnetOptions: _subnet,
    HostName: _name,
    Neighbor: _neighbor,
    FdbEntry: _fdb,
    FloodEntry: _flood,
    Vrf: _vrf,
    FibEntry: _fib,
    Exit: _exit,
    FloatingAddress: _floating,
    HidingAddress: _hiding,
    Forwarding: _forwarding,
    SecurityRule: _rule,
    RemoteAddresses: _remote,
    Probe: _probe,
}


def encode(row: Desired) -> bytes:
    """A serialised ``Resource``."""
    return pb.Resource(key=row.key, **_ENCODERS[type(row)](row)).SerializeToString()


# ---- decode ------------------------------------------------------------------------------------


def _ip(value: bytes) -> Ip:
    if len(value) not in (4, 16):
        raise ValueError(f"an address of {len(value)} bytes")
    return Ip(value)


def _mac(value: bytes) -> Mac:
    if len(value) != 6:
        raise ValueError(f"a MAC address of {len(value)} bytes")
    return Mac(value)


@functools.lru_cache(maxsize=256)  # few are in use, in every next hop
def _encapsulations(values: tuple[int, ...]) -> tuple[Encapsulation, ...]:
    # An encapsulation of the future is none that this agent could use.
    known = Encapsulation._value2member_map_
    return tuple(Encapsulation(v) for v in values if v in known)


def _read_hop(m: pb.NextHop) -> NextHop:
    return NextHop(
        _ip(m.vtep),
        Label(m.label),
        Vni(m.vni),
        _encapsulations(tuple(m.encapsulations)),
        _mac(m.router_mac) if m.router_mac else None,
    )


def _read_prefix(m: pb.Prefix) -> Prefix:
    ip = _ip(m.ip)
    if m.length > ip.bits:
        raise ValueError(f"a prefix length of {m.length}")
    return Prefix.covering(ip, m.length)


def _read_ways(m: pb.Qos | pb.Limits) -> tuple[Limit | None, Limit | None]:
    return (
        Limit(m.egress.rate, m.egress.burst) if m.HasField("egress") else None,
        Limit(m.ingress.rate, m.ingress.burst) if m.HasField("ingress") else None,
    )


def _read_qos(m: pb.Qos) -> Qos:
    return Qos(*_read_ways(m), m.dscp if m.HasField("dscp") else None)


def _read_limits(m: pb.Exit | pb.FloatingAddress | pb.Forwarding) -> Limits | None:
    return Limits(m.limits.number, *_read_ways(m.limits)) if m.HasField("limits") else None


def _read_addresses(values: Any) -> tuple[tuple[Ip, int], ...]:
    return tuple((_ip(m.ip), min(m.length, len(m.ip) * 8)) for m in values)


def _read_rule(m: pb.SecurityRule) -> SecurityRule:
    if m.version not in (4, 6):
        raise ValueError(f"IP version {m.version}")
    return SecurityRule(
        m.group,
        m.rule_id,
        m.ingress,
        m.version,
        m.protocol if m.HasField("protocol") else None,
        m.first if m.HasField("first") else None,
        m.last if m.HasField("last") else None,
        _read_prefix(m.prefix) if m.HasField("prefix") else None,
        m.remote,
        m.stateful,
    )


_DECODERS: Final[dict[str, Callable[[Any], Desired]]] = {
    "node": lambda m: Node(
        m.host,
        _ip(m.vtep),
        _encapsulations(tuple(m.encapsulations)),
        m.mtu,
        _mac(m.router_mac),
        tuple((_ip(d.vtep), d.cost) for d in m.distances),
    ),
    "port": lambda m: LocalPort(
        m.port_id,
        Vni(m.vni),
        Vni(m.vrf),
        _mac(m.mac),
        tuple(_ip(a) for a in m.addresses),
        m.admin_state_up,
        m.security,
        tuple(m.security_groups),
        tuple((_mac(pair.mac), _read_prefix(pair.prefix)) for pair in m.pairs),
        tuple(map(_read_prefix, m.behind)),
        _mac(m.router_mac) if m.router_mac else None,
        m.host_name,
        tuple(DhcpOption(o.version, o.code, o.value) for o in m.dhcp_options),
        m.mtu,
        m.device_id,
        m.project_id,
        m.parent,
        m.vlan,
        _read_qos(m.qos) if m.HasField("qos") else None,
        m.zone,
        m.standby,
        _read_hop(m.onward) if m.HasField("onward") else None,
        _read_hop(m.onward_routed) if m.HasField("onward_routed") else None,
        m.picks_up,
        tuple((_mac(c.mac), _ip(c.ip)) for c in m.claimed),
    ),
    "evi": lambda m: Evi(Vni(m.vni), Label(m.label), m.mtu, Vni(m.vrf)),
    "irb": lambda m: Irb(
        Vni(m.vni), Vni(m.vrf), m.port_id, _mac(m.mac), _read_addresses(m.addresses)
    ),
    "subnet": lambda m: SubnetOptions(
        Vni(m.vni),
        m.subnet_id,
        _read_prefix(m.prefix),
        _ip(m.gateway) if m.gateway else None,
        m.dhcp,
        m.stateless,
        m.advertised,
        m.autonomous,
        m.other,
        tuple(_ip(server) for server in m.dns_servers),
        tuple((_read_prefix(r.destination), _ip(r.next_hop)) for r in m.routes),
        m.lease_time,
        m.domain,
    ),
    "name": lambda m: HostName(Vni(m.vni), m.port_id, m.name, tuple(_ip(a) for a in m.addresses)),
    "neighbor": lambda m: Neighbor(Vni(m.vni), _ip(m.ip), _mac(m.mac)),
    "fdb": lambda m: FdbEntry(Vni(m.vni), _mac(m.mac), _read_hop(m.via)),
    "flood": lambda m: FloodEntry(Vni(m.vni), _read_hop(m.via)),
    "vrf": lambda m: Vrf(Vni(m.vni), Label(m.label), tuple(map(_read_prefix, m.connected))),
    "fib": lambda m: FibEntry(
        Vni(m.vrf),
        _read_prefix(m.prefix),
        tuple(_read_hop(h) for h in m.via),
        tuple(_read_hop(h) for h in m.backup),
    ),
    "exit": lambda m: Exit(
        Vni(m.vrf),
        Vni(m.external),
        m.zone,
        tuple(map(_read_prefix, m.prefixes)),
        m.snat,
        m.distributed,
        _ip(m.address) if m.address else None,
        _read_hop(m.at) if m.HasField("at") else None,
        _read_limits(m),
    ),
    "floating": lambda m: FloatingAddress(
        Vni(m.external), _ip(m.ip), Vni(m.vrf), _ip(m.fixed), m.zone, _read_limits(m)
    ),
    "hiding": lambda m: HidingAddress(Vni(m.external), _ip(m.ip)),
    "forwarding": lambda m: Forwarding(
        Vni(m.vrf),
        m.forwarding_id,
        Vni(m.external),
        _ip(m.ip),
        m.protocol,
        (m.first, m.last),
        _ip(m.fixed),
        (m.internal_first, m.internal_last),
        m.zone,
        _read_hop(m.at),
        _read_limits(m),
    ),
    "rule": _read_rule,
    "remote": lambda m: RemoteAddresses(
        m.remote, m.name, tuple(_read_prefix(p) for p in m.prefixes)
    ),
    "probe": lambda m: Probe(Vni(m.vni), _ip(m.vtep), m.interval, m.multiplier),
}


def decode(resource: pb.Resource) -> Desired:
    """Read one resource; UnknownResourceError if it makes no sense to this version."""
    body = resource.WhichOneof("body")
    if body is None:
        raise UnknownResourceError(resource.key, "a kind of resource that this agent does not know")
    try:
        row = _DECODERS[body](getattr(resource, body))
    except ValueError as error:
        raise UnknownResourceError(resource.key, str(error)) from error
    if row.key != resource.key:
        raise UnknownResourceError(resource.key, f"the body is that of {row.key}")
    return row


# ---- messages put together from encoded parts --------------------------------------------------
#
# Serialised protobuf messages concatenate: a field that was encoded once goes into any number of
# messages. Tags are (field number << 3 | wire type 2), from vrouter.proto.

_GROUPS: Final = bytes((1 << 3 | 2,))
_UPSERTS: Final = bytes((4 << 3 | 2,))
_REMOVALS: Final = bytes((5 << 3 | 2,))


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def group_delta(
    group: str,
    version: int,
    upserts: list[bytes],
    removals: list[str],
    *,
    snapshot: bool = False,
    partial: bool = False,
    leave: bool = False,
) -> bytes:
    """The ``groups`` field of a Downstream, from resources that are encoded already."""
    head = pb.GroupDelta(
        group=group, version=version, snapshot=snapshot, partial=partial, leave=leave
    ).SerializeToString()
    parts = [head]
    for resource in upserts:
        parts += (_UPSERTS, _varint(len(resource)), resource)
    for key in removals:
        name = key.encode()
        parts += (_REMOVALS, _varint(len(name)), name)
    body = b"".join(parts)
    return _GROUPS + _varint(len(body)) + body


def downstream(
    deltas: list[bytes], nonce: int, revision: int, *, in_sync: bool = False, epoch: int = 0
) -> bytes:
    """A whole Downstream for one agent."""
    tail = pb.Downstream(nonce=nonce, revision=revision, in_sync=in_sync, epoch=epoch)
    return b"".join((*deltas, tail.SerializeToString()))


def read_downstream(data: bytes) -> pb.Downstream:
    """Parse; ValueError if it is no such message."""
    try:
        return pb.Downstream.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a message of the agent stream: {error}") from error


def read_upstream(data: bytes) -> pb.Upstream:
    """Parse; ValueError if it is no such message."""
    try:
        return pb.Upstream.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a message of the agent stream: {error}") from error
