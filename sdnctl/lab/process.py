"""Processes that outlive the command that started them, and how to end exactly these.

Promise: a ``Process`` names one process for ever: its pid with its start time, so that a pid
that the kernel gave to another is never signalled. Commands have bounded time and errors that
show what they printed. Knows nothing of labs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sdnctl.lab.errors import LabError

COMMAND_TIMEOUT_S: Final = 30.0
TERM_TIMEOUT_S: Final = 5.0
ERROR_LINES: Final = 8
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A started process; ``start_time`` in clock ticks since boot (proc(5), field 22).

    ``argv`` is what it was asked to be, before the node's namespace was put around it.
    """

    node: str
    name: str
    pid: int
    start_time: int
    log: str
    argv: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """It runs; a zombie does not, nor does another process with the same pid."""
        _reap(self.pid)
        return _start_time(self.pid) == self.start_time


def spawn(node: str, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """Start a process in a session of its own, its output appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        argv[0],
        list(argv),
        {**os.environ, **env},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.fspath(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(node, name, pid, _start_time(pid) or 0, os.fspath(log))


def adopt(node: str, pid: int) -> Process | None:
    """A process that something of the lab started; None if it has ended."""
    started = _start_time(pid)
    return None if started is None else Process(node, "?", pid, started, "")


def end(processes: Iterable[Process]) -> None:
    """SIGTERM to all, SIGKILL to those still there after some seconds; returns when all ended.

    Raises:
        LabError: a process does not even end by SIGKILL.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        processes = [p for p in processes if p.alive]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + TERM_TIMEOUT_S
        while any(p.alive for p in processes) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    left = [f"{p.name} of {p.node} (pid {p.pid})" for p in processes if p.alive]
    if left:
        raise LabError(f"does not end: {', '.join(left)}")


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = COMMAND_TIMEOUT_S,
) -> str:
    """Run a command to its end and give its standard output.

    Raises:
        LabError: it failed, or did not end within ``timeout`` seconds.
    """
    done = attempt(argv, stdin=stdin, env=env, timeout=timeout)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        # Some tools answer an error with their whole usage.
        lines = said.splitlines()[:ERROR_LINES]
        raise LabError(f"{' '.join(argv)}: {'; '.join(lines)}")
    return done.stdout


def attempt(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = COMMAND_TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit code.

    Raises:
        LabError: it is not installed, or did not end within ``timeout`` seconds.
    """
    try:
        return subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: no end within {timeout:g} s") from None
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: not installed") from None


def wait_for(
    what: str,
    ready: Callable[[], bool],
    *,
    timeout: float = 15.0,
    process: Process | None = None,
) -> None:
    """Wait until ``ready``; ``process`` is the one that must live meanwhile.

    Raises:
        LabError: not within ``timeout`` seconds, or the process ended; names ``what`` and
            shows the end of the log.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if process is not None and not process.alive:
            raise LabError(f"{what}: {process.name} of {process.node} ended{_tail(process)}")
        if time.monotonic() > deadline:
            tail = "" if process is None else _tail(process)
            raise LabError(f"{what}: not within {timeout:g} s{tail}")
        time.sleep(POLL_S)


def _tail(process: Process, lines: int = 8) -> str:
    with suppress(OSError):
        text = Path(process.log).read_text(errors="replace").splitlines()[-lines:]
        if text:
            return "; its log ends:\n  " + "\n  ".join(text)
    return ""


def _reap(pid: int) -> None:
    """Take the exit status if it is a child of ours; a zombie otherwise stays its parent's."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _start_time(pid: int) -> int | None:
    """None if there is no such process, or a zombie. proc(5): state is field 3, start 22."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
