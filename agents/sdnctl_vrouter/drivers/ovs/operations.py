"""What OVSDB is asked to do about bridges, ports and interfaces (RFC 7047 section 5.2).

Promise: a row and all that refers to it go in one transaction, whose names for new rows follow
from theirs. Knows nothing of what is there, but for the bridge that it is shown.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl_vrouter.platform.ovsdb import Row

Operation = dict[str, Any]
Condition = list[Any]

PROTOCOL: Final = "OpenFlow14"


def wanted_bridge(datapath_type: str) -> dict[str, Any]:
    """The columns of ours."""
    return {
        "datapath_type": datapath_type,
        "fail_mode": "secure",
        "protocols": ["set", [PROTOCOL]],
    }


def new_bridge(name: str, want: dict[str, Any]) -> list[Operation]:
    """The bridge with its own port, as ``ovs-vsctl add-br`` makes it."""
    port, made = _port({"name": name, "type": "internal"})
    row = want | {"name": name, "ports": port}
    bridges = ["set", [["named-uuid", "bridge"]]]
    return [
        *made,
        {"op": "insert", "table": "Bridge", "uuid-name": "bridge", "row": row},
        {
            "op": "mutate",
            "table": "Open_vSwitch",
            "where": [],
            "mutations": [["bridges", "insert", bridges]],
        },
    ]


def mended_bridge(row: Row, want: dict[str, Any]) -> dict[str, Any] | None:
    """What is to be set right; an empty datapath_type is ``system``, no protocols are all."""
    spoken = row["protocols"]
    found = (row["datapath_type"] or "system", row["fail_mode"])
    if found == (want["datapath_type"], want["fail_mode"]) and (PROTOCOL in spoken or not spoken):
        return None
    return want | {"protocols": ["set", sorted(spoken | {PROTOCOL}) if spoken else []]}


def new_port(bridge: Condition, interface: dict[str, Any]) -> list[Operation]:
    """An interface in a port of its name, on the bridge that the condition finds."""
    port, made = _port(interface)
    return [*made, _ports(bridge, "insert", [port])]


def gone_ports(bridge: Condition, uuids: list[str]) -> Operation:
    """Ports that are the bridge's no longer: the database collects what nobody refers to."""
    return _ports(bridge, "delete", [["uuid", uuid] for uuid in uuids])


def mended_interface(uuid: str, columns: dict[str, Any]) -> Operation:
    """These columns of an interface set right."""
    where = [["_uuid", "==", ["uuid", uuid]]]
    return {"op": "update", "table": "Interface", "where": where, "row": columns}


def of_kind(kind: str, options: dict[str, str]) -> dict[str, Any]:
    """The columns of an interface of that kind."""
    return {"type": kind, "options": ["map", sorted(options.items())]}


def _port(interface: dict[str, Any]) -> tuple[list[str], list[Operation]]:
    """A new interface in a port of its name: how that is referred to, and what makes it."""
    name = interface["name"]
    label = name.encode().hex()
    row = {"name": name, "interfaces": ["named-uuid", f"i{label}"]}
    return ["named-uuid", f"p{label}"], [
        {"op": "insert", "table": "Interface", "uuid-name": f"i{label}", "row": interface},
        {"op": "insert", "table": "Port", "uuid-name": f"p{label}", "row": row},
    ]


def _ports(bridge: Condition, what: str, ports: list[list[str]]) -> Operation:
    mutations = [["ports", what, ["set", ports]]]
    return {"op": "mutate", "table": "Bridge", "where": [bridge], "mutations": mutations}
