"""A speaker process on the loopback, with a link, for peers that are made of a socket."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import pytest

from sdnctl.bgp.link import SpeakerLink, speaker_command
from sdnctl.bgp.peer import SessionEvent
from sdnctl.delta import Change
from sdnctl.routes import Path, RouteKey


class Link(SpeakerLink):
    """A link and its history."""

    def __init__(self, socket: FilePath) -> None:
        self.changes: list[Change[RouteKey, Path]] = []
        self.events: list[SessionEvent] = []
        super().__init__(
            socket, self.changes.extend, self.events.append, command=speaker_command(socket)
        )


@pytest.fixture
async def link(tmp_path: FilePath) -> AsyncIterator[SpeakerLink]:
    link = Link(tmp_path / "speaker.sock")
    await link.start()
    try:
        yield link
        await link.stop()
    finally:
        for pid in speakers(link):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def speakers(link: SpeakerLink) -> list[int]:
    """Processes that serve this link's socket."""
    found = []
    for entry in FilePath("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if link.socket_path.encode() in words and b"sdnctl.bgp.speaker" in words:
            found.append(int(entry.name))
    return found
