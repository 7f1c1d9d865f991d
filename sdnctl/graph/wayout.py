"""External networks and the ways out to them: what is known before any port is placed.

Promise: an external network is a VRF of its own, whatever routes lead there; a router with a
gateway on one has a way out to it. One hypervisor is elected for what a router translates in one
place: by rendezvous of router and hypervisor, among those that are up, so that no more moves than
must when one comes or goes. Knows nothing of which addresses are where (``translation``).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.inputs import (
    DOMAIN,
    FLOATING_IP,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    NETWORK,
    PORT,
    PORT_FORWARDING,
    ROUTER,
    SUBNET,
)
from sdnctl.graph.relations.instances import EXTRA_ROUTE
from sdnctl.graph.relations.vpns import Policy, joined
from sdnctl.graph.relations.wayout import (
    CANDIDATES,
    ELECTED,
    EXTERNAL,
    FORWARDED,
    WAY_OUT,
    Candidate,
    Elected,
    External,
    Forwarded,
    WayOut,
)
from sdnctl.graph.targets import automatic_target
from sdnctl.graph.vpns import terms_of_network
from sdnctl.intent import Router
from sdnctl.types import Ip, Prefix, Vni

FIRST_ZONE: Final = 0x8000
"""NAT zones of the connection tracker lie above those of VIFs; this one is a hypervisor's own."""


def external(network_id: str, v: View) -> External | None:
    """A network that is external and up, as a VRF."""
    network = v.get(NETWORK, network_id)
    if network is None or network.vrf is None:
        return None
    domain = v.get(DOMAIN, "domain")
    if not network.external or not network.admin_state_up or domain is None:
        return None
    numbers = network.vrf
    own = automatic_target(domain.asn, numbers.number)
    vpns = [said.policy for _id, said in terms_of_network(v, network_id, "l3")]
    return External(
        vrf=numbers.vni,
        number=numbers.number,
        label=numbers.label,
        mac=numbers.mac,
        automatic=own,
        policy=joined([Policy((own,)), *vpns]),
        segment=network.vni,
        encapsulation=network.encapsulation,
        connected=tuple(sorted({row.prefix for _id, row in v.find(SUBNET, "network", network_id)})),
    )


def way_out(router_id: str, v: View) -> WayOut | None:
    """A router that is up, with a gateway on an external network that is up."""
    router = v.get(ROUTER, router_id)
    if router is None or router.gateway is None or not router.admin_state_up or not router.nat:
        return None
    gateway = router.gateway
    outside = v.get(EXTERNAL, gateway.network_id)
    if outside is None:
        return None
    port = v.get(PORT, gateway.port_id)
    address = None
    if port is not None and port.network_id == gateway.network_id and port.admin_state_up:
        four = [fixed.ip for fixed in port.fixed_ips if fixed.ip.version == 4]
        address = four[0] if four else None
    return WayOut(
        vrf=router.vni,
        external=outside.vrf,
        network_id=gateway.network_id,
        policy=outside.policy,
        zone=FIRST_ZONE | router.nat,
        snat=gateway.enable_snat,
        distributed=router.distributed,
        address=address,
        prefixes=tuple(sorted({*DEFAULTS, *_led_out(router, outside)})),
    )


DEFAULTS: Final = (Prefix(Ip(bytes(4)), 0), Prefix(Ip(bytes(16)), 0))


def _led_out(router: Router, outside: External) -> set[Prefix]:
    """Destinations of static routes by next hops on the external network."""
    return {
        route.destination
        for route in router.routes
        if any(route.nexthop in prefix for prefix in outside.connected)
    }


def extra_route(key: tuple[Vni, Ip], v: View) -> tuple[Prefix, ...] | None:
    """The destinations of a router's static routes by one next hop."""
    routes = [
        route.destination
        for _id, router in v.find(ROUTER, "nexthop", key)
        for route in router.routes
        if route.nexthop == key[1]
    ]
    return tuple(sorted(set(routes))) or None


def forwarded(forwarding_id: str, v: View) -> Forwarded | None:
    """A port forwarding whose address is on the external network of its router."""
    row = v.get(PORT_FORWARDING, forwarding_id)
    if row is None:
        return None
    floating = v.get(FLOATING_IP, row.floatingip_id)
    if floating is None or floating.port_id or not floating.router_id:
        return None
    out = v.get(WAY_OUT, floating.router_id)
    if out is None or out.network_id != floating.network_id:
        return None
    return Forwarded(floating.router_id, floating.id, floating.ip, out)


def candidates(_key: str, v: View) -> tuple[Candidate, ...] | None:
    """The hypervisors that can translate for others, sorted by name."""
    found = (
        Candidate(host, _hashed(host), row.encapsulations)
        for host, row in sorted(v.find(HYPERVISOR, "all", ()))
        if row.vtep.version == 4 and row.encapsulations
    )
    return tuple(found) or None


def _hashed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


_MULTIPLIER: Final = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: spreads what differs in few bits over the high ones (Knuth)."""


def ranking(router_id: str, hosts: tuple[Candidate, ...]) -> list[Candidate]:
    """The hypervisors in the order in which they would serve a router (rendezvous hashing)."""
    mine = _hashed(router_id)

    def weight(host: Candidate) -> tuple[int, str]:
        return (host.weight ^ mine) * _MULTIPLIER & 0xFFFFFFFFFFFFFFFF, host.host

    return sorted(hosts, key=weight)


def elected(router_id: str, v: View) -> Elected | None:
    """The first hypervisor of the router's ranking that is up; if none is, the first.

    Only of a router that needs one: to hide IPv4 addresses in one place, or to forward ports.
    """
    out = v.get(WAY_OUT, router_id)
    if out is None:
        return None
    central = out.snat and not out.distributed
    if not central and not v.exists(FORWARDED, "router", router_id):
        return None
    outside = v.get(EXTERNAL, out.network_id)
    pin = outside.encapsulation if outside is not None else None
    able = [
        host
        for host in ranking(router_id, v.get(CANDIDATES, "all") or ())
        if pin is None or pin in host.encapsulations
    ]
    for host in able:
        if v.get(HYPERVISOR_DOWN, host.host) is None:
            return Elected(host.host, out.vrf, out.external)
    return Elected(able[0].host, out.vrf, out.external) if able else None


FIRST_RULES: Final = (
    Rule(EXTERNAL, external, (on(NETWORK, same_key),)),
    Rule(WAY_OUT, way_out, (on(ROUTER, same_key),)),
)
"""Before interfaces and VRFs."""

RULES: Final = (
    Rule(EXTRA_ROUTE, extra_route, (on(ROUTER, ROUTER.indexes["nexthop"]),)),
    Rule(FORWARDED, forwarded, (on(PORT_FORWARDING, same_key),)),
    Rule(CANDIDATES, candidates, (on(HYPERVISOR, lambda _key, _row: ("all",)),)),
    Rule(ELECTED, elected, (on(WAY_OUT, same_key), on(FORWARDED, FORWARDED.indexes["router"]))),
)
