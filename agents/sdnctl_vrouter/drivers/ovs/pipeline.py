"""Names of the pipeline: every table, register, priority and cookie, and nowhere else.

Promise: what the flows on the switch mean can be read from this module alone;
``describe`` writes a flow dump with these names. Knows no resource and no byte of OpenFlow.

The way of a packet::

    CLASSIFY -> SOURCE_MAC -> SOURCE_IP -> TRACK_OUT -> EGRESS -> EGRESS_ALLOWED
        |   (only where port security is on)                           |
        |                                                              v
        +--------------------------------------------------------> RESPOND -> ASK -> the agent
        |                                                              |  +> SERVICE -> the host
        |                                                              v
        +-- tunnel, VNI or label of an EVI -------------------------> L2 -> FLOOD_REMOTE
        |                                                              |  +> FLOOD_LOCAL
        |                                                              v          |
        +-- tunnel, label of a VRF --> POPPED ---------------------> FIB -> TO_*_ROUTED
                                                                       v          |
        OUTPUT <- INGRESS_ALLOWED <- INGRESS <- TRACK_IN <- DELIVER <- ADJACENCY <+

The way out of a router's VRF, and back in::

        router's FIB: a prefix that leads out              external FIB: an address that is
            |                    |                         translated here
            v                    v                             |               |
        IPv6: as it is     EXIT: floating IP, alias, plain     |               v
            |                    |          +-> CENTRAL        |        hypervisor's own:
            |                ct(nat) <----------+              v            ct(nat)
            |                    v                          ct(nat)            v
            |                 SOURCED -> HIDE -> ct(nat)       |             ALIAS
            v                    v                  v          v               v
        external FIB <-----------+<-------------- HIDDEN    ENTERED <------- ct(nat)
                                                               |
                                                               v
                                                  router's FIB, never out again

Security groups are checked where a packet leaves its port (TRACK_OUT to EGRESS_ALLOWED) and where
it would reach one (TRACK_IN to INGRESS_ALLOWED), on every path: nothing but DELIVER puts a packet
out to a port. Each port is a zone of the connection tracker by itself, numbered as its OpenFlow
port. What started a connection is checked against the rules with every packet; what answers it
passes while it does. A packet that the rules no longer allow marks its connection as cut, and the
answers end with it; so a change of rules, of members or of groups needs no flush, and takes
nothing from connections that it does not concern.

A port's meters are where its packets enter, before all else, and where they would leave, after
all that might refuse them: so what is refused on its way in costs the receiver nothing, and what
the host itself answers is not counted. Those of a floating IP, and of the address that a router
hides guests behind, are where packets are translated, before the connection tracker; of forwarded
ports, which are known by their translation, behind it on the way out.

A frame with a VLAN tag is of a subport of the trunk whose VIF it came from, or is refused: the tag
is taken off in CLASSIFY, and the frame comes in once more by the subport's own patch port. DELIVER
lets no tag out, so nobody can reach behind a trunk from its parent's network.

A guest that is migrated live brings no entries of the connection tracker along. While its port
``picks_up``, a TCP packet in the middle of a connection that the tracker does not know here, and
that no rule allows as the beginning of one, is taken for an answer: its connection is marked as
picked up, that is as begun by the other side, whose packets are then checked against the rules.
The first of those that they do not allow cuts it.

An external network is a VRF. A router's exit leads into it, what is for a floating IP or another
address that is translated leads from it into the router's, and each passes the connection tracker
in between, in the router's zone. A connection keeps the addresses that it began with; behind the
tracker is looked whether they are those of today (SOURCED, HIDDEN, ENTERED), so a floating IP that
goes ends its connections without a flush. Security groups see addresses as the guest does: egress
comes before translation, ingress after. A hypervisor that hides its own guests behind one address
translates twice, first to an alias that stands for the port in the router's zone, then in its own.

Received over a tunnel means delivered to a local port, translated, or dropped: split horizon in the
EVI (RFC 7432 section 8.3.1 by construction), no transit through a VRF. So a gateway's address,
which is on every hypervisor, answers to the guests of its own hypervisor alone. But what
comes for a guest that has just left goes on to where it is now, as long as its port is bound here
as well.

A network over MPLS-over-GRE is Ethernet under the EVI's label, not host routes with proxy ARP:
broadcast, multicast and protocols other than IP mean the same on both encapsulations, and a
network may change from one to the other. Both data paths of Open vSwitch do it, in both
directions; the kernel's since Linux 5.15 (OVS_ACTION_ATTR_ADD_MPLS).
"""

