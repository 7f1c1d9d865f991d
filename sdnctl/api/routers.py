"""Routers: a VRF each, and their interfaces, which are ports."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

from sdnctl.api import extra_routes, quotas, router_gateways, snat, values, zones
from sdnctl.api.associations import check_interface, dissociate
from sdnctl.api.errors import ApiError, bad, conflict, not_found
from sdnctl.api.networks import allocate_instance, check_targets, instance_attributes
from sdnctl.api.schema import Attribute, Resource, converted, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.translations import check_interface_leaves
from sdnctl.api.values import Json
from sdnctl.api.work import Work
from sdnctl.intent import (
    ROUTER_INTERFACE_OWNER,
    BgpVpnPort,
    BgpVpnRouter,
    FixedIp,
    HostRoute,
    Network,
    Port,
    Router,
    Row,
    Subnet,
)


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    check_targets(work, row)
    zones.check(row)
    allocate_instance(work, row)
    router = Router(**row)
    new = router_gateways.changed(work, router, given["external_gateway_info"], [])
    router_gateways.check_limits(new)
    return new


def _update(work: Work, old: Router, given: dict[str, Any], row: dict[str, Any]) -> Row:
    check_targets(work, row)
    new = work.replace(old, row)
    _check_mode(old, new)
    if "external_gateway_info" in given:
        wish = given["external_gateway_info"]
        new = router_gateways.changed(work, new, wish, _inside(work, old.id))
    router_gateways.check_limits(new)
    _check_count(work, old, new)
    if new.routes and (new.routes != old.routes or new.gateway != old.gateway):
        _check_routes(work, new)
    if (new.gateway, new.distributed) != (old.gateway, old.distributed):
        work.tx.put(new)  # the caller puts it again, with its revision
        snat.router_changed(work, old.id, old, snat.interface_networks(work, old.id))
    return new


def _check_mode(old: Router, new: Router) -> None:
    """Another way of translation breaks what is translated, so that it has to be meant."""
    if not new.admin_state_up:
        return
    after = "Please set router admin_state_up to False prior to upgrade"
    if new.distributed != old.distributed:
        raise bad("router", f"Cannot change the 'distributed' attribute of active routers. {after}")
    if new.ha != old.ha:
        raise bad("router", f"Cannot change HA attribute of active routers. {after}")


def _check_count(work: Work, old: Router, new: Router) -> None:
    """A router has no more routes than one may; what is there already may stay."""
    if new.routes != old.routes:
        quotas.check_within(work, "router_route", new.project_id, len(new.routes))


def _check_routes(work: Work, router: Router) -> None:
    ports = interfaces(work, router.id)
    if router.gateway is not None and (port := work.tx.get(Port, router.gateway.port_id)):
        ports.append(port)
    subnets = [*_inside(work, router.id), *_outside(work, router)]
    extra_routes.check(router, ports, subnets)


def _with_routes(work: Work, router: Router, routes: tuple[HostRoute, ...]) -> Router:
    new = work.replace(router, {"routes": routes})
    _check_count(work, router, new)
    _check_routes(work, new)
    return work.put_changed(router, new)


def _add_routes(work: Work, router: Router, body: dict[str, Json]) -> Row:
    more = extra_routes.asked(body)
    return _with_routes(work, router, extra_routes.with_added(router.routes, more))


def _remove_routes(work: Work, router: Router, body: dict[str, Json]) -> Row:
    gone = extra_routes.asked(body)
    return _with_routes(work, router, extra_routes.without(router.routes, gone))


def interfaces(work: Work, router_id: str) -> list[Port]:
    """The ports that are this router's interfaces."""
    return [
        port
        for port in work.tx.find(Port, "device_id", router_id)
        if port.device_owner == ROUTER_INTERFACE_OWNER
    ]


def _inside(work: Work, router_id: str) -> list[Subnet]:
    """The subnets that a router has interfaces on."""
    return [
        subnet
        for port in interfaces(work, router_id)
        for fixed in port.fixed_ips
        if (subnet := work.tx.get(Subnet, fixed.subnet_id)) is not None
    ]


def _outside(work: Work, router: Router) -> list[Subnet]:
    """Those of the external network that its gateway is on."""
    gateway = router.gateway
    return [] if gateway is None else work.tx.find(Subnet, "network_id", gateway.network_id)


def _delete(work: Work, router: Router) -> None:
    ports = interfaces(work, router.id)
    if ports:
        ids = ", ".join(port.id for port in ports)
        raise conflict("RouterInUse", f"Router {router.id} has ports still attached: {ids}")
    router_gateways.left(work, router)
    dissociate(work, BgpVpnRouter, "router_id", router.id)


