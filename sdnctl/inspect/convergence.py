"""How far each revision got on its way to the switches, and how long they take.

Promise: what is told is what the agents reported after their switches' barriers. Following
costs the controller a line for each revision, and nothing while nobody follows.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sdnctl.delivery.delivery import Delivery
from sdnctl.inspect.answers import as_json, encode, refused

Json = dict[str, Any]

MAX_WAIT_SECONDS: Final = 60.0

BACKLOG: Final = 10_000
"""Revisions that a follower may lag behind; then it is cut off, and asks anew."""

BUCKETS_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def times(delivery: Delivery) -> Json:
    """How long the newest revisions took from commit to the last switch, in milliseconds.

    ``at_most`` counts, for each bound, the revisions that took no longer (a cumulative histogram).
    """
    took = sorted(delivery.observed.durations_ms)
    out: Json = {
        "revisions": len(took),
        "at_most": {str(bound): bisect.bisect_right(took, bound) for bound in BUCKETS_MS},
    }
    for name, share in (("median_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
        out[name] = took[min(int(len(took) * share), len(took) - 1)] if took else None
    return out


def progress(delivery: Delivery, revision: int) -> Json:
    """How far a revision got: the agents that it went to, and when the last had programmed it.

    A revision that concerned no connected agent has ``agents`` 0 and is complete. Times are
    nanoseconds of the controller's wall clock, those of ``last`` of that hypervisor's.
    """
    row = delivery.observed.convergence(revision)
    if row is None:
        known = revision <= delivery.revision
        return {"revision": revision, "agents": 0, "outstanding": [], "complete": known}
    done = not row.outstanding
    return {
        "revision": revision,
        "agents": row.agents,
        "outstanding": sorted(row.outstanding),
        "complete": done,
        "committed_ns": row.committed_ns,
        "programmed_ns": row.programmed_ns if done else None,
        "last": {
            "hypervisor": row.last,
            "received_ns": row.last_received_ns,
            "switch_ns": row.last_switch_ns,
        }
        if done
        else None,
    }


async def complete(delivery: Delivery, revision: int, wait: float) -> Json:
    """``progress`` once the revision is programmed, or after ``wait`` seconds."""
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    with delivery.observed.watched(queue.put_nowait), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait):
            while not progress(delivery, revision)["complete"]:
                if await queue.get() is None:
                    break
    return progress(delivery, revision)


async def follow(delivery: Delivery) -> AsyncIterator[bytes]:
    """Every revision from now on as it is programmed, a line of JSON each."""
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    with delivery.observed.watched(queue.put_nowait):
        while queue.qsize() < BACKLOG:
            revision = await queue.get()
            if revision is None:
                break
            yield encode(progress(delivery, revision)) + b"\n"


def make_routes(delivery: Delivery) -> list[Route]:
    """``/sdn/v1/convergence``: the times, or with ``follow`` the revisions as they come."""

    async def overview(request: Request) -> Response:
        if "follow" in request.query_params:
            return StreamingResponse(follow(delivery), media_type="application/x-ndjson")
        return as_json({"convergence": times(delivery)})

    async def one(request: Request) -> Response:
        """With ``wait=SECONDS``, answers once the revision is programmed or the time is over."""
        try:
            revision = int(request.path_params["revision"])
            wait = float(request.query_params.get("wait", 0))
        except ValueError:
            return refused("A revision is a decimal number, wait a number of seconds.")
        answer = await complete(delivery, revision, min(wait, MAX_WAIT_SECONDS))
        return as_json({"convergence": answer})

    return [
        Route("/sdn/v1/convergence", overview),
        Route("/sdn/v1/convergence/{revision}", one),
    ]
