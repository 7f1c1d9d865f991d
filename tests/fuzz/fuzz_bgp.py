"""Broken UPDATEs over real sessions: nothing crashes, and what RFC 7606 keeps is kept.

``python -m tests.fuzz.fuzz_bgp [--seconds S] [--seed N]``. A speaker, a link, and four peers on
the loopback: one breaks UPDATEs as an iBGP peer, one as an eBGP peer, one its OPENs, and one looks
on, in the same group.

After each burst a sound route has to arrive, with no session lost that RFC 7606 would keep; a
burst that fails is written to standard error, in hexadecimal. The last line is a JSON object:
what was sent, how many sessions were ended for it, memory before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import msgspec

from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family, Peer
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.types import Ip
from tests.fuzz.mutations import Mutator
from tests.unit.bgp.conftest import processes_of
from tests.unit.bgp.raw_peer import (
    EVPN,
    KEEPALIVE,
    MEMBERSHIPS,
    UPDATE,
    VPNV4,
    RawPeer,
    attribute,
    frame,
    update,
    vpnv4,
)

BURST = 200
POLL_SECONDS = 0.01
LIMIT_SECONDS = 60.0
FAMILIES = (VPNV4, b"\0\2\x80", EVPN, MEMBERSHIPS)
OURS, THEIRS = 64512, 64600


class Failed(Exception):
    """A broken UPDATE did what it must not."""


class Opener(RawPeer):
    """A peer whose OPEN is broken, each time in another way."""

    def __init__(self, seed: int) -> None:
        super().__init__(families=FAMILIES, restart_time=9)
        self.capabilities = b"\2\0\x46\0" + b"\x45\x04" + VPNV4 + b"\3" + b"\x47\7" + bytes(7)
        self.opened = 0
        self._mutator = Mutator(seed, OURS)

    def _open(self) -> bytes:
        self.opened += 1
        return self._mutator.open(super()._open())


class Breaker:
    """A peer that breaks UPDATEs."""

    def __init__(self, name: str, asn: int, seed: int) -> None:
        self.name = name
        self.asn = asn
        self.raw = RawPeer(families=FAMILIES, asn=asn)
        self.mutator = Mutator(seed, asn)
        self.label = 100
        self.sent = {"within_attributes": 0, "anywhere": 0}
        self.resets = 0

    def peer(self) -> Peer:
        """As the speaker is configured with it."""
        return Peer(
            name=self.name,
            address=Ip.parse("127.0.0.1"),
            asn=self.asn,
            local_asn=OURS,
            router_id=Ip.parse("127.0.0.8"),
            port=self.raw.port,
            families=tuple(Family),
            graceful_restart=0,
        )

    def sound(self) -> tuple[bytes, int]:
        """A route that is right, and its label."""
        self.label = 100 + (self.label - 99) % 100_000
        if self.asn == OURS:
            return update(vpnv4(1, self.label)), self.label
        path = b"\2\1" + self.asn.to_bytes(4, "big")
        body = attribute(0x40, 1, b"\0") + attribute(0x40, 2, path) + vpnv4(1, self.label)
        good = frame(UPDATE, b"\0\0" + len(body).to_bytes(2, "big") + body)
        return good, self.label


async def kept(link: SpeakerLink, breaker: Breaker, burst: list[bytes]) -> None:
    """After this burst the session is the same, and hears."""
    raw = breaker.raw
    sessions, notifications = raw.sessions, len(raw.notifications())
    good, label = breaker.sound()
    for broken in burst:
        raw.send(broken)
    raw.send(good)
    breaker.sent["within_attributes"] += len(burst)
    await until(
        lambda: raw.sessions != sessions or raw.down.is_set() or heard(link, breaker.name, label),
        LIMIT_SECONDS,
    )
    if raw.sessions != sessions or raw.down.is_set():
        told = raw.notifications()[notifications:]
        raise Failed(f"{breaker.name}: a session was lost, and the speaker said {told}")


async def survived(link: SpeakerLink, breaker: Breaker, broken: bytes) -> None:
    """After this message the session is the same, or comes anew, and hears."""
    raw = breaker.raw
    sessions = raw.sessions
    good, label = breaker.sound()
    raw.send(broken + good)
    breaker.sent["anywhere"] += 1
    await until(
        lambda: raw.sessions != sessions or raw.down.is_set() or heard(link, breaker.name, label),
        LIMIT_SECONDS,
    )
    if raw.down.is_set() or raw.sessions != sessions:
        breaker.resets += 1
        await until(lambda: raw.sessions != sessions and raw.up.is_set(), LIMIT_SECONDS)
        good, label = breaker.sound()
        raw.send(good)
        await until(lambda: heard(link, breaker.name, label), LIMIT_SECONDS)


async def until(condition: Callable[[], Any], seconds: float) -> None:
    """Wait for something true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(POLL_SECONDS)


