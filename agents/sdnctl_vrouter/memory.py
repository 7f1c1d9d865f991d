"""What guests were told, kept on disk: answers to them before a controller is there again.

Promise: a started agent knows what its predecessor would have answered, by DHCP, by router
advertisements, by names and for metadata. Nothing is programmed from it: what the switch holds
stays as it is until a controller speaks. What is on disk is whole or nothing, a moment old at
most while things change, and exactly what the controller said once it is in sync. It costs the
disk a fiftieth of the time, however much there is to write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from sdnctl import wire
from sdnctl.delta import Change
from sdnctl.desired import Desired, HostName, Irb, LocalPort, Neighbor, SubnetOptions
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from sdnctl_vrouter.drivers.base import Failure
from sdnctl_vrouter.stream import Dataplane

KEPT: Final = (LocalPort, SubnetOptions, Irb, HostName, Neighbor)
"""All that an answer to a guest is made of."""

SOON: Final = 1.0
"""Seconds from a change to its being written, at least."""

SHARE: Final = 50
"""The pause after writing is so many times what writing took."""

_MAGIC: Final = b"sdnctl-vrouter memory 1\n"
_LENGTH: Final = struct.Struct("!I")

log = logging.getLogger(__name__)


class Memory:
    """A data plane for the stream that remembers what it is told, and tells the real one."""

    def __init__(self, path: Path, dataplane: Dataplane) -> None:
        self._path = path
        self._dataplane = dataplane
        self._kept: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._in_sync = False

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        """See ``Dataplane``."""
        for key, old, new in changes:
            if isinstance(new, KEPT):
                self._kept[key] = wire.encode(new)
            elif isinstance(old, KEPT):
                self._kept.pop(key, None)
            else:
                continue
            if self._in_sync:
                self._changed.set()
        self._dataplane.apply(changes, done)

    def in_sync(self) -> None:
        """See ``Dataplane``. What was half told until now would be half remembered."""
        self._in_sync = True
        self._changed.set()
        self._dataplane.in_sync()

    async def drops(self) -> dict[str, int]:
        """See ``Dataplane``."""
        return await self._dataplane.drops()

    async def run(self) -> None:
        """Write what changed, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SOON)
            self._changed.clear()
            began = time.monotonic()
            rows = list(self._kept.values())
            try:
                await asyncio.to_thread(_write, self._path, rows)
            except OSError as error:
                log.warning("%s: %s; after a restart guests may have to wait", self._path, error)
            await asyncio.sleep(SHARE * (time.monotonic() - began))


def _write(path: Path, rows: list[bytes]) -> None:
    body = b"".join(_LENGTH.pack(len(row)) + row for row in rows)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_MAGIC + blake2b(body, digest_size=16).digest() + body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def recall(path: Path) -> list[Desired]:
    """What a predecessor wrote; nothing if there is none, or if it is not whole."""
    try:
        found = path.read_bytes()
    except OSError:
        return []
    start = len(_MAGIC) + 16
    digest, body = found[len(_MAGIC) : start], found[start:]
    if not found.startswith(_MAGIC) or blake2b(body, digest_size=16).digest() != digest:
        log.warning("%s is not whole, and is not used", path)
        return []
    return list(_rows(body))


def _rows(body: bytes) -> Iterator[Desired]:
    at = 0
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        row = body[at + _LENGTH.size : at + _LENGTH.size + length]
        at += _LENGTH.size + length
        try:
            yield wire.decode(pb.Resource.FromString(row))
        except (DecodeError, wire.UnknownResourceError):
            continue  # of a version that knew more
