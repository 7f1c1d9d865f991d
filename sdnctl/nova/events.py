"""What happened to ports, in the words of Nova's external events.

Promise: pure but for the failures that it watches; the cost of a change is of the change. Told is
what Neutron tells, with the same names, of the ports of Nova's servers alone:

- ``network-vif-plugged`` once a port's VIF is programmed where the port is bound, which a server
  that boots waits for, paused. While the guest is about to go elsewhere it means the destination,
  whose VIF counts once it is on the bridge: its device is made by the virtual machine, and that is
  made once Nova has heard. The switch has all else by then.
- the same as ``failed`` where the switch does not take a VIF's flows, and goes on not to.
- ``network-vif-unplugged`` when a VIF goes that was up. Nobody waits for it.
- ``network-vif-deleted`` when a port is deleted under its server: Nova detaches it.
- ``network-changed`` when what Nova remembers of a port changed: addresses, floating IPs, its kind.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from sdnctl.delivery.observed import Vif, VifChange
from sdnctl.intent import FloatingIp, Port
from sdnctl.intent.row import Row

PLUGGED: Final = "network-vif-plugged"
UNPLUGGED: Final = "network-vif-unplugged"
DELETED: Final = "network-vif-deleted"
CHANGED: Final = "network-changed"

OWNER: Final = "compute:"
"""How ``device_owner`` begins of the ports of Nova's servers."""

WAITED_SECONDS: Final = 3600.0
"""What came up longer ago is not told to begin with: Nova's ``vif_plugging_timeout`` is 300."""

PATIENCE_SECONDS: Final = 5.0
"""So long may flows be refused: the agent tries again, and Nova would give the server up."""

RowChange = tuple[tuple[str, str], Row | None, Row | None]


class Event(NamedTuple):
    """One event, of a port (``tag``) of a server."""

    name: str
    server_uuid: str
    tag: str
    status: str = "completed"


class Events:
    """See the module. ``port`` finds a port's row, ``put`` is given what is to be told."""

    def __init__(
        self, port: Callable[[str], Port | None], put: Callable[[Iterable[Event]], None]
    ) -> None:
        self._port = port
        self._put = put
        self._failing: dict[tuple[str, str], float] = {}
        """VIFs whose flows are refused, by port and hypervisor, and since when."""

    def committed(self, changes: Iterable[RowChange]) -> None:
        """A transaction is durable; ``port`` finds what it left."""
        self._put(of_changes(changes, self._port))

    def vif_changed(self, change: VifChange, now: float) -> None:
        """An agent said something new of a VIF."""
        place = change.port_id, change.host
        self._failing.pop(place, None)
        if change.new is Vif.FAILED:
            self._failing[place] = now
        port = self._port(change.port_id)
        event = of_vif(port, change) if port is not None else None
        if event is not None and now - change.since < WAITED_SECONDS:
            self._put([event])

    def look(self, now: float) -> None:
        """Tell of what goes on failing; called every second or so."""
        due = [place for place, at in self._failing.items() if now - at >= PATIENCE_SECONDS]
        for place in due:
            del self._failing[place]
            port = self._port(place[0])
            if port is not None and place[1] in expected_at(port) and is_servers(port):
                self._put([Event(PLUGGED, port.device_id, port.id, "failed")])


def is_servers(port: Port) -> bool:
    """Whether it is the port of a server; Nova refuses all events if one's is no UUID."""
    try:
        uuid.UUID(port.device_id)
    except ValueError:
        return False
    return port.device_owner.startswith(OWNER)


def expected_at(port: Port) -> list[str]:
    """The hypervisors of which Nova waits for the VIF: the destinations, if there are any."""
    destinations = [host for host, left in port.standby.items() if not left]
    return destinations or ([port.host] if port.host else [])


def of_vif(port: Port, change: VifChange) -> Event | None:
    """What a VIF's coming or going is to Nova."""
    if not is_servers(port) or change.host not in expected_at(port):
        return None
    there = {Vif.UP} if change.host == port.host else {Vif.UP, Vif.AWAITED}
    match change.old in there, change.new in there:
        case False, True:
            return Event(PLUGGED, port.device_id, port.id)
        case True, False if change.host == port.host:
            return Event(UNPLUGGED, port.device_id, port.id)
    return None


def of_changes(changes: Iterable[RowChange], port: Callable[[str], Port | None]) -> Iterator[Event]:
    """What rows' changes are to Nova, each told once."""
    changed: dict[str, None] = {}
    for (_kind, id_), old, new in changes:
        match old, new:
            case Port(), None:
                if is_servers(old):
                    yield Event(DELETED, old.device_id, id_)
            case Port(), Port():
                same = old.device_id == new.device_id
                if same and _remembered(old, new) != _remembered(new, old):
                    changed[id_] = None
            case (FloatingIp() | None, FloatingIp() | None):
                if _stands_for(old) != _stands_for(new):
                    changed |= dict.fromkeys(row.port_id for row in (old, new) if row is not None)
    for id_ in changed:
        row = port(id_) if id_ else None
        if row is not None and is_servers(row):
            yield Event(CHANGED, row.device_id, id_)


def _remembered(port: Port, other: Port) -> tuple[object, ...]:
    """What Nova's cache has of a port; what comes with another host it asks for itself."""
    bound = (port.vnic_type, port.profile) if port.host == other.host else ()
    return port.mac, port.fixed_ips, *bound


def _stands_for(row: FloatingIp | None) -> tuple[object, ...]:
    return (row.port_id, row.ip, row.fixed_ip) if row is not None and row.port_id else ()
