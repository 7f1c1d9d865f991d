"""What all translation is made of, and what refuses where nothing is translated.

Promise: each table behind the tracker refuses what no flow of the others takes. Knows no address.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import nicira_ext
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import ALIASES, Priority, Reason, Register, Table
from sdnctl_vrouter.drivers.ovs.shapes.security import INVALID, NEW, TRACKED, state
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    IPV4,
    Action,
    copy,
    drop,
    flow,
    ip_match,
    load,
    reg,
    resubmit,
    shape,
)

SOURCE, DESTINATION = 1, 2
"""What a NAT action translates (struct nx_action_nat)."""

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
