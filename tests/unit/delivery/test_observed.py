"""What agents report: alive, up, programmed."""

from __future__ import annotations

from sdnctl.delivery.observed import GRACE_SECONDS, REMEMBERED, Observed, Programmed, Vif


def test_grace() -> None:
    observed = Observed()
    assert not observed.is_alive("h", 0.0)
    state = observed.agent("h")
    state.connected, state.last_seen, state.ports["p"] = True, 100.0, Vif.UP
    assert observed.port_is_up("p", "h", 1e6)
    assert not observed.port_is_up("p", "other", 100.0)
    state.connected = False
    assert observed.port_is_up("p", "h", 100.0 + GRACE_SECONDS - 0.1)
    assert not observed.port_is_up("p", "h", 100.0 + GRACE_SECONDS)
    state.connected, state.ports["p"] = True, Vif.GONE
    assert not observed.port_is_up("p", "h", 100.0)


def test_a_revision_is_programmed_when_the_last_agent_says_so() -> None:
    observed = Observed()
    observed.sent(1, {"a", "b"}, 1_000_000)
    observed.programmed("a", Programmed((1,), 0, 0), 3_000_000)
    row = observed.convergence(1)
    assert row is not None
    assert (row.agents, row.outstanding) == (2, {"b"})
    observed.programmed("a", Programmed((1,), 0, 0), 4_000_000)  # said twice
    observed.programmed("stranger", Programmed((1, 7), 0, 0), 4_000_000)
    assert list(observed.durations_ms) == []
    observed.programmed("b", Programmed((1,), 0, 0), 6_000_000)
    assert (row.outstanding, row.programmed_ns) == (set(), 6_000_000)
    assert list(observed.durations_ms) == [5.0]


def test_more_of_a_revision_is_waited_for() -> None:
    observed = Observed()
    observed.sent(1, {"a"}, 0)
    observed.sent(1, {"b"}, 0)
    observed.programmed("a", Programmed((1,), 0, 0), 1)
    row = observed.convergence(1)
    assert row is not None
    assert (row.agents, row.outstanding) == (2, {"b"})


def test_routes_learned_long_after_do_not_count_as_the_revisions() -> None:
    """They are sent under the last revision's number, be it an hour old."""
    observed = Observed()
    observed.sent(1, {"a"}, 0)
    observed.programmed("a", Programmed((1,), 0, 0), 5_000_000)
    hour = 3_600_000_000_000
    observed.sent(1, {"a", "b"}, hour)
    row = observed.convergence(1)
    assert row is not None
    assert not row.outstanding
    observed.programmed("a", Programmed((1,), 0, 0), hour + 1)
    observed.programmed("b", Programmed((1,), 0, 0), hour + 1)
    assert list(observed.durations_ms) == [5.0]


def test_memory_is_bounded() -> None:
    observed = Observed()
    for revision in range(REMEMBERED + 10):
        observed.sent(revision, {"stuck"}, 0)
    assert observed.convergence(9) is None
    assert observed.convergence(10) is not None
