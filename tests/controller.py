"""``sdnctl-controller`` as a process of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.waiting import wait_for

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A controller on a state directory of its own, and whatever it started."""

    def __init__(self, state: Path, log: Path, *arguments: str) -> None:
        self.state = state
        self.log = log
        given = list(zip(arguments[::2], arguments[1::2], strict=False))  # some more than once
        options = [(one, f"127.0.0.1:{free_port()}") for one in ("--api", "--agents")]
        options = [one for one in options if one[0] not in dict(given)] + given
        words = [word for option in options for word in option if word]
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "sdnctl.app", "--state-dir", str(state), *words],
                stdout=subprocess.DEVNULL,
                stderr=out,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def ready(self) -> None:
        wait_for(lambda: self.popen.poll() is not None or '"ready"' in self.log.read_text(), 20)
        assert self.popen.poll() is None, self.log.read_text()

    def ends(self) -> int:
        return self.popen.wait(20)

    def refusal(self) -> str:
        """The one line with which it ended."""
        assert self.ends() == 1
        lines = [line for line in self.lines() if line.startswith("sdnctl-controller: ")]
        assert "Traceback" not in self.log.read_text()
        assert len(lines) == 1, self.log.read_text()
        return lines[0]

    def kill(self) -> None:
        """End it and whatever it started.

        What was being started at that moment shows its own command line only a little later.
        """
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait(10)
        for _look in range(5):
            for pid in self.family():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def family(self) -> list[int]:
        """The processes, the controller's own aside, that name the state directory."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.popen.pid:
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    if str(self.state / "speaker.sock").encode() in command:
                        found.append(int(entry.name))
        return found
