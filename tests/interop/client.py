"""The real ``openstack`` client and SDK, and the ways in which they log in to a real server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openstack as sdk

from tests.interop import keystone
from tests.server import running

OPENSTACK: Final = Path(sys.executable).with_name("openstack")

WAYS: Final = ("none", "identity", "keystone")
"""Whose token a client has: nobody's, the built-in identity service's, Keystone's."""


class Client:
    """The command line client, configured by its environment."""

    def __init__(self, **environment: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        self.environment = kept | environment

    def _run(self, arguments: list[str], commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(OPENSTACK), *arguments],
            input=commands,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=self.environment,
        )

    def __call__(self, *commands: str, warnings: str = "") -> list[Any]:
        """What a session of commands prints, a JSON document for each that prints one.

        ``warnings`` matches all that it may warn of, which by default is nothing.
        """
        done = self._run([], "".join(f"{command}\n" for command in commands))
        assert re.fullmatch(f"({warnings})*", done.stderr), done.stderr
        text, found = done.stdout.replace("(openstack) ", "").strip(), []
        decoder = json.JSONDecoder()
        while text:
            document, end = decoder.raw_decode(text)
            found.append(document)
            text = text[end:].strip()
        return found

    def fails(self, command: str) -> str:
        """What one command that fails says."""
        done = self._run(command.split(), "")
        assert done.returncode != 0, done.stdout
        return done.stderr

    @property
    def has_projects(self) -> bool:
        """Whether there is somebody who knows of projects."""
        return "OS_AUTH_URL" in self.environment

    def sdk(self) -> Any:
        """The SDK's connection, logged in as this client is; its ``close`` is the caller's."""
        connect: Any = sdk.connect  # its types are those of every version of the API at once
        said = self.environment
        if not self.has_projects:
            return connect(auth_type="none", auth={"endpoint": said["OS_ENDPOINT"]})
        names = ("auth_url", "username", "password", "project_name")
        auth = {name: said[f"OS_{name.upper()}"] for name in names}
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        return connect(auth=auth | domains, region_name="RegionOne")


def administrator(auth_url: str, password: str) -> Client:
    """The user ``admin`` in the project ``admin``."""
    return Client(
        OS_AUTH_URL=auth_url,
        OS_USERNAME="admin",
        OS_PASSWORD=password,
        OS_PROJECT_NAME="admin",
        OS_USER_DOMAIN_NAME="Default",
        OS_PROJECT_DOMAIN_NAME="Default",
    )


@contextlib.contextmanager
def logged_in(way: str, directory: Path) -> Iterator[Client]:
    """An administrator's client of a new server, by one of the ``WAYS``."""
    match way:
        case "none":
            with running(directory / "db") as server:
                yield Client(OS_AUTH_TYPE="none", OS_ENDPOINT=f"http://127.0.0.1:{server.port}")
        case "identity":
            with running(directory / "db", identity="sesame") as server:
                yield administrator(f"http://127.0.0.1:{server.port}/identity/v3", "sesame")
        case _:
            with keystone.running(directory) as theirs:
                account = keystone.account(directory / "account", theirs.auth_url)
                with running(directory / "db", keystone=account) as server:
                    client = administrator(theirs.auth_url, keystone.PASSWORD)
                    client(
                        "service create --name sdnctl network -f json",
                        "endpoint create --region RegionOne network public "
                        f"http://127.0.0.1:{server.port} -f json",
                    )
                    yield client
