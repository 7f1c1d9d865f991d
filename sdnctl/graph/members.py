"""Who is told what: members of EVIs and VRFs, and what concerns one hypervisor alone."""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.desired import LocalPort, Node
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.guests import dhcp_options, host_name
from sdnctl.graph.origination import router_mac
from sdnctl.graph.relations.attachments import ATTACHMENT, STANDBY, Attachment
from sdnctl.graph.relations.inputs import HYPERVISOR, PORT, UNDERLAY
from sdnctl.graph.relations.resources import (
    COMPETING,
    EVI_MEMBER,
    FIB,
    LOCAL_PORT,
    NODE,
    QOS,
    VRF_MEMBER,
    PlacedPort,
)
from sdnctl.graph.relations.wayout import ELECTED
from sdnctl.intent import Port
from sdnctl.types import Ip, Vni


def evi_member(key: tuple[Vni, str], v: View) -> bool | None:
    """A hypervisor that hosts a port of the network, or is about to."""
    return True if v.exists(ATTACHMENT, "evi", key) or v.exists(STANDBY, "evi", key) else None


def vrf_member(key: tuple[Vni, str], v: View) -> bool | None:
    """A hypervisor that hosts a port of a network of the router, or of one that leads out there.

    So is one that translates for such a router, or that is about to host such a port.
    """
    found = (
        v.exists(ATTACHMENT, "vrf", key)
        or v.exists(ELECTED, "member", key)
        or v.exists(STANDBY, "vrf", key)
    )
    return True if found else None


def local_port(port_id: str, v: View) -> PlacedPort | None:
    """A port as its hypervisor is told of it."""
    row = v.get(ATTACHMENT, port_id)
    port = v.get(PORT, port_id)
    if row is None or port is None:
        return None
    placed = as_told(port_id, port, row, v)
    if port.bindings and any(binding.left for binding in port.bindings):
        placed = msgspec.structs.replace(placed, picks_up=True)
    return PlacedPort(row.host, placed)


def as_told(port_id: str, port: Port, row: Attachment, v: View) -> LocalPort:
    """The port as a hypervisor is told of it where its guest is."""
    placed = LocalPort(
        port_id,
        row.vni,
        row.vrf,
        row.mac,
        row.addresses,
        row.up,
        row.security,
        row.security_groups,
        row.pairs,
        host_name=host_name(port),
        dhcp_options=dhcp_options(port),
        mtu=row.mtu,
        device_id=port.device_id,
        project_id=port.project_id,
        zone=row.zone,
    )
    if port.subport is not None:
        place = port.subport
        placed = msgspec.structs.replace(placed, parent=place.parent, vlan=place.vlan)
    if row.qos_policy_id is not None:
        qos = v.get(QOS, row.qos_policy_id)
        if qos is not None:
            placed = msgspec.structs.replace(placed, qos=qos)
    if row.behind:
        placed = msgspec.structs.replace(placed, behind=row.behind, router_mac=row.router_mac)
    if row.claimed:
        claimed = tuple((claim.mac, claim.ip) for claim in row.claimed)
        placed = msgspec.structs.replace(placed, claimed=claimed)
    return placed


def competing(key: tuple[Vni, Ip], v: View) -> bool | None:
    """A next hop that is one of several for some prefix of the VRF."""
    return True if v.exists(FIB, "competing", key) else None


def node(host: str, v: View) -> Node | None:
    """The hypervisor, with its distances to the next hops that compete in its VRFs."""
    row = v.get(HYPERVISOR, host)
    if row is None:
        return None
    distances: dict[Ip, int] = {}
    known = v.get(UNDERLAY, host)
    if known:
        for (vrf, _host), _true in v.find(VRF_MEMBER, "host", host):
            for (_vrf, vtep), _yes in v.find(COMPETING, "vrf", vrf):
                if vtep in known:
                    distances[vtep] = known[vtep]
    return Node(
        host,
        row.vtep,
        row.encapsulations,
        row.mtu,
        router_mac(row.vtep),
        tuple(sorted(distances.items())),
    )


RULES: Final = (
    Rule(
        EVI_MEMBER,
        evi_member,
        (on(ATTACHMENT, ATTACHMENT.indexes["evi"]), on(STANDBY, STANDBY.indexes["evi"])),
    ),
    Rule(
        VRF_MEMBER,
        vrf_member,
        (
            on(ATTACHMENT, ATTACHMENT.indexes["vrf"]),
            on(ELECTED, ELECTED.indexes["member"]),
            on(STANDBY, STANDBY.indexes["vrf"]),
        ),
    ),
    Rule(LOCAL_PORT, local_port, (on(ATTACHMENT, same_key), on(PORT, same_key))),
    Rule(COMPETING, competing, (on(FIB, FIB.indexes["competing"]),)),
    Rule(NODE, node, (on(HYPERVISOR, same_key),)),
)
