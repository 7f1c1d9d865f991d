"""Trunks: a port whose VIF carries other ports too, each by a VLAN tag.

Promise: a port is in one trunk at most, as its parent or as a subport, and stays while it is; a
tag means one subport; subports are where their parent is, bound and unbound with it. What a
subport is, is said in its own row, so that programming it needs no look at its trunk. Errors are
Neutron's, by name and sentence.

As with Neutron's OVN driver, a bound port may become a parent, and a trunk may go while its parent
is bound. Networks here are VXLAN's, so ``inherit`` finds no tag to take over and is refused, as
Neutron does with them. A trunk's status is that of its ports: ACTIVE once all are programmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sdnctl.api import snat, values
from sdnctl.api.authorization import forbidden, may_update
from sdnctl.api.errors import ApiError, conflict, invalid_input, not_found
from sdnctl.api.schema import REQUIRED, Attribute, Bare, Resource, Sparse, converted, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import SUBPORT_OWNER, Hypervisor, Network, Port, Row, Subport, Trunk

VLANS: Final = range(1, 4095)


class Wish(NamedTuple):
    """A subport as asked for."""

    port_id: str
    kind: Json = None
    tag: Json = None


def _wish(fields: dict[str, Any]) -> Wish:
    return Wish(fields["port_id"], fields.get("segmentation_type"), fields.get("segmentation_id"))


_WISHES: Final = values.sequence(
    values.record(
        _wish,
        {
            "port_id": values.UUID,
            "segmentation_type": values.optional(values.NAME),
            # Checked where its type is known; Neutron says what is wrong with it there.
            "segmentation_id": values.Type(values.same, {"type": ["integer", "string", "null"]}),
        },
        need=1,
    ),
    unique=False,
)


# ---- what ports are to trunks ------------------------------------------------------------------


def subports(work: Work, trunk_id: str) -> list[Port]:
    """The ports of a trunk but its parent."""
    return work.tx.find(Port, "trunk_id", trunk_id)


def check_delete(work: Work, port: Port) -> None:
    """A port in a trunk stays."""
    if port.subport is not None:
        raise conflict(
            "PortInUseAsSubPort",
            f"Port {port.id} is currently a subport for trunk {port.subport.trunk_id}.",
        )
    trunk = work.tx.first(Trunk, "port_id", port.id)
    if trunk is not None:
        raise conflict(
            "PortInUseAsTrunkParent",
            f"Port {port.id} is currently a parent port for trunk {trunk.id}.",
        )


def follow(work: Work, parent: Port, host: str) -> None:
    """The subports of ``parent``, if it is one, go to its new host with it."""
    trunk = work.tx.first(Trunk, "port_id", parent.id)
    if trunk is not None:
        for port in subports(work, trunk.id):
            _put(work, port, host=host)


def _put(work: Work, port: Port, *, host: str, **fields: Any) -> None:
    if port.host not in {"", host}:
        fields["moves"] = port.moves + 1
    new = work.put(port, host=host, **fields)
    snat.port_changed(work, port, new)


def details(context: Context, port: Port) -> Json:
    """What a parent carries; None for other ports."""
    if not context.store.count(Trunk, "port_id", port.id):  # nearly always, so what costs least
        return None
    for trunk in context.store.find(Trunk, "port_id", port.id):
        rows = context.store.find(Port, "trunk_id", trunk.id)
        found = [{**_shown(row), "mac_address": str(row.mac)} for row in rows]
        return {"trunk_id": trunk.id, "sub_ports": found}
    return None


DETAILS: Final[Attribute] = shown("trunk_details", values.OBJECT, Sparse(details))
"""Of ports."""


# ---- subports come and go ----------------------------------------------------------------------


def _usable(work: Work, port_id: str) -> Port:
    """A port that is in no trunk yet and the caller's to put into one."""
    port = work.visible(Port, port_id)
    if port is None:
        raise not_found("Port", port_id)
    if not may_update(work.caller, port, work.tx.get):
        raise forbidden("update", "port")
    if port.subport is not None:
        raise conflict("TrunkPortInUse", f"Port {port_id} is in use by another trunk.")
    if work.tx.first(Trunk, "port_id", port_id) is not None:
        raise _parent_in_use(port_id)
    return port


def _parent_in_use(port_id: str) -> ApiError:
    return conflict(
        "ParentPortInUse",
        f"Port {port_id} is currently in use and is not eligible for use as a parent port.",
    )


def _vlan(wish: Wish, network: Network) -> int:
    kind, tag = wish.kind, wish.tag
    if kind == "inherit":
        kind, tag = "vxlan", network.vni
    try:
        number: int = values.integer(-(1 << 63), 1 << 63).convert(tag)
    except ValueError:
        raise invalid_input(
            f"Invalid subport details: segmentation_id '{tag}' is not an integer"
        ) from None
    if kind != "vlan":
        raise invalid_input(f"Unknown segmentation_type '{kind}'")
    if number not in VLANS:
        raise invalid_input(f"Segmentation ID '{number}' is not in range")
    return number


