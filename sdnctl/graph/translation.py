"""What is translated on the way out and in, where, and what the hypervisors are told of it.

Promise: an address of an external network is at the hypervisor that translates what is for it: a
floating IP at its guest's, a router's own and that of its port forwardings at the elected one, a
hypervisor's at itself. Each is a host route there, so it moves with who holds it. Whatever does not
fit together (a floating IP of another network than the router's way out leads to, of a guest that
is not there) is nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sdnctl.desired import (
    Exit,
    FloatingAddress,
    Forwarding,
    HidingAddress,
    Limits,
    NextHop,
)
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.origination import router_mac
from sdnctl.graph.relations.attachments import ATTACHMENT, OUTSIDE, Outside
from sdnctl.graph.relations.inputs import FLOATING_IP, HYPERVISOR, PORT, PORT_FORWARDING, ROUTER
from sdnctl.graph.relations.instances import ROUTING, VRF_INSTANCE
from sdnctl.graph.relations.resources import (
    EXIT,
    FLOATING,
    FORWARDING,
    HIDING,
    QOS,
    PlacedFloating,
    PlacedHiding,
)
from sdnctl.graph.relations.wayout import ELECTED, EXTERNAL, FORWARDED, WAY_OUT, External, WayOut
from sdnctl.intent import SNAT_OWNER, FloatingIp, Hypervisor, Port
from sdnctl.routes import IpPrefixRoute, RouteKey
from sdnctl.types import Encapsulation, Ip, Prefix, RouteDistinguisher

Key = tuple[str, str]


class _Stand(NamedTuple):
    """A floating IP that stands for an address of a guest on ``host``."""

    host: str
    out: WayOut


def _stands(row: FloatingIp, v: View) -> _Stand | None:
    """Where a floating IP stands for a guest, if all that it needs is there.

    Of several that stand for one address the lowest has it.
    """
    if not row.port_id or row.fixed_ip is None:
        return None
    port = v.get(ATTACHMENT, row.port_id)
    if port is None or not port.up or row.fixed_ip not in port.routed:
        return None
    where, out = v.get(ROUTING, port.network_id), v.get(WAY_OUT, row.router_id)
    if where is None or out is None or where.vrf != out.vrf or out.network_id != row.network_id:
        return None
    rivals = v.find(FLOATING_IP, "fixed", (row.port_id, row.fixed_ip))
    first = min(other.id for _id, other in rivals if _fits(other, row))
    return _Stand(port.host, out) if first == row.id else None


def _fits(other: FloatingIp, row: FloatingIp) -> bool:
    return (other.network_id, other.router_id) == (row.network_id, row.router_id)


def outside(key: Key, v: View) -> Outside | None:
    """The addresses of a floating IP, of a router, or of a hypervisor."""
    kind, id_ = key
    match kind:
        case "floatingip":
            return _of_floating_ip(id_, v)
        case "router":
            return _of_router(id_, v)
        case _:
            return _of_hypervisor(id_, v)


def _of_floating_ip(id_: str, v: View) -> Outside | None:
    row = v.get(FLOATING_IP, id_)
    if row is None:
        return None
    stand = _stands(row, v)
    if stand is not None:
        return _placed(stand.host, row.network_id, (row.ip,), v)
    if row.port_id or not v.exists(FORWARDED, "floatingip", id_):
        return None
    place = v.get(ELECTED, row.router_id)
    return _placed(place.host, row.network_id, (row.ip,), v) if place is not None else None


def _of_router(id_: str, v: View) -> Outside | None:
    place, out = v.get(ELECTED, id_), v.get(WAY_OUT, id_)
    if place is None or out is None or not out.snat or out.address is None:
        return None
    return _placed(place.host, out.network_id, (out.address,), v)


def _of_hypervisor(id_: str, v: View) -> Outside | None:
    port = v.get(PORT, id_)
    if port is None or not _hides(port):
        return None
    four = tuple(fixed.ip for fixed in port.fixed_ips if fixed.ip.version == 4)[:1]
    return _placed(port.host, port.network_id, four, v) if four else None


def _hides(port: Port) -> bool:
    return port.device_owner == SNAT_OWNER and bool(port.host) and port.admin_state_up


def _placed(host: str, network_id: str, ips: tuple[Ip, ...], v: View) -> Outside | None:
    hypervisor, network = v.get(HYPERVISOR, host), v.get(EXTERNAL, network_id)
    if hypervisor is None or network is None:
        return None
    encapsulations = _tunnels(hypervisor, network)
    if not encapsulations or hypervisor.vtep.version != 4:
        return None
    rd = RouteDistinguisher.of(hypervisor.vtep, network.number)
    return Outside(
        host,
        hypervisor.vtep,
        encapsulations,
        network_id,
        ips,
        tuple(RouteKey(host, IpPrefixRoute(rd, Prefix.host(ip))) for ip in ips),
        network.segment,
    )


def _tunnels(hypervisor: Hypervisor, network: External) -> tuple[Encapsulation, ...]:
    pin = network.encapsulation
    return tuple(e for e in hypervisor.encapsulations if pin is None or e == pin)


# ---- what agents are told


def floating(id_: str, v: View) -> PlacedFloating | None:
    """A floating IP on its guest's hypervisor."""
    row = v.get(FLOATING_IP, id_)
    stand = _stands(row, v) if row is not None else None
    if row is None or stand is None or row.fixed_ip is None:
        return None
    if v.get(OUTSIDE, ("floatingip", id_)) is None:
        return None
    out = stand.out
    address = FloatingAddress(
        out.external, row.ip, out.vrf, row.fixed_ip, out.zone, _limits(row, v)
    )
    return PlacedFloating(stand.host, address)


