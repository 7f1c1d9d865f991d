"""A running API for the command line, and what its read views are recorded to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROUTES = [
    {
        "table": "vrf/1000",
        "type": "prefix",
        "prefix": "10.0.0.5/32",
        "rd": "192.0.2.11:7",
        "next_hop": "192.0.2.11",
        "encapsulations": ["vxlan", "mpls-gre"],
        "label": 1017,
        "vni": 1000,
        "source": "hv1",
        "best": True,
        "route_targets": ["64512:8000001"],
    },
    {
        "table": "evi/1001",
        "type": "mac-ip",
        "prefix": "fa:16:3e:00:00:01",
        "ip": "10.0.0.5",
        "rd": "192.0.2.11:8",
        "next_hop": "192.0.2.11",
        "encapsulations": [],
        "label": 0,
        "vni": 1001,
        "source": "hv1",
        "best": False,
        "route_targets": [],
    },
]
TOPOLOGY = {
    "nodes": [
        {"id": "hv1", "kind": "hypervisor", "address": "192.0.2.11"},
        {"id": "leaf", "kind": "switch", "address": None},
    ],
    "links": [{"a": "hv1", "b": "leaf", "cost": 3}],
    "evis": [{"vni": 1001, "name": "web", "network_id": "n-1", "members": ["hv1"]}],
    "vrfs": [{"vni": 1000, "label": 17, "name": "red", "router_id": "r-1", "members": ["hv1"]}],
}

AGENTS = [
    {
        "hypervisor": "hv1",
        "revision": 7,
        "in_sync": True,
        "sent": 9,
        "received": 9,
        "programmed": 8,
        "failures": {"port/p-1": "no such interface"},
        "drops": {"spoofed_ip": 3},
    }
]
MIGRATIONS = [
    {
        "port_id": "p-1",
        "mac_address": "fa:16:3e:00:00:01",
        "hypervisor": "hv2",
        "role": "destination",
        "plugged": True,
        "active": "hv1",
        "active_plugged": True,
        "sent_on": False,
    }
]
SESSIONS = [
    {
        "peer": "gateway",
        "state": "established",
        "since": 1795168918,
        "established": True,
        "families": ["ipv4-vpn"],
        "routes_advertised": 10,
        "routes_received": 2,
        "last_error": "",
    }
]


class Site(NamedTuple):
    """A running API; ``queries`` are those that the read views were asked."""

    url: str
    socket: Path
    queries: list[dict[str, str]]


Sdnctl = Callable[..., str]
