"""The model: the same flows whatever the way there, and differences that lead to them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from sdnctl.desired import (
    Desired,
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    Irb,
    Limit,
    Limits,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    Qos,
    RemoteAddresses,
    SecurityRule,
    Vrf,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter.drivers.ovs.flows import Flow
from sdnctl_vrouter.drivers.ovs.model import STATIC, Difference, Model
from sdnctl_vrouter.drivers.ovs.pipeline import Table
from sdnctl_vrouter.drivers.ovs.translation import Tunnels

VXLAN, GRE = Encapsulation.VXLAN, Encapsulation.MPLS_GRE

M1, M2 = Mac.parse("fa:16:3e:00:00:01"), Mac.parse("fa:16:3e:00:00:02")
IP1, IP2, IP6 = (Ip.parse(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::1"))
HERE, THERE, BEYOND = (Ip.parse(f"192.0.2.{n}") for n in (1, 2, 3))
EVIS, VRFS = (Vni(1), Vni(2)), (Vni(10), Vni(11))


def hop(vtep: Ip, *accepted: Encapsulation, mac: Mac | None = M1) -> NextHop:
    return NextHop(vtep, Label(100), Vni(7), accepted, mac)


HOPS = [
    hop(HERE, VXLAN, GRE),
    hop(THERE, VXLAN, GRE),
    hop(BEYOND, VXLAN, GRE),
    hop(THERE, GRE),
    hop(THERE, VXLAN, mac=None),
    hop(BEYOND),
]
FAR = ((THERE, 5),)
POOL: list[Desired] = [
    *(
        Node("h", HERE, preference, 1500, M1, distances)
        for preference in ((VXLAN, GRE), (GRE, VXLAN), (GRE,))
        for distances in ((), FAR)
    ),
    Node("h", THERE, (VXLAN, GRE), 1500, M2),
    *(Evi(vni, Label(label), 1450, VRFS[0]) for vni in EVIS for label in (16, 15)),
    *(Vrf(vni, Label(label)) for vni in VRFS for label in (17, 18)),
    *(
        LocalPort(port_id, vni, vrf, M1, addresses, up, security)
        for port_id in "abc"
        for vni in EVIS
        for vrf, addresses in ((VRFS[0], (IP1, IP6)), (Vni(0), (IP1,)), (VRFS[1], ()))
        for up, security in ((True, True), (True, False), (False, True))
    ),
    *(
        LocalPort(port_id, EVIS[0], Vni(0), M1, (IP1,), security_groups=groups, pairs=pairs)
        for port_id in "abc"
        for groups in (("g0",), ("g0", "g1"), ("g1",))
        for pairs in ((), ((M2, Prefix.parse("10.0.0.0/24")), (M1, Prefix.parse("fd00::/64"))))
    ),
    *(
        LocalPort(port_id, EVIS[0], Vni(0), M1, (IP1,), security=secure, parent=parent, vlan=vlan)
        for port_id in "bc"
        for secure in (True, False)
        for parent, vlan in (("a", 7), ("a", 8), ("ghost", 7))
    ),
    *(
        LocalPort(port_id, EVIS[0], Vni(0), M1, (IP1,), security=secure, qos=qos)
        for port_id in "ab"
        for secure in (True, False)
        for qos in (
            Qos(dscp=46),
            Qos(egress=Limit(1000, 800)),
            Qos(Limit(1000, 800), Limit(2000, 7), 0),
        )
    ),
    *(
        LocalPort(
            *(port_id, EVIS[0], VRFS[0], M1, (IP1,)),
            pairs=tuple((mac, Prefix.host(ip)) for mac in (M1, M2) for ip in (IP2, IP6)),
            claimed=claimed,
            standby=standby,
        )
        for port_id in "abc"
        for claimed in ((), ((M1, IP2),), ((M2, IP2), (M2, IP6)))
        for standby in (False, True)
    ),
    *(
        LocalPort(
            *(port_id, EVIS[0], vrf, M1, (IP1, IP6)),
            standby=True,
            onward=onward,
            onward_routed=onward and onward._replace(router_mac=M2),
            picks_up=True,
            behind=behind,
            router_mac=M2,
        )
        for port_id in "abc"
        for vrf in (VRFS[0], Vni(0))
        for onward in (None, HOPS[0], HOPS[1], HOPS[3], HOPS[5])
        for behind in ((), (Prefix.parse("10.0.0.0/24"), Prefix.parse("::/0")))
    ),
    *(
        SecurityRule(
            *(group, rule_id, ingress, version, protocol, ports[0], ports[1]),
            *(prefix, remote, stateful),
        )
        for group in ("g0", "g1")
        for rule_id in ("r0", "r1", "r2")
        for ingress, version, protocol, ports, prefix, remote, stateful in (
            (True, 4, 6, (80, 90), None, "s0", True),
            (True, 4, 6, (80, 90), None, "s1", True),
            (True, 4, 6, (80, 90), None, "", True),
            (True, 4, 6, (85, 85), Prefix.parse("10.0.0.0/8"), "", False),
            (False, 6, None, (None, None), None, "s0", True),
            (False, 4, 33, (1, 2), None, "", True),
        )
    ),
    *(
        RemoteAddresses(remote, name, prefixes)
        for remote in ("s0", "s1")
        for name in ("m0", "m1")
        for prefixes in (
            (Prefix.host(IP1),),
            (Prefix.host(IP1), Prefix.host(IP6)),
            (Prefix.parse("0.0.0.0/0"), Prefix.parse("::/0")),
        )
    ),
    *(
        Irb(EVIS[0], VRFS[0], port_id, mac, addresses)
        for port_id, mac in (("gw", M1), ("gx", M2))
        for addresses in ((), ((IP1, 24), (IP2, 24)), ((IP1, 16), (IP6, 64)))
    ),
    *(Neighbor(EVIS[0], ip, mac) for ip in (IP1, IP6) for mac in (M1, M2)),
    *(FdbEntry(vni, M1, via) for vni in EVIS for via in HOPS),
    *(FloodEntry(vni, via) for vni in EVIS for via in HOPS),
    *(
        FibEntry(VRFS[0], Prefix.parse(prefix), via)
        for prefix in ("10.0.0.1/32", "10.0.0.0/24", "::/0")
        for via in ((HOPS[0],), (HOPS[1],), (HOPS[1], HOPS[2]), tuple(HOPS), (HOPS[5],))
    ),
    *(
        FloatingAddress(VRFS[1], ip, VRFS[0], IP1, 0x8001, limits)
        for ip in (IP2, Ip.parse("203.0.113.7"))
        for limits in (None, Limits(1, Limit(1, 2)), Limits(1, None, Limit(3, 4)))
    ),
    *(
        Exit(VRFS[0], VRFS[1], 0x8001, (), True, False, IP2, at, limits)
        for at in (*HOPS[:2], None)
        for limits in (None, Limits(0x8001, Limit(9, 8)))
    ),
    *(
        Forwarding(VRFS[0], "x", VRFS[1], IP2, 6, (80, 80), IP1, (80, 80), 0x8001, at, limits)
        for at in HOPS[:2]
        for limits in (None, Limits(1, Limit(5, 6), Limit(7, 8)))
    ),
]
"""Resources that collide: few keys, each with several values, and values that share matches."""

KINDS = sorted({type(resource).__name__ for resource in POOL})
resources = st.sampled_from(KINDS).flatmap(
    lambda name: st.sampled_from([r for r in POOL if type(r).__name__ == name])
)
ports = st.sampled_from(["a", "b", "c", "trunk-side/b", "trunk-side/c"])
steps = st.one_of(
    st.tuples(st.just("put"), resources),
    st.tuples(st.just("put"), resources),
    st.tuples(st.just("drop"), st.integers(0, 30)),
    st.tuples(st.just("vif"), st.tuples(ports, st.sampled_from([0, 1, 2]))),
    st.tuples(st.just("tunnels"), st.sampled_from([Tunnels(), Tunnels(8, 9), Tunnels(9, 8)])),
    st.tuples(st.just("flush"), st.none()),
)
ways = st.lists(steps, min_size=20, max_size=60).map(
    lambda way: [
        ("put", POOL[0]),
        *(("vif", (name, number)) for number, name in enumerate("abc", 1)),
        *(("vif", (f"trunk-side/{name}", number)) for number, name in enumerate("bc", 4)),
        *way,
    ]
)


class Switch:
    """A switch: flows by slot, deleted by cookie; groups by number."""

    def __init__(self) -> None:
        self.flows: dict[bytes, Flow] = {}
        self.groups: set[int] = set()
        self.meters: dict[int, Limit] = {}

    def measure(self, model: Model) -> None:
        """Take over the differences of a model with its meters."""
        for difference in model.flush():
            self.receive([difference])
            for number in difference.meters:
                self.meters.pop(number, None)
                if (limit := model.meters.get(number)) is not None:
                    self.meters[number] = limit

    def receive(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            for message in difference.groups:
                self.groups.add(struct.unpack_from("!I", message, 4)[0])
            for _, flow in difference.flows:
                self.flows[flow.slot] = flow
            for cookie in difference.dead_flows:
                self.flows = {s: f for s, f in self.flows.items() if f.cookie != cookie}
            for message in difference.dead_groups:
                self.groups.remove(struct.unpack_from("!I", message, 4)[0])


@settings(max_examples=600, deadline=None)
@given(ways)
def test_the_way_does_not_matter(events: list[tuple[str, object]]) -> None:
    model, switch = Model(), Switch()
    vifs: dict[str, int] = {}
    for kind, value in events:
        match kind, value:
            case "put", resource:
                assert isinstance(resource, Desired)
                model.put(resource.key, resource)
            case "drop", int(place):
                if keys := sorted(model.resources):
                    model.put(keys[place % len(keys)], None)
            case "vif", (str(port_id), int(ofport)):
                vifs[port_id] = ofport
                model.set_vif(port_id, ofport)
            case "tunnels", Tunnels() as tunnels:
                model.set_tunnels(tunnels)
            case _:
                switch.measure(model)
    switch.measure(model)
    fresh, expected = Model(), Switch()
    fresh.set_tunnels(model.tunnels)
    for port_id, ofport in vifs.items():
        fresh.set_vif(port_id, ofport)
    for key, resource in sorted(model.resources.items(), reverse=True):
        fresh.put(key, resource)
    expected.receive(fresh.flush())
    assert switch.flows == expected.flows
    assert switch.flows == {flow.slot: flow for _, flow in model.flows}
    assert switch.groups == expected.groups == model.groups.numbers
    assert switch.meters == model.meters.desired == fresh.meters.desired
    assert model.failures == fresh.failures


def test_what_does_not_fit_fails_alone() -> None:
    model = Model()
    hop = NextHop(Ip.parse("192.0.2.9"), Label(100), Vni(0), (GRE,))
    node = Node("h", Ip.parse("192.0.2.1"), (GRE,), 1500, Mac.parse("02:00:00:00:00:01"))
    many = tuple(hop._replace(label=Label(16 + n)) for n in range(1500))
    entries: list[Desired] = [
        node,
        FibEntry(Vni(10), Prefix.parse("10.0.0.0/24"), many),
        FibEntry(Vni(1 << 32), Prefix.parse("10.0.1.0/24"), (hop,)),
        FibEntry(Vni(10), Prefix.parse("10.0.2.0/24"), (hop,)),
    ]
    model.set_tunnels(Tunnels(8, 9))
    for entry in entries:
        model.put(entry.key, entry)
    switch = Switch()
    switch.receive(model.flush())
    assert set(model.failures) == {entries[1].key, entries[2].key}
    assert "too long" in model.failures[entries[1].key]
    assert "does not fit" in model.failures[entries[2].key]
    assert entries[3].key in [unit for unit, _ in model.flows]
    assert not switch.groups


def test_the_first_by_name_holds_a_match_and_the_next_inherits() -> None:
    model, switch = Model(), Switch()
    ports = [LocalPort(name, EVIS[0], Vni(0), M1, (), security=False) for name in "dbac"]
    held = []
    for number, port in enumerate(ports, 1):
        model.set_vif(port.port_id, number)
        model.put(port.key, port)
    for name in "abcd":
        switch.receive(model.flush())
        l2 = [unit for unit, flow in model.flows if flow.slot[0] == Table.L2]
        held.append([unit for unit in l2 if unit.startswith("port/")])
        model.put(f"port/{name}", None)
    assert held == [[f"port/{name}"] for name in "abcd"]
    switch.receive(model.flush())
    static = {flow.slot for unit, flow in model.flows if unit == STATIC}
    assert {slot for slot in switch.flows if slot[0] == Table.L2} <= static


def test_a_group_passes_from_one_entry_to_another() -> None:
    model, switch = Model(), Switch()
    one, two = (Prefix.parse(f"10.0.{n}.0/24") for n in (1, 2))
    model.put("node", POOL[0])
    for via, other in (((HOPS[1], HOPS[2]), (HOPS[1],)), ((HOPS[1],), (HOPS[1], HOPS[2]))):
        for prefix, hops in ((one, via), (two, other)):
            entry = FibEntry(VRFS[0], prefix, hops)
            model.put(entry.key, entry)
        switch.receive(model.flush())
        assert len(switch.groups) == 1


def test_a_node_without_its_tunnels_says_so() -> None:
    model = Model()
    model.put("node", POOL[0])
    model.set_tunnels(Tunnels(8, 0))
    failures = [difference.failures for difference in model.flush()]
    assert {"node": "the switch has no port for mpls-gre"} in failures
    model.set_tunnels(Tunnels(8, 9))
    assert {"node": ""} in [difference.failures for difference in model.flush()]
