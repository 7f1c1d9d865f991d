"""The underlay as a networkx graph, and distances to the next hops between which they decide.

Promise: distances are asked for only where they can matter, from each competing next hop once
(the graph is undirected), so a change costs as many searches as next hops compete: a handful.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import networkx as nx

from sdnctl.intent import Gateway, Hypervisor, Link
from sdnctl.types import Ip

FARTHEST: Final = (1 << 32) - 1
"""What a distance is at most, as agents are told of it in 32 bits."""


def graph_of(
    hypervisors: Iterable[Hypervisor], gateways: Iterable[Gateway], links: Iterable[Link]
) -> nx.Graph:
    """Nodes by name with ``kind`` and ``address``; edges with ``cost``, the least of parallels."""
    graph = nx.Graph()
    for link in links:
        cost = link.cost
        if graph.has_edge(link.a, link.b):
            cost = min(cost, graph.edges[link.a, link.b]["cost"])
        graph.add_edge(link.a, link.b, cost=cost)
    for name in graph:
        graph.nodes[name].update(kind="switch", address=None)
    for gateway in gateways:
        graph.add_node(gateway.id, kind="gateway", address=gateway.address)
    for hypervisor in hypervisors:
        graph.add_node(hypervisor.id, kind="hypervisor", address=hypervisor.vtep)
    return graph


def distances(graph: nx.Graph, targets: Iterable[Ip]) -> dict[str, dict[Ip, int]]:
    """By hypervisor, the least cost to each target.

    A target that no known link leads to is farthest: to say nothing of it would make it the
    nearest of all. A hypervisor that reaches none of them has no distances.
    """
    targets = list(targets)
    nodes: dict[Ip, list[str]] = {}
    hypervisors = []
    for name, data in graph.nodes(data=True):
        if data["address"] is not None:
            nodes.setdefault(data["address"], []).append(name)
        if data["kind"] == "hypervisor":
            hypervisors.append(name)
    out: dict[str, dict[Ip, int]] = {name: {} for name in hypervisors}
    for target in targets:
        sources = [name for name in nodes.get(target, ()) if graph.degree[name]]
        if not sources:
            continue
        lengths: dict[Any, int] = nx.multi_source_dijkstra_path_length(
            graph, set(sources), weight="cost"
        )
        for name in hypervisors:
            if name in lengths:
                out[name][target] = min(lengths[name], FARTHEST)
    return {
        name: {target: known.get(target, FARTHEST) for target in targets} if known else {}
        for name, known in out.items()
    }
