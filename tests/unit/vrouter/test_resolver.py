"""The resolver without sockets: messages of any kind, and what a network knows of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR

from sdnctl.desired import HostName, LocalPort, SubnetOptions
from sdnctl.types import Ip, Mac, Prefix, Vni
from sdnctl_vrouter.resolver import dns
from sdnctl_vrouter.resolver.names import Names, NameTable, address_of, answer
from sdnctl_vrouter.responder.guest import Guest

VNI = Vni(7)
WEB_4, WEB_6, DB = (Ip.parse(a) for a in ("10.0.0.1", "2001:db8::1", "10.0.0.2"))
SUBNETS = (
    SubnetOptions(VNI, "four", Prefix.parse("10.0.0.0/24"), domain="Red.example."),
    SubnetOptions(VNI, "six", Prefix.parse("2001:db8::/64"), domain="red.example."),
)
GUEST = Guest(LocalPort("p", VNI, Vni(0), Mac(b"\2" * 6), ()), SUBNETS, ())


def known() -> Names:
    table = NameTable()
    table.put(None, HostName(VNI, "a", "web", (WEB_4, WEB_6)))
    table.put(None, HostName(Vni(8), "b", "web", (DB,)))
    return table.of(VNI, lambda ip: ip in {WEB_4, WEB_6, DB})


def ask(name: str, kind: str = "A") -> DNS | None:
    """The answer as scapy reads it; None for what goes elsewhere."""
    question = dns.parse(bytes(DNS(id=9, rd=1, qd=DNSQR(qname=name, qtype=kind))))
    assert question is not None
    reply = answer(question, GUEST, known())
    if reply is None:
        return None
    parsed = DNS(reply)
    assert (parsed.id, parsed.qr, parsed.aa, parsed.rd, parsed.ra) == (9, 1, 1, 1, 1)
    assert parsed.qd[0].qname.decode().rstrip(".") == name
    return parsed


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("web", "A", [str(WEB_4)]),
        ("web", "AAAA", [str(WEB_6)]),
        ("WEB.red.EXAMPLE", "A", [str(WEB_4)]),
        ("web.red.example", "MX", []),
        ("host-10-0-0-2", "A", [str(DB)]),
        ("host-10-0-0-2.red.example", "AAAA", []),
        ("host-2001-db8--1", "AAAA", [str(WEB_6)]),
        ("1.0.0.10.in-addr.arpa", "PTR", [b"web.Red.example."]),
        ("2.0.0.10.in-addr.arpa", "PTR", [b"host-10-0-0-2.Red.example."]),
        (".".join(reversed(WEB_6.hex())) + ".ip6.arpa", "PTR", [b"web.red.example."]),
    ],
)
def test_what_the_network_knows(name: str, kind: str, data: list[object]) -> None:
    reply = ask(name, kind)
    assert reply is not None
    assert reply.rcode == 0
    assert [reply.an[i].rdata for i in range(reply.ancount)] == data


@pytest.mark.parametrize("name", ["nobody", "9.0.0.10.in-addr.arpa", "host-10-0-0-9"])
def test_what_nobody_else_can_know(name: str) -> None:
    reply = ask(name)
    assert reply is not None
    assert (reply.rcode, reply.ancount) == (dns.NO_SUCH_NAME, 0)


@pytest.mark.parametrize("name", ["www.example.org", "www.red.example", "1.2.0.192.in-addr.arpa"])
def test_what_is_asked_elsewhere(name: str) -> None:
    assert ask(name) is None


def test_a_name_goes_with_its_port() -> None:
    table = NameTable()
    old, new = HostName(VNI, "a", "web", (WEB_4,)), HostName(VNI, "a", "www", (DB,))
    table.put(None, old)
    table.put(None, HostName(VNI, "b", "web", (WEB_6,)))
    table.put(old, new)
    names = table.of(VNI, lambda _ip: True)
    assert (names.by_name("web"), names.by_name("www")) == ([WEB_6], [DB])
    assert (names.by_ip(WEB_4), names.by_ip(DB)) == ("", "www")
    table.put(new, None)
    assert names.by_name("www") == []


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=80).map(lambda d: b"\0\1\1\0\0\1\0\0\0\0\0\0" + d + b"\0\0\1\0\1"),
    )
)
def test_messages_of_any_kind(data: bytes) -> None:
    question = dns.parse(data)
    if question is None:
        return
    assert data[12:].startswith(question.octets)
    reply = answer(question, GUEST, known()) or dns.answer(question, dns.REFUSED)
    assert reply[:2] == data[:2]
    assert reply[12 : 12 + len(question.octets)] == question.octets
    assert dns.parse(reply) is None, "an answer is no question: no loop"


@given(st.text(max_size=60))
def test_names_that_look_like_addresses(text: str) -> None:
    address_of("host-" + text)
    dns.reversed_ip(text + ".in-addr.arpa")
    dns.reversed_ip(text + ".ip6.arpa")
