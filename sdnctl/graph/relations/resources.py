"""What agents are told, and which hypervisor is a member of which group.

Knows nothing of who listens: delivery is by these relations alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.desired import (
    Evi,
    Exit,
    FdbEntry,
    FibEntry,
    FloatingAddress,
    FloodEntry,
    Forwarding,
    HidingAddress,
    HostName,
    Irb,
    LocalPort,
    Neighbor,
    Node,
    Probe,
    Qos,
    RemoteAddresses,
    SecurityRule,
    SubnetOptions,
    Vrf,
)
from sdnctl.graph.engine import Relation
from sdnctl.types import Ip, Mac, Prefix, Vni


class PlacedPort(NamedTuple):
    """A port as the agent of ``host`` is told of it."""

    host: str
    port: LocalPort


EVI: Final[Relation[str, Evi]] = Relation("evi")
IRB: Final[Relation[str, Irb]] = Relation("irb")
HOST_NAME: Final[Relation[str, HostName]] = Relation("host_name")
SUBNET_OPTIONS: Final[Relation[str, SubnetOptions]] = Relation("subnet_options")
FDB: Final[Relation[tuple[Vni, Mac], FdbEntry]] = Relation("fdb")
NEIGHBOR: Final[Relation[tuple[Vni, Ip], Neighbor]] = Relation("neighbor")
FLOOD: Final[Relation[tuple[Vni, Ip], FloodEntry]] = Relation("flood")
VRF: Final[Relation[str, Vrf]] = Relation("vrf")
FIB: Final[Relation[tuple[Vni, Prefix], FibEntry]] = Relation(
    "fib",
    competing=lambda key, row: [(key[0], hop.vtep) for hop in row.via] if len(row.via) > 1 else (),
)
COMPETING: Final[Relation[tuple[Vni, Ip], bool]] = Relation(
    "competing", vrf=lambda key, _row: (key[0],)
)
"""Next hops of a VRF between which distance decides."""
EVI_PROBE: Final[Relation[tuple[Vni, Ip], Probe]] = Relation(
    "evi_probe", vtep=lambda key, _row: (key[1],)
)
VRF_PROBE: Final[Relation[tuple[Vni, Ip], Probe]] = Relation(
    "vrf_probe", vtep=lambda key, _row: (key[1],)
)
QOS: Final[Relation[str, Qos]] = Relation("qos")
"""What a policy asks of a hypervisor, if anything."""
EXIT: Final[Relation[str, Exit]] = Relation("exit")


class PlacedFloating(NamedTuple):
    """A floating IP as the agent of ``host`` is told of it."""

    host: str
    address: FloatingAddress


class PlacedHiding(NamedTuple):
    """An address that ``host`` hides its guests behind."""

    host: str
    address: HidingAddress


FLOATING: Final[Relation[str, PlacedFloating]] = Relation("floating")
HIDING: Final[Relation[str, PlacedHiding]] = Relation("hiding")
FORWARDING: Final[Relation[str, Forwarding]] = Relation("forwarding")
LOCAL_PORT: Final[Relation[str, PlacedPort]] = Relation("local_port")
STANDBY_PORT: Final[Relation[tuple[str, str], PlacedPort]] = Relation("standby_port")
EVI_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation("evi_member")
VRF_MEMBER: Final[Relation[tuple[Vni, str], bool]] = Relation(
    "vrf_member", host=lambda key, _row: (key[1],)
)
NODE: Final[Relation[str, Node]] = Relation("node")


class PolicyMember(NamedTuple):
    """A hypervisor that hosts a port of a security group, whose rules refer to ``remotes``."""

    remotes: tuple[str, ...]


RULE: Final[Relation[str, SecurityRule]] = Relation("rule")
REMOTES: Final[Relation[str, tuple[str, ...]]] = Relation("remotes")
"""The sets of addresses that the rules of a security group refer to."""
REMOTE: Final[Relation[tuple[str, str], RemoteAddresses]] = Relation("remote")
"""By set and member; only of sets that some rule refers to."""
POLICY_MEMBER: Final[Relation[tuple[str, str], PolicyMember]] = Relation(
    "policy_member", remote=lambda key, row: [(remote, key[1]) for remote in row.remotes]
)
"""By security group and hypervisor."""
REMOTE_MEMBER: Final[Relation[tuple[str, str], bool]] = Relation("remote_member")
"""By set of addresses and hypervisor."""
