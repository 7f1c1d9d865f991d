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
    Limit,
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
from sdnctl.graph.relations.inputs import Claim
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
    Path,
    RouteKey,
    rd_of,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, Vni
from tests.properties import agreed, wayout
from tests.properties.agreed import ASN, Routed


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
    qos_policy: dict[str, QosPolicy] = field(default_factory=dict)
    bandwidth_limit_rule: dict[str, BandwidthLimitRule] = field(default_factory=dict)
    dscp_marking_rule: dict[str, DscpMarkingRule] = field(default_factory=dict)
    security_group: dict[str, SecurityGroup] = field(default_factory=dict)
    security_group_rule: dict[str, SecurityGroupRule] = field(default_factory=dict)
    address_group: dict[str, AddressGroup] = field(default_factory=dict)
    learned: dict[RouteKey, Path] = field(default_factory=dict)
    claim: dict[tuple[str, Ip], Claim] = field(default_factory=dict)
    underlay: dict[str, dict[Ip, int]] = field(default_factory=dict)
    bgpvpn: dict[str, BgpVpn] = field(default_factory=dict)
    bgpvpn_network: dict[str, BgpVpnNetwork] = field(default_factory=dict)
    bgpvpn_router: dict[str, BgpVpnRouter] = field(default_factory=dict)
    bgpvpn_port: dict[str, BgpVpnPort] = field(default_factory=dict)
    floatingip: dict[str, FloatingIp] = field(default_factory=dict)
    port_forwarding: dict[str, PortForwarding] = field(default_factory=dict)
    hypervisor_down: dict[str, bool] = field(default_factory=dict)


Gate = tuple[str, Mac, tuple[tuple[Ip, int], ...]]
"""An interface of a VRF on a network: its id, MAC and addresses."""


def vrf_of(w: World, network: Network) -> tuple[Routed | None, list[Gate]]:
    """The network's router and its interfaces: the lowest port id decides between routers.

    An external network has a VRF of its own.
    Without a router, the first of its associations with layer 3 BGP VPNs, where it has a gateway.
    """
    ports = []
    outer = wayout.outer(network)
    for port in w.port.values() if network.admin_state_up and not outer else ():
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
    if ports:
        router = w.router[ports[0].device_id]
        mine = [p for p in ports if p.device_id == router.id]
        return router, [(p.id, p.mac, addresses_of(w, p)) for p in mine]
    subnets = sorted((s.id, s) for s in w.subnet.values() if s.network_id == network.id)
    gateways = tuple(
        (s.gateway_ip, s.prefix.length)
        for _id, s in subnets
        if s.gateway_ip and s.gateway_ip in s.prefix
    )
    if outer is not None and network.vrf is not None:
        return outer, [(network.id, network.vrf.mac, gateways)]
    if network.admin_state_up and gateways:
        for id_, association in sorted(w.bgpvpn_network.items()):
            if association.network_id == network.id and agreed.vpns(w, [association], "l3"):
                return association, [(id_, association.mac, gateways)]
    return None, []


def vrfs(w: World) -> list[tuple[Routed, list[Network]]]:
    """Every VRF with the networks that belong to it."""
    owners = [(vrf_of(w, network)[0], network) for network in w.network.values()]
    rows: list[Routed] = [r for r in w.router.values() if r.admin_state_up]
    rows += [row for row, _n in owners if isinstance(row, BgpVpnNetwork | wayout.Outer)]
    return [(row, [n for owner, n in owners if owner == row]) for row in rows]


def addresses_of(w: World, port: Port) -> tuple[tuple[Ip, int], ...]:
    out = []
    for fixed in port.fixed_ips:
        subnet = w.subnet.get(fixed.subnet_id)
        if subnet and subnet.network_id == port.network_id and fixed.ip in subnet.prefix:
            out.append((fixed.ip, subnet.prefix.length))
    return tuple(out)


