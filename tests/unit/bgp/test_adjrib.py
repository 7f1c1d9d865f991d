"""What goes to a peer, in which order, in how many UPDATEs; what is learned, and when it goes.

Beside each promise that ExaBGP's own RIB breaks stands a test that shows how.
"""

from __future__ import annotations

from typing import Any

import msgspec
from exabgp.bgp.message import Action
from exabgp.rib.change import Change as ExaChange
from exabgp.rib.outgoing import OutgoingRIB
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.bgp.adjrib_in import AdjRibIn
from sdnctl.bgp.adjrib_out import AdjRibOut
from sdnctl.bgp.codec import AFI_SAFI, encode_attributes
from sdnctl.bgp.peer import Family, families_of
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.unit.bgp.exabgp_helpers import (
    RECEIVER,
    SENDER,
    decode,
    negotiated,
    nlris,
    paths,
    stock_vpn,
    to_bytes,
    unpack,
)

RD = RouteDistinguisher.parse("10.0.0.1:7")
ROUTE = IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32"))
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(1000),
)
OTHER_LABEL = msgspec.structs.replace(PATH, label=Label(1001))
OTHER_TARGET = msgspec.structs.replace(PATH, route_targets=(RouteTarget.parse("64512:8"),))


class FarEnd:
    """A peer's table, made of nothing but the bytes that it was sent."""

    def __init__(self) -> None:
        self.table: dict[tuple[Family, Nlri], Path] = {}
        self.messages = 0

    def receive(self, rib: Any, session: Any = None) -> None:
        for message in to_bytes(rib.updates(True), session or negotiated()):
            self.messages += 1
            assert len(message) <= 4096
            for decoded in decode(message):
                assert decoded is not None
                key = decoded.family, decoded.nlri
                if decoded.path is None:
                    self.table.pop(key, None)
                else:
                    self.table[key] = decoded.path


def stock() -> OutgoingRIB:
    return OutgoingRIB(True, list(AFI_SAFI.values()))


def stock_change(path: Path | None) -> ExaChange:
    attributes = encode_attributes(Family.IPV4_VPN, ROUTE, path or PATH, SENDER)
    return ExaChange(stock_vpn(Family.IPV4_VPN, ROUTE, path), attributes)


def label(far: FarEnd) -> int:
    return far.table[Family.IPV4_VPN, ROUTE].label


def test_label_only_change_is_sent() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    for path in (PATH, OTHER_LABEL):
        rib.put(ROUTE, path)
        far.receive(rib)
    assert label(far) == 1001


def test_stock_drops_a_label_only_change() -> None:
    far, rib = FarEnd(), stock()
    for path in (PATH, OTHER_LABEL):
        rib.add_to_rib(stock_change(path))
        far.receive(rib)
    assert label(far) == 1000


def test_last_change_holds() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    for path in (PATH, OTHER_TARGET, PATH):
        rib.put(ROUTE, path)
    far.receive(rib)
    assert far.table[Family.IPV4_VPN, ROUTE].route_targets == PATH.route_targets
    assert far.messages == 1


def test_stock_sends_changes_in_the_wrong_order() -> None:
    far, rib = FarEnd(), stock()
    for path in (PATH, OTHER_TARGET, PATH):
        rib.add_to_rib(stock_change(path), True)
    far.receive(rib)
    assert far.table[Family.IPV4_VPN, ROUTE].route_targets == OTHER_TARGET.route_targets


def test_stock_withdraws_without_a_label_what_nobody_can_read() -> None:
    """The reason for the codec's compatibility field."""
    nlri = stock_vpn(Family.IPV4_VPN, ROUTE, PATH)
    nlri.action = Action.WITHDRAW
    nlri.labels = type(nlri.labels)([])
    assert nlri.pack().hex().startswith("60" + bytes(RD).hex())  # 96 bits: the RD taken for labels


def routes(count: int) -> list[tuple[IpPrefixRoute, Path]]:
    """Routes of one VRF on ten hypervisors, each with a label of its own."""
    return [
        (
            IpPrefixRoute(RD, Prefix(Ip.from_number((10 << 24) + n, 4), 32)),
            msgspec.structs.replace(
                PATH, label=Label(16 + n), next_hop=Ip.from_number((11 << 24) + n % 10, 4)
            ),
        )
        for n in range(count)
    ]


def test_routes_with_the_same_attributes_share_updates() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    for nlri, path in routes(5000):
        rib.put(nlri, path)
    far.receive(rib)
    assert len(far.table) == 5000
    # 16 octets each in 4096: 20 messages if they all went to one next hop.
    assert far.messages <= 60
    for nlri, _ in routes(5000):
        rib.put(nlri, None)
    far.messages = 0
    far.receive(rib)
    assert far.table == {}
    assert far.messages <= 30


def test_stock_sends_one_update_each() -> None:
    far, rib = FarEnd(), stock()
    for nlri, path in routes(50):
        attributes = encode_attributes(Family.IPV4_VPN, nlri, path, SENDER)
        rib.add_to_rib(ExaChange(stock_vpn(Family.IPV4_VPN, nlri, path), attributes))
    far.receive(rib)
    assert far.messages == 50


