"""Defects of ExaBGP 5.0.15 that the speaker mends, and its logging bent to the house's.

Promise: ``apply`` mends them for this process, once however often it is called; each has a test
at the wire that fails without it. What needed no patch because the speaker does it itself:
Adj-RIBs (``adjrib``), the reactor's loop (``reactor``), the label of a withdrawal (``codec``).
"""

from __future__ import annotations

import functools
import logging
import os
import select
import socket
import struct
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final

from exabgp.bgp.message import Message
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.open.capability.capabilities import Capabilities
from exabgp.bgp.message.refresh import RouteRefresh
from exabgp.bgp.message.update.attribute import PMSI, Attribute, Attributes
from exabgp.bgp.message.update.attribute.mprnlri import MPRNLRI
from exabgp.bgp.message.update.nlri.evpn.nlri import EVPN
from exabgp.bgp.message.update.nlri.nlri import NLRI
from exabgp.bgp.message.update.nlri.qualifier import PathInfo
from exabgp.logger import log
from exabgp.protocol.family import AFI, SAFI, Family
from exabgp.reactor import peer
from exabgp.reactor.network import outgoing
from exabgp.reactor.network.error import NotConnected

from sdnctl.bgp.longlived import LongLived
from sdnctl.bgp.membership import Membership

REFRESH_BYTES: Final = 4
FAMILY_BYTES: Final = 3
UNEXPECTED: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
"""What ExaBGP's decoders raise on octets that they do not expect."""
VPNV6_TWO_NEXT_HOPS: Final = b"\0\2\x80" + bytes((48,))
"""How MP_REACH_NLRI begins: the family, and the octets of the next hops."""

_log = logging.getLogger("sdnctl.bgp.exabgp")


def apply() -> None:
    """Mend ExaBGP in this process."""
    accept_evpn_ipv6_next_hop()
    accept_vpnv6_link_local_next_hop()
    read_prefixes_of_route_targets()
    send_path_ids_of_evpn()
    offer_long_lived_graceful_restart()
    pass_over_unknown_refreshes()
    refuse_message_of_no_rfc()
    keep_update_with_discarded_attribute()
    keep_session_with_malformed_attribute()
    keep_vni_of_ipv6_tunnel()
    tell_refused_connection()
    bridge_logging()


def accept_evpn_ipv6_next_hop() -> None:
    """RFC 7432 section 7: the next hop of EVPN is an IPv4 or an IPv6 address.

    Bug: ExaBGP takes only 4 octets; FRR with an IPv6 VTEP sends 16, and the session flaps for
    ever on NOTIFICATION 3/9.
    """
    Family.size[(AFI.l2vpn, SAFI.evpn)] = ((4, 16), 0)


def accept_vpnv6_link_local_next_hop() -> None:
    """RFC 4659 section 3.2.1.1: a link-local next hop may follow the global one, each with an RD.

    Bug: ExaBGP takes 40 octets for the two, which are 48; FRR sends them wherever its interface
    has a link-local address, and the session flaps for ever on NOTIFICATION 3/9.
    """
    unpack = MPRNLRI.unpack
    if hasattr(unpack, "__wrapped__"):
        return

    @functools.wraps(unpack)
    def with_global_only(_class: Any, data: bytes, direction: Any, negotiated: Any) -> Any:
        if data[:4] == VPNV6_TWO_NEXT_HOPS:
            data = data[:3] + bytes((24,)) + data[4:28] + data[52:]
        return unpack(data, direction, negotiated)

    MPRNLRI.unpack = classmethod(with_global_only)


def read_prefixes_of_route_targets() -> None:
    """RFC 4684 section 4: a membership is a prefix of 0, or of 32 to 96 bits.

    Bug: ExaBGP takes 13 octets for each but the default one.
    """
    NLRI.registered_nlri[f"{AFI.ipv4}/{SAFI.rtc}"] = Membership


def send_path_ids_of_evpn() -> None:
    """RFC 7911 section 3: a path identifier precedes every NLRI of a family that has ADD-PATH.

    Bug: ExaBGP does not offer it for EVPN, reads it there and leaves it out of what it sends.
    """
    evpn = AFI.l2vpn, SAFI.evpn
    offered = Capabilities._ADD_PATH  # noqa: SLF001
    if evpn in offered:
        return
    offered.append(evpn)
    pack = EVPN.pack_nlri

    @functools.wraps(pack)
    def with_path_id(self: Any, negotiated: Any = None) -> Any:
        if negotiated is None or not negotiated.addpath.send(*evpn):
            return pack(self, negotiated)
        return getattr(self, "path_info", PathInfo.NOPATH).pack() + pack(self, negotiated)

    EVPN.pack_nlri = with_path_id


def offer_long_lived_graceful_restart() -> None:
    """RFC 9494 section 3: the capability goes with that of graceful restart.

    Not in ExaBGP. A neighbour's capability ``long-lived`` is the seconds, 0 for none.
    """
    new = Capabilities.new
    if hasattr(new, "__wrapped__"):
        return

    @functools.wraps(new)
    def with_long_lived(self: Any, neighbor: Any, *arguments: Any, **named: Any) -> Any:
        capabilities = new(self, neighbor, *arguments, **named)
        wanted = neighbor["capability"]
        if wanted["graceful-restart"] and wanted.get("long-lived"):
            offer = LongLived.offered(neighbor.families(), wanted["long-lived"])
            capabilities[LongLived.ID] = offer
        return capabilities

    Capabilities.new = with_long_lived


