"""What becomes of ports, in Nova's words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from sdnctl.delivery.observed import Vif, VifChange
from sdnctl.intent import Binding, FixedIp, FloatingIp, Port, Project
from sdnctl.intent.row import Row
from sdnctl.nova.events import PATIENCE_SECONDS, WAITED_SECONDS, Event, Events
from sdnctl.types import Ip, Mac

SERVER = "6a1b8cbe-4c36-4d5f-9f2b-0d7a7a7f6f10"
OTHER = "2f1c3f9e-0a53-4c7f-8a55-1d0b2a6f9a11"
PLUGGED = Event("network-vif-plugged", SERVER, "p")
UNPLUGGED = Event("network-vif-unplugged", SERVER, "p")
FAILED = Event("network-vif-plugged", SERVER, "p", "failed")
CHANGED = Event("network-changed", SERVER, "p")
DELETED = Event("network-vif-deleted", SERVER, "p")


def made(**fields: Any) -> Port:
    given: dict[str, Any] = {
        "id": "p",
        "network_id": "n",
        "mac": Mac.parse("fa:16:3e:00:00:01"),
        "fixed_ips": (FixedIp("s", Ip.parse("10.0.0.5")),),
        "device_id": SERVER,
        "device_owner": "compute:nova",
        "host": "hv1",
    }
    return Port(**given | fields)


class World:
    """Ports, and what Nova was told of them since it was asked last."""

    def __init__(self, *rows: Row) -> None:
        self.rows: dict[str, Row] = {row.id: row for row in rows}
        self._told: list[Event] = []
        self.events = Events(self._port, self._put)
        self.now = 1e6

    def _port(self, id_: str) -> Port | None:
        row = self.rows.get(id_)
        return row if isinstance(row, Port) else None

    def _put(self, events: Iterable[Event]) -> None:
        self._told += events

    def told(self) -> list[Event]:
        told, self._told = self._told, []
        return told

    def put(self, *rows: Row, gone: Iterable[str] = ()) -> list[Event]:
        """One transaction; what Nova is told of it."""
        changes = [(("kind", row.id), self.rows.get(row.id), row) for row in rows]
        changes += [(("kind", id_), self.rows[id_], None) for id_ in gone]  # type: ignore[misc]
        for (_kind, id_), _old, new in changes:
            if new is None:
                del self.rows[id_]
            else:
                self.rows[id_] = new
        self.events.committed(changes)
        return self.told()

    def vif(self, *states: Vif, host: str = "hv1", age: float = 0.0) -> list[Event]:
        """An agent says so one after the other; what Nova is told of it."""
        for old, new in pairwise(states):
            change = VifChange("p", host, old, new, self.now - age)
            self.events.vif_changed(change, self.now)
        return self.told()

    def wait(self, seconds: float) -> list[Event]:
        self.now += seconds
        self.events.look(self.now)
        return self.told()


# ---- VIFs


def test_a_server_boots_and_stops() -> None:
    world = World(made())
    # os-vif made it, the virtual machine its device: only that is programmed.
    assert world.vif(Vif.GONE, Vif.AWAITED) == []
    assert world.vif(Vif.AWAITED, Vif.UP) == [PLUGGED]
    assert world.vif(Vif.UP, Vif.GONE) == [UNPLUGGED]
    assert world.vif(Vif.GONE, Vif.UP) == [PLUGGED]


def test_a_port_that_is_no_servers_is_no_business_of_novas() -> None:
    for other in (
        made(device_owner=""),
        made(device_owner="network:dhcp"),
        made(device_owner="trunk:subport"),
        made(device_id=""),
        made(device_id="vm"),  # Nova would refuse it, and what is told with it
    ):
        world = World(other)
        assert world.vif(Vif.GONE, Vif.UP, Vif.GONE) == []
        assert world.vif(Vif.GONE, Vif.FAILED) == []
        assert world.wait(PATIENCE_SECONDS) == []
        assert world.put(msgspec.structs.replace(other, fixed_ips=())) == []
        assert world.put(gone=["p"]) == []
    world = World()
    assert world.vif(Vif.GONE, Vif.UP) == []


def test_a_vif_elsewhere_than_its_port_counts_for_nothing() -> None:
    world = World(made())
    assert world.vif(Vif.GONE, Vif.UP, Vif.GONE, host="hv2") == []
    assert World(made(host="")).vif(Vif.GONE, Vif.UP) == []


@pytest.mark.parametrize(
    "port",
    [made(bindings=(Binding("hv2"),)), made(profile={"migrating_to": "hv2"})],
    ids=["bindings", "migrating_to"],
)
def test_a_migration_waits_for_the_destination(port: Port) -> None:
    world = World(port)
    # A controller that was restarted hears of the source first: Nova would begin too early.
    assert world.vif(Vif.GONE, Vif.UP, host="hv1") == []
    # The virtual machine, and with it the device, is made only once Nova has heard.
    assert world.vif(Vif.GONE, Vif.AWAITED, host="hv2") == [PLUGGED]
    assert world.vif(Vif.AWAITED, Vif.UP, host="hv2") == []
    assert world.vif(Vif.UP, Vif.GONE, host="hv2") == []
    assert world.vif(Vif.GONE, Vif.UP, host="hv2") == [PLUGGED]
    # It is there, and the source goes.
    left = Binding("hv1", left=True)
    world.put(made(host="hv2", bindings=(left,)))
    assert world.vif(Vif.UP, Vif.GONE, host="hv1") == []
    assert world.vif(Vif.UP, Vif.GONE, Vif.UP, host="hv2") == [UNPLUGGED, PLUGGED]


def test_a_migration_that_was_given_up_makes_the_source_count_again() -> None:
    world = World(made(bindings=(Binding("hv2"),)))
    assert world.put(made()) == []
    assert world.vif(Vif.UP, Vif.GONE, Vif.UP) == [UNPLUGGED, PLUGGED]


def test_flows_that_go_on_being_refused_fail_the_server() -> None:
    world = World(made())
    assert world.vif(Vif.GONE, Vif.FAILED) == []
    assert world.wait(PATIENCE_SECONDS - 0.1) == []
    assert world.wait(0.2) == [FAILED]
    assert world.wait(100) == []
    assert world.vif(Vif.FAILED, Vif.UP) == [PLUGGED]
    assert world.vif(Vif.UP, Vif.FAILED) == [UNPLUGGED]
    assert world.vif(Vif.FAILED, Vif.UP) == [PLUGGED]
    assert world.wait(PATIENCE_SECONDS) == []
    assert world.vif(Vif.UP, Vif.GONE, Vif.FAILED) == [UNPLUGGED]
    assert world.put(made(host="hv2")) == []
    assert world.wait(PATIENCE_SECONDS) == []  # it is elsewhere
    assert world.vif(Vif.GONE, Vif.FAILED, host="hv2") == []
    assert world.put(gone=["p"]) == [DELETED]
    assert world.wait(PATIENCE_SECONDS) == []


def test_after_a_restart_only_what_may_be_waited_for_is_told() -> None:
    world = World(made())
    assert world.vif(Vif.GONE, Vif.UP, age=WAITED_SECONDS + 1) == []
    assert world.vif(Vif.GONE, Vif.UP, age=WAITED_SECONDS - 1) == [PLUGGED]


# ---- rows


def test_a_port_that_is_deleted_under_its_server() -> None:
    assert World(made()).put(gone=["p"]) == [DELETED]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"fixed_ips": ()}, True),
        ({"mac": Mac.parse("fa:16:3e:00:00:02")}, True),
        ({"vnic_type": "direct"}, True),
        ({"profile": {"a": 1}}, True),
        ({"host": "hv2", "profile": {"a": 1}}, False),  # Nova itself, which asks afterwards
        ({"name": "web", "revision_number": 7, "updated_at": 7}, False),
        ({"security_groups": ("g",)}, False),
        ({"device_id": OTHER, "fixed_ips": ()}, False),  # attached by Nova
    ],
)
def test_what_nova_remembers_of_a_port_changes(fields: dict[str, Any], told: bool) -> None:
    assert World(made()).put(made(**fields)) == [CHANGED] * told


def test_a_new_port_is_novas_own_doing() -> None:
    assert World().put(made()) == []


def floating(port_id: str, **fields: Any) -> FloatingIp:
    given: dict[str, Any] = {
        "id": "f",
        "network_id": "x",
        "ip": Ip.parse("203.0.113.9"),
        "floating_port_id": "fp",
        "port_id": port_id,
        "fixed_ip": Ip.parse("10.0.0.5") if port_id else None,
    }
    return FloatingIp(**given | fields)


def test_a_floating_ip_comes_moves_and_goes() -> None:
    other = made(id="q", device_id=OTHER)
    world = World(made(), other)
    changed = Event("network-changed", OTHER, "q")
    assert world.put(floating("")) == []
    assert world.put(floating("p")) == [CHANGED]
    assert world.put(floating("p", dns_name="web", revision_number=2)) == []
    assert world.put(floating("q")) == [CHANGED, changed]
    assert world.put(floating("q", fixed_ip=Ip.parse("10.0.0.6"))) == [changed]
    assert world.put(floating("")) == [changed]
    assert world.put(floating("p"), made(fixed_ips=())) == [CHANGED]  # told once
    assert world.put(gone=["f"]) == [CHANGED]
    world.put(floating("p"))
    assert world.put(floating(""), gone=["p"]) == [DELETED]


def test_other_rows_are_no_business_of_novas() -> None:
    world = World(made())
    row = Project(id="n")
    assert world.put(row) == []
    assert world.put(msgspec.structs.replace(row, name="x")) == []
    assert world.put(gone=["n"]) == []
