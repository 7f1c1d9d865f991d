"""What operators describe: hypervisors, links of the underlay, gateways, BGP peers.

Served beside Neutron with the same conventions; their ids are names that the operator chooses.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from sdnctl.api import snat, values
from sdnctl.api.errors import conflict, invalid_input
from sdnctl.api.schema import REQUIRED, Create, Read, Resource, shown, stored
from sdnctl.api.standard import NAMED, timestamp
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import BgpPeer, Gateway, Hypervisor, Link, Port, Row
from sdnctl.types import Ip

_ENCAPSULATIONS: Final = values.sequence(values.ENCAPSULATION)
_ASN: Final = values.integer(1, (1 << 32) - 1)
_FAMILIES: Final = values.sequence(
    values.choice("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn", "route-target")
)
_SECONDS: Final = values.integer(0, 0xFFFF)
_RESTART: Final = values.integer(0, 0xFFF)
"""The restart time of RFC 4724 section 3 has 12 bits."""

_PROBE_INTERVAL: Final = values.integer(0, 60_000)
MIN_PROBE_INTERVAL: Final = 10
"""Milliseconds: a hypervisor probes every gateway that often, whatever else it does."""

MAX_PASSWORD: Final = 80
"""Octets, of the kernel's TCP_MD5SIG."""

_STALE: Final = values.integer(0, (1 << 24) - 1)
"""The stale time of RFC 9494 section 3.1 has 24 bits."""


def _creator(kind: type[Row]) -> Create:
    def create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
        del given
        new = kind(**row)
        _check(new)
        if isinstance(new, Hypervisor):
            work.tx.put(new)
            snat.hypervisor_comes(work, new.id)
        return new

    return create


