"""A port whose guest is here to its flows: pure functions, packed bytes out.

Promise: as ``translate``. What is said of a port on standby is only what its guest sends: the
rest is ``standby``'s. Knows nothing of what other ports there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sdnctl.desired import LocalPort, Qos
from sdnctl.types import Ip, Mac, Prefix
from sdnctl_vrouter.drivers.ovs import metadata, meters
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, fib_priority
from sdnctl_vrouter.drivers.ovs.translation import Translation, Tunnels, netmask, with_actions

TAGGED: Final = 0x1000
"""Bit of a VLAN id in OpenFlow: there is a tag (OFPVID_PRESENT)."""


def local_port(
    port: LocalPort, ofport: int, policy: int, tunnels: Tunnels, trunk: Sequence[int] = ()
) -> Translation:
    """All of a port but its place in the flood list; ``policy`` is its groups' number.

    Of one on standby, what it sends; what leads to it is ``standby``'s.
    Of a subport ``trunk`` are the OpenFlow ports of its trunk's VIF and of the way there.
    """
    flows = tuple(_local_port(port, ofport, policy))
    if trunk:
        vif, patch = trunk
        tag = TAGGED | port.vlan
        flows += (t.subport_in(vif, tag, patch), t.subport_out(patch, tag, vif))
    if tunnels.metadata:
        flows += tuple(metadata.port(port, ofport, tunnels.metadata))
    return Translation(flows)


def _local_port(port: LocalPort, ofport: int, policy: int) -> Iterator[bytes]:
    yield t.ask(ofport)
    if port.security and port.picks_up:
        yield t.egress_pick_up_4(ofport)
        yield t.egress_pick_up_6(ofport)
        yield t.ingress_pick_up_4(ofport)
        yield t.ingress_pick_up_6(ofport)
    if port.qos is not None:
        yield from _qos(port, port.qos, ofport, policy)
    elif port.security:
        yield t.vif_checked(ofport, port.vni, policy)
    else:
        yield t.vif_trusted(ofport, port.vni)
    if port.security:
        yield t.deliver_checked(ofport, policy)
        yield t.deliver_own(ofport)
        yield from _guard(port, ofport)
    elif port.qos is not None and port.qos.ingress is not None:
        yield t.deliver_limited(ofport)
    else:
        yield t.deliver_trusted(ofport)
    for ip in port.addresses:
        if ip.version == 4:
            yield t.respond_own_4(ofport, ip)
    yield from _taken(port, ofport)
    if port.behind and port.security:
        yield from _routes(port, ofport)
    if not port.standby:
        yield from _led_to(port, ofport)


def _taken(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """What the guest says when it takes an address that it may have: of prefixes, nobody hears."""
    for prefix in dict.fromkeys(prefix for _mac, prefix in port.pairs):
        if prefix.length == prefix.ip.bits:
            taken = t.respond_taken_4 if prefix.version == 4 else t.respond_taken_6
            yield taken(ofport, prefix.ip)


def _led_to(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """What leads to a port whose guest is there."""
    for mac in macs(port):
        yield t.l2_local(port.vni, mac, ofport)
    if port.vrf:
        for mac, ip in addresses(port):
            local = t.fib_local_4 if ip.version == 4 else t.fib_local_6
            yield local(port.vrf, ip, mac, port.vni, ofport)
    if port.vrf and port.router_mac is not None:
        yield from _behind(port, port.router_mac, ofport)


def macs(port: LocalPort) -> Iterable[Mac]:
    """The MAC addresses that lead to the guest: its own, and those of what it has taken."""
    return dict.fromkeys((port.mac, *(mac for mac, _ip in port.claimed)))


def addresses(port: LocalPort) -> list[tuple[Mac, Ip]]:
    """The addresses of the guest, its own and those that it has taken, each with its MAC."""
    return [*((port.mac, ip) for ip in port.addresses), *port.claimed]


def _qos(port: LocalPort, qos: Qos, ofport: int, policy: int) -> Iterator[bytes]:
    """Where a port's packets come in, by its meter and its mark; and the way out to it."""
    actions = t.onward_checked(port.vni, policy) if port.security else t.onward_trusted(port.vni)
    if qos.dscp is not None:
        yield t.mark_4(ofport, qos.dscp)
        yield t.mark_6(ofport, qos.dscp)
        actions = t.to_mark() + actions
    meter = meters.number(ofport, ingress=False) if qos.egress is not None else 0
    yield with_actions(t.vif(ofport), actions, meter=meter)
    if qos.ingress is not None:
        meter = meters.number(ofport, ingress=True)
        yield with_actions(t.output_limited(ofport), t.send(ofport), meter=meter)


def _behind(port: LocalPort, router_mac: Mac, ofport: int) -> Iterator[bytes]:
    """Packets to the prefixes that the guest routes."""
    for ip, length in port.behind:
        four, mask = ip.version == 4, netmask(length, ip.bits)
        priority = fib_priority(length, Preference.LOCAL)
        for fib in (
            (t.fib_behind_routed_4, t.fib_behind_received_4)
            if four
            else (t.fib_behind_routed_6, t.fib_behind_received_6)
        ):
            yield fib(priority, port.vrf, ip, mask, router_mac, port.mac, ofport)


def _routes(port: LocalPort, ofport: int) -> Iterator[bytes]:
    """Packets from the prefixes that the guest routes."""
    for ip, length in port.behind:
        source = t.ip_source_behind_4 if ip.version == 4 else t.ip_source_behind_6
        yield source(ofport, ip, netmask(length, ip.bits))


def _guard(port: LocalPort, ofport: int) -> Iterator[bytes]:
    own = [(port.mac, Prefix.host(ip)) for ip in port.addresses]
    for mac in dict.fromkeys((port.mac, *(mac for mac, _prefix in port.pairs))):
        yield t.mac_ethernet(ofport, mac)
        yield t.mac_arp(ofport, mac)
        yield t.mac_solicit(ofport, mac)
        yield t.mac_solicit_bare(ofport, mac)
        yield t.mac_advert(ofport, mac)
        yield t.mac_advert_bare(ofport, mac)
    for mac, prefix in (*own, *port.pairs):
        ip, mask = prefix.ip, netmask(prefix.length, prefix.ip.bits)
        if prefix.version == 4:
            yield t.ip_source_4(ofport, mac, ip, mask)
            yield t.ip_arp_4(ofport, mac, ip, mask)
        else:
            yield t.ip_source_6(ofport, mac, ip, mask)
            yield t.ip_advert_6(ofport, mac, ip, mask)
