"""The controller without agents, switches or a speaker: a store, and routes as if learned."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest

from sdnctl import wire
from sdnctl.api import Reach
from sdnctl.app.controller import Controller
from sdnctl.bgp.peer import Family, Peer, Secret
from sdnctl.bgp.speakers import Speakers
from sdnctl.delivery.tables import group_of_node, group_of_vrf
from sdnctl.delta import Change
from sdnctl.desired import FibEntry, Node
from sdnctl.graph.relations.inputs import NETWORK
from sdnctl.intent import (
    ROUTER_INTERFACE_OWNER,
    BgpPeer,
    FixedIp,
    Gateway,
    Hypervisor,
    Link,
    Network,
    Port,
    Router,
    Row,
    Subnet,
)
from sdnctl.routes import IpPrefixRoute, Path, RouteKey
from sdnctl.store import Store, Transaction
from sdnctl.types import Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb

VTEPS = [Ip.parse(f"192.0.2.{n}") for n in (1, 2)]
GATEWAYS = [Ip.parse(f"198.51.100.{n}") for n in (1, 2)]
TARGET = RouteTarget.parse("65001:1")
ANYWHERE = Prefix.parse("0.0.0.0/0")


class House:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.controller = Controller(store, asn=64512, router_id=Ip.parse("192.0.2.9"), epoch=1)
        self.controller.load()

    async def put(self, *rows: Row) -> None:
        await self.change(lambda tx: [tx.put(row) for row in rows])

    async def change(self, work: Any) -> None:
        def run(tx: Transaction) -> None:
            work(tx)

        await self.store.transact(run)

    def table(self, group: str) -> dict[str, Any]:
        entries = self.controller.delivery.tables.table(group).entries
        return {k: wire.decode(pb.Resource.FromString(data)) for k, data in entries.items()}

    def node(self, host: str) -> Node:
        row = self.table(group_of_node(host))["node"]
        assert isinstance(row, Node)
        return row

    def used(self, host: str) -> set[Ip]:
        """The next hops of the default route that the agent of ``host`` keeps."""
        row = self.table(group_of_vrf(9001))[f"fib/9001/{ANYWHERE}"]
        assert isinstance(row, FibEntry)
        cost = {hop.vtep: dict(self.node(host).distances).get(hop.vtep, 0) for hop in row.via}
        return {vtep for vtep, far in cost.items() if far == min(cost.values())}


def learned(n: int, **said: Any) -> Change[RouteKey, Path]:
    key = RouteKey(f"gw{n}", IpPrefixRoute(RouteDistinguisher.parse("65001:1"), ANYWHERE))
    path = Path(
        next_hop=GATEWAYS[n],
        route_targets=(TARGET,),
        encapsulations=(),
        label=Label(70 + n),
        as_path=(65001,),
        peer=True,
        ebgp=True,
        **said,
    )
    return Change(key, None, path)


@pytest.fixture
async def house(tmp_path: FilePath) -> AsyncIterator[House]:
    store = await Store.open(tmp_path / "store.db")
    house = House(store)
    await house.put(
        *(Hypervisor(id=f"h{n}", vtep=vtep) for n, vtep in enumerate(VTEPS)),
        *(Gateway(id=f"gw{n}", address=address) for n, address in enumerate(GATEWAYS)),
        Network(id="n", vni=Vni(5001), label=Label(101), number=1),
        Subnet(id="s", network_id="n", prefix=Prefix.parse("10.0.0.0/24")),
        Router(id="r", vni=Vni(9001), label=Label(900), number=2, import_targets=(TARGET,)),
        Port(
            id="i",
            network_id="n",
            mac=Mac.parse("fa:16:3e:00:00:01"),
            fixed_ips=(FixedIp("s", Ip.parse("10.0.0.1")),),
            device_owner=ROUTER_INTERFACE_OWNER,
            device_id="r",
        ),
        *(
            Port(
                id=f"p{n}",
                network_id="n",
                mac=Mac.parse(f"fa:16:3e:00:01:0{n}"),
                fixed_ips=(FixedIp("s", Ip.parse(f"10.0.0.1{n}")),),
                host=f"h{n}",
            )
            for n in (0, 1)
        ),
    )
    yield house
    await store.close()


def cables(near: int, far: int) -> list[Row]:
    return [
        Link(id="a", a="h0", b="gw0", cost=near),
        Link(id="b", a="h1", b="gw1", cost=near),
        Link(id="c", a="h0", b="h1", cost=far),
    ]


async def test_what_only_moves_a_revision_is_not_computed(house: House) -> None:
    """A group may have many rules, and a network many ports; one of them moves its revision."""
    [network] = house.store.rows(Network)
    computed = house.controller.engine.rows(NETWORK)
    counted = msgspec.structs.replace(
        network, revision_number=network.revision_number + 1, updated_at=7
    )
    await house.put(counted)
    assert house.store.get(Network, network.id) == counted
    assert computed[network.id] is network
    changed = msgspec.structs.replace(
        counted, revision_number=counted.revision_number + 1, mtu=network.mtu + 1
    )
    await house.put(changed)
    assert house.controller.engine.rows(NETWORK)[network.id] == changed


async def test_each_hypervisor_uses_the_nearer_gateway(house: House) -> None:
    house.controller.learned([learned(0), learned(1)])
    assert house.used("h0") == house.used("h1") == set(GATEWAYS)  # nothing is known of cables
    await house.put(*cables(1, 5))
    assert house.node("h0").distances == ((GATEWAYS[0], 1), (GATEWAYS[1], 6))
    assert house.used("h0") == {GATEWAYS[0]}
    assert house.used("h1") == {GATEWAYS[1]}

    # The nearer one's cable is cut, and comes back dearer than the way round.
    await house.change(lambda tx: tx.delete(Link, "a"))
    assert house.used("h0") == house.used("h1") == {GATEWAYS[1]}
    await house.put(Link(id="a", a="h0", b="gw0", cost=6))
    assert house.used("h0") == set(GATEWAYS)


async def test_distances_are_known_wherever_the_routes_come_last(house: House) -> None:
    await house.put(*cables(1, 5))
    assert house.node("h0").distances == ()  # nothing competes yet
    house.controller.learned([learned(0)])
    house.controller.learned([learned(1)])
    assert house.used("h0") == {GATEWAYS[0]}
    house.controller.learned([Change(learned(0).key, learned(0).new, None)])
    assert house.used("h0") == {GATEWAYS[1]}
    assert house.node("h0").distances == ()


async def test_distance_decides_among_equals_only(house: House) -> None:
    await house.put(*cables(1, 5))
    house.controller.learned([learned(0), learned(1, local_preference=200)])
    assert house.used("h0") == house.used("h1") == {GATEWAYS[1]}


async def test_who_sees_a_gateway(house: House) -> None:
    """Of those that probe it: the members of what uses it, as far as their agents are there."""
    delivery = house.controller.delivery
    hello = pb.Hello(epoch=0)
    for host in ("h0", "h1"):
        delivery.attach(host, hello, 0.0)
    house.controller.learned([learned(0)])
    assert house.controller.reach(GATEWAYS[0]) == Reach()  # it is not to be probed
    await house.put(Gateway(id="gw0", address=GATEWAYS[0], probe_interval=100))
    assert house.controller.reach(GATEWAYS[0]) == Reach(("h0", "h1"))
    session = delivery.sessions["h1"]
    told = pb.Upstream(reachability=pb.Reachability(vtep=GATEWAYS[0], up=False))
    delivery.received(session, told, 0.0, 0)
    assert house.controller.reach(GATEWAYS[0]) == Reach(("h0",), ("h1",))
    assert house.controller.reach(GATEWAYS[1]) == Reach()
    delivery.detach("h1", session, 0.0)
    assert house.controller.reach(GATEWAYS[0]) == Reach(("h0",))


@pytest.mark.parametrize("way", ["learned", "committed"])
async def test_a_step_that_fails_ends_the_process(
    house: House, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A half-applied change would be wrong for good; a restart computes everything anew."""
    ended: list[tuple[int, int]] = []

    def fails(*_arguments: Any) -> None:
        raise KeyError("a rule")

    monkeypatch.setattr(os, "kill", lambda *arguments: ended.append(arguments))
    monkeypatch.setattr(house.controller.delivery, "commit", fails)
    if way == "learned":
        house.controller.learned([learned(0)])
    else:
        await house.put(Gateway(id="gw9", address=Ip.parse("198.51.100.9")))
    assert ended == [(os.getpid(), signal.SIGABRT)]
    assert "could not be computed" in caplog.text


