"""What operators look at in Neutron and nobody makes: agents, segments, zones, addresses in use.

Promise: each is computed from what there is when it is asked for, so it is never out of date; a
filter compares what is shown. As in Neutron, they are the administrators': others see empty
lists. The one segment of a network bears the network's id, an agent its hypervisor's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from sdnctl.api.authorization import forbidden, sees
from sdnctl.api.caller import Identity
from sdnctl.api.errors import bad_request, not_allowed, not_found
from sdnctl.api.http import JsonResponse
from sdnctl.api.qos import DSCP_MARKS
from sdnctl.api.values import Json
from sdnctl.api.work import Context
from sdnctl.api.zones import ZONE
from sdnctl.intent import Hypervisor, Network, Port, Subnet

Asked = dict[str, list[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """``rows`` are all of it; ``one`` is what an id names, None if nothing is served by id.

    ``pick``, if given, are the rows that are there for a caller. What ``everybodys`` lists is
    everybody's to read, and so is each of it but with ``details``. ``also`` is another path to it.
    """

    name: str
    collection: str
    title: str
    rows: Callable[[Context, Asked], Iterable[dict[str, Json]]]
    one: Callable[[Context, str], dict[str, Json] | None] | None = None
    everybodys: bool = False
    details: bool = False
    also: str = ""
    pick: Callable[[Context, Identity], Iterable[dict[str, Json]]] | None = None


# ---- agents ------------------------------------------------------------------------------------


def _none(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    """Nothing is there for everybody alike."""
    del context, asked
    return ()


def _time(seconds: int) -> str | None:
    """As Neutron writes the times of agents."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds else None


def agent(context: Context, hypervisor: Hypervisor) -> dict[str, Json]:
    """A hypervisor's agent, as Neutron shows its own."""
    state = context.observed.hypervisor(hypervisor.id)
    return {
        "id": hypervisor.id,
        "agent_type": "Open vSwitch agent",
        "binary": "sdnctl-vrouter",
        "topic": "N/A",
        "host": hypervisor.id,
        "admin_state_up": True,
        "alive": state.alive,
        "created_at": _time(hypervisor.created_at),
        "started_at": None,
        "heartbeat_timestamp": _time(state.last_seen),
        "description": hypervisor.description,
        "availability_zone": None,
        "configurations": {
            "agent_version": state.agent_version,
            "bridge": context.settings.bridge,
            "datapath_type": hypervisor.datapath_type,
            "tunnel_types": [str(one) for one in hypervisor.encapsulations],
            "tunneling_ip": str(hypervisor.vtep),
        },
    }


