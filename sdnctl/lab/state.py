"""What a lab has made on this machine, on disk before it is made.

Promise: whatever moment ``up`` dies at, the state names every namespace it may have made and
every process that it started, so that ``down`` leaves nothing. One folder per lab under
``root()``; nothing is read from anywhere else.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

import msgspec

from sdnctl.lab.errors import LabError
from sdnctl.lab.process import Process

DEFAULT_ROOT: Final = Path("/run/sdnctl/lab")
_FILE: Final = "state.json"

LOCK_SECONDS: Final = 2.0
"""For which a command waits for another one on the same lab."""


def root() -> Path:
    """Where the labs of this machine are; ``SDNCTL_LAB_DIR`` moves it."""
    return Path(os.environ.get("SDNCTL_LAB_DIR", DEFAULT_ROOT))


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Guest(msgspec.Struct, frozen=True):
    """A guest that is plugged into a hypervisor; ``interface`` is its end in the switch."""

    name: str
    hypervisor: str
    namespace: str
    interface: str
    port_id: str


class State(msgspec.Struct):
    """A lab: its file, its namespaces by node, its processes and its guests.

    ``boot_id`` is that of the boot it was made in: after another one nothing of it runs.
    """

    name: str
    file: str
    boot_id: str = msgspec.field(default_factory=_boot_id)
    namespaces: dict[str, str] = {}
    processes: list[Process] = []
    guests: dict[str, Guest] = {}

    @property
    def folder(self) -> Path:
        """The lab's own folder: state, logs, sockets and databases."""
        return root() / self.name

    @property
    def booted(self) -> bool:
        """The machine has not been started anew since."""
        return self.boot_id == _boot_id()

    def save(self) -> None:
        """Write it, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / _FILE
        fresh = target.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        fresh.replace(target)

    def remove(self) -> None:
        """Forget the lab."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read(name: str) -> State | None:
    """The state of a lab; None if there is none of that name."""
    try:
        data = (root() / name / _FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=State)
    except msgspec.MsgspecError as error:
        raise LabError(f"{root() / name / _FILE}: {error}") from None


def read_all() -> list[State]:
    """Every lab of this machine, by name."""
    names = sorted(p.parent.name for p in root().glob(f"*/{_FILE}"))
    return [s for s in map(read, names) if s is not None]


def _lock(path: Path) -> TextIO | None:
    """The lock's file, locked; None if it is held, or went between opening and locking it."""
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(handle.fileno()).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    handle.close()
    return None


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One at a time changes a lab.

    A command that was killed may have left a child on its way to exec(), which holds the lock for
    a moment more: that is waited for.

    Raises:
        LabError: another command is at it.
    """
    root().mkdir(parents=True, exist_ok=True)
    path = root() / f".{name}.lock"
    deadline = time.monotonic() + LOCK_SECONDS
    while (handle := _lock(path)) is None:
        if time.monotonic() > deadline:
            raise LabError(f"lab {name}: another command is at work on it")
        time.sleep(0.02)
    with handle:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                # Not where an operator's own folder is, nor while another lab is in it.
                DEFAULT_ROOT.rmdir()
                DEFAULT_ROOT.parent.rmdir()
