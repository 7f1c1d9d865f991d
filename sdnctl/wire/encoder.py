"""Resources to bytes: an encoder for each kind.

Promise: equal resources encode to equal bytes. Knows no group and no message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from sdnctl.desired import (
    Desired,
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
from sdnctl.types import Prefix
from sdnctl.vrouter.v1 import vrouter_pb2 as pb


def version_of(resource: bytes) -> int:
    """What one encoded resource adds to its group's version, modulo 2^64."""
    return int.from_bytes(hashlib.blake2b(resource, digest_size=8).digest(), "big")


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
