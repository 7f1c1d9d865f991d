"""What is packed here against what ExaBGP's own objects say of the same routes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.bgp.adjrib_out import Grouped
from sdnctl.bgp.codec import encode_attributes
from sdnctl.bgp.labelled import Labelled, Packer, Said, said
from sdnctl.bgp.peer import Family
from sdnctl.routes import IpPrefixRoute, Path
from sdnctl.types import Ip, Label, Prefix, RouteDistinguisher
from tests.unit.bgp.exabgp_helpers import SENDER, negotiated, nlris, paths, stock_vpn, v4

PREFIXES = nlris.filter(lambda nlri: isinstance(nlri, IpPrefixRoute))

PACKER = Packer(SENDER)
"""Of all examples, which share what it keeps."""


def family_of(nlri: IpPrefixRoute) -> Family:
    return Family.IPV4_VPN if nlri.prefix.version == 4 else Family.IPV6_VPN


@given(PREFIXES, paths, v4, st.booleans())
def test_announced_and_withdrawn_as_exabgp_would(
    nlri: IpPrefixRoute, path: Path, hop: Ip, withdrawn: bool
) -> None:
    path = msgspec.structs.replace(path, next_hop=hop)
    family, session = family_of(nlri), negotiated()
    about = None if withdrawn else path
    attributes = None if withdrawn else encode_attributes(family, nlri, path, SENDER)
    packed = None if withdrawn else PACKER.attributes(family, nlri, path)
    ours = Labelled(family, [said(nlri, about)], packed)
    stock = Grouped(family, [stock_vpn(family, nlri, about)], attributes)
    assert list(ours.messages(session)) == list(stock.messages(session))


@given(PREFIXES, paths, st.lists(paths, max_size=3))
def test_attributes_are_kept_for_a_session_alone(
    nlri: IpPrefixRoute, path: Path, others: list[Path]
) -> None:
    family, packer = family_of(nlri), Packer(SENDER)
    for one in (path, *others, path):
        for session in (negotiated(), negotiated(add_path=[family])):
            ours = packer.attributes(family, nlri, one).pack(session)
            assert ours == encode_attributes(family, nlri, one, SENDER).pack(session)


def many(count: int) -> list[tuple[IpPrefixRoute, Path]]:
    rd = RouteDistinguisher.parse("10.0.0.1:7")
    return [
        (
            IpPrefixRoute(rd, Prefix.host(Ip.from_number((10 << 24) + n, 4))),
            Path(
                next_hop=Ip.from_number((11 << 24) + n // 1000, 4),
                route_targets=(),
                encapsulations=(),
                label=Label(16 + n),
            ),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("withdrawn", [False, True])
def test_many_are_cut_where_exabgp_cuts(withdrawn: bool) -> None:
    routes, session = many(3000), negotiated()
    attributes = None if withdrawn else encode_attributes(Family.IPV4_VPN, *routes[0], SENDER)
    ours = Labelled(
        Family.IPV4_VPN, [said(n, None if withdrawn else p) for n, p in routes], attributes
    )
    stock = Grouped(
        Family.IPV4_VPN,
        [stock_vpn(Family.IPV4_VPN, n, None if withdrawn else p) for n, p in routes],
        attributes,
    )
    messages = list(ours.messages(session))
    assert messages == list(stock.messages(session))
    assert max(map(len, messages)) <= session.msg_size
    assert not withdrawn or not list(ours.messages(session, include_withdraw=False))


def test_path_ids_go_where_they_were_agreed() -> None:
    [(nlri, path)] = many(1)
    attributes = encode_attributes(Family.IPV4_VPN, nlri, path, SENDER)
    update = Labelled(Family.IPV4_VPN, [said(nlri, path, 7)], attributes)
    [plain] = update.messages(negotiated())
    [tagged] = update.messages(negotiated(add_path=[Family.IPV4_VPN]))
    assert len(tagged) == len(plain) + 4
    assert tagged[-20:-16] == b"\0\0\0\7"
    assert tagged[-16:] == plain[-16:]


def test_a_label_that_is_none_is_refused_before_anything_is_sent() -> None:
    [(nlri, path)] = many(1)
    with pytest.raises(OverflowError):
        said(nlri, msgspec.structs.replace(path, label=Label(1 << 20)))
    assert isinstance(said(nlri, path), Said)
