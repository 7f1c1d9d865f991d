"""Questions to the graph and the agents' reports, answered as plain JSON-able values.

Promise: reads only; the cost is of what is asked for, where an index leads to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sdnctl import wire
from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.tables import group_of_evi, group_of_vrf
from sdnctl.desired import Desired, Exit, FdbEntry, FibEntry, FloodEntry
from sdnctl.graph.engine import Engine, Relation, View
from sdnctl.graph.relations.attachments import STANDBY
from sdnctl.graph.relations.inputs import BGPVPN_NETWORK, GATEWAY, HYPERVISOR, NETWORK, PORT, ROUTER
from sdnctl.graph.relations.instances import EVI_INSTANCE, VRF_INSTANCE
from sdnctl.graph.relations.resources import EXIT, FDB, FIB, LOCAL_PORT, NEIGHBOR, STANDBY_PORT, VRF
from sdnctl.graph.relations.routes import IMPORTED, Imported
from sdnctl.graph.relations.wayout import WAY_OUT
from sdnctl.graph.rib import best_paths, contested, mobility_order
from sdnctl.inspect import show
from sdnctl.inspect.show import Destination, Json
from sdnctl.intent import Link, Network, Router
from sdnctl.routes import RouteKey, rd_of
from sdnctl.topology import overlay, underlay
from sdnctl.types import Ip, Mac, Prefix, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb

Row = tuple[RouteKey, Imported]

_FORWARDING: Final = ("fdb/", "flood/", "fib/")
"""Every imported route is behind one of these entries of its table, used or not."""


def tables(delivery: Delivery, *, vrf: int | None = None, evi: int | None = None) -> list[str]:
    """The tables that hold routes, or the one that is asked for, in order."""
    if vrf is not None and evi is not None:
        return []
    if vrf is not None:
        return [group_of_vrf(vrf)]
    if evi is not None:
        return [group_of_evi(evi)]
    return sorted(name for name in delivery.tables.groups if name.startswith(("evi/", "vrf/")))


def routes(
    engine: Engine,
    delivery: Delivery,
    table: str,
    *,
    hypervisor: str | None = None,
    source: str | None = None,
) -> list[Json]:
    """The routes that a table imports, or those of one next hop's hypervisor or source.

    ``best`` says whether members send packets by it: to a MAC address, or to the prefix, where
    each hypervisor still takes the nearest of several. The cost is of the table.
    """
    vtep = None
    if hypervisor is not None:
        row = engine.rows(HYPERVISOR).get(hypervisor)
        vtep = row.vtep if row else b""
    view = engine.view()
    out = []
    for key, encoded in delivery.tables.table(table).entries.items():
        if not key.startswith(_FORWARDING):
            continue
        what, rows, best = _behind(view, wire.decode(pb.Resource.FromString(encoded)))
        out += [
            _route(table, what, route, imported, best=route in best)
            for route, imported in rows
            if (vtep is None or imported.path.next_hop == vtep) and source in (None, route.source)
        ]
    out.sort(key=lambda r: (r["type"], r["prefix"], r["next_hop"], r["rd"], r.get("ip") or ""))
    return out


def _behind(view: View, entry: Desired) -> tuple[object, list[Row], set[RouteKey]]:
    """What an entry leads to, the routes that lead there, and those that it was made of."""
    match entry:
        case FibEntry():
            rows = view.find(IMPORTED, "prefix", (entry.vrf, entry.prefix))
            return entry.prefix, rows, {key for key, _path in best_paths(rows)}
        case FdbEntry():
            rows = contested(view.find(IMPORTED, "mac", (entry.vni, entry.mac)))
            what: object = entry.mac
        case FloodEntry():
            rows = view.find(IMPORTED, "member", (entry.vni, entry.via.vtep))
            what = entry.via.vtep
        case _:
            return None, [], set()
    # One claim is as many routes as the port has addresses.
    first = min(map(mobility_order, rows), default=None)
    return what, rows, {row[0] for row in rows if mobility_order(row) == first}


def _route(table: str, what: Any, key: RouteKey, row: Imported, *, best: bool) -> Json:
    return {"table": table} | show.route(key, row.path) | {"prefix": str(what), "best": best}


def topology(engine: Engine, delivery: Delivery, links: list[Link]) -> Json:
    """The underlay's nodes and links, the overlay's instances with their members."""
    graph = underlay.graph_of(
        engine.rows(HYPERVISOR).values(), engine.rows(GATEWAY).values(), links
    )
    networks, routers = engine.rows(NETWORK), engine.rows(ROUTER)
    evis = engine.rows(EVI_INSTANCE)
    vrfs = engine.rows(VRF_INSTANCE)
    owners = {id_: _owner(engine, id_) for id_ in vrfs}
    reach = overlay.reach(instances(engine))
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
                "name": owners[id_].name,
                "router_id": id_ if id_ in routers else None,
                "network_id": None if id_ in routers else owners[id_].id,
                "project_id": owners[id_].project_id,
                "members": sorted(delivery.members_of(group_of_vrf(row.vni))),
            }
            for id_, row in vrfs.items()
        ],
        "leaks": [
            {"from": a, "to": b, "route_targets": sorted(str(t) for t in targets)}
            for a, b, targets in reach.edges(data="targets")
        ],
    }


def instances(engine: Engine) -> list[overlay.Instance]:
    """EVIs and VRFs with all targets that they import or some of their routes carry."""
    return [
        *(
            overlay.Instance(
                id_, "evi", engine.rows(NETWORK)[id_].project_id, row.imports, row.exports
            )
            for id_, row in engine.rows(EVI_INSTANCE).items()
        ),
        *(
            overlay.Instance(id_, "vrf", _owner(engine, id_).project_id, row.imports, row.exports)
            for id_, row in engine.rows(VRF_INSTANCE).items()
        ),
    ]


def _owner(engine: Engine, vrf: str) -> Router | Network:
    """The router that a VRF is, or the network: an external one, or one that a BGP VPN routes."""
    owner = engine.rows(ROUTER).get(vrf) or engine.rows(NETWORK).get(vrf)
    if owner is not None:
        return owner
    return engine.rows(NETWORK)[engine.rows(BGPVPN_NETWORK)[vrf].network_id]


def explain(engine: Engine, relation: Relation[Any, Any], key: Any) -> list[str]:
    """What a derived row is computed from, a line each."""
    return sorted("/".join(str(part) for part in cell) for cell in engine.explain(relation, key))


def explanations(
    engine: Engine, destination: Destination, *, vrf: Vni | None = None, evi: Vni | None = None
) -> Iterator[Json | None]:
    """What each table does with packets to a destination, and what that was computed from.

    An address is looked up in VRFs by the longest prefix, be it one of a router's way out, and in
    EVIs as a neighbor. Each table
    that has nothing gives None, so that who asks can do something else now and then.
    """
    if evi is None and not isinstance(destination, Mac):
        vrfs = [row.vni for row in engine.rows(VRF_INSTANCE).values()] if vrf is None else [vrf]
        for vni in vrfs:
            prefix = _prefix_for(engine, vni, destination)
            yield _led_out(engine, vni, destination, prefix) or _explained(
                engine, f"vrf/{vni}", FIB, (vni, prefix)
            )
    if vrf is None and not isinstance(destination, Prefix):
        relation: Relation[Any, Any] = FDB if isinstance(destination, Mac) else NEIGHBOR
        evis = [row.vni for row in engine.rows(EVI_INSTANCE).values()] if evi is None else [evi]
        for vni in evis:
            yield _explained(engine, f"evi/{vni}", relation, (vni, destination))


def _prefix_for(engine: Engine, vni: Vni, destination: Prefix | Ip) -> Prefix:
    """The prefix itself, or the longest that the VRF has for an address."""
    if isinstance(destination, Prefix):
        return destination
    rows = engine.rows(FIB)
    prefixes = (Prefix.covering(destination, n) for n in range(destination.bits, -1, -1))
    return next((p for p in prefixes if (vni, p) in rows), Prefix.host(destination))


def _led_out(engine: Engine, vni: Vni, destination: Prefix | Ip, longest: Prefix) -> Json | None:
    """What becomes of a destination that a router's way out is for; None if its VRF has more."""
    for router_id, out in engine.view().find(WAY_OUT, "vrf", vni):
        address = destination if isinstance(destination, Ip) else destination.ip
        matching = [p for p in out.prefixes if address in p]
        if isinstance(destination, Prefix):
            matching = [p for p in matching if p == destination]
        row = engine.rows(EXIT).get(router_id)
        if not matching or row is None:
            continue
        prefix = max(matching, key=lambda p: p.length)
        connected = any(address in p and p.length > prefix.length for p in _connected(engine, vni))
        known = (vni, longest) in engine.rows(FIB) and longest.length > prefix.length
        if connected or known:
            continue
        return {
            "table": f"vrf/{vni}",
            "entry": "exit",
            "destination": str(prefix),
            "computed_from": explain(engine, EXIT, router_id),
            "leads_to": f"vrf/{out.external}",
            "translated": _translation(row, prefix),
            "routes": [],
        }
    return None


