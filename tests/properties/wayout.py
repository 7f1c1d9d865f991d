"""The oracle's part on the way out: external networks, and what is translated where."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from sdnctl.desired import (
    Desired,
    Exit,
    FloatingAddress,
    Forwarding,
    HidingAddress,
    Limits,
    NextHop,
)
from sdnctl.intent import FloatingIp, Hypervisor, Network, Port, Router
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, Vni
from tests.properties import agreed, oracle
from tests.properties.world import World


class Outer(NamedTuple):
    """The VRF of an external network."""

    id: str
    vni: Vni
    label: Label
    number: int
    project_id: str


def outer(network: Network | None) -> Outer | None:
    if network is None or not network.admin_state_up:
        return None
    if not network.external or network.vrf is None:
        return None
    numbers = network.vrf
    return Outer(network.id, numbers.vni, numbers.label, numbers.number, network.project_id)


def outer_of(w: World, router: object) -> Outer | None:
    """Where a router leads out to."""
    if not isinstance(router, Router) or not router.admin_state_up or not router.nat:
        return None
    return None if router.gateway is None else outer(w.network.get(router.gateway.network_id))


def hides(router: Router) -> bool:
    return router.gateway is not None and router.gateway.enable_snat


def own_address(w: World, router: Router) -> Ip | None:
    """The router's IPv4 address outside."""
    assert router.gateway is not None
    port = w.port.get(router.gateway.port_id)
    if port is None or not port.admin_state_up or port.network_id != router.gateway.network_id:
        return None
    return next((f.ip for f in port.fixed_ips if len(f.ip) == 4), None)


def connected(w: World, network_id: str) -> list[Prefix]:
    return sorted({s.prefix for s in w.subnet.values() if s.network_id == network_id})


def forwarded(w: World) -> Iterator[tuple[str, FloatingIp, Router, Outer]]:
    """The port forwardings that make sense."""
    for row in w.port_forwarding.values():
        floating = w.floatingip.get(row.floatingip_id)
        router = w.router.get(floating.router_id) if floating else None
        where = outer_of(w, router)
        if floating is None or router is None or where is None or floating.port_id:
            continue
        if where.id == floating.network_id:
            yield row.id, floating, router, where


def number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def elected(w: World, router: Router) -> Hypervisor | None:
    """Who translates for a router, if anyone has to."""
    where = outer_of(w, router)
    if where is None:
        return None
    central = hides(router) and not router.distributed
    if not central and not any(r.id == router.id for _id, _f, r, _o in forwarded(w)):
        return None
    network = w.network[where.id]
    able = [h for h in w.hypervisor.values() if len(h.vtep) == 4 and oracle.tunnels(network, h)]
    able.sort(key=lambda h: (number(h.id) ^ number(router.id)) * 0x9E3779B97F4A7C15 % 2**64)
    return next((h for h in able if h.id not in w.hypervisor_down), able[0] if able else None)


def stands(w: World, row: FloatingIp) -> tuple[Hypervisor, Router, Outer] | None:
    """Where a floating IP stands for a guest."""
    router, port = w.router.get(row.router_id), w.port.get(row.port_id)
    where = outer_of(w, router)
    if where is None or port is None or where.id != row.network_id or row.fixed_ip is None:
        return None
    assert router is not None
    for guest, network, host in oracle.guests(w):
        if guest.id != port.id or not oracle.is_up(guest, network, host):
            continue
        mine, _gates = oracle.vrf_of(w, network)
        held = row.fixed_ip in [f.ip for f in port.fixed_ips]
        if mine is None or mine.vni != router.vni or not held:
            continue
        if not oracle.on_link(w, network, row.fixed_ip):
            continue
        same = (row.port_id, row.fixed_ip, row.network_id, row.router_id)
        if row.id == min(
            o.id
            for o in w.floatingip.values()
            if (o.port_id, o.fixed_ip, o.network_id, o.router_id) == same
        ):
            return host, router, where
    return None


def placed(w: World) -> Iterator[tuple[Hypervisor, Outer, Ip]]:
    """Every address outside that is translated, and where; first come, first served."""
    for _id, row in sorted(w.floatingip.items()):
        found = stands(w, row)
        if found is not None:
            yield found[0], found[2], row.ip
        elif not row.port_id:
            for _pf, floating, router, where in forwarded(w):
                host = elected(w, router)
                if floating.id == row.id and host is not None:
                    yield host, where, row.ip
    for _id, port in sorted(w.port.items()):
        where_ = outer(w.network.get(port.network_id))
        if where_ and (host := hider(w, port)) is not None:
            yield host, where_, next(f.ip for f in port.fixed_ips if len(f.ip) == 4)
    for _id, router in sorted(w.router.items()):
        host, out = elected(w, router), outer_of(w, router)
        if host and out and hides(router) and (ip := own_address(w, router)) is not None:
            yield host, out, ip


