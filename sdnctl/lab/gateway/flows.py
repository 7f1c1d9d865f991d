"""From VPN routes to flows: pure.

Promise: the flows are a function of the configuration and of the table; the same table gives
the same flows, in the same order. Table 0 finds the VRF (by interface or by label), table 1 is
every VRF's FIB, with the VRF's number in reg0, table 2 ends the answers to ND.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sdnctl.lab.gateway.config import Gateway, Vrf
from sdnctl.lab.gateway.table import VpnRoute
from sdnctl.types import Encapsulation, Ip, Mac, Prefix

BRIDGE: Final = "br-gw"
TUNNEL: Final = "gre0"
MAC: Final = Mac.parse("02:00:5e:00:00:fe")
"""The gateway's own on every VRF's interface."""
_ETHERTYPES: Final = {4: "0x0800", 6: "0x86dd"}
_PROTOCOLS: Final = {4: "ip", 6: "ipv6"}


def imported(gateway: Gateway, vrf: Vrf, table: Iterable[VpnRoute]) -> list[VpnRoute]:
    """The routes of a VRF: by route target, of others, that MPLS over GRE can follow.

    One per prefix: of several route distinguishers the lowest next hop's. A route with no
    encapsulation community leaves the tunnel to this side, which has GRE (RFC 9012 section 6).
    """
    best: dict[object, VpnRoute] = {}
    targets = set(vrf.import_targets)
    for route in sorted(table, key=lambda r: (r.next_hop, r.rd), reverse=True):
        followed = not route.encapsulations or Encapsulation.MPLS_GRE in route.encapsulations
        if followed and targets & route.route_targets and route.next_hop != gateway.address:
            best[route.prefix] = route
    return sorted(best.values(), key=lambda r: r.prefix)


def render(gateway: Gateway, table: Iterable[VpnRoute]) -> list[str]:
    """All flows of the bridge, as ``ovs-ofctl`` reads them."""
    routes = list(table)
    flows: list[str] = [_ANNOUNCE_NEIGHBOR]
    for number, vrf in enumerate(gateway.vrf, 1):
        flows += (_neighbor(vrf, address) for address in vrf.addresses)
        flows += (_from_outside(number, vrf, version) for version in _ETHERTYPES)
        flows += (_from_tunnel(number, vrf, v) for v in _ETHERTYPES if vrf.label_of(v))
        flows += (_inward(number, vrf, prefix) for prefix in vrf.prefixes)
        flows += (_outward(number, route) for route in imported(gateway, vrf, routes))
    return flows


def _neighbor(vrf: Vrf, address: Ip) -> str:
    """Answers for the gateway's own address: ARP (RFC 826) or ND (RFC 4861 section 7.2.4)."""
    if address.version == 4:
        return (
            f"table=0,priority=100,in_port={vrf.interface},arp,arp_op=1,arp_tpa={address},"
            "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
            f"set_field:{MAC}->eth_src,set_field:2->arp_op,"
            f"move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:{MAC}->arp_sha,"
            f"move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:{address}->arp_spa,in_port"
        )
    return (
        f"table=0,priority=100,in_port={vrf.interface},icmp6,icmp_type=135,nd_target={address},"
        "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
        f"set_field:{MAC}->eth_src,move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
        f"set_field:{address}->ipv6_src,set_field:136->icmpv6_type,"
        # Solicited and Override; then the option becomes the target's address.
        "set_field:0x60000000->nd_reserved,set_field:2->nd_options_type,goto_table:2"
    )


_ANNOUNCE_NEIGHBOR: Final = (
    f"table=2,priority=100,icmp6,icmp_type=136,actions=set_field:{MAC}->nd_tll,in_port"
)
"""The end of an ND answer, where the switch takes the packet for what it has become."""


def _from_outside(number: int, vrf: Vrf, version: int) -> str:
    return (
        f"table=0,priority=90,in_port={vrf.interface},{_PROTOCOLS[version]},dl_dst={MAC},"
        f"actions=set_field:{number}->reg0,goto_table:1"
    )


def _from_tunnel(number: int, vrf: Vrf, version: int) -> str:
    """One label deep: RFC 4364 section 5 with a tunnel in place of the outer label."""
    return (
        f"table=0,priority=90,in_port={TUNNEL},mpls,mpls_bos=1,"
        f"mpls_label={vrf.label_of(version)},"
        f"actions=pop_mpls:{_ETHERTYPES[version]},set_field:{number}->reg0,goto_table:1"
    )


def _inward(number: int, vrf: Vrf, prefix: Prefix) -> str:
    return (
        f"{_destination(number, prefix)},actions=dec_ttl,set_field:{MAC}->eth_src,"
        f"set_field:{vrf.next_hop_mac}->eth_dst,output:{vrf.interface}"
    )


def _outward(number: int, route: VpnRoute) -> str:
    return (
        f"{_destination(number, route.prefix)},actions=dec_ttl,push_mpls:0x8847,"
        f"set_field:{route.label}->mpls_label,set_field:{route.next_hop}->tun_dst,"
        f"output:{TUNNEL}"
    )


def _destination(number: int, prefix: Prefix) -> str:
    field = "nw_dst" if prefix.version == 4 else "ipv6_dst"
    return (
        f"table=1,priority={1000 + prefix.length},reg0={number},"
        f"{_PROTOCOLS[prefix.version]},{field}={prefix}"
    )
