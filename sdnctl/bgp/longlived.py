"""The capability of long-lived graceful restart (RFC 9494 section 3), which ExaBGP lacks.

Promise: read and written as the RFC has it; importing this registers it with ExaBGP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.open.capability.capability import Capability
from exabgp.protocol.family import AFI, SAFI

CODE: Final = 71
FORWARDING_PRESERVED: Final = 0x80
MAX_SECONDS: Final = (1 << 24) - 1

_ENTRY_BYTES: Final = 7


class Terms(NamedTuple):
    """Of one family: whether forwarding went on, and for how long its routes may be kept."""

    forwarding: bool
    seconds: int


@Capability.register()
class LongLived(Capability, dict[tuple[Any, Any], Terms]):  # type: ignore[misc]
    """``Terms`` by ExaBGP's families."""

    ID = CODE

    @classmethod
    def offered(cls, families: Iterable[tuple[Any, Any]], seconds: int) -> Self:
        """What we ask of the peer: to keep all families, for they go on being forwarded."""
        offer = cls()
        for family in families:
            offer[family] = Terms(True, min(seconds, MAX_SECONDS))
        return offer

    def extract(self) -> list[bytes]:
        """The capability's value."""
        return [
            b"".join(
                afi.pack()
                + safi.pack()
                + bytes((FORWARDING_PRESERVED if terms.forwarding else 0,))
                + terms.seconds.to_bytes(3, "big")
                for (afi, safi), terms in self.items()
            )
        ]

    @staticmethod
    def unpack_capability(
        instance: LongLived, data: bytes, _capability: object = None
    ) -> LongLived:
        """Read its value."""
        if len(data) % _ENTRY_BYTES:
            raise Notify(2, 0, "long-lived graceful restart capability of odd length")
        for at in range(0, len(data), _ENTRY_BYTES):
            entry = data[at : at + _ENTRY_BYTES]
            terms = Terms(bool(entry[3] & FORWARDING_PRESERVED), int.from_bytes(entry[4:], "big"))
            instance[AFI.unpack(entry[:2]), SAFI.unpack(entry[2])] = terms
        return instance
