"""What a translation is made of: flows, buckets, and why there are none.

Knows no resource.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sdnctl.types import Ip

_METER: Final = struct.Struct("!HHI").pack
_INSTRUCTION: Final = struct.Struct("!HH4x").pack

_APPLY_ACTIONS: Final = 4
_GO_THROUGH_METER: Final = 6

LONGEST: Final = 0xFFFF - 256
"""Octets of actions or buckets: a message has 64 KiB, for its match and headers too."""


class Unreachable(Exception):
    """A resource that this hypervisor cannot program."""


class Tunnels(NamedTuple):
    """OpenFlow ports of the two tunnel interfaces and of the host's, 0 while there is none."""

    vxlan: int = 0
    gre: int = 0
    metadata: int = 0


class Bucket(NamedTuple):
    """A path of a select group, used if its next hop is there and none of a lower rank is."""

    rank: int
    vtep: Ip
    data: bytes


class Translation(NamedTuple):
    """Flows of a resource; the last one goes through a group if there are buckets."""

    flows: tuple[bytes, ...] = ()
    buckets: tuple[Bucket, ...] = ()


NOTHING: Final = Translation()


def with_actions(match: bytes, actions: bytes, *, meter: int = 0) -> bytes:
    """A flow made of a match-only template and a list of actions, after a meter if there is one."""
    if meter:
        match += _METER(_GO_THROUGH_METER, 8, meter)
    return match + _INSTRUCTION(_APPLY_ACTIONS, 8 + len(actions)) + actions


def metered(flow: bytes, meter: int) -> bytes:
    """A flow whose packets go through a meter first; 0 is none."""
    if not meter:
        return flow
    end = 32 + (int.from_bytes(flow[34:36], "big") + 7) // 8 * 8  # of the match
    return flow[:end] + _METER(_GO_THROUGH_METER, 8, meter) + flow[end:]


def netmask(length: int, bits: int) -> bytes:
    """The mask of a prefix length."""
    return ((1 << bits) - (1 << (bits - length))).to_bytes(bits // 8, "big")