def _connected(engine: Engine, vni: Vni) -> tuple[Prefix, ...]:
    """What a VRF has on link."""
    instances = engine.view().find(VRF_INSTANCE, "vni", vni)
    row = engine.rows(VRF).get(instances[0][0]) if instances else None
    return row.connected if row is not None else ()


def _translation(row: Exit, prefix: Prefix) -> str:
    """What becomes of sources that have no floating IP."""
    if prefix.version == 6 or not row.snat:
        return "as it is"
    if row.distributed:
        return "by each hypervisor, to its own address"
    if row.at is None or row.address is None:
        return "nowhere: the router has no IPv4 address there, or no hypervisor to have it"
    return f"at {row.at.vtep}, to {row.address}"


def _explained(engine: Engine, table: str, relation: Relation[Any, Any], key: Any) -> Json | None:
    if key not in engine.rows(relation):
        return None
    index = {"fib": "prefix", "fdb": "mac", "neighbor": "ip"}[relation.name]
    routes = engine.view().find(IMPORTED, index, key)
    return {
        "table": table,
        "entry": relation.name,
        "destination": str(key[1]),
        "computed_from": explain(engine, relation, key),
        "routes": [
            {
                "source": route.source,
                "rd": str(rd_of(route.nlri)),
                "next_hop": str(row.path.next_hop),
                "computed_from": explain(engine, IMPORTED, route),
            }
            for route, row in sorted(routes, key=lambda r: (r[1].path.next_hop, r[0].source))
        ],
    }


