"""GoBGP's own table, read and written by its command line.

Promise: ``read`` gives the best VPNv4 and VPNv6 routes that the daemon has, whatever brought
them, or raises when the daemon does not answer: an empty table and no table are not the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sdnctl.lab.errors import LabError
from sdnctl.lab.gateway.config import Gateway, Vrf
from sdnctl.lab.process import run
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteTarget

_EXTENDED_COMMUNITIES: Final = 16
"""Path attribute (RFC 4360 section 2)."""
_MP_REACH_NLRI: Final = 14
"""Path attribute (RFC 4760 section 3)."""
_ENCAPSULATION: Final = 12
"""Sub-type of an opaque extended community (RFC 9012 section 4.1)."""


class VpnRoute(NamedTuple):
    """A VPNv4 or VPNv6 route; ``encapsulations`` as numbers of IANA's registry of tunnel types."""

    rd: str
    prefix: Prefix
    next_hop: Ip
    label: Label
    route_targets: frozenset[RouteTarget]
    encapsulations: frozenset[int]


FAMILIES: Final = {4: "vpnv4", 6: "vpnv6"}
"""GoBGP's names, by IP version."""


def read() -> set[VpnRoute]:
    """The daemon's best VPN routes; LabError if it does not answer or is not understood."""
    rib = ["gobgp", "global", "rib", "-j", "-a"]
    return {route for f in FAMILIES.values() for route in parse(run([*rib, f], timeout=5))}


def parse(text: str) -> set[VpnRoute]:
    """Read what ``gobgp global rib -j -a FAMILY`` prints."""
    try:
        destinations = json.loads(text)
        return {_route(path) for paths in destinations.values() for path in paths if path["best"]}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise LabError(f"GoBGP's table: {error!r} in {text[:200]!r}") from None


def announce(gateway: Gateway, known: Iterable[VpnRoute]) -> None:
    """Tell the daemon of the VRFs' prefixes that its table has not."""
    known = set(known)
    for vrf in gateway.vrf:
        for prefix in vrf.prefixes:
            if own_route(gateway, vrf, prefix) not in known:
                _add(gateway, vrf, prefix)


def _add(gateway: Gateway, vrf: Vrf, prefix: Prefix) -> None:
    run(
        [
            *("gobgp", "global", "rib", "add", "-a", FAMILIES[prefix.version], str(prefix)),
            *("label", str(vrf.label_of(prefix.version)), "rd", str(vrf.rd)),
            *("rt", *map(str, vrf.export_targets)),
            *("nexthop", str(gateway.address), "encap", "gre"),
        ],
        timeout=5,
    )


def own_route(gateway: Gateway, vrf: Vrf, prefix: Prefix) -> VpnRoute:
    """What the gateway announces for a prefix of a VRF."""
    return VpnRoute(
        str(vrf.rd),
        prefix,
        gateway.address,
        Label(vrf.label_of(prefix.version)),
        frozenset(vrf.export_targets),
        frozenset((int(Encapsulation.MPLS_GRE),)),
    )


def _route(path: dict[str, Any]) -> VpnRoute:
    nlri = path["nlri"]
    attributes = {a["type"]: a for a in path["attrs"]}
    communities = attributes.get(_EXTENDED_COMMUNITIES, {}).get("value", [])
    return VpnRoute(
        f"{nlri['rd']['admin']}:{nlri['rd']['assigned']}",
        Prefix.parse(nlri["prefix"]),
        Ip.parse(attributes[_MP_REACH_NLRI]["nexthop"]),
        Label(nlri["labels"][0]),
        # Sub-type 2 of the types 0, 1 and 2 is a route target (RFC 4360, RFC 5668).
        frozenset(
            RouteTarget.parse(c["value"])
            for c in communities
            if c["type"] in (0, 1, 2) and c["subtype"] == 2
        ),
        frozenset(
            c["tunnel_type"]
            for c in communities
            if c["type"] == 3 and c["subtype"] == _ENCAPSULATION
        ),
    )
