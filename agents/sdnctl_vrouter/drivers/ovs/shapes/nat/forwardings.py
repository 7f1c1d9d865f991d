"""Ports of a floating IP that stand for ports of guests, and the errors about them.

Knows nothing of where a guest is: on another hypervisor, the actions follow.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Priority, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.shapes.nat.tracker import (
    CLEAR,
    TO,
    destination,
    inward,
    onward,
    translate,
)
from sdnctl_vrouter.drivers.ovs.shapes.security import INVALID, RELATED, TRACKED, state
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    IPV4,
    Match,
    flow,
    ip_match,
    load,
    reg,
    resubmit,
    shape,
)

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17


def transport(protocol: int, direction: str, port: Any, port_mask: Any) -> Match:
    """TCP or UDP ports."""
    name = "tcp" if protocol == TCP else "udp"
    return {"ip_proto": protocol, f"{name}_{direction}": (port, port_mask)}


def forwarding_in(  # noqa: PLR0917 fields
    protocol: int,
    external: Any,
    floating: Any,
    port: Any,
    port_mask: Any,
    zone: Any,
    fixed: Any,
    **ports: Any,
) -> Any:
    """Ports of a floating IP become those of a guest."""
    match = {
        **reg(vrf=external),
        **ip_match(4, "dst", floating),
        **transport(protocol, "dst", port, port_mask),
    }
    actions = [TO, CLEAR, translate(zone, Table.ENTERED, **destination(fixed, **ports))]
    return flow(Table.FIB, fib_priority(32, Preference.FORWARDED), match, actions)


def entered_forwarding(  # noqa: PLR0917 fields
    protocol: int,
    external: Any,
    origin: Any,
    fixed: Any,
    port: Any,
    port_mask: Any,
    vrf: Any,
) -> Any:
    """They did."""
    match = {
        **reg(vrf=external, origin=origin),
        **ip_match(4, "dst", fixed),
        **transport(protocol, "dst", port, port_mask),
    }
    return flow(Table.ENTERED, Priority.DEFAULT, match, inward(load(vrf=vrf)))


def answer(protocol: int, vrf: Any, fixed: Any, port: Any, port_mask: Any) -> Match:
    """What a guest says from a port that is forwarded to."""
    return {
        **reg(vrf=vrf),
        **ip_match(4, "src", fixed),
        **transport(protocol, "src", port, port_mask),
    }


def sourced_forwarding(  # noqa: PLR0917 fields
    protocol: int, vrf: Any, origin: Any, floating: Any, port: Any, port_mask: Any, external: Any
) -> Any:
    """The floating IP's ports again."""
    match = {
        **reg(vrf=vrf, origin=origin),
        **ip_match(4, "src", floating),
        **transport(protocol, "src", port, port_mask),
    }
    return flow(Table.SOURCED, Priority.DEFAULT, match, onward(external))


def forwards(protocol: int, name: str) -> None:
    """Register the flows of forwarded ports of a transport."""

    def same(  # noqa: PLR0917 fields
        external: Any, floating: Any, port: Any, port_mask: Any, zone: Any, fixed: Any
    ) -> Any:
        """To the same ports of a guest."""
        return forwarding_in(protocol, external, floating, port, port_mask, zone, fixed)

    def to(  # noqa: PLR0917 fields
        external: Any,
        floating: Any,
        port: Any,
        port_mask: Any,
        zone: Any,
        fixed: Any,
        internal: Any,
    ) -> Any:
        """To a port of a guest."""
        return forwarding_in(
            *(protocol, external, floating, port, port_mask, zone, fixed), range_proto_min=internal
        )

    def entered(external: Any, origin: Any, fixed: Any, port: Any, port_mask: Any, vrf: Any) -> Any:  # noqa: PLR0917 fields
        """To a guest's ports."""
        return entered_forwarding(protocol, external, origin, fixed, port, port_mask, vrf)

    def here(vrf: Any, fixed: Any, port: Any, port_mask: Any) -> Any:
        """An answer, on the hypervisor that translates."""
        match = answer(protocol, vrf, fixed, port, port_mask)
        return flow(Table.EXIT, Priority.ROUTER, match, [resubmit(Table.CENTRAL)])

    def elsewhere(vrf: Any, fixed: Any, port: Any, port_mask: Any) -> Any:
        """An answer, to the hypervisor that translates; the actions follow."""
        match = answer(protocol, vrf, fixed, port, port_mask)
        return flow(Table.EXIT, Priority.ROUTER, match, [])

    def sourced(  # noqa: PLR0917 fields
        vrf: Any, origin: Any, floating: Any, port: Any, port_mask: Any, external: Any
    ) -> Any:
        """An answer with the floating IP's port."""
        return sourced_forwarding(protocol, vrf, origin, floating, port, port_mask, external)

    for build in (same, to, entered, here, elsewhere, sourced):
        build.__name__ = f"forwarding_{build.__name__}_{name}"
        shape(build)


forwards(TCP, "tcp")
forwards(UDP, "udp")


@shape
def forwarding_error(external: Any, floating: Any, zone: Any) -> Any:
    """ICMP to a floating IP whose ports are forwarded: errors find their way."""
    actions = [TO, CLEAR, translate(zone, Table.ENTERED, commit=False)]
    match = {**reg(vrf=external), **ip_match(4, "dst", floating), "ip_proto": ICMP}
    return flow(Table.FIB, fib_priority(32, Preference.LOCAL), match, actions)


@shape
def entered_error(external: Any, origin: Any, vrf: Any) -> Any:
    """An error about what was forwarded."""
    match = {
        **reg(vrf=external, origin=origin),
        "eth_type": IPV4,
        "ip_proto": ICMP,
        **state(TRACKED | RELATED, INVALID),
    }
    return flow(Table.ENTERED, Priority.DEFAULT, match, inward(load(vrf=vrf)))


UNREACHABLE: Final = 3
"""ICMP's type: what a guest says of a port where nobody listens."""


def complaint(vrf: Any, fixed: Any) -> Match:
    """An error of a guest that is forwarded to."""
    return {
        **reg(vrf=vrf),
        **ip_match(4, "src", fixed),
        "ip_proto": ICMP,
        "icmpv4_type": UNREACHABLE,
    }


@shape
def forwarding_complaint_here(vrf: Any, fixed: Any) -> Any:
    """On the hypervisor that translates."""
    match = complaint(vrf, fixed)
    return flow(Table.EXIT, Priority.ROUTER, match, [resubmit(Table.CENTRAL)])


@shape
def forwarding_complaint_elsewhere(vrf: Any, fixed: Any) -> Any:
    """To the hypervisor that translates; the actions follow."""
    return flow(Table.EXIT, Priority.ROUTER, complaint(vrf, fixed), [])


@shape
def sourced_error(vrf: Any, floating: Any, external: Any) -> Any:
    """With the floating IP as its source."""
    match = {
        **reg(vrf=vrf),
        **ip_match(4, "src", floating),
        "ip_proto": ICMP,
        **state(TRACKED | RELATED, INVALID),
    }
    return flow(Table.SOURCED, Priority.DEFAULT, match, onward(external))
