"""Port forwardings: ports of a floating IP that stand for ports of several guests.

Neutron's extensions floating-ip-port-forwarding, -port-ranges and -description. Beside Neutron: a
range that stands for as many ports is at most ``MOST`` long, and a port has either a floating IP
or forwardings, whatever its router.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.errors import bad, conflict, not_found
from sdnctl.api.schema import REQUIRED, Above, Attribute, Resource, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.translations import already_associated, forget, forwardings, router_between
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Work
from sdnctl.intent import FixedIp, FloatingIp, Port, PortForwarding, Row

MOST: Final = 1024
"""Ports in a range that stands for as many: each is a flow of its own at the hypervisor."""

_PROTOCOLS: Final = {"tcp": 6, "udp": 17}
_NAMES: Final = {number: name for name, number in _PROTOCOLS.items()}
_WHAT: Final = "port_forwarding"

Range = tuple[int, int]
"""First and last port."""


# ---- types -------------------------------------------------------------------------------------


def _protocol(value: Json) -> int:
    name = str(value).lower()
    for known, number in _PROTOCOLS.items():
        if name in {known, str(number)}:
            return number
    raise ValueError(f"'{value}' is not in {list(_PROTOCOLS)}")


def _range(value: Json) -> Range | None:
    if value is None:
        return None
    first, colon, last = str(value).partition(":")
    low: int = _PORT.convert(first)
    high: int = _PORT.convert(last) if colon else low
    if low > high:
        raise ValueError(f"'{value}' is not a range: the first port is the greater")
    return low, high


_PORT: Final = values.integer(1, 65535)
_PROTOCOL: Final = Type(_protocol, {"enum": list(_PROTOCOLS)}, _NAMES.__getitem__)


def _text(ports: Range) -> str:
    return f"{ports[0]}:{ports[1]}"


_RANGE: Final = Type(
    _range,
    {"type": ["string", "integer", "null"]},
    lambda ports: None if ports is None else _text(ports),
)


def _single(ports: Range) -> int | None:
    return ports[0] if ports[0] == ports[1] else None


def _length(ports: Range) -> int:
    return ports[1] - ports[0] + 1


# ---- what is asked for -------------------------------------------------------------------------


def _ports(given: dict[str, Any], side: str) -> Range | None:
    """The ports of a side, said as one or as a range; None if they are not said."""
    one, many = given.get(f"{side}_port"), given.get(f"{side}_port_range")
    if one is not None and many is not None and many != (one, one):
        raise bad(_WHAT, f"{side}_port {one} and {side}_port_range {_text(many)} differ")
    return many if one is None else (one, one)


def _checked(work: Work, new: PortForwarding, floating: FloatingIp) -> PortForwarding:
    """The forwarding, if its ranges fit and no other stands in its way."""
    longer = _length(new.internal)
    if longer > 1 and longer != _length(new.external):
        raise bad(
            _WHAT,
            "Invalid ranges of internal and/or external ports. The relation between internal and "
            "external ports must be N-N or 1-N",
        )
    if longer > MOST:
        raise bad(_WHAT, f"A range of {longer} ports is longer than {MOST}")
    for other in work.tx.find(PortForwarding, "port_id", new.port_id):
        if other.fixed_ip == new.fixed_ip:
            _check_collision(new, other, "internal")
    for other in forwardings(work, floating.id):
        _check_collision(new, other, "external")
    return new


def _check_collision(new: PortForwarding, other: PortForwarding, side: str) -> None:
    if other.id == new.id or other.protocol != new.protocol:
        return
    a: Range = getattr(new, side)
    b: Range = getattr(other, side)
    if a[0] <= b[1] and b[0] <= a[1]:
        raise bad(
            _WHAT,
            f"There is a port collision with the {side}_port_range. The following ranges collide: "
            f"{_text(b)} and {_text(a)}",
        )


def _target(work: Work, floating: FloatingIp, port_id: str, ip: Any) -> tuple[FixedIp, str]:
    """The guest's address, and the router between it and the floating IP."""
    port = work.visible(Port, port_id)
    if port is None:
        raise not_found("Port", port_id)
    if port.device_owner.startswith("network:"):
        raise bad(_WHAT, f"Port {port.id} is unable to be assigned a floating IP")
    fixed_ips = [fixed for fixed in port.fixed_ips if fixed.ip.version == 4]
    if not fixed_ips:
        raise bad(
            _WHAT, f"Requested internal port {port.id} must allocate an IPv4 address at least"
        )
    found = next((fixed for fixed in fixed_ips if fixed.ip == ip), None)
    if found is None:
        raise bad(
            _WHAT,
            f"Requested internal IP address {ip} is not suitable for internal neutron port "
            f"{port.id}, as its fixed_ips are {[str(fixed.ip) for fixed in fixed_ips]}",
        )
    bound = work.tx.first(FloatingIp, "port_id", port.id)
    if bound is not None:
        raise conflict(
            "PortHasBindingFloatingIP",
            f"Cannot create port forwarding to floating IP {bound.ip} ({bound.id}) with port "
            f"{port.id} using fixed IP {found.ip}, as that port already has a binding floating IP.",
        )
    router_id = router_between(work, port, found.subnet_id, floating.network_id)
    if router_id is None:
        raise bad(
            _WHAT,
            f"External network {floating.network_id} is not reachable from subnet "
            f"{found.subnet_id}. Cannot set Port forwarding for port {port.id} with Floating IP "
            f"{floating.id}",
        )
    return found, router_id