NO_GUESTS = {
    "network:router_interface",
    "network:router_gateway",
    "network:floatingip",
    "network:floatingip_agent_gateway",
}


def guests(w: World) -> list[tuple[Port, Network, Hypervisor]]:
    out = []
    for port in sorted(w.port.values(), key=lambda p: p.id):
        network, host = w.network.get(port.network_id), w.hypervisor.get(port.host)
        if network and host and port.device_owner not in NO_GUESTS:
            out.append((port, network, host))
    return out


def prepared(w: World, host: Hypervisor) -> list[tuple[Port, Network, dict[str, Any]]]:
    """Ports that are bound here too while their guests are elsewhere, and what is said of that."""
    out = []
    for port in w.port.values():
        network = w.network.get(port.network_id)
        bound = {b.host: b.left for b in port.bindings}
        if port.profile.get("migrating_to") == host.id and host.id not in bound:
            bound[host.id] = False
        ours = port.device_owner in NO_GUESTS
        if network is None or ours or host.id not in bound or port.host == host.id:
            continue
        told: dict[str, Any] = {"standby": True, "picks_up": True}
        there = w.hypervisor.get(port.host)
        if bound[host.id] and there is not None and is_up(port, network, there):
            by = tunnels(network, there)
            told["onward"] = NextHop(there.vtep, network.label, network.vni, by)
            router, _ports = vrf_of(w, network)
            if router is not None:
                mac = Mac(b"\2\0" + there.vtep[-4:])
                told["onward_routed"] = NextHop(there.vtep, router.label, router.vni, by, mac)
        out.append((port, network, told))
    return out


def is_up(port: Port, network: Network, host: Hypervisor) -> bool:
    able = len(host.vtep) == 4 and bool(tunnels(network, host))
    return able and port.admin_state_up and network.admin_state_up


def passed_on(w: World, port: Port, network: Network) -> tuple[tuple[Prefix, ...], Mac | None]:
    """The prefixes behind a port, none of them an address of its own, and who sends to them."""
    router, interfaces = vrf_of(w, network)
    if router is None:
        return (), None
    hosts = {Prefix.host(f.ip) for f in port.fixed_ips if on_link(w, network, f.ip)}
    behind = sorted(agreed.prefixes_of(w, port, network, router, hosts).keys() - hosts)
    return tuple(behind), interfaces[0][1] if behind else None


def said_to_have(w: World, port: Port) -> dict[Ip, Claim]:
    """The addresses that the port's guest took last, where it may and they are not its own."""
    return {
        ip: claim
        for (network, ip), claim in sorted(w.claim.items())
        if (network, claim.port_id) == (port.network_id, port.id)
        and ip not in [f.ip for f in port.fixed_ips]
        and any(p.mac == claim.mac and ip in p.prefix for p in port.allowed_address_pairs)
    }


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
            encapsulations=tunnels(network, host),
            label=network.label,
            vni=network.vni,
            **agreed.said_of_network(w, network),
        )
        routes.setdefault(RouteKey(host.id, InclusiveMulticastRoute(rd, host.vtep)), evi)
        every: list[Ip | None] = [f.ip for f in port.fixed_ips]
        mine = changed(evi, sequence=port.moves)
        for ip in every or [None]:
            routes.setdefault(RouteKey(host.id, MacIpRoute(rd, port.mac, ip)), mine)
        for ip, claim in said_to_have(w, port).items():
            more = changed(evi, sequence=port.moves + claim.sequence)
            routes.setdefault(RouteKey(host.id, MacIpRoute(rd, claim.mac, ip)), more)
        router, _interfaces = vrf_of(w, network)
        if router is None:
            continue
        rd = RouteDistinguisher.of(host.vtep, router.number)
        hosts = {Prefix.host(f.ip) for f in port.fixed_ips if on_link(w, network, f.ip)}
        taken = {Prefix.host(ip) for ip in said_to_have(w, port) if on_link(w, network, ip)}
        said = agreed.prefixes_of(w, port, network, router, hosts, taken)
        for prefix, attributes in said.items():
            path = Path(
                next_hop=host.vtep,
                encapsulations=tunnels(network, host),
                label=router.label,
                vni=router.vni,
                router_mac=Mac(b"\2\0" + host.vtep[-4:]),
                **attributes,
            )
            routes.setdefault(RouteKey(host.id, IpPrefixRoute(rd, prefix)), path)
    return wayout.routes(w) | routes


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


