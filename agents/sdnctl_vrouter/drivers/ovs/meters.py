"""Meters: the bandwidths of ports and of addresses outside, kept in step change by change.

Promise: what ``desired`` holds is a function of the resources that are present. The number of a
meter follows from its port's OpenFlow port, or from the number that the controller gave the
address, so a restarted agent finds the meters that it made and changes none of them; of two units
with one meter the one whose name sorts first has it, as with flows. Numbers are below 200,000,
which the kernel's data path counts its meters to.

Meters take no part in bundles. A meter is there before the bundle with the flows that go through
it, and goes after the bundle that takes these away: the switch removes a flow with its meter.
They bear no mark of who made them but their numbers and their kind, so what looks like ours is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from sdnctl.desired import Limit, Limits, Qos
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.platform.openflow import Connection

KBPS_BURST_STATS: Final = 1 | 4 | 8
"""Flags of ours (OpenFlow 1.4 section 7.3.4.5)."""

_CONFIG: Final = struct.Struct("!HHIHHII4x")
_DROP: Final = 1
_PORTS: Final = range(2, 1 << 16)
_OUTSIDE: Final = range(_PORTS.stop + 2, _PORTS.stop + (1 << 17))


def number(ofport: int, *, ingress: bool) -> int:
    """The meter of what a port sends, or is sent; ValueError if there is none."""
    found = 2 * ofport + ingress
    if found not in _PORTS:
        raise ValueError(f"OpenFlow port {ofport} has no meter")
    return found


def numbered(ofport: int, qos: Qos) -> dict[int, Limit]:
    """The meters of a port."""
    ways = ((False, qos.egress), (True, qos.ingress))
    return {number(ofport, ingress=way): limit for way, limit in ways if limit is not None}


def number_outside(limits: Limits, *, ingress: bool) -> int:
    """The meter of what an address outside sends, or is sent: 0 if that is not limited."""
    if (limits.ingress if ingress else limits.egress) is None:
        return 0
    found = _PORTS.stop + 2 * limits.number + ingress
    if found not in _OUTSIDE:
        raise ValueError(f"there is no meter {limits.number}")
    return found


def outside(limits: Limits | None) -> dict[int, Limit]:
    """The meters of an address outside."""
    if limits is None:
        return {}
    ways = ((False, limits.egress), (True, limits.ingress))
    return {number_outside(limits, ingress=way): limit for way, limit in ways if limit is not None}


def parse(entry: bytes) -> tuple[int, Limit] | None:
    """One of a switch's meters, if it is ours (struct ofp_meter_config)."""
    if len(entry) != _CONFIG.size:
        return None
    _size, flags, meter, kind, _length, rate, burst = _CONFIG.unpack(entry)
    ours = flags == KBPS_BURST_STATS and kind == _DROP and (meter in _PORTS or meter in _OUTSIDE)
    return (meter, Limit(rate, burst)) if ours else None


def _message(meter: int, limit: Limit | None, known: Limit | None) -> bytes:
    """What makes a switch that has it as ``known`` have it as ``limit``; None is not at all."""
    if limit is None:
        return templates.meter_delete(meter)
    put = templates.meter_add if known is None else templates.meter_modify
    return put(meter, limit.rate, limit.burst)


class Installed:
    """The switch's side: what it holds once all that was sent has arrived."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._known: dict[int, Limit] = {}

    async def ask(self, connection: Connection) -> None:
        """Know what there is."""
        self._known = await _found(connection)

    @property
    def unwanted(self) -> list[int]:
        """Those that are there and should not be."""
        return sorted(self._known.keys() - self._meters.desired.keys())

    def put(self, connection: Connection | None, numbers: Iterable[int]) -> list[int]:
        """Make these as they should be, before what follows; those that are to go behind it.

        A refusal shows in the flows that would go through the meter.
        """
        gone = []
        for number in numbers:
            limit = self._meters.get(number)
            if limit is None:
                gone.append(number)
            elif self._known.get(number) != limit:
                self._set(connection, number, limit)
        return gone

    def remove(self, connection: Connection | None, numbers: Iterable[int]) -> None:
        """These may go, unless they are wanted again."""
        for number in numbers:
            if number in self._known and self._meters.get(number) is None:
                self._set(connection, number, None)

    def _set(self, connection: Connection | None, number: int, limit: Limit | None) -> None:
        if connection is not None:
            connection.meter(_message(number, limit, self._known.get(number)))
        if limit is None:
            del self._known[number]
        else:
            self._known[number] = limit

    async def differences(self, connection: Connection) -> list[str]:
        """What an audit says of a switch that has got all that was sent."""
        desired = self._meters.desired
        found = await _found(connection)
        return [
            f"meter {number} is {found.get(number)} and should be {desired.get(number)}"
            for number in desired.keys() | found.keys()
            if desired.get(number) != found.get(number)
        ]


async def _found(connection: Connection) -> dict[int, Limit]:
    try:
        entries = await connection.meters()
    except OSError:
        if connection.lost.done():
            raise
        return {}  # a data path that has none says no more than that
    return dict(ours for entry in entries if (ours := parse(entry)) is not None)


class Meters:
    """The resources' side, see the module."""

    def __init__(self) -> None:
        self._claims: dict[int, dict[str, Limit]] = {}
        self._of: dict[str, tuple[int, ...]] = {}
        self._changed: dict[int, None] = {}

    @property
    def desired(self) -> dict[int, Limit]:
        """All meters that the switch should hold."""
        return {meter: claims[min(claims)] for meter, claims in self._claims.items()}

    def get(self, meter: int) -> Limit | None:
        """One of them."""
        claims = self._claims.get(meter)
        return claims[min(claims)] if claims else None

    def use(self, unit: str, limits: Mapping[int, Limit]) -> None:
        """``unit`` has these meters from now on, and no others."""
        old = self._of.get(unit, ())
        if not limits and not old:
            return
        for meter in old:
            if meter not in limits:
                claims = self._claims[meter]
                del claims[unit]
                if not claims:
                    del self._claims[meter]
                self._changed[meter] = None
        for meter, limit in limits.items():
            claims = self._claims.setdefault(meter, {})
            if claims.get(unit) != limit:
                claims[unit] = limit
                self._changed[meter] = None
        if limits:
            self._of[unit] = tuple(limits)
        else:
            del self._of[unit]

    def changed(self) -> list[int]:
        """The meters that may have changed since the last call."""
        changed, self._changed = self._changed, {}
        return list(changed)
