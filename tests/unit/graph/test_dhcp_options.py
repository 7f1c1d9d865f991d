from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.graph.dhcp_options import encode


@pytest.mark.parametrize(
    ("name", "value", "version", "wire"),
    [
        ("tftp-server", "192.0.2.1", 4, (66, b"192.0.2.1")),
        ("bootfile-name", "pxelinux.0", 4, (67, b"pxelinux.0")),
        ("67", "pxelinux.0", 4, (67, b"pxelinux.0")),
        ("option:router", "10.0.0.1, 10.0.0.2", 4, (3, b"\x0a\0\0\1\x0a\0\0\2")),
        ("router", "", 4, (3, b"")),
        ("server-ip-address", "192.0.2.9", 4, (0, b"\xc0\0\x02\x09")),
        # What is given for both versions is kept for both, and sent where it can be.
        ("server-ip-address", "2001:db8::9", 4, (0, b"")),
        ("mtu", "1400", 4, (26, b"\x05\x78")),
        ("150", "192.0.2.1", 4, (150, b"\xc0\0\2\1")),
        ("43", "01:04:de:ad:be:ef", 4, (43, b"\1\4\xde\xad\xbe\xef")),
        ("200", "any text", 4, (200, b"any text")),
        ("domain-search", "a.example,b", 4, (119, b"\1a\7example\0\1b\0")),
        (
            "classless-static-route",
            "198.51.100.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1",
            4,
            (121, b"\x18\xc6\x33\x64\x0a\0\0\x09\0\x0a\0\0\1"),
        ),
        ("option6:dns-server", "[2001:db8::1]", 6, (23, b"\x20\1\x0d\xb8" + bytes(11) + b"\1")),
        ("bootfile-url", "tftp://x/y", 6, (59, b"tftp://x/y")),
    ],
)
def test_options_on_the_wire(name: str, value: str, version: int, wire: tuple[int, bytes]) -> None:
    assert encode(name, value, version) == wire


@given(
    st.one_of(
        st.text(max_size=20),
        st.integers(0, 70000).map(str),
        st.sampled_from(["classless-static-route", "domain-search", "mtu", "router"]),
    ),
    st.text(max_size=255) | st.text("0123456789abcdef.:/, []-", max_size=255),
    st.sampled_from([4, 6]),
)
def test_anything_else_is_a_value_error(name: str, value: str, version: int) -> None:
    with contextlib.suppress(ValueError):
        code, wire = encode(name, value, version)
        assert 0 <= code <= 0xFFFF
        assert isinstance(wire, bytes)
