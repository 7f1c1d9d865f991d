"""The overlay as a networkx graph: which EVIs and VRFs routes can flow between, and whose.

An edge A -> B says that B imports a route target that A exports: A's routes are in B. Two
tenants are joined when there is an edge between instances of theirs; that takes the hand of both,
one exporting and one importing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import networkx as nx

from sdnctl.types import RouteTarget


class Instance(NamedTuple):
    """An EVI or a VRF."""

    name: str
    kind: str
    project_id: str
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]


def reach(instances: Iterable[Instance]) -> nx.DiGraph:
    """Nodes by name with ``kind`` and ``project``; edges carry ``targets``."""
    instances = list(instances)
    graph = nx.DiGraph()
    importers: dict[tuple[str, RouteTarget], list[str]] = {}
    for row in instances:
        graph.add_node(row.name, kind=row.kind, project=row.project_id)
        for target in row.imports:
            importers.setdefault((row.kind, target), []).append(row.name)
    for row in instances:
        for target in row.exports:
            for name in importers.get((row.kind, target), ()):
                if name != row.name:
                    graph.add_edge(row.name, name)
                    graph.edges[row.name, name].setdefault("targets", set()).add(target)
    return graph


def joined_projects(graph: nx.DiGraph) -> set[tuple[str, str]]:
    """Pairs (exporting, importing) of different projects between which routes flow."""
    projects = graph.nodes(data="project")
    return {(projects[a], projects[b]) for a, b in graph.edges if projects[a] != projects[b]}
