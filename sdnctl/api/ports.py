"""Ports: an attachment to a network, with a MAC, addresses, and the host that it is bound to."""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import (
    bindings,
    guests,
    outside,
    qos,
    routers,
    snat,
    translations,
    trunks,
    values,
    vifs,
)
from sdnctl.api.addressing import WISHES, addresses, following, show_fixed
from sdnctl.api.associations import dissociate
from sdnctl.api.errors import conflict, invalid_input, not_found
from sdnctl.api.portsecurity import ATTRIBUTES as SECURITY
from sdnctl.api.portsecurity import settle
from sdnctl.api.schema import REQUIRED, Attribute, Lookup, Of, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    FLOATING_IP_OWNER,
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    BgpVpnPort,
    Hypervisor,
    Network,
    Port,
    Row,
)
from sdnctl.store.indexes import GUESTS
from sdnctl.types import Ip


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


def _lookup_owner(text: str) -> Lookup | None:
    return None if not text or text.startswith(GUESTS) else Lookup("rare_owner", text)


_OF_ROUTERS: Final = {ROUTER_INTERFACE_OWNER, ROUTER_GATEWAY_OWNER, SNAT_OWNER}
_OURS: Final = outside.OWNERS | {ROUTER_INTERFACE_OWNER}


def port_status(context: Context, port: Port) -> Json:
    """What is known of a port on its hypervisor."""
    if not port.admin_state_up:
        return "DOWN"
    if port.device_owner in _OF_ROUTERS:
        # No VIF: it is in the flows of every hypervisor that needs it.
        return "ACTIVE"
    if port.device_owner == FLOATING_IP_OWNER:
        return "N/A"
    return context.observed.port_status(port.id)


def _vif_type(context: Context, port: Port) -> Json:
    return vifs.vif_type(context, port.host, port.vnic_type)


def _vif_details(context: Context, port: Port) -> Json:
    return vifs.vif_details(context, port.host, port.vnic_type)


def _check_owner(row: dict[str, Any]) -> None:
    owner = row.get("device_owner")
    if owner in _OURS:
        raise invalid_input(f"device_owner {owner} is the controller's to give")


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
    row["fixed_ips"] = addresses(
        work, network.id, mac, given.get("fixed_ips"), owner=row["device_owner"]
    )
    row["extra_dhcp_options"] = guests.merged((), given["extra_dhcp_opts"])
    settle(work, row, given, mac)
    qos.check(work, row["qos_policy_id"])
    port = Port(**row)
    if port.host:
        snat.port_changed(work, None, port)
    return port


def _check_ours(port: Port, given: dict[str, Any]) -> None:
    """What the controller's own ports are stays the controller's to say."""
    if port.device_owner not in _OURS:
        return
    fixed = {"device_id", "device_owner", "binding:host_id"}
    if port.device_owner != ROUTER_INTERFACE_OWNER:
        fixed |= {"fixed_ips", "mac_address"}
    if not fixed.isdisjoint(given):
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {port.id} for network {port.network_id}. "
            f"Port already has an attached device {port.device_id}.",
        )


def _update(work: Work, old: Port, given: dict[str, Any], row: dict[str, Any]) -> Row:
    tx = work.tx
    _check_ours(old, given)
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
        trunks.follow(work, old, row["host"])
    mac = row.get("mac", old.mac)
    if "fixed_ips" in given:
        row["fixed_ips"] = addresses(
            work,
            old.network_id,
            mac,
            given["fixed_ips"],
            former=old.fixed_ips,
            owner=row.get("device_owner", old.device_owner),
        )
    elif mac != old.mac:
        row["fixed_ips"] = following(tx, old, mac)
    if "extra_dhcp_opts" in given:
        row["extra_dhcp_options"] = guests.merged(old.extra_dhcp_options, given["extra_dhcp_opts"])
    settle(work, row, given, mac, old)
    qos.check_update(work, row, old)
    new = work.replace(old, row)
    if new.fixed_ips != old.fixed_ips:
        if old.device_owner == ROUTER_INTERFACE_OWNER:
            routers.interface_changes(work, old, new.fixed_ips)
        translations.addresses_change(work, old, new.fixed_ips)
    snat.port_changed(work, old, new)
    return new


def _delete(work: Work, port: Port) -> None:
    if port.device_owner in _OURS:
        raise conflict(
            "ServicePortInUse",
            f"Port {port.id} cannot be deleted directly via the port API: "
            f"has device owner {port.device_owner}.",
        )
    trunks.check_delete(work, port)
    translations.port_leaves(work, port)
    snat.port_changed(work, port, None)
    dissociate(work, BgpVpnPort, "port_id", port.id)


_HOST: Final = (Of(Hypervisor, "host"),)

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
            type=WISHES,
            post=True,
            put=True,
            filter=True,
            read=lambda _c, port: show_fixed(port.fixed_ips),
            of=(),
            match=_match_fixed_ips,
            lookup=_lookup_fixed_ips,
        ),
        stored("admin_state_up", values.BOOLEAN, True),
        shown("status", values.NAME, port_status, filter=True, sort=True),
        stored("device_id", values.NAME, "", index="device_id"),
        stored("device_owner", values.NAME, "", lookup=_lookup_owner),
        stored("port_security_enabled", values.BOOLEAN, sort=False),
        *SECURITY,
        stored("binding:host_id", values.HOST, "", field="host", index="host"),
        stored("binding:vnic_type", vifs.VNIC_TYPES, "normal", field="vnic_type"),
        stored("binding:profile", values.OBJECT, {}, field="profile", filter=False, sort=False),
        shown("binding:vif_type", values.NAME, _vif_type, filter=True, of=_HOST),
        shown("binding:vif_details", values.OBJECT, _vif_details, of=_HOST),
        *guests.PORT_ATTRIBUTES,
        trunks.DETAILS,
        qos.POLICY_ID,
        qos.NETWORK_POLICY_ID,
        shown(
            "ip_allocation",
            values.NAME,
            lambda _c, port: "immediate" if port.fixed_ips else "none",
            filter=True,
            sort=True,
            of=(),
        ),
    ),
)
