"""Floating IPs: addresses of external networks that stand for guests' own.

Promise: as in Neutron a floating IP holds its address by a port of its own, which belongs to no
project; it stands for one IPv4 address of one port, or for the ports of several guests by its
port forwardings, never for both. It is ACTIVE once the guest's own port is: translation is on
the guest's hypervisor.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import outside, qos, values
from sdnctl.api.addressing import Wish, addresses
from sdnctl.api.errors import ApiError, bad, conflict, not_found
from sdnctl.api.guests import DOMAIN_NAME, HOST_NAME
from sdnctl.api.port_forwardings import PORT_FORWARDINGS, show_in_floatingip
from sdnctl.api.ports import port_status
from sdnctl.api.schema import REQUIRED, Attribute, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.translations import already_associated, forwardings, guest, router_between
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    FLOATING_IP_OWNER,
    FixedIp,
    FloatingIp,
    Network,
    Port,
    PortForwarding,
    Row,
    Subnet,
)


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    qos.check(work, given["qos_policy_id"])
    network = work.visible(Network, given["floating_network_id"])
    if network is None:
        raise not_found("Network", given["floating_network_id"])
    if not network.external:
        raise bad("floatingip", f"Network {network.id} is not a valid external network")
    if not outside.ipv4_subnets(work, network.id, FLOATING_IP_OWNER):
        raise bad("floatingip", f"Network {network.id} does not contain any IPv4 subnet")
    subnets = work.tx.find(Subnet, "network_id", network.id)
    outside.check_not_gateways("floatingip", subnets, (given["floating_ip_address"],))
    if network.vrf is None:  # external since before it was routed
        network = work.put(network, vrf=outside.numbers(work, network))
    mac = work.tx.allocate_mac(network.id)
    wish = Wish(given["subnet_id"], given["floating_ip_address"])
    fixed = _address(work, network, mac, wish)
    port = outside.add_port(
        work, network.id, mac, (fixed,), owner=FLOATING_IP_OWNER, device_id=row["id"]
    )
    new = _metered(work, FloatingIp(ip=fixed.ip, floating_port_id=port.id, **row))
    return _associated(work, new, given["port_id"], given["fixed_ip_address"])


def _address(work: Work, network: Network, mac: Any, wish: Wish) -> FixedIp:
    if wish == Wish():
        return outside.any_ipv4(work, network.id, FLOATING_IP_OWNER)
    [fixed] = addresses(work, network.id, mac, (wish,), owner=FLOATING_IP_OWNER)
    if fixed.ip.version != 4:
        raise outside.exhausted(network.id)
    return fixed


def _update(work: Work, old: FloatingIp, given: dict[str, Any], row: dict[str, Any]) -> Row:
    if not given:
        # Before it had other attributes, to say nothing was to take it away from its port; and
        # there are still clients that do so.
        given = {"port_id": None}
    qos.check_update(work, row, old)
    new = _metered(work, work.replace(old, row))
    if "port_id" in given:
        return _associated(work, new, given["port_id"], given.get("fixed_ip_address"))
    if given.get("fixed_ip_address") is not None:
        raise _without_port()
    return new


def _metered(work: Work, floating: FloatingIp) -> FloatingIp:
    """With a number to be limited by, once it may need one."""
    if floating.qos_policy_id is None or floating.meter:
        return floating
    return work.replace(floating, {"meter": work.tx.allocate_meter()})


def _without_port() -> ApiError:
    return bad("floatingip", "fixed_ip_address cannot be specified without a port_id")


def _associated(work: Work, floating: FloatingIp, port_id: str | None, ip: Any) -> FloatingIp:
    """The floating IP for that port's address, or (None) for nobody."""
    if port_id is None:
        if ip is not None:
            raise _without_port()
        kept = floating.router_id if forwardings(work, floating.id) else ""
        return work.replace(floating, {"port_id": "", "fixed_ip": None, "router_id": kept})
    port = work.visible(Port, port_id)
    if port is None:
        raise not_found("Port", port_id)
    _check(work, floating, port)
    fixed = guest(port, ip, "floatingip")
    router_id = router_between(work, port, fixed.subnet_id, floating.network_id)
    if router_id is None:
        raise not_reachable(floating.network_id, fixed.subnet_id, port.id)
    for other in work.tx.find(FloatingIp, "port_id", port.id):
        if other.id != floating.id and other.fixed_ip == fixed.ip:
            raise already_associated(floating, port.id, fixed.ip)
    return work.replace(
        floating, {"port_id": port.id, "fixed_ip": fixed.ip, "router_id": router_id}
    )