def quality(w: World, port: Port, network: Network) -> Qos | None:
    """A port's own policy before its network's, which is none of those of network services."""
    id_ = port.qos_policy_id
    if id_ is None and not port.device_owner.startswith("network:"):
        id_ = network.qos_policy_id
    return said_by(w, id_)


def said_by(w: World, id_: str | None) -> Qos | None:
    """What a policy's rules say together."""
    if id_ is None or id_ not in w.qos_policy:
        return None
    said: dict[str, Limit | None] = {}
    for _key, rule in sorted(w.bandwidth_limit_rule.items(), reverse=True):
        if rule.qos_policy_id == id_:
            burst = rule.max_burst_kbps or max(1, int(rule.max_kbps * 0.8))
            limit = Limit(rule.max_kbps, burst) if rule.max_kbps else None
            said[rule.direction] = limit
    marks = [(k, r.dscp_mark) for k, r in w.dscp_marking_rule.items() if r.qos_policy_id == id_]
    mark = min(marks)[1] if marks else None
    found = Qos(said.get("egress"), said.get("ingress"), mark)
    return found if any(part is not None for part in found) else None


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


def usable(w: World, key: RouteKey, path: Path) -> Path | None:
    if ASN in path.as_path or any(h.vtep == path.next_hop for h in w.hypervisor.values()):
        return None
    listed = [g for _id, g in sorted(w.gateway.items()) if g.address == path.next_hop]
    offered = path.encapsulations or (Encapsulation.MPLS_GRE,)
    preference = path.local_preference
    if listed:
        offered = listed[0].encapsulations or offered
        if listed[0].local_preference is not None:
            preference = listed[0].local_preference
    able = set(Encapsulation) if path.label else {Encapsulation.VXLAN}
    if not path.vni or (isinstance(key.nlri, IpPrefixRoute) and not path.router_mac):
        able -= {Encapsulation.VXLAN}
    offered = tuple(e for e in offered if e in able)
    return changed(path, encapsulations=offered, local_preference=preference) if offered else None


def hop(path: Path) -> NextHop:
    return NextHop(path.next_hop, path.label, path.vni, path.encapsulations)


def to_prefix(key: RouteKey, path: Path) -> NextHop | None:
    """What routed packets to the prefix, or to the address of a MAC/IP route, are sent by."""
    if isinstance(key.nlri, IpPrefixRoute):
        return NextHop(path.next_hop, path.label, path.vni, path.encapsulations, path.router_mac)
    vxlan = Encapsulation.VXLAN
    if path.peer and path.l3_vni and path.router_mac and vxlan in path.encapsulations:
        return NextHop(path.next_hop, Label(0), path.l3_vni, (vxlan,), path.router_mac)
    return None


def prefix_of(key: RouteKey, path: Path) -> Prefix | None:
    """The prefix that a route gives to a VRF."""
    if isinstance(key.nlri, IpPrefixRoute):
        return key.nlri.prefix
    if isinstance(key.nlri, MacIpRoute) and key.nlri.ip and to_prefix(key, path):
        return Prefix.host(key.nlri.ip)
    return None


