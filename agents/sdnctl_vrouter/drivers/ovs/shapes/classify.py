"""Who sent a packet: a VIF, or a tunnel by VNI or label."""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Reason, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    ETHERNET,
    IPV4,
    IPV6,
    MPLS,
    NEXT_PROTOCOL,
    Match,
    decap,
    drop,
    flow,
    load,
    output,
    per_family,
    put,
    resubmit,
    shape,
)

VLAN: Final = 0x8100
PRESENT: Final = 0x1000
"""Bit of a VLAN id in OpenFlow: there is a tag (OFPVID_PRESENT)."""


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


# ---- VIFs with a QoS policy: a match, its meter, and from these actions what is asked for


@shape
def vif(ofport: Any) -> Any:
    """A VIF; its meter and actions follow."""
    return flow(Table.CLASSIFY, Priority.DEFAULT, {"in_port": ofport}, [])


@shape
def to_mark() -> Any:
    """Mark the packet, and go on."""
    return [resubmit(Table.MARK)]


@shape
def onward_trusted(vni: Any) -> Any:
    """A VIF whose port security is off."""
    return [load(evi=vni), resubmit(Table.RESPOND)]


@shape
def onward_checked(vni: Any, policy: Any) -> Any:
    """A VIF whose port security is on."""
    return [load(evi=vni), load(policy=policy), resubmit(Table.SOURCE_MAC)]


@per_family
def mark(family: int, ofport: Any, dscp: Any) -> Any:
    """What a VIF sends (RFC 2474 section 3); congestion notification stays as it is."""
    match = {"in_port": ofport, "eth_type": IPV4 if family == 4 else IPV6}
    return flow(Table.MARK, Priority.DEFAULT, match, [put(ip_dscp=dscp)])


# ---- VLAN tags (IEEE 802.1Q)


@shape
def subport_in(ofport: Any, vlan_vid: Any, patch: Any) -> Any:
    """A subport's frame on its trunk's VIF."""
    return flow(
        Table.CLASSIFY,
        Priority.ALLOW,
        {"in_port": ofport, "vlan_vid": vlan_vid},
        [p.OFPActionPopVlan(), output(patch)],
    )


@shape
def subport_out(patch: Any, vlan_vid: Any, ofport: Any) -> Any:
    """A frame for a subport's guest, on its way to the trunk's VIF."""
    actions = [p.OFPActionPushVlan(VLAN), put(vlan_vid=vlan_vid), output(ofport)]
    return flow(Table.CLASSIFY, Priority.DEFAULT, {"in_port": patch}, actions)


@shape
def untagged() -> Any:
    """VLAN 0 is none: the tag is there for its priority."""
    actions = [p.OFPActionPopVlan(), resubmit(Table.CLASSIFY)]
    return flow(Table.CLASSIFY, Priority.ALLOW, {"vlan_vid": PRESENT}, actions)


@shape
def tagged_refused() -> Any:
    """What no subport's flow takes."""
    match = {"vlan_vid": (PRESENT, PRESENT)}
    return flow(Table.CLASSIFY, Priority.REFUSE, match, drop(Reason.TAGGED))


@shape
def tagged_kept_out() -> Any:
    """Nor does a tag reach a port that came out of a tunnel's label."""
    match = {"vlan_vid": (PRESENT, PRESENT)}
    return flow(Table.DELIVER, Priority.REFUSE, match, drop(Reason.TAGGED))


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
