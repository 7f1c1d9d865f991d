"""What the tests of the way out begin with: a network outside, one inside, a router between."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.unit.api.client import Api


class Cloud(NamedTuple):
    """An external network (203.0.113.0/24), a router, a network (10.1.0.0/24) with a guest."""

    external: Any
    outer: Any
    router: Any
    network: Any
    subnet: Any
    guest: Any

    async def another_guest(self, api: Api) -> Any:
        """One more on the network inside."""
        project_id = self.guest["project_id"]
        return await api.create("ports", network_id=self.network["id"], project_id=project_id)


async def external_network(api: Api, *prefixes: str, **attributes: Any) -> tuple[Any, list[Any]]:
    """An external network with a subnet for each prefix."""
    return await api.network(*prefixes, **{"router:external": True}, **attributes)


async def set_gateway(api: Api, router_id: str, info: Any, **more: Any) -> Any:
    """The router's ``external_gateway_info`` once it is ``info``."""
    changed = await api.update("routers", router_id, external_gateway_info=info, **more)
    return changed["external_gateway_info"]


async def attach(api: Api, router_id: str, subnet_id: str) -> None:
    """Give the router an interface on a subnet."""
    path = f"routers/{router_id}/add_router_interface"
    await api.call("PUT", path, {"subnet_id": subnet_id})


async def a_cloud(api: Api, project_id: str = "red", **router: Any) -> Cloud:
    """With a gateway; what is inside is the project's."""
    external, [outer] = await external_network(api, "203.0.113.0/24")
    made = await api.create(
        "routers",
        project_id=project_id,
        external_gateway_info={"network_id": external["id"]},
        **router,
    )
    network, [subnet] = await api.network("10.1.0.0/24", project_id=project_id)
    await attach(api, made["id"], subnet["id"])
    guest = await api.create("ports", network_id=network["id"], project_id=project_id, name="vm")
    return Cloud(external, outer, made, network, subnet, guest)
