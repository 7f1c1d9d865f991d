"""One local port with what its network's guests are told: all that an answer depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sdnctl.desired import Irb, LocalPort, SubnetOptions
from sdnctl.types import Ip, Mac
from sdnctl_vrouter.responder.packets import SERVICE_IP, SERVICE_IP_6, SERVICE_MAC, link_local


class Guest(NamedTuple):
    """Who asks. ``subnets`` and ``irbs`` are of the port's network, each in order of their keys.

    ``resolver`` says that the host resolves names for who is told of no other.
    """

    port: LocalPort
    subnets: tuple[SubnetOptions, ...]
    irbs: tuple[Irb, ...]
    resolver: bool = False

    def leased(self, version: int) -> list[tuple[Ip, SubnetOptions]]:
        """The port's own addresses that it may have by DHCP, and their subnets."""
        return [
            (ip, subnet)
            for ip in self.port.addresses
            for subnet in self.subnets
            if subnet.dhcp and ip in subnet.prefix and ip.version == version
        ]

    def dns_servers(self, subnets: Sequence[SubnetOptions], version: int) -> bytes:
        """The resolvers that those subnets have, or else the host's."""
        told = dict.fromkeys(s for subnet in subnets for s in subnet.dns_servers)
        if not told and self.resolver:
            return SERVICE_IP if version == 4 else SERVICE_IP_6
        return b"".join(server for server in told if server.version == version)

    def gateway(self, ip: Ip | None) -> Mac | None:
        """The MAC of the router's interface with that address, its link-local one included.

        The cloud's own address is as good as a router's.
        """
        if ip == SERVICE_IP_6:
            return SERVICE_MAC
        for irb in self.irbs:
            if ip == link_local(irb.mac) or any(ip == address for address, _ in irb.addresses):
                return irb.mac
        return None

    @property
    def router_6(self) -> Mac | None:
        """The MAC of the router's interface that routes IPv6, if there is one."""
        for irb in self.irbs:
            if any(ip.version == 6 for ip, _ in irb.addresses):
                return irb.mac
        return None

    def override(self, version: int, options: dict[int, bytes]) -> dict[int, bytes]:
        """The options as they are with what the port is told instead; empty ones are left out."""
        own = {o.code: o.value for o in self.port.dhcp_options if o.version == version}
        return {code: value for code, value in (options | own).items() if value}
