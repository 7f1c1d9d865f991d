"""The routes that local ports originate, as BGP would carry them."""

from __future__ import annotations

from typing import Final

from sdnctl.graph.engine import Rule, View, on
from sdnctl.graph.relations import (
    ATTACHMENT,
    EVI_INSTANCE,
    ORIGINATED,
    VRF_INSTANCE,
)
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.types import Ip, Mac


def router_mac(vtep: Ip) -> Mac:
    """The MAC that routed VXLAN packets to a hypervisor carry (RFC 9135 section 5).

    Locally administered, made from the VTEP, so that it needs no allocation and never changes.
    """
    return Mac(b"\x02\x00" + vtep[-4:])


def originated(key: RouteKey, v: View) -> Path | None:
    """A route of the port behind it.

    Two ports of one hypervisor with the same address make one route: that of the lowest port id.
    """
    ports = v.find(ATTACHMENT, "route", key)
    if not ports:
        return None
    _port_id, port = min(ports)
    if isinstance(key.nlri, IpPrefixRoute):
        vrf = v.get(VRF_INSTANCE, port.router_id)
        if vrf is None:
            return None
        return Path(
            next_hop=port.vtep,
            route_targets=vrf.exports,
            encapsulations=port.encapsulations,
            label=vrf.label,
            vni=vrf.vni,
            router_mac=router_mac(port.vtep),
        )
    evi = v.get(EVI_INSTANCE, port.network_id)
    if evi is None:
        return None
    return Path(
        next_hop=port.vtep,
        route_targets=evi.exports,
        encapsulations=port.encapsulations,
        label=evi.label,
        vni=evi.vni,
    )


RULES: Final = (Rule(ORIGINATED, originated, (on(ATTACHMENT, ATTACHMENT.indexes["route"]),)),)