def _bad_router(reason: str) -> ApiError:
    return bad("router", reason)


def _subject(body: dict[str, Json]) -> tuple[str | None, str | None]:
    """The subnet or the port that a request for an interface names."""
    unknown = sorted(set(body) - {"subnet_id", "port_id"})
    if unknown:
        raise _bad_router(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    given = {name: converted(name, values.UUID, value) for name, value in body.items()}
    if not given:
        raise _bad_router("Either subnet_id or port_id must be specified")
    return given.get("subnet_id"), given.get("port_id")


def _check_overlap(work: Work, router: Router, subnets: list[Subnet]) -> None:
    present = [*_inside(work, router.id), *_outside(work, router)]
    router_gateways.check_overlap(present, subnets)


def _check_owner(work: Work, row: Port | Subnet) -> None:
    """What is only shared with a project is not for its routers."""
    if not work.caller.is_admin and row.project_id != work.caller.project_id:
        name = "subnet" if isinstance(row, Subnet) else "port"
        raise _bad_router(
            f"Cannot add interface to router because {name} {row.id} is not owned by project "
            "making the request"
        )


def _check_network(work: Work, router: Router, network_id: str) -> None:
    """A network lies in one VRF: its hosts have one anycast gateway."""
    network = work.tx.get(Network, network_id)
    if network is not None and network.external:
        raise _bad_router(f"Network {network_id} is external: routers have gateways there")
    check_interface(work, router.id, network_id)
    for port in work.tx.find(Port, "interface_network", network_id):
        if port.device_id != router.id:
            raise _bad_router(
                f"Network {network_id} is attached to router {port.device_id} already"
            )


def _answer(router: Router, port: Port, subnet_ids: list[str]) -> dict[str, Json]:
    return {
        "id": router.id,
        "tenant_id": router.project_id,
        "project_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnet_ids[0],
        "subnet_ids": subnet_ids,
    }


def _add_interface(work: Work, router: Router, body: dict[str, Json]) -> dict[str, Json]:
    subnet_id, port_id = _subject(body)
    if subnet_id is not None and port_id is not None:
        raise _bad_router("Cannot specify both subnet-id and port-id")
    if port_id is not None:
        added = _add_port(work, router, port_id)
    else:
        added = _add_subnet(work, router, str(subnet_id))
    _touch(work, router)
    return added


def _touch(work: Work, router: Router) -> None:
    """An interface came or went; the row may have changed with it."""
    work.touch(work.tx.get(Router, router.id) or router)


def _add_port(work: Work, router: Router, port_id: str) -> dict[str, Json]:
    port = work.visible(Port, port_id)
    if port is None:
        raise not_found("Port", port_id)
    _check_owner(work, port)
    if port.device_id or port.host:
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {port.id} for network {port.network_id}. "
            f"Port already has an attached device {port.device_id or port.host}.",
        )
    if not port.fixed_ips:
        raise _bad_router("Router port must have at least one fixed IP")
    subnets = [s for f in port.fixed_ips if (s := work.tx.get(Subnet, f.subnet_id)) is not None]
    if sum(subnet.prefix.version == 4 for subnet in subnets) > 1:
        raise _bad_router("Cannot have multiple IPv4 subnets on router port")
    _check_network(work, router, port.network_id)
    _check_overlap(work, router, subnets)
    work.put(port, device_id=router.id, device_owner=ROUTER_INTERFACE_OWNER)
    snat.router_changed(work, router.id, None, [port.network_id])
    return _answer(router, port, [subnet.id for subnet in subnets])


def _add_subnet(work: Work, router: Router, subnet_id: str) -> dict[str, Json]:
    tx = work.tx
    subnet = work.visible(Subnet, subnet_id)
    if subnet is None:
        raise not_found("Subnet", subnet_id)
    _check_owner(work, subnet)
    if subnet.gateway_ip is None or subnet.gateway_ip not in subnet.prefix:
        raise _bad_router("Subnet for router interface must have a gateway IP of its own")
    _check_network(work, router, subnet.network_id)
    _check_overlap(work, router, [subnet])
    address = FixedIp(subnet.id, subnet.gateway_ip)
    if subnet.prefix.version == 6:
        # As in Neutron, the IPv6 subnets of a network share one interface.
        for port in interfaces(work, router.id):
            if port.network_id == subnet.network_id and any(
                fixed.ip.version == 6 for fixed in port.fixed_ips
            ):
                work.put(port, fixed_ips=(*port.fixed_ips, address))
                return _answer(router, port, [subnet.id])
    port = Port(
        id=str(uuid.uuid4()),
        project_id=router.project_id,
        revision_number=1,
        created_at=work.now,
        updated_at=work.now,
        network_id=subnet.network_id,
        mac=tx.allocate_mac(subnet.network_id),
        fixed_ips=(address,),
        device_id=router.id,
        device_owner=ROUTER_INTERFACE_OWNER,
    )
    tx.put(port)
    snat.router_changed(work, router.id, None, [port.network_id])
    return _answer(router, port, [subnet.id])


