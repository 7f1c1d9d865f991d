"""One security group rule to the matches that it means: pure functions, packed bytes out.

Promise: a packet is of a rule's service exactly if one of ``services`` matches it; no two of them
match the same packet. Knows no group, no policy and no address but the rule's own prefix.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from sdnctl.desired import SecurityRule
from sdnctl.types import Prefix
from sdnctl_vrouter.drivers.ovs import templates as t
from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.translation import Unreachable, netmask, with_actions

_MATCH: Final = struct.Struct("!HH").pack
_HEAD: Final = 32
"""Octets of a FlowMod without header and cookie, before its match."""

ICMP: Final = {4: 1, 6: 58}
_PORTS: Final = {6: t.rule_tcp, 17: t.rule_udp, 132: t.rule_sctp}


def flow(table: Table, priority: Priority, match: bytes, actions: bytes) -> bytes:
    """A flow from the fields of its match, one behind the other."""
    length = 4 + len(match)
    head = t.rule_head(table, priority)[:_HEAD]
    padded = _MATCH(1, length) + match + bytes(-length % 8)
    return with_actions(head + padded, actions)


def services(rule: SecurityRule) -> list[bytes]:
    """IP version, protocol, and ports or type: the match fields, for each range of ports.

    Raises Unreachable for what Open vSwitch cannot match.
    """
    version = (t.rule_ip_4 if rule.version == 4 else t.rule_ip_6)()
    if rule.protocol is None:
        return [version]
    base = version + t.rule_protocol(rule.protocol)
    if rule.first is None:
        return [base]
    if rule.protocol == ICMP[rule.version]:
        four = rule.version == 4
        base += (t.rule_icmp_type_4 if four else t.rule_icmp_type_6)(rule.first)
        if rule.last is not None:
            base += (t.rule_icmp_code_4 if four else t.rule_icmp_code_6)(rule.last)
        return [base]
    ports = _PORTS.get(rule.protocol)
    if ports is None:
        raise Unreachable(f"ports of IP protocol {rule.protocol} cannot be matched")
    last = rule.first if rule.last is None else rule.last
    if (rule.first, last) == (0, 0xFFFF):
        return [base]
    return [base + ports(first, mask) for first, mask in masked(rule.first, last)]


def masked(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range of 16-bit numbers as the fewest (value, mask) pairs."""
    while first <= last:
        size = first & -first or 0x10000
        while size > last - first + 1:
            size >>= 1
        yield first, 0x10000 - size
        first += size


def address(prefix: Prefix, *, ingress: bool) -> bytes:
    """The far end's address: source of what comes in, destination of what goes out."""
    ip, length = prefix
    if not length:
        return b""
    four = ip.version == 4
    if ingress:
        pack = t.rule_from_4 if four else t.rule_from_6
    else:
        pack = t.rule_to_4 if four else t.rule_to_6
    return pack(ip, netmask(length, ip.bits))
