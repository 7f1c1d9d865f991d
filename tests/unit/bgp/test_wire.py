"""The codec of the speaker's stream."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.bgp import wire
from sdnctl.bgp.peer import Family, Peer, Secret, SessionEvent
from sdnctl.routes import Nlri, Path, RouteKey
from sdnctl.speaker.v1 import speaker_pb2 as pb
from sdnctl.types import Encapsulation, Ip, Label, Mac, RouteTarget, Vni
from tests.unit.bgp.exabgp_helpers import nlris, paths

PEER = Peer(
    name="gw",
    address=Ip.parse("192.0.2.1"),
    asn=64600,
    local_asn=64512,
    router_id=Ip.parse("192.0.2.2"),
    families=tuple(Family),
    hold_time=30,
    passive=True,
    port=1790,
    password=Secret("hush"),
    graceful_restart=0,
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), nlris, st.none() | paths), max_size=8))
def test_routes(told: list[tuple[str, Nlri, Path | None]]) -> None:
    routes = {RouteKey(peer, nlri): path for peer, nlri, path in told}
    announced, withdrawn = wire.encode_routes(routes.items())
    sent = pb.Learned(routes=announced, withdrawn=withdrawn).SerializeToString()
    received = pb.Learned.FromString(sent)
    assert dict(wire.decode_routes(received.routes, received.withdrawn)) == routes
    assert len(announced) == len({(k.source, p) for k, p in routes.items() if p is not None})


def test_every_attribute_of_a_path() -> None:
    path = Path(
        next_hop=Ip.parse("192.0.2.1"),
        route_targets=(RouteTarget.of(64512, 1),),
        encapsulations=(Encapsulation.VXLAN,),
        label=Label(16),
        vni=Vni(5001),
        l3_vni=Vni(9001),
        router_mac=Mac.parse("02:00:c0:00:02:01"),
        local_preference=200,
        as_path=(65001,),
        origin=2,
        med=5,
        peer=True,
        ebgp=True,
        router_id=Ip.parse("192.0.2.3"),
        sequence=7,
        sticky=True,
        communities=(65001 << 16 | 3,),
        default_gateway=True,
        stale=True,
    )
    silent = Path(next_hop=path.next_hop, route_targets=(), encapsulations=())
    same = [f for f in Path.__struct_fields__ if getattr(path, f) == getattr(silent, f)]
    assert same == ["next_hop"]  # a field that is added is tried here too
    assert wire.decode_path(pb.Path.FromString(wire.encode_path(path).SerializeToString())) == path


def test_peer() -> None:
    for local in (None, Ip.parse("192.0.2.2")):
        peer = msgspec.structs.replace(PEER, local_address=local)
        sent = wire.encode_peer(peer).SerializeToString()
        assert wire.decode_peer(pb.Peer.FromString(sent)) == peer


def test_session() -> None:
    event = SessionEvent(
        peer="gw", state="established", last_error="x", since=1.5, established=2,
        updates_sent=3, updates_received=4, routes_out=5, routes_in=6, families=(Family.EVPN,),
    )  # fmt: skip
    sent = wire.encode_session(event).SerializeToString()
    assert wire.decode_session(pb.Session.FromString(sent)) == event


def test_a_password_is_not_shown() -> None:
    assert PEER.password == "hush"
    assert "hush" not in f"{PEER} {PEER!r} {[PEER]}"
    assert repr(Secret()) == "''"
