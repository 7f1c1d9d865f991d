"""The speaker process: ``python -m sdnctl.bgp.speaker --socket PATH``.

Promise: one speaker per socket; only its owner can open the socket; secrets come over it and
are in no argument, file or log. It speaks BGP in the network namespace that it is started in,
goes on announcing without a controller, and ends on SIGTERM or at the controller's word.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import logging
import os
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import Final

from sdnctl import interpreter
from sdnctl.bgp import patches
from sdnctl.bgp.server import Server
from sdnctl.logs import set_up_logs

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAP_NET_BIND_SERVICE: Final = 10

_log = logging.getLogger("sdnctl.bgp.speaker")


def main(arguments: list[str] | None = None) -> int:
    """Run until told to end; gives the exit status."""
    parser = argparse.ArgumentParser(prog="sdnctl-speaker", description="BGP speaker of sdnctl")
    parser.add_argument("--socket", required=True, type=Path, help="unix socket to serve on")
    parser.add_argument("--log-level", default="INFO", help="of Python's logging (INFO)")
    options = parser.parse_args(arguments)
    set_up_logs(options.log_level.upper())
    _confine()
    lock = os.open(f"{options.socket}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.error("another speaker serves %s", options.socket)
        return 1
    patches.apply()
    # Routes by the hundred thousand are made here, and none is garbage: the collector's usual
    # rounds over them all would be a third of the work.
    interpreter.settle()
    server = Server(str(options.socket))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.reactor.stop())
    os.umask(0o177)
    ready = threading.Event()
    thread = threading.Thread(target=_serve, args=(server, ready), daemon=True)
    thread.start()
    ready.wait()
    if not thread.is_alive():
        return 1
    _log.info("serving on %s", options.socket)
    server.reactor.run()
    options.socket.unlink(missing_ok=True)
    return 0


def _serve(server: Server, ready: threading.Event) -> None:
    try:
        asyncio.run(server.serve(ready))
    except Exception:
        _log.exception("cannot serve")
    finally:
        server.reactor.stop()
        ready.set()


def _confine() -> None:
    """Give up what a BGP speaker has no use for, before there are threads to inherit it.

    Of root's capabilities it keeps that for ports below 1024. No core dump and no ptrace shows
    its passwords.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    kept = 1 << _CAP_NET_BIND_SERVICE if os.geteuid() == 0 else 0
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable: of capabilities 0 to 31, then of 32 to 63.
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)):
        _log.warning("cannot drop capabilities: %s", os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    sys.exit(main())