def _agents(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    del asked
    return (agent(context, hypervisor) for hypervisor in context.store.rows(Hypervisor))


def _one_agent(context: Context, id_: str) -> dict[str, Json] | None:
    hypervisor = context.store.get(Hypervisor, id_)
    return None if hypervisor is None else agent(context, hypervisor)


def _zones(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    """Networks and routers are wherever there is a hypervisor."""
    del asked
    if context.store.rows(Hypervisor):
        for resource in ("network", "router"):
            yield {"name": ZONE, "resource": resource, "state": "available"}


# ---- who provides ------------------------------------------------------------------------------


def _providers(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    """Of routers there is one kind."""
    del context, asked
    yield {"service_type": "L3_ROUTER_NAT", "name": "sdnctl", "default": True}


# ---- segments ----------------------------------------------------------------------------------


def _segment(network: Network) -> dict[str, Json]:
    return {
        "id": network.id,
        "network_id": network.id,
        "name": None,
        "description": "",
        "network_type": "vxlan",
        "physical_network": None,
        "segmentation_id": network.vni,
        "revision_number": network.revision_number,
    }


def _segments(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    del asked
    return (_segment(network) for network in context.store.rows(Network))


def _one_segment(context: Context, id_: str) -> dict[str, Json] | None:
    network = context.store.get(Network, id_)
    return None if network is None else _segment(network)


# ---- what QoS policies may say ------------------------------------------------------------------

_KBPS: Final = {"parameter_type": "range", "parameter_values": {"start": 0, "end": (1 << 31) - 1}}
_WAYS: Final = {"parameter_type": "choices", "parameter_values": ["ingress", "egress"]}
_RULE_TYPES: Final[dict[str, list[dict[str, Json]]]] = {
    "bandwidth_limit": [
        {"parameter_name": "max_kbps", **_KBPS},
        {"parameter_name": "max_burst_kbps", **_KBPS},
        {"parameter_name": "direction", **_WAYS},
    ],
    "dscp_marking": [
        {
            "parameter_name": "dscp_mark",
            "parameter_type": "choices",
            "parameter_values": list(DSCP_MARKS),
        }
    ],
}
"""The types of rules that are carried out, with their parameters."""


def _rule_types(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    del context
    asked.pop("all_supported", None)
    every = asked.pop("all_rules", None)
    return ({"type": name} for name in (*_RULE_TYPES, *(("minimum_bandwidth",) if every else ())))


def _one_rule_type(context: Context, id_: str) -> dict[str, Json] | None:
    del context
    if id_ not in _RULE_TYPES:
        return None
    driver = {"name": "openvswitch", "supported_parameters": _RULE_TYPES[id_]}
    return {"type": id_, "drivers": [driver]}


# ---- addresses in use --------------------------------------------------------------------------


def _availability(context: Context, network: Network, versions: list[str]) -> dict[str, Json]:
    """The addresses in a network's pools and those that ports have, by IP versions if given."""
    rows = []
    for subnet in context.store.find(Subnet, "network_id", network.id):
        if versions and str(subnet.prefix.version) not in versions:
            continue
        rows.append(
            {
                "subnet_id": subnet.id,
                "subnet_name": subnet.name,
                "cidr": str(subnet.prefix),
                "ip_version": subnet.prefix.version,
                "total_ips": sum(p.end.number - p.start.number + 1 for p in subnet.pools),
                "used_ips": used(context, subnet.id),
            }
        )
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "total_ips": sum(row["total_ips"] for row in rows),
        "used_ips": sum(row["used_ips"] for row in rows),
        "subnet_ip_availability": rows,
    }


def used(context: Context, subnet_id: str) -> int:
    """The addresses of a subnet that ports have: those with one, with a second, a third..."""
    count = context.store.count
    found, more = count(Port, "subnet_id", subnet_id), 2
    while another := count(Port, "another_address", (subnet_id, more)):
        found, more = found + another, more + 1
    return found


def _availabilities(context: Context, asked: Asked) -> Iterable[dict[str, Json]]:
    versions = asked.pop("ip_version", [])
    if not {"4", "6"}.issuperset(versions):
        raise bad_request("Invalid input for ip_version. Reason: it is neither 4 nor 6.")
    ids = asked.get("network_id")
    found = (context.store.get(Network, id_) for id_ in dict.fromkeys(ids)) if ids else ()
    networks = [n for n in found if n is not None] if ids else context.store.rows(Network)
    return (_availability(context, network, versions) for network in networks)


def _one_availability(context: Context, id_: str) -> dict[str, Json] | None:
    network = context.store.get(Network, id_)
    return None if network is None else _availability(context, network, [])


# ---- where floating IPs come from --------------------------------------------------------------


def _pools(context: Context, caller: Identity) -> Iterable[dict[str, Json]]:
    """The IPv4 subnets of the external networks that the caller sees."""
    for network in context.store.find(Network, "external", True):
        if not sees(caller, network, context.store.get):
            continue
        for subnet in context.store.find(Subnet, "network_id", network.id):
            if subnet.prefix.version == 4:
                yield {
                    "subnet_id": subnet.id,
                    "subnet_name": subnet.name,
                    "network_id": network.id,
                    "cidr": str(subnet.prefix),
                    "project_id": caller.project_id,
                    "tenant_id": caller.project_id,
                }


VIEWS: Final = (
    View(
        "floatingip_pool",
        "floatingip_pools",
        "FloatingIPPool",
        _none,
        also="floatingip-pools",
        pick=_pools,
    ),
    View("agent", "agents", "Agent", _agents, _one_agent),
    View("availability_zone", "availability_zones", "AvailabilityZone", _zones, everybodys=True),
    View("service_provider", "service-providers", "ServiceProvider", _providers, everybodys=True),
    View("segment", "segments", "Segment", _segments, _one_segment),
    View(
        "rule_type",
        "qos/rule-types",
        "QosRuleType",
        _rule_types,
        _one_rule_type,
        everybodys=True,
        details=True,
    ),
    View(
        "network_ip_availability",
        "network-ip-availabilities",
        "Network",
        _availabilities,
        _one_availability,
    ),
)


def answer(context: Context, view: View, request: Request) -> Response:
    """The list, or what ``id`` of the path names; ApiError if it cannot be."""
    if request.method not in {"GET", "HEAD"}:
        raise not_allowed()
    caller: Identity = request.scope["caller"]
    seen = view.everybodys or caller.sees_all
    asked = _asked(request)
    fields = asked.pop("fields", [])
    id_ = request.path_params.get("id")
    if id_ is not None:
        if view.details and not caller.sees_all:
            raise forbidden("get", view.name)
        found = view.one(context, id_) if view.one is not None and seen else None
        if found is None:
            raise not_found(view.title, id_)
        return JsonResponse({view.name: _chosen(found, fields)})
    if view.pick is not None:
        rows = list(view.pick(context, caller))
    else:
        rows = list(view.rows(context, asked)) if seen else []
    for name, texts in asked.items():
        if rows and name not in rows[0]:
            raise bad_request(f"['{name}'] is invalid attribute for filtering")
        rows = [row for row in rows if _text(row.get(name)) in {_text(text) for text in texts}]
    plural = view.collection.rpartition("/")[2].replace("-", "_")
    return JsonResponse({plural: [_chosen(row, fields) for row in rows]})


def _asked(request: Request) -> Asked:
    asked: Asked = {}
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        asked.setdefault(name, []).append(value)
    return asked


def _text(value: Json) -> str:
    """A value as a query string may say it."""
    return "" if value is None else str(value).lower()


def _chosen(row: dict[str, Json], fields: list[str]) -> dict[str, Json]:
    return {name: row[name] for name in fields if name in row} if fields else row
