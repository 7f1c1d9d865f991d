"""Questions to the graph and the agents' reports, answered as plain JSON-able values.

Promise: reads only; the cost is of what is asked for, where an index leads to it.
"""

from __future__ import annotations

from typing import Any

from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.tables import group_of_evi, group_of_vrf
from sdnctl.graph.engine import Engine, Relation
from sdnctl.graph.relations import (
    EVI_INSTANCE,
    GATEWAY,
    HYPERVISOR,
    IMPORTED,
    NETWORK,
    ROUTER,
    VRF_INSTANCE,
    Imported,
)
from sdnctl.graph.rib import best_paths, mobility_order
from sdnctl.intent import Link
from sdnctl.routes import IpPrefixRoute, MacIpRoute, RouteKey
from sdnctl.topology import overlay, underlay

Json = dict[str, Any]
Row = tuple[RouteKey, Imported]


def routes(
    engine: Engine,
    *,
    vrf: int | None = None,
    evi: int | None = None,
    hypervisor: str | None = None,
    source: str | None = None,
) -> list[Json]:
    """Every imported route, or those of one table, next hop's hypervisor or source.

    A row for each table that imports the route; ``best`` says whether it is used there.
    """
    vtep = None
    if hypervisor is not None:
        row = engine.rows(HYPERVISOR).get(hypervisor)
        vtep = row.vtep if row else b""
    by_target: dict[tuple[str, Any, Any], list[Row]] = {}
    for key, row_ in engine.rows(IMPORTED).items():
        nlri = key.nlri
        if isinstance(nlri, IpPrefixRoute):
            for vni in row_.vrfs if evi is None else ():
                if vrf in (None, vni):
                    by_target.setdefault(("vrf", vni, nlri.prefix), []).append((key, row_))
        else:
            what: Any = nlri.mac if isinstance(nlri, MacIpRoute) else row_.path.next_hop
            for vni in row_.evis if vrf is None else ():
                if evi in (None, vni):
                    by_target.setdefault(("evi", vni, what), []).append((key, row_))
    out = []
    for (kind, vni, what), rows in by_target.items():
        if kind == "vrf":
            best = {key for key, _path in best_paths(rows)}
        else:
            # Where the MAC is, all its addresses are: a MAC/IP route for each (RFC 7432, 10.1).
            first, _row = min(rows, key=mobility_order)
            place = (first.nlri.rd, first.source)
            best = {key for key, _row in rows if (key.nlri.rd, key.source) == place}
        out += [
            _route(f"{kind}/{vni}", what, key, row, best=key in best)
            for key, row in rows
            if (vtep is None or row.path.next_hop == vtep) and source in (None, key.source)
        ]
    out.sort(key=lambda r: (r["table"], r["type"], r["prefix"], r["next_hop"], r["rd"]))
    return out


def _route(table: str, what: Any, key: RouteKey, row: Imported, *, best: bool) -> Json:
    nlri, path = key.nlri, row.path
    out: Json = {
        "table": table,
        "type": {"MacIpRoute": "mac-ip", "IpPrefixRoute": "prefix"}.get(
            type(nlri).__name__, "multicast"
        ),
        "prefix": str(what),
        "rd": str(nlri.rd),
        "next_hop": str(path.next_hop),
        "encapsulations": [str(e) for e in path.encapsulations],
        "label": path.label,
        "vni": path.vni,
        "source": key.source,
        "learned": path.peer,
        "best": best,
        "local_preference": path.local_preference,
        "as_path": list(path.as_path),
        "route_targets": [str(t) for t in path.route_targets],
    }
    if isinstance(nlri, MacIpRoute):
        out["ip"] = str(nlri.ip) if nlri.ip else None
    return out


def topology(engine: Engine, delivery: Delivery, links: list[Link]) -> Json:
    """The underlay's nodes and links, the overlay's instances with their members."""
    graph = underlay.graph_of(
        engine.rows(HYPERVISOR).values(), engine.rows(GATEWAY).values(), links
    )
    networks, routers = engine.rows(NETWORK), engine.rows(ROUTER)
    evis = engine.rows(EVI_INSTANCE)
    vrfs = engine.rows(VRF_INSTANCE)
    reach = overlay.reach(
        [
            *(
                overlay.Instance(id_, "evi", networks[id_].project_id, row.imports, row.exports)
                for id_, row in evis.items()
            ),
            *(
                overlay.Instance(id_, "vrf", routers[id_].project_id, row.imports, row.exports)
                for id_, row in vrfs.items()
            ),
        ]
    )
    return {
        "nodes": [
            {
                "id": name,
                "kind": data["kind"],
                "address": str(data["address"]) if data["address"] else None,
            }
            for name, data in sorted(graph.nodes(data=True))
        ],
        "links": [
            {"a": a, "b": b, "cost": cost} for a, b, cost in sorted(graph.edges(data="cost"))
        ],
        "evis": [
            {
                "vni": row.vni,
                "label": row.label,
                "name": networks[id_].name,
                "network_id": id_,
                "project_id": networks[id_].project_id,
                "members": sorted(delivery.members_of(group_of_evi(row.vni))),
            }
            for id_, row in evis.items()
        ],
        "vrfs": [
            {
                "vni": row.vni,
                "label": row.label,
                "name": routers[id_].name,
                "router_id": id_,
                "project_id": routers[id_].project_id,
                "members": sorted(delivery.members_of(group_of_vrf(row.vni))),
            }
            for id_, row in vrfs.items()
        ],
        "leaks": [
            {"from": a, "to": b, "route_targets": sorted(str(t) for t in targets)}
            for a, b, targets in reach.edges(data="targets")
        ],
    }


def explain(engine: Engine, relation: Relation[Any, Any], key: Any) -> list[str]:
    """What a derived row is computed from, a line each."""
    return sorted("/".join(str(part) for part in cell) for cell in engine.explain(relation, key))


def agents(delivery: Delivery) -> list[Json]:
    """Every connected agent: what it was sent, what it confirmed, what failed."""
    return [
        {
            "hypervisor": host,
            "revision": session.revision,
            "in_sync": session.in_sync,
            "sent": session.sent,
            "received": session.received,
            "programmed": session.programmed,
            "failures": dict(session.failures),
        }
        for host, session in sorted(delivery.sessions.items())
    ]


def convergence(delivery: Delivery, revision: int) -> Json:
    """How far a revision got: the agents that it went to, and when the last had programmed it.

    A revision that concerned no connected agent has ``agents`` 0 and is complete. Times are
    nanoseconds of the controller's wall clock, those of ``last`` of that hypervisor's.
    """
    row = delivery.observed.convergence(revision)
    if row is None:
        known = revision <= delivery.revision
        return {"revision": revision, "agents": 0, "outstanding": [], "complete": known}
    done = not row.outstanding
    return {
        "revision": revision,
        "agents": row.agents,
        "outstanding": sorted(row.outstanding),
        "complete": done,
        "committed_ns": row.committed_ns,
        "programmed_ns": row.programmed_ns if done else None,
        "last": {
            "hypervisor": row.last,
            "received_ns": row.last_received_ns,
            "switch_ns": row.last_switch_ns,
        }
        if done
        else None,
    }
