"""A speaker process on the loopback, with a link, for peers that are made of a socket."""

from __future__ import annotations

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
    yield link
    await link.stop()
