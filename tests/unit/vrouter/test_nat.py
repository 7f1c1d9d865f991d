"""Exits, floating IPs and port forwardings to flows, and what does not fit."""

from __future__ import annotations

import msgspec
import pytest

from sdnctl.desired import Exit, FloatingAddress, Forwarding, Limit, Limits, NextHop, Node
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl_vrouter.drivers.ovs import nat
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.meters import outside
from sdnctl_vrouter.drivers.ovs.translation import Unreachable

HERE, THERE = Ip.parse("192.0.2.1"), Ip.parse("192.0.2.2")
MAC = Mac.parse("02:00:00:00:00:01")
FIXED, FLOATING = Ip.parse("10.0.0.5"), Ip.parse("203.0.113.5")
NODE = Node("h", HERE, (Encapsulation.VXLAN,), 1500, MAC)
ZONE = 0x8007


def at(vtep: Ip) -> NextHop:
    return NextHop(vtep, Label(100), Vni(9), (Encapsulation.VXLAN,), MAC)


def forwarding(vtep: Ip, ports: tuple[int, int], internal: tuple[int, int]) -> Forwarding:
    ends = (FLOATING, 6, ports, FIXED, internal)
    return Forwarding(Vni(9), "f", Vni(8), *ends, ZONE, at(vtep))


def way_out(**more: object) -> Exit:
    default = Prefix.parse("0.0.0.0/0")
    return Exit(Vni(9), Vni(8), ZONE, (default,), **more)  # type: ignore[arg-type]


def test_who_does_not_translate_sends_to_who_does() -> None:
    row = way_out(snat=True, address=FLOATING, at=at(THERE))
    flows = nat.exit_(row, NODE).flows
    assert len(flows) == 2
    assert t.routed_vxlan_4(MAC, THERE, 9) in flows[-1]


def test_nobody_to_translate_means_that_nothing_leaves_untranslated() -> None:
    flows = nat.exit_(way_out(snat=True, address=None, at=at(HERE)), NODE).flows
    assert t.exit_plain(9, 8) not in flows
    assert not any(t.central_hide(9, ZONE, FLOATING) == flow for flow in flows)
    assert t.exit_plain(9, 8) in nat.exit_(way_out(), NODE).flows


def test_forwarded_ports_are_one_to_one_in_order_or_all_to_one() -> None:
    same = nat.forwarding(forwarding(HERE, (80, 83), (80, 83)), NODE).flows
    assert t.forwarding_same_tcp(8, FLOATING, 80, 0xFFFC, ZONE, FIXED) in same
    moved = nat.forwarding(forwarding(HERE, (80, 83), (8080, 8083)), NODE).flows
    for n in range(4):
        assert t.forwarding_to_tcp(8, FLOATING, 80 + n, 0xFFFF, ZONE, FIXED, 8080 + n) in moved
    one = nat.forwarding(forwarding(HERE, (80, 83), (8080, 8080)), NODE).flows
    assert t.forwarding_to_tcp(8, FLOATING, 80, 0xFFFC, ZONE, FIXED, 8080) in one
    # Elsewhere answers go to who translates, and errors about what was forwarded.
    assert len(nat.forwarding(forwarding(THERE, (80, 83), (8080, 8083)), NODE).flows) == 2


def test_what_cannot_be_forwarded_is_told() -> None:
    with pytest.raises(Unreachable, match="2001 ports"):
        nat.forwarding(forwarding(HERE, (1000, 3000), (2000, 4000)), NODE)
    sctp = Forwarding(Vni(9), "f", Vni(8), FLOATING, 132, (1, 1), FIXED, (1, 1), ZONE, at(HERE))
    with pytest.raises(Unreachable, match="IP protocol 132"):
        nat.forwarding(sctp, NODE)


def test_how_fast_an_address_may_be_is_not_what_it_stands_for() -> None:
    row = FloatingAddress(Vni(8), FLOATING, Vni(9), FIXED, ZONE)
    slow = msgspec.structs.replace(row, limits=Limits(7, Limit(1000, 800)))
    assert not nat.gives_up(row, slow)
    assert not nat.gives_up(slow, row)
    assert nat.gives_up(row, None)
    assert nat.gives_up(slow, msgspec.structs.replace(slow, fixed=HERE))


def test_an_address_has_meters_of_its_own() -> None:
    plain = nat.floating(FloatingAddress(Vni(8), FLOATING, Vni(9), FIXED, ZONE)).flows
    for limits, metered in (
        (Limits(7, Limit(1, 1)), {0: 0x1000E}),
        (Limits(7, None, Limit(1, 1)), {2: 0x1000F}),
        (Limits(0x7FFF, Limit(1, 1), Limit(1, 1)), {0: 0x1FFFE, 2: 0x1FFFF}),
    ):
        row = FloatingAddress(Vni(8), FLOATING, Vni(9), FIXED, ZONE, limits)
        for number, flow in enumerate(nat.floating(row).flows):
            through = b"\0\6\0\x08" + metered.get(number, 0).to_bytes(4, "big")
            assert (through in flow) is (number in metered)
            assert flow.replace(through, b"") == plain[number]
        assert set(outside(limits)) == set(metered.values())
    for number in (0, 0x10000):
        with pytest.raises(ValueError, match="no meter"):
            outside(Limits(number, Limit(1, 1)))


def test_an_alias_stands_for_one_port() -> None:
    assert str(nat.alias_of(0x1234)) == "240.0.18.52"
    assert len({nat.alias_of(n) for n in range(1, 0x8000)}) == 0x7FFF
