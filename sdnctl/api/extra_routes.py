"""Extra routes: static ones of a router, by next hops that it has beside it.

Neutron's extensions extraroute and extraroute-atomic. A destination may have several next hops.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.errors import ApiError, bad_request, conflict
from sdnctl.api.schema import converted
from sdnctl.api.values import Json, Type
from sdnctl.intent import HostRoute, Port, Router, Subnet


def show_route(route: HostRoute) -> Json:
    """A route as Neutron writes it."""
    return {"destination": str(route.destination), "nexthop": str(route.nexthop)}


def _route(fields: dict[str, Any]) -> HostRoute:
    route = HostRoute(**fields)
    if route.destination.version != route.nexthop.version:
        raise ValueError(f"{show_route(route)} is of two IP versions")
    return route


_ROUTE: Final = values.record(_route, {"destination": values.PREFIX, "nexthop": values.IP}, need=2)
ROUTES: Final = values.sequence(Type(_ROUTE.convert, _ROUTE.schema, show_route))
"""The type of a router's ``routes``."""


def check(router: Router, ports: list[Port], subnets: list[Subnet]) -> None:
    """Every next hop is on a subnet of the router's, and is another than the router."""
    own = {fixed.ip for port in ports for fixed in port.fixed_ips}
    for route in router.routes:
        if not any(route.nexthop in subnet.prefix for subnet in subnets):
            raise _invalid(router, "the nexthop is not connected with router")
        if route.nexthop in own:
            raise _invalid(router, "the nexthop is used by router")


def _invalid(router: Router, reason: str) -> ApiError:
    routes = [show_route(route) for route in router.routes]
    return ApiError(400, "InvalidRoutes", f"Invalid format for routes: {routes}, {reason}.")


def check_interface_leaves(router: Router, subnet: Subnet) -> None:
    """An interface stays while a route needs it."""
    if any(route.nexthop in subnet.prefix for route in router.routes):
        raise conflict(
            "RouterInterfaceInUseByRoute",
            f"Router interface for subnet {subnet.id} on router {router.id} cannot be deleted, "
            "as it is required by one or more routes.",
        )


def asked(body: dict[str, Json]) -> tuple[HostRoute, ...]:
    """The routes in the body of ``add_extraroutes`` and ``remove_extraroutes``."""
    inner = body.get("router")
    if not isinstance(inner, dict) or set(body) != {"router"}:
        raise bad_request("Unable to find 'router' in request body")
    if set(inner) != {"routes"}:
        raise bad_request("Unable to find 'routes' in request body")
    routes: tuple[HostRoute, ...] = converted("routes", ROUTES, inner["routes"])
    return routes


def with_added(routes: tuple[HostRoute, ...], more: tuple[HostRoute, ...]) -> tuple[HostRoute, ...]:
    """Both, each route once."""
    return (*routes, *(route for route in more if route not in routes))


def without(routes: tuple[HostRoute, ...], gone: tuple[HostRoute, ...]) -> tuple[HostRoute, ...]:
    """The routes that are not in ``gone``, which may have more."""
    return tuple(route for route in routes if route not in gone)
