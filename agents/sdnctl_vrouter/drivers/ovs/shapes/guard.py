"""Anti-spoofing: what a port with port security may claim to be.

First the link layer, then the network layer; ARP and ND are checked in both, inside as well
as outside (RFC 826, RFC 4861). Link-local addresses and duplicate address detection are free,
router advertisements and redirects are not.
"""

from __future__ import annotations

from typing import Any

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Reason, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    ARP,
    ICMPV6,
    IP4,
    IP6,
    IPV4,
    IPV6,
    LINK_LOCAL,
    MAC,
    ND_ADVERT,
    ND_SOLICIT,
    Match,
    drop,
    flow,
    ip_match,
    nd_match,
    per_family,
    resubmit,
    shape,
)

# ---- anti-spoofing, first the link layer


def from_vif(ofport: Any, mac: Any) -> Match:
    """Frames of a VIF with its own MAC."""
    return {"in_port": ofport, "eth_src": mac}


def mac_flow(priority: Priority, match: Match, refuse: Reason | None = None) -> Any:
    """A verdict on link-layer addresses."""
    actions = [resubmit(Table.SOURCE_IP)] if refuse is None else drop(refuse)
    return flow(Table.SOURCE_MAC, priority, match, actions)


@shape
def mac_refused() -> Any:
    """Another's address."""
    return mac_flow(Priority.MISS, {}, Reason.SPOOFED_MAC)


@shape
def mac_ethernet(ofport: Any, mac: Any) -> Any:
    """The source of any frame."""
    return mac_flow(Priority.DEFAULT, from_vif(ofport, mac))


