"""Ports on hypervisors where their guests are not: about to come, or just gone.

Promise: make before break. A hypervisor that a port is bound to beside the one where its guest is
has all that the guest needs there, and what comes for the guest by tunnel reaches it from the
moment of its move, whoever learns of that first. A hypervisor that a guest has left sends on what
still comes for it, until it is not bound there any more. Nothing here originates a route: that
is for the active binding alone, so the routes move when the binding does (RFC 7432 section 7.7).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from sdnctl.desired import NextHop
from sdnctl.graph.attachments import attached
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.members import as_told
from sdnctl.graph.origination import router_mac
from sdnctl.graph.relations.attachments import ATTACHMENT, STANDBY, Attachment, Standby
from sdnctl.graph.relations.inputs import PORT
from sdnctl.graph.relations.instances import EVI_INSTANCE, ROUTING
from sdnctl.graph.relations.resources import STANDBY_PORT, PlacedPort
from sdnctl.intent import Port


def _hosts(port_id: str, port: Port) -> Iterable[tuple[str, str]]:
    if not (port.bindings or port.profile):
        return ()
    return [(port_id, host) for host in port.standby]


def standby(key: tuple[str, str], v: View) -> Standby | None:
    """The port on a hypervisor that it is bound to beside the one where its guest is."""
    port_id, host = key
    port = v.get(PORT, port_id)
    left = None if port is None else port.standby.get(host)
    if port is None or left is None:
        return None
    there = attached(port_id, port, host, v)
    if there is None:
        return None
    onward = _onward(v, v.get(ATTACHMENT, port_id)) if left else (None, None)
    return Standby(there, *onward)


def _onward(v: View, now: Attachment | None) -> tuple[NextHop | None, NextHop | None]:
    """The next hops to where a port is: of its network, and of its VRF."""
    evi = v.get(EVI_INSTANCE, now.network_id) if now is not None else None
    if now is None or evi is None or not now.up:
        return None, None
    bridged = NextHop(now.vtep, evi.label, evi.vni, now.encapsulations)
    where = v.get(ROUTING, now.network_id)
    if where is None:
        return bridged, None
    mac = router_mac(now.vtep)
    return bridged, NextHop(now.vtep, where.label, where.vrf, now.encapsulations, mac)


def standby_port(key: tuple[str, str], v: View) -> PlacedPort | None:
    """A port as a hypervisor is told of it where its guest is not."""
    row = v.get(STANDBY, key)
    port = v.get(PORT, key[0])
    if row is None or port is None:
        return None
    told = msgspec.structs.replace(
        as_told(key[0], port, row.attachment, v),
        standby=True,
        onward=row.onward,
        onward_routed=row.onward_routed,
        picks_up=True,
    )
    return PlacedPort(row.attachment.host, told)


RULES: Final = (
    Rule(STANDBY, standby, (on(PORT, _hosts),)),
    Rule(STANDBY_PORT, standby_port, (on(STANDBY, same_key),)),
)
