"""The way out and back to its flows: exits, floating IPs, hiding addresses, port forwardings.

Promise: as ``translate``: pure functions of one resource and the node. Knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from sdnctl.desired import (
    Desired,
    Exit,
    FloatingAddress,
    Forwarding,
    HidingAddress,
    Limits,
    LocalPort,
    Node,
)
from sdnctl.types import Ip
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.meters import number_outside
from sdnctl_vrouter.drivers.ovs.nexthops import routed
from sdnctl_vrouter.drivers.ovs.pipeline import ALIASES, Preference, fib_priority
from sdnctl_vrouter.drivers.ovs.rules import masked
from sdnctl_vrouter.drivers.ovs.translation import (
    Translation,
    Unreachable,
    metered,
    netmask,
    with_actions,
)

MOST_PORTS: Final = 1024
"""Forwarded to as many others, in order: each is a flow of its own."""


def static() -> Iterator[bytes]:
    """What every switch holds."""
    for pack in (
        *(t.exit_miss, t.central_miss, t.hide_miss),
        *(t.sourced_miss, t.hidden_miss, t.entered_miss, t.alias_miss),
        *(t.sourced_invalid, t.hidden_invalid, t.entered_invalid, t.alias_invalid),
        *(t.entered_alias, t.entered_alias_refused),
    ):
        yield pack()


def _out(limits: Limits | None, flow: bytes) -> bytes:
    """A flow that an address outside sends by, as far as it may."""
    return flow if limits is None else metered(flow, number_outside(limits, ingress=False))


def _in(limits: Limits | None, flow: bytes) -> bytes:
    """A flow that an address outside is sent by."""
    return flow if limits is None else metered(flow, number_outside(limits, ingress=True))


def is_here(row: Exit | Forwarding, node: Node) -> bool:
    """Whether it is this hypervisor that translates for all."""
    return row.at is not None and row.at.vtep == node.vtep


def exit_(row: Exit, node: Node) -> Translation:
    """A router's way out."""
    return Translation(tuple(_exit(row, node)))


def _exit(row: Exit, node: Node) -> Iterator[bytes]:
    for ip, length in row.prefixes:
        mask = netmask(length, ip.bits)
        priority = fib_priority(length, Preference.EXIT)
        if ip.version == 6:
            yield t.exit_6(priority, row.vrf, ip, mask, row.external)
            continue
        yield t.exit_4(priority, row.vrf, ip, mask)
        if is_here(row, node):
            yield t.exit_received_4(priority, row.vrf, ip, mask)
    if not row.snat:
        yield t.exit_plain(row.vrf, row.external)
    elif row.distributed:
        yield t.sourced_alias(row.vrf, row.external)
    elif row.at is not None and not is_here(row, node):
        yield with_actions(t.exit_elsewhere(row.vrf), t.dec_ttl() + routed(row.at, node))
    else:
        yield t.exit_here(row.vrf)
    if is_here(row, node):
        yield from _central(row)


def _central(row: Exit) -> Iterator[bytes]:
    """What the one hypervisor does for all."""
    if not row.snat:
        yield t.central_answer(row.vrf, row.zone)
        yield t.sourced_new(row.vrf, row.external)
    elif row.address is not None:
        yield _out(row.limits, t.central_hide(row.vrf, row.zone, row.address))
        yield t.sourced_central(row.vrf, row.address, row.external)
        yield _in(row.limits, t.central_in(row.external, row.address, row.zone))
        yield t.hidden_behind_echo(row.external, row.address)
        origin = row.address.number
        yield t.entered_central_refused(row.external, row.address, origin)
        yield t.entered_central(row.external, origin, row.vrf)


def floating(row: FloatingAddress) -> Translation:
    """A floating IP of a guest here."""
    return Translation(
        (
            _out(row.limits, t.floating_out(row.vrf, row.fixed, row.ip, row.zone)),
            t.sourced_floating(row.vrf, row.fixed.number, row.ip, row.external),
            _in(row.limits, t.floating_in(row.external, row.ip, row.fixed, row.zone)),
            t.entered_floating(row.external, row.ip.number, row.fixed, row.vrf),
        )
    )


