"""The metadata service without sockets: names of ports, and requests of any kind."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.desired import LocalPort
from sdnctl.types import Ip, Mac, Vni
from sdnctl_vrouter.metadata import http
from sdnctl_vrouter.metadata.addresses import HOST_4, HOST_6, Asker, asker, name_4, prefix_6
from sdnctl_vrouter.metadata.proxy import Upstream
from sdnctl_vrouter.responder.guest import Guest

ADDRESS = Ip.parse("10.0.0.1")


def guest(device: str = "i-1", project: str = "acme") -> Guest:
    mac = Mac.parse("fa:16:3e:00:00:01")
    port = LocalPort("p", Vni(1), Vni(0), mac, (ADDRESS,), device_id=device, project_id=project)
    return Guest(port, (), ())


@given(st.integers(1, 0xFEFF), st.integers(0, 0xFFF), st.binary(min_size=8, max_size=8))
def test_a_name_says_which_port_it_is(ofport: int, place: int, identifier: bytes) -> None:
    four = name_4(ofport, place)
    assert asker(four) == Asker(ofport, place)
    assert four != HOST_4
    assert str(four) != "255.255.255.255"
    six = Ip(prefix_6(ofport).to_bytes(8, "big") + identifier)
    assert asker(six) == Asker(ofport, -1)
    assert six[:8] != HOST_6[:8]
    assert six[:6] == HOST_6[:6], "on link with the agent"


def test_no_other_address_is_a_name() -> None:
    for text in ("10.0.0.1", "::1", "fe80::1", "fd53:444f::1"):
        assert asker(Ip.parse(text)) is None
    assert ip_network("240.0.0.0/4").is_reserved


def test_what_nova_needs_is_said_once_and_by_us() -> None:
    head = http.parse(
        b"POST /openstack/latest/password?a=b HTTP/1.1\r\nHost: 169.254.169.254\r\n"
        b"x-instance-ID: another\r\nX-Tenant-ID: another\r\nX-Forwarded-For: 8.8.8.8\r\n"
        b"X-Instance-ID-Signature: x\r\nX-Metadata-Provider: y\r\nConnection: keep-alive\r\n"
        b"X_Tenant_ID: another\r\nContent-Length: 3\r\nUser-Agent: cloud-init\r\n\r\n"
    )
    sent = http.request(head, b"abc", guest(), ADDRESS, b"secret")
    lines, _, body = sent.partition(b"\r\n\r\n")
    assert body == b"abc"
    assert lines.split(b"\r\n") == [
        b"POST /openstack/latest/password?a=b HTTP/1.1",
        b"host: 169.254.169.254",
        b"user-agent: cloud-init",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Instance-ID: i-1",
        b"X-Tenant-ID: acme",
        # printf i-1 | openssl dgst -sha256 -hmac secret
        b"X-Instance-ID-Signature: " + http.signature(b"secret", "i-1").encode(),
        b"Content-Length: 3",
        b"Connection: close",
    ]


def test_the_signature_is_what_nova_checks() -> None:
    # The example of RFC 4231 section 4.3.
    assert http.signature(b"Jefe", "what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_a_device_id_makes_no_header_of_its_own() -> None:
    head = http.parse(b"GET / HTTP/1.1\r\n\r\n")
    sent = http.request(head, b"", guest("a\r\nX-Tenant-ID: b\r\n\r\n"), ADDRESS, b"secret")
    assert sent.count(b"\r\n\r\n") == 1
    assert sent.lower().count(b"\r\nx-tenant-id:") == 1


def test_a_port_of_no_instance() -> None:
    head = http.parse(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(http.RefusedError) as refused:
        http.request(head, b"", guest(""), ADDRESS, b"secret")
    assert refused.value.status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nX-Instance-ID: c\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ],
)
def test_what_is_no_request_is_refused(request_: bytes, status: int) -> None:
    with pytest.raises(http.RefusedError) as refused:
        http.parse(request_)
    assert refused.value.status == status
    assert http.refusal(refused.value.status).startswith(f"HTTP/1.1 {status} ".encode())


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"X-Tenant-ID", b": ", b"x", b"\0"])).map(
            lambda parts: b"GET / HTTP/1.1\r\n" + b"".join(parts)
        ),
    )
)
def test_nothing_gets_through_that_is_ours_to_say(data: bytes) -> None:
    with contextlib.suppress(http.RefusedError):
        sent = http.request(http.parse(data + b"\r\n\r\n"), b"", guest(), ADDRESS, b"secret")
        lines = sent.replace(b"\r", b"\n").lower().split(b"\n")
        said = [line for line in lines if line.startswith(b"x-tenant-id:")]
        assert said == [b"x-tenant-id: acme"]


def test_where_nova_is() -> None:
    assert Upstream.parse("http://nova:8775") == Upstream("nova", 8775, False)
    assert Upstream.parse("https://[2001:db8::1]/") == Upstream("2001:db8::1", 8775, True)
    for url in ("nova:8775", "ftp://nova", "http://nova/path", "http://", "http://nova:x"):
        with pytest.raises(ValueError, match=r"metadata service|[Pp]ort"):
            Upstream.parse(url)
