"""A real Keystone on SQLite, in a virtual environment of its own (``make keystone``)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".cache" / "keystone" / "bin"
MISSING = "" if (BIN / "keystone-manage").exists() else "no Keystone here: make keystone"
PASSWORD = "keystone's own"

_SERVER = """
import sys
from werkzeug.serving import run_simple
from keystone.server.wsgi import initialize_public_application
port = int(sys.argv.pop())  # oslo.config reads the rest
# One request at a time: SQLite refuses a second writer.
run_simple("127.0.0.1", port, initialize_public_application(), threaded=False)
"""


class Running(NamedTuple):
    """A Keystone whose user ``admin`` has ``PASSWORD``."""

    auth_url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Running]:
    """A Keystone until the end of the block, gone afterwards whatever happens."""
    config = directory / "keystone.conf"
    keys = {name: directory / name for name in ("fernet", "credential", "receipts")}
    config.write_text(
        f"""[DEFAULT]
[identity]
password_hash_rounds = 4
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {keys["fernet"]}
[fernet_receipts]
key_repository = {keys["receipts"]}
[credential]
key_repository = {keys["credential"]}
"""
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v3"
    environment = os.environ | {
        "OS_KEYSTONE_CONFIG_DIR": str(directory),
        "OS_KEYSTONE_CONFIG_FILES": "keystone.conf",
        "OS_BOOTSTRAP_PASSWORD": PASSWORD,
    }
    user = ["--keystone-user", "root", "--keystone-group", "root"]
    urls = [
        word
        for kind in ("admin", "public", "internal")
        for word in (f"--bootstrap-{kind}-url", url)
    ]
    for command in (
        ["db_sync"],
        ["fernet_setup", *user],
        ["credential_setup", *user],
        ["bootstrap", "--bootstrap-region-id", "RegionOne", *urls],
    ):
        subprocess.run(
            [str(BIN / "keystone-manage"), "--config-file", str(config), *command],
            check=True,
            capture_output=True,
            timeout=240,
            env=environment,
        )
    with (directory / "log").open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "python"), "-W", "ignore", "-c", _SERVER, str(port)],
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, timeout=5).status_code == 200:
                    break
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.1)
        yield Running(url, process)
    finally:
        process.kill()
        process.wait(10)


def account(path: Path, auth_url: str) -> Path:
    """A file with the account of the user ``admin``, as the controller wants it."""
    path.touch(0o600)
    path.write_text(
        "[keystone_authtoken]\n"
        f"auth_url = {auth_url}\nusername = admin\npassword = {PASSWORD}\nproject_name = admin\n"
    )
    return path
