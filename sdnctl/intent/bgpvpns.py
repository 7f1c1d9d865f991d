"""BGP VPNs, and the networks, routers and ports in them.

Knows nothing of what follows for route targets: that is the graph's.
"""

from __future__ import annotations

import msgspec

from sdnctl.intent.row import Row
from sdnctl.types import Label, Mac, Prefix, RouteTarget, Vni


class BgpVpn(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A BGP VPN that tenants may join (Neutron's ``bgpvpn``).

    ``type`` is ``l3`` or ``l2``. ``route_targets`` are imported and exported both.
    ``local_preference`` and ``communities`` (RFC 1997, as 32-bit numbers) are said with every
    route that is exported because of it. ``route_distinguishers`` and ``vni`` are the
    operator's, kept and shown: the controller gives every path its own RD.
    """

    type: str = "l3"
    route_targets: tuple[RouteTarget, ...] = ()
    import_targets: tuple[RouteTarget, ...] = ()
    export_targets: tuple[RouteTarget, ...] = ()
    route_distinguishers: tuple[str, ...] = ()
    vni: int | None = None
    local_preference: int | None = None
    communities: tuple[int, ...] = ()


class BgpVpnNetwork(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A network in a BGP VPN. An ``l2`` one joins its EVI.

    An ``l3`` one joins what routes the network: its router's VRF, for this network's prefixes
    only; or, while it has no router, a VRF of its own with what is allocated here (``mac`` is
    then its gateway's).
    """

    bgpvpn_id: str
    network_id: str
    vni: Vni
    label: Label
    number: int
    mac: Mac


class BgpVpnRouter(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A router in a BGP VPN; ``advertise_extra_routes`` says its extra routes too."""

    bgpvpn_id: str
    router_id: str
    advertise_extra_routes: bool = True


class PortRoute(msgspec.Struct, frozen=True):
    """What a port association announces more: a prefix behind the port."""

    prefix: Prefix
    local_preference: int | None = None


class BgpVpnPort(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A port in a BGP VPN: its addresses (``advertise_fixed_ips``) and routes behind it."""

    bgpvpn_id: str
    port_id: str
    advertise_fixed_ips: bool = True
    routes: tuple[PortRoute, ...] = ()
