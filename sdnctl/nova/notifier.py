"""What Nova is still to be told, and the telling of it.

Promise: who puts an event waits for nothing. Events go in batches, the first at once and what
comes meanwhile with the next; of a VIF only the newest state is told, but whatever Nova may be
waiting for stays until Nova has taken it or ``KEPT_SECONDS`` are over. Memory is bounded: the
oldest go first. Nova away is logged once when it begins and once when it ends, however long it
takes; ``state`` has the rest.

What is not told when the process ends is lost, but for VIFs that came up: those are told again
(see ``events``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

from sdnctl.nova.compute import Answers, AwayError, RefusedError
from sdnctl.nova.events import CHANGED, DELETED, PLUGGED, Event

BATCH: Final = 100
"""Events in one call; Nova looks their servers up one cell after the other."""

INTERVAL_SECONDS: Final = 0.2
"""Between two calls, for events to gather; Neutron's ``send_events_interval`` is 2."""

KEPT_SECONDS: Final = 600.0
"""Nova's ``vif_plugging_timeout`` is 300: nobody waits longer for what happened before."""

MOST_EVENTS: Final = 65_536
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
LAST_SECONDS: Final = 2.0
"""For what is left when the controller ends."""

_log = logging.getLogger(__name__)

Key = tuple[str, str]


class Tells(Protocol):
    """Who carries a batch: see ``compute.Compute``."""

    async def tell(self, events: list[Event]) -> Answers:
        """Nova's answers."""
        ...


class _Kept(NamedTuple):
    event: Event
    until: float


class Notifier:
    """See the module. ``run`` until cancelled, then ``close``."""

    def __init__(
        self,
        nova: Tells,
        clock: Callable[[], float] = time.monotonic,
        *,
        interval: float = INTERVAL_SECONDS,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._nova = nova
        self._clock = clock
        self._interval = interval
        self._first_pause = pause
        self._queue: dict[Key, _Kept] = {}
        """The oldest first."""
        self._most = BATCH
        self._wake = asyncio.Event()
        self._reason = ""
        self._failing_since = 0.0
        self._taken = self._unknown = self._dropped = 0

    def put(self, events: Iterable[Event]) -> None:
        """To be told; of a port's VIF, its newest state alone."""
        until = self._clock() + KEPT_SECONDS
        for event in events:
            key = _key(event)
            self._queue.pop(key, None)
            self._queue[key] = _Kept(event, until)
            self._wake.set()
        while len(self._queue) > MOST_EVENTS:
            del self._queue[next(iter(self._queue))]
            self._dropped += 1

    def state(self) -> dict[str, Any]:
        """For people and programs: how it stands, and the numbers since the start.

        ``taken`` are the events that Nova took on, ``unknown`` those for whose server it had no
        use, ``dropped`` those that it was never told, ``queued`` those that it will be.
        """
        failing = bool(self._reason)
        return {
            "reachable": not failing,
            "error": self._reason,
            "failing_for_seconds": int(self._clock() - self._failing_since) if failing else 0,
            "queued": len(self._queue),
            "taken": self._taken,
            "unknown": self._unknown,
            "dropped": self._dropped,
        }

    async def run(self) -> None:
        """Tell for ever."""
        pause = self._first_pause
        while True:
            await self._wake.wait()
            try:
                went = await self._tell_some()
            except Exception:
                _log.exception("nova's answer was not understood")
                went = False
            if went:
                pause = self._first_pause
                await asyncio.sleep(self._interval)
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self) -> None:
        """Tell what is left, if Nova takes it at once; after ``run`` was cancelled."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while self._queue and not self._reason:
                    await self._tell_some()
        if self._queue:
            _log.warning("nova was not told all", extra={"events": len(self._queue)})

    async def _tell_some(self) -> bool:
        """One batch; whether the next may follow."""
        batch = self._take()
        if not batch:
            self._wake.clear()
            return True
        events = [kept.event for kept in batch.values()]
        try:
            answers = await self._nova.tell(events)
        except RefusedError as error:
            self._refused(batch, str(error))
            return True
        except AwayError as error:
            self._put_back(batch)
            self._fails(str(error))
            return False
        except BaseException:  # cancelled, or wrong
            self._put_back(batch)
            raise
        self._answered(answers)
        if not self._queue:
            self._wake.clear()
        return True

    def _take(self) -> dict[Key, _Kept]:
        """The oldest that are still worth telling."""
        now = self._clock()
        batch: dict[Key, _Kept] = {}
        while self._queue and len(batch) < self._most:
            key = next(iter(self._queue))
            kept = self._queue.pop(key)
            if kept.until < now:
                self._dropped += 1
            else:
                batch[key] = kept
        return batch

    def _put_back(self, batch: dict[Key, _Kept]) -> None:
        """Before all others, where nothing newer is said."""
        self._queue = {key: kept for key, kept in batch.items() if key not in self._queue} | (
            self._queue
        )

    def _answered(self, answers: Answers) -> None:
        if self._reason:
            lasted = round(self._clock() - self._failing_since, 1)
            _log.info("nova takes events again", extra={"after_s": lasted})
            self._reason = ""
        self._most = BATCH
        self._taken += answers.taken
        self._unknown += len(answers.unknown)
        for event, code in answers.unknown:
            # A server that is deleted takes its ports along: that of the others is no news.
            level = logging.WARNING if event.name == PLUGGED else logging.DEBUG
            extra = {"event": event.name, "server": event.server_uuid, "port": event.tag}
            _log.log(level, "nova has no use for an event: %d", code, extra=extra)

    def _fails(self, reason: str) -> None:
        if not self._reason:
            self._failing_since = self._clock()
            extra = {"reason": reason, "queued": len(self._queue)}
            _log.warning("nova does not take events", extra=extra)
        self._reason = reason

    def _refused(self, batch: dict[Key, _Kept], reason: str) -> None:
        """One of these is at fault: smaller batches until it is alone."""
        if len(batch) > 1:
            self._most = len(batch) // 2
            self._put_back(batch)
            return
        for event, _until in batch.values():
            self._dropped += 1
            extra = {"event": event.name, "server": event.server_uuid, "port": event.tag}
            _log.error("nova refuses an event: %s", reason, extra=extra)


def _key(event: Event) -> Key:
    """Of a port: its VIF's state, that it changed, or that it is gone, is one thing each."""
    return event.name if event.name in (CHANGED, DELETED) else "vif", event.tag
