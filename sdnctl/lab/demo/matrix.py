"""Who reaches whom, by the packets that arrived.

Both tenants have the same addresses, so an answer alone proves nothing: the receiver's own
count of echo requests says whether the packet came to the one that was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sdnctl.lab import netns
from sdnctl.lab.demo.tenants import Station
from sdnctl.lab.lab import Lab


class Pair(NamedTuple):
    """``version`` 4 or 6; ``wanted`` says whether the packet should arrive and be answered."""

    source: Station
    target: Station
    version: int
    wanted: bool
    arrived: bool

    @property
    def right(self) -> bool:
        """As it should be."""
        return self.wanted == self.arrived


def measure(lab: Lab, stations: Sequence[Station]) -> Iterator[Pair]:
    """Ping from each station every address of all others, and count where requests arrive."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        for source in stations:
            yield from _row(lab, source, stations, pool)


def _row(
    lab: Lab, source: Station, stations: Sequence[Station], pool: ThreadPoolExecutor
) -> Iterator[Pair]:
    own = set(source.addresses)
    versions = {_version(a) for a in own}
    targets = [s for s in stations if s is not source]
    addresses = sorted({a for t in targets for a in t.addresses if _version(a) in versions} - own)
    namespace = lab.namespace(source.node)
    before = _requests(lab, targets, pool)
    answers = pool.map(lambda a: netns.ping(namespace, a), addresses)
    answered = dict(zip(addresses, answers, strict=True))
    after = _requests(lab, targets, pool)
    for target in targets:
        for address in target.addresses:
            version = _version(address)
            if version not in versions:
                continue
            came = after[target.node, version] - before[target.node, version]
            wanted = source.tenant == target.tenant
            yield Pair(
                source, target, version, wanted, bool(came) and (not wanted or answered[address])
            )


def _requests(
    lab: Lab, stations: Iterable[Station], pool: ThreadPoolExecutor
) -> dict[tuple[str, int], int]:
    """Echo requests received, by node and IP version: the kernel's own count (RFC 2011, 2466)."""

    def read(station: Station) -> list[tuple[tuple[str, int], int]]:
        text = lab.exec(station.node, ["cat", "/proc/net/snmp", "/proc/net/snmp6"])
        lines = text.splitlines()
        names, values = (line.split() for line in lines if line.startswith("Icmp:"))
        six = dict(line.split() for line in lines if line.startswith("Icmp6"))
        return [
            ((station.node, 4), int(values[names.index("InEchos")])),
            ((station.node, 6), int(six["Icmp6InEchos"])),
        ]

    return dict(item for items in pool.map(read, stations) for item in items)


def _version(address: str) -> int:
    return 6 if ":" in address else 4
