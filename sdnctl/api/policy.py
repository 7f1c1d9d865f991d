"""Who may see and do what: one table.

Promise: the table says it all, in the words of ``Who``; it is Neutron's default policy
(neutron/conf/policies, networking_bgpvpn/policies), and what it does not name is for
administrators alone. It knows no caller and no row: ``authorization`` holds one against the other.

Beside Neutron: an administrator may set ``binding:profile`` too; a reader of the whole system
may look at everything; ``sdn:*``, which could join one tenant's network to another's, is the
administrator's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final

from sdnctl.api.caller import Who

ADMIN: Final = Who.ADMIN
READER: Final = Who.READER
MEMBER: Final = Who.MEMBER
MANAGER: Final = Who.MANAGER
NETWORK_READER: Final = Who.NETWORK_READER
NETWORK_MEMBER: Final = Who.NETWORK_MEMBER
NETWORK_MANAGER: Final = Who.NETWORK_MANAGER
SHARED: Final = Who.SHARED
EXTERNAL: Final = Who.EXTERNAL
SERVICE: Final = Who.SERVICE
ANYBODY: Final = Who.ANYBODY


@dataclasses.dataclass(frozen=True, slots=True)
class Attr:
    """Who may see and set attributes beyond who may the row; None is just those.

    ``name`` may be a pattern. With ``when`` a rule holds for such values only, and ``part`` is
    what they are called in the refusal.
    """

    name: str
    _: dataclasses.KW_ONLY
    see: Who | None = None
    create: Who | None = None
    update: Who | None = None
    part: str = ""
    when: Callable[[Any], bool] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Who may see, create, update (with its tags and actions) and delete rows of a kind."""

    see: Who = ADMIN
    create: Who = ADMIN
    update: Who = ADMIN
    delete: Who = ADMIN
    attributes: tuple[Attr, ...] = ()


def _hidden(name: str) -> Attr:
    return Attr(name, see=ADMIN, create=ADMIN, update=ADMIN)


def _settable(name: str) -> Attr:
    return Attr(name, create=ADMIN, update=ADMIN)


def _is_network_device(owner: str) -> bool:
    return owner.startswith("network:")


def _names_address(wishes: Iterable[Any]) -> bool:
    return any(wish.ip_address is not None for wish in wishes)


def _names_subnet(wishes: Iterable[Any]) -> bool:
    return any(wish.subnet_id is not None for wish in wishes)


def _says(part: str) -> Callable[[Any], bool]:
    """Whether a wish for a gateway has that member."""
    return lambda wish: wish is not None and part in wish.said


_OWNERS: Final = Rules(see=READER, create=MEMBER, update=MEMBER, delete=MEMBER)
"""What is its project's alone."""

_MANAGERS: Final = Rules(see=READER, create=MANAGER, update=MANAGER, delete=MANAGER)
"""What is its project's alone, and its manager's to change."""

_ASSOCIATION: Final = dataclasses.replace(
    _OWNERS, attributes=(_hidden("project_id"), _hidden("tenant_id"), _hidden("sdn:*"))
)

POLICY: Final[dict[str, Rules]] = {
    "network": Rules(
        see=READER | SERVICE | SHARED | EXTERNAL,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(
            _settable("shared"),
            _settable("router:external"),
            _settable("is_default"),
            _hidden("segments"),
            _hidden("provider:*"),
            _hidden("sdn:*"),
        ),
    ),
    "subnet": Rules(
        see=READER | NETWORK_READER | SHARED | EXTERNAL | SERVICE,
        create=NETWORK_MEMBER,
        update=MEMBER | NETWORK_MEMBER,
        delete=MEMBER | NETWORK_MEMBER,
        attributes=(_hidden("segment_id"),),
    ),
    "port": Rules(
        see=READER | NETWORK_READER | SERVICE,
        create=NETWORK_MEMBER | SHARED | SERVICE,
        update=MEMBER | SERVICE,
        delete=MEMBER | NETWORK_MEMBER | SERVICE,
        attributes=(
            Attr(
                "device_owner",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
                when=_is_network_device,
            ),
            Attr("mac_address", create=NETWORK_MEMBER | SERVICE, update=NETWORK_MANAGER | SERVICE),
            Attr(
                "fixed_ips",
                create=NETWORK_MEMBER | SHARED | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "fixed_ips",
                part="ip_address",
                when=_names_address,
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "fixed_ips",
                part="subnet_id",
                when=_names_subnet,
                create=NETWORK_MEMBER | SHARED | SERVICE,
                update=NETWORK_MEMBER | SHARED | SERVICE,
            ),
            Attr(
                "port_security_enabled",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "allowed_address_pairs",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr("binding:host_id", see=SERVICE, create=SERVICE, update=SERVICE),
            Attr("binding:profile", see=SERVICE, create=SERVICE, update=SERVICE),
            Attr("binding:vif_*", see=SERVICE),
            Attr("binding:vnic_type", create=MEMBER | SERVICE, update=MEMBER | SERVICE),
            _hidden("resource_request"),
            _hidden("hints"),
            _hidden("trusted"),
            _settable("data_plane_status"),
        ),
    ),
    "trunk": _OWNERS,
    "qos_policy": dataclasses.replace(
        _MANAGERS, see=READER | SHARED, attributes=(_settable("shared"),)
    ),
    # That they are of a policy of the caller's is checked where they are made.
    "bandwidth_limit_rule": _MANAGERS,
    "dscp_marking_rule": _MANAGERS,
    "minimum_bandwidth_rule": _MANAGERS,
    "port_binding": Rules(see=SERVICE, create=SERVICE, update=SERVICE, delete=SERVICE),
    "address_scope": Rules(
        see=READER | SHARED,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(_settable("shared"),),
    ),
    "subnetpool": Rules(
        see=READER | SHARED,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(_settable("shared"), _settable("is_default")),
    ),
    # Whom one may be for is checked where it is made: everybody is an administrator's word.
    "rbac_policy": Rules(see=READER, create=MEMBER, update=MEMBER, delete=MEMBER),
    "router": dataclasses.replace(
        _OWNERS,
        attributes=(
            _hidden("distributed"),
            _hidden("ha"),
            *(
                Attr(
                    "external_gateway_info",
                    part=part,
                    when=_says(part),
                    create=ADMIN,
                    update=ADMIN,
                )
                for part in ("enable_snat", "external_fixed_ips")
            ),
            _hidden("sdn:*"),
        ),
    ),
    "floatingip": dataclasses.replace(
        _OWNERS, attributes=(Attr("floating_ip_address", create=MANAGER),)
    ),
    "port_forwarding": _OWNERS,
    "security_group": dataclasses.replace(_OWNERS, see=READER | SHARED),
    "security_group_rule": _OWNERS,
    "default_rule": Rules(see=ANYBODY),
    "address_group": dataclasses.replace(_OWNERS, see=READER | SHARED),
    "bgpvpn": Rules(
        see=READER,
        update=MEMBER,
        attributes=(
            _hidden("project_id"),
            _hidden("tenant_id"),
            _hidden("*_targets"),
            _hidden("route_distinguishers"),
            _hidden("vni"),
            _hidden("sdn:*"),
        ),
    ),
    "bgpvpn_network": _ASSOCIATION,
    "bgpvpn_router": _ASSOCIATION,
    "bgpvpn_port": _ASSOCIATION,
    "hypervisor": Rules(),
    "link": Rules(),
    "gateway": Rules(),
    "bgp_peer": Rules(),
}
"""By the kind of the rows. What is not said of an attribute is as for the row."""