def _check_router(floating: FloatingIp, router_id: str, port_id: str) -> None:
    if floating.router_id not in {"", router_id}:
        raise bad(
            _WHAT,
            f"The Floating IP {floating.id} had been set on router {floating.router_id}, the "
            f"internal Neutron port {port_id} can not reach it",
        )


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    floating = work.tx.get(FloatingIp, row["floatingip_id"])
    if floating is None:
        raise not_found("FloatingIP", row["floatingip_id"])
    external, internal = _ports(given, "external"), _ports(given, "internal")
    for side, ports in (("external", external), ("internal", internal)):
        if ports is None:
            raise bad(_WHAT, f"Either {side}_port or {side}_port_range must be specified")
    port_id, ip = given["internal_port_id"], given["internal_ip_address"]
    if floating.port_id:
        raise already_associated(floating, port_id, ip)
    fixed, router_id = _target(work, floating, port_id, ip)
    _check_router(floating, router_id, port_id)
    row |= {"external": external, "internal": internal, "project_id": floating.project_id}
    new = _checked(work, PortForwarding(**row | {"fixed_ip": fixed.ip}), floating)
    work.put(floating, router_id=router_id)
    return new


def _update(work: Work, old: PortForwarding, given: dict[str, Any], row: dict[str, Any]) -> Row:
    floating = work.tx.get(FloatingIp, old.floatingip_id)
    if floating is None:
        raise not_found("FloatingIP", old.floatingip_id)
    for side in ("external", "internal"):
        ports = _ports(given, side)
        if ports is not None:
            row[side] = ports
    new = work.replace(old, row)
    if (new.port_id, new.fixed_ip) != (old.port_id, old.fixed_ip):
        _, router_id = _target(work, floating, new.port_id, new.fixed_ip)
        _check_router(floating, router_id, new.port_id)
    return _checked(work, new, floating)


def _delete(work: Work, forwarding: PortForwarding) -> None:
    forget(work, forwarding)
    work.tx.put(forwarding)  # the caller deletes it


# ---- what is shown -----------------------------------------------------------------------------


def show_in_floatingip(row: PortForwarding) -> Json:
    """As its floating IP shows it: with a single port, or without any."""
    shown: dict[str, Json] = {
        "id": row.id,
        "protocol": _NAMES[row.protocol],
        "internal_port_id": row.port_id,
        "internal_ip_address": str(row.fixed_ip),
    }
    for side, ports in (("internal", row.internal), ("external", row.external)):
        if (single := _single(ports)) is not None:
            shown[f"{side}_port"] = single
    return shown


def _port(side: str, **more: Any) -> Attribute:
    return Attribute(
        name=f"{side}_port",
        type=values.optional(_PORT),
        default=None,
        post=True,
        put=True,
        read=lambda _c, row: _single(getattr(row, side)),
        **more,
    )


def _port_range(side: str, **more: Any) -> Attribute:
    return Attribute(
        name=f"{side}_port_range",
        type=_RANGE,
        default=None,
        post=True,
        put=True,
        read=lambda _c, row: _text(getattr(row, side)),
        **more,
    )


_LOOKED_FOR: Final = {"filter": True, "sort": True}

PORT_FORWARDINGS: Final = Resource(
    name="port_forwarding",
    collection="port_forwardings",
    title="PortForwarding",
    kind=PortForwarding,
    above=Above(FloatingIp, "FloatingIP", "floatingip_id", named=False),
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *(attribute for attribute in STANDARD if attribute.name in {"id", "description"}),
        # It may be said, and is its floating IP's.
        Attribute(name="project_id", type=values.NAME, post=True, visible=False),
        stored("protocol", _PROTOCOL, REQUIRED),
        _port("external", **_LOOKED_FOR),
        _port_range("external", **_LOOKED_FOR),
        _port("internal"),
        _port_range("internal"),
        stored("internal_port_id", values.UUID, REQUIRED, field="port_id", index="port_id"),
        stored(
            "internal_ip_address",
            values.IP,
            REQUIRED,
            field="fixed_ip",
            filter=False,
            sort=False,
        ),
    ),
)
