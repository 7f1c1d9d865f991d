"""Security groups: connection tracking, verdicts, and the parts of which rules are made.

Neutron's always-allowed traffic passes untracked: ARP, neighbour discovery, multicast listener
reports and a DHCP client's exchange. Answers and ICMP errors of a connection pass while it is not
marked as cut; all else is asked of the rules with every packet.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import nicira_ext
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Reason, Register, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    ARP,
    ICMPV6,
    IPV4,
    IPV6,
    Action,
    Match,
    drop,
    flow,
    load,
    output,
    per_family,
    reg,
    resubmit,
    shape,
)

NEW, ESTABLISHED, RELATED, REPLY, INVALID, TRACKED = (1 << bit for bit in range(6))
"""Bits of ct_state (ovs-fields(7)); REPLY is ``rpl``."""

OUT: Final = "in_port_nxm"
IN: Final = Register.OUTPUT.field
"""What numbers a port's zone where it sends, and where it receives."""

CUT: Final = 1
"""Bit of ct_mark: the rules no longer allow the connection."""

PICKED_UP: Final = 2
"""Bit of ct_mark: the connection began on another hypervisor, by the side that answers here."""

TCP, UDP, SCTP = 6, 17, 132

MULTICAST_LISTENER: Final = (130, 131, 132, 143)
ASKING: Final = (*MULTICAST_LISTENER, 133, 135, 136)
"""ICMPv6 that a guest may always send (RFC 4890 section 4.4): not what makes it a router."""
ANSWERING: Final = (*MULTICAST_LISTENER, 134, 135, 136, 137)
"""ICMPv6 that always reaches a guest: no guest could have sent an advertisement of a router."""


def track(
    zone: str, table: int, *, commit: bool = False, mark: int | None = None, bit: int = CUT
) -> Action:
    """To the tracker and on in ``table``, or (255) just remember, with ``bit`` as ``mark`` says."""
    at = bit.bit_length() - 1
    one, bits = nicira_ext.ofs_nbits(at, at), nicira_ext.ofs_nbits(0, 15)
    actions = [p.NXActionRegLoad(one, "ct_mark", mark)] if mark is not None else []
    return p.NXActionCT(int(commit), zone, bits, table, 0, actions)


def remember(zone: str, mark: int | None = None) -> Action:
    """Commit the connection, with ``CUT`` set or cleared."""
    return track(zone, 255, commit=True, mark=mark)


def state(
    want: int, but: int = 0, *, cut: bool | None = None, picked_up: bool | None = None
) -> Match:
    """Bits of ct_state that are set and that are not, and those of ct_mark."""
    match: Match = {"ct_state": (want, want | but)}
    bits = [(bit, said) for bit, said in ((CUT, cut), (PICKED_UP, picked_up)) if said is not None]
    if bits:
        match["ct_mark"] = (sum(bit * said for bit, said in bits), sum(bit for bit, _ in bits))
    return match


