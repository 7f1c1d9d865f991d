"""Which hypervisors count as down, by a clock of the test's own."""

from __future__ import annotations

import pytest

from sdnctl.app.liveness import GRACE_SECONDS, RETURN_SECONDS, SILENCE_SECONDS, Liveness
from sdnctl.delivery.observed import Observed

HOSTS = ["h0", "h1", "h2"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.observed = Observed()
        self.liveness = Liveness(self.observed)
        self.down: set[str] = set()

    def connect(self, *hosts: str) -> None:
        for host in hosts:
            state = self.observed.agent(host)
            state.connected, state.last_seen = True, self.now

    def cut(self, *hosts: str) -> None:
        for host in hosts:
            state = self.observed.agent(host)
            state.connected, state.last_seen = False, self.now

    def after(self, seconds: float, hosts: list[str] = HOSTS) -> set[str]:
        self.now += seconds
        for host, down in self.liveness.look(hosts, self.now).items():
            assert (host in self.down) != down, "only what changes is told"
            (self.down.add if down else self.down.discard)(host)
        return self.down


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.liveness.start(HOSTS, clock.now)
    return clock


def test_who_is_silent_is_down_and_back_when_it_has_stayed(clock: Clock) -> None:
    clock.connect(*HOSTS)
    assert clock.after(60) == set()
    clock.cut("h1")
    assert clock.after(SILENCE_SECONDS - 0.1) == set()
    assert clock.after(0.1) == {"h1"}
    clock.connect("h1")
    assert clock.after(1) == {"h1"}
    assert clock.after(RETURN_SECONDS - 1) == {"h1"}
    assert clock.after(1) == set()


def test_a_restart_of_an_agent_is_not_seen(clock: Clock) -> None:
    clock.connect(*HOSTS)
    clock.cut("h1")
    clock.after(SILENCE_SECONDS - 1)
    clock.connect("h1")
    assert clock.after(60) == set()


def test_who_flaps_stays_down(clock: Clock) -> None:
    clock.connect(*HOSTS)
    clock.cut("h1")
    assert clock.after(SILENCE_SECONDS) == {"h1"}
    for _turn in range(5):
        clock.connect("h1")
        assert clock.after(RETURN_SECONDS / 2) == {"h1"}
        clock.cut("h1")
        assert clock.after(1) == {"h1"}


def test_nothing_moves_while_agents_come_back_to_a_new_controller(clock: Clock) -> None:
    clock.connect("h0", "h1")
    assert clock.after(GRACE_SECONDS - 1) == set()
    assert clock.after(1) == {"h2"}
    clock.connect("h2")
    clock.after(1)
    assert clock.after(RETURN_SECONDS) == set()


def test_a_controller_that_is_cut_off_moves_nothing(clock: Clock) -> None:
    clock.connect(*HOSTS)
    clock.cut("h0", "h1")
    assert clock.after(SILENCE_SECONDS) == set()
    clock.cut("h2")
    assert clock.after(60) == set()
    clock.connect("h0", "h1")
    assert clock.after(1) == {"h2"}


def test_a_hypervisor_that_was_never_there_is_down(clock: Clock) -> None:
    clock.connect(*HOSTS)
    assert clock.after(1, [*HOSTS, "h3", "h4", "h5", "h6"]) == {"h3", "h4", "h5", "h6"}
    clock.connect("h3")
    clock.after(1, [*HOSTS, "h3"])
    assert clock.after(RETURN_SECONDS, [*HOSTS, "h3"]) == set()


def test_one_that_is_deleted_is_forgotten(clock: Clock) -> None:
    clock.connect(*HOSTS)
    clock.cut("h1")
    assert clock.after(SILENCE_SECONDS) == {"h1"}
    assert clock.after(1, ["h0", "h2"]) == set()


def test_nothing_is_said_before_agents_are_answered() -> None:
    clock = Clock()
    assert clock.after(1000) == set()
