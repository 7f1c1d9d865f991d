"""Every router there is, each with a session to one speaker."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Final

from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import Nlri, Path, RouteKey
from tests.interop.base import Router
from tests.interop.router_bird import Bird
from tests.interop.router_frr import Frr
from tests.interop.router_gobgp import Gobgp
from tests.interop.routers import Lab, Link
from tests.waiting import until

ROUTERS: Final[dict[str, type[Router]]] = {"frr": Frr, "gobgp": Gobgp, "bird": Bird}


class World:
    """``start`` it in a running loop; ``close`` it whatever happens."""

    def __init__(self, directory: FilePath) -> None:
        self.lab = Lab(directory)
        self.link = Link(self.lab)
        self.routers: dict[str, Router] = {}

    async def start(self) -> None:
        await self.link.start()
        for name, kind in ROUTERS.items():
            self.routers[name] = self.lab.add(kind, name)
            self.routers[name].start()
        self.link.set_peers(router.peer(*Family) for router in self.routers.values())
        await until(lambda: self.link.up(*self.routers), 30, "all sessions")

    async def close(self) -> None:
        try:
            await self.link.stop()
        finally:
            self.lab.close()

    async def renew_link(self) -> None:
        """The controller restarts; the speaker does not. It has to be told everything again."""
        await self.link.stop(keep_speaker=True)
        self.link = Link(self.lab)

    def put(self, name: str, nlri: Nlri, path: Path | None) -> None:
        self.link.update([Change(RouteKey(name, nlri), None, path)])

    def heard(self, name: str, nlri: Nlri) -> Path | None:
        """What a router says itself, without what the session adds."""
        path = self.link.learned.get(RouteKey(name, nlri))
        if path is None:
            return None
        assert path.peer
        return Path(
            next_hop=path.next_hop,
            route_targets=tuple(sorted(path.route_targets)),
            encapsulations=path.encapsulations,
            label=path.label,
            vni=path.vni,
            router_mac=path.router_mac,
        )
