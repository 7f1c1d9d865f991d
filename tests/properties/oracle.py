"""What every hypervisor must hold, computed from the whole intent by one plain function.

Written apart from sdnctl.graph on purpose: no rules, no indexes, no sharing of tables; loops over
everything for every hypervisor, and states in its own words what the graph's rules mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sdnctl.desired import (
    Desired,
    DhcpOption,
    Evi,
    FdbEntry,
    FibEntry,
    FloodEntry,
    HostName,
    Irb,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    SubnetOptions,
    Vrf,
)
from sdnctl.intent import BgpPeer, Gateway, Hypervisor, Network, Port, Router, Subnet
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Path, RouteKey, rd_of
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni

ASN = 64512


@dataclass
class World:
    """The intent, and what was learned."""

    hypervisor: dict[str, Hypervisor] = field(default_factory=dict)
    gateway: dict[str, Gateway] = field(default_factory=dict)
    bgp_peer: dict[str, BgpPeer] = field(default_factory=dict)
    network: dict[str, Network] = field(default_factory=dict)
    subnet: dict[str, Subnet] = field(default_factory=dict)
    port: dict[str, Port] = field(default_factory=dict)
    router: dict[str, Router] = field(default_factory=dict)
    learned: dict[RouteKey, Path] = field(default_factory=dict)
    underlay: dict[str, dict[Ip, int]] = field(default_factory=dict)


def vrf_of(w: World, network: Network) -> tuple[Router | None, list[Port]]:
    """The network's router and its interfaces: the lowest port id decides between routers."""
    ports = []
    for port in w.port.values() if network.admin_state_up else ():
        router = w.router.get(port.device_id)
        if (
            port.network_id == network.id
            and port.device_owner == "network:router_interface"
            and port.admin_state_up
            and router is not None
            and router.admin_state_up
            and addresses_of(w, port)
        ):
            ports.append(port)
    ports.sort(key=lambda p: p.id)
    if not ports:
        return None, []
    router = w.router[ports[0].device_id]
    return router, [p for p in ports if p.device_id == router.id]


def addresses_of(w: World, port: Port) -> tuple[tuple[Ip, int], ...]:
    out = []
    for fixed in port.fixed_ips:
        subnet = w.subnet.get(fixed.subnet_id)
        if subnet and subnet.network_id == port.network_id and fixed.ip in subnet.prefix:
            out.append((fixed.ip, subnet.prefix.length))
    return tuple(out)


def targets(row: Network | Router, extra: tuple[RouteTarget, ...]) -> set[RouteTarget]:
    own = f"{ASN}:{8_000_000 + row.number}"
    chosen = [str(t) for t in extra if not 8_000_000 <= int(str(t).split(":")[1]) <= 8_065_535]
    return {RouteTarget.parse(t) for t in (own, *chosen)}


def guests(w: World) -> list[tuple[Port, Network, Hypervisor]]:
    out = []
    for port in sorted(w.port.values(), key=lambda p: p.id):
        network, host = w.network.get(port.network_id), w.hypervisor.get(port.host)
        if network and host and port.device_owner != "network:router_interface":
            out.append((port, network, host))
    return out


def is_up(port: Port, network: Network, host: Hypervisor) -> bool:
    able = len(host.vtep) == 4 and bool(tunnels(network, host))
    return able and port.admin_state_up and network.admin_state_up


def tunnels(network: Network, host: Hypervisor) -> tuple[Encapsulation, ...]:
    if network.encapsulation is None:
        return host.encapsulations
    return tuple(e for e in host.encapsulations if e == network.encapsulation)


def local_routes(w: World) -> dict[RouteKey, Path]:
    routes: dict[RouteKey, Path] = {}
    for port, network, host in guests(w):
        if not is_up(port, network, host):
            continue
        rd = RouteDistinguisher.of(host.vtep, network.number)
        evi = Path(
            next_hop=host.vtep,
            route_targets=tuple(sorted(targets(network, network.export_targets))),
            encapsulations=tunnels(network, host),
            label=network.label,
            vni=network.vni,
        )
        routes.setdefault(RouteKey(host.id, InclusiveMulticastRoute(rd, host.vtep)), evi)
        every: list[Ip | None] = [f.ip for f in port.fixed_ips]
        for ip in every or [None]:
            routes.setdefault(RouteKey(host.id, MacIpRoute(rd, port.mac, ip)), evi)
        router, interfaces = vrf_of(w, network)
        if router is None:
            continue
        rd = RouteDistinguisher.of(host.vtep, router.number)
        prefixes = [
            Prefix.covering(ip, length) for i in interfaces for ip, length in addresses_of(w, i)
        ]
        for fixed in port.fixed_ips:
            if any(fixed.ip in prefix for prefix in prefixes):
                routes.setdefault(
                    RouteKey(host.id, IpPrefixRoute(rd, Prefix.host(fixed.ip))),
                    Path(
                        next_hop=host.vtep,
                        route_targets=tuple(sorted(targets(router, router.export_targets))),
                        encapsulations=tunnels(network, host),
                        label=router.label,
                        vni=router.vni,
                        router_mac=Mac(b"\2\0" + host.vtep[-4:]),
                    ),
                )
    return routes


