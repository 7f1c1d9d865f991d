"""Addresses outside that this hypervisor translates by itself: floating IPs, and its own.

Behind its own go its guests' without a floating IP: first as an alias of the port, then as the
address. Knows nothing of what other hypervisors translate.
"""

from __future__ import annotations

from typing import Any

from sdnctl_vrouter.drivers.ovs.pipeline import HOST_ZONE, Preference, Priority, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.shapes.nat.tracker import (
    CLEAR,
    FROM,
    TO,
    alias_range,
    destination,
    inward,
    onward,
    source,
    translate,
)
from sdnctl_vrouter.drivers.ovs.shapes.words import IPV4, flow, ip_match, load, reg, resubmit, shape


@shape
def floating_out(vrf: Any, fixed: Any, floating: Any, zone: Any) -> Any:
    """The guest's address becomes its floating IP."""
    actions = [FROM, CLEAR, translate(zone, Table.SOURCED, **source(floating))]
    match = {**reg(vrf=vrf), **ip_match(4, "src", fixed)}
    return flow(Table.EXIT, Priority.LOCAL, match, actions)


@shape
def sourced_floating(vrf: Any, origin: Any, floating: Any, external: Any) -> Any:
    """It did."""
    match = {**reg(vrf=vrf, origin=origin), **ip_match(4, "src", floating)}
    return flow(Table.SOURCED, Priority.DEFAULT, match, onward(external))


@shape
def floating_in(external: Any, floating: Any, fixed: Any, zone: Any) -> Any:
    """And back."""
    actions = [TO, CLEAR, translate(zone, Table.ENTERED, **destination(fixed))]
    match = {**reg(vrf=external), **ip_match(4, "dst", floating)}
    return flow(Table.FIB, fib_priority(32, Preference.LOCAL), match, actions)


@shape
def entered_floating(external: Any, origin: Any, fixed: Any, vrf: Any) -> Any:
    """It did."""
    match = {**reg(vrf=external, origin=origin), **ip_match(4, "dst", fixed)}
    return flow(Table.ENTERED, Priority.DEFAULT, match, inward(load(vrf=vrf)))


@shape
def alias_out(ofport: Any, vrf: Any, zone: Any, alias: Any) -> Any:
    """A port's addresses become one that no other port here has."""
    actions = [FROM, CLEAR, translate(zone, Table.SOURCED, **source(alias))]
    match = {"in_port": ofport, **reg(vrf=vrf), "eth_type": IPV4}
    return flow(Table.EXIT, Priority.DEFAULT, match, actions)


@shape
def sourced_alias(vrf: Any, external: Any) -> Any:
    """It did."""
    match = {**reg(vrf=vrf), **ip_match(4, "src", alias_range())}
    actions = [load(vrf=external), resubmit(Table.HIDE)]
    return flow(Table.SOURCED, Priority.DEFAULT, match, actions)


@shape
def hide(external: Any, address: Any) -> Any:
    """The alias becomes the hypervisor's address."""
    match = {**reg(vrf=external), **ip_match(4, "src", alias_range())}
    actions = [CLEAR, translate(HOST_ZONE, Table.HIDDEN, **source(address))]
    return flow(Table.HIDE, Priority.DEFAULT, match, actions)


@shape
def hidden(external: Any, address: Any) -> Any:
    """It did."""
    match = {**reg(vrf=external), **ip_match(4, "src", address)}
    return flow(Table.HIDDEN, Priority.DEFAULT, match, onward(external))


@shape
def hiding_in(external: Any, address: Any) -> Any:
    """And back, to the alias."""
    actions = [CLEAR, translate(HOST_ZONE, Table.ALIAS, commit=False)]
    match = {**reg(vrf=external), **ip_match(4, "dst", address)}
    return flow(Table.FIB, fib_priority(32, Preference.LOCAL), match, actions)


@shape
def alias_in(alias: Any, vrf: Any, zone: Any) -> Any:
    """From the alias to the guest."""
    actions = [load(vrf=vrf), TO, CLEAR, translate(zone, Table.ENTERED, commit=False)]
    return flow(Table.ALIAS, Priority.DEFAULT, ip_match(4, "dst", alias), actions)
