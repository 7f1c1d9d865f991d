"""Rules of security groups and the addresses that they refer to.

Knows no port: which groups one has, the port itself says.
"""

from __future__ import annotations

import msgspec

from sdnctl.types import Prefix


class SecurityRule(msgspec.Struct, frozen=True):
    """What ports of the security group ``group`` may receive (``ingress``) or send.

    ``version`` is of IP. ``protocol`` None is any. ``first`` and ``last`` are the destination
    ports, or type and code of ICMP; None is any. ``prefix`` or ``remote`` (a set of
    ``RemoteAddresses``) says with whom; neither, with anyone. ``stateful`` False knows no
    connections: answers need a rule of their own.
    """

    group: str
    rule_id: str
    ingress: bool
    version: int
    protocol: int | None = None
    first: int | None = None
    last: int | None = None
    prefix: Prefix | None = None
    remote: str = ""
    stateful: bool = True

    @property
    def key(self) -> str:
        """By group and rule."""
        return f"rule/{self.group}/{self.rule_id}"


class RemoteAddresses(msgspec.Struct, frozen=True):
    """Addresses in the set ``remote``: those of its member ``name``, a port for one."""

    remote: str
    name: str
    prefixes: tuple[Prefix, ...]

    @property
    def key(self) -> str:
        """By set and member."""
        return f"remote/{self.remote}/{self.name}"
