"""What operators describe: hypervisors, links of the underlay, gateways, BGP peers.

Served beside Neutron with the same conventions; their ids are names that the operator chooses.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.errors import conflict, invalid_input
from sdnctl.api.schema import (
    NAMED,
    REQUIRED,
    Context,
    Create,
    Read,
    Resource,
    Work,
    shown,
    stored,
    timestamp,
)
from sdnctl.api.values import Json
from sdnctl.intent import BgpPeer, Gateway, Hypervisor, Link, Port, Row

_ENCAPSULATIONS: Final = values.sequence(values.ENCAPSULATION)
_ASN: Final = values.integer(1, (1 << 32) - 1)
_FAMILIES: Final = values.sequence(values.choice("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn"))


def _creator(kind: type[Row]) -> Create:
    def create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
        del work, given
        new = kind(**row)
        _check(new)
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
        case BgpPeer(families=()):
            raise invalid_input("families is empty: the session would carry nothing")
        case BgpPeer(hold_time=1 | 2):
            # RFC 4271 section 4.2: zero, that is no keepalives, or at least three seconds.
            raise invalid_input("hold_time must be 0 or at least 3")
        case Link(a=a, b=b) if a == b:
            raise invalid_input(f"a and b are both {a}: a link joins two nodes")
        case _:
            pass


def _delete(work: Work, row: Row) -> None:
    if isinstance(row, Hypervisor):
        port = work.tx.first(Port, "host", row.id)
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
        stored("hold_time", values.integer(0, 0xFFFF), 90),
        stored("passive", values.BOOLEAN, False),
        stored("admin_state_up", values.BOOLEAN, True),
        stored("password", values.string(80), "", visible=False, filter=False, sort=False),
    ),
)
