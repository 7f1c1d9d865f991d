"""The codec of the agent stream: there and back, equal bytes, and garbage."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl import wire
from sdnctl.desired import (
    Desired,
    DhcpOption,
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    HidingAddress,
    HostName,
    Irb,
    Limit,
    Limits,
    LocalPort,
    Neighbor,
    NextHop,
    Node,
    Probe,
    Qos,
    RemoteAddresses,
    SecurityRule,
    SubnetOptions,
    Vrf,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from sdnctl.vrouter.v1 import vrouter_pb2 as pb

ips = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(Ip)
macs = st.binary(min_size=6, max_size=6).map(Mac)
vnis = st.integers(0, 2**24 - 1).map(Vni)
labels = st.integers(0, 2**20 - 1).map(Label)
tunnels = st.lists(st.sampled_from(Encapsulation), unique=True).map(tuple)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hops = st.builds(NextHop, ips, labels, vnis, tunnels, st.none() | macs)
prefixes = ips.flatmap(lambda ip: st.integers(0, ip.bits).map(lambda n: Prefix.covering(ip, n)))
interfaces = ips.flatmap(lambda ip: st.tuples(st.just(ip), st.integers(0, ip.bits)))
limits = st.none() | st.builds(Limit, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
bounds = st.none() | st.builds(Limits, st.integers(0, 2**31 - 1), limits, limits)
zones = st.integers(0, 65535)
port_ranges = st.tuples(zones, zones)
desired: st.SearchStrategy[Desired] = st.one_of(
    st.builds(
        Node,
        texts,
        ips,
        tunnels,
        st.integers(0, 65535),
        macs,
        st.lists(st.tuples(ips, st.integers(0, 2**32 - 1))).map(tuple),
    ),
    st.builds(
        LocalPort,
        texts,
        vnis,
        vnis,
        macs,
        st.lists(ips).map(tuple),
        st.booleans(),
        st.booleans(),
        security_groups=st.lists(texts).map(tuple),
        pairs=st.lists(st.tuples(macs, prefixes)).map(tuple),
        behind=st.lists(prefixes).map(tuple),
        router_mac=st.none() | macs,
        host_name=texts,
        dhcp_options=st.lists(
            st.builds(
                DhcpOption,
                st.sampled_from([4, 6]),
                st.integers(0, 65535),
                st.binary(max_size=20),
            )
        ).map(tuple),
        mtu=st.integers(0, 65535),
        device_id=texts,
        project_id=texts,
        parent=texts,
        vlan=st.integers(0, 4094),
        qos=st.none() | st.builds(Qos, limits, limits, st.none() | st.integers(0, 63)),
        standby=st.booleans(),
        onward=st.none() | hops,
        onward_routed=st.none() | hops,
        picks_up=st.booleans(),
        claimed=st.lists(st.tuples(macs, ips)).map(tuple),
        zone=st.integers(0, 65535),
    ),
    st.builds(
        SubnetOptions,
        vnis,
        texts,
        prefixes,
        st.none() | ips,
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.lists(ips).map(tuple),
        st.lists(st.tuples(prefixes, ips)).map(tuple),
        st.integers(0, 2**32 - 1),
        texts,
    ),
    st.builds(Evi, vnis, labels, st.integers(0, 65535), vnis),
    st.builds(Irb, vnis, vnis, texts, macs, st.lists(interfaces).map(tuple)),
    st.builds(HostName, vnis, texts, texts, st.lists(ips).map(tuple)),
    st.builds(Neighbor, vnis, ips, macs),
    st.builds(FdbEntry, vnis, macs, hops),
    st.builds(FloodEntry, vnis, hops),
    st.builds(Vrf, vnis, labels, st.lists(prefixes).map(tuple)),
    st.builds(
        Exit,
        vnis,
        vnis,
        zones,
        st.lists(prefixes).map(tuple),
        st.booleans(),
        st.booleans(),
        st.none() | ips,
        st.none() | hops,
        bounds,
    ),
    st.builds(FloatingAddress, vnis, ips, vnis, ips, zones, bounds),
    st.builds(HidingAddress, vnis, ips),
    st.builds(
        *(Forwarding, vnis, texts, vnis, ips, zones, port_ranges, ips, port_ranges, zones, hops),
        bounds,
    ),
    st.builds(FibEntry, vnis, prefixes, st.lists(hops).map(tuple), st.lists(hops).map(tuple)),
    st.builds(
        SecurityRule,
        texts,
        texts,
        st.booleans(),
        st.sampled_from([4, 6]),
        protocol=st.none() | st.integers(0, 255),
        first=st.none() | st.integers(0, 65535),
        last=st.none() | st.integers(0, 65535),
        prefix=st.none() | prefixes,
        remote=texts,
        stateful=st.booleans(),
    ),
    st.builds(RemoteAddresses, texts, texts, st.lists(prefixes).map(tuple)),
    st.builds(Probe, vnis, ips, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
)


@given(desired)
def test_there_and_back(row: Desired) -> None:
    data = wire.encode(row)
    message = pb.Resource.FromString(data)
    assert wire.decode(message) == row
    assert message.SerializeToString() == data  # so the agent's version is the controller's


@given(st.lists(desired, max_size=4), st.lists(texts, max_size=3), st.booleans())
def test_a_message_of_parts_is_the_message(
    rows: list[Desired], removals: list[str], flag: bool
) -> None:
    parts = wire.group_delta(
        "evi/7", 2**64 - 1, [wire.encode(r) for r in rows], removals, snapshot=flag, partial=flag
    )
    message = wire.read_downstream(wire.downstream([parts, parts], 3, 4, in_sync=flag, epoch=5))
    assert len(message.groups) == 2
    delta = message.groups[0]
    assert (delta.group, delta.version, delta.snapshot) == ("evi/7", 2**64 - 1, flag)
    assert [wire.decode(resource) for resource in delta.upserts] == rows
    assert list(delta.removals) == removals
    assert (message.nonce, message.revision, message.in_sync, message.epoch) == (3, 4, flag, 5)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        for group in wire.read_downstream(data).groups:
            for resource in group.upserts:
                with contextlib.suppress(wire.UnknownResourceError):
                    wire.decode(resource)
    with contextlib.suppress(ValueError):
        wire.read_upstream(data)


def test_what_a_newer_controller_says_is_named() -> None:
    with pytest.raises(wire.UnknownResourceError, match="acl/9: a kind of resource"):
        wire.decode(pb.Resource(key="acl/9"))
    body = pb.Neighbor(vni=1, ip=b"12345", mac=b"123456")
    with pytest.raises(wire.UnknownResourceError, match="5 bytes"):
        wire.decode(pb.Resource(key="neighbor/1/x", neighbor=body))
    body = pb.Neighbor(vni=1, ip=b"1234", mac=b"123456")
    with pytest.raises(wire.UnknownResourceError, match="the body is that of"):
        wire.decode(pb.Resource(key="neighbor/2/49.50.51.52", neighbor=body))


def test_an_encapsulation_of_the_future_is_passed_over() -> None:
    via = pb.NextHop(vtep=b"1234", encapsulations=[99, 8])
    row = wire.decode(
        pb.Resource(key="fdb/1/31:32:33:34:35:36", fdb=pb.Fdb(vni=1, mac=b"123456", via=via))
    )
    assert isinstance(row, FdbEntry)
    assert row.via.encapsulations == (Encapsulation.VXLAN,)
