"""Text and wire forms of the field's values."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.types import Encapsulation, Ip, Mac, Prefix, RouteDistinguisher, RouteTarget


@given(st.binary(min_size=6, max_size=6).map(Mac))
def test_mac(mac: Mac) -> None:
    assert Mac.parse(str(mac)) == mac
    assert Mac.parse(str(mac).replace(":", "-").upper()) == mac


@given(st.ip_addresses())
def test_ip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    ip = Ip.parse(str(address))
    assert Ip.parse(str(ip)) == ip
    assert ip == address.packed
    assert ip.version == address.version
    assert Ip.from_number(ip.number, ip.version) == ip


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_prefix(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length: int,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    length = min(length, address.max_prefixlen)
    prefix = Prefix.covering(Ip(address.packed), length)
    network = ipaddress.ip_network((address, length), strict=False)
    assert prefix == Prefix.parse(str(network))
    assert Ip(address.packed) in prefix
    assert (Ip(other.packed) in prefix) == (other.version == network.version and other in network)


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("64512:7", "00 00 fc 00 00 00 00 07"),
        ("192.0.2.1:7", "00 01 c0 00 02 01 00 07"),
        ("4200000000:7", "00 02 fa 56 ea 00 00 07"),
    ],
)
def test_route_distinguisher(text: str, packed: str) -> None:
    rd = RouteDistinguisher.parse(text)
    assert rd == bytes.fromhex(packed)
    assert str(rd) == text


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("64512:8000001", "00 02 fc 00 00 7a 12 01"),
        ("192.0.2.1:7", "01 02 c0 00 02 01 00 07"),
        ("4200000000:7", "02 02 fa 56 ea 00 00 07"),
    ],
)
def test_route_target(text: str, packed: str) -> None:
    target = RouteTarget.parse(text)
    assert target == bytes.fromhex(packed)
    assert str(target) == text


def test_encapsulation() -> None:
    assert [str(e) for e in Encapsulation] == ["mpls-gre", "vxlan", "mpls-udp"]
    assert [Encapsulation.parse(str(e)) for e in Encapsulation] == list(Encapsulation)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (Mac.parse, "fa:16:3e:00:00"),
        (Mac.parse, "fa:16:3e:00:00:zz"),
        (Mac.parse, ""),
        (Mac.parse, "fa:16:3e:00:00:+1"),
        (Ip.parse, "192.0.2"),
        (Ip.parse, "192.0.2.1/24"),
        (Ip.parse, "fe80::1%eth0"),
        (Ip.parse, "\0"),
        (Prefix.parse, "192.0.2.1/24"),
        (Prefix.parse, "192.0.2.0/33"),
        (RouteDistinguisher.parse, "7"),
        (RouteDistinguisher.parse, "64512:4294967296"),
        (RouteDistinguisher.parse, "4200000000:65536"),
        (RouteDistinguisher.parse, "-1:1"),
        (RouteTarget.parse, "a:b"),
        (RouteTarget.parse, "64512:"),
        (Encapsulation.parse, "geneve"),
    ],
)
def test_what_is_no_value_says_so(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_a_type_1_distinguisher_takes_an_ipv4_address() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        RouteDistinguisher.of(Ip.parse("2001:db8::1"), 1)
    with pytest.raises(ValueError, match="does not fit"):
        RouteDistinguisher.of(Ip.parse("192.0.2.1"), 65536)
