"""Routers, and the addresses of external networks that stand for guests'.

Interfaces and gateways of routers are ports; so is what holds a floating IP.
"""

from __future__ import annotations

import msgspec

from sdnctl.intent.networks import HostRoute
from sdnctl.intent.row import Row
from sdnctl.types import Ip, Label, RouteTarget, Vni


class RouterGateway(msgspec.Struct, frozen=True):
    """The way out of a router: an external network, and the router's port there.

    ``enable_snat`` hides the IPv4 addresses of guests without a floating IP behind one address:
    the port's where the router is centralised, their hypervisor's where it is distributed.
    ``qos_policy_id`` is for what is hidden behind the port's.
    """

    network_id: str
    port_id: str
    enable_snat: bool = True
    qos_policy_id: str | None = None


class Router(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A VRF. ``vni`` is the layer 3 VNI of symmetric IRB (RFC 9135), ``label`` its MPLS label.

    ``import_targets`` and ``export_targets`` come on top of the automatic route target.
    ``distributed`` says where SNAT is done: on each guest's own hypervisor, or on one for the
    router, which another takes over from. ``nat`` is the number of its connection tracking zone,
    1 to 32767, allocated with its first gateway; 0 before. ``routes`` are static, by next hops on
    the router's networks or on the external one. ``zone_hints`` are the availability zones that it
    was asked for in.
    """

    vni: Vni
    label: Label
    number: int
    admin_state_up: bool = True
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    gateway: RouterGateway | None = None
    distributed: bool = False
    ha: bool = False
    nat: int = 0
    routes: tuple[HostRoute, ...] = ()
    zone_hints: tuple[str, ...] = ()


class FloatingIp(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An address of an external network that stands for one of a guest.

    ``floating_port_id`` is the port that holds the address. ``port_id`` is the guest's, "" while
    it stands for none, ``fixed_ip`` its address and ``router_id`` the router between. ``dns_name``
    and ``dns_domain`` are kept and shown. ``meter`` is the number that its bandwidth is limited by,
    1 to 32767, allocated with its first QoS policy; 0 before.
    """

    network_id: str
    ip: Ip
    floating_port_id: str
    port_id: str = ""
    fixed_ip: Ip | None = None
    router_id: str = ""
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None
    meter: int = 0


class PortForwarding(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Ports of a floating IP that stand for ports of a guest's address: as many, in order.

    ``protocol`` is IANA's number (TCP or UDP); ``external`` and ``internal`` are the first and
    last port of each range.
    """

    floatingip_id: str
    protocol: int
    external: tuple[int, int]
    port_id: str
    fixed_ip: Ip
    internal: tuple[int, int]
