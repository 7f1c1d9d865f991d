"""The integration bridge in OVSDB: made if missing, its tunnels, its VIFs.

Promise: the bridge and our two tunnel ports are as configured whenever the database is
reachable; VIFs are recognised as os-vif plugs them (``external_ids:iface-id`` on a port of the
bridge that has an OpenFlow port; one whose device is still to come is awaited). Subports of trunks
have patch ports (see ``patches``), which are told like VIFs. Ports of others are never touched.
Knows no flow.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from sdnctl.types import Ip
from sdnctl_vrouter.drivers.ovs.operations import (
    Condition,
    Operation,
    gone_ports,
    mended_bridge,
    mended_interface,
    new_bridge,
    new_port,
    of_kind,
    wanted_bridge,
)
from sdnctl_vrouter.drivers.ovs.patches import Patches, claimed
from sdnctl_vrouter.drivers.ovs.pipeline import (
    GRE_PORT,
    HOST_ZONE,
    METADATA_PORT,
    VXLAN_PORT,
)
from sdnctl_vrouter.drivers.ovs.translation import Tunnels
from sdnctl_vrouter.platform.ovsdb import Column, Ovsdb, Row, Schema

log = logging.getLogger(__name__)

SCHEMA: Final[Schema] = {
    "Open_vSwitch": {"other_config": Column.MAP},
    "Bridge": {
        "name": Column.ONE,
        "ports": Column.SET,
        "datapath_type": Column.ONE,
        "fail_mode": Column.ONE,
        "protocols": Column.SET,
    },
    "Port": {"name": Column.ONE, "interfaces": Column.SET},
    "Interface": {
        "name": Column.ONE,
        "type": Column.ONE,
        "ofport": Column.ONE,
        "external_ids": Column.MAP,
        "options": Column.MAP,
        "error": Column.ONE,
    },
}

OURS: Final = (VXLAN_PORT, GRE_PORT, METADATA_PORT)
"""In the order of ``Tunnels``; the last only where metadata is served."""

NO_DEVICE: Final = -1
"""The switch's word for an interface whose device it cannot open."""

RETRY_FIRST: Final = 0.05
RETRY_MOST: Final = 2.0