def _limits(row: FloatingIp, v: View) -> Limits | None:
    """The bandwidths of an address; its policy's mark is for guests."""
    return _limits_of(row.qos_policy_id, row.meter, v) if row.meter else None


def _limits_of(policy_id: str | None, number: int, v: View) -> Limits | None:
    said = v.get(QOS, policy_id) if policy_id is not None else None
    if said is None or (said.egress is None and said.ingress is None):
        return None
    return Limits(number, said.egress, said.ingress)


def hiding(port_id: str, v: View) -> PlacedHiding | None:
    """An address that a hypervisor has to hide its guests behind."""
    place = v.get(OUTSIDE, ("port", port_id))
    network = v.get(EXTERNAL, place.network_id) if place is not None else None
    if place is None or network is None:
        return None
    return PlacedHiding(place.host, HidingAddress(network.vrf, place.addresses[0]))


def exit_(router_id: str, v: View) -> Exit | None:
    """The way out of a router that is up, the same for all its members."""
    out = v.get(WAY_OUT, router_id)
    if out is None:
        return None
    return Exit(
        vrf=out.vrf,
        external=out.external,
        zone=out.zone,
        prefixes=out.prefixes,
        snat=out.snat,
        distributed=out.distributed,
        address=out.address,
        at=_at(router_id, out, v),
        limits=_limits_of_gateway(router_id, out, v),
    )


def _limits_of_gateway(router_id: str, out: WayOut, v: View) -> Limits | None:
    """The bandwidths of what is hidden behind a router's address."""
    router = v.get(ROUTER, router_id)
    if router is None or router.gateway is None or not out.snat or out.distributed:
        return None
    return _limits_of(router.gateway.qos_policy_id, out.zone, v)


def _at(router_id: str, out: WayOut, v: View) -> NextHop | None:
    """The elected hypervisor, as an end of tunnels into the router's VRF."""
    place = v.get(ELECTED, router_id)
    instance = v.get(VRF_INSTANCE, router_id)
    if place is None or instance is None:
        return None
    hypervisor, network = v.get(HYPERVISOR, place.host), v.get(EXTERNAL, out.network_id)
    if hypervisor is None or network is None:
        return None
    return NextHop(
        hypervisor.vtep,
        instance.label,
        instance.vni,
        _tunnels(hypervisor, network),
        router_mac(hypervisor.vtep),
    )


def forwarding(id_: str, v: View) -> Forwarding | None:
    """A port forwarding, for all members of its router's VRF."""
    row, found = v.get(PORT_FORWARDING, id_), v.get(FORWARDED, id_)
    if row is None or found is None:
        return None
    place = v.get(EXIT, found.router_id)
    floating = v.get(FLOATING_IP, found.floatingip_id)
    if place is None or place.at is None or floating is None:
        return None
    return Forwarding(
        vrf=found.out.vrf,
        forwarding_id=id_,
        external=found.out.external,
        ip=found.ip,
        protocol=row.protocol,
        ports=row.external,
        fixed=row.fixed_ip,
        internal=row.internal,
        zone=found.out.zone,
        at=place.at,
        limits=_limits(floating, v),
    )


def _of_floating(id_: str, _row: object) -> Iterable[Key]:
    return (("floatingip", id_),)


RULES: Final = (
    Rule(
        OUTSIDE,
        outside,
        (
            on(FLOATING_IP, _of_floating),
            on(ELECTED, lambda id_, _row: (("router", id_),)),
            on(PORT, lambda id_, row: (("port", id_),) if row.device_owner == SNAT_OWNER else ()),
        ),
    ),
)
"""Before routes are originated."""

TOLD: Final = (
    Rule(EXIT, exit_, (on(WAY_OUT, same_key),)),
    Rule(FLOATING, floating, (on(FLOATING_IP, same_key),)),
    Rule(
        HIDING,
        hiding,
        (on(OUTSIDE, lambda key, _row: (key[1],) if key[0] == "port" else ()),),
    ),
    Rule(FORWARDING, forwarding, (on(FORWARDED, same_key),)),
)
"""What agents are told."""
