"""How far revisions got, and how to learn of it as it happens."""

from __future__ import annotations

import asyncio
import json

from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed, Programmed
from sdnctl.inspect import convergence


def test_how_long_revisions_take() -> None:
    delivery = Delivery(1, Observed())
    assert convergence.times(delivery)["revisions"] == 0
    assert convergence.times(delivery)["median_ms"] is None
    delivery.observed.durations_ms.extend([4.0, 1.0, 2.5, 700.0])
    told = convergence.times(delivery)
    assert (told["median_ms"], told["max_ms"]) == (4.0, 700.0)
    assert [told["at_most"][bound] for bound in ("1", "2", "5", "500", "1000")] == [1, 1, 3, 3, 4]


def test_who_waits_is_told_at_once_and_who_waits_in_vain_is_told_so() -> None:
    async def scene() -> None:
        delivery = Delivery(1, Observed())
        delivery.observed.sent(7, {"h1", "h2"}, 1_000)
        waiting = asyncio.create_task(convergence.complete(delivery, 7, 30))
        await asyncio.sleep(0)
        delivery.observed.programmed("h1", Programmed((7,), 1, 2), 2_000)
        await asyncio.sleep(0)
        assert not waiting.done()
        delivery.observed.programmed("h2", Programmed((7,), 3, 4), 3_000)
        told = await asyncio.wait_for(waiting, 1)
        assert (told["complete"], told["programmed_ns"]) == (True, 3_000)
        assert told["last"]["hypervisor"] == "h2"
        delivery.observed.sent(8, {"h1"}, 4_000)
        told = await convergence.complete(delivery, 8, 0.01)
        assert (told["complete"], told["outstanding"]) == (False, ["h1"])
        assert not delivery.observed._watchers

    asyncio.run(scene())


def test_a_follower_gets_each_revision_once_and_leaves_nothing_behind() -> None:
    async def scene() -> None:
        delivery = Delivery(1, Observed())
        lines = convergence.follow(delivery)
        first = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        for revision in (3, 4):
            delivery.observed.sent(revision, {"h1"}, 1)
        delivery.observed.programmed("h1", Programmed((3, 4), 2, 3), 5)
        told = [json.loads(await first), json.loads(await anext(lines))]
        assert [row["revision"] for row in told] == [3, 4]
        assert all(row["complete"] for row in told)
        await lines.aclose()  # type: ignore[attr-defined]
        assert not delivery.observed._watchers

    asyncio.run(scene())
