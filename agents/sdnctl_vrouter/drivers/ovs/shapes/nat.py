"""The way out of a router's VRF and back: what addresses become, and what must have become of them.

The tracker translates, in the router's zone; a connection that it knows keeps the addresses that
it began with. So what comes out of it is looked at once more: only what is translated as it is
today goes on. Translated addresses that are no more thus end their connections, without a flush.
What ct() found in one zone is cleared before the next: it translates a packet only once a zone.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import nicira_ext
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import (
    ALIASES,
    HOST_ZONE,
    Preference,
    Priority,
    Reason,
    Register,
    Table,
    fib_priority,
)
from sdnctl_vrouter.drivers.ovs.shapes.security import INVALID, NEW, RELATED, TRACKED, state
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    IPV4,
    Action,
    Match,
    copy,
    drop,
    flow,
    ip_match,
    load,
    per_family,
    reg,
    resubmit,
    shape,
)

SOURCE, DESTINATION = 1, 2
"""What a NAT action translates (struct nx_action_nat)."""

ICMP: Final = 1
NO_PORT: Final = 0xFFFF
"""OFPP_NONE, in the 16 bits of NXM_OF_IN_PORT."""

CLEAR: Final = p.NXActionCTClear()
FORGET_PORT: Final = p.NXActionRegLoad(nicira_ext.ofs_nbits(0, 15), "in_port_nxm", NO_PORT)
"""What was translated may leave where it came in: through the tunnel, or to its sender."""


def translate(zone: Any, table: Table, *, commit: bool = True, **nat: Any) -> Action:
    """Through the tracker; without an argument only connections that it knows are translated."""
    action = p.NXActionNAT(nat.pop("flags", 0), **nat)
    return p.NXActionCT(int(commit), "", zone, table, 0, [action])


def source(address: Any) -> dict[str, Any]:
    """A new connection gets this source."""
    return {"flags": SOURCE, "range_ipv4_min": address}


def destination(address: Any, **ports: Any) -> dict[str, Any]:
    """A new connection gets this destination."""
    return {"flags": DESTINATION, "range_ipv4_min": address, **ports}


FROM: Final = copy("ipv4_src", Register.ORIGIN.field, 32)
"""Remember what the source was."""
TO: Final = copy("ipv4_dst", Register.ORIGIN.field, 32)
"""Remember what the destination was."""


def onward(external: Any) -> list[Action]:
    """In the external network's VRF, as if sent here."""
    return [FORGET_PORT, load(vrf=external), load(tunnelled=0), resubmit(Table.FIB)]


def inward(*more: Action) -> list[Action]:
    """In the router's VRF, where it finds a guest or nothing: never the way out again."""
    return [CLEAR, FORGET_PORT, *more, load(tunnelled=0), load(inward=1), resubmit(Table.FIB)]


def transport(protocol: int, direction: str, port: Any, port_mask: Any) -> Match:
    """TCP or UDP ports."""
    name = "tcp" if protocol == TCP else "udp"
    return {"ip_proto": protocol, f"{name}_{direction}": (port, port_mask)}


TCP: Final = 6
UDP: Final = 17

# ---- what holds for all


@shape
def exit_miss() -> Any:
    """Nothing to hide it behind."""
    return flow(Table.EXIT, Priority.MISS, {}, drop(Reason.NO_ADDRESS))


@shape
def central_miss() -> Any:
    """Not translated here any more."""
    return flow(Table.CENTRAL, Priority.MISS, {}, drop(Reason.NO_ADDRESS))


@shape
def hide_miss() -> Any:
    """The hypervisor has no address."""
    return flow(Table.HIDE, Priority.MISS, {}, drop(Reason.NO_ADDRESS))


def checks(name: str, table: Table) -> None:
    """Register what refuses in a table behind the tracker."""

    def miss() -> Any:
        return flow(table, Priority.MISS, {}, drop(Reason.NOT_TRANSLATED))

    def invalid() -> Any:
        return flow(table, Priority.ECHO, state(TRACKED | INVALID), drop(Reason.INVALID))

    for build, label in ((miss, "miss"), (invalid, "invalid")):
        build.__name__, build.__doc__ = f"{name}_{label}", f"{name.capitalize()}: {label}."
        shape(build)


for _name, _table in (
    ("sourced", Table.SOURCED),
    ("hidden", Table.HIDDEN),
    ("entered", Table.ENTERED),
    ("alias", Table.ALIAS),
):
    checks(_name, _table)


@shape
def entered_alias_refused() -> Any:
    """No connection of the port with that alias."""
    match = {**reg(origin=ALIASES), **ip_match(4, "dst", alias_range())}
    return flow(Table.ENTERED, Priority.LOCAL, match, drop(Reason.NOT_TRANSLATED))


@shape
def entered_alias() -> Any:
    """Back from an alias to the guest."""
    match = {**reg(origin=ALIASES), "eth_type": IPV4, **state(TRACKED, NEW | INVALID)}
    return flow(Table.ENTERED, Priority.DEFAULT, match, inward())


def alias_range() -> tuple[str, str]:
    """All aliases, as an address and a mask."""
    return tuple(".".join(str(n >> s & 255) for s in (24, 16, 8, 0)) for n in ALIASES)  # type: ignore[return-value]


# ---- the way out of a router


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


# ---- floating IPs


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


# ---- behind the hypervisor's own address: first an alias of the port, then the address


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


# ---- port forwardings


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


# ---- between two VRFs of one host


@per_family
def fib_leaked(family: int, priority: Any, vrf: Any, ip: Any, mask: Any, other: Any) -> Any:  # noqa: PLR0917 fields
    """A prefix that another VRF of this host originates."""
    match = {**reg(vrf=vrf, tunnelled=0), **ip_match(family, "dst", (ip, mask))}
    actions = [load(vrf=other), load(inward=1), resubmit(Table.FIB)]
    return flow(Table.FIB, priority, match, actions)
