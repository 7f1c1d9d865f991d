"""Select groups: shared by content, and what a dead next hop makes of them."""

from __future__ import annotations

from sdnctl.types import Ip
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.groups import Groups
from sdnctl_vrouter.drivers.ovs.translation import Bucket

ONE, TWO, THREE = (Ip.parse(f"192.0.2.{n}") for n in (1, 2, 3))
EQUAL = (Bucket(0, ONE, b"one-----"), Bucket(0, TWO, b"two-----"))
RANKED = (Bucket(0, ONE, b"one-----"), Bucket(1, TWO, b"two-----"), Bucket(2, THREE, b"three---"))


def dead(*vteps: Ip) -> frozenset[Ip]:
    return frozenset(vteps)


def test_entries_with_the_same_paths_share_one() -> None:
    groups = Groups()
    number = groups.use("a", EQUAL)
    assert groups.use("b", (*EQUAL,)) == number
    assert groups.use("c", RANKED) != number
    assert len(groups.added()) == 2
    assert groups.use("a", ()) == 0
    assert not groups.removed()
    groups.use("b", RANKED)
    assert groups.removed() == [templates.group_delete(number)]


def test_a_dead_next_hop_costs_a_message_a_group() -> None:
    groups = Groups()
    number = groups.use("a", EQUAL)
    for entry in range(1000):
        groups.use(f"entry{entry}", EQUAL)
    head = templates.group_select(number)
    assert groups.added() == [head + b"one-----two-----"]
    groups.set_unreachable(dead(ONE))
    assert groups.added() == [head + b"two-----"]
    assert groups.all() == [head + b"two-----"], "a switch that comes back gets the same"
    groups.set_unreachable(dead(ONE, THREE))
    assert groups.added() == [], "nothing of this group"
    groups.set_unreachable(dead(ONE, TWO))
    assert groups.added() == [head + b"one-----two-----"], "better a chance than none"
    groups.set_unreachable(dead())
    assert groups.added() == []


def test_the_next_rank_steps_in_when_the_whole_rank_is_dead() -> None:
    groups = Groups()
    head = templates.group_select(groups.use("a", RANKED))
    assert groups.added() == [head + b"one-----"]
    for vteps, chosen in (
        (dead(TWO), None),
        (dead(ONE), b"two-----"),
        (dead(ONE, TWO), b"three---"),
        (dead(ONE, TWO, THREE), b"one-----"),
        (dead(TWO, THREE), None),
        (dead(ONE, THREE), b"two-----"),
        (dead(), b"one-----"),
    ):
        groups.set_unreachable(vteps)
        assert groups.added() == ([] if chosen is None else [head + chosen])


def test_a_group_made_while_a_next_hop_is_dead_knows_it() -> None:
    groups = Groups()
    groups.set_unreachable(dead(ONE))
    number = groups.use("a", EQUAL)
    assert groups.added() == [templates.group_select(number) + b"two-----"]