@shape
def mac_arp(ofport: Any, mac: Any) -> Any:
    """The sender inside ARP."""
    match = {**from_vif(ofport, mac), "eth_type": ARP, "arp_sha": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_arp_refused() -> Any:
    """ARP with another's hardware address."""
    return mac_flow(Priority.REFUSE, {"eth_type": ARP}, Reason.SPOOFED_ARP)


@shape
def mac_solicit(ofport: Any, mac: Any) -> Any:
    """The source link-layer address inside a solicitation."""
    match = {**from_vif(ofport, mac), **nd_match(ND_SOLICIT), "ipv6_nd_sll": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_solicit_bare(ofport: Any, mac: Any) -> Any:
    """A solicitation without the option: duplicate address detection (RFC 4862 section 5.4)."""
    match = {**from_vif(ofport, mac), **nd_match(ND_SOLICIT), "ipv6_nd_sll": MAC.zero}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_solicit_refused() -> Any:
    """A solicitation with another's address."""
    return mac_flow(Priority.REFUSE, nd_match(ND_SOLICIT), Reason.SPOOFED_ND)


@shape
def mac_advert(ofport: Any, mac: Any) -> Any:
    """The target link-layer address inside an advertisement."""
    match = {**from_vif(ofport, mac), **nd_match(ND_ADVERT), "ipv6_nd_tll": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_advert_bare(ofport: Any, mac: Any) -> Any:
    """An advertisement without the option: the answer to a probe (RFC 4861 section 7.2.4)."""
    match = {**from_vif(ofport, mac), **nd_match(ND_ADVERT), "ipv6_nd_tll": MAC.zero}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_advert_refused() -> Any:
    """An advertisement of another's address."""
    return mac_flow(Priority.REFUSE, nd_match(ND_ADVERT), Reason.SPOOFED_ND)


@shape
def mac_router_advert_refused() -> Any:
    """A guest is no router (RFC 6105)."""
    return mac_flow(Priority.REFUSE, nd_match(134), Reason.ROUTER_ADVERTISEMENT)


@shape
def mac_redirect_refused() -> Any:
    """Nor does it redirect others."""
    return mac_flow(Priority.REFUSE, nd_match(137), Reason.REDIRECT)


# ---- then the network layer


def ip_flow(priority: Priority, match: Match, refuse: Reason | None = None) -> Any:
    """A verdict on network-layer addresses."""
    actions = [resubmit(Table.TRACK_OUT)] if refuse is None else drop(refuse)
    return flow(Table.SOURCE_IP, priority, match, actions)


@per_family
def ip_source_behind(family: int, ofport: Any, ip: Any, mask: Any) -> Any:
    """The source of a packet that the guest routes."""
    return ip_flow(Priority.DEFAULT, {"in_port": ofport, **ip_match(family, "src", (ip, mask))})


@shape
def ip_not_ip() -> Any:
    """Neither IP nor ARP."""
    return ip_flow(Priority.MISS, {}, Reason.NOT_IP)


@shape
def ip_refused_4() -> Any:
    """Another's source."""
    return ip_flow(Priority.CUT, {"eth_type": IPV4}, Reason.SPOOFED_IP)


@shape
def ip_refused_6() -> Any:
    """Another's source."""
    return ip_flow(Priority.CUT, {"eth_type": IPV6}, Reason.SPOOFED_IP)


@shape
def ip_refused_arp() -> Any:
    """ARP with another's protocol address."""
    return ip_flow(Priority.CUT, {"eth_type": ARP}, Reason.SPOOFED_ARP)


@shape
def ip_dhcp_server_4() -> Any:
    """A guest is no DHCP server."""
    match = {"eth_type": IPV4, "ip_proto": 17, "udp_src": 67, "udp_dst": 68}
    return ip_flow(Priority.REFUSE, match, Reason.DHCP_SERVER)


@shape
def ip_dhcp_server_6() -> Any:
    """Nor one of DHCPv6."""
    match = {"eth_type": IPV6, "ip_proto": 17, "udp_src": 547, "udp_dst": 546}
    return ip_flow(Priority.REFUSE, match, Reason.DHCP_SERVER)


@per_family
def ip_source(family: int, ofport: Any, mac: Any, ip: Any, mask: Any) -> Any:
    """The source of a packet."""
    match = {**from_vif(ofport, mac), **ip_match(family, "src", (ip, mask))}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_arp_4(ofport: Any, mac: Any, ip: Any, mask: Any) -> Any:
    """The sender inside ARP."""
    match = {**from_vif(ofport, mac), "eth_type": ARP, "arp_spa": (ip, mask)}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_arp_probe() -> Any:
    """An ARP probe claims nothing (RFC 5227 section 2.1.1)."""
    match = {"eth_type": ARP, "arp_op": 1, "arp_spa": IP4.zero}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_dhcp() -> Any:
    """A DHCP client without an address (RFC 2131 section 4.1)."""
    match = {"eth_type": IPV4, "ipv4_src": IP4.zero, "ip_proto": 17, "udp_dst": 67}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_advert_6(ofport: Any, mac: Any, ip: Any, mask: Any) -> Any:
    """An advertisement of its own address."""
    match = {**from_vif(ofport, mac), **nd_match(ND_ADVERT), "ipv6_nd_target": (ip, mask)}
    return ip_flow(Priority.ALLOW, match)


@shape
def ip_advert_link_local() -> Any:
    """Link-local addresses are the guest's own affair (RFC 4862 section 5.3)."""
    match = {**nd_match(ND_ADVERT), "ipv6_nd_target": LINK_LOCAL}
    return ip_flow(Priority.ALLOW, match)


@shape
def ip_advert_refused() -> Any:
    """An advertisement of another's address."""
    return ip_flow(Priority.REFUSE, nd_match(ND_ADVERT), Reason.SPOOFED_ND)


@shape
def ip_link_local() -> Any:
    """Any link-local source."""
    return ip_flow(Priority.DEFAULT, ip_match(6, "src", LINK_LOCAL))


@shape
def ip_unspecified() -> Any:
    """Duplicate address detection and MLD before there is an address (RFC 4862, RFC 3810)."""
    match = {**ip_match(6, "src", IP6.zero), "ip_proto": ICMPV6}
    return ip_flow(Priority.DEFAULT, match)
