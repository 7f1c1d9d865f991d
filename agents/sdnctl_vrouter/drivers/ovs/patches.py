"""Pairs of patch ports, one for each subport of a trunk: a way into the pipeline of its own.

A trunk's VIF carries the frames of several ports, told apart by their VLAN tags. Each subport has
two patch ports on the bridge, peers of each other: what comes from the VIF with its tag goes, the
tag taken off, into the one at the trunk's side and comes out of the other, which is to all tables
what a VIF is to them; and back. So a subport has an OpenFlow port number like any port: it is what
its flows match, the zone of the connection tracker, and the name by which metadata and the
resolver know who asks. Open vSwitch gives out these numbers, so none is ever another port's, and
keeps them with the port: a restarted agent finds the pair by its ``external_ids``, number, zone and
connections as they were. A patch port is nothing in the data path and costs packets nothing there.

Promise: the pairs of the subports that are wanted are there whenever the database is reachable;
others of ours go once removal is allowed. Ports of others are never touched. Knows no flow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from sdnctl_vrouter.drivers.ovs.operations import Condition, Operation, gone_ports, new_port
from sdnctl_vrouter.platform.ovsdb import Row

log = logging.getLogger(__name__)

SUBPORT: Final = "sdnctl-subport"
"""The key in ``external_ids`` of whose pair it is."""

TRUNK_SIDE: Final = "trunk-side/"
"""Before a port's id: the patch port at the trunk's side, among the VIFs."""


def names(port_id: str) -> tuple[str, str]:
    """The port's own side, and the trunk's; as os-vif cuts ids for the names of taps."""
    return f"sdi-{port_id[:11]}", f"sdt-{port_id[:11]}"


def claimed(row: Row) -> str:
    """The port that an interface is the VIF of, or at the trunk's side of; "" for none."""
    external_ids: dict[str, str] = row["external_ids"]
    subport = external_ids.get(SUBPORT)
    if subport is not None and "iface-id" not in external_ids:
        return TRUNK_SIDE + subport
    return external_ids.get("iface-id", "")


class Patches:
    """See the module."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._found: dict[str, dict[str, str]] = {}
        """By port: interfaces by name."""
        self._whose: dict[str, tuple[str, str]] = {}
        """Port and name by interface."""
        self._unsettled: dict[str, None] = {}
        self.may_remove = False

    def want(self, port_id: str, *, wanted: bool) -> bool:
        """The port is a subport from now on, or is none; whether that is news."""
        if (port_id in self._wanted) is wanted:
            return False
        (self._wanted.add if wanted else self._wanted.discard)(port_id)
        self._unsettled[port_id] = None
        return True

    def forget(self) -> None:
        """A new mirror of the database: every interface is told again."""
        self._found.clear()
        self._whose.clear()
        self._unsettled.update(dict.fromkeys(self._wanted))

    def seen(self, uuid: str, row: Row | None) -> bool:
        """An interface came, changed or went; whether it is ours."""
        port_id = row["external_ids"].get(SUBPORT) if row is not None else None
        whose = (port_id, row["name"]) if row is not None and port_id is not None else None
        before = self._whose.get(uuid)
        if whose == before:
            return False
        if before is not None:
            del self._whose[uuid]
            self._found[before[0]].pop(before[1], None)
            if not self._found[before[0]]:
                del self._found[before[0]]
            self._unsettled[before[0]] = None
        if whose is not None:
            self._whose[uuid] = whose
            self._found.setdefault(whose[0], {})[whose[1]] = uuid
            self._unsettled[whose[0]] = None
        return True

    def operations(
        self, bridge: Condition, ports: Mapping[str, Row], port_of: Mapping[str, str]
    ) -> list[Operation]:
        """What makes the pairs right; ``port_of`` are the ports of interfaces."""
        unsettled, self._unsettled = self._unsettled, {}
        operations: list[Operation] = []
        for port_id in unsettled:
            found = self._found.get(port_id, {})
            if port_id in self._wanted:
                missing = [name for name in names(port_id) if name not in found]
                if missing and any(row["name"] in missing for row in ports.values()):
                    log.error("subport %s: %s are names of others", port_id, missing)
                    continue
                for name in missing:
                    operations += new_port(bridge, _interface(port_id, name))
            elif found and not self.may_remove:
                self._unsettled[port_id] = None
            else:
                gone = [port_of[uuid] for uuid in found.values() if uuid in port_of]
                if gone:
                    operations.append(gone_ports(bridge, gone))
        return operations


def _interface(port_id: str, name: str) -> dict[str, Any]:
    own, trunk = names(port_id)
    external_ids = {SUBPORT: port_id}
    if name == own:
        external_ids["iface-id"] = port_id
    return {
        "name": name,
        "type": "patch",
        "options": ["map", [["peer", trunk if name == own else own]]],
        "external_ids": ["map", sorted(external_ids.items())],
    }
