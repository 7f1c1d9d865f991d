"""The way to the metadata service on the host, and back: addresses rewritten, nothing kept.

A guest's address becomes one that says which port it is, for the agent's own TCP stack; so tenants
with equal addresses never meet there, and no connection is tracked.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    IPV4,
    IPV6,
    Match,
    flow,
    ip_match,
    output,
    put,
    shape,
)
from sdnctl_vrouter.metadata.addresses import HOST_4, HOST_6
from sdnctl_vrouter.responder.packets import SERVICE_IP, SERVICE_IP_6, SERVICE_MAC

HTTP: Final = 80
TCP: Final = 6
UPPER_HALF: Final = 64 << 6 | 63
"""Offset and number less one of bits (struct nx_action_reg_load)."""

LINK_LOCAL_64: Final = ("fe80::", "ffff:ffff:ffff:ffff::")
LINK_LOCAL_HALF: Final = 0xFE80 << 48


def asked(family: int, ofport: Any, source: Any) -> Match:
    """From a port to the metadata service."""
    return {
        **ip_match(family, "src", source),
        "in_port": ofport,
        f"ipv{family}_dst": str(SERVICE_IP if family == 4 else SERVICE_IP_6),
        "ip_proto": TCP,
        "tcp_dst": HTTP,
    }


@shape
def metadata_asked_4(ofport: Any, ip: Any, host_ip: Any, host_port: Any) -> Any:
    """A port's address becomes the host's name for it."""
    actions = [
        put(eth_dst=str(SERVICE_MAC)),
        put(ipv4_src=host_ip),
        put(ipv4_dst=str(HOST_4)),
        output(host_port),
    ]
    return flow(Table.RESPOND, Priority.ROUTER, asked(4, ofport, ip), actions)


@shape
def metadata_answer_4(host_port: Any, host_ip: Any, ip: Any, mac: Any, ofport: Any) -> Any:
    """And back."""
    match = {
        "in_port": host_port,
        "eth_type": IPV4,
        "ipv4_dst": host_ip,
        "ip_proto": TCP,
        "tcp_src": HTTP,
    }
    actions = [
        put(eth_src=str(SERVICE_MAC)),
        put(eth_dst=mac),
        put(ipv4_src=str(SERVICE_IP)),
        put(ipv4_dst=ip),
        output(ofport),
    ]
    return flow(Table.CLASSIFY, Priority.DEFAULT, match, actions)


@shape
def metadata_asked_6(ofport: Any, host_prefix: Any, host_port: Any) -> Any:
    """A link-local address keeps its interface identifier; the prefix names the port."""
    actions = [
        put(eth_dst=str(SERVICE_MAC)),
        p.NXActionRegLoad(UPPER_HALF, "ipv6_src", host_prefix),
        put(ipv6_dst=str(HOST_6)),
        output(host_port),
    ]
    return flow(Table.RESPOND, Priority.ROUTER, asked(6, ofport, LINK_LOCAL_64), actions)


@shape
def metadata_answer_6(host_port: Any, ip: Any, mask: Any, mac: Any, ofport: Any) -> Any:
    """And back."""
    match = {
        "in_port": host_port,
        "eth_type": IPV6,
        "ipv6_dst": (ip, mask),
        "ip_proto": TCP,
        "tcp_src": HTTP,
    }
    actions = [
        put(eth_src=str(SERVICE_MAC)),
        put(eth_dst=mac),
        put(ipv6_src=str(SERVICE_IP_6)),
        p.NXActionRegLoad(UPPER_HALF, "ipv6_dst", LINK_LOCAL_HALF),
        output(ofport),
    ]
    return flow(Table.CLASSIFY, Priority.DEFAULT, match, actions)
