"""Sets of prefixes: what subnet pools consist of, and what is free in them.

Promise: pure arithmetic on prefixes of one IP version; results are in canonical form, each set
in the fewest prefixes, in order. The cost is of the prefixes given.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from sdnctl.types import Ip, Prefix, overlap


def compacted(prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """The same addresses in the fewest prefixes."""
    networks = [ipaddress.ip_network(str(prefix)) for prefix in prefixes]
    merged = ipaddress.collapse_addresses(networks)  # type: ignore[type-var]
    return tuple(Prefix.parse(str(network)) for network in merged)


def contains(outer: Iterable[Prefix], inner: Iterable[Prefix]) -> bool:
    """Whether every address of ``inner`` is one of ``outer``."""
    return not without(inner, outer)


def intersect(some: Iterable[Prefix], others: Iterable[Prefix]) -> bool:
    """Whether there is an address of both."""
    others = tuple(others)
    return any(overlap(a, b) for a in some for b in others)


def without(prefixes: Iterable[Prefix], taken: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """The addresses of ``prefixes`` that are not of ``taken``."""
    ends = sorted(_ends(prefix) for prefix in compacted(taken))
    found: list[Prefix] = []
    for prefix in compacted(prefixes):
        first, last = _ends(prefix)
        for low, high in ends:
            if high < first:
                continue
            if low > last:
                break
            found += _blocks(first, low - 1, prefix.version)
            first = high + 1
        found += _blocks(first, last, prefix.version)
    return tuple(found)


def fit(free: Iterable[Prefix], length: int) -> Prefix | None:
    """A prefix of that length in the smallest free one that has room, the first of them."""
    roomy = [prefix for prefix in free if prefix.length <= length]
    best = max(roomy, key=lambda prefix: prefix.length, default=None)
    return None if best is None else Prefix(best.ip, length)


def _ends(prefix: Prefix) -> tuple[int, int]:
    first = prefix.ip.number
    return first, first + (1 << (prefix.ip.bits - prefix.length)) - 1


def _blocks(first: int, last: int, version: int) -> Iterator[Prefix]:
    """The range, both ends included, in the fewest prefixes."""
    bits = 32 if version == 4 else 128
    while first <= last:
        size = (last - first + 1).bit_length() - 1
        if first:
            size = min(size, (first & -first).bit_length() - 1)
        yield Prefix(Ip.from_number(first, version), bits - size)
        first += 1 << size
