"""Resources from protobuf: a decoder for each kind.

Promise: nothing is taken for granted that came over the wire: an address has the length of one,
a prefix fits its address, and a key is that of its body.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

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
