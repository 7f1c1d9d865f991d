"""Which way a resource takes: encapsulation, nearest paths, shares of a flood list."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sdnctl.desired import FibEntry, FloodEntry, LocalPort, NextHop, Node
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter.drivers.ovs import nexthops
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.floods import FLOOD_CHUNK, flood_remote
from sdnctl_vrouter.drivers.ovs.nexthops import choose, flood_entry
from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.ports import local_port
from sdnctl_vrouter.drivers.ovs.standby import flows as flows_of_standby
from sdnctl_vrouter.drivers.ovs.translation import NOTHING, Translation, Tunnels, Unreachable

VXLAN, GRE, UDP = Encapsulation.VXLAN, Encapsulation.MPLS_GRE, Encapsulation.MPLS_UDP
MAC = Mac.parse("02:00:00:00:00:01")
HERE, NEAR, FAR, SIX = (
    Ip.parse(text) for text in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::2")
)


def node(*preference: Encapsulation, distances: tuple[tuple[Ip, int], ...] = ()) -> Node:
    return Node("h", HERE, preference, 1500, MAC, distances)


def hop(vtep: Ip, *accepted: Encapsulation, label: int = 100, vni: int = 7) -> NextHop:
    return NextHop(vtep, Label(label), Vni(vni), accepted, MAC)


def entry(*via: NextHop) -> FibEntry:
    return FibEntry(Vni(10), Prefix.parse("10.0.0.0/8"), via)


def fib(resource: FibEntry, here: Node) -> Translation:
    return nexthops.fib(resource, here, Tunnels(8, 9))


def ranks(translation: Translation) -> dict[Ip, int]:
    return {bucket.vtep: bucket.rank for bucket in translation.buckets}


@pytest.mark.parametrize(
    ("preference", "accepted", "chosen"),
    [
        ((VXLAN, GRE), (GRE, VXLAN), VXLAN),
        ((GRE, VXLAN), (VXLAN, GRE), GRE),
        ((VXLAN, GRE), (GRE,), GRE),
        ((UDP, VXLAN), (UDP, VXLAN), VXLAN),
    ],
)
def test_the_encapsulation_is_the_first_that_both_know(
    preference: tuple[Encapsulation, ...],
    accepted: tuple[Encapsulation, ...],
    chosen: Encapsulation,
) -> None:
    assert choose(hop(NEAR, *accepted), node(*preference), routed=True) is chosen


def test_an_encapsulation_needs_its_identifier() -> None:
    both = node(VXLAN, GRE)
    assert choose(hop(NEAR, VXLAN, GRE, vni=0), both, routed=True) is GRE
    assert choose(hop(NEAR, GRE, VXLAN, label=0), both, routed=True) is VXLAN
    no_mac = hop(NEAR, VXLAN, GRE)._replace(router_mac=None)
    assert choose(no_mac, both, routed=True) is GRE
    assert choose(no_mac, both, routed=False) is VXLAN
    with pytest.raises(Unreachable, match="accepts mpls-udp, this node sends vxlan, mpls-gre"):
        choose(hop(NEAR, UDP), both, routed=True)


def test_the_nearest_paths_are_used() -> None:
    near, far = hop(NEAR, GRE), hop(FAR, GRE)
    head = t.fib_remote_4(fib_priority(8, Preference.REMOTE), 10, b"\x0a\0\0\0", b"\xff\0\0\0")
    costs = ((NEAR, 1), (FAR, 2))
    both = fib(entry(near, far), node(GRE))
    assert both.flows == (head,)
    assert ranks(both) == {NEAR: 0, FAR: 0}
    assert all(t.routed_mpls_4(b.vtep, 100) in b.data for b in both.buckets)
    assert ranks(fib(entry(near, far), node(GRE, distances=costs))) == {NEAR: 0, FAR: 1}
    unlisted = ((NEAR, 1),)
    assert ranks(fib(entry(near, far), node(GRE, distances=unlisted))) == {
        NEAR: 1,
        FAR: 0,
    }


def test_a_backup_ranks_behind_the_farthest_of_the_best() -> None:
    near, far, six = hop(NEAR, GRE), hop(FAR, GRE), hop(SIX, GRE)
    there = node(GRE, distances=((NEAR, 1), (FAR, 9)))
    with_backup = FibEntry(Vni(10), Prefix.parse("10.0.0.0/8"), (near, far), (six,))
    assert ranks(fib(with_backup, there)) == {NEAR: 0, FAR: 1, SIX: 2}
    deaf = FibEntry(Vni(10), Prefix.parse("10.0.0.0/8"), (hop(NEAR, VXLAN),), (far,))
    assert t.routed_mpls_4(FAR, 100) in fib(deaf, there).flows[-1]


def test_a_far_ends_own_vni_is_accepted_from_it_alone() -> None:
    own = fib(entry(hop(NEAR, VXLAN, vni=10)), node(VXLAN)).flows
    other = fib(entry(hop(NEAR, VXLAN, vni=99)), node(VXLAN)).flows
    assert len(own) == 1
    assert other[:-1] == (t.vxlan_vrf_from_4(8, NEAR, 99, 10),)
    assert flood_entry(FloodEntry(Vni(7), hop(NEAR, VXLAN)), Tunnels(8, 9)) is NOTHING
    flood = FloodEntry(Vni(7), hop(SIX, VXLAN, vni=99))
    assert flood_entry(flood, Tunnels(8, 9)).flows == (t.vxlan_evi_from_6(8, SIX, 99, 7),)
    assert flood_entry(flood, Tunnels(0, 9)) is NOTHING


def test_ourselves_and_the_unreachable_are_left_out() -> None:
    ours, deaf, near = hop(HERE, GRE, vni=10), hop(FAR, VXLAN), hop(NEAR, GRE)
    assert fib(entry(ours), node(GRE)) is NOTHING
    assert t.routed_mpls_4(NEAR, 100) in fib(entry(ours, deaf, near), node(GRE)).flows[-1]
    with pytest.raises(Unreachable, match=str(FAR)):
        fib(entry(ours, deaf), node(GRE))


def test_another_vrf_of_our_own_is_the_nearest() -> None:
    theirs, near = hop(HERE, GRE, vni=99), hop(NEAR, GRE)
    (flow,) = fib(entry(near, theirs), node(GRE)).flows
    assert flow == t.fib_leaked_4(1000 + 8 * 8 + 2, 10, Ip.parse("10.0.0.0"), b"\xff\0\0\0", 99)


def test_an_ipv6_underlay() -> None:
    flow = fib(entry(hop(SIX, VXLAN)), node(VXLAN)).flows[-1]
    assert t.routed_vxlan_6(MAC, SIX, 7) in flow


def test_a_long_flood_list_is_several_flows() -> None:
    members = [t.via_mpls_4(Ip.from_number(n, 4), 100) for n in range(2 * FLOOD_CHUNK + 1)]
    flows = flood_remote(7, members).flows
    assert len(flows) == 3
    assert [t.next_chunk(n + 1) in flow for n, flow in enumerate(flows)] == [True, True, False]
    assert sum(flow.count(m) for flow in flows for m in members[:3]) == 3
    assert max(map(len, flows)) < 1 << 16


def standby(*, onward: NextHop | None = None, routed: NextHop | None = None) -> LocalPort:
    return LocalPort(
        *("p", Vni(7), Vni(10), MAC, (Ip.parse("10.0.0.9"),)),
        standby=True,
        onward=onward,
        onward_routed=routed,
    )


def tables(flows: Iterable[bytes]) -> list[int]:
    """The tables of flows: an octet behind the cookie's mask, which begins a message."""
    return [flow[8] for flow in flows]


