"""Events on their way to Nova, over HTTP to one that behaves as its API reference says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sdnctl.nova import notifier as module
from sdnctl.nova.compute import AwayError, Compute, RefusedError, read_options
from sdnctl.nova.events import Event
from sdnctl.nova.notifier import BATCH, KEPT_SECONDS, Notifier
from tests.nova import PASSWORD, HangUp, Nova, slow

SERVERS = [f"6a1b8cbe-4c36-4d5f-9f2b-{n:012x}" for n in range(1000)]


def plugged(n: int, status: str = "completed") -> Event:
    return Event("network-vif-plugged", SERVERS[n], f"port{n}", status)


def unplugged(n: int) -> Event:
    return Event("network-vif-unplugged", SERVERS[n], f"port{n}")


def deleted(n: int) -> Event:
    return Event("network-vif-deleted", SERVERS[n], f"port{n}")


@pytest.fixture
def nova() -> Iterator[Nova]:
    with Nova() as running:
        yield running


class Clock:
    """The notifier's, which the test moves."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.later


@asynccontextmanager
async def telling(
    nova: Nova, *, timeout: float = 5.0, **options: str
) -> AsyncIterator[tuple[Notifier, Clock]]:
    """One that tells it, without the pauses."""
    clock = Clock()
    compute = Compute(read_options(nova.options(**options)), timeout)
    notifier = Notifier(compute, clock, interval=0.01, pause=0.01)
    task = asyncio.create_task(notifier.run())
    try:
        yield notifier, clock
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await notifier.close()
        await compute.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_happens_is_told_at_once_and_what_comes_meanwhile_together(nova: Nova) -> None:
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: nova.calls)
        nova.behave = slow(0.1)
        for n in range(1, 5 * BATCH):
            notifier.put([plugged(n)])
        notifier.put([unplugged(0), deleted(1)])
        await until(lambda: notifier.state()["taken"] == 5 * BATCH + 2)
        assert [len(call) for call in nova.calls] == [1, *[BATCH] * 5, 1]
        assert nova.told[: 5 * BATCH] == [plugged(n) for n in range(5 * BATCH)]
        assert nova.told[5 * BATCH :] == [unplugged(0), deleted(1)]
        assert nova.logins == 1
        state = notifier.state()
        assert (state["reachable"], state["error"]) == (True, "")
        assert (state["taken"], state["unknown"], state["dropped"]) == (5 * BATCH + 2, 0, 0)


async def test_of_a_vif_the_newest_is_told(nova: Nova) -> None:
    nova.behave = lambda: (503, {})
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0, "failed"), plugged(1), plugged(2)])
        await until(lambda: nova.tries)
        notifier.put([plugged(0), unplugged(1), deleted(2)])
        nova.behave = lambda: None
        await until(lambda: len(nova.told) == 4)
        await asyncio.sleep(0.05)
        assert sorted(nova.told) == sorted([plugged(0), unplugged(1), plugged(2), deleted(2)])
        assert nova.told.index(plugged(2)) < nova.told.index(deleted(2))


async def test_who_waits_for_an_answer_holds_up_nobody(nova: Nova) -> None:
    """The event loop goes on, and an answer that does not come ends the call."""
    nova.behave = slow(0.5)
    async with telling(nova, timeout=0.2) as (notifier, _clock):
        began = time.monotonic()
        for n in range(1000):
            notifier.put([plugged(n)])
        assert time.monotonic() - began < 0.2
        late = 0.0
        while "ReadTimeout" not in notifier.state()["error"]:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            late = max(late, time.monotonic() - before)
        assert late < 0.2
        nova.behave = lambda: None
        await until(lambda: not notifier.state()["queued"] and notifier.state()["taken"] == 1000)
        assert set(nova.told) == {plugged(n) for n in range(1000)}


def hangs_up() -> None:
    raise HangUp


