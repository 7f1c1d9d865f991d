"""The link without a speaker: when it may be said that all gateways were heard."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family, Peer
from sdnctl.speaker.v1 import speaker_pb2 as pb
from sdnctl.types import Ip
from tests.waiting import until


async def test_a_speaker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "speaker"
    link = SpeakerLink(
        tmp_path / "socket", lambda _l: None, lambda _e: None, command=(str(program),)
    )
    await link.start()
    await until(lambda: "cannot start a speaker" in caplog.text)
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    await until(lambda: "speaker ended with status 3" in caplog.text)
    await link.stop(keep_speaker=True)


def peer(name: str) -> Peer:
    return Peer(
        name=name,
        address=Ip.parse("198.51.100.1"),
        asn=65001,
        local_asn=64512,
        router_id=Ip.parse("192.0.2.9"),
        families=(Family("ipv4-vpn"),),
    )


async def test_heard() -> None:
    link = SpeakerLink("nowhere", lambda _learned: None, lambda _event: None)
    assert link.heard  # nobody to hear
    link.set_peers([peer("gw1"), peer("gw2")])
    assert not link.heard
    link._begin()
    for name in ("gw1", "gw1", "gw2"):
        assert not link.heard
        link._receive(pb.Upstream(in_sync=pb.InSync(peer=name)))
    assert link.heard
    link._disconnected()
    link._begin()  # another speaker: what it knows is not known yet
    assert not link.heard
    link.set_peers([])
    assert link.heard


async def test_a_pause_of_our_own_is_not_the_speakers_silence(
    link: SpeakerLink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A great commit holds the controller's loop; what the speaker said meanwhile counts."""
    monkeypatch.setattr("sdnctl.bgp.link.SILENCE_SECONDS", 2.5)
    await until(lambda: link.connected)
    for _ in range(3):
        time.sleep(3.0)
        await asyncio.sleep(1.5)
    assert link.connected
    assert "speaker lost" not in caplog.text