def pass_over_unknown_refreshes() -> None:
    """RFC 7313 section 5: a ROUTE-REFRESH of a subtype that is not known is ignored.

    Bug: ExaBGP ends the session. RFC 2918 has the octet ignored where RFC 7313 is not negotiated.
    """

    def unpack(data: bytes, _direction: object = None, _negotiated: object = None) -> Any:
        if len(data) != REFRESH_BYTES:
            raise Notify(7, 1, "invalid route-refresh message")
        afi, subtype, safi = struct.unpack("!HBB", data)
        return RouteRefresh(afi, safi, subtype)

    RouteRefresh.unpack_message = staticmethod(unpack)


def refuse_message_of_no_rfc() -> None:
    """RFC 4271 section 6.1: a type that is not known is Bad Message Type.

    Bug: ExaBGP reads type 6, of a draft, whether agreed on or not; from most octets nothing comes
    of it, and the session dies of an error of its own without a word.
    """
    known = Message.CODE.MESSAGES
    if Message.CODE.OPERATIONAL in known:
        known.remove(Message.CODE.OPERATIONAL)


def keep_update_with_discarded_attribute() -> None:
    """RFC 7606 section 2, attribute discard: the attribute goes, the UPDATE holds.

    Bug: ExaBGP marks the UPDATE and then drops it whole, with the routes that it carries.
    """
    parse = Attributes.parse
    if hasattr(parse, "__wrapped__"):
        return

    @functools.wraps(parse)
    def without_discarded(self: Any, data: bytes, direction: Any, negotiated: Any) -> Any:
        attributes = parse(self, data, direction, negotiated)
        attributes.pop(Attribute.CODE.INTERNAL_DISCARD, None)
        return attributes

    Attributes.parse = without_discarded


def keep_session_with_malformed_attribute() -> None:
    """RFC 7606: a malformed attribute costs the routes of its UPDATE, or itself.

    Bug: ExaBGP ends the session over an ORIGINATOR_ID or CLUSTER_LIST (sections 7.9, 7.10), a
    PMSI tunnel (RFC 6514 section 5), an AS4_PATH or AS4_AGGREGATOR (RFC 6793 section 6), an AIGP
    (RFC 7311 section 3.4), over what its decoders do not expect, and over a family that was not
    negotiated, which may be ignored (RFC 4760 section 7): GoBGP, told to reset softly, sends what
    it is configured with rather than what was agreed. It heeds what only a peer of our own AS
    may say (sections 7.5, 7.9 and 7.10).
    """
    code = Attribute.CODE
    unpack = Attribute.unpack.__func__
    if hasattr(unpack, "__wrapped__"):
        return
    Attributes.TREAT_AS_WITHDRAW += (code.ORIGINATOR_ID, code.CLUSTER_LIST, code.PMSI_TUNNEL)
    Attributes.DISCARD += (code.AS4_PATH, code.AS4_AGGREGATOR, code.AIGP)
    internal = (code.LOCAL_PREF, code.ORIGINATOR_ID, code.CLUSTER_LIST)
    multiprotocol = (code.MP_REACH_NLRI, code.MP_UNREACH_NLRI)

    @functools.wraps(unpack)
    def careful(cls: Any, attribute: Any, *arguments: Any) -> Any:
        _flag, data, _direction, negotiated = arguments
        if attribute in multiprotocol and not _negotiated(data, negotiated):
            return None
        if attribute in internal and negotiated.local_as != negotiated.peer_as:
            return None
        try:
            return unpack(cls, attribute, *arguments)
        except UNEXPECTED as error:
            raise Notify(3, 1, f"attribute {int(attribute)} cannot be read") from error

    Attribute.unpack = classmethod(careful)


def _negotiated(multiprotocol: bytes, negotiated: Any) -> bool:
    """Whether the family that an MP attribute begins with is of this session."""
    if len(multiprotocol) < FAMILY_BYTES:
        return True  # for its own decoder to refuse
    afi, safi = struct.unpack("!HB", multiprotocol[:FAMILY_BYTES])
    return (AFI.create(afi), SAFI.create(safi)) in negotiated.families


def keep_vni_of_ipv6_tunnel() -> None:
    """RFC 8365 section 5.1.3: the label of a PMSI tunnel is a VNI of 24 bits.

    Bug: of a tunnel whose end is an IPv6 address ExaBGP keeps the upper 20.
    """

    def unknown(kind: int, tunnel: bytes, label: int, flags: int, raw_label: int) -> Any:
        pmsi = PMSI(tunnel, label, flags, raw_label)
        pmsi.TUNNEL_TYPE = kind
        return pmsi

    PMSI.pmsi_unknown = staticmethod(unknown)


def tell_refused_connection() -> None:
    """A connection that is refused fails, with the kernel's reason.

    Bug: ExaBGP reads the socket's error, polls on, finds no error any more and takes the
    connection for established; what is then told is a broken one.
    """

    def ready(sock: socket.socket) -> Iterator[tuple[bool, str]]:
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        while not poller.poll(0):
            yield False, "connecting"
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise NotConnected(os.strerror(error))
        yield True, "connected"

    outgoing.ready = ready


def bridge_logging() -> None:
    """ExaBGP's errors go to the house's log; what is below is not even rendered.

    Bug: any message before ExaBGP's ``init`` raises, and ``init`` reads files and the
    environment to find out where to log. An error of its own comes with forty lines of advice.
    """

    def eat(_message: object, _source: str = "", _level: str = "", **_named: str) -> None:
        pass

    def tell(level: int) -> Callable[..., None]:
        def write(message: Callable[[], str], source: str = "", **_named: str) -> None:
            _log.log(level, "%s: %s", source, message())

        return write

    log.debug = log.info = log.warning = staticmethod(eat)
    log.error = staticmethod(tell(logging.WARNING))
    log.critical = log.fatal = staticmethod(tell(logging.ERROR))
    peer.format_exception = lambda error: "".join(traceback.format_exception(error))