AWAY: dict[str, Callable[[], Any]] = {
    "503": lambda: (503, {}),
    "a proxy's 504": lambda: (504, b"<html>"),
    "too many": lambda: (429, {}),
    "forbidden": lambda: (403, {"forbidden": {"code": 403}}),
    "nonsense": lambda: (200, b"<html>"),
    "fewer": lambda: (200, {"events": []}),
    "other nonsense": lambda: (200, [1]),
    "elsewhere": lambda: (302, {}),
    "no such path": lambda: (404, {"message": "no such place"}),
    "hangs up": hangs_up,
}


@pytest.mark.parametrize("behave", AWAY.values(), ids=AWAY)
async def test_what_may_go_well_later_is_tried_again(
    nova: Nova, behave: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sdnctl")
    nova.behave = behave
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: nova.tries > 3)
        assert not notifier.state()["reachable"]
        assert notifier.state()["error"]
        nova.behave = lambda: None
        await until(lambda: nova.calls)
        await until(lambda: notifier.state()["reachable"])
    assert nova.told == [plugged(0)]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("sdnctl")]
    assert lines == ["nova does not take events", "nova takes events again"]
    assert PASSWORD not in caplog.text
    assert not any(token in caplog.text for token in nova.tokens)


async def test_nobody_there_is_away_too() -> None:
    with Nova() as gone:
        pass
    async with telling(gone) as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: notifier.state()["error"] == "Keystone does not answer: ConnectError")
        assert notifier.state()["queued"] == 1


async def test_a_token_that_is_over_is_renewed(nova: Nova) -> None:
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: nova.calls)
        nova.tokens.clear()
        notifier.put([plugged(1)])
        await until(lambda: len(nova.calls) == 2)
        assert nova.logins == 2
        assert notifier.state()["reachable"]


async def test_an_account_that_is_not_let_in(nova: Nova) -> None:
    async with telling(nova, password="wrong") as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: notifier.state()["error"] == "Keystone does not let us in: 401")
    nova.login_status = 503
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0)])
        await until(lambda: notifier.state()["error"] == "Keystone does not let us in: 503")
        nova.login_status = 201
        await until(lambda: nova.calls)


async def test_where_nova_is(nova: Nova) -> None:
    """By the catalogue, which may change, or by what the operator says."""
    async with telling(nova, endpoint_type="internalURL") as (notifier, _clock):
        notifier.put([plugged(0)])
        wanted = "Keystone knows no internal endpoint of compute in region RegionOne"
        await until(lambda: notifier.state()["error"] == wanted)
        nova.interface = "internal"
        await until(lambda: nova.calls)
    async with telling(nova, endpoint_override=f"{nova.url}/v2.1/") as (notifier, _clock):
        nova.service = "other"
        notifier.put([plugged(1)])
        await until(lambda: len(nova.calls) == 2)
    async with telling(nova, region_name="elsewhere") as (notifier, _clock):
        notifier.put([plugged(1)])
        await until(lambda: "in region elsewhere" in notifier.state()["error"])


