"""The desired state and the flows that it means, kept in step change by change.

Promise: what ``flows`` holds is a function of the resources, VIFs and tunnel ports that are
present, whatever the order in which they came; a change costs what it touches. ``flush``
gives the difference since the last one. Knows no switch: whether a flow was accepted, only its
caller knows, and says so with ``quarantine``.

A unit is what is translated at once: a resource by its key, or a flood list. Which of two units has
a match that both claim, ``flows`` decides.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sdnctl.desired import (
    Desired,
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
    NextHop,
    Node,
    Probe,
    RemoteAddresses,
    SecurityRule,
    SubnetOptions,
    Vrf,
)
from sdnctl.types import Ip, Vni
from sdnctl_vrouter.drivers.ovs import nat, nexthops, standby, templates, translate
from sdnctl_vrouter.drivers.ovs.floods import FloodList, Floods
from sdnctl_vrouter.drivers.ovs.flows import Flow, Flows
from sdnctl_vrouter.drivers.ovs.groups import Groups
from sdnctl_vrouter.drivers.ovs.meters import Meters, numbered, outside
from sdnctl_vrouter.drivers.ovs.policies import Acl, Policies, name_of
from sdnctl_vrouter.drivers.ovs.ports import local_port
from sdnctl_vrouter.drivers.ovs.segments import Segments
from sdnctl_vrouter.drivers.ovs.translation import (
    NOTHING,
    Translation,
    Tunnels,
    Unreachable,
    with_actions,
)
from sdnctl_vrouter.drivers.ovs.vifs import Vifs
from sdnctl_vrouter.resolver.names import Names, NameTable
from sdnctl_vrouter.responder.guest import Guest

STATIC: Final = "static"
NODE: Final = "node"

SLICE: Final = 1024
"""Units translated before the switch gets to see them."""


class Difference(NamedTuple):
    """What changed since the last one: for the switch in this order, then for the caller."""

    groups: list[bytes]
    flows: list[tuple[str, Flow]]
    """New ones, each with its unit."""
    dead_flows: list[int]
    """Cookies."""
    dead_groups: list[bytes]
    failures: dict[str, str]
    """Resources that fail since, and why; an empty reason for those that recovered."""
    ports: list[str]
    """Keys of local ports whose flows may have changed."""
    vteps: list[Ip]
    """Next hops never seen before."""
    meters: Sequence[int] = ()
    """Meters that may be other than they were: first those that there are, at last the others."""


class Model:
    """See the module.

    Args:
        answers_nd: The switch can turn a solicitation into an advertisement: its userspace
            data path can, the kernel's cannot set the type of an option.
    """

    def __init__(self, *, answers_nd: bool = True, resolver: bool = False) -> None:
        self._answers_nd = answers_nd
        self._resolver = resolver
        self._names = NameTable()
        self.resources: dict[str, Desired] = {}
        self.node: Node | None = None
        self.tunnels = Tunnels()
        self.failures: dict[str, str] = {}
        """Resources that cannot be translated, and why."""
        self.awaited: set[str] = set()
        """Ports whose VIFs are on the bridge and have no device yet."""
        self.groups = Groups()
        self.meters = Meters()
        self._vifs = Vifs()
        self._segments = Segments()
        self._flows = Flows()
        self._dirty: dict[str, None] = {STATIC: None}
        self._floods = Floods()
        self._policies = Policies()
        self._changed: dict[str, str] = {}
        self._ports: dict[str, None] = {}
        self._given_up: list[FloatingAddress] = []
        self._vteps: set[Ip] = set()
        self._new_vteps: list[Ip] = []

    # ---- input

    def put(self, key: str, new: Desired | None) -> None:  # noqa: C901 one case for each kind
        """The resource ``key`` is ``new`` from now on."""
        old = self.resources.get(key)
        if new is None:
            self.resources.pop(key, None)
        else:
            self.resources[key] = new
        self._dirty[key] = None
        match new or old:
            case Node():
                self.node = new if isinstance(new, Node) else None
                self._mark((Evi, Vrf, FdbEntry, FloodEntry, FibEntry, LocalPort, Exit, Forwarding))
            case Evi(vni=vni):
                self._floods.touch(vni)
            case FdbEntry(via=via) | FloodEntry(via=via):
                self._meet((via,))
            case FibEntry(via=via, backup=backup):
                self._meet((*via, *backup))
            case FloatingAddress() if isinstance(old, FloatingAddress) and nat.gives_up(old, new):
                self._given_up.append(old)
            case Exit(at=NextHop() as at) | Forwarding(at=at):
                self._meet((at,))
            case Irb(vni=vni) | SubnetOptions(vni=vni):
                self._segments.put(vni, key, new)
            case HostName():
                self._names.put(old, new)
            case LocalPort(vni=vni, mtu=mtu, parent=parent):
                if isinstance(old, LocalPort) and old.mtu != mtu:
                    self._segments.touch(vni)
                self._vifs.put_behind(key, parent if new is not None else "")
            case _:
                pass

    def names(self, vni: Vni) -> Names:
        """The names of a network."""

        def exists(ip: Ip) -> bool:
            return f"neighbor/{vni}/{ip}" in self.resources

        return self._names.of(vni, exists)

    def _meet(self, via: Iterable[NextHop]) -> None:
        for hop in via:
            if hop.vtep not in self._vteps:
                self._vteps.add(hop.vtep)
                self._new_vteps.append(hop.vtep)

    def set_vif(self, port_id: str, ofport: int) -> None:
        """The VIF of a port is on that OpenFlow port; 0 if it is not there."""
        self._dirty.update(dict.fromkeys(self._vifs.set(port_id, ofport)))

    def await_vif(self, port_id: str, *, awaited: bool) -> None:
        """The VIF of a port is on the bridge without a device, or is so no more."""
        (self.awaited.add if awaited else self.awaited.discard)(port_id)
        self._dirty[f"port/{port_id}"] = None

    def vif(self, port_id: str) -> int:
        """The OpenFlow port of a port's VIF, or 0."""
        return self._vifs.ofport(port_id)

    @property
    def vifs(self) -> Mapping[str, int]:
        """The OpenFlow ports of all VIFs, by port."""
        return self._vifs.ofports

    def changed_segments(self) -> set[Vni]:
        """Networks of which guests are told otherwise since the last call."""
        return self._segments.changed()

    def given_up(self) -> list[FloatingAddress]:
        """Floating IPs that are no more what they were, since the last call."""
        rows, self._given_up = self._given_up, []
        return rows

    def guest(self, ofport: int) -> Guest | None:
        """The local port whose VIF is there, with what its answers depend on."""
        port = self.resources.get(f"port/{self._vifs.port(ofport)}")
        if not isinstance(port, LocalPort):
            return None
        subnets, irbs = self._segments.of(port.vni)
        return Guest(port, subnets, irbs, self._resolver)

    def set_tunnels(self, tunnels: Tunnels) -> None:
        """The tunnel interfaces are on these OpenFlow ports."""
        if self.tunnels != tunnels:
            if self.tunnels.metadata != tunnels.metadata:
                self._mark((LocalPort,))
            self.tunnels = tunnels
            self._dirty[NODE] = None
            self._mark((Evi, Vrf, FloodEntry, FibEntry))

    def quarantine(self, flow: Flow, unit: str, reason: str) -> None:
        """The switch refused this flow of ``unit``: it has none until it is put again."""
        if flow in self._flows.of(unit):
            self._leave(unit)
            self._claim(unit, NOTHING)
            self._fail(_resource_of(unit), reason)
            if unit.startswith("port/"):
                self._ports[unit] = None

    def _mark(self, kinds: tuple[type[Desired], ...]) -> None:
        """All resources of some kinds: for what happens once in a node's life."""
        self._dirty.update(dict.fromkeys(k for k, r in self.resources.items() if type(r) in kinds))

    # ---- output

    @property
    def flows(self) -> Iterable[tuple[str, Flow]]:
        """All flows that the switch should hold, each with its unit; after ``flush``."""
        return self._flows.held

    def flush(self) -> Iterator[Difference]:
        """Translate what changed since the last call; the difference for the switch, in slices.

        To be run to its end. The slices hold in their order: a later one may take back what
        an earlier one said.
        """
        dirty, self._dirty = self._dirty, {}
        done = 0
        for unit in dirty:
            self._attempt(unit)
            done += 1
            if done % SLICE == 0:
                yield self._difference()
        for acl in self._policies.changed():
            self._attempt_acl(acl)
            done += 1
            if done % SLICE == 0:
                yield self._difference()
        for flood in self._floods.changed():
            self._attempt_flood(flood)
        yield self._difference()

    def _attempt_acl(self, acl: Acl) -> None:
        unit, reason, translation = name_of(acl), "", NOTHING
        try:
            translation = self._policies.translate(acl)
        except Unreachable as error:
            reason = str(error)
        self._fail(unit, reason)
        self._claim(unit, translation)

    def _attempt_flood(self, flood: FloodList) -> None:
        translation = NOTHING
        try:
            translation = self._floods.translate(flood)
        except Unreachable as error:
            self._fail(_resource_of(flood.unit), str(error))
        self._claim(flood.unit, translation)

    def _attempt(self, unit: str) -> None:
        reason = ""
        try:
            translation = self._translate(unit)
        except Unreachable as error:
            reason = str(error)
        except (struct.error, ValueError) as error:
            reason = f"a value does not fit: {error}"
        if reason:
            self._leave(unit)
            translation = NOTHING
        elif unit == NODE and self.node is not None:
            reason = translate.lacking(self.node, self.tunnels)
        self._fail(unit, reason)
        self._claim(unit, translation)

    def _leave(self, unit: str) -> None:
        """``unit`` takes no part any more in what is made of several."""
        self._floods.leave(unit)
        self._policies.leave(unit)
        self.meters.use(unit, {})

    def _difference(self) -> Difference:
        flows, dead = self._flows.difference()
        ports, self._ports = self._ports, {}
        vteps, self._new_vteps = self._new_vteps, []
        return Difference(
            self.groups.added(),
            flows,
            dead,
            self.groups.removed(),
            self.failures_since(),
            list(ports),
            vteps,
            self.meters.changed(),
        )

    def failures_since(self) -> dict[str, str]:
        """What failed since the last call, and what recovered (an empty reason)."""
        changed, self._changed = self._changed, {}
        return changed

    def _fail(self, key: str, reason: str) -> None:
        if self.failures.get(key, "") == reason:
            return
        if reason:
            self.failures[key] = reason
        else:
            del self.failures[key]
        self._changed[key] = reason

    def _translate(self, unit: str) -> Translation:  # noqa: C901 one case for each kind
        resource = self.resources.get(unit)
        match resource:
            case FdbEntry():
                if self.node is None:
                    return NOTHING
                return nexthops.fdb(resource, self.node)
            case FibEntry():
                if self.node is None:
                    return NOTHING
                return nexthops.fib(resource, self.node, self.tunnels)
            case Exit() | Forwarding():
                return self._for_all(unit, resource)
            case FloatingAddress(limits=limits):
                self.meters.use(unit, outside(limits))
                return nat.floating(resource)
            case HidingAddress():
                return nat.hiding(resource)
            case Neighbor():
                return translate.neighbor(resource, answers_nd=self._answers_nd)
            case Irb():
                return translate.irb(resource, answers_nd=self._answers_nd)
            case SubnetOptions():
                return translate.subnet(resource)
            case HostName():
                return NOTHING
            case Evi():
                return translate.evi(resource, self.tunnels, answers_nd=self._answers_nd)
            case Vrf():
                return translate.vrf(resource, self.tunnels)
            case Node():
                return translate.node(resource, self.tunnels)
            case LocalPort():
                return self._local_port(unit, resource)
            case FloodEntry(vni=vni, via=via):
                if self.node is None or via.vtep == self.node.vtep:
                    self._floods.leave(unit)
                    return NOTHING
                actions = nexthops.bridged(via, self.node)
                self._floods.enlist(unit, FloodList(vni, remote=True), actions)
                return nexthops.flood_entry(resource, self.tunnels)
            case Probe():  # the driver's, and nothing in the switch
                return NOTHING
            case SecurityRule():
                self._policies.put_rule(resource)
                return NOTHING
            case RemoteAddresses():
                self._policies.put_addresses(resource)
                return NOTHING
            case None:
                self._leave(unit)
                if unit != STATIC:
                    return NOTHING
                return Translation((*translate.static().flows, *nat.static()))

    def _for_all(self, unit: str, row: Exit | Forwarding) -> Translation:
        """What one hypervisor translates for all, which is where its limits are kept."""
        node = self.node
        self.meters.use(unit, outside(row.limits) if node and nat.is_here(row, node) else {})
        if node is None:
            return NOTHING
        return nat.exit_(row, node) if isinstance(row, Exit) else nat.forwarding(row, node)

    def _local_port(self, unit: str, resource: LocalPort) -> Translation:
        self._ports[unit] = None
        ofport = self.vif(resource.port_id) if resource.admin_state_up else 0
        trunk = self._vifs.trunk(unit)
        if not ofport or not all(trunk):
            self._leave(unit)
            return NOTHING
        if resource.standby:
            self._floods.leave(unit)
        else:
            copy = templates.deliver(ofport)
            self._floods.enlist(unit, FloodList(resource.vni, remote=False), copy)
        self.meters.use(unit, numbered(ofport, resource.qos) if resource.qos else {})
        policy = 0
        if resource.security:
            policy = self._policies.enlist(unit, resource.security_groups)
        else:
            self._policies.leave(unit)
        translation = local_port(resource, ofport, policy, self.tunnels, trunk)
        more: tuple[bytes, ...] = ()
        if resource.standby:
            more = tuple(standby.flows(resource, ofport, self.node))
        if resource.zone and resource.vrf:
            more += tuple(nat.port(resource, ofport))
        return translation._replace(flows=translation.flows + more)

    def _claim(self, unit: str, translation: Translation) -> None:
        """``unit`` has these flows from now on, and no others."""
        group = self.groups.use(unit, translation.buckets)
        bodies = translation.flows
        if group:
            through = templates.dec_ttl() + templates.choose(group)
            bodies = (*bodies[:-1], with_actions(bodies[-1], through))
        self._flows.claim(unit, bodies)


def _resource_of(unit: str) -> str:
    """The resource that answers for a unit: a flood list is its network's."""
    kind, _, name = unit.partition("/")
    return f"evi/{name}" if kind.startswith("flood-") else unit
