"""ExaBGP without a peer: what a session would have negotiated, UPDATEs to bytes and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from exabgp.bgp.message import Action, Update
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.open.capability import AddPath, Negotiated
from exabgp.bgp.message.open.capability.negotiated import RequirePath
from exabgp.bgp.message.update.nlri import IPVPN
from exabgp.bgp.message.update.nlri.cidr import CIDR
from exabgp.bgp.message.update.nlri.qualifier import Labels
from exabgp.bgp.message.update.nlri.qualifier import RouteDistinguisher as ExaRd
from exabgp.bgp.neighbor import Neighbor
from exabgp.protocol.ip import IP
from hypothesis import strategies as st

from sdnctl.bgp import patches
from sdnctl.bgp.codec import AFI_SAFI, V4_MAPPED, WITHDRAW_LABEL, Attachment
from sdnctl.bgp.decoder import Decoded, Decoder
from sdnctl.bgp.peer import Family
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
)
from sdnctl.types import (
    IPV4_BYTES,
    Encapsulation,
    Ip,
    Label,
    Mac,
    Prefix,
    RouteDistinguisher,
    RouteTarget,
    Vni,
)

patches.apply()

OURS = Ip.parse("10.99.0.1")
THEIRS = Ip.parse("10.99.0.2")
SENDER = Attachment(64512, 64512, OURS, THEIRS)
RECEIVER = Attachment(64512, 64512, THEIRS, OURS)


def negotiated(local_asn: int = 64512, asn: int = 64512, add_path: Iterable[Family] = ()) -> Any:
    """A session of all families, with four-octet AS numbers and messages of 4096 octets."""
    session = Negotiated(Neighbor())
    session.families = list(AFI_SAFI.values())
    session.local_as, session.peer_as = ASN(local_asn), ASN(asn)
    session.asn4 = True
    both = AddPath([AFI_SAFI[family] for family in add_path], RequirePath.BOTH)
    opens = SimpleNamespace(capabilities={AddPath.ID: both})
    session.addpath.setup(opens, opens)
    return session


def stock_vpn(family: Family, nlri: IpPrefixRoute, path: Path | None) -> Any:
    """A VPN route as ExaBGP's own objects have it."""
    vpn = IPVPN(*AFI_SAFI[family])
    vpn.cidr = CIDR(bytes(nlri.prefix.ip), nlri.prefix.length)
    vpn.rd = ExaRd(bytes(nlri.rd))
    vpn.labels = Labels([path.label]) if path else Labels([], raw_labels=[WITHDRAW_LABEL])
    vpn.action = Action.WITHDRAW if path is None else Action.ANNOUNCE
    if path is not None:
        mapped = family is Family.IPV6_VPN and len(path.next_hop) == IPV4_BYTES
        vpn.nexthop = IP.unpack(bytes(V4_MAPPED + path.next_hop if mapped else path.next_hop))
    return vpn


def to_bytes(updates: Iterable[Any], session: Any) -> list[bytes]:
    """Whole messages, header included."""
    return [message for update in updates for message in update.messages(session)]


def unpack(message: bytes, session: Any) -> Any:
    """What ExaBGP reads from a message."""
    return Update.unpack_message(message[19:], Direction.IN, session)


def decode(
    message: bytes, attachment: Attachment = RECEIVER, add_path: Iterable[Family] = ()
) -> Iterator[Decoded | None]:
    """What the house reads from a message."""
    update = unpack(message, negotiated(attachment.local_asn, attachment.asn, add_path))
    decoder = Decoder(attachment)
    for nlri in update.nlris:
        if not nlri.EOR:
            yield decoder.decode(nlri, update.attributes)


v4 = st.integers(1 << 24, (223 << 24) - 1).map(lambda n: Ip.from_number(n, 4))
v6 = st.integers(0x2000 << 112, (0x3FFF << 112) - 1).map(lambda n: Ip.from_number(n, 6))
rds = st.builds(RouteDistinguisher.of, v4, st.integers(0, 65535)) | st.builds(
    lambda asn, n: RouteDistinguisher.parse(f"{asn}:{n}"),
    st.integers(1, (1 << 32) - 1),
    st.integers(0, 65535),
)
prefixes = st.builds(Prefix.covering, v4, st.integers(0, 32)) | st.builds(
    Prefix.covering, v6, st.integers(0, 128)
)
macs = st.binary(min_size=6, max_size=6).map(Mac)
targets = st.builds(RouteTarget.of, st.integers(1, (1 << 32) - 1), st.integers(0, 65535))
memberships = st.just(MembershipRoute(0, None, 0)) | st.builds(
    MembershipRoute, st.integers(0, (1 << 32) - 1), targets, st.just(64)
)
nlris: st.SearchStrategy[Nlri] = (
    st.builds(IpPrefixRoute, rds, prefixes)
    | st.builds(MacIpRoute, rds, macs, st.none() | v4 | v6)
    | st.builds(InclusiveMulticastRoute, rds, v4 | v6)
    | memberships
)
paths = st.builds(
    Path,
    next_hop=v4 | v6,
    route_targets=st.lists(targets, max_size=40, unique=True).map(lambda t: tuple(sorted(t))),
    encapsulations=st.sampled_from([(), *((e,) for e in Encapsulation), tuple(Encapsulation)]),
    label=st.integers(0, (1 << 20) - 1).map(Label),
    vni=st.integers(0, (1 << 24) - 1).map(Vni),
    l3_vni=st.integers(0, (1 << 24) - 1).map(Vni),
    router_mac=st.none() | macs,
    local_preference=st.integers(0, (1 << 32) - 1),
    as_path=st.lists(st.integers(65000, (1 << 32) - 1), max_size=300).map(tuple),
    origin=st.sampled_from([0, 1, 2]),
    med=st.integers(0, (1 << 32) - 1),
    sequence=st.integers(0, (1 << 32) - 1),
    sticky=st.booleans(),
    communities=st.sets(st.integers(0, 0xFFFEFFFF), max_size=4).map(lambda c: tuple(sorted(c))),
    default_gateway=st.booleans(),
)
