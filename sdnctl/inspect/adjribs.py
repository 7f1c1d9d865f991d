"""The routes that one BGP peer is told of, and those that it tells: pages of the Adj-RIBs.

Promise: a page is in the order of the routes, whatever happened before, so that pages of a table
that changes meanwhile neither repeat nor skip what stayed. A page looks at every route once, but
only ``SLICE`` of them in one turn of the event loop, and no more than ``WALKS`` pages are made at a
time: 100,000 routes hold up nobody. Knows of peers what the graph knows, nothing of sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from sdnctl.graph.engine import Engine
from sdnctl.graph.relations.inputs import BGP_PEER, LEARNED
from sdnctl.graph.relations.routes import ADVERTISED, IMPORTED, Advertised
from sdnctl.inspect.show import Json, Wanted, leads_to, route
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    Nlri,
    Path,
    RouteKey,
)

K = TypeVar("K")
V = TypeVar("V")

SLICE: Final = 500
"""Routes looked at in one turn of the event loop: about a millisecond."""

WALKS: Final = 2
DEFAULT_LIMIT: Final = 1000
MAX_LIMIT: Final = 5000

FAMILIES: Final = ("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn", "route-target")
DIRECTIONS: Final = ("received", "advertised")

Families = Callable[[Nlri, Path], tuple[str, ...]]
"""The address families that carry a route."""


class Question(NamedTuple):
    """What is asked of one peer's routes. ``marker`` is that of the page before, empty at first."""

    peer: str
    direction: str
    family: str = ""
    destination: Wanted | None = None
    limit: int = DEFAULT_LIMIT
    marker: bytes = b""


def order(key: RouteKey) -> bytes:
    """Where a route stands among all of one peer: prefixes, then MACs, then the rest."""
    nlri = key.nlri
    match nlri:
        case IpPrefixRoute(rd=rd, prefix=prefix):
            what = bytes((prefix.version,)) + prefix.ip + bytes((prefix.length,)) + rd
        case MacIpRoute(rd=rd, mac=mac, ip=ip):
            what = b"\x07" + mac + bytes((len(ip or b""),)) + (ip or b"") + rd
        case InclusiveMulticastRoute(rd=rd, originator=originator):
            what = bytes((8, len(originator))) + originator + rd
        case _:
            what = b"\x09" + nlri.asn.to_bytes(4, "big") + (nlri.target or b"")
            what += bytes((nlri.length,))
    return what + key.path_id.to_bytes(4, "big") + key.source.encode()


class AdjRibs:
    """Of all peers, as the graph has them."""

    def __init__(self, engine: Engine, families: Families) -> None:
        self._engine = engine
        self._families = families
        self._walks = asyncio.Semaphore(WALKS)

    def known(self, peer: str) -> bool:
        """Whether there is such a peer."""
        return peer in self._engine.rows(BGP_PEER)

    async def page(self, asked: Question) -> tuple[list[Json], str]:
        """One page, and the marker of the next; empty at the end."""
        async with self._walks:
            found = await self._first(asked)
            rows = []
            for at, (_order, key, path) in enumerate(found[: asked.limit]):
                rows.append(self._show(asked, key, path))
                if at % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        more = len(found) > asked.limit
        return rows, found[asked.limit - 1][0].hex() if more else ""

    async def _first(self, asked: Question) -> list[tuple[bytes, RouteKey, Path]]:
        """The first routes after the marker in their order, one more than the page holds."""
        enough = asked.limit + 1
        found: list[tuple[bytes, RouteKey, Path]] = []
        rows: Mapping[RouteKey, Any] = self._engine.rows(
            LEARNED if asked.direction == "received" else ADVERTISED
        )
        read = _received if asked.direction == "received" else _advertised
        async for part in slices(rows):
            for key, path in read(asked.peer, part):
                if (at := order(key)) > asked.marker and self._wanted(asked, key, path):
                    found.append((at, key, path))
            if len(found) > 2 * enough:
                found.sort()
                del found[enough:]
        found.sort()
        return found[:enough]

    def _wanted(self, asked: Question, key: RouteKey, path: Path) -> bool:
        if asked.destination is not None and not leads_to(key.nlri, asked.destination):
            return False
        return not asked.family or asked.family in self._families_of(asked.peer, key, path)

    def _families_of(self, peer: str, key: RouteKey, path: Path) -> list[str]:
        row = self._engine.rows(BGP_PEER).get(peer)
        configured = row.families if row is not None else ()
        # What has neither a label nor a tunnel type that we know can only have come by EVPN.
        carried = self._families(key.nlri, path) or ("l2vpn-evpn",)
        return [family for family in carried if family in configured]

    def _show(self, asked: Question, key: RouteKey, path: Path) -> Json:
        out: Json = {"families": self._families_of(asked.peer, key, path)}
        out |= route(key, path)
        if asked.direction == "received":
            imported = self._engine.rows(IMPORTED).get(key)
            out["evis"] = list(imported.evis) if imported else []
            out["vrfs"] = list(imported.vrfs) if imported else []
        return out


async def slices(rows: Mapping[K, V]) -> AsyncIterator[list[tuple[K, V]]]:
    """A table a slice a turn of the event loop: each row as it is then, if it still is."""
    keys = list(rows)  # a commit between two turns may change the table
    for start in range(0, len(keys), SLICE):
        part = keys[start : start + SLICE]
        yield [(key, row) for key in part if (row := rows.get(key)) is not None]
        await asyncio.sleep(0)


def _received(peer: str, rows: Iterable[tuple[RouteKey, Path]]) -> Iterator[tuple[RouteKey, Path]]:
    return ((key, path) for key, path in rows if key.source == peer)


def _advertised(
    peer: str, rows: Iterable[tuple[RouteKey, Advertised]]
) -> Iterator[tuple[RouteKey, Path]]:
    return ((key, row.path) for key, row in rows if peer in row.peers)
