"""From VPN routes to flows: pure.

Promise: the flows are a function of the configuration and of the table; the same table gives
the same flows, in the same order. Table 0 finds the VRF (by interface or by label), table 1 is
every VRF's FIB, with the VRF's number in reg0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sdnctl.lab.gateway.config import Gateway, Vrf
from sdnctl.lab.gateway.table import VpnRoute
from sdnctl.types import Encapsulation, Mac

BRIDGE: Final = "br-gw"
TUNNEL: Final = "gre0"
MAC: Final = Mac.parse("02:00:5e:00:00:fe")
"""The gateway's own on every VRF's interface."""


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
    flows: list[str] = []
    for number, vrf in enumerate(gateway.vrf, 1):
        flows += _classify(number, vrf)
        flows += (_inward(number, vrf, str(prefix)) for prefix in vrf.announce)
        flows += (_outward(number, route) for route in imported(gateway, vrf, routes))
    return flows


def _classify(number: int, vrf: Vrf) -> Iterator[str]:
    yield (
        f"table=0,priority=100,in_port={vrf.interface},arp,arp_op=1,arp_tpa={vrf.address},"
        "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
        f"set_field:{MAC}->eth_src,set_field:2->arp_op,"
        f"move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:{MAC}->arp_sha,"
        f"move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:{vrf.address}->arp_spa,in_port"
    )
    yield (
        f"table=0,priority=90,in_port={vrf.interface},ip,dl_dst={MAC},"
        f"actions=set_field:{number}->reg0,goto_table:1"
    )
    # One label deep: RFC 4364 section 5 with a tunnel in place of the outer label.
    yield (
        f"table=0,priority=90,in_port={TUNNEL},mpls,mpls_bos=1,mpls_label={vrf.label},"
        f"actions=pop_mpls:0x0800,set_field:{number}->reg0,goto_table:1"
    )


def _inward(number: int, vrf: Vrf, prefix: str) -> str:
    return (
        f"{_destination(number, prefix)},actions=dec_ttl,set_field:{MAC}->eth_src,"
        f"set_field:{vrf.next_hop_mac}->eth_dst,output:{vrf.interface}"
    )


def _outward(number: int, route: VpnRoute) -> str:
    return (
        f"{_destination(number, str(route.prefix))},actions=dec_ttl,push_mpls:0x8847,"
        f"set_field:{route.label}->mpls_label,set_field:{route.next_hop}->tun_dst,"
        f"output:{TUNNEL}"
    )


def _destination(number: int, prefix: str) -> str:
    length = int(prefix.rpartition("/")[2])
    return f"table=1,priority={1000 + length},reg0={number},ip,nw_dst={prefix}"
