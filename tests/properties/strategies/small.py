"""The names and values of a world so small that everything collides."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st

from sdnctl.graph.engine import Relation
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher, RouteTarget

Write = tuple[Relation[Any, Any], Any, Any]

HOSTS = ["h0", "h1", "h2"]
NETWORKS = ["n0", "n1", "n2"]
ROUTERS = ["r0", "r1"]
SUBNETS = ["s0", "s1", "s2", "s3"]
GUESTS = [f"p{n}" for n in range(7)]
INTERFACES = ["i0", "i1", "i2"]
PROJECTS = ["red", "blue"]
VTEPS = [Ip.parse(f"192.0.2.{n}") for n in range(1, 4)]
IPV6_VTEP = Ip.parse("2001:db8:ffff::1")
OUTSIDE = [Ip.parse("198.51.100.1"), Ip.parse("198.51.100.2"), VTEPS[0]]
PREFIXES = [Prefix.parse(p) for p in ("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64")]
IPS = [Ip.parse(a) for a in ("10.0.0.1", "10.0.0.2", "10.0.1.2", "2001:db8::1", "2001:db8::2")]
MACS = [Mac.parse(f"fa:16:3e:00:00:0{n}") for n in range(3)]
TARGETS = [
    RouteTarget.parse(f"64512:{n}") for n in (1, 2, 8_000_001, 8_000_011, 8_000_012, 8_000_021)
]
"""Two of an operator's, and the automatic ones of n0, r0, r1 and a0."""

RDS = [RouteDistinguisher.parse(t) for t in ("64512:1", "64512:2")]

FAMILIES = [
    ("ipv4-vpn",),
    ("ipv4-vpn", "ipv6-vpn"),
    ("l2vpn-evpn",),
    ("ipv4-vpn", "l2vpn-evpn"),
    ("ipv4-vpn", "l2vpn-evpn", "route-target"),
    ("ipv4-vpn", "l2vpn-evpn", "route-target"),
    (),
]

encapsulations = st.sampled_from(
    [p for n in range(4) for p in itertools.permutations(Encapsulation, n)]
)
some_targets = st.sampled_from(
    [t for n in (0, 0, 1, 2) for t in itertools.permutations(TARGETS, n)]
)
mostly = st.sampled_from([True] * 6 + [False])


some_qos = st.sampled_from([None, None, "q0", "q1", "ghost"])