from __future__ import annotations

import enum
import re
from typing import Final

OWNER: Final = 0x5D4E
"""First 16 bits of every cookie of ours."""

COOKIE_OWNER: Final = OWNER << 48
COOKIE_OWNER_MASK: Final = 0xFFFF << 48

GROUP_OWNER: Final = 0x5D000000
"""First 8 bits of every group number of ours; 24 bits of content hash follow."""

GROUP_OWNER_MASK: Final = 0xFF000000

PAUSE_COOKIE: Final = (OWNER + 1) << 48
"""Of flows that go by themselves: no part of what is desired, so not of our own."""

NO_COOKIE: Final = (OWNER + 2) << 48
"""Of no flow."""

PAUSE_SECONDS: Final = 1
"""How long a port is not heard that asked too much."""

BRIDGE: Final = "br-int"
VXLAN_PORT: Final = "sdnctl-vxlan"
GRE_PORT: Final = "sdnctl-gre"
METADATA_PORT: Final = "sdnctl-meta"
"""An interface of the host, behind which the agent serves metadata."""


class Table(enum.IntEnum):
    """Tables in the order in which packets see them."""

    CLASSIFY = 0
    """Who sent it: a VIF or a tunnel; sets EVI or VRF."""
    MARK = 1
    """Called by ports that mark what they send: the code point of IP packets."""
    POPPED = 5
    """IP out of a VRF's label, its version still to be found."""
    SOURCE_MAC = 10
    """Anti-spoofing: Ethernet source, and the link-layer addresses inside ARP and ND."""
    SOURCE_IP = 11
    """Anti-spoofing: IP source, and the protocol addresses inside ARP and ND."""
    TRACK_OUT = 12
    """Leaving a port: what is always allowed, the rest to the connection tracker."""
    EGRESS = 13
    """Leaving a port: the rules of its policy."""
    EGRESS_ALLOWED = 14
    """Leaving a port: remember the connection."""
    RESPOND = 20
    """ARP and ND answered on the host."""
    ND_REPLY = 21
    """The second half of an answer to ND."""
    ASK = 22
    """Questions that the agent answers, as far as it lets a port ask."""
    SERVICE = 23
    """To the host's own services: which port asks becomes the source address."""
    L2 = 30
    """FDB, and the door to the router."""
    FLOOD_LOCAL = 31
    """Broadcast, unknown unicast, multicast: the network's ports here."""
    FLOOD_REMOTE = 32
    """The same: the network's other members."""
    FIB = 40
    """Longest prefix of the VRF."""
    ADJACENCY = 41
    """Last step of a routed packet to a local port: MAC addresses, TTL."""
    EXIT = 42
    """Leaving a router's VRF for the external network's: by whose address."""
    CENTRAL = 43
    """The same on the hypervisor that translates for all others."""
    SOURCED = 44
    """The source was translated: on in the external network's VRF, if to what it should be."""
    HIDE = 45
    """A port's alias becomes the hypervisor's own address."""
    HIDDEN = 46
    """The same after translation."""
    ENTERED = 47
    """The destination was translated: on in the router's VRF, if to what it should be."""
    ALIAS = 48
    """The hypervisor's own address was translated to a port's alias: to the guest from there."""
    TO_VXLAN = 50
    """Ethernet to the VXLAN port."""
    TO_VXLAN_ROUTED = 51
    """The same with the router's MAC as source (RFC 9135 section 5)."""
    TO_MPLS = 52
    """Ethernet in MPLS to the GRE port."""
    TO_MPLS_ROUTED = 53
    """IP in MPLS to the GRE port (RFC 4797)."""
    DELIVER = 60
    """To a local port: its policy."""
    TRACK_IN = 61
    """Reaching a port: what is always allowed, the rest to the connection tracker."""
    INGRESS = 62
    """Reaching a port: the rules of its policy."""
    INGRESS_ALLOWED = 63
    """Reaching a port: remember the connection, and out."""
    OUTPUT = 64
    """Out to a local port, through its meter if it has one."""
    DROPPED = 70
    """What was refused, counted by reason."""


