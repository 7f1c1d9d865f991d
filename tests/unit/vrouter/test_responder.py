"""Answers to guests: every parser on garbage, and DHCPv6 and advertisements to the letter."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_Confirm,
    DHCP6_Decline,
    DHCP6_InfoRequest,
    DHCP6_Rebind,
    DHCP6_RelayForward,
    DHCP6_Release,
    DHCP6_Renew,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptDNSServers,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptRapidCommit,
    DHCP6OptServerId,
    DHCP6OptStatusCode,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether

from sdnctl.desired import DhcpOption, Irb, LocalPort, SubnetOptions
from sdnctl.types import Ip, Mac, Prefix, Vni
from sdnctl_vrouter.allowance import Allowance
from sdnctl_vrouter.drivers.ovs.questions import BURST, RATE
from sdnctl_vrouter.responder import dhcpv4, dhcpv6, packets
from sdnctl_vrouter.responder.answer import answer
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import SERVICE_MAC, link_local

MAC = Mac.parse("fa:16:3e:00:00:01")
GATEWAY = Mac.parse("fa:16:3e:ff:00:00")
OWN_4, OWN_6, OTHER_6 = (Ip.parse(a) for a in ("10.0.0.1", "2001:db8::1", "2001:db8::2"))
DNS_6 = Ip.parse("2001:db8::53")
ROUTES = tuple((Prefix.parse(f"10.{n}.0.0/16"), Ip.parse("10.0.0.9")) for n in range(1, 60))

FOUR = SubnetOptions(Vni(1), "four", Prefix.parse("10.0.0.0/24"), Ip.parse("10.0.0.254"), dhcp=True)
SIX = SubnetOptions(
    Vni(1),
    "six",
    Prefix.parse("2001:db8::/64"),
    dhcp=True,
    advertised=True,
    dns_servers=(DNS_6,),
    domain="red.example.",
)
IRB = Irb(Vni(1), Vni(9), "gw", GATEWAY, ((Ip.parse("2001:db8::fe"), 64),))


def guest(*subnets: SubnetOptions, irbs: tuple[Irb, ...] = (IRB,), **more: Any) -> Guest:
    fields: dict[str, Any] = {"addresses": (OWN_4, OWN_6), "mtu": 1450} | more
    return Guest(LocalPort("p", Vni(1), Vni(9), MAC, **fields), subnets or (FOUR, SIX), irbs)


def ask_4(*options: Any, **more: Any) -> bytes:
    frame = Ether(src=str(MAC)) / IP(src="0.0.0.0", dst="255.255.255.255")
    bootp = BOOTP(chaddr=bytes(MAC), **more)
    return bytes(frame / UDP(sport=68, dport=67) / bootp / DHCP(options=[*options, "end"]))


def ask_6(message: Any, *options: Any, client: bool = True) -> bytes:
    if client:
        message /= DHCP6OptClientId(duid=DUID_LL(lladdr=str(MAC)))
    for option in options:
        message /= option
    packet = IPv6(src=str(link_local(MAC)), dst="ff02::1:2") / UDP(sport=546, dport=547)
    return bytes(Ether(src=str(MAC), dst="33:33:00:01:00:02") / packet / message)


def ia(*addresses: Ip) -> Any:
    return DHCP6OptIA_NA(iaid=7, ianaopts=[DHCP6OptIAAddress(addr=str(a)) for a in addresses])


SERVER = DHCP6OptServerId(duid=DUID_LL(lladdr=str(SERVICE_MAC)))
WRONG_SERVER = DHCP6OptServerId(duid=DUID_LL(lladdr="02:00:00:00:00:99"))


# ---- garbage


frames = st.one_of(
    st.binary(max_size=400),
    st.builds(
        lambda base, cuts: bytes(cuts.get(i, octet) for i, octet in enumerate(base)),
        st.sampled_from(
            [
                ask_4(("message-type", "discover"), ("requested_addr", "10.0.0.1")),
                ask_4(("message-type", "request"), ("max_dhcp_size", 1500)),
                ask_6(DHCP6_Solicit(), ia(OWN_6), DHCP6OptRapidCommit()),
                ask_6(DHCP6_Request(), SERVER, ia(OTHER_6)),
                ask_6(DHCP6_InfoRequest(), client=False),
            ]
        ),
        st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=6),
    ),
    st.builds(
        lambda base, size: base[:size],
        st.sampled_from([ask_4(("message-type", "discover")), ask_6(DHCP6_Solicit(), ia(OWN_6))]),
        st.integers(0, 400),
    ),
)


@given(frames)
def test_a_frame_of_any_kind_is_answered_or_not(frame: bytes) -> None:
    reply = answer(guest(), frame)
    if reply is not None:
        parsed = Ether(reply)
        assert parsed.src == str(GATEWAY) or IP in parsed
        # What is answered has the right sums, whatever came.
        counted = parsed.copy()
        for layer in (IP, UDP):
            if layer in counted:
                del counted[layer].chksum
        assert bytes(counted) == reply


@given(st.binary(max_size=600))
def test_parsers_raise_on_nothing(data: bytes) -> None:
    packet = packets.parse(data)
    if packet is not None:
        packets.parse_udp(packet)
    dhcpv4.parse(data)
    dhcpv4.parse(b"\1\1\6\0" + data[:232].ljust(232, b"\0") + b"\x63\x82\x53\x63" + data[232:])
    dhcpv6.parse(data)
    list(packets.options_6(data))


# ---- DHCP beyond what tests/netns sees


def told_4(of: Guest, *options: Any, **more: Any) -> tuple[Any, dict[str, Any]]:
    reply = answer(of, ask_4(("message-type", "discover"), *options, **more))
    assert reply is not None
    parsed = Ether(reply)
    return parsed, {o[0]: o[1:] for o in parsed[DHCP].options if isinstance(o, tuple)}


def test_a_ports_own_options_go_before_its_subnets() -> None:
    own = (
        DhcpOption(4, 26, b"\x05\x00"),
        DhcpOption(4, 3, b""),
        DhcpOption(4, 66, b"192.0.2.7"),
        DhcpOption(4, 67, b"boot.0"),
        DhcpOption(4, 0, bytes((192, 0, 2, 7))),
        DhcpOption(6, 59, b"for the other version"),
    )
    parsed, told = told_4(guest(dhcp_options=own))
    assert told["interface-mtu"] == (1280,)
    assert "router" not in told
    assert told["tftp_server_name"] == (b"192.0.2.7",)
    assert (parsed[BOOTP].siaddr, parsed[BOOTP].file.rstrip(b"\0")) == ("192.0.2.7", b"boot.0")


def test_what_does_not_fit_is_left_out_and_the_lease_stays() -> None:
    many = guest(msgspec.structs.replace(FOUR, routes=ROUTES))
    reply, told = told_4(many)
    assert len(reply[IP]) <= 576
    assert told["message-type"] == (2,)
    assert told["lease_time"] == (86400,)
    roomy, _ = told_4(many, ("max_dhcp_size", 1400))
    raw = bytes(roomy[DHCP])
    assert raw.count(b"\x79\xff") == 1, "an option of more than 255 octets goes in parts"
    assert b"\x10\x0a\x3b\x0a\0\0\x09" in raw, "the last route"


def test_a_subnet_without_a_gateway() -> None:
    _, told = told_4(guest(msgspec.structs.replace(FOUR, gateway=None), irbs=()))
    assert told["server_id"] == ("169.254.169.254",)
    assert "router" not in told
    assert told["classless_static_routes"] == (["169.254.169.254/32:0.0.0.0"],)


def test_the_hosts_resolver_is_for_who_has_no_other() -> None:
    own = msgspec.structs.replace(FOUR, dns_servers=(Ip.parse("192.0.2.53"),))
    for subnet, wanted in ((FOUR, "169.254.169.254"), (own, "192.0.2.53")):
        _, told = told_4(guest(subnet)._replace(resolver=True))
        assert told["name_server"] == (wanted,)
    assert "name_server" not in told_4(guest())[1]
    frame = bytes(Ether(src=str(MAC)) / IPv6(src="::", dst="ff02::2") / ICMPv6ND_RS())
    reply = answer(guest(STATELESS)._replace(resolver=True), frame)
    assert reply is not None
    assert Ether(reply)[ICMPv6NDOptRDNSS].dns == ["fe80::a9fe:a9fe"]


def test_the_client_identifier_comes_back() -> None:
    _, told = told_4(guest(), ("client_id", b"\1abcdef"))
    assert told["client_id"][-1].endswith(b"abcdef")


# ---- DHCPv6


def told_6(of: Guest, frame: bytes) -> Any:
    reply = answer(of, frame)
    assert reply is not None
    parsed = Ether(reply)
    assert (parsed.src, parsed.dst) == (str(GATEWAY), str(MAC))
    assert (parsed[IPv6].src, parsed[IPv6].dst) == (str(link_local(GATEWAY)), str(link_local(MAC)))
    return parsed


def leased(message: Any) -> dict[str, int]:
    return {o.addr: o.validlft for o in message[DHCP6OptIA_NA].ianaopts if hasattr(o, "addr")}


def test_solicit_request_renew() -> None:
    offered = told_6(guest(), ask_6(DHCP6_Solicit(trid=5), ia()))
    assert offered[DHCP6_Advertise].trid == 5
    assert leased(offered) == {str(OWN_6): 86400}
    assert bytes(offered[DHCP6OptServerId].duid) == dhcpv6.DUID
    assert offered[DHCP6OptDNSServers].dnsservers == [str(DNS_6)]
    for message in (DHCP6_Request(), DHCP6_Renew()):
        got = told_6(guest(), ask_6(message, SERVER, ia(OWN_6)))
        assert leased(got[DHCP6_Reply]) == {str(OWN_6): 86400}
    got = told_6(guest(), ask_6(DHCP6_Solicit(), DHCP6OptRapidCommit(), ia()))
    assert DHCP6OptRapidCommit in got[DHCP6_Reply]


def test_another_address_is_of_no_use() -> None:
    got = told_6(guest(), ask_6(DHCP6_Rebind(), ia(OTHER_6)))
    assert leased(got) == {str(OWN_6): 86400, str(OTHER_6): 0}


def test_a_port_without_an_address() -> None:
    got = told_6(guest(addresses=(OWN_4,)), ask_6(DHCP6_Solicit(), ia()))
    assert got[DHCP6OptIA_NA].ianaopts[0].statuscode == 2


def test_confirm_and_what_changes_nothing() -> None:
    for ip, status in ((OTHER_6, 0), (Ip.parse("2001:db8:9::1"), 4)):
        got = told_6(guest(), ask_6(DHCP6_Confirm(), ia(ip)))
        assert got[DHCP6OptStatusCode].statuscode == status
    for message in (DHCP6_Release(), DHCP6_Decline()):
        got = told_6(guest(), ask_6(message, SERVER, ia(OWN_6)))
        assert got[DHCP6OptStatusCode].statuscode == 0


STATELESS = SubnetOptions(
    Vni(1), "six", SIX.prefix, stateless=True, advertised=True, autonomous=True, other=True
)


@pytest.mark.parametrize(
    ("frame", "subnets"),
    [
        (ask_6(DHCP6_Request(), WRONG_SERVER, ia(OWN_6)), (SIX,)),
        (ask_6(DHCP6_Request(), ia(OWN_6)), (SIX,)),
        (ask_6(DHCP6_Solicit(), SERVER, ia()), (SIX,)),
        (ask_6(DHCP6_Solicit(), ia(), client=False), (SIX,)),
        (ask_6(DHCP6_Solicit(), ia()), (STATELESS,)),
        (ask_6(DHCP6_InfoRequest(), WRONG_SERVER), (STATELESS,)),
        (ask_6(DHCP6_InfoRequest()), (FOUR,)),
        (ask_6(DHCP6_Confirm()), (SIX,)),
        (ask_6(DHCP6_RelayForward(), client=False), (SIX,)),
        (ask_6(DHCP6_Reply(), ia(OWN_6)), (SIX,)),
        (bytes(Ether(src=str(MAC)) / IPv6(dst="ff02::2") / ICMPv6ND_RS()), (FOUR,)),
    ],
)
def test_silence(frame: bytes, subnets: tuple[SubnetOptions, ...]) -> None:
    assert answer(guest(*subnets), frame) is None


def test_information_without_an_address() -> None:
    subnet = msgspec.structs.replace(STATELESS, dns_servers=(DNS_6,))
    option = DhcpOption(6, 31, bytes(Ip.parse("2001:db8::123")))
    of = guest(subnet, dhcp_options=(option,))
    got = told_6(of, ask_6(DHCP6_InfoRequest(), client=False))
    assert got[DHCP6OptDNSServers].dnsservers == [str(DNS_6)]
    assert DHCP6OptIA_NA not in got
    assert bytes(option.value) in bytes(got)


# ---- router advertisements


@pytest.mark.parametrize(
    ("flags", "managed", "other", "autonomous"),
    [
        ({"autonomous": True}, 0, 0, 1),
        ({"autonomous": True, "other": True, "stateless": True}, 0, 1, 1),
        ({"dhcp": True}, 1, 0, 0),
    ],
)
def test_flags_of_an_advertisement(
    flags: dict[str, Any], managed: int, other: int, autonomous: int
) -> None:
    fields: dict[str, Any] = {"advertised": True, "dns_servers": (DNS_6,)} | flags
    subnet = SubnetOptions(Vni(1), "six", SIX.prefix, domain="red.example.", **fields)
    source = link_local(MAC)
    solicitation = IPv6(src=str(source), dst="ff02::2") / ICMPv6ND_RS()
    reply = answer(guest(subnet), bytes(Ether(src=str(MAC)) / solicitation))
    assert reply is not None
    parsed = Ether(reply)
    assert (parsed[IPv6].src, parsed[IPv6].dst) == (str(link_local(GATEWAY)), str(source))
    assert parsed[IPv6].hlim == 255
    told = parsed[ICMPv6ND_RA]
    assert (told.M, told.O, told.routerlifetime) == (managed, other, 1800)
    assert told[ICMPv6NDOptSrcLLAddr].lladdr == str(GATEWAY)
    assert told[ICMPv6NDOptMTU].mtu == 1450
    prefix = told[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen) == ("2001:db8::", 64)
    assert (1, autonomous) == (prefix.L, prefix.A)
    assert told[ICMPv6NDOptRDNSS].dns == [str(DNS_6)]
    assert told[ICMPv6NDOptDNSSL].searchlist == ["red.example."]
    # The checksum is right, as scapy counts it.
    expected = parsed.copy()
    del expected[ICMPv6ND_RA].cksum
    assert Ether(bytes(expected))[ICMPv6ND_RA].cksum == told.cksum


def test_without_a_router_there_is_no_default_route() -> None:
    frame = bytes(Ether(src=str(MAC)) / IPv6(src="::", dst="ff02::2") / ICMPv6ND_RS())
    reply = answer(guest(STATELESS, irbs=()), frame)
    assert reply is not None
    parsed = Ether(reply)
    assert (parsed.dst, parsed[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert parsed[ICMPv6ND_RA].routerlifetime == 0


# ---- the allowance


def test_an_allowance_is_a_ports_own_and_comes_back() -> None:
    allowance = Allowance(RATE, BURST)
    taken = [allowance.take(1, 100.0) == 0 for _ in range(int(BURST) + 5)]
    assert taken == [True] * int(BURST) + [False] * 5
    assert allowance.take(2, 100.0) == 0
    assert [allowance.take(1, 101.0) == 0 for _ in range(int(RATE) + 1)] == [True] * 10 + [False]
    assert allowance.take(1, 1000.0) == 0


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 0.5)), max_size=200))
def test_no_port_gets_more_than_its_allowance(asked: list[tuple[int, float]]) -> None:
    allowance, now, granted = Allowance(rate=2, burst=5), 0.0, dict.fromkeys((1, 2, 3), 0)
    for port, pause in asked:
        now += pause
        granted[port] += allowance.take(port, now) == 0
        assert granted[port] <= 5 + 2 * now + 1e-6
