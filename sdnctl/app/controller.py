"""The way of the data through the controller: commit -> graph -> delivery and BGP.

Promise: one writer, one order. What a commit of the store changes has been computed and handed
to the agents' streams before the request that made it is answered. Learned routes take the same
way. A step that fails ends the process: a restart computes everything anew from the store, a
half-applied change would be wrong for good.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec

from sdnctl.api import HypervisorState, Reach
from sdnctl.app.claims import Claims
from sdnctl.app.liveness import Liveness
from sdnctl.bgp.peer import Family, Peer, Secret, SessionEvent
from sdnctl.bgp.speakers import Speakers
from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed, VifChange
from sdnctl.delivery.tables import group_of_evi, group_of_vrf
from sdnctl.delta import Change
from sdnctl.graph.engine import Engine, Log, Relation
from sdnctl.graph.model import INPUTS, make_engine
from sdnctl.graph.relations.attachments import OUTSIDE
from sdnctl.graph.relations.inputs import (
    CLAIM,
    GATEWAY,
    HYPERVISOR,
    HYPERVISOR_DOWN,
    LEARNED,
    UNDERLAY,
)
from sdnctl.graph.relations.resources import COMPETING, EVI_PROBE, IRB, LOCAL_PORT, VRF_PROBE
from sdnctl.graph.relations.routes import ADVERTISED, Advertised
from sdnctl.intent import KINDS, BgpPeer, Link, Port, Row
from sdnctl.nova import Events, Notifier
from sdnctl.routes import Path, RouteKey
from sdnctl.southbound.server import AgentServer
from sdnctl.store import Commit, Store
from sdnctl.topology import underlay
from sdnctl.types import Ip, Mac

_log = logging.getLogger(__name__)

_RELATIONS: Final[dict[str, Relation[Any, Any]]] = {r.name: r for r in INPUTS if r.name in KINDS}
_TOPOLOGY: Final = frozenset({"hypervisor", "gateway", "link"})

Write = tuple[Relation[Any, Any], Any, Any]


class Controller:
    """Store, graph, delivery, agents and BGP, joined. ``load`` before anything is served."""

    def __init__(self, store: Store, *, asn: int, router_id: Ip, epoch: int) -> None:
        self.store = store
        self.engine: Engine = make_engine(asn)
        self.observed = Observed()
        self.delivery = Delivery(epoch, self.observed)
        self.delivery.on_claim = self.claimed
        self.claims = Claims(self.engine)
        self._liveness = Liveness(self.observed)
        self.agents: AgentServer | None = None
        self.speakers: Speakers | None = None
        self.nova: Notifier | None = None
        self._events: Events | None = None
        self._asn = asn
        self._router_id = router_id
        self._wall_offset = time.time() - time.monotonic()

    def load(self) -> None:
        """Compute everything from what the store holds, then follow it."""
        self._advance(
            (relation, row.id, row)
            for name, relation in _RELATIONS.items()
            for row in self.store.rows(KINDS[name])
        )
        self.store.subscribe(self._committed)

    # -- the way in ------------------------------------------------------------------------------

    def _committed(self, commit: Commit) -> None:
        try:
            kinds = {kind for (kind, _id), _old, _new in commit.changes}
            gone = [
                (CLAIM, key, None)
                for (kind, id_), _old, new in commit.changes
                if kind == "port" and new is None
                for key in self.claims.forget(id_)
            ]
            self._advance(
                [
                    *(
                        (_RELATIONS[kind], id_, new)
                        for (kind, id_), old, new in commit.changes
                        if kind in _RELATIONS and not _only_counted(old, new)
                    ),
                    *gone,
                ],
                topology=bool(kinds & _TOPOLOGY),
            )
            if "bgp_peer" in kinds:
                self.tell_peers()
            if self._events is not None:
                self._events.committed(commit.changes)
        except Exception:
            _give_up(f"revision {commit.revision} could not be computed")

    def claimed(self, host: str, port_id: str, mac: Mac, ip: Ip, at: float) -> None:
        """A guest said that it has an address beside its own."""
        found = self.claims.said(host, port_id, mac, ip, at)
        if found is None:
            return
        key, claim = found
        _log.info("address taken", extra={"ip": str(ip), "mac": str(mac), "port": port_id})
        try:
            self._advance([(CLAIM, key, claim)])
        except Exception:
            _give_up(f"a claim to {ip} could not be computed")

    def learned(self, changes: list[Change[RouteKey, Path]]) -> None:
        """Routes that the speaker's peers announced or withdrew."""
        try:
            self._advance((LEARNED, key, new) for key, _old, new in changes)
        except Exception:
            _give_up(f"{len(changes)} learned routes could not be computed")

    def admitted(self) -> None:
        """Agents are answered from now on."""
        self._liveness.start(self.engine.rows(HYPERVISOR), time.monotonic())

    def look_after(self) -> None:
        """Have others do what was for one to do that is gone; called every second or so."""
        now = time.monotonic()
        if self._events is not None:
            self._events.look(now)
        changed = self._liveness.look(self.engine.rows(HYPERVISOR), now)
        if not changed:
            return
        for host, down in sorted(changed.items()):
            _log.warning("hypervisor is %s", "down" if down else "up", extra={"hypervisor": host})
        try:
            self._advance((HYPERVISOR_DOWN, host, down or None) for host, down in changed.items())
        except Exception:
            _give_up("who is up could not be computed")

    def _advance(self, writes: Iterable[Write], *, topology: bool = False) -> None:
        log = self.engine.commit(writes)
        self._deliver(log)
        if topology or COMPETING.name in log:
            distances = self._distances()
            if distances:
                self._deliver(self.engine.commit(distances))

    def _distances(self) -> list[Write]:
        """What changes in the distances to the next hops that compete."""
        links = self.store.rows(Link)
        known = self.engine.rows(UNDERLAY)
        fresh: dict[str, dict[Ip, int]] = {}
        if links:
            graph = underlay.graph_of(
                self.engine.rows(HYPERVISOR).values(), self.engine.rows(GATEWAY).values(), links
            )
            targets = sorted({vtep for _vrf, vtep in self.engine.rows(COMPETING)})
            fresh = underlay.distances(graph, targets) if targets else {}
        hosts = known.keys() | fresh.keys()
        return [
            (UNDERLAY, host, fresh.get(host))
            for host in hosts
            if known.get(host) != fresh.get(host)
        ]

    # -- the way out -----------------------------------------------------------------------------

    def _deliver(self, log: Log) -> None:
        out = self.delivery.commit(self.store.revision, log, time.time_ns())
        if self.agents is not None:
            self.agents.send(out)
        if self.speakers is not None and ADVERTISED.name in log:
            self.speakers.update(_advertisements(log[ADVERTISED.name]))

    def connect_speakers(self, speakers: Speakers) -> None:
        """Announce through these from now on, all that is there first."""
        self.speakers = speakers
        self.tell_peers()
        speakers.update(
            _advertisements(
                Change(key, None, row) for key, row in self.engine.rows(ADVERTISED).items()
            )
        )

    def connect_nova(self, nova: Notifier) -> None:
        """Tell Nova of its servers' ports from now on."""
        self.nova = nova
        self._events = Events(partial(self.store.get, Port), nova.put)
        self.delivery.on_vif = self._vif_changed

    def _vif_changed(self, change: VifChange) -> None:
        if self._events is not None:
            self._events.vif_changed(change, time.monotonic())

    def tell_peers(self) -> None:
        """Have exactly the sessions that the store asks for."""
        if self.speakers is None:
            return
        groups: dict[str, list[Peer]] = {}
        for row in self.store.rows(BgpPeer):
            if row.admin_state_up:
                groups.setdefault(row.group, []).append(self._peer(row))
        self.speakers.set_peers(groups)

    def _peer(self, row: BgpPeer) -> Peer:
        return Peer(
            name=row.id,
            address=row.address,
            asn=row.asn,
            local_asn=self._asn,
            router_id=self._router_id,
            families=tuple(Family(family) for family in row.families),
            hold_time=row.hold_time,
            passive=row.passive,
            port=row.port,
            password=Secret(row.password),
            graceful_restart=row.graceful_restart,
            long_lived_stale=row.long_lived_stale,
            ttl_security=row.ttl_security,
            max_prefixes=row.max_prefixes,
            add_path=row.add_path,
        )

    def session_changed(self, event: SessionEvent) -> None:
        """A BGP session came or went: one line for the operator."""
        _log.info(
            "bgp session",
            extra={"peer": event.peer, "state": event.state, "error": event.last_error},
        )

    # -- what the API asks -----------------------------------------------------------------------

    def port_status(self, port_id: str) -> str:
        """``ACTIVE`` or ``DOWN``, as Neutron has it."""
        placed = self.engine.rows(LOCAL_PORT).get(port_id)
        if placed is None:
            rows = self.engine.rows
            translated = ("port", port_id) in rows(OUTSIDE)
            return "ACTIVE" if translated or port_id in rows(IRB) else "DOWN"
        up = self.observed.port_is_up(port_id, placed.host, time.monotonic())
        return "ACTIVE" if up else "DOWN"

    def hypervisor(self, hypervisor_id: str) -> HypervisorState:
        """Whether its agent is there, and when it was last heard of."""
        state = self.observed.known(hypervisor_id)
        if state is None:
            return HypervisorState()
        now = time.monotonic()
        # The stream's keepalives vouch for an agent that is connected and has nothing to say.
        last_seen = now if state.connected else state.last_seen
        return HypervisorState(
            alive=self.observed.is_alive(hypervisor_id, now),
            last_seen=int(last_seen + self._wall_offset),
            agent_version=state.software,
        )

    def reach(self, address: Ip) -> Reach:
        """Which hypervisors see a next hop; the cost is of the tables that use it."""
        view = self.engine.view()
        groups = [group_of_evi(vni) for (vni, _ip), _row in view.find(EVI_PROBE, "vtep", address)]
        groups += [group_of_vrf(vni) for (vni, _ip), _row in view.find(VRF_PROBE, "vtep", address)]
        hosts = {host for group in groups for host in self.delivery.members_of(group)}
        seen: dict[bool, list[str]] = {True: [], False: []}
        for host in sorted(hosts):
            state = self.observed.known(host)
            if state is not None and state.connected:
                seen[address not in state.unreachable].append(host)
        return Reach(tuple(seen[True]), tuple(seen[False]))

    def nova_state(self) -> dict[str, Any] | None:
        """How the telling of events stands; None where nobody is told."""
        return self.nova.state() if self.nova is not None else None

    def bgp_sessions(self) -> list[dict[str, Any]]:
        """Every BGP session, for people and programs."""
        if self.speakers is None:
            return []
        return [
            {
                "peer": event.peer,
                "state": event.state,
                "since": event.since,
                "established": event.established,
                "families": [str(family) for family in event.families],
                "updates_sent": event.updates_sent,
                "updates_received": event.updates_received,
                "routes_advertised": event.routes_out,
                "routes_received": event.routes_in,
                "last_error": event.last_error,
            }
            for event in self.speakers.sessions
        ]


def _only_counted(old: Row | None, new: Row | None) -> bool:
    """Whether nothing but a row's revision and time moved: something that belongs to it did.

    No rule reads these, and who depends on a group or a network may be many.
    """
    if old is None or new is None or old.revision_number == new.revision_number:
        return False
    counted = msgspec.structs.replace(
        old, revision_number=new.revision_number, updated_at=new.updated_at
    )
    return counted == new


def _give_up(why: str) -> None:
    """End the process at once, from an exception's handler: nothing is to follow it."""
    _log.critical(why, exc_info=True)
    os.kill(os.getpid(), signal.SIGABRT)


def _advertisements(
    changes: Iterable[Change[RouteKey, Advertised]],
) -> list[Change[RouteKey, Path]]:
    """By peer, NLRI and path id, out of rows that name their peers."""
    out: list[Change[RouteKey, Path]] = []
    for (_source, nlri, path_id), old, new in changes:
        before = dict.fromkeys(old.peers, old.path) if old is not None else {}
        after = dict.fromkeys(new.peers, new.path) if new is not None else {}
        out += (
            Change(RouteKey(peer, nlri, path_id), before.get(peer), after.get(peer))
            for peer in before | after
        )
    return out
