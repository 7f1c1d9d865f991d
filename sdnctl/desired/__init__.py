"""What an agent is told: whole resources, each with a key that names it for ever.

Promise: plain frozen values, complete in themselves; the same value means the same packets.
A resource belongs to one group: ``node/HOST`` (one hypervisor), ``evi/VNI`` (all that host the
network), ``vrf/VNI`` (all that host the router), ``policy/ID`` (all that host a port of the
security group) or ``remote/ID`` (all that host a port whose rules refer to these addresses).
Its key names what the group is of, so that what moves to another group is another resource: the
groups of an agent come and go independently of each other.
Knows nothing of how it is carried (wire) or programmed (the agent's drivers).

An entry of a group is the same for every member, the owner included: an agent whose own VTEP
is the next hop ignores that next hop, because its ``LocalPort`` says it better.
"""

from sdnctl.desired.evi import Evi, FdbEntry, FloodEntry, HostName, Irb, Neighbor, SubnetOptions
from sdnctl.desired.nexthop import NextHop, Probe
from sdnctl.desired.node import (
    DhcpOption,
    FloatingAddress,
    HidingAddress,
    Limit,
    Limits,
    LocalPort,
    Node,
    Qos,
)
from sdnctl.desired.policy import RemoteAddresses, SecurityRule
from sdnctl.desired.vrf import Exit, FibEntry, Forwarding, Vrf

Desired = (
    Node
    | LocalPort
    | Evi
    | Irb
    | SubnetOptions
    | HostName
    | Neighbor
    | FdbEntry
    | FloodEntry
    | Vrf
    | FibEntry
    | Exit
    | FloatingAddress
    | HidingAddress
    | Forwarding
    | SecurityRule
    | RemoteAddresses
    | Probe
)
"""Any of them."""

__all__ = [
    "Desired",
    "DhcpOption",
    "Evi",
    "Exit",
    "FdbEntry",
    "FibEntry",
    "FloatingAddress",
    "FloodEntry",
    "Forwarding",
    "HidingAddress",
    "HostName",
    "Irb",
    "Limit",
    "Limits",
    "LocalPort",
    "Neighbor",
    "NextHop",
    "Node",
    "Probe",
    "Qos",
    "RemoteAddresses",
    "SecurityRule",
    "SubnetOptions",
    "Vrf",
]
