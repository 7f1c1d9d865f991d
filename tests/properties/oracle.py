"""What every hypervisor must hold, computed from the whole intent by one plain function.

Written apart from sdnctl.graph on purpose: no rules, no indexes, no sharing of tables; loops over
everything for every hypervisor, and states in its own words what the graph's rules mean.
"""

from __future__ import annotations

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
    Qos,
    Vrf,
)
from sdnctl.graph.relations.inputs import Claim
from sdnctl.intent import BgpVpnNetwork, Hypervisor, Network, Port, Router
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Path,
    RouteKey,
    rd_of,
)
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher, Vni
from tests.properties import agreed, wayout
from tests.properties.agreed import Routed
from tests.properties.best import changed, decide, hop, outbid, prefix_of, probes, usable
from tests.properties.told import policy_of, told_in
from tests.properties.world import World

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


def hidden_in(w: World, router: Routed | None) -> int:
    """The tracking zone in which a hypervisor hides the router's guests behind its own address."""
    if not isinstance(router, Router) or wayout.outer_of(w, router) is None:
        return 0
    return 0x8000 + router.nat if router.distributed and wayout.hides(router) else 0


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
