"""Networks: a VNI, a label and an RD number each, taken when made and kept for life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sdnctl.api import addressing, outside, qos, rbac, values, zones
from sdnctl.api.associations import dissociate
from sdnctl.api.errors import conflict, invalid_input
from sdnctl.api.guests import DNS_DOMAIN
from sdnctl.api.schema import UNSET, Attribute, Lookup, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.graph.attachments import is_automatic
from sdnctl.intent import BgpVpnNetwork, Network, Port, Row, Subnet, SubnetPool
from sdnctl.types import MAX_VNI, RouteTarget

_VNI: Final = values.integer(1, MAX_VNI)
_NUMBER: Final = values.integer(1, 0xFFFF)


def instance_attributes(*, vni: bool) -> tuple[Attribute, ...]:
    """What networks (EVIs) and routers (VRFs) have in common beyond Neutron.

    The three numbers may be chosen when the object is made and never change afterwards.
    """
    once = {"put": False, "default": UNSET}
    return (
        *((stored("sdn:vni", _VNI, field="vni", **once),) if vni else ()),
        stored("sdn:label", values.LABEL, field="label", **once),
        stored("sdn:rd_number", _NUMBER, field="number", **once),
        stored("sdn:import_targets", values.ROUTE_TARGETS, (), field="import_targets", sort=False),
        stored("sdn:export_targets", values.ROUTE_TARGETS, (), field="export_targets", sort=False),
    )


def allocate_instance(work: Work, row: dict[str, Any]) -> None:
    """Fill in the numbers that were not chosen."""
    if "vni" not in row:
        row["vni"] = work.tx.allocate_vni()
    if "label" not in row:
        row["label"] = work.tx.allocate_label()
    if "number" not in row:
        row["number"] = work.tx.allocate_rd_number()


def check_targets(work: Work, row: dict[str, Any]) -> None:
    """The targets of a network or router, as ``instance_attributes`` has them."""
    for field in ("import_targets", "export_targets"):
        refuse_automatic(work, f"sdn:{field}", row.get(field, ()))


def refuse_automatic(work: Work, name: str, targets: Iterable[RouteTarget]) -> None:
    """Automatic route targets are nobody's to give: with another's, one hand would join two."""
    for target in targets:
        if is_automatic(work.settings.asn, target):
            raise invalid_input(f"{name}: {target} is kept for automatic route targets")


def _subnets(context: Context, network: Network) -> Json:
    return [subnet.id for subnet in context.store.find(Subnet, "network_id", network.id)]


def _address_scope(version: int) -> Attribute:
    """The address scope of a network's subnets, which is that of their pools."""

    def read(context: Context, network: Network) -> Json:
        store = context.store
        for subnet in store.find(Subnet, "network_id", network.id):
            if subnet.prefix.version == version and subnet.subnetpool_id is not None:
                pool = store.get(SubnetPool, subnet.subnetpool_id)
                return pool.address_scope_id if pool is not None else None
        return None

    return shown(f"ipv{version}_address_scope", values.optional(values.UUID), read)


def _mtu(work: Work, row: dict[str, Any]) -> None:
    if row.get("mtu") == 0:
        row["mtu"] = work.settings.mtu


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    check_targets(work, row)
    zones.check(row)
    allocate_instance(work, row)
    _mtu(work, row)
    row["qos_policy_id"] = row["qos_policy_id"] or qos.default_of(work, row["project_id"])
    qos.check(work, row["qos_policy_id"])
    network = Network(**row)
    rbac.follow(work, None, network)
    return rbac.said(work, network)


def _update(work: Work, old: Network, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    check_targets(work, row)
    _mtu(work, row)
    if "mtu" in row:
        for subnet in work.tx.find(Subnet, "network_id", old.id):
            addressing.check_mtu(old.id, row["mtu"], subnet.prefix.version)
    qos.check_update(work, row, old)
    new = work.replace(old, row)
    if {"shared", "external"}.isdisjoint(row):
        return new
    rbac.follow(work, old, new)
    new = rbac.said(work, new)
    if old.shared and not new.shared:
        _check_unused_by_others(work, new)
    return new


def _check_unused_by_others(work: Work, network: Network) -> None:
    """Who has a port on a network must go on seeing it."""
    if rbac.shut_out(work, network):
        raise conflict(
            "InvalidSharedSetting",
            f"Unable to reconfigure sharing settings for network {network.id}. Multiple projects "
            "are using it.",
        )


def _vrf(_context: Context, network: Network) -> Json:
    """What an external network is routed by."""
    vrf = network.vrf
    if vrf is None or not network.external:
        return None
    return {
        "vni": vrf.vni,
        "label": vrf.label,
        "rd_number": vrf.number,
        "mac": str(vrf.mac),
    }


def _delete(work: Work, network: Network) -> None:
    outside.delete_unused_floating_ips(work, network)
    port = work.tx.first(Port, "network_id", network.id)
    if port is not None:
        raise conflict(
            "NetworkInUse",
            f"Unable to complete operation on network {network.id}. There are one or more ports "
            f"still in use on the network, id for these ports is: {port.id}.",
        )
    for subnet in work.tx.find(Subnet, "network_id", network.id):
        work.tx.delete(Subnet, subnet.id)
    dissociate(work, BgpVpnNetwork, "network_id", network.id)
    rbac.forget(work, network)


NETWORKS: Final = Resource(
    name="network",
    collection="networks",
    title="Network",
    kind=Network,
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *STANDARD,
        stored("admin_state_up", values.BOOLEAN, True),
        shown("status", values.NAME, lambda _c, _n: "ACTIVE", filter=True, sort=True, of=()),
        shown("subnets", values.UUIDS, _subnets),
        stored("shared", values.BOOLEAN, False),
        stored(
            "router:external",
            values.BOOLEAN,
            False,
            field="external",
            lookup=lambda text: Lookup("external", True) if values.BOOLEAN.convert(text) else None,
        ),
        stored("mtu", values.integer(0, 65535), 0),
        stored("port_security_enabled", values.BOOLEAN, True),
        DNS_DOMAIN,
        qos.POLICY_ID,
        _address_scope(4),
        _address_scope(6),
        *zones.ATTRIBUTES,
        shown("l2_adjacency", values.BOOLEAN, lambda _c, _n: True, of=()),
        # One provider type exists; naming it is allowed, since tools do.
        Attribute(
            name="provider:network_type",
            type=values.choice("vxlan"),
            post=True,
            filter=True,
            read=lambda _c, _n: "vxlan",
        ),
        Attribute(
            name="provider:physical_network",
            type=values.NOTHING,
            post=True,
            read=lambda _c, _n: None,
        ),
        stored("provider:segmentation_id", _VNI, UNSET, field="vni", put=False),
        stored(
            "sdn:encapsulation",
            values.optional(values.ENCAPSULATION),
            None,
            field="encapsulation",
            sort=False,
        ),
        *instance_attributes(vni=False),
        shown("sdn:vrf", values.optional(values.OBJECT), _vrf),
    ),
)