class Bridge:
    """See the module. ``on_vif(port_id, ofport)`` and ``on_tunnels`` tell what changed.

    ``on_awaited`` tells of ports whose VIF was made before its device, and when that is over.
    """

    def __init__(
        self,
        rundir: str,
        name: str,
        datapath_type: str,
        on_vif: Callable[[str, int], None],
        on_tunnels: Callable[[Tunnels], None],
        *,
        on_awaited: Callable[[str, bool], None],
        metadata: bool = False,
        inherit_dscp: bool = False,
    ) -> None:
        self._path = f"{rundir}/db.sock"
        self._name = name
        self._datapath_type = datapath_type
        self._on_vif = on_vif
        self._on_tunnels = on_tunnels
        self._on_awaited = on_awaited
        self._wanted = OURS if metadata else OURS[:2]
        self._tunnel_options = {"remote_ip": "flow"} | ({"tos": "inherit"} if inherit_dscp else {})
        self._vtep: Ip | None = None
        self._ovsdb: Ovsdb | None = None
        self._wake = asyncio.Event()
        self._port_of: dict[str, str] = {}
        """Port by interface."""
        self._seen: dict[str, _Claim] = {}
        """What an interface counts as."""
        self._claims: dict[str, dict[str, int]] = {}
        """By port id: OpenFlow ports by interface name."""
        self._awaited: dict[str, str] = {}
        """By interface that has no device yet: whose VIF it will be."""
        self._misnumbered: set[str] = set()
        """VIFs with OpenFlow ports that are no VIF's."""
        self._tunnel_rows: dict[str, str] = {}
        """Interfaces with the names of our tunnels."""
        self._patches = Patches()
        self._told: dict[str, int] = {}
        self._tunnels = Tunnels()
        self.surveyed = asyncio.Event()
        """All VIFs that were there at the start have been told."""
        self.settled = asyncio.Event()
        """And the tunnel ports are there, or cannot be."""

    def set_vtep(self, vtep: Ip) -> bool:
        """Tunnels start at this address; whether that is news."""
        if vtep == self._vtep:
            return False
        self._vtep = vtep
        self.settled.clear()
        self._wake.set()
        return True

    def set_subport(self, port_id: str, *, wanted: bool) -> None:
        """The port is a subport of a trunk, or is none."""
        if self._patches.want(port_id, wanted=wanted):
            self._wake.set()

    def in_sync(self) -> None:
        """All that is wanted was said: what else is ours may go."""
        self._patches.may_remove = True
        self._wake.set()

    async def run(self) -> None:
        """Stay connected for ever."""
        pause = RETRY_FIRST
        while True:
            try:
                self._ovsdb = await Ovsdb.open(self._path, SCHEMA, self._changed)
                pause = RETRY_FIRST
                self._survey(self._ovsdb)
                await self._serve(self._ovsdb)
            except (OSError, TimeoutError) as error:
                log.warning("OVSDB at %s: %s", self._path, error)
            finally:
                if self._ovsdb is not None:
                    await self._ovsdb.close()
                    self._ovsdb = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MOST)

    async def end_restore(self) -> None:
        """Let a switch that was started with ``flow-restore-wait`` forward from now on."""
        if self._ovsdb is None:
            return
        for row in self._ovsdb.tables["Open_vSwitch"].values():
            if row["other_config"].get("flow-restore-wait") == "true":
                with contextlib.suppress(OSError):
                    await self._ovsdb.transact(
                        {
                            "op": "mutate",
                            "table": "Open_vSwitch",
                            "where": [],
                            "mutations": [
                                ["other_config", "delete", ["set", ["flow-restore-wait"]]]
                            ],
                        }
                    )

    # ---- what should be there

    async def _serve(self, ovsdb: Ovsdb) -> None:
        while not ovsdb.lost.done():
            self._wake.clear()
            await self._ensure(ovsdb)
            waker = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait((waker, ovsdb.lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waker.cancel()
                await asyncio.gather(waker, return_exceptions=True)

    async def _ensure(self, ovsdb: Ovsdb) -> None:
        operations: list[Operation] = []
        found = self._bridge(ovsdb)
        want = wanted_bridge(self._datapath_type)
        if found is None:
            operations += new_bridge(self._name, want)
            target: Condition = ["name", "==", self._name]
        else:
            uuid, row = found
            target = ["_uuid", "==", ["uuid", uuid]]
            if (update := mended_bridge(row, want)) is not None:
                operations.append(
                    {"op": "update", "table": "Bridge", "where": [target], "row": update}
                )
        if self._vtep is not None:
            local = {"local_ip": str(self._vtep), **self._tunnel_options}
            for name, kind, options in (
                (VXLAN_PORT, "vxlan", local | {"key": "flow"}),
                (GRE_PORT, "gre", local | {"packet_type": "legacy_l3"}),
            ):
                uuid = self._tunnel_rows.get(name, "")
                there = ovsdb.tables["Interface"].get(uuid)
                if there is None:
                    operations += new_port(target, {"name": name} | of_kind(kind, options))
                elif (there["type"], there["options"]) != (kind, options):
                    operations.append(mended_interface(uuid, of_kind(kind, options)))
        operations += self._metadata(ovsdb, target)
        operations += self._patches.operations(target, ovsdb.tables["Port"], self._port_of)
        operations += self._renumbered()
        if operations:
            await ovsdb.transact(*operations)
        else:
            self._check_settled(ovsdb)

    def _metadata(self, ovsdb: Ovsdb, bridge: Condition) -> list[Operation]:
        """The host's interface made, or taken away where an agent before this one had it."""
        uuid = self._tunnel_rows.get(METADATA_PORT)
        there = uuid in ovsdb.tables["Interface"]
        if METADATA_PORT in self._wanted:
            own = {"name": METADATA_PORT} | of_kind("internal", {})
            return [] if there else new_port(bridge, own)
        if uuid is None or not there or uuid not in self._port_of:
            return []
        return [gone_ports(bridge, [self._port_of[uuid]])]

    def _renumbered(self) -> list[Operation]:
        """VIFs whose numbers are those of NAT zones ask for others; till then they are none."""
        taken = {claim.ofport for claim in self._seen.values()}
        free = (number for number in range(1, HOST_ZONE) if number not in taken)
        return [
            mended_interface(uuid, {"ofport_request": next(free)})
            for uuid in sorted(self._misnumbered)
        ]

    def _check_settled(self, ovsdb: Ovsdb) -> None:
        """Each tunnel port is right, and the switch has said what became of it."""
        wanted = self._wanted
        rows = [ovsdb.tables["Interface"].get(self._tunnel_rows.get(name, "")) for name in wanted]
        if self._vtep is None or all(row and (row["ofport"] or row["error"]) for row in rows):
            self.settled.set()

    def _bridge(self, ovsdb: Ovsdb) -> tuple[str, Row] | None:
        for uuid, row in ovsdb.tables["Bridge"].items():
            if row["name"] == self._name:
                return uuid, row
        return None

    # ---- what is there

    def _survey(self, ovsdb: Ovsdb) -> None:
        """A new mirror: what was told stays told until it differs."""
        self._patches.forget()
        self._port_of.clear()
        self._seen.clear()
        self._claims.clear()
        awaited = set(self._awaited.values())
        self._awaited.clear()
        for uuid in ovsdb.tables["Port"]:
            self._index_port(ovsdb, uuid)
        for uuid in ovsdb.tables["Interface"]:
            self._settle(ovsdb, uuid)
        for port_id in [port_id for port_id in self._told if port_id not in self._claims]:
            self._tell(port_id)
        for port_id in awaited.difference(self._awaited.values()):
            self._on_awaited(port_id, False)
        self.surveyed.set()

    def _changed(self, changes: list[tuple[str, str]]) -> None:
        ovsdb = self._ovsdb
        if ovsdb is None:
            return  # still in open(): the survey sees it
        interfaces: dict[str, None] = {}
        for table, uuid in changes:
            match table:
                case "Port":
                    interfaces.update(dict.fromkeys(self._index_port(ovsdb, uuid)))
                case "Interface":
                    interfaces[uuid] = None
                case _:
                    self._wake.set()
        for uuid in interfaces:
            self._settle(ovsdb, uuid)

    def _index_port(self, ovsdb: Ovsdb, uuid: str) -> set[str]:
        row = ovsdb.tables["Port"].get(uuid)
        interfaces: set[str] = row["interfaces"] if row else set()
        self._port_of.update(dict.fromkeys(interfaces, uuid))
        return interfaces

    def _settle(self, ovsdb: Ovsdb, uuid: str) -> None:
        """An interface may have become a VIF or a tunnel, or ceased to be one."""
        row = ovsdb.tables["Interface"].get(uuid)
        if row is None:
            self._port_of.pop(uuid, None)
        elif row["name"] in OURS:
            self._tunnel_rows[row["name"]] = uuid
            self._wake.set()
        if self._patches.seen(uuid, row):
            self._wake.set()
        new = self._well_numbered(uuid, self._claim(ovsdb, uuid, row))
        old = self._seen.get(uuid)
        if new != old:
            self._reclaim(uuid, old, new)
        self._await(uuid, self._whose(ovsdb, uuid, row))

    def _reclaim(self, uuid: str, old: _Claim | None, new: _Claim | None) -> None:
        """What an interface counts as has changed: the ports that it is the VIF of."""
        if new is None:
            del self._seen[uuid]
        else:
            self._seen[uuid] = new
        if any(claim.name in OURS for claim in (old, new) if claim):
            self._settle_tunnels()
        if old and old.port_id:
            del self._claims[old.port_id][old.name]
            if not self._claims[old.port_id]:
                del self._claims[old.port_id]
        if new and new.port_id:
            self._claims.setdefault(new.port_id, {})[new.name] = new.ofport
        for port_id in {claim.port_id for claim in (old, new) if claim and claim.port_id}:
            self._tell(port_id)

    def _is_on_bridge(self, ovsdb: Ovsdb, uuid: str) -> bool:
        bridge = self._bridge(ovsdb)
        return bridge is not None and self._port_of.get(uuid) in bridge[1]["ports"]

    def _whose(self, ovsdb: Ovsdb, uuid: str, row: Row | None) -> str:
        """The port that an interface without a device is to be the VIF of; "" for none."""
        if row is None or row["ofport"] != NO_DEVICE or not self._is_on_bridge(ovsdb, uuid):
            return ""
        iface_id: str = row["external_ids"].get("iface-id", "")
        return iface_id

    def _await(self, uuid: str, port_id: str) -> None:
        old = self._awaited.pop(uuid, "")
        if port_id:
            self._awaited[uuid] = port_id
        for changed in {old, port_id} - {""} if old != port_id else ():
            self._on_awaited(changed, changed in self._awaited.values())

    def _claim(self, ovsdb: Ovsdb, uuid: str, row: Row | None) -> _Claim | None:
        if row is None or not self._is_on_bridge(ovsdb, uuid):
            return None
        if row["error"] and not self._whose(ovsdb, uuid, row):
            log.warning("interface %s: %s", row["name"], row["error"])
        if not row["ofport"] or row["ofport"] < 1:
            return None
        return _Claim(row["name"], claimed(row), row["ofport"])

    def _well_numbered(self, uuid: str, claim: _Claim | None) -> _Claim | None:
        """A claim as it counts: a VIF's number is its zone in the tracker, and no other's."""
        self._misnumbered.discard(uuid)
        if claim is None or not claim.port_id or claim.ofport < HOST_ZONE:
            return claim
        self._misnumbered.add(uuid)
        self._wake.set()
        return None

    def _settle_tunnels(self) -> None:
        claims = [self._seen.get(self._tunnel_rows.get(name, "")) for name in self._wanted]
        tunnels = Tunnels(*(claim.ofport if claim else 0 for claim in claims))
        if tunnels != self._tunnels:
            self._tunnels = tunnels
            self._on_tunnels(tunnels)
        self._wake.set()

    def _tell(self, port_id: str) -> None:
        """Of two interfaces that claim a port, the one whose name sorts first is its VIF."""
        claims = self._claims.get(port_id, {})
        ofport = claims[min(claims)] if claims else 0
        if self._told.get(port_id, 0) == ofport:
            return
        if ofport:
            self._told[port_id] = ofport
        else:
            del self._told[port_id]
        self._on_vif(port_id, ofport)


class _Claim(NamedTuple):
    """An interface of the bridge: whose VIF it is ("" if no one's), and where."""

    name: str
    port_id: str
    ofport: int
