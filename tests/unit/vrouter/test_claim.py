"""What a guest says of its addresses, as it is on the wire."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from sdnctl.desired import LocalPort
from sdnctl.types import Ip, Mac, Prefix, Vni
from sdnctl_vrouter.responder.claim import claimed
from sdnctl_vrouter.responder.guest import Guest

OWN, VIRTUAL = Mac.parse("fa:16:3e:00:00:01"), Mac.parse("00:00:5e:00:01:07")
VIP, VIP6 = Ip.parse("10.0.0.200"), Ip.parse("2001:db8::200")
PAIRS = tuple((mac, Prefix.host(ip)) for mac in (OWN, VIRTUAL) for ip in (VIP, VIP6))
GUEST = Guest(LocalPort("p", Vni(7), Vni(0), OWN, (Ip.parse("10.0.0.5"),), pairs=PAIRS), (), ())


def arp(mac: Mac, source: Ip, target: Ip, op: int) -> bytes:
    return bytes(
        Ether(src=str(mac), dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=op, hwsrc=str(mac), psrc=str(source), pdst=str(target))
    )


def advert(mac: Mac, target: Ip, *, option: bool) -> bytes:
    head = Ether(src=str(mac), dst="33:33:00:00:00:01") / IPv6(src=str(target), dst="ff02::1")
    told = ICMPv6ND_NA(R=0, S=0, O=1, tgt=str(target))
    return bytes(head / told / ICMPv6NDOptDstLLAddr(lladdr=str(mac)) if option else head / told)


@pytest.mark.parametrize("mac", [OWN, VIRTUAL])
def test_gratuitous_arp_and_advertisements(mac: Mac) -> None:
    for op in (1, 2):
        assert claimed(GUEST, arp(mac, VIP, VIP, op)) == (mac, VIP)
    for option in (True, False):
        assert claimed(GUEST, advert(mac, VIP6, option=option)) == (mac, VIP6)


def test_all_else_is_no_claim() -> None:
    other = Ip.parse("10.0.0.9")
    assert claimed(GUEST, arp(OWN, VIP, other, 1)) is None, "a question"
    assert claimed(GUEST, arp(OWN, other, other, 1)) is None, "nothing of its"
    assert claimed(GUEST, arp(Mac.parse("02:00:00:00:00:01"), VIP, VIP, 1)) is None
    solicit = Ether() / IPv6(src="fe80::1", dst="ff02::1:ff00:200") / ICMPv6ND_NS(tgt=str(VIP6))
    assert claimed(GUEST, bytes(solicit)) is None
    for whole in (arp(OWN, VIP, VIP, 1), advert(OWN, VIP6, option=True)):
        for length in range(len(whole) if whole[12:14] == b"\x86\xdd" else 42):
            found = claimed(GUEST, whole[:length])
            assert found is None or found == (OWN, VIP6), length