def _update(work: Work, old: Any, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    new: Row = work.replace(old, row)
    _check(new)
    return new


def _check(row: Row) -> None:
    match row:
        case Hypervisor(encapsulations=()):
            raise invalid_input("encapsulations is empty: the hypervisor could reach nobody")
        case Hypervisor(vtep=vtep) if vtep.version != 4:
            raise invalid_input("vtep must be an IPv4 address: route distinguishers are made of it")
        case BgpPeer(address=address) | Gateway(address=address) if not _is_unicast(address):
            raise invalid_input(f"address {address} is no host's address")
        case BgpPeer():
            _check_peer(row)
        case Gateway(probe_interval=interval) if 0 < interval < MIN_PROBE_INTERVAL:
            raise invalid_input(f"probe_interval must be 0 or at least {MIN_PROBE_INTERVAL}")
        case Link(a=a, b=b) if a == b:
            raise invalid_input(f"a and b are both {a}: a link joins two nodes")
        case _:
            pass


def _check_peer(row: BgpPeer) -> None:
    if not row.families:
        raise invalid_input("families is empty: the session would carry nothing")
    if row.families == ("route-target",):
        # RFC 4684 section 4: they say who wants which routes of the other families.
        raise invalid_input("families has route-target alone: the session would carry nothing")
    if row.hold_time in (1, 2):
        # RFC 4271 section 4.2: zero, that is no keepalives, or at least three seconds.
        raise invalid_input("hold_time must be 0 or at least 3")
    if row.long_lived_stale and not row.graceful_restart:
        # RFC 9494 section 4.1: without the other capability it is to be ignored.
        raise invalid_input("long_lived_stale needs graceful_restart")
    if len(row.password.encode()) > MAX_PASSWORD:
        raise invalid_input(f"password is longer than {MAX_PASSWORD} octets")


def _is_unicast(ip: Ip) -> bool:
    """Not the unspecified address, none of a group, not broadcast."""
    address = ipaddress.ip_address(bytes(ip))
    return not (address.is_unspecified or address.is_multicast or ip == b"\xff\xff\xff\xff")


def _delete(work: Work, row: Row) -> None:
    if isinstance(row, Hypervisor):
        port = work.tx.first(Port, "host", row.id) or work.tx.first(Port, "also_at", row.id)
        if port is not None:
            raise conflict(
                "HypervisorInUse",
                f"Hypervisor {row.id} has ports bound to it, among them {port.id}.",
            )


def _seen(field: str) -> Read:
    def read(context: Context, row: Hypervisor) -> Json:
        return getattr(context.observed.hypervisor(row.id), field)

    return read


def _last_seen(context: Context, row: Hypervisor) -> Json:
    seconds = context.observed.hypervisor(row.id).last_seen
    return timestamp(seconds) if seconds else None


def _probed(field: str) -> Read:
    def read(context: Context, row: Gateway) -> Json:
        return list(getattr(context.observed.reach(row.address), field))

    return read


HYPERVISORS: Final = Resource(
    name="hypervisor",
    collection="hypervisors",
    title="Hypervisor",
    kind=Hypervisor,
    own_ids=True,
    create=_creator(Hypervisor),
    update=_update,
    delete=_delete,
    attributes=(
        *NAMED,
        stored("vtep", values.IP, REQUIRED),
        stored("encapsulations", _ENCAPSULATIONS, filter=False, sort=False),
        stored("mtu", values.integer(576, 65535), 1500),
        stored("datapath_type", values.choice("system", "netdev"), "system"),
        shown("alive", values.BOOLEAN, _seen("alive"), filter=True, sort=True),
        shown("last_seen", values.TIME, _last_seen),
        shown("agent_version", values.NAME, _seen("agent_version")),
    ),
)

LINKS: Final = Resource(
    name="link",
    collection="links",
    title="Link",
    kind=Link,
    own_ids=True,
    create=_creator(Link),
    update=_update,
    delete=_delete,
    attributes=(
        *NAMED,
        stored("a", values.OWN_NAME, REQUIRED),
        stored("b", values.OWN_NAME, REQUIRED),
        stored("cost", values.integer(1, 1 << 24), 1),
    ),
)

GATEWAYS: Final = Resource(
    name="gateway",
    collection="gateways",
    title="Gateway",
    kind=Gateway,
    own_ids=True,
    create=_creator(Gateway),
    update=_update,
    delete=_delete,
    attributes=(
        *NAMED,
        stored("address", values.IP, REQUIRED),
        stored("encapsulations", _ENCAPSULATIONS, (), filter=False, sort=False),
        stored("local_preference", values.optional(values.integer(0, (1 << 32) - 1)), None),
        stored("probe_interval", _PROBE_INTERVAL, 0),
        stored("probe_multiplier", values.integer(1, 255), 3),
        shown("reachable_from", values.STRINGS, _probed("answered")),
        shown("unreachable_from", values.STRINGS, _probed("unanswered")),
    ),
)

BGP_PEERS: Final = Resource(
    name="bgp_peer",
    collection="bgp-peers",
    title="BgpPeer",
    kind=BgpPeer,
    own_ids=True,
    create=_creator(BgpPeer),
    update=_update,
    delete=_delete,
    attributes=(
        *NAMED,
        stored("address", values.IP, REQUIRED),
        stored("asn", _ASN, REQUIRED),
        stored("families", _FAMILIES, ("ipv4-vpn",), filter=False, sort=False),
        stored("port", values.integer(1, 0xFFFF), 179),
        stored("group", values.OWN_NAME, "default"),
        stored("hold_time", _SECONDS, 90),
        stored("graceful_restart", _RESTART, 120),
        stored("long_lived_stale", _STALE, 0),
        stored("passive", values.BOOLEAN, False),
        stored("ttl_security", values.integer(0, 254), 0),
        stored("max_prefixes", values.integer(0, (1 << 32) - 1), 0),
        stored("add_path", values.BOOLEAN, False),
        stored("admin_state_up", values.BOOLEAN, True),
        stored(
            "password", values.string(MAX_PASSWORD), "", visible=False, filter=False, sort=False
        ),
    ),
)
