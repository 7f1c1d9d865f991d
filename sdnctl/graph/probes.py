"""Which next hops hypervisors ask whether they are there.

A gateway with a probe interval is asked by the members of every network and router that uses it
as a next hop, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sdnctl.desired import Probe
from sdnctl.graph.engine import Relation, Rule, View, on
from sdnctl.graph.relations.inputs import GATEWAY
from sdnctl.graph.relations.resources import EVI_PROBE, VRF_PROBE
from sdnctl.graph.relations.routes import IMPORTED
from sdnctl.types import Ip, Vni

Key = tuple[Vni, Ip]


def _probe(index: str) -> Callable[[Key, View], Probe | None]:
    def probe(key: Key, v: View) -> Probe | None:
        if not v.exists(IMPORTED, index, key):
            return None
        gateways = v.find(GATEWAY, "address", key[1])
        gateway = min(gateways)[1] if gateways else None
        if gateway is None or not gateway.probe_interval:
            return None
        return Probe(*key, gateway.probe_interval, gateway.probe_multiplier)

    return probe


def _rule(output: Relation[Key, Probe], index: str) -> Rule[Key, Probe]:
    return Rule(output, _probe(index), (on(IMPORTED, IMPORTED.indexes[index]),))


RULES: Final = (_rule(EVI_PROBE, "evi_hop"), _rule(VRF_PROBE, "vrf_hop"))