def migrations(engine: Engine, delivery: Delivery) -> list[Json]:
    """Every port that is made ready on a hypervisor, or still is, while its guest is elsewhere.

    ``role`` says whether the guest is expected at ``hypervisor`` (``destination``) or was there
    (``source``); ``plugged`` whether its VIF is there and programmed, as Nova wants to know of the
    destination before the guest resumes. ``active`` is where the guest is, if anywhere. The cost
    is of the migrations under way.
    """
    rows, ports = [], engine.rows(LOCAL_PORT)
    standbys = engine.rows(STANDBY)
    for (port_id, host), placed in sorted(engine.rows(STANDBY_PORT).items()):
        at = ports.get(port_id)
        left = engine.rows(PORT)[port_id].standby[host]
        rows.append(
            {
                "port_id": port_id,
                "mac_address": str(placed.port.mac),
                "hypervisor": host,
                "role": "source" if left else "destination",
                "plugged": delivery.observed.is_plugged(port_id, host),
                "active": at.host if at is not None else None,
                "active_plugged": at is not None and delivery.observed.is_plugged(port_id, at.host),
                "sent_on": standbys[port_id, host].onward is not None,
            }
        )
    return rows


def agents(delivery: Delivery) -> list[Json]:
    """Every connected agent: what it was sent, what it confirmed, what failed, what was refused.

    ``unreachable`` are the probed next hops that do not answer it.
    """
    return [
        {
            "hypervisor": host,
            "revision": session.revision,
            "in_sync": session.in_sync,
            "sent": session.sent,
            "received": session.received,
            "programmed": session.programmed,
            "failures": dict(session.failures),
            "drops": dict(delivery.observed.agent(host).drops),
            "unreachable": sorted(map(str, delivery.observed.agent(host).unreachable)),
        }
        for host, session in sorted(delivery.sessions.items())
    ]
