"""What networks, routers and ports must know of the BGP VPNs that they are in.

Promise: what is deleted leaves every BGP VPN by itself, as Neutron has it; and a network is
never in one layer 3 BGP VPN by itself and in another by its router, where one route would have
two meanings. Knows nothing of how associations are served.
"""

from __future__ import annotations

from sdnctl.api.errors import ApiError
from sdnctl.api.work import Work
from sdnctl.intent import (
    ROUTER_INTERFACE_OWNER,
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Port,
)

Association = BgpVpnNetwork | BgpVpnRouter | BgpVpnPort


def bad_bgpvpn(reason: str) -> ApiError:
    """The request does not fit the BGP VPN."""
    return ApiError(400, "BadRequest", f"Bad bgpvpn request: {reason}.")


def dissociate(work: Work, kind: type[Association], index: str, id_: str) -> None:
    """Take a network, router, port or (by ``bgpvpn_id``) BGP VPN out of its associations."""
    for row in work.tx.find(kind, index, id_):
        work.tx.delete(kind, row.id)


def check_network_joins(work: Work, network_id: str) -> None:
    """A network may join a layer 3 BGP VPN unless its router is in one."""
    for port in work.tx.find(Port, "interface_network", network_id):
        vpns = _of_router(work, port.device_id)
        if vpns:
            raise bad_bgpvpn(
                f"Network {network_id} is linked to a router which is already associated to "
                f"bgpvpn(s) {vpns}"
            )


def check_router_joins(work: Work, router_id: str) -> None:
    """A router may join a BGP VPN unless a network of it is in a layer 3 one by itself."""
    for port in work.tx.find(Port, "device_id", router_id):
        if port.device_owner == ROUTER_INTERFACE_OWNER:
            vpns = _of_network(work, port.network_id)
            if vpns:
                raise bad_bgpvpn(
                    f"router {router_id} has an attached network {port.network_id} which is "
                    f"already associated to bgpvpn(s) {vpns}"
                )


def check_interface(work: Work, router_id: str, network_id: str) -> None:
    """A router and a network that are both in a layer 3 BGP VPN cannot be joined."""
    if _of_router(work, router_id) and _of_network(work, network_id):
        raise bad_bgpvpn(
            "It is not allowed to add an interface to a router if both the router and the "
            "network are bound to an L3 BGPVPN"
        )


def _of_router(work: Work, router_id: str) -> list[str]:
    return [row.bgpvpn_id for row in work.tx.find(BgpVpnRouter, "router_id", router_id)]


def _of_network(work: Work, network_id: str) -> list[str]:
    """The layer 3 BGP VPNs that the network is in by itself."""
    rows = work.tx.find(BgpVpnNetwork, "network_id", network_id)
    vpns = (work.tx.get(BgpVpn, row.bgpvpn_id) for row in rows)
    return [vpn.id for vpn in vpns if vpn is not None and vpn.type == "l3"]