class Register(enum.IntEnum):
    """What the registers hold; 0 is "none" in each."""

    EVI = 0
    """VNI of the network."""
    VRF = 1
    """VNI of the router."""
    TUNNELLED = 2
    """1 if the packet came out of a tunnel."""
    OUTPUT = 3
    """OpenFlow port of the local receiver."""
    LABEL = 5
    """MPLS label to push."""
    CHUNK = 6
    """Which part of a long flood list is next."""
    POLICY = 7
    """The set of security groups of the port that is checked."""
    REASON = 8
    """Why a packet is dropped."""
    ORIGIN = 10
    """The address, source or destination, before it was translated."""
    INWARD = 11
    """1 if the packet came from another VRF: it does not go out of this one again."""

    @property
    def field(self) -> str:
        """Its name in OpenFlow."""
        return f"reg{self.value}"


class Reason(enum.IntEnum):
    """Why a packet of or to a port was refused: each has its counter in DROPPED."""

    SPOOFED_MAC = 1
    SPOOFED_IP = 2
    SPOOFED_ARP = 3
    SPOOFED_ND = 4
    DHCP_SERVER = 5
    ROUTER_ADVERTISEMENT = 6
    REDIRECT = 7
    NOT_IP = 8
    """Neither IP nor ARP."""
    EGRESS = 9
    """No rule lets it out."""
    INGRESS = 10
    """No rule lets it in."""
    CUT = 11
    """It answers a connection that is no longer allowed."""
    INVALID = 12
    """The connection tracker can make no sense of it."""
    TAGGED = 13
    """It has a VLAN tag, and is of no subport."""
    NO_ADDRESS = 20
    """Nothing here translates the way out that it would take."""
    NOT_TRANSLATED = 21
    """Of no connection that is translated as it would have to be today."""


class Priority(enum.IntEnum):
    """Priorities outside of the FIB."""

    MISS = 0
    CUT = 50
    """What no rule allows of a connection that was allowed."""
    PICK_UP = 60
    """What no rule allows, and may be in the middle of a connection that began elsewhere."""
    FOREIGN = 90
    """A far end's own VNI: where the number is one of ours too, ours is meant."""
    DEFAULT = 100
    LOCAL = 110
    """What is here wins over what is told to be elsewhere."""
    REFUSE = 120
    """Anti-spoofing: what no ALLOW names is dropped."""
    ALLOW = 130
    ROUTER = 140
    """A gateway's addresses win over a guest's that are the same."""
    ECHO = 2100
    """FIB: above every prefix."""


FIB_BASE: Final = 1000

HOST_ZONE: Final = 0x8000
"""The zone of the tracker for what is hidden behind the hypervisor's own addresses.

Those above are routers', and those below are VIFs'."""

ALIASES: Final = (0xF0000000, 0xFF000000)
"""Stand for ports between two translations: 240.0.0.0/8, number and mask (RFC 1112 class E)."""


class Preference(enum.IntEnum):
    """Between equal prefixes in the FIB."""

    ON_LINK = 0
    REMOTE = 2
    LOCAL = 4
    FORWARDED = 5
    EXIT = 6


def fib_priority(length: int, preference: Preference) -> int:
    """Longest prefix first, then preference."""
    return FIB_BASE + 8 * length + preference


_TABLE = re.compile(r"\btable=(\d+)")
_RESUBMIT = re.compile(r"resubmit\(,(\d+)\)")
_REGISTER = re.compile(r"\b(?:NXM_NX_REG|reg)(\d+)\b(\[\])?")
_REASON = re.compile(r"\breason=(0x[0-9a-f]+)")
_COOKIE = re.compile(r"cookie=0x([0-9a-f]+)")


def describe(dump: str) -> str:
    """A dump of ``ovs-ofctl`` with the names of this module; flows of others stay as they are."""
    return "\n".join(_describe(line) for line in dump.splitlines())


def _describe(line: str) -> str:
    cookie = _COOKIE.search(line)
    if cookie is None or int(cookie[1], 16) & COOKIE_OWNER_MASK != COOKIE_OWNER:
        return line
    line = _TABLE.sub(lambda m: f"table={_name(Table, m[1])}", line)
    line = _RESUBMIT.sub(lambda m: f"resubmit(,{_name(Table, m[1])})", line)
    line = _REGISTER.sub(lambda m: _name(Register, m[1]), line)
    return _REASON.sub(lambda m: f"reason={_name(Reason, str(int(m[1], 16)))}", line)


def _name(names: type[enum.IntEnum], number: str) -> str:
    try:
        return names(int(number)).name.lower()
    except ValueError:
        return number