def decide(paths: list[tuple[RouteKey, Path]]) -> list[NextHop]:
    """RFC 4271 9.1.2.2: a path is out if any other beats it at the first step that differs."""

    def survivors(rest: list[tuple[RouteKey, Path]], beaten: Any) -> list[tuple[RouteKey, Path]]:
        return [r for r in rest if not any(beaten(r[1], other) for _k, other in rest)]

    def rank(path: Path) -> int:
        return (2 if not path.ebgp else 1) if path.peer else 0

    paths = survivors(paths, lambda p, o: p.stale and not o.stale)
    paths = survivors(paths, lambda p, o: o.local_preference > p.local_preference)
    paths = survivors(paths, lambda p, o: len(o.as_path) < len(p.as_path))
    paths = survivors(paths, lambda p, o: o.origin < p.origin)
    paths = survivors(paths, lambda p, o: o.as_path[:1] == p.as_path[:1] and o.med < p.med)
    paths = survivors(paths, lambda p, o: rank(o) < rank(p))

    def lowest(r: tuple[RouteKey, Path]) -> tuple[Any, ...]:
        return (r[1].next_hop, r[0].source, rd_of(r[0].nlri), r[0].path_id)

    hops = [via for r in sorted(paths, key=lowest) if (via := to_prefix(*r)) is not None]
    return [whole([h for h in hops if h.vtep == vtep]) for vtep in sorted({h.vtep for h in hops})]


def whole(same: list[NextHop]) -> NextHop:
    """The first of equal next hops; where another has the one kind of tunnel, VXLAN or MPLS, that
    it lacks, and nothing else, with that."""
    first = same[0]
    vxlan = {Encapsulation.VXLAN}
    for other in same[1:]:
        mine, theirs = set(first.encapsulations), set(other.encapsulations)
        both = first.encapsulations + other.encapsulations
        if mine == vxlan and not theirs & vxlan:
            return first._replace(label=other.label, encapsulations=both)
        if theirs == vxlan and not mine & vxlan:
            mac = other.router_mac
            return first._replace(vni=other.vni, router_mac=mac, encapsulations=both)
    return first


def changed(path: Path, **fields: Any) -> Path:
    values: dict[str, Any] = {f: getattr(path, f) for f in path.__struct_fields__}
    return Path(**values | fields)


def on_link(w: World, network: Network, ip: Ip) -> bool:
    _router, interfaces = vrf_of(w, network)
    links = [Prefix.covering(a, n) for _id, _mac, pairs in interfaces for a, n in pairs]
    return any(ip in link for link in links)


def translated(w: World, network: Network, known: set[str]) -> list[Desired]:
    """On an external network: what is translated is behind the gateway, if no guest is there."""
    outer, (_router, gates) = wayout.outer(network), vrf_of(w, network)
    if outer is None or not gates or not gates[0][2]:
        return []
    rows = [
        Neighbor(network.vni, ip, gates[0][1])
        for host, where, ip in wayout.placed(w)
        if where.id == outer.id and len(host.vtep) == 4 and tunnels(network, host)
    ]
    return [row for row in rows if row.key not in known]


def connected(w: World, row: Routed, networks: list[Network]) -> tuple[Prefix, ...]:
    """The prefixes on link in a VRF; all those of an external network."""
    if isinstance(row, wayout.Outer):
        return tuple(wayout.connected(w, row.id))
    gates = [gate for network in networks for gate in vrf_of(w, network)[1]]
    return tuple(sorted({Prefix.covering(ip, n) for _id, _m, pairs in gates for ip, n in pairs}))


def probes(w: World, vni: Vni, used: list[Path]) -> list[Probe]:
    """The gateways with an interval among the next hops, the first of those with one address."""
    rows = []
    for vtep in {path.next_hop for path in used if path.peer}:
        here = [g for _id, g in sorted(w.gateway.items()) if g.address == vtep]
        if here and here[0].probe_interval > 0:
            rows.append(Probe(vni, vtep, here[0].probe_interval, here[0].probe_multiplier))
    return rows