def _check_said(wishes: Iterable[Wish]) -> None:
    """Each wish says all that is needed, and they contradict each other in nothing."""
    seen: set[object] = set()
    for wish in wishes:
        if wish.kind != "inherit" and (not wish.kind or wish.tag is None):
            raise invalid_input(
                f"Invalid subport details '{wish.port_id}': missing segmentation information. "
                "Must specify both segmentation_id and segmentation_type"
            )
        for what, said in (("UUID", wish.port_id), ("tag", (wish.kind, str(wish.tag)))):
            if said in seen and not (what == "tag" and wish.tag is None):
                raise invalid_input(
                    f"Non unique UUID for subport: '{wish.port_id}'"
                    if what == "UUID"
                    else f"Segmentation ID '{wish.tag}' for '{wish.port_id}' is not unique"
                )
            seen.add(said)


def _add(work: Work, trunk_id: str, parent: Port, wishes: tuple[Wish, ...]) -> None:
    widest = _network(work, parent).mtu
    for wish in wishes:
        if wish.port_id == parent.id:
            raise _parent_in_use(parent.id)
        port = _usable(work, wish.port_id)
        network = _network(work, port)
        if network.mtu > widest:
            raise conflict(
                "SubPortMtuGreaterThanTrunkPortMtu",
                f"MTU {network.mtu} of subport {port.id} cannot be greater than MTU {widest} of "
                f"trunk {parent.id}.",
            )
        vlan = _vlan(wish, network)
        if port.device_id:
            raise conflict(
                "PortInUse",
                f"Unable to complete operation on port {port.id} for network {port.network_id}. "
                f"Port already has an attached device {port.device_id}.",
            )
        place = Subport(trunk_id, parent.id, vlan)
        _put(work, port, host=parent.host, device_owner=SUBPORT_OWNER, subport=place)


def _network(work: Work, port: Port) -> Network:
    network = work.tx.get(Network, port.network_id)
    if network is None:
        raise not_found("Network", port.network_id)
    return network


def _release(work: Work, port: Port) -> None:
    _put(work, port, host="", device_owner="", subport=None)


def _wishes(body: dict[str, Json]) -> tuple[Wish, ...]:
    found: tuple[Wish, ...] = converted("sub_ports", _WISHES, body.get("sub_ports"))
    return found


def _check_enabled(trunk: Trunk) -> None:
    if not trunk.admin_state_up:
        raise conflict("TrunkDisabled", f"Trunk {trunk.id} is currently disabled.")


def _add_subports(work: Work, trunk: Trunk, body: dict[str, Json]) -> Bare:
    wishes = _wishes(body)
    _check_said(wishes)
    parent = work.tx.get(Port, trunk.port_id)
    if parent is None:
        raise not_found("Port", trunk.port_id)
    _check_enabled(trunk)
    _add(work, trunk.id, parent, wishes)
    return Bare(work.touch(trunk) if wishes else trunk)


def _remove_subports(work: Work, trunk: Trunk, body: dict[str, Json]) -> Bare:
    wishes = _wishes(body)
    _check_enabled(trunk)
    for wish in wishes:
        port = work.tx.get(Port, wish.port_id)
        if port is None or port.subport is None or port.subport.trunk_id != trunk.id:
            raise ApiError(
                404,
                "SubPortNotFound",
                f"SubPort {wish.port_id} on trunk {trunk.id} could not be found.",
            )
        _release(work, port)
    return Bare(work.touch(trunk) if wishes else trunk)


# ---- the resource ------------------------------------------------------------------------------


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    trunk = Trunk(**row)
    _check_said(given["sub_ports"])
    parent = _usable(work, trunk.port_id)
    nowhere = parent.vnic_type != "normal" or work.tx.get(Hypervisor, parent.host) is None
    if parent.device_owner.startswith("network:") or (parent.host and nowhere):
        raise _parent_in_use(parent.id)
    _add(work, trunk.id, parent, given["sub_ports"])
    return trunk


def _update(work: Work, old: Trunk, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    return work.replace(old, row)


def _delete(work: Work, trunk: Trunk) -> None:
    _check_enabled(trunk)
    for port in subports(work, trunk.id):
        _release(work, port)


def _shown(port: Port) -> dict[str, Json]:
    vlan = port.subport.vlan if port.subport is not None else None
    return {"port_id": port.id, "segmentation_type": "vlan", "segmentation_id": vlan}


def _show_subports(context: Context, trunk: Trunk) -> Json:
    return [_shown(port) for port in context.store.find(Port, "trunk_id", trunk.id)]


def _status(context: Context, trunk: Trunk) -> Json:
    """BUILD while the parent is there and some of its subports are not yet."""
    parent = context.store.get(Port, trunk.port_id)
    if parent is None or context.observed.port_status(parent.id) != "ACTIVE":
        return "DOWN"
    ports = context.store.find(Port, "trunk_id", trunk.id)
    missing = any(
        port.admin_state_up and context.observed.port_status(port.id) != "ACTIVE" for port in ports
    )
    return "BUILD" if missing else "ACTIVE"


TRUNKS: Final = Resource(
    name="trunk",
    collection="trunks",
    title="Trunk",
    kind=Trunk,
    create=_create,
    update=_update,
    delete=_delete,
    actions={"add_subports": _add_subports, "remove_subports": _remove_subports},
    looks={"get_subports": lambda c, trunk: {"sub_ports": _show_subports(c, trunk)}},
    attributes=(
        *STANDARD,
        stored("admin_state_up", values.BOOLEAN, True),
        stored("port_id", values.UUID, REQUIRED, put=False, index="port_id"),
        shown("status", values.NAME, _status, filter=True, sort=True),
        Attribute(name="sub_ports", type=_WISHES, default=(), post=True, read=_show_subports),
    ),
)
