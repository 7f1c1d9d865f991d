"""Ports, trunks, and what ports are of.

Knows nothing of what a host does with a port, nor whether it is up.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.intent.row import Row
from sdnctl.types import Ip, Mac, Prefix

ROUTER_INTERFACE_OWNER: Final = "network:router_interface"
"""``device_owner`` of a port that is a router's interface; ``device_id`` is then the router."""

ROUTER_GATEWAY_OWNER: Final = "network:router_gateway"
"""That of a port whose addresses are a router's on an external network."""

FLOATING_IP_OWNER: Final = "network:floatingip"
"""That of a port whose address is a floating IP's; ``device_id`` is then the floating IP."""

SNAT_OWNER: Final = "network:floatingip_agent_gateway"
"""That of a port whose addresses a hypervisor has on an external network, for the guests of its
own that distributed routers let out; ``host`` and ``device_id`` are then the hypervisor."""


SUBPORT_OWNER: Final = "trunk:subport"
"""That of a port that is a subport of a trunk."""

MIGRATING_TO: Final = "migrating_to"
"""The key of a port's ``profile`` under which Nova says where its guest is about to go."""

DEFAULT_DNS_DOMAIN: Final = "openstacklocal."
"""What ports' names end in where their network says nothing; Neutron's default."""


class ExtraDhcpOption(msgspec.Struct, frozen=True):
    """An option for one port: its name or number, its value as text ("" sends none), 4 or 6."""

    name: str
    value: str
    ip_version: int = 4


class FixedIp(msgspec.Struct, frozen=True):
    """An address of a port, taken from a subnet."""

    subnet_id: str
    ip: Ip


class AddressPair(msgspec.Struct, frozen=True):
    """What else a port may send as: an address or a prefix, by a MAC of its own or another."""

    mac: Mac
    prefix: Prefix


class Subport(msgspec.Struct, frozen=True):
    """A port's place in a trunk: frames tagged with ``vlan`` (1 to 4094) of the VIF of ``parent``.

    ``parent`` is the trunk's own port, whose host is the subport's.
    """

    trunk_id: str
    parent: str
    vlan: int


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A host that a port is bound to beside the one that it is at.

    It is where the guest is about to go or, ``left``, where it came from.
    """

    host: str
    vnic_type: str = "normal"
    profile: dict[str, object] = msgspec.field(default_factory=dict)
    left: bool = False


class Port(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An attachment to a network: a guest's interface, or a router's.

    ``moves`` counts how often it left a host that it was bound to: the sequence number of MAC
    mobility (RFC 7432 section 7.7), which has to rise whatever restarts in between.
    ``dns_name`` is its host name, without its network's domain. ``host``, ``vnic_type`` and
    ``profile`` are those of its active binding; ``bindings`` are the others, of other hosts, while
    the guest is migrated. ``subport`` is its place in a trunk, whose VIF it then shares instead of
    having its own.
    """

    network_id: str
    mac: Mac
    fixed_ips: tuple[FixedIp, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    moves: int = 0
    vnic_type: str = "normal"
    admin_state_up: bool = True
    port_security_enabled: bool = True
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    profile: dict[str, object] = msgspec.field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    extra_dhcp_options: tuple[ExtraDhcpOption, ...] = ()
    dns_name: str = ""
    subport: Subport | None = None
    qos_policy_id: str | None = None

    @property
    def standby(self) -> dict[str, bool]:
        """The hosts beside its own that are made ready for it, and whether it was there before.

        Nova without port bindings says where a guest is about to go in ``binding:profile``.
        """
        hosts = {binding.host: binding.left for binding in self.bindings}
        going = self.profile.get(MIGRATING_TO) if self.profile else None
        if isinstance(going, str) and going:
            hosts.setdefault(going, False)
        hosts.pop(self.host, None)
        return hosts


class Trunk(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A port whose VIF carries other ports too, each by a VLAN tag: those name it as theirs.

    ``admin_state_up`` False keeps it as it is: neither subports come and go, nor does it itself.
    """

    port_id: str
    admin_state_up: bool = True