def told_by_dhcp(w: World, port: Port, network: Network, host: Hypervisor) -> dict[str, Any]:
    """What a port is told in particular; the worlds have options 26 and 59 only."""
    around = {2: 42, 8: 50, 13: 46}
    room = host.mtu - max([around[e] for e in tunnels(network, host)], default=0)
    if len(host.vtep) == 16:
        room -= 20
    wire = {4: (26, b"\x05\x78"), 6: (59, b"http://[2001:db8::9]/")}
    name = port.dns_name
    if port.fixed_ips and not name:
        name = "host-" + "-".join(str(port.fixed_ips[0].ip).replace(":", ".").split("."))
    return {
        "host_name": name,
        "dhcp_options": tuple(
            DhcpOption(o.ip_version, *wire[o.ip_version]) for o in port.extra_dhcp_options
        ),
        "mtu": min(room, network.mtu),
        "device_id": port.device_id,
        "project_id": port.project_id,
    }


def told_in(w: World, network: Network) -> list[SubnetOptions]:
    """By Neutron's table of modes (API reference, subnets: ipv6_ra_mode, ipv6_address_mode)."""
    rows = []
    for subnet in w.subnet.values():
        if subnet.network_id != network.id:
            continue
        four, on = len(subnet.prefix.ip) == 4, subnet.enable_dhcp
        ra, mode = subnet.ipv6_ra_mode, subnet.ipv6_address_mode
        rows.append(
            SubnetOptions(
                network.vni,
                subnet.id,
                subnet.prefix,
                subnet.gateway_ip,
                on and (four or mode == "dhcpv6-stateful" or (ra, mode) == (None, None)),
                on and mode == "dhcpv6-stateless",
                on and ra is not None,
                on and ra in {"slaac", "dhcpv6-stateless"},
                on and ra == "dhcpv6-stateless",
                subnet.dns_nameservers,
                tuple((r.destination, r.nexthop) for r in subnet.host_routes),
                86400,
                network.dns_domain or "openstacklocal.",
            )
        )
    return rows


def usable(w: World, path: Path) -> Path | None:
    if ASN in path.as_path or any(h.vtep == path.next_hop for h in w.hypervisor.values()):
        return None
    values: dict[str, Any] = {f: getattr(path, f) for f in path.__struct_fields__}
    pinned = [g for _id, g in sorted(w.gateway.items()) if g.address == path.next_hop]
    if pinned and pinned[0].encapsulations:
        values["encapsulations"] = pinned[0].encapsulations
    elif not path.encapsulations:
        values["encapsulations"] = (Encapsulation.MPLS_GRE,)
    return Path(**values)


def hop(path: Path) -> NextHop:
    return NextHop(path.next_hop, path.label, path.vni, path.encapsulations, path.router_mac)


def decide(paths: list[tuple[RouteKey, Path]]) -> list[NextHop]:
    """RFC 4271 9.1.2.2: a path is out if any other beats it at the first step that differs."""

    def survivors(rest: list[tuple[RouteKey, Path]], beaten: Any) -> list[tuple[RouteKey, Path]]:
        return [r for r in rest if not any(beaten(r[1], other) for _k, other in rest)]

    def rank(path: Path) -> int:
        return (2 if not path.ebgp else 1) if path.peer else 0

    paths = survivors(paths, lambda p, o: o.local_preference > p.local_preference)
    paths = survivors(paths, lambda p, o: len(o.as_path) < len(p.as_path))
    paths = survivors(paths, lambda p, o: o.origin < p.origin)
    paths = survivors(paths, lambda p, o: o.as_path[:1] == p.as_path[:1] and o.med < p.med)
    paths = survivors(paths, lambda p, o: rank(o) < rank(p))
    out: dict[Ip, NextHop] = {}
    for _key, path in sorted(paths, key=lambda r: (r[1].next_hop, r[0].source, rd_of(r[0].nlri))):
        out.setdefault(path.next_hop, hop(path))
    return list(out.values())


def announced(w: World) -> dict[str, dict[Any, Path]]:
    """By peer: the prefixes of routers, in the families that the peer has, over MPLS."""
    out: dict[str, dict[Any, Path]] = {}
    for name, peer in w.bgp_peer.items():
        for key, path in local_routes(w).items():
            if not peer.admin_state_up or not isinstance(key.nlri, IpPrefixRoute):
                continue
            family = "ipv4-vpn" if len(key.nlri.prefix.ip) == 4 else "ipv6-vpn"
            offers = [e for e in w.hypervisor[key.source].encapsulations if e != 8]
            if family in peer.families and offers:
                values: dict[str, Any] = {f: getattr(path, f) for f in path.__struct_fields__}
                values["encapsulations"] = tuple(offers)
                out.setdefault(name, {})[key] = Path(**values)
    return out


