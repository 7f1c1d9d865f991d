"""BGP VPNs, and the networks, routers and ports in them, as networking-bgpvpn serves them.

Beyond it: ``sdn:communities`` are said with every route, an association shows what was
allocated for it, and a PUT of a port association leaves ``routes`` alone unless it names them.
Short of it: a port joins layer 3 ones only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.associations import (
    Association,
    bad_bgpvpn,
    check_network_joins,
    check_router_joins,
    dissociate,
)
from sdnctl.api.errors import ApiError, not_found
from sdnctl.api.networks import allocate_instance, refuse_automatic
from sdnctl.api.schema import REQUIRED, Above, Attribute, Read, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Network,
    Port,
    PortRoute,
    Router,
    Row,
)
from sdnctl.store.claims import association
from sdnctl.types import MAX_VNI, RouteDistinguisher

_PREFERENCE: Final = values.integer(0, (1 << 32) - 1)
_TARGETS: Final = values.listed(values.ROUTE_TARGETS)
_DISTINGUISHERS: Final = values.listed(
    values.sequence(
        values.parsed(lambda text: str(RouteDistinguisher.parse(text)), "route distinguisher")
    )
)
_TARGET_FIELDS: Final = ("route_targets", "import_targets", "export_targets")


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    _check_targets(work, row)
    return BgpVpn(**row)


def _update(work: Work, old: BgpVpn, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    _check_targets(work, row)
    return work.replace(old, row)


def _check_targets(work: Work, row: dict[str, Any]) -> None:
    for field in _TARGET_FIELDS:
        refuse_automatic(work, field, row.get(field, ()))


def _delete(work: Work, vpn: BgpVpn) -> None:
    for kind in (BgpVpnNetwork, BgpVpnRouter, BgpVpnPort):
        dissociate(work, kind, "bgpvpn_id", vpn.id)


def _members(name: str, kind: type[Association], field: str) -> Attribute:
    """The ids of what is in a BGP VPN; a filter asks for those that one of them is in."""

    def read(context: Context, vpn: BgpVpn) -> Json:
        rows = context.store.find(kind, "bgpvpn_id", vpn.id)
        return [getattr(row, field) for row in rows]

    def match(context: Context, vpn: BgpVpn, text: str) -> bool:
        return any(row.bgpvpn_id == vpn.id for row in context.store.find(kind, field, text))

    return shown(name, values.UUIDS, read, filter=True, match=match)


# ---- associations ------------------------------------------------------------------------------

_PART: Final = Above(BgpVpn, "BGPVPN", "bgpvpn_id")
_STANDARD: Final = tuple(a for a in STANDARD if a.name != "name")


def _joining(
    work: Work,
    given: dict[str, Any],
    row: dict[str, Any],
    kind: type[Network | Router | Port],
    field: str,
) -> BgpVpn:
    """The BGP VPN that something joins; ApiError unless both are of one project."""
    name, id_ = kind.__name__, row[field]
    other = work.visible(kind, id_)
    if other is None:
        raise not_found(name, id_)
    vpn = work.tx.get(BgpVpn, row["bgpvpn_id"])
    if vpn is None:
        raise not_found("BGPVPN", row["bgpvpn_id"])
    # The owner of one alone cannot join it to what is another's.
    if other.project_id != vpn.project_id:
        raise _not_authorized(f"{name.lower()} doesn't belong to the bgpvpn owner")
    row["project_id"] = given.get("project_id", vpn.project_id)
    if row["project_id"] != vpn.project_id:
        raise _not_authorized(
            f"{name.lower()} association and bgpvpn should belong to the same project"
        )
    if work.tx.holder(association(vpn.id, id_)) is not None:
        short = {"Network": "Net"}.get(name, name)
        raise ApiError(
            400,
            f"BGPVPN{short}AssocAlreadyExists",
            f"{name.lower()} {id_} is already associated to BGPVPN {vpn.id}",
        )
    return vpn


def _not_authorized(reason: str) -> ApiError:
    return ApiError(403, "NotAuthorized", f"Not authorized: {reason}.")


def _join_network(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    vpn = _joining(work, given, row, Network, "network_id")
    if vpn.type == "l3":
        check_network_joins(work, row["network_id"])
    allocate_instance(work, row)
    return BgpVpnNetwork(mac=work.tx.allocate_mac(row["network_id"]), **row)


def _join_router(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    vpn = _joining(work, given, row, Router, "router_id")
    _check_layer_3(vpn, "Router")
    check_router_joins(work, row["router_id"])
    return BgpVpnRouter(**row)


def _join_port(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    vpn = _joining(work, given, row, Port, "port_id")
    # Neutron leaves this to its drivers; here a port is in a layer 2 one by its network alone.
    _check_layer_3(vpn, "Port")
    return BgpVpnPort(**row)


def _change(work: Work, old: Association, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    return work.replace(old, row)


def _check_layer_3(vpn: BgpVpn, what: str) -> None:
    if vpn.type != "l3":
        raise bad_bgpvpn(f"{what} associations require the bgpvpn to be of type l3")


def _leave(work: Work, row: Association) -> None:
    del work, row


def _port_route(fields: dict[str, Any]) -> PortRoute:
    if fields.pop("type") == "bgpvpn":
        raise ValueError(
            "routes of type bgpvpn are not served: BGP VPNs are joined by their route targets"
        )
    if "prefix" not in fields:
        raise ValueError("a route of type prefix has a prefix")
    return PortRoute(fields["prefix"], fields.get("local_pref"))


def _show_port_route(route: PortRoute) -> Json:
    return {"type": "prefix", "prefix": str(route.prefix), "local_pref": route.local_preference}


_ROUTE: Final = values.record(
    _port_route,
    {
        "type": values.choice("prefix", "bgpvpn"),
        "prefix": values.PREFIX,
        "bgpvpn_id": values.UUID,
        "local_pref": values.optional(_PREFERENCE),
    },
    need=1,
)
_ROUTES: Final = values.sequence(Type(_ROUTE.convert, _ROUTE.schema, _show_port_route))


def _allocated(field: str, show: Callable[[Any], Json] = values.same) -> Read:
    return lambda _context, row: show(getattr(row, field))


def _part(
    name: str, title: str, kind: type[Association], create: Any, *attributes: Attribute
) -> Resource:
    field = f"{name.partition('_')[0]}_id"
    return Resource(
        name=name,
        collection=f"{name}s",
        title=title,
        kind=kind,
        above=_PART,
        create=create,
        update=_change,
        delete=_leave,
        attributes=(*_STANDARD, stored(field, values.UUID, REQUIRED, put=False), *attributes),
    )


BGPVPNS: Final = Resource(
    name="bgpvpn",
    prefix="bgpvpn",
    collection="bgpvpns",
    title="BGPVPN",
    kind=BgpVpn,
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *STANDARD,
        stored("type", values.choice("l3", "l2"), "l3", put=False),
        *(stored(field, _TARGETS, (), filter=False, sort=False) for field in _TARGET_FIELDS),
        stored("route_distinguishers", _DISTINGUISHERS, (), filter=False, sort=False),
        _members("networks", BgpVpnNetwork, "network_id"),
        _members("routers", BgpVpnRouter, "router_id"),
        _members("ports", BgpVpnPort, "port_id"),
        stored("vni", values.optional(values.integer(1, MAX_VNI)), None, put=False),
        stored("local_pref", values.optional(_PREFERENCE), None, field="local_preference"),
        stored(
            "sdn:communities",
            values.sequence(values.COMMUNITY),
            (),
            field="communities",
            filter=False,
            sort=False,
        ),
    ),
    parts=(
        _part(
            "network_association",
            "BGPVPNNetAssoc",
            BgpVpnNetwork,
            _join_network,
            shown("sdn:vni", values.integer(1, MAX_VNI), _allocated("vni")),
            shown("sdn:label", values.LABEL, _allocated("label")),
            shown("sdn:rd_number", values.integer(1, 0xFFFF), _allocated("number")),
            shown("sdn:mac", values.MAC, _allocated("mac", str)),
        ),
        _part(
            "router_association",
            "BGPVPNRouterAssoc",
            BgpVpnRouter,
            _join_router,
            stored("advertise_extra_routes", values.BOOLEAN, True),
        ),
        _part(
            "port_association",
            "BGPVPNPortAssoc",
            BgpVpnPort,
            _join_port,
            stored("advertise_fixed_ips", values.BOOLEAN, True),
            stored("routes", _ROUTES, (), filter=False, sort=False),
        ),
    ),
)