def outbid(claims: list[tuple[RouteKey, Path]]) -> list[tuple[RouteKey, Path]]:
    """Our claims to a MAC address are one higher than those of peers, but for static ones; five
    higher than they would be alone at most."""
    out = []
    for key, path in claims:
        others = [
            p.sequence
            for k, p in claims
            if p.peer and not p.sticky and k.nlri.mac == key.nlri.mac  # type: ignore[union-attr]
        ]
        mine = not path.peer and others and max(others) >= path.sequence
        number = min(max(others) + 1, path.sequence + 5) if mine else path.sequence
        out.append((key, changed(path, sequence=number)))
    return out


def hidden_in(w: World, router: Routed | None) -> int:
    """The tracking zone in which a hypervisor hides the router's guests behind its own address."""
    if not isinstance(router, Router) or wayout.outer_of(w, router) is None:
        return 0
    return 0x8000 + router.nat if router.distributed and wayout.hides(router) else 0


def policy_of(w: World, port: Port) -> list[Desired]:
    """The rules of a port's groups, and the addresses that they refer to."""
    out: list[Desired] = []
    for rule in w.security_group_rule.values():
        if rule.security_group_id not in port.security_groups or not port.port_security_enabled:
            continue
        remote = rule.remote_group_id or rule.remote_address_group_id or ""
        group = w.security_group.get(rule.security_group_id)
        if group is not None:
            out.append(
                SecurityRule(
                    rule.security_group_id,
                    rule.id,
                    rule.direction == "ingress",
                    {"IPv4": 4, "IPv6": 6}[rule.ethertype],
                    rule.protocol,
                    rule.port_range_min,
                    rule.port_range_max,
                    rule.remote_ip_prefix,
                    remote,
                    group.stateful,
                )
            )
        for other in w.port.values():
            if remote in other.security_groups:
                addresses = {Prefix(f.ip, 8 * len(f.ip)) for f in other.fixed_ips}
                addresses |= {pair.prefix for pair in other.allowed_address_pairs}
                if addresses:
                    out.append(RemoteAddresses(remote, other.id, tuple(sorted(addresses))))
        if remote in w.address_group:
            out += (
                RemoteAddresses(remote, str(p), (p,)) for p in w.address_group[remote].addresses
            )
    return out


def in_use(w: World) -> dict[RouteKey, Path]:
    """Our own routes, and those learned that may be used."""
    routes = dict(local_routes(w))
    for key, path in w.learned.items():
        good = None if isinstance(key.nlri, MembershipRoute) else usable(w, key, path)
        if good is not None:
            routes[key] = good
    return routes


