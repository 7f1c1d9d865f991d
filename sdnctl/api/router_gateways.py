"""The way out of a router: ``external_gateway_info``, as Neutron has it.

Promise: a router with a gateway has one port on one external network, made, changed and deleted
with what is said of the gateway, and a connection tracking zone of its own from the first
gateway on. A gateway that floating IPs need stays. Checks and errors are Neutron's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.api import outside, qos, values
from sdnctl.api.addressing import WISHES, Wish, addresses, forms_addresses, serves, show_fixed
from sdnctl.api.errors import bad, conflict, not_found
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    ROUTER_GATEWAY_OWNER,
    FixedIp,
    FloatingIp,
    Network,
    Port,
    Router,
    RouterGateway,
    Subnet,
)
from sdnctl.types import overlap


class GatewayWish(NamedTuple):
    """What is said of a gateway. As in Neutron, who does not say ``enable_snat`` says yes.

    ``said`` are the members that were there: some are not everybody's to say.
    """

    network_id: str
    external_fixed_ips: tuple[Wish, ...] = ()
    enable_snat: bool = True
    qos_policy_id: str | None = None
    said: frozenset[str] = frozenset()


_RECORD: Final = values.record(
    lambda fields: GatewayWish(**fields, said=frozenset(fields)),
    {
        "network_id": values.UUID,
        "external_fixed_ips": WISHES,
        "enable_snat": values.BOOLEAN,
        "qos_policy_id": values.optional(values.UUID),
    },
    need=1,
)


def _convert(value: Json) -> GatewayWish | None:
    return None if value in (None, {}) else _RECORD.convert(value)


GATEWAY: Final = Type(
    _convert,
    # {} is no gateway too.
    {"anyOf": [_RECORD.schema, {"type": "null"}, {"type": "object", "maxProperties": 0}]},
)
"""The type of ``external_gateway_info``."""


def show(context: Context, router: Router) -> Json:
    """``external_gateway_info`` of a router."""
    gateway = router.gateway
    if gateway is None:
        return None
    port = context.store.get(Port, gateway.port_id)
    shown = {
        "network_id": gateway.network_id,
        "external_fixed_ips": [] if port is None else show_fixed(port.fixed_ips),
        "enable_snat": gateway.enable_snat,
    }
    if gateway.qos_policy_id is not None:  # as in Neutron, which does not speak of what is not
        shown["qos_policy_id"] = gateway.qos_policy_id
    return shown


def _policy(work: Work, old: RouterGateway | None, wish: GatewayWish) -> str | None:
    """The QoS policy that is asked for; what is not spoken of stays."""
    before = old.qos_policy_id if old is not None else None
    if "qos_policy_id" not in wish.said:
        return before
    qos.check(work, wish.qos_policy_id, before)
    return wish.qos_policy_id


def changed(work: Work, router: Router, wish: GatewayWish | None, inside: list[Subnet]) -> Router:
    """The router with the gateway that is asked for, or without; ``inside`` is what it routes."""
    old = router.gateway
    if wish is None:
        return left(work, router)
    network = work.visible(Network, wish.network_id)
    if network is None:
        raise not_found("Network", wish.network_id)
    if not network.external:
        raise bad("router", f"Network {network.id} is not an external network")
    subnets = work.tx.find(Subnet, "network_id", network.id)
    outside.check_not_gateways(
        "router", subnets, (one.ip_address for one in wish.external_fixed_ips)
    )
    policy = _policy(work, old, wish)
    if old is not None and old.network_id == network.id:
        _readdress(work, old, wish)
        stays = RouterGateway(network.id, old.port_id, wish.enable_snat, policy)
        return work.replace(router, {"gateway": stays})
    check_overlap(inside, subnets)
    router = left(work, router)
    if network.vrf is None:  # external since before it was routed
        network = work.put(network, vrf=outside.numbers(work, network))
    mac = work.tx.allocate_mac(network.id)
    fixed_ips = addresses(
        work, network.id, mac, wish.external_fixed_ips or None, owner=ROUTER_GATEWAY_OWNER
    )
    port = outside.add_port(
        work, network.id, mac, fixed_ips, owner=ROUTER_GATEWAY_OWNER, device_id=router.id
    )
    gateway = RouterGateway(network.id, port.id, wish.enable_snat, policy)
    nat = router.nat or work.tx.allocate_nat()
    return work.replace(router, {"gateway": gateway, "nat": nat})


def check_limits(router: Router) -> None:
    """Where every hypervisor hides its own guests, nobody knows how much they send together."""
    if router.distributed and router.gateway is not None and router.gateway.qos_policy_id:
        raise bad("router", "The gateway of a distributed router cannot have a QoS policy")


def left(work: Work, router: Router) -> Router:
    """The router without its gateway, if it had one and no floating IP needs it."""
    gateway = router.gateway
    if gateway is None:
        return router
    if work.tx.first(FloatingIp, "router_id", router.id) is not None:
        raise conflict(
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {router.id}, since a gateway to external "
            f"network {gateway.network_id} is required by one or more floating IPs.",
        )
    work.tx.delete(Port, gateway.port_id)
    return work.replace(router, {"gateway": None})


def _readdress(work: Work, gateway: RouterGateway, wish: GatewayWish) -> None:
    """Other addresses for a gateway that stays; to say none is to say nothing."""
    port = work.tx.get(Port, gateway.port_id)
    if port is None or not wish.external_fixed_ips:
        return
    fixed_ips = addresses(
        work,
        port.network_id,
        port.mac,
        wish.external_fixed_ips,
        former=port.fixed_ips,
        owner=ROUTER_GATEWAY_OWNER,
    )
    work.put(port, fixed_ips=fixed_ips)


def check_overlap(present: list[Subnet], more: list[Subnet]) -> None:
    """One VRF has one meaning for an address: no two of its subnets may overlap."""
    for old in present:
        for new in more:
            if old.id == new.id:
                raise bad("router", f"Router already has a port on subnet {new.id}")
            if overlap(old.prefix, new.prefix):
                raise bad(
                    "router",
                    f"Cidr {new.prefix} of subnet {new.id} overlaps with cidr {old.prefix} "
                    f"of subnet {old.id}",
                )


def subnet_added(work: Work, subnet: Subnet) -> None:
    """Gateways on a subnet's network get an address of it, as in Neutron.

    Not where they have one of the version already that they did not form themselves.
    """
    if forms_addresses(subnet) or not serves(subnet, ROUTER_GATEWAY_OWNER):
        return  # what a port forms by itself, it has with the subnet
    for port in work.tx.find(Port, "outside", (ROUTER_GATEWAY_OWNER, subnet.network_id)):
        chosen = (
            held.prefix.version
            for fixed in port.fixed_ips
            if (held := work.tx.get(Subnet, fixed.subnet_id)) is not None
            and not forms_addresses(held)
        )
        if subnet.prefix.version not in chosen:
            fixed = FixedIp(subnet.id, work.tx.allocate_address(subnet))
            work.put(port, fixed_ips=(*port.fixed_ips, fixed))
