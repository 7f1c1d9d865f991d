"""The oracle's part on BGP peers: what each must be told."""

from __future__ import annotations

from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Path,
    RouteKey,
)
from sdnctl.types import Encapsulation, Ip, Prefix, RouteDistinguisher, RouteTarget
from tests.properties import agreed
from tests.properties.agreed import ASN
from tests.properties.best import changed, outbid
from tests.properties.oracle import guests, in_use, is_up, local_routes, on_link, vrf_of, vrfs
from tests.properties.world import World


def announced(w: World) -> dict[str, dict[RouteKey, Path]]:
    """By peer: prefixes over MPLS or VXLAN, the routes of networks over VXLAN only."""
    out: dict[str, dict[RouteKey, Path]] = {}
    routes = local_routes(w)
    for name, peer in w.bgp_peer.items():
        if not peer.admin_state_up:
            continue
        told: dict[RouteKey, Path] = {}
        for key, path in (gateways(w, routes) | routes).items():
            accepts = w.hypervisor[key.source].encapsulations
            vxlan, mpls = Encapsulation.VXLAN in accepts, set(accepts) - {Encapsulation.VXLAN}
            if isinstance(key.nlri, IpPrefixRoute):
                vpn = "ipv4-vpn" if len(key.nlri.prefix.ip) == 4 else "ipv6-vpn"
                if (vpn in peer.families and mpls) or ("l2vpn-evpn" in peer.families and vxlan):
                    told[key] = changed(path, encapsulations=accepts)
            elif "l2vpn-evpn" in peer.families and vxlan:
                said = changed(path, encapsulations=(Encapsulation.VXLAN,))
                if isinstance(key.nlri, MacIpRoute) and not path.default_gateway:
                    said = changed(said, sequence=as_moved(w, key, path))
                host = routed_too(w, key, routes) if isinstance(key.nlri, MacIpRoute) else None
                if host is not None:
                    both = {*path.route_targets, *host.route_targets}
                    said = changed(
                        said,
                        route_targets=tuple(sorted(both)),
                        local_preference=max(path.local_preference, host.local_preference),
                        communities=tuple(sorted({*path.communities, *host.communities})),
                        l3_vni=host.vni,
                        router_mac=host.router_mac,
                    )
                told[key] = said
        if "route-target" in peer.families:
            told = {k: p for k, p in told.items() if any(asks(w, name, t) for t in p.route_targets)}
            nothing = Path(next_hop=Ip(bytes(4)), route_targets=(), encapsulations=())
            asked = [agreed.evi_imports(w, n) for n in w.network.values() if n.admin_state_up]
            asked += [agreed.vrf_imports(w, row, networks) for row, networks in vrfs(w)]
            for target in set().union(*asked):
                told[RouteKey("", MembershipRoute(ASN, target))] = nothing
        if told:
            out[name] = told
    return out


def gateways(w: World, routes: dict[RouteKey, Path]) -> dict[RouteKey, Path]:
    """Every member of a network is the gateway for it: as member routes, with address and MAC."""
    out = {}
    for key, path in routes.items():
        network = next((n for n in w.network.values() if n.vni == path.vni), None)
        if network is not None and isinstance(key.nlri, InclusiveMulticastRoute):
            for _id, mac, addresses in vrf_of(w, network)[1]:
                for ip, _length in addresses:
                    nlri = MacIpRoute(key.nlri.rd, mac, ip)
                    out[RouteKey(key.source, nlri)] = changed(path, default_gateway=True)
    return out


def as_moved(w: World, key: RouteKey, path: Path) -> int:
    """The sequence number of one of our MAC addresses, after what is claimed in its network."""
    assert isinstance(key.nlri, MacIpRoute)
    network = next(n for n in w.network.values() if n.vni == path.vni)
    wanted = agreed.evi_imports(w, network)
    rivals = [
        (k, p)
        for k, p in in_use(w).items()
        if isinstance(k.nlri, MacIpRoute)
        and k.nlri.mac == key.nlri.mac
        and wanted & set(p.route_targets)
    ]
    return dict(outbid([*rivals, (key, path)]))[key].sequence


def asks(w: World, peer: str, target: RouteTarget) -> bool:
    """RFC 4684: whether the peer announced a prefix of route targets that this one lies in."""
    bits = "".join(f"{byte:08b}" for byte in target)
    for key in w.learned:
        if key.source == peer and isinstance(key.nlri, MembershipRoute):
            wanted = key.nlri.target
            if wanted is None:
                return True
            if bits.startswith("".join(f"{b:08b}" for b in wanted)[: key.nlri.length]):
                return True
    return False


def routed_too(w: World, key: RouteKey, routes: dict[RouteKey, Path]) -> Path | None:
    """The host prefix of the port that a MAC/IP route speaks of."""
    for port, network, host in guests(w):
        nlri = key.nlri
        assert isinstance(nlri, MacIpRoute)
        if (
            is_up(port, network, host)
            and host.id == key.source
            and port.mac == nlri.mac
            and nlri.ip in [f.ip for f in port.fixed_ips]
            and RouteDistinguisher.of(host.vtep, network.number) == nlri.rd
        ):
            router, _interfaces = vrf_of(w, network)
            if router is not None and nlri.ip is not None:
                rd = RouteDistinguisher.of(host.vtep, router.number)
                prefix = IpPrefixRoute(rd, Prefix.host(nlri.ip))
                return (
                    routes.get(RouteKey(host.id, prefix)) if on_link(w, network, nlri.ip) else None
                )
    return None