def expected(w: World) -> dict[str, dict[str, Desired]]:
    """By hypervisor and key."""
    routes = dict(local_routes(w))
    for key, path in w.learned.items():
        good = usable(w, path)
        if good is not None:
            routes[key] = good

    def claim(r: tuple[RouteKey, Path]) -> tuple[Any, ...]:
        return (not r[1].sticky, -r[1].sequence, r[1].next_hop, r[0].source, rd_of(r[0].nlri))

    competing: dict[str, set[Ip]] = {}
    tables: dict[str, dict[str, Desired]] = {}
    for network in w.network.values():
        if not network.admin_state_up:
            continue
        wanted = targets(network, network.import_targets)
        mine = [r for r in routes.items() if wanted & set(r[1].route_targets)]
        router, interfaces = vrf_of(w, network)
        vrf = router.vni if router else Vni(0)
        table: list[Desired] = [Evi(network.vni, network.label, network.mtu, vrf)]
        table += [
            Irb(network.vni, vrf, port.id, port.mac, addresses_of(w, port)) for port in interfaces
        ]
        table += told_in(w, network)
        table += [
            HostName(network.vni, p.id, p.dns_name, tuple({f.ip: 0 for f in p.fixed_ips}))
            for p in w.port.values()
            if p.network_id == network.id and p.dns_name and p.fixed_ips
        ]
        macs = [(k, p) for k, p in mine if isinstance(k.nlri, MacIpRoute)]
        for mac in {k.nlri.mac for k, _p in macs if isinstance(k.nlri, MacIpRoute)}:
            best = min((r for r in macs if r[0].nlri.mac == mac), key=claim)  # type: ignore[union-attr]
            table.append(FdbEntry(network.vni, mac, hop(best[1])))
        for ip in {k.nlri.ip for k, _p in macs if isinstance(k.nlri, MacIpRoute)}:
            if ip is not None:
                owner = min(
                    (r for r in macs if r[0].nlri.ip == ip),  # type: ignore[union-attr]
                    key=lambda r: (claim(r), r[0].nlri),
                )
                table.append(Neighbor(network.vni, ip, owner[0].nlri.mac))  # type: ignore[union-attr]
        floods = [r for r in mine if isinstance(r[0].nlri, InclusiveMulticastRoute)]
        for vtep in {p.next_hop for _k, p in floods}:
            best = min((r for r in floods if r[1].next_hop == vtep), key=claim)
            table.append(FloodEntry(network.vni, hop(best[1])))
        tables[f"evi/{network.vni}"] = {row.key: row for row in table}
    for router in w.router.values():
        if not router.admin_state_up:
            continue
        wanted = targets(router, router.import_targets)
        mine = [
            r
            for r in routes.items()
            if isinstance(r[0].nlri, IpPrefixRoute) and wanted & set(r[1].route_targets)
        ]
        rows: list[Desired] = [Vrf(router.vni, router.label)]
        for prefix in {k.nlri.prefix for k, _p in mine if isinstance(k.nlri, IpPrefixRoute)}:
            here = [r for r in mine if r[0].nlri.prefix == prefix]  # type: ignore[union-attr]
            hops = decide(here)
            rows.append(FibEntry(router.vni, prefix, tuple(hops)))
            if len(hops) > 1:
                competing.setdefault(f"vrf/{router.vni}", set()).update(h.vtep for h in hops)
        tables[f"vrf/{router.vni}"] = {row.key: row for row in rows}

    out: dict[str, dict[str, Desired]] = {}
    for host in w.hypervisor.values():
        mine_: dict[str, Desired] = {}
        groups = set()
        for port, network, where in guests(w):
            if where.id != host.id:
                continue
            router, _ports = vrf_of(w, network)
            groups.add(f"evi/{network.vni}")
            if router:
                groups.add(f"vrf/{router.vni}")
            row = LocalPort(
                port.id,
                network.vni,
                router.vni if router else Vni(0),
                port.mac,
                tuple(dict.fromkeys(f.ip for f in port.fixed_ips)),
                is_up(port, network, where),
                port.port_security_enabled,
                **told_by_dhcp(w, port, network, where),
            )
            mine_[row.key] = row
        for group in groups:
            mine_.update(tables.get(group, {}))
        near = w.underlay.get(host.id, {})
        hops_ = {h for g in groups for h in competing.get(g, ())}
        node = Node(
            host.id,
            host.vtep,
            host.encapsulations,
            host.mtu,
            Mac(b"\2\0" + host.vtep[-4:]),
            tuple(sorted((h, near[h]) for h in hops_ if h in near)),
        )
        mine_[node.key] = node
        out[host.id] = mine_
    return out
