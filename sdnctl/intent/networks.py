"""Networks, their subnets, and where those have their prefixes from.

Knows nothing of what is attached to them.
"""

from __future__ import annotations

import msgspec

from sdnctl.intent.projects import Shareable
from sdnctl.intent.row import Row
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteTarget, Vni


class VrfNumbers(msgspec.Struct, frozen=True):
    """What makes a VRF of something: allocated once, never changed. ``mac`` is its gateways'."""

    vni: Vni
    label: Label
    number: int
    mac: Mac


class Network(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """A layer 2 segment: an EVI.

    ``vni``, ``label`` and ``number`` (of the route distinguisher) are allocated once and never
    change. ``encapsulation`` pins one for all traffic of the network. ``dns_domain`` is what its
    ports' names end in, with its last dot. ``external_to`` are the projects, or ``EVERYBODY``,
    that an external network is there for. ``vrf`` is what an external network is routed by:
    there its floating IPs and routers' addresses are known, and to its BGP VPNs they are announced.
    ``qos_policy_id`` is that of its ports that name none.
    ``zone_hints`` are the availability zones that it was asked for in.
    """

    vni: Vni
    label: Label
    number: int
    mtu: int = 1450
    admin_state_up: bool = True
    external: bool = False
    external_to: tuple[str, ...] = ()
    port_security_enabled: bool = True
    encapsulation: Encapsulation | None = None
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    dns_domain: str = ""
    vrf: VrfNumbers | None = None
    qos_policy_id: str | None = None
    zone_hints: tuple[str, ...] = ()


class Pool(msgspec.Struct, frozen=True):
    """A range of addresses, both ends included."""

    start: Ip
    end: Ip


class HostRoute(msgspec.Struct, frozen=True):
    """A route that the guests of a subnet are told of."""

    destination: Prefix
    nexthop: Ip


class AddressScope(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Subnet pools whose prefixes do not overlap, so that their subnets may be routed together."""

    ip_version: int


class SubnetPool(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Prefixes, of one IP version, that subnets get theirs from.

    ``default_quota`` is what a project may have of it, in /32 (IPv4) or /64 (IPv6).
    """

    prefixes: tuple[Prefix, ...]
    min_prefixlen: int
    max_prefixlen: int
    default_prefixlen: int
    default_quota: int | None = None
    is_default: bool = False
    address_scope_id: str | None = None

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.prefixes[0].version


class Subnet(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An IP prefix on a network; with ``service_types`` for ports of those ``device_owner``."""

    network_id: str
    prefix: Prefix
    gateway_ip: Ip | None = None
    enable_dhcp: bool = True
    pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[Ip, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    subnetpool_id: str | None = None
    service_types: tuple[str, ...] = ()
