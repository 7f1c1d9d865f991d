"""Route target membership NLRI (RFC 4684 section 4) for ExaBGP.

Promise: prefixes of a route target are read and written with the bits that they have. ExaBGP's
own class reads 13 octets whatever the length says, so that one shorter prefix misframes all that
follow; and it clears bits of the target. Knows nothing of what a membership is for.
"""

from __future__ import annotations

from typing import Any, Final, Self

from exabgp.bgp.message import Action
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.update.nlri.nlri import NLRI
from exabgp.bgp.message.update.nlri.qualifier import PathInfo
from exabgp.protocol.family import AFI, SAFI

ASN_BITS: Final = 32
TARGET_BYTES: Final = 8
MAX_BITS: Final = ASN_BITS + 8 * TARGET_BYTES


class Membership(NLRI):  # type: ignore[misc]  # ExaBGP has no types
    """``bits`` of ``value``: four octets of the origin AS, then the route target."""

    def __init__(self, value: bytes, bits: int, action: Any = Action.UNSET) -> None:
        super().__init__(AFI.ipv4, SAFI.rtc, action)
        self.value = value
        self.bits = bits
        self.nexthop: Any = None
        self.addpath = PathInfo.NOPATH

    def __len__(self) -> int:
        return 1 + _octets(self.bits)

    def __str__(self) -> str:
        return f"membership {self.value.hex()}/{self.bits}"

    def pack_nlri(self, _negotiated: object = None) -> bytes:
        """Length and prefix."""
        return bytes((self.bits,)) + self.value[: _octets(self.bits)]

    @classmethod
    def unpack_nlri(
        cls, _afi: Any, _safi: Any, data: bytes, action: Any, addpath: Any
    ) -> tuple[Self, bytes]:
        """One membership, and what follows it."""
        path_info, data = NLRI.consume_path_information(data, addpath)
        bits = data[0] if data else -1
        # "default" or at least the whole origin AS (RFC 4684 section 4).
        if bits != 0 and not ASN_BITS <= bits <= MAX_BITS:
            raise Notify(3, 10, f"a route target membership has no {bits} bits")
        end = 1 + _octets(bits)
        if len(data) < end:
            raise Notify(3, 10, "a route target membership is cut short")
        spare = -bits % 8
        number = int.from_bytes(data[1:end], "big") >> spare << spare
        value = number.to_bytes(end - 1, "big").ljust(MAX_BITS // 8, b"\0")
        membership = cls(value, bits, action)
        membership.addpath = path_info
        return membership, data[end:]


def _octets(bits: int) -> int:
    return (bits + 7) // 8