def heard(link: SpeakerLink, name: str, label: int) -> bool:
    """The sound route has arrived with this label."""
    return any(
        path.label == label and key.source == name and key.path_id == 0
        for key, path in link.learned.items()
    )


async def fuzz(directory: FilePath, seconds: float, seed: int) -> dict[str, Any]:
    """Break UPDATEs for so long."""
    socket = directory / "speaker.sock"
    log = directory / "log"
    logged = ("sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "sh", str(log))
    command = (*logged, *speaker_command(socket))
    link = SpeakerLink(socket, lambda _: None, lambda _: None, command=command)
    breakers = [Breaker("ibgp", OURS, seed), Breaker("ebgp", THEIRS, seed + 1)]
    witness = Breaker("witness", OURS, seed)
    everyone = [*breakers, witness]
    opener = Opener(seed)
    for raw in (*(one.raw for one in everyone), opener):
        await raw.start()
    odd = msgspec.structs.replace(
        witness.peer(), name="opener", port=opener.port, add_path=True, long_lived_stale=9
    )
    link.set_peers([*(one.peer() for one in everyone), odd])
    await link.start()
    burst: list[bytes] = []
    try:
        await until(lambda: all(one.raw.up.is_set() for one in everyone), LIMIT_SECONDS)
        good, label = witness.sound()
        witness.raw.send(good)
        await until(lambda: heard(link, "witness", label), LIMIT_SECONDS)
        (pid,) = processes_of(str(socket))
        before = memory(pid)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for breaker in breakers:
                burst = [breaker.mutator.within_attributes() for _ in range(BURST)]
                await kept(link, breaker, burst)
                burst = [breaker.mutator.anywhere()]
                await survived(link, breaker, burst[0])
            witness.raw.send(frame(KEEPALIVE))
            opener.drop()
            if processes_of(str(socket)) != [pid]:
                raise Failed("the speaker ended")
            if witness.raw.sessions != 1 or not heard(link, "witness", label):
                raise Failed("the witness lost its session or its route")
        if "Traceback" in log.read_text():
            raise Failed(f"the speaker had an error of its own: {log.read_text()[-3000:]}")
        return {
            "name": "fuzz-bgp",
            "parameters": {"seconds": seconds, "seed": seed},
            "updates_within_attributes": sum(b.sent["within_attributes"] for b in breakers),
            "updates_broken_anywhere": sum(b.sent["anywhere"] for b in breakers),
            "opens_broken": opener.opened,
            "sessions_ended": sum(b.resets for b in breakers),
            "sessions_lost_that_rfc_7606_keeps": 0,
            "crashes": 0,
            "rss_mib": round(memory(pid), 1),
            "rss_mib_before": round(before, 1),
        }
    except (Failed, TimeoutError):
        for message in burst:
            sys.stderr.write(message.hex() + "\n")
        raise
    finally:
        await link.stop()
        for raw in (*(one.raw for one in everyone), opener):
            await raw.stop()


def memory(pid: int) -> float:
    """Resident MiB."""
    return int(FilePath(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdnctl-fuzz-") as directory:
        done = asyncio.run(fuzz(FilePath(directory), options.seconds, options.seed))
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
