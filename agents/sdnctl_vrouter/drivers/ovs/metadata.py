"""The flows to the services on the host: of all, of a network, and of a port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sdnctl.desired import LocalPort
from sdnctl.types import Ip, Vni
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.metadata.addresses import name_4, prefix_6
from sdnctl_vrouter.responder.packets import SERVICE_IP, SERVICE_IP_6, SERVICE_MAC

_UPPER_HALF: Final = b"\xff" * 8 + bytes(8)


def static() -> Iterator[bytes]:
    """Which services there are."""
    for service in (
        *(t.service_http_4, t.service_http_free_4, t.service_http_6, t.service_http_free_6),
        *(t.service_dns_4, t.service_dns_free_4, t.service_dns_6, t.service_dns_free_6),
        *(t.service_dns_tcp_4, t.service_dns_tcp_free_4),
        *(t.service_dns_tcp_6, t.service_dns_tcp_free_6),
    ):
        yield service()


def network(vni: Vni, *, answers_nd: bool) -> Iterator[bytes]:
    """Who has the address, for guests that think it is on link."""
    yield t.neighbor_4(vni, SERVICE_IP, SERVICE_MAC)
    if answers_nd:
        yield t.neighbor_6(vni, SERVICE_IP_6, SERVICE_MAC)
    else:
        yield t.gateway_asked_6(vni, SERVICE_IP_6)


def port(local: LocalPort, ofport: int, host_port: int) -> Iterator[bytes]:
    """There from each of a port's IPv4 addresses and from its link-local ones, and back."""
    four = [ip for ip in local.addresses if ip.version == 4]
    for index, ip in enumerate(four):
        name = name_4(ofport, index)
        yield t.service_asked_4(ofport, ip, name, host_port)
        yield t.service_answer_4(host_port, name, ip, local.mac, ofport)
    prefix = prefix_6(ofport)
    yield t.service_asked_6(ofport, prefix, host_port)
    covering = Ip(prefix.to_bytes(8, "big") + bytes(8))
    yield t.service_answer_6(host_port, covering, _UPPER_HALF, local.mac, ofport)