async def test_speakers_are_told_all_of_a_peer_and_by_group(
    house: House, tmp_path: FilePath
) -> None:
    class Told(Speakers):
        def set_peers(self, peers: Mapping[str, Iterable[Peer]]) -> None:
            self.peers = {group: list(members) for group, members in peers.items()}
            super().set_peers(self.peers)

    speakers = Told(tmp_path, lambda _l: None, lambda _s: None)
    house.controller.connect_speakers(speakers)
    assert speakers.peers == {}
    common: dict[str, Any] = {
        "address": Ip.parse("198.51.100.7"),
        "asn": 4200000000,
        "port": 1179,
        "hold_time": 9,
        "graceful_restart": 33,
        "long_lived_stale": 3600,
        "passive": True,
        "ttl_security": 1,
        "max_prefixes": 1000,
        "add_path": True,
    }
    row = BgpPeer(
        id="gw", group="east", families=("l2vpn-evpn", "route-target"), password="x", **common
    )
    down = BgpPeer(id="off", address=Ip.parse("198.51.100.8"), asn=1, admin_state_up=False)
    other = BgpPeer(id="west", address=Ip.parse("198.51.100.9"), asn=1)
    await house.put(row, down, other)
    (peer,) = speakers.peers["east"]
    assert peer == Peer(
        name="gw",
        local_asn=64512,
        router_id=Ip.parse("192.0.2.9"),
        families=(Family.EVPN, Family.ROUTE_TARGET),
        password=Secret("x"),
        **common,
    )
    assert [peer.name for peer in speakers.peers["default"]] == ["west"]
    assert [event.peer for event in speakers.sessions] == ["gw", "west"]
