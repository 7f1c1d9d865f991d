"""From the POST of a port to its flows in every switch, by the switches' own account.

``ovs-ofctl monitor`` has the switch report each change of its flows as it is made: neither
controller nor agent is asked.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Final, NamedTuple

from sdnctl.lab import netns
from sdnctl.lab.demo.api import Api, Item
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.switch import INTEGRATION_BRIDGE

PATIENCE_S: Final = 10.0
SETTLED_S: Final = 0.1


class Seen(NamedTuple):
    """A change of flows; ``at`` of the monotonic clock, seconds."""

    hypervisor: str
    at: float
    text: str


def programmed(
    lab: Lab, api: Api, network: Item, hypervisors: Sequence[str], rounds: int
) -> list[float]:
    """Seconds from POST to the last switch that has the port, for ``rounds`` new ports.

    A warm-up port comes first and does not count: the first request over a connection opens it.
    """
    seconds = []
    with _watched(lab, hypervisors) as changes:
        for number in range(rounds + 1):
            start = time.monotonic()
            port = api.create(
                "/v2.0/ports",
                "port",
                **{
                    "name": f"timing-{number}",
                    "network_id": network["id"],
                    "binding:host_id": hypervisors[0],
                },
            )
            seconds.append(_all_have(changes, port, hypervisors) - start)
            api.send("DELETE", f"/v2.0/ports/{port['id']}")
    return seconds[1:]


def _all_have(changes: queue.Queue[Seen], port: Item, hypervisors: Sequence[str]) -> float:
    """When the last flow that names the port was added; every hypervisor must have one."""
    names = [port["mac_address"], *(f["ip_address"] for f in port["fixed_ips"])]
    added = re.compile(rf"event=ADDED .*\b({'|'.join(map(re.escape, names))})(?![\d.:])")
    waiting = set(hypervisors)
    deadline = time.monotonic() + PATIENCE_S
    last = 0.0
    while True:
        # Once all have one, those that follow in a moment still count.
        patience = deadline - time.monotonic() if waiting else SETTLED_S
        try:
            seen = changes.get(timeout=max(0.0, patience))
        except queue.Empty:
            if waiting:
                missing = ", ".join(sorted(waiting))
                raise LabError(
                    f"port {port['id']}: no flow on {missing} within {PATIENCE_S:g} s"
                ) from None
            return last
        if added.search(seen.text):
            waiting.discard(seen.hypervisor)
            last = seen.at


@contextlib.contextmanager
def _watched(lab: Lab, hypervisors: Sequence[str]) -> Iterator[queue.Queue[Seen]]:
    changes: queue.Queue[Seen] = queue.Queue()
    with contextlib.ExitStack() as stack:
        for name in hypervisors:
            command = ["ovs-ofctl", "-O", "OpenFlow14", "monitor", INTEGRATION_BRIDGE]
            env = {**os.environ, **lab.env(name)}
            process = stack.enter_context(
                subprocess.Popen(
                    netns.inside(lab.namespace(name), [*command, "watch:!initial"]),
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stderr is not None  # noqa: S101 - it is a pipe
            reader = threading.Thread(target=_read, args=(name, process.stderr, changes))
            reader.daemon = True
            reader.start()
        # The monitors are connected when the switch answers their request: give them that.
        time.sleep(0.5)
        yield changes


def _read(name: str, stream: IO[str], changes: queue.Queue[Seen]) -> None:
    for line in stream:
        changes.put(Seen(name, time.monotonic(), line))
