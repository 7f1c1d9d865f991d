"""The API in a process of its own, for tests and benchmarks that need a real one.

    python -m tests.server DATABASE [--token-file FILE] [--identity PASSWORD | --keystone FILE]

prints the port that it listens on, and ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop

from sdnctl import interpreter
from sdnctl.api import Settings, make_app, make_server, read_token
from sdnctl.api.identity import Directory, bootstrap
from sdnctl.api.keystone import Keystone, read_account
from sdnctl.keystone import Account
from sdnctl.store import Store

ROOT = Path(__file__).parents[1]


class Running(NamedTuple):
    """A server that answers at ``port`` of 127.0.0.1."""

    port: int
    pid: int


@contextlib.contextmanager
def running(
    database: Path,
    token_file: Path | None = None,
    *,
    identity: str = "",
    keystone: Path | None = None,
) -> Iterator[Running]:
    """A server until the end of the block, gone afterwards whatever happens.

    ``identity`` is the password of the user ``admin`` of its identity service, if it has one;
    ``keystone`` holds its account at Keystone, if it has one.
    """
    command = [sys.executable, "-m", "tests.server", str(database)]
    if token_file is not None:
        command += ["--token-file", str(token_file)]
    if keystone is not None:
        command += ["--keystone", str(keystone)]
    if identity:
        command += ["--identity", identity]
    path = os.pathsep.join([str(ROOT), str(ROOT / "agents")])
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        try:
            assert process.stdout is not None
            yield Running(int(process.stdout.readline()), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


async def serve(database: Path, settings: Settings, password: str, account: Account | None) -> None:
    """Serve until told to end."""
    store = await Store.open(database)
    directory = None
    if password:
        await bootstrap(store, "admin", "admin", password)
        directory = await Directory.open(store)
    # Listening before it is announced, so that nobody needs to wait for the server to start.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        keystone = Keystone(account) if account else None
        app = make_app(store, settings, authenticator=keystone, directory=directory)
        interpreter.settle()  # as the controller does
        await make_server(app).serve(sockets=[listening])
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--identity", default="", metavar="PASSWORD")
    parser.add_argument("--keystone", type=Path)
    arguments = parser.parse_args()
    token = read_token(arguments.token_file) if arguments.token_file else ""
    account = read_account(arguments.keystone) if arguments.keystone else None
    uvloop.run(serve(arguments.database, Settings(token=token), arguments.identity, account))


if __name__ == "__main__":
    main()
