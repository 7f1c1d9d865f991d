"""Guests: what a compute service would plug into a hypervisor's switch.

Promise: a guest is a namespace with one interface that carries the MAC, the addresses and the
default routes that it was given, plugged as os-vif plugs a VIF (``external_ids:iface-id`` is
the port's id). Whether it reaches anything is the agent's doing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from sdnctl.lab import netns
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.state import Guest
from sdnctl.lab.switch import INTEGRATION_BRIDGE
from sdnctl.lab.topology import Role

INTERFACE: Final = "eth0"
"""The guest's own name of its interface."""
_DEFAULT: Final = {4: "0.0.0.0/0", 6: "::/0"}
_PORT_ID_CHARACTERS: Final = 11
"""Of the port's id in the name of its tap device, as Nova and Neutron have it."""


def plug(
    lab: Lab,
    name: str,
    *,
    hypervisor: str,
    port_id: str,
    mac: str,
    addresses: Sequence[str],
    gateways: Sequence[str] = (),
    mtu: int = 1450,
) -> Guest:
    """Make a guest and plug it.

    Args:
        lab: a lab that is up.
        name: of the guest; the namespace is the lab's name and this.
        hypervisor: the node whose switch it goes into.
        port_id: the port's id in the API.
        mac: the port's MAC address.
        addresses: with prefix length.
        gateways: a default route's next hop, one per address family.
        mtu: of the interface, in octets; the network's.

    Raises:
        LabError: there is such a guest, no such hypervisor, or an address that is none.
    """
    if lab.node(hypervisor).role is not Role.HYPERVISOR:
        raise LabError(f"node {hypervisor} is no hypervisor: nothing can be plugged into it")
    if name in lab.state.namespaces:
        raise LabError(f"lab {lab.state.name}: there is already a node or guest {name}")
    try:
        interfaces = [ipaddress.ip_interface(a) for a in addresses]
        hops = [ipaddress.ip_address(g) for g in gateways]
    except ValueError as error:
        raise LabError(f"guest {name}: {error}") from None
    tap = f"tap{port_id[:_PORT_ID_CHARACTERS]}"
    guest = Guest(name, hypervisor, lab.claim(name), tap, port_id)
    lab.state.guests[name] = guest
    lab.state.save()
    netns.cable(
        netns.End(guest.namespace, INTERFACE, mac),
        netns.End(lab.namespace(hypervisor), tap),
        mtu,
    )
    netns.configure(
        guest.namespace,
        [
            *(f"address add {i} dev {INTERFACE}" for i in interfaces),
            *(f"route add {_DEFAULT[hop.version]} via {hop} dev {INTERFACE}" for hop in hops),
        ],
    )
    lab.switch(hypervisor).vsctl(
        *("--may-exist", "add-port", INTEGRATION_BRIDGE, tap),
        *("--", "set", "Interface", tap, f"external_ids:iface-id={port_id}"),
        *(f'external_ids:attached-mac="{mac}"', "external_ids:iface-status=active"),
        f"external_ids:vm-uuid={name}",
    )
    return guest


def unplug(lab: Lab, name: str) -> None:
    """Take a guest's port from the switch and delete the guest; LabError if there is none."""
    guest = lab.state.guests.get(name)
    if guest is None:
        raise LabError(f"lab {lab.state.name}: no guest {name!r}")
    lab.switch(guest.hypervisor).vsctl(
        "--if-exists", "del-port", INTEGRATION_BRIDGE, guest.interface
    )
    del lab.state.guests[name]
    lab.release(name)