def _check(work: Work, floating: FloatingIp, port: Port) -> None:
    if port.project_id != floating.project_id and not work.caller.is_admin:
        raise bad(
            "floatingip",
            f"Cannot process floating IP association with Port {port.id}, since that port is "
            "owned by a different project",
        )
    if forwardings(work, floating.id):
        raise in_use(floating)
    if work.tx.first(PortForwarding, "port_id", port.id) is not None:
        raise ApiError(
            400,
            "PortHasPortForwarding",
            f"Cannot associate floating IP to port {port.id} because it already has a Port "
            "Forwarding binding.",
        )


def not_reachable(external_id: str, subnet_id: str, port_id: str) -> ApiError:
    """No router joins the guest's subnet and the external network."""
    return ApiError(
        404,
        "ExternalGatewayForFloatingIPNotFound",
        f"External network {external_id} is not reachable from subnet {subnet_id}.  Therefore, "
        f"cannot associate Port {port_id} with a Floating IP.",
    )


def in_use(floating: FloatingIp) -> ApiError:
    """The floating IP has port forwardings."""
    return conflict(
        "FipInUseByPortForwarding",
        f"Floating IP {floating.id} in use by Port Forwarding resources.",
    )


def _delete(work: Work, floating: FloatingIp) -> None:
    if forwardings(work, floating.id):
        raise in_use(floating)
    work.tx.delete(Port, floating.floating_port_id)


# ---- what is shown -----------------------------------------------------------------------------


def _status(context: Context, floating: FloatingIp) -> Json:
    if not floating.port_id:
        return "ACTIVE" if floating.router_id else "DOWN"
    port = context.store.get(Port, floating.port_id)
    return "ACTIVE" if port is not None and port_status(context, port) == "ACTIVE" else "DOWN"


def _port_details(context: Context, floating: FloatingIp) -> Json:
    port = context.store.get(Port, floating.port_id)
    if port is None:
        return None
    return {
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": str(port.mac),
        "admin_state_up": port.admin_state_up,
        "status": port_status(context, port),
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }


def _port_forwardings(context: Context, floating: FloatingIp) -> Json:
    rows = context.store.find(PortForwarding, "floatingip_id", floating.id)
    return [show_in_floatingip(row) for row in rows]


_IP: Final = values.optional(values.IP)
_ID: Final = values.optional(values.UUID)

FLOATINGIPS: Final = Resource(
    name="floatingip",
    collection="floatingips",
    title="FloatingIP",
    kind=FloatingIp,
    create=_create,
    update=_update,
    delete=_delete,
    parts=(PORT_FORWARDINGS,),
    attributes=(
        *(attribute for attribute in STANDARD if attribute.name != "name"),
        stored(
            "floating_network_id",
            values.UUID,
            REQUIRED,
            put=False,
            field="network_id",
            index="network_id",
        ),
        Attribute(
            name="floating_ip_address",
            type=_IP,
            default=None,
            post=True,
            filter=True,
            sort=True,
            read=lambda _c, floating: str(floating.ip),
            index="ip",
        ),
        Attribute(name="subnet_id", type=_ID, default=None, post=True, visible=False),
        Attribute(
            name="port_id",
            type=_ID,
            default=None,
            post=True,
            put=True,
            filter=True,
            read=lambda _c, floating: floating.port_id or None,
            index="port_id",
        ),
        Attribute(
            name="fixed_ip_address",
            type=_IP,
            default=None,
            post=True,
            put=True,
            filter=True,
            sort=True,
            read=lambda _c, floating: _IP.show(floating.fixed_ip),
        ),
        shown(
            "router_id",
            _ID,
            lambda _c, floating: floating.router_id or None,
            filter=True,
            sort=True,
            index="router_id",
        ),
        shown("status", values.NAME, _status, filter=True, sort=True),
        shown("port_details", values.optional(values.OBJECT), _port_details),
        shown("port_forwardings", values.sequence(values.OBJECT), _port_forwardings),
        qos.POLICY_ID,
        stored("dns_name", HOST_NAME, "", put=False),
        stored("dns_domain", DOMAIN_NAME, "", put=False),
    ),
)
