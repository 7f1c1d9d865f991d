"""How a port's VIF is plugged on a host, in the words of os-vif.

Promise: the answer follows from the host's row and the kind of VIF alone; a host without one, or a
kind that the agent does not plug, is a failed binding.
"""

from __future__ import annotations

from typing import Final

from sdnctl.api import values
from sdnctl.api.values import Json
from sdnctl.api.work import Context
from sdnctl.intent import Hypervisor
from sdnctl.store import Transaction

NORMAL: Final = "normal"

VNIC_TYPES: Final = values.choice(
    NORMAL,
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)


def can_bind(tx: Transaction, host: str, vnic_type: str) -> bool:
    """Whether the agent of that host would plug such a VIF."""
    return vnic_type == NORMAL and tx.get(Hypervisor, host) is not None


def _bound_to(context: Context, host: str, vnic_type: str) -> Hypervisor | None:
    if not host or vnic_type != NORMAL:
        return None
    return context.store.get(Hypervisor, host)


def vif_type(context: Context, host: str, vnic_type: str) -> str:
    """What kind of plug it is."""
    if not host:
        return "unbound"
    return "binding_failed" if _bound_to(context, host, vnic_type) is None else "ovs"


def vif_details(context: Context, host: str, vnic_type: str) -> dict[str, Json]:
    """The rest of what os-vif needs."""
    hypervisor = _bound_to(context, host, vnic_type)
    if hypervisor is None:
        return {}
    details: dict[str, Json] = {
        "connectivity": "l2",
        "port_filter": True,
        "ovs_hybrid_plug": False,
        "bridge_name": context.settings.bridge,
        "datapath_type": hypervisor.datapath_type,
    }
    if hypervisor.datapath_type == "system":
        # As in Neutron: os-vif makes the device too, so that the destination of a live migration
        # is whole before its virtual machine is made (Nova from 2026.1; others do not look).
        details["ovs_create_tap"] = True
    return details