@pytest.mark.parametrize("old", [False, True])
async def test_servers_that_nova_does_not_know(
    nova: Nova, old: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Told and done with; only a VIF that came up is worth a word."""
    nova.old, nova.servers, nova.without_host = old, {SERVERS[0], SERVERS[2]}, {SERVERS[2]}
    async with telling(nova) as (notifier, _clock):
        notifier.put([deleted(1)])
        await until(lambda: notifier.state()["unknown"] == 1)
        notifier.put([plugged(0), plugged(1), plugged(2), deleted(3)])
        await until(lambda: notifier.state()["unknown"] == 4)
        assert notifier.state()["taken"] == 1
        await asyncio.sleep(0.05)
        assert nova.tries == 2
        assert notifier.state()["queued"] == 0
    said = [
        (record.getMessage(), getattr(record, "server", ""))
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]
    assert said == [
        ("nova has no use for an event: 404", SERVERS[1]),
        ("nova has no use for an event: 422", SERVERS[2]),
    ]


async def test_one_that_nova_refuses_takes_no_other_along(
    nova: Nova, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Event("network-vif-plugged", "no uuid", "bad")
    async with telling(nova) as (notifier, _clock):
        notifier.put([*(plugged(n) for n in range(60)), bad, *map(plugged, range(60, 150))])
        await until(lambda: notifier.state()["taken"] == 150)
        assert notifier.state()["dropped"] == 1
        assert notifier.state()["queued"] == 0
    assert sorted(nova.told) == sorted(plugged(n) for n in range(150))
    assert caplog.text.count("nova refuses an event") == 1


async def test_what_nobody_waits_for_any_longer_is_dropped(nova: Nova) -> None:
    nova.behave = lambda: (503, {})
    async with telling(nova) as (notifier, clock):
        notifier.put([plugged(0)])
        await until(lambda: nova.tries)
        clock.later = KEPT_SECONDS - 5
        notifier.put([plugged(1)])
        tries = nova.tries
        await until(lambda: nova.tries > tries + 1)
        clock.later = KEPT_SECONDS + 5
        nova.behave = lambda: None
        await until(lambda: nova.calls)
        assert nova.told == [plugged(1)]
        assert notifier.state()["dropped"] == 1


async def test_memory_is_bounded(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 10)
    nova.behave = lambda: (503, {})
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(n) for n in range(15)])
        assert (notifier.state()["queued"], notifier.state()["dropped"]) == (10, 5)
        nova.behave = lambda: None
        await until(lambda: nova.calls)
        assert nova.told == [plugged(n) for n in range(5, 15)]


async def test_what_is_left_at_the_end_is_told_if_nova_is_there(
    nova: Nova, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(n) for n in range(BATCH + 1)])
    assert len(nova.told) == BATCH + 1
    monkeypatch.setattr(module, "LAST_SECONDS", 0.1)
    nova.behave = slow(1.0)
    began = time.monotonic()
    async with telling(nova) as (notifier, _clock):
        notifier.put([plugged(0)])
    assert time.monotonic() - began < 0.9
    assert "nova was not told all" in caplog.text


async def test_a_call_says_what_became_of_it(nova: Nova) -> None:
    compute = Compute(read_options(nova.options()))
    assert await compute.tell([plugged(0)]) == (1, [])
    with pytest.raises(RefusedError, match="400"):
        await compute.tell([])
    nova.behave = lambda: (500, {})
    with pytest.raises(AwayError, match="Nova answers 500"):
        await compute.tell([plugged(0)])
    await compute.close()


def test_the_section_is_neutrons() -> None:
    options = read_options(
        "[DEFAULT]\nx = y\n[nova]\nauth_type = password\nauth_url = https://k:5000/v3\n"
        "username = nova\npassword = per%cent\nproject_name = service\nregion_name = R\n"
        "user_domain_id = d1\nproject_domain_id = d2\nendpoint_type = internal\n"
        "live_migration_events = true\n"
    )
    account = options.account
    assert (account.url, account.user_domain_id) == ("https://k:5000/v3", "d1")
    assert (options.region, options.interface, options.endpoint) == ("R", "internal", "")
    assert "per%cent" not in repr(options)
    whole = "[nova]\nauth_url = u\nusername = n\npassword = secret\n"
    for text, reason in (
        ("x", "no \\[nova\\]"),
        ("[other]\na = b\n", "no \\[nova\\]"),
        ("[nova]\npassword = secret\n", "auth_url, username and password"),
        (whole + "auth_type = v3applicationcredential\n", "auth_type"),
        (whole + "endpoint_type = secret\n", "endpoint_type"),
    ):
        with pytest.raises(ValueError, match=reason) as raised:
            read_options(text)
        assert "secret" not in str(raised.value)