def test_a_new_session_gets_everything_and_an_old_change_nothing() -> None:
    first, second, rib = FarEnd(), FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    rib.put(ROUTE, PATH)
    first.receive(rib)
    rib.put(ROUTE, PATH)
    assert not rib.pending()
    rib.replace_restart([], [])
    second.receive(rib)
    assert second.table == first.table
    rib.resend(False, AFI_SAFI[Family.IPV4_VPN])
    second.messages = 0
    second.receive(rib)
    assert second.messages == 1


def test_family_that_was_not_negotiated_is_left_out() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN, Family.EVPN), SENDER)
    both = msgspec.structs.replace(
        PATH, vni=Vni(7), encapsulations=(Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    )
    rib.put(ROUTE, both)
    session = negotiated()
    session.families = [AFI_SAFI[Family.EVPN]]
    far.receive(rib, session)
    assert set(far.table) == {(Family.EVPN, ROUTE)}


def test_route_leaves_a_family_when_its_next_hop_does() -> None:
    far, rib = FarEnd(), AdjRibOut(tuple(Family), SENDER)
    both = msgspec.structs.replace(
        PATH, vni=Vni(7), encapsulations=(Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    )
    for path, expected in (
        (both, {Family.IPV4_VPN, Family.EVPN}),
        (PATH, {Family.IPV4_VPN}),
        (msgspec.structs.replace(both, label=Label(0)), {Family.EVPN}),
    ):
        rib.put(ROUTE, path)
        far.receive(rib)
        assert {family for family, _ in far.table} == expected


def test_replay_withdraws_what_was_not_repeated() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    for nlri, path in routes(3):
        rib.put(nlri, path)
    far.receive(rib)
    rib.begin_replay()
    kept, changed, _ = routes(3)
    rib.put(*kept)
    rib.put(changed[0], PATH)
    far.receive(rib)
    assert len(far.table) == 3
    rib.end_replay()
    far.receive(rib)
    assert {nlri for _, nlri in far.table} == {kept[0], changed[0]}


@given(
    st.lists(nlris, min_size=1, max_size=4),
    st.lists(
        st.tuples(st.integers(0, 3), st.none() | paths) | st.sampled_from(["send", "restart"]),
        max_size=30,
    ),
)
def test_far_end_equals_what_is_wanted(some: list[Nlri], steps: list[Any]) -> None:
    """Whatever happened in whatever order: a fresh peer that is told once holds the same."""
    far, rib = FarEnd(), AdjRibOut(tuple(Family), SENDER)
    wanted: dict[Nlri, Path] = {}
    for step in steps:
        if step == "send":
            far.receive(rib)
        elif step == "restart":
            far = FarEnd()
            rib.replace_restart([], [])
        else:
            nlri, path = some[step[0] % len(some)], step[1]
            rib.put(nlri, path)
            wanted.pop(nlri, None)
            if path is not None:
                wanted[nlri] = path
    far.receive(rib)
    fresh, again = FarEnd(), AdjRibOut(tuple(Family), SENDER)
    for nlri, path in wanted.items():
        again.put(nlri, path)
    fresh.receive(again)
    assert far.table == fresh.table


class PathsAt:
    """A peer's table with ADD-PATH in some families, made of the bytes that it was sent."""

    def __init__(self, add_path: frozenset[Family], rib: AdjRibOut) -> None:
        self.table: dict[tuple[Family, Nlri, int], Path] = {}
        self.add_path = add_path
        rib.session_up(add_path, frozenset())
        rib.replace_restart()

    def receive(self, rib: AdjRibOut) -> None:
        for message in to_bytes(rib.updates(True), negotiated(add_path=self.add_path)):
            for decoded in decode(message, add_path=self.add_path):
                assert decoded is not None
                key = decoded.family, decoded.nlri, decoded.path_id
                if decoded.path is None:
                    self.table.pop(key, None)
                else:
                    self.table[key] = decoded.path


add_paths = st.frozensets(st.sampled_from(sorted(set(Family) - {Family.ROUTE_TARGET})))
not_memberships = nlris.filter(lambda nlri: not isinstance(nlri, MembershipRoute))


@given(
    st.lists(not_memberships, min_size=1, max_size=3),
    st.lists(
        st.tuples(st.integers(0, 2), st.none() | paths, st.integers(0, 3))
        | st.just("send")
        | add_paths,
        max_size=25,
    ),
    add_paths,
)
def test_several_paths_whatever_happened(
    some: list[Nlri], steps: list[Any], add_path: frozenset[Family]
) -> None:
    """With path ids all of them, without the one of the lowest id; sessions agree anew on which."""
    rib = AdjRibOut(tuple(Family), SENDER)
    far = PathsAt(add_path, rib)
    wanted: dict[tuple[Nlri, int], Path] = {}
    for step in steps:
        if step == "send":
            far.receive(rib)
        elif isinstance(step, frozenset):
            far = PathsAt(step, rib)
        else:
            nlri, path, path_id = some[step[0] % len(some)], step[1], step[2]
            rib.put(nlri, path, path_id)
            wanted.pop((nlri, path_id), None)
            if path is not None:
                wanted[nlri, path_id] = path
    far.receive(rib)
    expected = set()
    for (nlri, path_id), path in wanted.items():
        first = min(number for other, number in wanted if other == nlri)
        for family in families_of(nlri, path):
            if family in far.add_path:
                expected.add((family, nlri, path_id))
            elif path_id == first:
                expected.add((family, nlri, 0))
    assert far.table.keys() == expected
    fresh = PathsAt(far.add_path, rib)
    fresh.receive(rib)
    assert fresh.table == far.table


def test_route_that_cannot_be_said_costs_itself_only() -> None:
    far, rib = FarEnd(), AdjRibOut((Family.IPV4_VPN,), SENDER)
    rib.put(ROUTE, msgspec.structs.replace(PATH, local_preference=1 << 40))
    for nlri, path in routes(2):
        rib.put(nlri, path)
    far.receive(rib)
    assert {nlri for _, nlri in far.table} == {nlri for nlri, _ in routes(2)}
    rib.put(ROUTE, PATH)
    far.receive(rib)
    assert label(far) == 1000


class Heard:
    """An Adj-RIB-In, fed with messages, and a mirror fed with what it tells."""

    def __init__(self) -> None:
        self.mirror: dict[Nlri, Path] = {}
        self.told = 0
        self.ended: list[Family] = []
        self.rib = AdjRibIn("gw", self._on_route, self.ended.append)
        self.rib.session_up(RECEIVER)

    def _on_route(self, key: RouteKey, path: Path | None) -> None:
        nlri = key.nlri
        assert key == RouteKey("gw", nlri)
        self.told += 1
        assert self.mirror.get(nlri) != path
        if path is None:
            del self.mirror[nlri]
        else:
            self.mirror[nlri] = path

    def receive(self, *pairs: tuple[Nlri, Path | None], families: tuple[Family, ...]) -> None:
        rib = AdjRibOut(families, SENDER)
        for nlri, path in pairs:
            if path is None:
                rib.put(nlri, PATH)
                list(rib.updates(True))
            rib.put(nlri, path)
        for message in to_bytes(rib.updates(True), negotiated()):
            update = unpack(message, negotiated())
            for nlri in update.nlris:
                self.rib.update_cache(ExaChange(nlri, update.attributes))
        assert {key.nlri: path for key, path in self.rib.routes()} == self.mirror

    def end_of_rib(self, family: Family) -> None:
        afi, safi = AFI_SAFI[family]
        message = b"\0\0\0\6\x80\x0f\3" + afi.pack() + safi.pack()
        update = unpack(bytes(19) + message, negotiated())
        for nlri in update.nlris:
            self.rib.update_cache(ExaChange(nlri, update.attributes))
        assert {key.nlri: path for key, path in self.rib.routes()} == self.mirror


VPN = (Family.IPV4_VPN,)


def test_learns_tells_once_and_forgets() -> None:
    heard = Heard()
    heard.receive((ROUTE, PATH), families=VPN)
    heard.receive((ROUTE, PATH), families=VPN)
    assert (heard.told, len(heard.rib)) == (1, 1)
    heard.receive((ROUTE, None), families=VPN)
    heard.receive((ROUTE, None), families=VPN)
    assert (heard.told, heard.mirror) == (2, {})


def test_stale_routes_wait_for_end_of_rib() -> None:
    heard = Heard()
    heard.receive(*routes(3), families=VPN)
    heard.rib.mark_stale(frozenset(VPN))
    heard.receive(*routes(2), families=VPN)
    assert heard.told == 3
    heard.end_of_rib(Family.IPV6_VPN)
    assert len(heard.mirror) == 3
    heard.end_of_rib(Family.IPV4_VPN)
    assert set(heard.mirror) == {nlri for nlri, _ in routes(2)}
    assert heard.ended == [Family.IPV6_VPN, Family.IPV4_VPN]


def test_family_without_graceful_restart_goes_at_once() -> None:
    heard = Heard()
    heard.receive((ROUTE, PATH), families=VPN)
    heard.rib.mark_stale(frozenset((Family.EVPN,)))
    assert heard.mirror == {}


def test_vpn_holds_over_evpn_for_the_same_prefix() -> None:
    heard = Heard()
    overlay = msgspec.structs.replace(
        PATH, vni=Vni(7), label=Label(0), encapsulations=(Encapsulation.VXLAN,)
    )
    heard.receive((ROUTE, overlay), families=(Family.EVPN,))
    assert heard.mirror[ROUTE].vni == 7
    heard.receive((ROUTE, PATH), families=VPN)
    assert heard.mirror[ROUTE].label == 1000
    heard.receive((ROUTE, None), families=VPN)
    assert heard.mirror[ROUTE].vni == 7
