"""The model: the same flows whatever the way there, and differences that lead to them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from sdnctl.desired import (
    Desired,
    Evi,
    FdbEntry,
    FibEntry,
    FloodEntry,
    Irb,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    Vrf,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter.drivers.ovs.model import Difference, Flow, Model
from sdnctl_vrouter.drivers.ovs.translate import Tunnels

VXLAN, GRE = Encapsulation.VXLAN, Encapsulation.MPLS_GRE

macs = st.sampled_from([Mac.parse(f"fa:16:3e:00:00:0{n}") for n in range(1, 4)])
ips = st.sampled_from([Ip.parse(t) for t in ("10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1")])
vteps = st.sampled_from([Ip.parse(f"192.0.2.{n}") for n in range(1, 4)])
vnis = st.sampled_from([Vni(1), Vni(2)])
vrfs = st.sampled_from([Vni(0), Vni(10), Vni(11)])
preferences = st.sampled_from([(VXLAN, GRE), (GRE, VXLAN), (VXLAN,), (GRE,), ()])
hops = st.builds(
    NextHop,
    vteps,
    st.sampled_from([Label(0), Label(100)]),
    st.sampled_from([Vni(0), Vni(7)]),
    preferences,
    st.one_of(st.none(), macs),
)
prefixes = st.sampled_from(
    [Prefix.parse(t) for t in ("10.0.0.1/32", "10.0.0.0/24", "0.0.0.0/0", "::/0", "fd00::/64")]
)
resources: st.SearchStrategy[Desired] = st.one_of(
    st.builds(
        Node,
        st.just("h"),
        vteps,
        preferences,
        st.just(1500),
        macs,
        st.sampled_from([(), ((Ip.parse("192.0.2.2"), 5),)]),
    ),
    st.builds(
        LocalPort,
        st.sampled_from(["a", "b", "c"]),
        vnis,
        vrfs,
        macs,
        st.lists(ips, max_size=2, unique=True).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Evi, vnis, st.just(Label(16)), st.just(1450), vrfs),
    st.builds(
        Irb,
        vnis,
        vrfs,
        st.sampled_from(["gw", "gx"]),
        macs,
        st.lists(st.tuples(ips, st.sampled_from([24, 16])), max_size=2).map(tuple),
    ),
    st.builds(Neighbor, vnis, ips, macs),
    st.builds(FdbEntry, vnis, macs, hops),
    st.builds(FloodEntry, vnis, hops),
    st.builds(Vrf, st.sampled_from([Vni(10), Vni(11)]), st.just(Label(17))),
    st.builds(
        FibEntry,
        st.sampled_from([Vni(10), Vni(11)]),
        prefixes,
        st.lists(hops, min_size=1, max_size=3).map(tuple),
    ),
)


steps = st.one_of(
    st.tuples(st.just("put"), resources),
    st.tuples(st.just("drop"), st.integers(0, 30)),
    st.tuples(st.just("vif"), st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 4))),
    st.tuples(st.just("tunnels"), st.sampled_from([Tunnels(), Tunnels(8, 9), Tunnels(9, 8)])),
    st.tuples(st.just("flush"), st.none()),
)


class Table:
    """A switch: flows by slot, deleted by cookie; groups by number."""

    def __init__(self) -> None:
        self.flows: dict[bytes, Flow] = {}
        self.groups: set[int] = set()

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


@settings(max_examples=1000, deadline=None)
@given(st.lists(steps, max_size=40))
def test_the_way_does_not_matter(events: list[tuple[str, object]]) -> None:
    model, switch = Model(), Table()
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
                switch.receive(model.flush())
    switch.receive(model.flush())
    fresh, expected = Model(), Table()
    fresh.set_tunnels(model.tunnels)
    for port_id, ofport in vifs.items():
        fresh.set_vif(port_id, ofport)
    for key, resource in sorted(model.resources.items(), reverse=True):
        fresh.put(key, resource)
    expected.receive(fresh.flush())
    assert switch.flows == expected.flows
    assert switch.flows == {flow.slot: flow for _, flow in model.flows}
    assert switch.groups == expected.groups == model.groups.numbers
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
    for entry in entries:
        model.put(entry.key, entry)
    switch = Table()
    switch.receive(model.flush())
    assert set(model.failures) == {entries[1].key, entries[2].key}
    assert "too long" in model.failures[entries[1].key]
    assert "does not fit" in model.failures[entries[2].key]
    assert entries[3].key in [unit for unit, _ in model.flows]
    assert not switch.groups