def icmpv6(kind: Any) -> Match:
    """ICMPv6 of a type."""
    return {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": kind}


def dhcp(family: int, *, client: bool) -> Match:
    """What a DHCP client says or hears (RFC 2131 section 4.1, RFC 8415 section 7.2)."""
    ports = (68, 67) if family == 4 else (546, 547)
    source, target = ports if client else ports[::-1]
    eth_type = IPV4 if family == 4 else IPV6
    return {"eth_type": eth_type, "ip_proto": UDP, "udp_src": source, "udp_dst": target}


def free(table: Table, number: int, match: Match, action: Action) -> None:
    """Register a flow of what passes untracked."""
    name = f"{table.name.lower()}_free_{number}"

    def build() -> Any:
        return flow(table, Priority.ALLOW, match, [action])

    build.__name__, build.__doc__ = name, "Always allowed."
    shape(build)


ONWARD: Final = resubmit(Table.RESPOND)
DELIVERED: Final = resubmit(Table.OUTPUT)

for _number, _match in enumerate(
    [*(dhcp(family, client=True) for family in (4, 6)), *map(icmpv6, ASKING)]
):
    free(Table.TRACK_OUT, _number, _match, ONWARD)
for _number, _match in enumerate(
    [{"eth_type": ARP}, *(dhcp(f, client=False) for f in (4, 6)), *map(icmpv6, ANSWERING)]
):
    free(Table.TRACK_IN, _number, _match, DELIVERED)


@shape
def track_out_miss() -> Any:
    """ARP, which the guard has seen."""
    return flow(Table.TRACK_OUT, Priority.MISS, {}, [ONWARD])


@shape
def track_in_miss() -> Any:
    """Neither IP nor ARP."""
    return flow(Table.TRACK_IN, Priority.MISS, {}, drop(Reason.NOT_IP))


@per_family
def track_out(family: int) -> Any:
    """All other IP."""
    match = {"eth_type": IPV4 if family == 4 else IPV6}
    return flow(Table.TRACK_OUT, Priority.DEFAULT, match, [track(OUT, Table.EGRESS)])


@per_family
def track_in(family: int) -> Any:
    """All other IP."""
    match = {"eth_type": IPV4 if family == 4 else IPV6}
    return flow(Table.TRACK_IN, Priority.DEFAULT, match, [track(IN, Table.INGRESS)])


@per_family
def stateless_out(family: int, policy: Any) -> Any:
    """A policy whose rules know no connections."""
    match = {**reg(policy=policy), "eth_type": IPV4 if family == 4 else IPV6}
    return flow(Table.TRACK_OUT, Priority.LOCAL, match, [resubmit(Table.EGRESS)])


@per_family
def stateless_in(family: int, policy: Any) -> Any:
    """A policy whose rules know no connections."""
    match = {**reg(policy=policy), "eth_type": IPV4 if family == 4 else IPV6}
    return flow(Table.TRACK_IN, Priority.LOCAL, match, [resubmit(Table.INGRESS)])


def verdict(name: str, table: Table, priority: int, match: Match, actions: list[Action]) -> None:
    """Register a flow for either direction."""

    def build() -> Any:
        return flow(table, priority, match, actions)

    build.__name__, build.__doc__ = name, name.replace("_", " ").capitalize() + "."
    shape(build)


def _verdicts(name: str, rules: Table, allowed: Table, zone: str, onward: Action) -> None:
    """What holds for the rules of every policy."""
    refused = drop(Reason[rules.name])
    answer, error = TRACKED | ESTABLISHED | REPLY, TRACKED | RELATED
    # Of a connection that was picked up, the tracker has it the wrong way round.
    other, not_other = TRACKED | ESTABLISHED, NEW | INVALID | REPLY
    for label, match, priority, actions in (
        ("invalid", state(TRACKED | INVALID), Priority.ECHO, drop(Reason.INVALID)),
        (
            "answer",
            state(answer, NEW | INVALID, cut=False, picked_up=False),
            Priority.ROUTER,
            [onward],
        ),
        (
            "answer_cut",
            state(answer, INVALID, cut=True, picked_up=False),
            Priority.ROUTER,
            drop(Reason.CUT),
        ),
        ("other", state(other, not_other, cut=False, picked_up=True), Priority.ROUTER, [onward]),
        (
            "other_cut",
            state(other, not_other, cut=True, picked_up=True),
            Priority.ROUTER,
            drop(Reason.CUT),
        ),
        ("error", state(error, NEW | INVALID, cut=False), Priority.ROUTER, [onward]),
        ("error_cut", state(error, INVALID, cut=True), Priority.ROUTER, drop(Reason.CUT)),
        ("refused", {}, Priority.MISS, refused),
    ):
        verdict(f"{name}_{label}", rules, priority, match, actions)
    verdict(f"{name}_allowed_known", allowed, Priority.MISS, {}, [onward])
    known = TRACKED | ESTABLISHED
    for family, eth_type in ((4, IPV4), (6, IPV6)):  # who commits must know that it is IP
        for label, table, match, priority, actions in (
            ("no_longer", rules, state(known, INVALID, cut=False), Priority.CUT,
             [remember(zone, CUT), *refused]),
            ("allowed_new", allowed, state(TRACKED | NEW, ESTABLISHED), Priority.DEFAULT,
             [remember(zone), onward]),
            ("allowed_again", allowed, state(known, cut=True), Priority.DEFAULT,
             [remember(zone, 0), onward]),
        ):  # fmt: skip
            full = {"eth_type": eth_type, **match}
            verdict(f"{name}_{label}_{family}", table, priority, full, actions)


_verdicts("egress", Table.EGRESS, Table.EGRESS_ALLOWED, OUT, ONWARD)
_verdicts("ingress", Table.INGRESS, Table.INGRESS_ALLOWED, IN, DELIVERED)


# ---- a port


MIDDLE: Final = {"ip_proto_nxm": TCP, "tcp_flags_nxm": (0x10, 0x16)}
"""TCP packets with ACK and neither SYN nor RST: none begins or ends a connection.

All in the old form: os-ken sorts by the fields' numbers, and the switch wants to know of TCP first.
"""


def pick_up(family: int, rules: Table, port: Match, zone: str, onward: Action) -> Any:
    """Take the packet for an answer, and its connection for one that the other side began."""
    match = {"eth_type_nxm": IPV4 if family == 4 else IPV6, **MIDDLE, **port}
    match |= state(TRACKED | NEW, ESTABLISHED | INVALID)
    picked = track(zone, 255, commit=True, mark=1, bit=PICKED_UP)
    return flow(rules, Priority.PICK_UP, match, [picked, onward])


@per_family
def egress_pick_up(family: int, ofport: Any) -> Any:
    """From a port whose guest came from another hypervisor."""
    return pick_up(family, Table.EGRESS, {"in_port": ofport}, OUT, ONWARD)


@per_family
def ingress_pick_up(family: int, ofport: Any) -> Any:
    """To a port whose guest came from another hypervisor."""
    return pick_up(family, Table.INGRESS, reg(output=ofport), IN, DELIVERED)


@shape
def deliver_checked(ofport: Any, policy: Any) -> Any:
    """To a port with a policy."""
    actions = [load(policy=policy), resubmit(Table.TRACK_IN)]
    return flow(Table.DELIVER, Priority.DEFAULT, reg(output=ofport), actions)


@shape
def deliver_own(ofport: Any) -> Any:
    """A flooded frame's copy for its sender must not be seen by the tracker."""
    match = {"in_port": ofport, **reg(output=ofport)}
    return flow(Table.DELIVER, Priority.LOCAL, match, [])


@shape
def deliver_trusted(ofport: Any) -> Any:
    """To a port whose port security is off."""
    return flow(Table.DELIVER, Priority.DEFAULT, reg(output=ofport), [output(ofport)])


@shape
def deliver_limited(ofport: Any) -> Any:
    """The same with a meter to go through."""
    return flow(Table.DELIVER, Priority.DEFAULT, reg(output=ofport), [resubmit(Table.OUTPUT)])


@shape
def output_any() -> Any:
    """To a port without a meter."""
    out = p.NXActionOutputReg(ofs_nbits=31, src=Register.OUTPUT.field, max_len=0xFFFF)
    return flow(Table.OUTPUT, Priority.MISS, {}, [out])


@shape
def output_limited(ofport: Any) -> Any:
    """To a port with a meter; it and the output follow."""
    return flow(Table.OUTPUT, Priority.DEFAULT, reg(output=ofport), [])


@shape
def dropped(reason: Any) -> Any:
    """Count what was refused."""
    return flow(Table.DROPPED, Priority.DEFAULT, reg(reason=reason), [])


# ---- a rule: parts of a match, to be put behind each other


@shape
def rule_head(table: Any, priority: Any) -> Any:
    """A flow; its match and actions follow."""
    return flow(table, priority, {}, [])


@shape
def rule_policy(policy: Any) -> Any:
    """Ports of a policy."""
    return p.OFPMatch(**reg(policy=policy))


@shape
def rule_conj_id(conj_id: Any) -> Any:
    """All dimensions of a conjunction."""
    return p.OFPMatch(conj_id=conj_id)


@per_family
def rule_ip(family: int) -> Any:
    """Of one version."""
    return p.OFPMatch(eth_type=IPV4 if family == 4 else IPV6)


@per_family
def rule_from(family: int, ip: Any, mask: Any) -> Any:
    """A source."""
    return p.OFPMatch(**{f"ipv{family}_src": (ip, mask)})


@per_family
def rule_to(family: int, ip: Any, mask: Any) -> Any:
    """A destination."""
    return p.OFPMatch(**{f"ipv{family}_dst": (ip, mask)})


@shape
def rule_protocol(protocol: Any) -> Any:
    """The transport."""
    return p.OFPMatch(ip_proto=protocol)


@shape
def rule_tcp(port: Any, port_mask: Any) -> Any:
    """TCP destination ports."""
    return p.OFPMatch(tcp_dst=(port, port_mask))


@shape
def rule_udp(port: Any, port_mask: Any) -> Any:
    """UDP destination ports."""
    return p.OFPMatch(udp_dst=(port, port_mask))


@shape
def rule_sctp(port: Any, port_mask: Any) -> Any:
    """SCTP destination ports."""
    return p.OFPMatch(sctp_dst=(port, port_mask))


@per_family
def rule_icmp_type(family: int, icmp_type: Any) -> Any:
    """An ICMP message."""
    return p.OFPMatch(**{f"icmpv{family}_type": icmp_type})


@per_family
def rule_icmp_code(family: int, icmp_code: Any) -> Any:
    """Its code."""
    return p.OFPMatch(**{f"icmpv{family}_code": icmp_code})


@shape
def egress_allow() -> Any:
    """Let it out."""
    return [resubmit(Table.EGRESS_ALLOWED)]


@shape
def ingress_allow() -> Any:
    """Let it in."""
    return [resubmit(Table.INGRESS_ALLOWED)]


@shape
def member_of(conj_id: Any) -> Any:
    """The address is one of the conjunction's."""
    return [p.NXActionConjunction(0, 2, conj_id)]


@shape
def service_of(conj_id: Any) -> Any:
    """The service is one of the conjunction's."""
    return [p.NXActionConjunction(1, 2, conj_id)]
