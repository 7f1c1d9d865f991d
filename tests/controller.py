"""``sdnctl-controller`` as a process of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
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
        options = {"--api": f"127.0.0.1:{free_port()}", "--agents": f"127.0.0.1:{free_port()}"}
        options.update(zip(arguments[::2], arguments[1::2], strict=False))
        words = [word for option in options.items() for word in option if word]
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
