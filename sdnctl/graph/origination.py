"""The routes that local ports originate, as BGP would carry them."""

from __future__ import annotations

from typing import Final, TypedDict

from sdnctl.graph.engine import Rule, View, on
from sdnctl.graph.relations.attachments import ATTACHMENT, OUTSIDE, Attachment
from sdnctl.graph.relations.instances import EVI_INSTANCE, ROUTING
from sdnctl.graph.relations.routes import ORIGINATED
from sdnctl.graph.relations.vpns import Policy, joined
from sdnctl.graph.relations.wayout import EXTERNAL
from sdnctl.routes import IpPrefixRoute, MacIpRoute, Path, RouteKey
from sdnctl.types import Ip, Mac, Prefix, RouteTarget

DEFAULT_PREFERENCE: Final = 100
"""LOCAL_PREF of what nobody wants preferred otherwise."""


def router_mac(vtep: Ip) -> Mac:
    """The MAC that routed VXLAN packets to a hypervisor carry (RFC 9135 section 5).

    Locally administered, made from the VTEP, so that it needs no allocation and never changes.
    """
    return Mac(b"\x02\x00" + vtep[-4:])


def originated(key: RouteKey, v: View) -> Path | None:
    """A route of the port behind it.

    Two ports of one hypervisor with the same address make one route: that of the lowest port id.
    One that is a port's wins over the same that is translated to another.
    """
    ports = v.find(ATTACHMENT, "route", key)
    if not ports:
        return _translated(key, v)
    _port_id, port = min(ports)
    if isinstance(key.nlri, IpPrefixRoute):
        return _prefix(key.nlri.prefix, port, v)
    evi = v.get(EVI_INSTANCE, port.network_id)
    if evi is None:
        return None
    return Path(
        next_hop=port.vtep,
        encapsulations=port.encapsulations,
        label=evi.label,
        vni=evi.vni,
        sequence=_sequence(port, key.nlri) if isinstance(key.nlri, MacIpRoute) else 0,
        **_attributes(evi.policy),
    )


def _sequence(port: Attachment, nlri: MacIpRoute) -> int:
    """How often the address moved: with its port, and from port to port."""
    claims = [c.sequence for c in port.claimed if (c.ip, c.mac) == (nlri.ip, nlri.mac)]
    return port.moves + (claims[0] if claims else 0)


def _translated(key: RouteKey, v: View) -> Path | None:
    """An address of an external network that a hypervisor translates to others."""
    found = v.find(OUTSIDE, "route", key)
    if not found:
        return None
    _id, place = min(found)
    outside = v.get(EXTERNAL, place.network_id)
    if outside is None:
        return None
    return Path(
        next_hop=place.vtep,
        encapsulations=place.encapsulations,
        label=outside.label,
        vni=outside.vrf,
        router_mac=router_mac(place.vtep),
        **_attributes(outside.policy),
    )


def _prefix(prefix: Prefix, port: Attachment, v: View) -> Path | None:
    """An address of the port, or a prefix behind it that a BGP VPN announces.

    The latter is known in the VRF itself by its automatic target, and elsewhere as that BGP VPN
    says; what the router and the network export is their own.
    """
    where = v.get(ROUTING, port.network_id)
    if where is None:
        return None
    policy = where.policy_of(prefix)
    if port.said:
        own = Policy((where.automatic,)) if prefix in port.behind else policy
        policy = joined([own, *(said for about, said in port.said if about == prefix)])
    return Path(
        next_hop=port.vtep,
        encapsulations=port.encapsulations,
        label=where.label,
        vni=where.vrf,
        router_mac=router_mac(port.vtep),
        **_attributes(policy),
    )


class _Attributes(TypedDict):
    route_targets: tuple[RouteTarget, ...]
    local_preference: int
    communities: tuple[int, ...]


def _attributes(policy: Policy) -> _Attributes:
    preference = policy.local_preference
    return {
        "route_targets": policy.targets,
        "local_preference": DEFAULT_PREFERENCE if preference is None else preference,
        "communities": policy.communities,
    }


RULES: Final = (
    Rule(
        ORIGINATED,
        originated,
        (
            on(ATTACHMENT, ATTACHMENT.indexes["route"]),
            on(OUTSIDE, OUTSIDE.indexes["route"]),
        ),
    ),
)
