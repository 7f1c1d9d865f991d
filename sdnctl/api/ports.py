"""Ports: an attachment to a network, with a MAC, addresses, and the host that it is bound to."""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import bindings, guests, values, vifs
from sdnctl.api.addressing import Wish, addresses, following
from sdnctl.api.associations import dissociate
from sdnctl.api.errors import conflict, invalid_input, not_found
from sdnctl.api.portsecurity import ATTRIBUTES as SECURITY
from sdnctl.api.portsecurity import settle
from sdnctl.api.schema import (
    REQUIRED,
    STANDARD,
    Attribute,
    Context,
    Lookup,
    Resource,
    Work,
    shown,
    stored,
)
from sdnctl.api.values import Json
from sdnctl.intent import ROUTER_INTERFACE_OWNER, BgpVpnPort, Network, Port, Row
from sdnctl.types import Ip


def _wish(fields: dict[str, Any]) -> Wish:
    if not fields:
        raise ValueError("an entry must have a subnet_id, an ip_address or both")
    return Wish(**fields)


_FIXED_IPS: Final = values.sequence(
    values.record(_wish, {"subnet_id": values.UUID, "ip_address": values.IP}, need=0),
    most=64,
    unique=False,  # the same subnet twice asks for two of its addresses
)


def _show_fixed_ips(_context: Context, port: Port) -> Json:
    return [{"subnet_id": f.subnet_id, "ip_address": str(f.ip)} for f in port.fixed_ips]


def _match_fixed_ips(_context: Context, port: Port, text: str) -> bool:
    name, _, value = text.partition("=")
    match name:
        case "subnet_id":
            return any(f.subnet_id == value for f in port.fixed_ips)
        case "ip_address":
            wanted: Ip = values.IP.convert(value)
            return any(f.ip == wanted for f in port.fixed_ips)
        case "ip_address_substr":
            return any(value in str(f.ip) for f in port.fixed_ips)
        case _:
            return False


def _lookup_fixed_ips(text: str) -> Lookup | None:
    name, _, value = text.partition("=")
    match name:
        case "subnet_id":
            return Lookup("subnet_id", value)
        case "ip_address":
            return Lookup("ip", values.IP.convert(value))
        case "ip_address_substr":
            return None
        case _:
            raise ValueError(f"'{text}' is not of subnet_id=, ip_address=, ip_address_substr=")


def _status(context: Context, port: Port) -> Json:
    if not port.admin_state_up:
        return "DOWN"
    if port.device_owner == ROUTER_INTERFACE_OWNER:
        # It is on every hypervisor that has a port of the network, and nowhere in particular.
        return "ACTIVE"
    return context.observed.port_status(port.id)


def _vif_type(context: Context, port: Port) -> Json:
    return vifs.vif_type(context, port.host, port.vnic_type)


def _vif_details(context: Context, port: Port) -> Json:
    return vifs.vif_details(context, port.host, port.vnic_type)


def _check_owner(row: dict[str, Any]) -> None:
    if row.get("device_owner") == ROUTER_INTERFACE_OWNER:
        raise invalid_input(
            f"device_owner {ROUTER_INTERFACE_OWNER} is set by add_router_interface alone"
        )


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    _check_owner(row)
    tx = work.tx
    network = work.visible(Network, given["network_id"])
    if network is None:
        raise not_found("Network", given["network_id"])
    if not row["project_id"]:
        row["project_id"] = network.project_id
    if "port_security_enabled" not in row:
        row["port_security_enabled"] = network.port_security_enabled
    mac = row["mac"] = row.get("mac") or tx.allocate_mac(network.id)
    row["fixed_ips"] = addresses(work, network.id, mac, given.get("fixed_ips"))
    row["extra_dhcp_options"] = guests.merged((), given["extra_dhcp_opts"])
    settle(work, row, given, mac)
    return Port(**row)


def _update(work: Work, old: Port, given: dict[str, Any], row: dict[str, Any]) -> Row:
    tx = work.tx
    router = old.device_owner == ROUTER_INTERFACE_OWNER
    if router and not {"device_id", "device_owner", "binding:host_id"}.isdisjoint(given):
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {old.id} for network {old.network_id}. "
            f"Port already has an attached device {old.device_id}.",
        )
    _check_owner(row)
    if "mac" in row:
        row["mac"] = row["mac"] or tx.allocate_mac(old.network_id)
        if row["mac"] != old.mac and old.host:
            raise conflict(
                "PortBound",
                f"Unable to complete operation on port {old.id}, port is already bound, port "
                f"type: ovs, old_mac {old.mac}, new_mac {row['mac']}.",
            )
    if row.get("host", old.host) != old.host:
        row["moves"] = bindings.moves(old, row["host"])
        row["bindings"] = bindings.without(old, row["host"])
    mac = row.get("mac", old.mac)
    if "fixed_ips" in given:
        row["fixed_ips"] = addresses(
            work, old.network_id, mac, given["fixed_ips"], former=old.fixed_ips, router=router
        )
    elif mac != old.mac:
        row["fixed_ips"] = following(tx, old, mac)
    if "extra_dhcp_opts" in given:
        row["extra_dhcp_options"] = guests.merged(old.extra_dhcp_options, given["extra_dhcp_opts"])
    settle(work, row, given, mac, old)
    return work.replace(old, row)


def _delete(work: Work, port: Port) -> None:
    if port.device_owner == ROUTER_INTERFACE_OWNER:
        raise conflict(
            "ServicePortInUse",
            f"Port {port.id} cannot be deleted directly via the port API: "
            f"has device owner {port.device_owner}.",
        )
    dissociate(work, BgpVpnPort, "port_id", port.id)


PORTS: Final = Resource(
    name="port",
    collection="ports",
    title="Port",
    kind=Port,
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *STANDARD,
        stored("network_id", values.UUID, REQUIRED, put=False, index="network_id"),
        stored("mac_address", values.optional(values.MAC), field="mac", index="mac"),
        Attribute(
            name="fixed_ips",
            type=_FIXED_IPS,
            post=True,
            put=True,
            filter=True,
            read=_show_fixed_ips,
            match=_match_fixed_ips,
            lookup=_lookup_fixed_ips,
        ),
        stored("admin_state_up", values.BOOLEAN, True),
        shown("status", values.NAME, _status, filter=True, sort=True),
        stored("device_id", values.NAME, "", index="device_id"),
        stored("device_owner", values.NAME, ""),
        stored("port_security_enabled", values.BOOLEAN, sort=False),
        *SECURITY,
        stored("binding:host_id", values.HOST, "", field="host", index="host"),
        stored("binding:vnic_type", vifs.VNIC_TYPES, "normal", field="vnic_type"),
        stored("binding:profile", values.OBJECT, {}, field="profile", filter=False, sort=False),
        shown("binding:vif_type", values.NAME, _vif_type, filter=True),
        shown("binding:vif_details", values.OBJECT, _vif_details),
        *guests.PORT_ATTRIBUTES,
        shown(
            "ip_allocation",
            values.NAME,
            lambda _c, port: "immediate" if port.fixed_ips else "none",
        ),
    ),
)
