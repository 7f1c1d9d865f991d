"""Delivery and sessions without a network: what goes to whom, in which order, at what cost."""

from __future__ import annotations

import msgspec
import pytest

from sdnctl import wire
from sdnctl.delivery import session
from sdnctl.delivery.observed import REMEMBERED, Vif, VifChange
from sdnctl.desired import LocalPort, SecurityRule
from sdnctl.graph.relations.inputs import (
    GATEWAY,
    HYPERVISOR,
    LEARNED,
    NETWORK,
    PORT,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
)
from sdnctl.inspect import glass
from sdnctl.intent import (
    Binding,
    FixedIp,
    Gateway,
    Hypervisor,
    Network,
    Port,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.routes import MacIpRoute, Path, RouteKey
from sdnctl.types import Ip, Label, Mac, RouteDistinguisher, RouteTarget, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from tests.properties.mirror import House
from tests.properties.strategies.small import HOSTS, VTEPS, Write


def port(n: int, host: str, network: str = "n1") -> Write:
    return (
        PORT,
        f"p{n}",
        Port(
            id=f"p{n}",
            network_id=network,
            mac=Mac((0xFA << 40 | n).to_bytes(6, "big")),
            fixed_ips=(FixedIp("s", Ip.from_number(0x0A000000 + n, 4)),),
            host=host,
        ),
    )


def net(n: int) -> Write:
    row = Network(id=f"n{n}", vni=Vni(5000 + n), label=Label(100 + n), number=n)
    return NETWORK, f"n{n}", row


@pytest.fixture
def house() -> House:
    house = House()
    house.commit(
        [(HYPERVISOR, h, Hypervisor(id=h, vtep=v)) for h, v in zip(HOSTS, VTEPS, strict=True)]
    )
    house.commit([net(1), net(2)])
    return house


def rule(name: str, group: str) -> Write:
    row = SecurityGroupRule(id=name, security_group_id=group, direction="ingress", ethertype="IPv4")
    return SECURITY_GROUP_RULE, name, row


def keys(message: bytes) -> list[str]:
    parsed = wire.read_downstream(message)
    return [r.key for delta in parsed.groups for r in delta.upserts]


def test_a_bulk_is_cut_into_messages(house: House) -> None:
    """One message of it all could be more than gRPC takes, and would end every member's stream."""
    house.commit([port(0, "h0"), port(1, "h1")])
    house.connect("h0")
    house.connect("h1")
    house.settle()
    house.commit([port(n, "h0") for n in range(2, 2 * session.CHUNK)])
    for host in ("h0", "h1"):
        inbox = house.agents[host].inbox
        assert inbox
        assert max(len(keys(message)) for message in inbox) <= session.CHUNK
    house.settle()
    assert len(house.agents["h0"].desired) == 3 * 2 * session.CHUNK - 1 + 4
    row = house.delivery.observed.convergence(house.revision)
    assert row is not None
    assert row.outstanding == set()


def test_a_small_change_is_encoded_once(house: House) -> None:
    house.commit([port(0, "h0"), port(1, "h1"), port(2, "h2")])
    for host in HOSTS:
        house.connect(host)
    house.settle()
    house.commit([port(3, "h0")])
    delta = {host: house.agents[host].inbox[0] for host in HOSTS}
    shared = wire.read_downstream(delta["h1"]).groups[0].SerializeToString()
    assert all(shared in message for message in delta.values())


def test_ports_open_when_their_tables_are_complete(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 4 over many messages: itself, then the tables, then the ports; closing comes first."""
    monkeypatch.setattr(session, "CHUNK", 5)
    house.commit([port(n, "h1") for n in range(20)] + [port(n, "h0") for n in range(20, 23)])
    house.connect("h0")
    order: list[str] = []
    agent = house.agents["h0"]
    while agent.inbox:
        order += keys(agent.inbox[0])
        house.deliver("h0")
    assert order[0] == "node"
    assert [key.partition("/")[0] for key in order[-3:]] == ["port"] * 3
    assert len(order) == 1 + 1 + 23 * 2 + 2 + 3

    # Another network's ports come, one goes: it is closed before, they open after.
    house.commit(
        [port(20, "", "n1")]
        + [port(n, "h1", "n2") for n in range(30, 40)]
        + [port(n, "h0", "n2") for n in range(40, 42)]
    )
    first = wire.read_downstream(agent.inbox[0])
    assert first.groups[0].removals == ["port/p20"]
    order = [key for message in agent.inbox for key in keys(message)]
    assert order[-2:] == ["port/p40", "port/p41"]
    house.settle()
    assert {k for k, row in agent.desired.items() if isinstance(row, LocalPort)} == {
        "port/p21",
        "port/p22",
        "port/p40",
        "port/p41",
    }


def test_a_group_is_left_after_its_ports_are_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CHUNK", 2)
    house.commit([port(n, "h0") for n in range(5)])
    house.connect("h0")
    house.settle()
    house.commit([(PORT, f"p{n}", None) for n in range(5)])
    inbox = [wire.read_downstream(m) for m in house.agents["h0"].inbox]
    said = [(d.group, d.leave) for message in inbox for d in message.groups]
    assert said == [("node/h0", False)] * 3 + [("evi/5001", True)]


def test_an_agent_whose_switch_is_stuck_costs_bounded_memory(house: House) -> None:
    house.commit([port(0, "h0"), port(1, "h0")])
    house.connect("h0")
    live = house.live["h0"]
    for n in range(2 * REMEMBERED):  # it receives but never programs
        house.commit([port(1, "h0" if n % 2 else "h1")])
        house.agents["h0"].inbox.clear()
        live.ack(pb.Ack(received=live.sent))
    assert len(live._owed) <= REMEMBERED
    for n in range(2 * REMEMBERED):  # it does not even receive
        house.commit([port(1, "h0" if n % 2 else "h1")])
        house.agents["h0"].inbox.clear()
    assert len(live._waiting) <= REMEMBERED


def report(port_id: str, up: bool = True) -> pb.Upstream:
    return pb.Upstream(port_status=pb.PortStatus(port_id=port_id, up=up))


def test_only_what_is_there_is_reported(house: House) -> None:
    """An agent that tells of ports it has no business with fills no memory, and opens none."""
    house.commit([port(0, "h0"), port(1, "h1")])
    house.connect("h0")
    live = house.live["h0"]
    for name in ("p0", "p1", "nonsense"):
        house.delivery.received(live, report(name), 0.0, 0)
    observed = house.delivery.observed
    assert observed.agent("h0").ports == {"p0": Vif.UP}
    assert not observed.port_is_up("p1", "h1", 0.0)
    house.commit([(PORT, "p0", None)])
    house.delivery.received(live, report("p0", up=False), 0.0, 0)  # its VIF is unplugged later
    assert observed.agent("h0").ports == {}


def test_who_wants_to_know_hears_once_what_becomes_of_a_vif(house: House) -> None:
    house.commit([port(0, "h0"), port(1, "h1")])
    house.connect("h0")
    live, heard = house.live["h0"], list[VifChange]()
    house.delivery.on_vif = heard.append

    def said(now: float, port_id: str = "p0", **status: object) -> None:
        told = pb.PortStatus(port_id=port_id, **status)  # type: ignore[arg-type]
        house.delivery.received(live, pb.Upstream(port_status=told), now, 0)

    said(1.0)
    said(2.0, awaited=True, reason="no device")
    said(3.0, awaited=True, reason="no device", age_ms=1000)  # by the next stream
    said(4.0, failed=True, reason="no room")
    said(9.0, up=True, age_ms=3000)
    said(9.0, "p1", up=True)  # another hypervisor's
    said(9.0, up=True, age_ms=3000)
    assert heard == [
        VifChange("p0", "h0", Vif.GONE, Vif.AWAITED, 2.0),
        VifChange("p0", "h0", Vif.AWAITED, Vif.FAILED, 4.0),
        VifChange("p0", "h0", Vif.FAILED, Vif.UP, 6.0),
    ]


def test_what_is_plugged_stays_so_when_a_guest_moves(house: House) -> None:
    """The destination told of its VIF before the move: the port is up at once, and again at the
    source if it goes back."""
    observed = house.delivery.observed

    def bound(host: str, *others: Binding) -> None:
        _relation, id_, row = port(0, host)
        house.commit([(PORT, id_, msgspec.structs.replace(row, bindings=others))])
        house.settle()

    bound("h0", Binding("h1"))
    for host in ("h0", "h1"):
        house.delivery.received(house.live[host], report("p0"), 0.0, 0)
    assert glass.migrations(house.engine, house.delivery) == [
        {
            "port_id": "p0",
            "mac_address": "fa:00:00:00:00:00",
            "hypervisor": "h1",
            "role": "destination",
            "plugged": True,
            "active": "h0",
            "active_plugged": True,
            "sent_on": False,
        }
    ]
    bound("h1", Binding("h0", left=True))
    assert observed.is_plugged("p0", "h1")
    (row,) = glass.migrations(house.engine, house.delivery)
    assert (row["role"], row["active"], row["sent_on"]) == ("source", "h1", True)
    bound("h0", Binding("h1", left=True))
    assert observed.is_plugged("p0", "h0")
    bound("h0")
    assert not observed.is_plugged("p0", "h1")
    assert observed.is_plugged("p0", "h0")
    assert glass.migrations(house.engine, house.delivery) == []


def test_only_probed_next_hops_are_reported(house: House) -> None:
    def told(vtep: bytes, *, up: bool) -> set[Ip]:
        message = pb.Upstream(reachability=pb.Reachability(vtep=vtep, up=up))
        house.delivery.received(house.live["h0"], message, 0.0, 0)
        return set(house.delivery.observed.agent("h0").unreachable)

    gateway = Ip.parse("198.51.100.1")
    target = RouteTarget.parse("64512:8000001")
    path = Path(next_hop=gateway, route_targets=(target,), encapsulations=(), peer=True,
                label=Label(77))  # fmt: skip
    nlri = MacIpRoute(RouteDistinguisher.parse("1:1"), Mac.parse("02:00:00:00:00:09"), None)
    house.commit([
        port(0, "h0"),
        (GATEWAY, "gw", Gateway(id="gw", address=gateway, probe_interval=200)),
        (LEARNED, RouteKey("gw", nlri), path),
    ])  # fmt: skip
    house.connect("h0")
    house.settle()
    assert f"probe/5001/{gateway}" in house.agents["h0"].desired
    assert told(Ip.parse("198.51.100.2"), up=False) == set()
    assert told(b"nonsense", up=False) == set()
    assert told(gateway, up=False) == {gateway}
    assert told(gateway, up=True) == set()


def test_a_hypervisor_that_is_gone_is_forgotten(house: House) -> None:
    house.commit([port(0, "h0")])
    house.connect("h0")
    house.cut("h0")
    observed = house.delivery.observed
    assert observed.known("h0") is not None
    house.commit([(HYPERVISOR, "h0", None)])
    assert observed.known("h0") is None
    assert observed.known("h2") is None


def test_what_moves_to_another_group_stays(house: House) -> None:
    """Whatever the order in which an agent, here or away, hears of the two groups."""
    groups = [(SECURITY_GROUP, name, SecurityGroup(id=name)) for name in ("a", "b")]
    _relation, key, row = port(0, "h0")
    both = msgspec.structs.replace(row, security_groups=("a", "b"))
    house.commit([*groups, (PORT, key, both), rule("r1", "a"), rule("r2", "b")])
    house.connect("h0")
    house.settle()
    for places in (("b", "a"), ("a", "b")):
        for away in (False, True):
            if away:
                house.cut("h0")
            house.commit([rule(f"r{n}", group) for n, group in enumerate(places, 1)])
            house.settle()
            held = house.agents["h0"].desired.values()
            found = {r.rule_id: r.group for r in held if isinstance(r, SecurityRule)}
            assert (found.get("r1"), found.get("r2")) == places