def gives_up(old: FloatingAddress, new: Desired | None) -> bool:
    """Whether what a floating IP stood for is no more: how fast it may be is another matter."""
    if not isinstance(new, FloatingAddress):
        return True
    return msgspec.structs.replace(new, limits=old.limits) != old


def hiding(row: HidingAddress) -> Translation:
    """The hypervisor's own address."""
    return Translation(
        (
            t.hide(row.external, row.ip),
            t.hidden(row.external, row.ip),
            t.hiding_in(row.external, row.ip),
            t.hidden_behind_echo(row.external, row.ip),
        )
    )


def alias_of(ofport: int) -> Ip:
    """What stands for a port between two translations."""
    return Ip.from_number(ALIASES[0] | ofport, 4)


def port(local: LocalPort, ofport: int) -> Iterator[bytes]:
    """A port whose IPv4 addresses are hidden behind its hypervisor's own."""
    alias = alias_of(ofport)
    yield t.alias_out(ofport, local.vrf, local.zone, alias)
    yield t.alias_in(alias, local.vrf, local.zone)


# ---- port forwardings

Pack = Callable[..., bytes]

_PACKS: Final[dict[int, dict[str, Pack]]] = {
    number: {
        what: getattr(t, f"forwarding_{what}_{name}")
        for what in ("same", "to", "entered", "here", "elsewhere", "sourced")
    }
    for number, name in ((6, "tcp"), (17, "udp"))
}


def forwarding(row: Forwarding, node: Node) -> Translation:
    """Ports of a floating IP that lead to a guest, wherever it is."""
    packs = _PACKS.get(row.protocol)
    if packs is None:
        raise Unreachable(f"ports of IP protocol {row.protocol} cannot be forwarded")
    if not is_here(row, node):
        path = t.dec_ttl() + routed(row.at, node)
        matches = [
            t.forwarding_complaint_elsewhere(row.vrf, row.fixed),
            *(packs["elsewhere"](row.vrf, row.fixed, *ports) for ports in masked(*row.internal)),
        ]
        return Translation(tuple(with_actions(match, path) for match in matches))
    return Translation(tuple(_forwarding(row, packs)))


def _forwarding(row: Forwarding, packs: dict[str, Pack]) -> Iterator[bytes]:
    for flow in _forwarded_to(row, packs):
        yield _in(row.limits, flow)
    origin = row.ip.number
    for ports in masked(*row.internal):
        yield packs["entered"](row.external, origin, row.fixed, *ports, row.vrf)
        yield packs["here"](row.vrf, row.fixed, *ports)
    for ports in masked(*row.ports):
        flow = packs["sourced"](row.vrf, row.fixed.number, row.ip, *ports, row.external)
        yield _out(row.limits, flow)
    yield t.forwarding_error(row.external, row.ip, row.zone)
    yield t.entered_error(row.external, origin, row.vrf)
    yield t.forwarding_complaint_here(row.vrf, row.fixed)
    yield t.sourced_error(row.vrf, row.ip, row.external)


def _forwarded_to(row: Forwarding, packs: dict[str, Pack]) -> Iterator[bytes]:
    first, last = row.ports
    if row.ports == row.internal:
        for ports in masked(first, last):
            yield packs["same"](row.external, row.ip, *ports, row.zone, row.fixed)
        return
    one = row.internal[0]
    if row.internal[0] == row.internal[1]:
        for ports in masked(first, last):
            yield packs["to"](row.external, row.ip, *ports, row.zone, row.fixed, one)
        return
    if last - first >= MOST_PORTS:
        raise Unreachable(f"{last - first + 1} ports to as many others are too many")
    for number in range(first, last + 1):
        internal = one + number - first
        yield packs["to"](row.external, row.ip, number, 0xFFFF, row.zone, row.fixed, internal)
