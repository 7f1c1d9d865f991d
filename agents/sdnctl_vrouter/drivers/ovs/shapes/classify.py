"""Who sent a packet: a VIF, or a tunnel by VNI or label."""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    ETHERNET,
    IPV4,
    MPLS,
    NEXT_PROTOCOL,
    Match,
    decap,
    flow,
    load,
    per_family,
    resubmit,
    shape,
)


@shape
def vif_trusted(ofport: Any, vni: Any) -> Any:
    """A VIF whose port security is off."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport},
        [load(evi=vni), resubmit(Table.RESPOND)],
    )


@shape
def vif_checked(ofport: Any, vni: Any, policy: Any) -> Any:
    """A VIF whose port security is on."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport},
        [load(evi=vni), load(policy=policy), resubmit(Table.SOURCE_MAC)],
    )


@shape
def vxlan_evi(ofport: Any, tun_id: Any, vni: Any) -> Any:
    """VXLAN with the VNI of a network."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport, "tunnel_id": tun_id},
        [load(evi=vni), load(tunnelled=1), resubmit(Table.L2)],
    )


@shape
def vxlan_vrf(ofport: Any, tun_id: Any, vrf: Any) -> Any:
    """VXLAN with the VNI of a router (RFC 9136 section 4.4.2)."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport, "tunnel_id": tun_id},
        [load(vrf=vrf), load(tunnelled=1), resubmit(Table.FIB)],
    )


@per_family
def vxlan_evi_from(family: int, ofport: Any, vtep: Any, tun_id: Any, vni: Any) -> Any:
    """VXLAN with a far end's own VNI for a network, from that far end alone."""
    return flow(
        Table.CLASSIFY,
        Priority.FOREIGN,
        {"in_port": ofport, "tunnel_id": tun_id, f"tun_ipv{family}_src": vtep},
        [load(evi=vni), load(tunnelled=1), resubmit(Table.L2)],
    )


@per_family
def vxlan_vrf_from(family: int, ofport: Any, vtep: Any, tun_id: Any, vrf: Any) -> Any:
    """VXLAN with a far end's own VNI for a router, from that far end alone."""
    return flow(
        Table.CLASSIFY,
        Priority.FOREIGN,
        {"in_port": ofport, "tunnel_id": tun_id, f"tun_ipv{family}_src": vtep},
        [load(vrf=vrf), load(tunnelled=1), resubmit(Table.FIB)],
    )


def mpls_match(ofport: Any, label: Any) -> Match:
    """One label, bottom of stack (RFC 3032)."""
    return {"in_port": ofport, "eth_type": MPLS, "mpls_label": label, "mpls_bos": 1}


@shape
def mpls_evi(ofport: Any, label: Any, vni: Any) -> Any:
    """The label of a network: Ethernet under it."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        mpls_match(ofport, label),
        [
            load(evi=vni),
            load(tunnelled=1),
            decap(NEXT_PROTOCOL),
            decap(ETHERNET),
            resubmit(Table.L2),
        ],
    )


@shape
def mpls_vrf(ofport: Any, label: Any, vrf: Any) -> Any:
    """The label of a router: IPv4 or IPv6 under it."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        mpls_match(ofport, label),
        [load(vrf=vrf), load(tunnelled=1), p.OFPActionPopMpls(IPV4), resubmit(Table.POPPED)],
    )
