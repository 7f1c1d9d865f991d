"""The way out of a router: as it is, or behind the router's address on one hypervisor.

Knows nothing of guests with addresses of their own outside.
"""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Priority, Reason, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.shapes.nat.tracker import (
    CLEAR,
    FROM,
    TO,
    inward,
    onward,
    source,
    translate,
)
from sdnctl_vrouter.drivers.ovs.shapes.security import INVALID, NEW, TRACKED, state
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    IPV4,
    Match,
    copy,
    drop,
    flow,
    ip_match,
    load,
    put,
    reg,
    resubmit,
    shape,
)


def leads_out(vrf: Any, tunnelled: int, match: Match) -> Match:
    """What nothing longer in the VRF takes, and did not just come in."""
    return {**reg(vrf=vrf, tunnelled=tunnelled, inward=0), **match}


@shape
def exit_4(priority: Any, vrf: Any, ip: Any, mask: Any) -> Any:
    """A prefix that leads out: to be translated first."""
    match = leads_out(vrf, 0, ip_match(4, "dst", (ip, mask)))
    return flow(Table.FIB, priority, match, [resubmit(Table.EXIT)])


@shape
def exit_received_4(priority: Any, vrf: Any, ip: Any, mask: Any) -> Any:
    """The same, sent by another hypervisor to where it is translated."""
    match = leads_out(vrf, 1, ip_match(4, "dst", (ip, mask)))
    return flow(Table.FIB, priority, match, [resubmit(Table.CENTRAL)])


@shape
def exit_6(priority: Any, vrf: Any, ip: Any, mask: Any, external: Any) -> Any:
    """A prefix that leads out, never translated."""
    match = leads_out(vrf, 0, ip_match(6, "dst", (ip, mask)))
    return flow(Table.FIB, priority, match, [load(vrf=external), resubmit(Table.FIB)])


@shape
def exit_plain(vrf: Any, external: Any) -> Any:
    """As it is."""
    actions = [load(vrf=external), resubmit(Table.FIB)]
    return flow(Table.EXIT, Priority.DEFAULT, {**reg(vrf=vrf), "eth_type": IPV4}, actions)


@shape
def exit_here(vrf: Any) -> Any:
    """Translated on this hypervisor, for all."""
    match = {**reg(vrf=vrf), "eth_type": IPV4}
    return flow(Table.EXIT, Priority.DEFAULT, match, [resubmit(Table.CENTRAL)])


@shape
def exit_elsewhere(vrf: Any) -> Any:
    """Translated on another; the actions follow."""
    return flow(Table.EXIT, Priority.DEFAULT, {**reg(vrf=vrf), "eth_type": IPV4}, [])


@shape
def central_hide(vrf: Any, zone: Any, address: Any) -> Any:
    """Behind the router's address."""
    match = {**reg(vrf=vrf), "eth_type": IPV4}
    actions = [FROM, CLEAR, translate(zone, Table.SOURCED, **source(address))]
    return flow(Table.CENTRAL, Priority.DEFAULT, match, actions)


@shape
def central_answer(vrf: Any, zone: Any) -> Any:
    """Behind nothing, but for answers to what was forwarded."""
    match = {**reg(vrf=vrf), "eth_type": IPV4}
    actions = [FROM, CLEAR, translate(zone, Table.SOURCED, commit=False)]
    return flow(Table.CENTRAL, Priority.DEFAULT, match, actions)


@shape
def sourced_central(vrf: Any, address: Any, external: Any) -> Any:
    """With the router's address."""
    match = {**reg(vrf=vrf), **ip_match(4, "src", address)}
    return flow(Table.SOURCED, Priority.DEFAULT, match, onward(external))


@shape
def sourced_new(vrf: Any, external: Any) -> Any:
    """No answer: as it is."""
    match = {**reg(vrf=vrf), "eth_type": IPV4, **state(TRACKED | NEW, INVALID)}
    return flow(Table.SOURCED, Priority.DEFAULT, match, onward(external))


@shape
def central_in(external: Any, address: Any, zone: Any) -> Any:
    """To the router's address: answers to what it hid."""
    actions = [TO, CLEAR, translate(zone, Table.ENTERED, commit=False)]
    match = {**reg(vrf=external), **ip_match(4, "dst", address)}
    return flow(Table.FIB, fib_priority(32, Preference.LOCAL), match, actions)


@shape
def hidden_behind_echo(external: Any, address: Any) -> Any:
    """Ping to what others are hidden behind (RFC 792): no answer to them, and nobody else's."""
    match = {
        **reg(vrf=external),
        **ip_match(4, "dst", address),
        "ip_proto": 1,
        "icmpv4_type": 8,
        "icmpv4_code": 0,
    }
    actions = [
        copy("ipv4_src", "ipv4_dst", 32),
        put(ipv4_src=address),
        put(icmpv4_type=0),
        p.OFPActionSetNwTtl(64),
        *onward(external),
    ]
    return flow(Table.FIB, Priority.ECHO, match, actions)


@shape
def entered_central_refused(external: Any, address: Any, origin: Any) -> Any:
    """Nobody asked for it."""
    match = {**reg(vrf=external, origin=origin), **ip_match(4, "dst", address)}
    return flow(Table.ENTERED, Priority.LOCAL, match, drop(Reason.NOT_TRANSLATED))


@shape
def entered_central(external: Any, origin: Any, vrf: Any) -> Any:
    """Back to the guest."""
    match = {
        **reg(vrf=external, origin=origin),
        "eth_type": IPV4,
        **state(TRACKED, NEW | INVALID),
    }
    return flow(Table.ENTERED, Priority.DEFAULT, match, inward(load(vrf=vrf)))
