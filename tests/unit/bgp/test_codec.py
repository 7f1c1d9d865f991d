"""Routes to bytes and back, and bytes that nobody should send."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from exabgp.bgp.message.notification import Notify
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.bgp.adjrib_out import AdjRibOut
from sdnctl.bgp.codec import Attachment
from sdnctl.bgp.decoder import Decoded
from sdnctl.bgp.peer import Family, families_of
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.unit.bgp.exabgp_helpers import (
    OURS,
    RECEIVER,
    SENDER,
    THEIRS,
    decode,
    negotiated,
    nlris,
    paths,
    to_bytes,
)
from tests.unit.bgp.raw_peer import attribute, update, vpnv4

RD = RouteDistinguisher.parse("10.0.0.1:7")
ROUTE = IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32"))
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(1000),
)


def messages(
    *routes: tuple[Nlri, Path | None],
    families: tuple[Family, ...] = tuple(Family),
    sender: Attachment = SENDER,
) -> list[bytes]:
    rib = AdjRibOut(families, sender)
    for nlri, path in routes:
        rib.put(nlri, path)
    return to_bytes(rib.updates(True), negotiated(sender.local_asn, sender.asn))


def as_received(family: Family, nlri: Nlri, path: Path) -> Path:
    """What the far end makes of a path: what the NLRI and its family carry of it."""
    if isinstance(nlri, MembershipRoute):
        path = msgspec.structs.replace(
            path, next_hop=OURS, encapsulations=(), label=Label(0), vni=Vni(0)
        )
    vxlan = family is Family.EVPN and bool(path.vni) and Encapsulation.VXLAN in path.encapsulations
    mpls = tuple(e for e in path.encapsulations if e is not Encapsulation.VXLAN)
    moves = isinstance(nlri, MacIpRoute)
    return msgspec.structs.replace(
        path,
        encapsulations=(Encapsulation.VXLAN,) if vxlan else mpls,
        vni=path.vni if vxlan else Vni(0),
        label=Label(0) if vxlan else path.label,
        l3_vni=path.l3_vni if vxlan and isinstance(nlri, MacIpRoute) and nlri.ip else Vni(0),
        router_mac=path.router_mac if family is Family.EVPN else None,
        sequence=path.sequence if moves else 0,
        sticky=path.sticky if moves else False,
        default_gateway=path.default_gateway and moves,
        peer=True,
        router_id=OURS,
    )


@given(nlris, paths)
def test_round_trip(nlri: Nlri, path: Path) -> None:
    expected = {Decoded(f, nlri, as_received(f, nlri, path)) for f in families_of(nlri, path)}
    assert {d for m in messages((nlri, path)) for d in decode(m)} == expected


@given(nlris, paths)
def test_withdrawal_round_trip(nlri: Nlri, path: Path) -> None:
    rib = AdjRibOut(tuple(Family), SENDER)
    rib.put(nlri, path)
    list(rib.updates(True))
    rib.put(nlri, None)
    sent = to_bytes(rib.updates(True), negotiated())
    expected = {Decoded(f, nlri, None) for f in families_of(nlri, path)}
    assert {d for m in sent for d in decode(m)} == expected


def test_vpnv4_at_the_wire() -> None:
    """Octet by octet: RFC 4364 section 4.3, RFC 8277 section 2.2, RFC 9012 section 4.1."""
    (message,) = messages((ROUTE, PATH))
    assert message[19:].hex() == (
        "00000045"
        "40010100"  # ORIGIN IGP
        "400200"  # AS_PATH, empty
        "40050400000064"  # LOCAL_PREF 100
        "c010100002fc0000000007030c000000000002"  # RT 64512:7, GRE
        "800e210001800c00000000000000000a00000100"
        "78003e8100010a00000100070a010005"  # 120 bits, label 1000, RD, prefix
    )  # fmt: skip


def test_withdrawal_has_the_compatibility_field() -> None:
    """RFC 8277 section 2.4; without a label the length would claim what is not there."""
    rib = AdjRibOut((Family.IPV4_VPN,), SENDER)
    rib.put(ROUTE, PATH)
    list(rib.updates(True))
    rib.put(ROUTE, None)
    (message,) = to_bytes(rib.updates(True), negotiated())
    assert message[19:].hex() == (
        "00000016800f130001807880000000010a00000100070a010005"
    )  # fmt: skip


def test_ebgp_puts_our_as_in_front_and_keeps_the_next_hop() -> None:
    sender = Attachment(64512, 64600, OURS, THEIRS)
    receiver = Attachment(64600, 64512, THEIRS, OURS)
    for path, expected in (
        (PATH, (64512,)),
        (msgspec.structs.replace(PATH, as_path=(5,)), (64512, 5)),
    ):
        (message,) = messages((ROUTE, path), sender=sender)
        (decoded,) = decode(message, receiver)
        assert decoded is not None
        assert decoded.path is not None
        assert decoded.path.as_path == expected
        assert decoded.path.next_hop == PATH.next_hop
        assert decoded.path.ebgp


def test_ignores_local_preference_of_another_as() -> None:
    """RFC 4271 section 5.1.5."""
    (message,) = messages(
        (ROUTE, msgspec.structs.replace(PATH, local_preference=500, as_path=(64700,)))
    )
    (decoded,) = decode(message, Attachment(64512, 64600, THEIRS, OURS))
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.local_preference == 100


@pytest.mark.parametrize(
    ("path", "receiver"),
    [
        (msgspec.structs.replace(PATH, as_path=(5, 64512)), RECEIVER),  # RFC 4271 9.1.2
        (PATH, Attachment(64512, 64600, THEIRS, OURS)),  # no AS_PATH from another AS
        (PATH, Attachment(64512, 64512, OURS, OURS)),  # our own, come back
        (msgspec.structs.replace(PATH, next_hop=Ip.parse("0.0.0.0")), RECEIVER),
    ],
)
def test_not_feasible(path: Path, receiver: Attachment) -> None:
    (message,) = messages((ROUTE, path))
    assert list(decode(message, receiver)) == [Decoded(Family.IPV4_VPN, ROUTE, None)]


@pytest.mark.parametrize(
    ("tunnels", "expected"),
    [
        ((2,), (Encapsulation.MPLS_GRE,)),
        ((11,), (Encapsulation.MPLS_GRE,)),
        ((13, 2, 2), (Encapsulation.MPLS_GRE, Encapsulation.MPLS_UDP)),
        ((10,), ()),  # plain MPLS
        ((10, 9), ()),
        ((9, 2), (Encapsulation.MPLS_GRE,)),  # NVGRE, unknown here
        ((9,), None),  # nothing that anybody here can build
    ],
)
def test_encapsulations_as_announced(
    tunnels: tuple[int, ...], expected: tuple[Encapsulation, ...] | None
) -> None:
    (message,) = messages((ROUTE, PATH))
    gre = bytes.fromhex("030c000000000002")
    others = b"".join(b"\x03\x0c" + t.to_bytes(6, "big") for t in tunnels)
    opaque = bytes.fromhex("430b000000000001")  # a community of no interest
    body = message[19:].replace(
        bytes.fromhex("c01010") + message[message.index(gre) - 8 : message.index(gre)] + gre,
        bytes((0xC0, 0x10, 16 + len(others)))
        + message[message.index(gre) - 8 : message.index(gre)]
        + opaque
        + others,
    )
    attributes = len(body) - 4
    body = body[:2] + attributes.to_bytes(2, "big") + body[4:]
    (decoded,) = decode(message[:19] + body)
    assert decoded is not None
    assert (decoded.path.encapsulations if decoded.path else None) == expected


def test_evpn_without_vni_is_mpls() -> None:
    multicast = InclusiveMulticastRoute(RD, Ip.parse("10.0.0.1"))
    (message,) = messages((multicast, PATH))
    (decoded,) = decode(message)
    assert decoded is not None
    assert decoded.path is not None
    assert (decoded.path.label, decoded.path.vni) == (1000, 0)


@given(
    nlris,
    paths,
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6),
    st.integers(0, 8),
)
def test_garbage_never_raises(
    nlri: Nlri, path: Path, flips: list[tuple[int, int]], cut: int
) -> None:
    """ExaBGP refuses with a Notify or reads something; what it reads, the decoder takes."""
    for message in messages((nlri, path)):
        broken = bytearray(message)
        for position, value in flips:
            broken[19 + position % (len(broken) - 19)] = value
        with contextlib.suppress(Notify):
            list(decode(bytes(broken[: len(broken) - cut])))


@given(st.binary(max_size=200))
def test_noise_never_raises(noise: bytes) -> None:
    with contextlib.suppress(Notify):
        list(decode(bytes(19) + noise))


def test_reflected_route_has_its_originators_router_id() -> None:
    """RFC 4456 section 8; RFC 4271 section 9.1.2.2 a: an AS_SET counts once."""
    originator = attribute(0x80, 9, bytes((10, 0, 0, 7)))
    clusters = attribute(0x80, 10, bytes((10, 0, 0, 8)))
    message = update(originator, clusters, vpnv4(1))
    (decoded,) = decode(message)
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.router_id == Ip.parse("10.0.0.7")
    (own,) = decode(update(attribute(0x80, 9, THEIRS), vpnv4(1)))
    assert own is not None
    assert own.path is None


def test_as_set_counts_once() -> None:
    path = b"\2\1" + (64600).to_bytes(4, "big") + b"\1\2" + (7).to_bytes(4, "big") * 2
    message = update(vpnv4(1)).replace(b"\x40\2\0", b"\x40\2" + bytes((len(path),)) + path)
    body = message[19:]
    length = (int.from_bytes(body[2:4], "big") + len(path)).to_bytes(2, "big")
    (decoded,) = decode(message[:19] + body[:2] + length + body[4:])
    assert decoded is not None
    assert decoded.path is not None
    assert decoded.path.as_path == (64600, 7)


def test_mac_ip_route_at_the_wire() -> None:
    """Octet by octet: RFC 7432 section 7.2 with the two labels of RFC 9135 section 5.1."""
    route = MacIpRoute(RD, Mac.parse("02:00:00:00:00:05"), Ip.parse("10.1.0.5"))
    path = msgspec.structs.replace(
        PATH, encapsulations=(Encapsulation.VXLAN,), vni=Vni(5000), l3_vni=Vni(9001),
        router_mac=Mac.parse("02:00:00:00:00:01"), sequence=3, sticky=True,
        communities=(0xFC000007,), default_gateway=True,
    )  # fmt: skip
    (message,) = messages((route, path))
    assert message[23:].hex() == (
        "4001010040020040050400000064"
        "c00804fc000007"  # COMMUNITIES
        "c01028"
        "0002fc0000000007"  # RT 64512:7
        "030c000000000008"  # VXLAN
        "030d000000000000"  # default gateway
        "0600010000000003"  # MAC mobility, static, 3
        "0603020000000001"  # router's MAC
        "800e33001946040a00000100"
        "0228"
        "00010a00000100070000000000000000000000000000"
        "30020000000005200a010005001388002329"
    )  # fmt: skip
    (decoded,) = decode(message)
    assert decoded == Decoded(Family.EVPN, route, as_received(Family.EVPN, route, path))


def test_a_route_of_several_encapsulations() -> None:
    """RFC 8365 section 5.1.3: the field is a VNI to one and a label to the other."""
    route = IpPrefixRoute(RD, Prefix.parse("10.1.0.0/24"))
    path = msgspec.structs.replace(PATH, encapsulations=(Encapsulation.VXLAN,), vni=Vni(0x12340))
    (message,) = messages((route, path), families=(Family.EVPN,))
    vxlan, gre = (b"\x03\x0c" + t.to_bytes(6, "big") for t in (8, 2))
    body = message[19:].replace(b"\xc0\x10\x10", b"\xc0\x10\x18").replace(vxlan, vxlan + gre)
    length = (int.from_bytes(body[2:4], "big") + 8).to_bytes(2, "big")
    (decoded,) = decode(message[:19] + body[:2] + length + body[4:])
    assert decoded is not None
    assert decoded.path is not None
    assert set(decoded.path.encapsulations) == {Encapsulation.VXLAN, Encapsulation.MPLS_GRE}
    assert (decoded.path.vni, decoded.path.label) == (0x12340, 0x1234)


def test_cluster_list_with_our_router_id_is_a_loop() -> None:
    """RFC 4456 section 8; from another AS neither attribute counts (RFC 7606 section 7.10)."""
    own = attribute(0x80, 10, bytes((10, 0, 0, 8)) + THEIRS)
    (looped,) = decode(update(own, vpnv4(1)))
    assert looped is not None
    assert looped.path is None
    (other,) = decode(update(attribute(0x80, 10, bytes((10, 0, 0, 8))), vpnv4(1)))
    assert other is not None
    assert other.path is not None
