"""Ports whose guests are elsewhere: what comes by tunnel for one that is about to come or has left.

What is sent on came by a tunnel and leaves by one, which nothing else does. It never goes back to
where it came from, so two hypervisors that each believe the other to be right exchange nothing.
"""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import nicira_ext
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Priority, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    Match,
    flow,
    ip_match,
    load,
    per_family,
    put,
    reg,
    resubmit,
    shape,
)


@shape
def l2_arriving(vni: Any, mac: Any, ofport: Any) -> Any:
    """A MAC behind a local port, for who sends here already."""
    actions = [load(output=ofport), resubmit(Table.DELIVER)]
    match = {**reg(evi=vni, tunnelled=1), "eth_dst": mac}
    return flow(Table.L2, Priority.LOCAL, match, actions)


@per_family
def fib_arriving(family: int, vrf: Any, ip: Any, mac: Any, vni: Any, ofport: Any) -> Any:  # noqa: PLR0917 fields
    """An address of a local port, for who routes to it here already."""
    return flow(
        Table.FIB,
        fib_priority(32 if family == 4 else 128, Preference.LOCAL),
        {**reg(vrf=vrf, tunnelled=1), **ip_match(family, "dst", ip)},
        [put(eth_dst=mac), load(evi=vni), load(output=ofport), resubmit(Table.ADJACENCY)],
    )


def from_there(far_vtep: Any) -> Match:
    """What came from the hypervisor to which it would be sent on."""
    return {"tun_ipv4_src": far_vtep}


@shape
def l2_onward(vni: Any, mac: Any) -> Any:
    """A MAC that was behind a local port; the actions follow."""
    return flow(Table.L2, Priority.LOCAL, {**reg(evi=vni, tunnelled=1), "eth_dst": mac}, [])


@shape
def l2_returned(vni: Any, mac: Any, far_vtep: Any) -> Any:
    """Both ends would send it on to each other."""
    match = {**reg(evi=vni, tunnelled=1), "eth_dst": mac, **from_there(far_vtep)}
    return flow(Table.L2, Priority.REFUSE, match, [])


@per_family
def fib_onward(family: int, priority: Any, vrf: Any, ip: Any, mask: Any) -> Any:
    """What was behind a local port; the actions follow."""
    match = {**reg(vrf=vrf, tunnelled=1), **ip_match(family, "dst", (ip, mask))}
    return flow(Table.FIB, priority, match, [])


@per_family
def fib_returned(family: int, priority: Any, vrf: Any, ip: Any, mask: Any, far_vtep: Any) -> Any:  # noqa: PLR0917 fields
    """Both ends would send it on to each other."""
    match = {
        **reg(vrf=vrf, tunnelled=1),
        **ip_match(family, "dst", (ip, mask)),
        **from_there(far_vtep),
    }
    return flow(Table.FIB, priority, match, [])


@shape
def hairpin() -> Any:
    """It may leave by the tunnel port that it came by."""
    return [p.NXActionRegLoad(nicira_ext.ofs_nbits(0, 15), "in_port_nxm", 0)]