def expected(w: World) -> dict[str, dict[str, Desired]]:
    """By hypervisor and key."""
    routes = in_use(w)

    def claim(r: tuple[RouteKey, Path]) -> tuple[Any, ...]:
        key, path = r
        worth = (path.stale, not path.sticky, -path.sequence)
        return (*worth, path.next_hop, key.source, rd_of(key.nlri), key.path_id)

    competing: dict[str, set[Ip]] = {}
    tables: dict[str, dict[str, Desired]] = {}
    for network in w.network.values():
        if not network.admin_state_up:
            continue
        wanted = agreed.evi_imports(w, network)
        mine = [r for r in routes.items() if wanted & set(r[1].route_targets)]
        router, interfaces = vrf_of(w, network)
        vrf = router.vni if router else Vni(0)
        table: list[Desired] = [Evi(network.vni, network.label, network.mtu, vrf)]
        table += [Irb(network.vni, vrf, id_, mac, pairs) for id_, mac, pairs in interfaces if pairs]
        table += told_in(w, network)
        table += [
            HostName(network.vni, p.id, p.dns_name, tuple({f.ip: 0 for f in p.fixed_ips}))
            for p in w.port.values()
            if p.network_id == network.id and p.dns_name and p.fixed_ips
        ]
        macs = [(k, p) for k, p in mine if isinstance(k.nlri, MacIpRoute)]
        for mac in {k.nlri.mac for k, _p in macs if isinstance(k.nlri, MacIpRoute)}:
            rivals = [r for r in macs if r[0].nlri.mac == mac]  # type: ignore[union-attr]
            best = min(outbid(rivals), key=claim)
            table.append(FdbEntry(network.vni, mac, hop(best[1])))
        for ip in {k.nlri.ip for k, _p in macs if isinstance(k.nlri, MacIpRoute)}:
            if ip is not None:
                rivals = [r for r in macs if r[0].nlri.ip == ip]  # type: ignore[union-attr]
                owner = min(outbid(rivals), key=lambda r: (claim(r), r[0].nlri))
                table.append(Neighbor(network.vni, ip, owner[0].nlri.mac))  # type: ignore[union-attr]
        table += translated(w, network, {row.key for row in table})
        floods = [r for r in mine if isinstance(r[0].nlri, InclusiveMulticastRoute)]
        for vtep in {p.next_hop for _k, p in floods}:
            best = min((r for r in floods if r[1].next_hop == vtep), key=claim)
            table.append(FloodEntry(network.vni, hop(best[1])))
        bridged = [p for k, p in mine if not isinstance(k.nlri, IpPrefixRoute)]
        table += probes(w, network.vni, bridged)
        tables[f"evi/{network.vni}"] = {row.key: row for row in table}
    for router, networks in vrfs(w):
        wanted = agreed.vrf_imports(w, router, networks)
        mine = [r for r in routes.items() if prefix_of(*r) and wanted & set(r[1].route_targets)]
        rows: list[Desired] = [Vrf(router.vni, router.label, connected(w, router, networks))]
        if isinstance(router, Router):
            rows += wayout.way(w, router)
        for prefix in {p for r in mine if (p := prefix_of(*r)) is not None}:
            here = [r for r in mine if prefix_of(*r) == prefix]
            hops = decide(here)
            used = {h.vtep for h in hops}
            rest = [r for r in here if r[1].next_hop not in used]
            spare = [] if any(not p.peer and p.next_hop in used for _k, p in here) else decide(rest)
            rows.append(FibEntry(router.vni, prefix, tuple(hops), tuple(spare)))
            if len(hops) > 1:
                competing.setdefault(f"vrf/{router.vni}", set()).update(h.vtep for h in hops)
        rows += probes(w, router.vni, [p for _k, p in mine])
        tables[f"vrf/{router.vni}"] = {row.key: row for row in rows}

    out: dict[str, dict[str, Desired]] = {}
    for host in w.hypervisor.values():
        mine_: dict[str, Desired] = {}
        groups = set()
        own: list[tuple[Port, Network, dict[str, Any]]] = [
            (port, network, {"picks_up": any(b.left for b in port.bindings)})
            for port, network, where in guests(w)
            if where.id == host.id
        ]
        for port, network, binding in own + prepared(w, host):
            router, _ports = vrf_of(w, network)
            groups.add(f"evi/{network.vni}")
            if router:
                groups.add(f"vrf/{router.vni}")
            behind, router_mac = passed_on(w, port, network)
            row = LocalPort(
                port.id,
                network.vni,
                router.vni if router else Vni(0),
                port.mac,
                tuple(dict.fromkeys(f.ip for f in port.fixed_ips)),
                is_up(port, network, host),
                port.port_security_enabled,
                port.security_groups if port.port_security_enabled else (),
                tuple((pair.mac, pair.prefix) for pair in port.allowed_address_pairs),
                behind,
                router_mac,
                **told_by_dhcp(w, port, network, host),
                **binding,
                claimed=tuple((c.mac, ip) for ip, c in said_to_have(w, port).items()),
                parent=port.subport.parent if port.subport else "",
                vlan=port.subport.vlan if port.subport else 0,
                qos=quality(w, port, network),
                zone=hidden_in(w, router),
            )
            mine_[row.key] = row
            mine_.update((each.key, each) for each in policy_of(w, port))
        mine_.update((row.key, row) for row in wayout.here(w, host))
        groups |= {f"vrf/{vni}" for vni in wayout.members(w, host)}
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
