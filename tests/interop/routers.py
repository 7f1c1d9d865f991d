"""The interop lab: a star of real BGP routers in network namespaces around the speaker's.

Everything that was started or made is gone after ``close``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from pathlib import Path as FilePath
from typing import Any, TypeVar

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import SessionEvent
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey
from tests.interop.base import ASN, Router, Settings, run
from tests.interop.router_bird import Bird
from tests.interop.router_frr import Frr
from tests.interop.router_gobgp import Gobgp

__all__ = ["ASN", "Bird", "Frr", "Gobgp", "Lab", "Link", "Router", "Settings", "run"]

R = TypeVar("R", bound=Router)
_numbers = itertools.count(1)


class Lab:
    """The speaker's namespace and its routers."""

    def __init__(self, directory: FilePath) -> None:
        self.prefix = f"bgp{os.getpid()}-{next(_numbers)}-"
        self.namespace = f"{self.prefix}speaker"
        self.socket = directory / "speaker.sock"
        self.routers: list[Router] = []
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        run("ip", "netns", "exec", self.namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    @property
    def command(self) -> tuple[str, ...]:
        """How a link starts the speaker here."""
        return ("ip", "netns", "exec", self.namespace, *speaker_command(self.socket))

    def add(self, kind: type[R], name: str, **settings: Any) -> R:
        """A router that is not started yet; ``settings`` are those of ``Settings``."""
        router = kind(self, name, Settings(**settings))
        self.routers.append(router)
        return router

    def speakers(self) -> list[int]:
        """Processes in the speaker's namespace."""
        return [int(pid) for pid in run("ip", "netns", "pids", self.namespace).split()]

    def speaker(self) -> int:
        """The one that was started first."""
        return min(self.speakers())

    def kill_speaker(self) -> None:
        """kill -9."""
        for pid in self.speakers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill_speaker()
        for router in self.routers:
            router.close()
        run("ip", "netns", "del", self.namespace, check=False)


class Link(SpeakerLink):
    """A link and its history."""

    def __init__(self, lab: Lab) -> None:
        self.changes: list[Change[RouteKey, Path]] = []
        self.events: list[SessionEvent] = []
        super().__init__(lab.socket, self.changes.extend, self.events.append, command=lab.command)

    def up(self, *names: str) -> bool:
        """These sessions, and no others, are established."""
        return {s.peer for s in self.sessions if s.up} == set(names)