def _check_leaves(work: Work, router: Router, subnet_ids: Iterable[str]) -> None:
    """An interface keeps what routes and floating IPs need."""
    for id_ in subnet_ids:
        if (subnet := work.tx.get(Subnet, id_)) is not None:
            extra_routes.check_interface_leaves(router, subnet)
            check_interface_leaves(work, router, subnet)


def interface_changes(work: Work, port: Port, fixed_ips: tuple[FixedIp, ...]) -> None:
    """An interface is to have other addresses, by the port that it is; it is not put yet."""
    router = work.tx.get(Router, port.device_id)
    if router is None:
        return
    before = dict.fromkeys(fixed.subnet_id for fixed in port.fixed_ips)
    after = dict.fromkeys(fixed.subnet_id for fixed in fixed_ips)
    _check_leaves(work, router, (id_ for id_ in before if id_ not in after))
    more = [work.tx.get(Subnet, id_) for id_ in after if id_ not in before]
    _check_overlap(work, router, [subnet for subnet in more if subnet is not None])


def _remove_interface(work: Work, router: Router, body: dict[str, Json]) -> dict[str, Json]:
    subnet_id, port_id = _subject(body)
    for port in interfaces(work, router.id):
        subnet_ids = [fixed.subnet_id for fixed in port.fixed_ips]
        if port_id not in {None, port.id} or (subnet_id and subnet_id not in subnet_ids):
            continue
        kept = tuple(fixed for fixed in port.fixed_ips if fixed.subnet_id != subnet_id)
        part = port_id is None and bool(kept)
        _check_leaves(work, router, [str(subnet_id)] if part else subnet_ids)
        _touch(work, router)
        if part:
            work.put(port, fixed_ips=kept)
            return _answer(router, port, [str(subnet_id)])
        dissociate(work, BgpVpnPort, "port_id", port.id)
        work.tx.delete(Port, port.id)
        snat.router_changed(work, router.id, router, [port.network_id])
        return _answer(router, port, [str(subnet_id)] if subnet_id else subnet_ids)
    if subnet_id is not None:
        raise ApiError(
            404,
            "RouterInterfaceNotFoundForSubnet",
            f"Router {router.id} has no interface on subnet {subnet_id}.",
        )
    raise ApiError(
        404,
        "RouterInterfaceNotFound",
        f"Router {router.id} does not have an interface with id {port_id}.",
    )


_MODE: Final = values.Type(
    lambda value: value is not None and values.BOOLEAN.convert(value), values.BOOLEAN.schema
)
"""Null is the default, as Neutron has it."""

_SUBJECT: Final = {"subnet_id": values.UUID.schema, "port_id": values.UUID.schema}
"""What names an interface: the one or the other."""

ROUTERS: Final = Resource(
    name="router",
    collection="routers",
    title="Router",
    kind=Router,
    create=_create,
    update=_update,
    delete=_delete,
    actions={
        "add_router_interface": _add_interface,
        "remove_router_interface": _remove_interface,
        "add_extraroutes": _add_routes,
        "remove_extraroutes": _remove_routes,
    },
    bodies={
        "add_router_interface": _SUBJECT,
        "remove_router_interface": _SUBJECT,
        "add_extraroutes": extra_routes.BODY,
        "remove_extraroutes": extra_routes.BODY,
    },
    attributes=(
        *STANDARD,
        stored("admin_state_up", values.BOOLEAN, True),
        shown("status", values.NAME, lambda _c, _r: "ACTIVE", filter=True, sort=True, of=()),
        Attribute(
            name="external_gateway_info",
            type=router_gateways.GATEWAY,
            default=None,
            post=True,
            put=True,
            read=router_gateways.show,
        ),
        *zones.ATTRIBUTES,
        stored("distributed", _MODE, False, filter=True),
        stored("ha", _MODE, False, filter=True),
        stored("routes", extra_routes.ROUTES, post=False, filter=False, sort=False),
        *instance_attributes(vni=True),
    ),
)
