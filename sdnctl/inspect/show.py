"""Routes as JSON, and what is asked for by a prefix, an address or a MAC.

Promise: a route reads the same wherever it is shown. Knows nothing of tables or peers.
"""

from __future__ import annotations

from typing import Any

from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    RouteKey,
    rd_of,
)
from sdnctl.types import Ip, Mac, Prefix, RouteDistinguisher, RouteTarget, format_community

Json = dict[str, Any]
Destination = Prefix | Ip | Mac
Wanted = Destination | RouteTarget


def parse_destination(text: str) -> Destination:
    """Read ``10.0.0.0/24``, ``10.0.0.5`` or ``fa:16:3e:00:00:01``; ValueError otherwise."""
    for parse in (Mac.parse, Ip.parse, Prefix.parse):
        try:
            return parse(text)
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a prefix, an IP address or a MAC address")


def parse_wanted(text: str) -> Wanted:
    """As ``parse_destination``, or the route target of memberships (RFC 4684): ``64512:1``."""
    try:
        return RouteTarget.parse(text)
    except ValueError:
        return parse_destination(text)


def leads_to(nlri: Nlri, wanted: Wanted) -> bool:
    """Whether a route is to a MAC, covers an address, lies within a prefix, or is a membership."""
    match nlri, wanted:
        case MembershipRoute(target=target), RouteTarget():
            return target == wanted
        case MacIpRoute(mac=mac), Mac():
            return mac == wanted
        case IpPrefixRoute(prefix=prefix), Ip():
            return wanted in prefix
        case IpPrefixRoute(prefix=prefix), Prefix():
            return prefix.length >= wanted.length and prefix.ip in wanted
        case ((MacIpRoute(ip=Ip() as ip) | InclusiveMulticastRoute(originator=ip)), Ip()):
            return ip == wanted
        case ((MacIpRoute(ip=Ip() as ip) | InclusiveMulticastRoute(originator=ip)), Prefix()):
            return ip in wanted
        case _:
            return False


def named(nlri: Nlri) -> tuple[str, str]:
    """The type of a route, and what it is to."""
    match nlri:
        case MacIpRoute(mac=mac):
            return "mac-ip", str(mac)
        case IpPrefixRoute(prefix=prefix):
            return "prefix", str(prefix)
        case InclusiveMulticastRoute(originator=originator):
            return "multicast", str(originator)
        case _:
            return "membership", str(nlri.target) if nlri.target else "default"


def route(key: RouteKey, path: Path) -> Json:
    """A route with its attributes. ``ip`` is only there where a MAC may come with an address."""
    kind, destination = named(key.nlri)
    rd = rd_of(key.nlri)
    out: Json = {
        "type": kind,
        "prefix": destination,
        "rd": str(RouteDistinguisher(rd)) if rd else None,
        "path_id": key.path_id,
        "next_hop": str(path.next_hop),
        "encapsulations": [str(e) for e in path.encapsulations],
        "label": path.label,
        "vni": path.vni,
        "l3_vni": path.l3_vni,
        "router_mac": str(path.router_mac) if path.router_mac else None,
        "source": key.source,
        "learned": path.peer,
        "local_preference": path.local_preference,
        "as_path": list(path.as_path),
        "origin": ("igp", "egp", "incomplete")[path.origin] if path.origin < 3 else path.origin,
        "med": path.med,
        "sequence": path.sequence,
        "sticky": path.sticky,
        "stale": path.stale,
        "route_targets": [str(t) for t in path.route_targets],
        "communities": [format_community(c) for c in path.communities],
    }
    if isinstance(key.nlri, MacIpRoute):
        out["ip"] = str(key.nlri.ip) if key.nlri.ip else None
    return out
