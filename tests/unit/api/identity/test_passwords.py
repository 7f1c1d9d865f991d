"""Passwords: how they are kept, and who guesses them."""

from __future__ import annotations

import asyncio

from sdnctl.api.identity import bootstrap
from sdnctl.api.identity.passwords import Cost, Passwords
from sdnctl.api.identity.throttle import FREE, LONGEST_S, Throttle
from sdnctl.intent import TokenKey, User
from sdnctl.store import Store
from tests.unit.api.identity.service import CHEAP, Service, on


async def test_who_guesses_must_wait(service: Service) -> None:
    red = await service.project("red")
    await service.user("rita", red)
    # Many of one who knows the password are no guesses.
    tokens = [service.token("rita", "rita's", on(red)) for _ in range(20)]
    assert len(set(await asyncio.gather(*tokens))) == 20
    for number in range(FREE):
        await service.log_in("rita", f"guess{number}", status=401)
    await service.log_in("rita", "guess", status=429)
    await service.log_in("rita", "rita's", status=429)
    # From elsewhere the owner comes in.
    await service.directory.log_in(
        service.directory.user_named("rita"), "rita", "rita's", "192.0.2.7"
    )


def test_waiting_doubles_and_memory_is_bounded() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    waits = []
    for _ in range(FREE + 30):
        throttle.failed("k")
        waits.append(throttle.wait_s("k"))
        now += waits[-1]
        assert throttle.wait_s("k") == 0
    assert waits[:FREE] == [0] * (FREE - 1) + [1]
    assert waits[FREE : FREE + 3] == [2, 4, 8]
    assert waits[-1] == LONGEST_S
    throttle.succeeded("k")
    for number in range(20_000):
        throttle.failed(number)
    assert len(throttle._failures) <= 10_000


async def test_no_more_wait_for_a_password_than_there_is_room_for() -> None:
    passwords = Passwords(Cost(log_n=12), workers=1, waiting=2)
    kept = await passwords.hash("x")
    tries = [passwords.matches("x", kept) for _ in range(9)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert found.count(True) == 3
    assert sum(getattr(one, "status", 0) == 503 for one in found) == 6
    assert await passwords.matches("x", kept)
    passwords.close()


async def test_passwords() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash("pässword\ud800")
    assert kept != await passwords.hash("pässword\ud800")
    assert await passwords.matches("pässword\ud800", kept)
    assert not await passwords.matches("passwort", kept)
    assert not await passwords.matches("", "")
    # A hash is checked at the cost that it was made at.
    assert await Passwords(Cost(log_n=5, r=2, p=2)).matches("pässword\ud800", kept)
    assert "scrypt" not in repr(User(id="u", name="u", password=kept))
    assert "abc" not in repr(TokenKey(id="k", secret="abc"))
    passwords.close()


async def test_bootstrap_again_sets_the_password(service: Service, store: Store) -> None:
    await bootstrap(store, "admin", "cloud", "other")
    await service.call("GET", "/users", status=401)
    await service.log_in("admin", "sesame", status=401)
    await service.token("admin", "other", {"system": {"all": True}})
    assert len(store.rows(User)) == 1