def hider(w: World, port: Port) -> Hypervisor | None:
    """The hypervisor that has a port's address to hide its guests behind."""
    if port.device_owner != "network:floatingip_agent_gateway" or not port.admin_state_up:
        return None
    return w.hypervisor.get(port.host) if any(len(f.ip) == 4 for f in port.fixed_ips) else None


def routes(w: World) -> dict[RouteKey, Path]:
    """A host route for each."""
    out: dict[RouteKey, Path] = {}
    for host, where, ip in placed(w):
        network = w.network[where.id]
        accepts = oracle.tunnels(network, host)
        if len(host.vtep) != 4 or not accepts:
            continue
        by = agreed.vpns_of_network(w, network.id, "l3")
        path = Path(
            next_hop=host.vtep,
            encapsulations=accepts,
            label=where.label,
            vni=where.vni,
            router_mac=Mac(b"\2\0" + host.vtep[-4:]),
            **agreed.attributes({agreed.automatic(where)}, [(v, v.local_preference) for v in by]),
        )
        rd = RouteDistinguisher.of(host.vtep, where.number)
        out.setdefault(RouteKey(host.id, IpPrefixRoute(rd, Prefix.host(ip))), path)
    return out


def members(w: World, host: Hypervisor) -> set[Vni]:
    """The VRFs that a hypervisor needs for others, or for its guests to get out."""
    found: set[Vni] = set()
    for router in w.router.values():
        where = outer_of(w, router)
        if where is None:
            continue
        here = [network for _p, network, h in oracle.guests(w) if h.id == host.id]
        here += [network for _p, network, _told in oracle.prepared(w, host)]
        there = any(oracle.vrf_of(w, network)[0] == router for network in here)
        if there:
            found.add(where.vni)
        if elected(w, router) == host:
            found |= {where.vni, router.vni}
    return found


def way(w: World, router: Router) -> list[Desired]:
    """What all members of a router's VRF are told of its way out."""
    where = outer_of(w, router)
    if where is None:
        return []
    network, host, at = w.network[where.id], elected(w, router), None
    if host is not None:
        accepts: tuple[Encapsulation, ...] = oracle.tunnels(network, host)
        mac = Mac(b"\2\0" + host.vtep[-4:])
        at = NextHop(host.vtep, router.label, router.vni, accepts, mac)
    everything = {Prefix.parse("0.0.0.0/0"), Prefix.parse("::/0")}
    led = {
        r.destination
        for r in router.routes
        if any(r.nexthop in prefix for prefix in connected(w, network.id))
    }
    zone = 0x8000 + router.nat
    rows: list[Desired] = [
        Exit(
            router.vni,
            where.vni,
            zone,
            tuple(sorted(everything | led)),
            hides(router),
            router.distributed,
            own_address(w, router),
            at,
            limited_gateway(w, router),
        )
    ]
    for id_, floating, owner, _where in forwarded(w):
        row = w.port_forwarding[id_]
        if owner.id == router.id and at is not None:
            ends = (row.external, row.fixed_ip, row.internal)
            whose = (router.vni, id_, where.vni, floating.ip, row.protocol)
            rows.append(Forwarding(*whose, *ends, zone, at, limited(w, floating)))
    return rows


def limited(w: World, row: FloatingIp) -> Limits | None:
    """What a floating IP may send and be sent."""
    said = oracle.said_by(w, row.qos_policy_id)
    if said is None or not row.meter or said[:2] == (None, None):
        return None
    return Limits(row.meter, said.egress, said.ingress)


def limited_gateway(w: World, router: Router) -> Limits | None:
    """What a router's own address may send and be sent, where one hypervisor hides behind it."""
    if router.gateway is None or not router.gateway.enable_snat or router.distributed:
        return None
    said = oracle.said_by(w, router.gateway.qos_policy_id)
    if said is None or said[:2] == (None, None):
        return None
    return Limits(0x8000 + router.nat, said.egress, said.ingress)


def here(w: World, host: Hypervisor) -> list[Desired]:
    """What one hypervisor alone is told."""
    rows: list[Desired] = []
    for row in w.floatingip.values():
        found = stands(w, row)
        if found is None or found[0].id != host.id or row.fixed_ip is None:
            continue
        _host, router, where = found
        if oracle.tunnels(w.network[where.id], host):
            zone = 0x8000 + router.nat
            ends = (where.vni, row.ip, router.vni, row.fixed_ip, zone)
            rows.append(FloatingAddress(*ends, limited(w, row)))
    for port in w.port.values():
        where_ = outer(w.network.get(port.network_id))
        able = where_ and len(host.vtep) == 4 and oracle.tunnels(w.network[where_.id], host)
        if where_ and able and hider(w, port) == host:
            ip = next(f.ip for f in port.fixed_ips if len(f.ip) == 4)
            rows.append(HidingAddress(where_.vni, ip))
    return rows
