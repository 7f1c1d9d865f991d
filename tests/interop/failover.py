"""Two EVPN gateways to one outside, and the silent death of one: for the test and the bench."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdnctl.lab import netns
from sdnctl.lab.process import wait_for
from tests.interop.frr import router
from tests.interop.house import ASN, House, house

OUTSIDE = "203.0.113.10"
GUEST = "10.0.0.5"
GATEWAYS = {"gw1": "192.0.2.251", "gw2": "192.0.2.252"}
PROBES = {"probe_interval": 200, "probe_multiplier": 3}


@dataclass
class Pair:
    """The house with both gateways; each has an outside of its own with the same address."""

    house: House

    def set(self, gateway: str, **settings: Any) -> None:
        """Change a gateway in the API."""
        path = f"/sdn/v1/gateways/{gateway}"
        self.house.api.send("PUT", path, {"gateway": settings})

    def cut(self, gateway: str) -> None:
        """It is gone without a word: its cable is out."""
        self.house.exec(gateway, "ip link set eth1 down")

    def mend(self, gateway: str) -> None:
        """The cable is in again; zebra puts its routes back by itself."""
        self.house.exec(gateway, "ip link set eth1 up")

    def carried(self, gateway: str) -> int:
        """Packets that it sent to its outside."""
        return int(self.house.exec(gateway, "cat /sys/class/net/eth2/statistics/tx_packets"))

    def user(self) -> str:
        """The gateway that the guest's pings go through."""
        self.house.lab.switch("hv1").appctl("revalidator/wait")  # its caches lag its tables
        before = {name: self.carried(name) for name in GATEWAYS}
        for _ping in range(3):
            netns.ping(self.house.namespace("web"), OUTSIDE)
        return max(GATEWAYS, key=lambda name: self.carried(name) - before[name])

    def unreachable(self) -> list[str]:
        """What the hypervisor's agent says of its next hops; nothing while it is away."""
        rows = self.house.api.list("/sdn/v1/agents", "agents")
        return [vtep for row in rows for vtep in row["unreachable"]]

    def told(self, *gateways: str) -> None:
        """Wait until exactly these are told to be unreachable."""
        expected = sorted(GATEWAYS[name] for name in gateways)
        wait_for(f"unreachable: {expected}", lambda: self.unreachable() == expected, timeout=30)

    def uses(self, gateway: str) -> None:
        """Wait until the guest's pings go through it."""
        wait_for(f"the way through {gateway}", lambda: self.user() == gateway, timeout=30)

    def best(self, *gateways: str) -> None:
        """Wait until exactly these are the best paths to the outside."""

        def are() -> bool:
            rows = self.house.api.list("/sdn/v1/routes", "routes")
            hops = {r["next_hop"] for r in rows if r["prefix"] == "203.0.113.0/24" and r["best"]}
            return hops == {GATEWAYS[name] for name in gateways}

        wait_for(f"best paths {gateways}", are, timeout=30)


@contextlib.contextmanager
def pair() -> Iterator[Pair]:
    """Both gateways up, probed and equal."""
    with house(1, dict.fromkeys(GATEWAYS, f"{OUTSIDE}/24")) as made:
        red = made.router("red", f"{ASN}:1")
        made.guest("web", made.network("front", "10.0.0.0/24", router=red), "hv1", GUEST)
        for name, address in GATEWAYS.items():
            made.exec(f"out-{name}", "ip route add default via 203.0.113.1")
            router(made, name, address, red["sdn:vni"])
            made.peer(name, address, "l2vpn-evpn", **PROBES)
        made.established(*GATEWAYS)
        made.reaches("web", OUTSIDE)
        both = Pair(made)
        both.best(*GATEWAYS)
        yield both


def lose_the_one_in_use(both: Pair) -> tuple[int, int, float]:
    """Cut the gateway in use under 100 pings a second: (sent, lost, longest silence in s)."""
    used = both.user()
    with both.house.pings("web", OUTSIDE) as pings:
        time.sleep(1)
        both.cut(used)
        both.told(used)
        time.sleep(0.5)
    both.mend(used)
    both.told()
    return pings.sent, pings.lost, pings.longest
