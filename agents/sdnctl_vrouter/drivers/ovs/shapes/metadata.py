"""The way to the services on the host, and back: addresses rewritten, nothing kept.

A guest's address becomes one that says which port it is, for the agent's own TCP stack; so tenants
with equal addresses never meet there, and no connection is tracked.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    Match,
    flow,
    ip_match,
    output,
    per_family,
    put,
    resubmit,
    shape,
)
from sdnctl_vrouter.metadata.addresses import HOST_4, HOST_6
from sdnctl_vrouter.responder.packets import SERVICE_IP, SERVICE_IP_6, SERVICE_MAC

TCP: Final = 6
UDP: Final = 17
UPPER_HALF: Final = 64 << 6 | 63
"""Offset and number less one of bits (struct nx_action_reg_load)."""

LINK_LOCAL_64: Final = ("fe80::", "ffff:ffff:ffff:ffff::")
LINK_LOCAL_HALF: Final = 0xFE80 << 48


def asked(family: int, protocol: int, port: int) -> Match:
    """A question to one of the host's services, whoever asks."""
    address = SERVICE_IP if family == 4 else SERVICE_IP_6
    return {
        **ip_match(family, "dst", str(address)),
        "ip_proto": protocol,
        f"{'tcp' if protocol == TCP else 'udp'}_dst": port,
    }


def service(family: int, protocol: int, port: int) -> Any:
    """To the host."""
    match = asked(family, protocol, port)
    return flow(Table.RESPOND, Priority.ROUTER, match, [resubmit(Table.SERVICE)])


def service_free(family: int, protocol: int, port: int) -> Any:
    """Untracked, whatever the rules: the answers pass by the tracker, which would see half."""
    match = asked(family, protocol, port)
    return flow(Table.TRACK_OUT, Priority.ALLOW, match, [resubmit(Table.RESPOND)])


@per_family
def service_http(family: int) -> Any:
    """Metadata."""
    return service(family, TCP, 80)


@per_family
def service_http_free(family: int) -> Any:
    """Metadata."""
    return service_free(family, TCP, 80)


@per_family
def service_dns(family: int) -> Any:
    """The resolver."""
    return service(family, UDP, 53)


@per_family
def service_dns_free(family: int) -> Any:
    """The resolver."""
    return service_free(family, UDP, 53)


@per_family
def service_dns_tcp(family: int) -> Any:
    """The resolver, for long answers (RFC 7766)."""
    return service(family, TCP, 53)


@per_family
def service_dns_tcp_free(family: int) -> Any:
    """The resolver, for long answers."""
    return service_free(family, TCP, 53)


@shape
def service_asked_4(ofport: Any, ip: Any, host_ip: Any, host_port: Any) -> Any:
    """A port's address becomes the host's name for it."""
    actions = [
        put(eth_dst=str(SERVICE_MAC)),
        put(ipv4_src=host_ip),
        put(ipv4_dst=str(HOST_4)),
        output(host_port),
    ]
    match = {"in_port": ofport, **ip_match(4, "src", ip)}
    return flow(Table.SERVICE, Priority.DEFAULT, match, actions)


@shape
def service_answer_4(host_port: Any, host_ip: Any, ip: Any, mac: Any, ofport: Any) -> Any:
    """And back."""
    match = {"in_port": host_port, **ip_match(4, "dst", host_ip)}
    actions = [
        put(eth_src=str(SERVICE_MAC)),
        put(eth_dst=mac),
        put(ipv4_src=str(SERVICE_IP)),
        put(ipv4_dst=ip),
        output(ofport),
    ]
    return flow(Table.CLASSIFY, Priority.DEFAULT, match, actions)


@shape
def service_asked_6(ofport: Any, host_prefix: Any, host_port: Any) -> Any:
    """A link-local address keeps its interface identifier; the prefix names the port."""
    actions = [
        put(eth_dst=str(SERVICE_MAC)),
        p.NXActionRegLoad(UPPER_HALF, "ipv6_src", host_prefix),
        put(ipv6_dst=str(HOST_6)),
        output(host_port),
    ]
    match = {"in_port": ofport, **ip_match(6, "src", LINK_LOCAL_64)}
    return flow(Table.SERVICE, Priority.DEFAULT, match, actions)


@shape
def service_answer_6(host_port: Any, ip: Any, mask: Any, mac: Any, ofport: Any) -> Any:
    """And back."""
    match = {"in_port": host_port, **ip_match(6, "dst", (ip, mask))}
    actions = [
        put(eth_src=str(SERVICE_MAC)),
        put(eth_dst=mac),
        put(ipv6_src=str(SERVICE_IP_6)),
        p.NXActionRegLoad(UPPER_HALF, "ipv6_dst", LINK_LOCAL_HALF),
        output(ofport),
    ]
    return flow(Table.CLASSIFY, Priority.DEFAULT, match, actions)
