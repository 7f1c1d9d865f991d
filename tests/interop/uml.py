"""A Linux kernel with VRF, MPLS and GRE as a process: Debian's user-mode-linux.

Promise: ``UserModeLinux`` boots over the host's own files (what it writes is its own and gone
with it), is cabled to tap devices of a namespace, and runs commands for the test; ``close``
leaves no process. The machine's own kernel needs none of those modules.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Final

from tests.interop.routers import run
from tests.waiting import wait_for

KERNEL: Final = Path("/usr/bin/linux.uml")
MODULES: Final = Path("/usr/lib/uml/modules")
INIT: Final = Path(__file__).with_name("uml-init")
PORT: Final = 2600

# Answers each connection's line, a shell command, with its exit code and what it printed.
_SERVE: Final = f"""
import socketserver, subprocess
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        command = self.rfile.readline().decode()
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.wfile.write(b"%d\\n" % done.returncode + done.stdout)
socketserver.TCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {PORT}), Handler).serve_forever()
"""


class UserModeLinux:
    """See the module.

    Args:
        namespace: where its tap devices are; it has ``vec0``, ``vec1``... in their order.
        folder: for its console and scripts; not yet there.
        address: the address of ``vec0``, with prefix length, reachable from the namespace.
        taps: the names of the tap devices.
        modules: of the kernel, loaded first.
        setup: shell commands, run before it answers; one that fails ends it.
    """

    def __init__(
        self,
        namespace: str,
        folder: Path,
        address: str,
        *,
        taps: tuple[str, ...],
        modules: tuple[str, ...],
        setup: str,
    ) -> None:
        self.namespace = namespace
        self.folder = folder
        self.address = address.partition("/")[0]
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.console = folder / "console"
        (folder / "serve.py").write_text(_SERVE)
        (folder / "run").write_text(
            f"set -e\nfor module in {' '.join(modules)}; do modprobe $module; done\n"
            f"ip address add {address} dev vec0\nip link set vec0 up\n"
            f"{setup}\nset +e\nexec python3 {folder}/serve.py\n"
        )
        (version,) = MODULES.iterdir()
        devices = [
            f"vec{n}:transport=tap,ifname={tap},depth=64,gro=1" for n, tap in enumerate(taps)
        ]
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", namespace, str(KERNEL), "mem=384M", "quiet"),
                    *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={INIT}"),
                    *(f"uml_dir={folder}", "umid=u", "con=null", "con0=null,fd:1", *devices),
                    *(f"uml.modules={version}", f"uml.run={folder}/run"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": "/dev/shm"},  # its memory is a file
                start_new_session=True,
            )
        try:
            wait_for(self._answers, 60)
        except AssertionError:
            self.close()
            raise AssertionError(self.console.read_text(errors="replace")) from None

    def _ask(self, command: str) -> str:
        script = f'exec 3<>/dev/tcp/{self.address}/{PORT}; printf "%s\\n" "$1" >&3; cat <&3'
        inside = ("ip", "netns", "exec", self.namespace, "timeout", "15", "bash", "-c", script)
        return run(*inside, "-", command, check=False)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "it ended"
        return self._ask("true") == "0\n"

    def run(self, command: str) -> str:
        """A shell command's output; AssertionError if it fails."""
        code, _newline, output = self._ask(command).partition("\n")
        assert code == "0", f"{command}: {code} {output}"
        return output

    def close(self) -> None:
        """As if its power was cut."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
