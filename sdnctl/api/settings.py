"""What an operator may choose about the API."""

from __future__ import annotations

import dataclasses
import getpass
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Choices with defaults that work.

    ``token`` is what ``X-Auth-Token`` must be; empty means that no token is asked for.
    ``mtu`` is a new network's, in octets. ``max_body`` is in octets, ``max_bulk`` in rows: one
    transaction holds up all others. ``bridge`` is the
    integration bridge that a bound port's VIF is plugged into. ``project_id`` owns what is
    created without an owner. ``asn`` is the AS of the automatic route targets. ``quotas`` are
    the limits of projects that have none of their own, by the name of the resource.
    """

    token: str = dataclasses.field(default="", repr=False)
    mtu: int = 1450
    max_body: int = 4 << 20
    max_bulk: int = 1000
    bridge: str = "br-int"
    project_id: str = ""
    asn: int = 64512
    quotas: Mapping[str, int] = dataclasses.field(default_factory=dict)


def read_token(path: Path) -> str:
    """The secret in a file that others cannot read; ValueError if they can or it is empty."""
    if path.stat().st_mode & stat.S_IROTH:
        raise ValueError(f"{path} is readable by everybody; chmod o-r it first")
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{path} is empty")
    return token


def new_password(path: Path | None) -> str:
    """A password from a file, made and written there if it is not; or asked for."""
    if path is None:
        if not sys.stdin.isatty():
            raise ValueError("there is no terminal to ask for a password: give --password-file")
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise ValueError("they differ")
        return password
    if path.exists():
        return read_token(path)
    password = secrets.token_urlsafe(24)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{password}\n")
    return password