def test_nothing_but_tunnels_leads_to_a_guest_that_is_expected() -> None:
    here = node(VXLAN)
    own = local_port(standby(), 5, 0, Tunnels(8, 9)).flows
    assert Table.L2 not in tables(own)
    assert Table.FIB not in tables(own)
    assert Table.CLASSIFY in tables(own), "it may speak"
    led = list(flows_of_standby(standby(), 5, here))
    assert led == [
        t.l2_arriving(7, MAC, 5),
        t.fib_arriving_4(10, Ip.parse("10.0.0.9"), MAC, 7, 5),
    ]


def test_what_is_for_a_guest_that_left_goes_on_by_what_both_know() -> None:
    onward = hop(NEAR, VXLAN, GRE)
    left = standby(onward=onward, routed=onward)
    led = list(flows_of_standby(left, 5, node(GRE, VXLAN)))
    assert tables(led) == [Table.L2, Table.L2, Table.FIB, Table.FIB]
    assert all(t.via_mpls_4(NEAR, 100) in flow for flow in led[:1])
    assert all(t.routed_mpls_4(NEAR, 100) in flow for flow in led[2:3])
    # Not to itself, by nothing in common, or before it knows what it is: the rest is unharmed.
    assert not list(flows_of_standby(standby(onward=hop(HERE, VXLAN)), 5, node(VXLAN)))
    assert not list(flows_of_standby(standby(onward=hop(SIX, VXLAN)), 5, node(VXLAN)))
    assert not list(flows_of_standby(standby(onward=hop(NEAR, UDP)), 5, node(VXLAN)))
    assert not list(flows_of_standby(left, 5, None))
