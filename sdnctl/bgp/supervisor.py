"""Keeps a speaker process running: starts one where none answers, kills one that hangs.

Promise: there is one process per socket, whoever started it; one that dies is started again at
once, one that dies at once is given pauses; one that is told of as silent twice, and is the same
process both times, is killed. Cancelled, it leaves the process running: a controller that
restarts finds it. Knows nothing of what is said over the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import sys
from pathlib import Path as FilePath
from typing import Final

MAX_PAUSE_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 30.0
"""A speaker that lived that long is started again at once."""

_CREDENTIALS: Final = struct.Struct("=3i")
_log = logging.getLogger(__name__)


def speaker_command(socket_path: str | FilePath) -> tuple[str, ...]:
    """How a speaker is started; it serves on ``socket_path``."""
    return (sys.executable, "-m", "sdnctl.bgp.speaker", "--socket", str(socket_path))


class Supervisor:
    """Of the speaker that serves ``socket_path``."""

    def __init__(self, command: tuple[str, ...], socket_path: str) -> None:
        self._command = command
        self._socket_path = socket_path
        self._silent: int | None = None

    async def run(self) -> None:
        """Start a speaker wherever none answers, until cancelled."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            if await self._answers():
                await asyncio.sleep(0.5)
                continue
            started = loop.time()
            try:
                status = await _run_to_end(self._command)
                _log.warning("speaker ended with status %d", status)
            except OSError as error:
                _log.error("cannot start a speaker: %s", error)
            steady = loop.time() - started > STEADY_SECONDS
            pause = 0.0 if steady else min(pause * 2 or 0.5, MAX_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    def heard(self) -> None:
        """The speaker gave a sign of life."""
        self._silent = None

    def silent(self) -> None:
        """It owes one: the second time in a row the process is killed, to be started anew."""
        pid = self._serving()
        if pid == self._silent:
            self.kill()
        self._silent = pid

    def kill(self) -> None:
        """Kill the process that serves, if there is one."""
        pid = self._serving()
        if pid is not None:
            _log.error("speaker hangs and is killed, process %d", pid)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _serving(self) -> int | None:
        """The process that listens: the kernel knows it even where it does not answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._socket_path)
            except OSError:
                return None
            told = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            pid: int = _CREDENTIALS.unpack(told)[0]
            return pid or None  # 0 is one of another PID namespace, and not ours to kill

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            return False
        writer.close()
        return True


async def _run_to_end(command: tuple[str, ...]) -> int:
    """Run a process and give its exit status; cancelling leaves it running.

    It has a session of its own, so that what is sent to the controller's group leaves it alone.
    """
    pid = _spawn(command)
    _log.info("speaker started, process %d", pid)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    handle = os.pidfd_open(pid)
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
        return _reap(pid)
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _spawn(command: tuple[str, ...]) -> int:
    devnull = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawnp(command[0], command, os.environ, file_actions=[devnull], setsid=True)


def _reap(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
