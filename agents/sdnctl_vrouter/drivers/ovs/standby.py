"""A port whose guest is elsewhere to its flows: pure functions, packed bytes out.

Promise: nothing on this hypervisor leads to the port, as if it were not here. Only what comes by
tunnel does: to the guest that is about to come, or on to where it went.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sdnctl.desired import LocalPort, NextHop, Node
from sdnctl.types import Prefix
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.nexthops import bridged, routed
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, fib_priority
from sdnctl_vrouter.drivers.ovs.ports import addresses, macs
from sdnctl_vrouter.drivers.ovs.translation import Unreachable, netmask, with_actions


def flows(port: LocalPort, ofport: int, node: Node | None) -> Iterator[bytes]:
    """What a port on standby has instead of the flows that lead to it."""
    if port.onward is None:
        yield from _arriving(port, ofport)
        return
    # A hypervisor that cannot reach the other one sends nothing on; the port is none the worse.
    if node is not None and port.onward.vtep != node.vtep and port.onward.vtep.version == 4:
        with contextlib.suppress(Unreachable):
            yield from _bridged_on(port, port.onward, node)
        with contextlib.suppress(Unreachable):
            yield from _routed_on(port, node)


def _arriving(port: LocalPort, ofport: int) -> Iterator[bytes]:
    for mac in macs(port):
        yield t.l2_arriving(port.vni, mac, ofport)
    for mac, ip in addresses(port) if port.vrf else ():
        arriving = t.fib_arriving_4 if ip.version == 4 else t.fib_arriving_6
        yield arriving(port.vrf, ip, mac, port.vni, ofport)
    router_mac = port.router_mac
    for ip, length in port.behind if port.vrf and router_mac is not None else ():
        assert router_mac is not None  # noqa: S101 just seen
        fib = t.fib_behind_received_4 if ip.version == 4 else t.fib_behind_received_6
        priority, mask = fib_priority(length, Preference.LOCAL), netmask(length, ip.bits)
        yield fib(priority, port.vrf, ip, mask, router_mac, port.mac, ofport)


def _bridged_on(port: LocalPort, via: NextHop, node: Node) -> Iterator[bytes]:
    actions = t.hairpin() + bridged(via, node)
    for mac in macs(port):
        yield with_actions(t.l2_onward(port.vni, mac), actions)
        yield t.l2_returned(port.vni, mac, via.vtep)


def _routed_on(port: LocalPort, node: Node) -> Iterator[bytes]:
    via = port.onward_routed
    if via is None or not port.vrf:
        return
    actions = t.hairpin() + t.dec_ttl() + routed(via, node)
    for ip, length in (*(Prefix.host(ip) for _mac, ip in addresses(port)), *port.behind):
        four, mask = ip.version == 4, netmask(length, ip.bits)
        priority = fib_priority(length, Preference.LOCAL)
        onward = t.fib_onward_4 if four else t.fib_onward_6
        yield with_actions(onward(priority, port.vrf, ip, mask), actions)
        returned = t.fib_returned_4 if four else t.fib_returned_6
        yield returned(priority + 1, port.vrf, ip, mask, via.vtep)
