"""What an operator may choose about the API."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Choices with defaults that work.

    ``token`` is what ``X-Auth-Token`` must be; empty means that no token is asked for.
    ``mtu`` is a new network's, in octets. ``max_body`` is in octets, ``max_bulk`` in rows: one
    transaction holds up all others. ``bridge`` is the
    integration bridge that a bound port's VIF is plugged into. ``project_id`` owns what is
    created without an owner. ``asn`` is the AS of the automatic route targets.
    """

    token: str = dataclasses.field(default="", repr=False)
    mtu: int = 1450
    max_body: int = 4 << 20
    max_bulk: int = 1000
    bridge: str = "br-int"
    project_id: str = ""
    asn: int = 64512


def read_token(path: Path) -> str:
    """The token in a file that others cannot read; ValueError if they can or it is empty."""
    if path.stat().st_mode & stat.S_IROTH:
        raise ValueError(f"{path} is readable by everybody; chmod o-r it first")
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{path} is empty")
    return token
