"""QoS policies: a change of one is a change of the ports that have it, and of nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sdnctl.desired import Limit, Qos
from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import (
    BANDWIDTH_LIMIT_RULE,
    DSCP_MARKING_RULE,
    NETWORK,
    PORT,
    QOS_POLICY,
)
from sdnctl.graph.relations.resources import LOCAL_PORT
from sdnctl.intent import BandwidthLimitRule, DscpMarkingRule, QosPolicy, Subport
from tests.bench.worlds import cloud


@pytest.fixture
def house() -> Engine:
    engine = make_engine(64512)
    engine.commit(cloud(100, 4))
    return engine


def changed(house: Engine, *writes: Any) -> dict[str, Qos | None]:
    """The ports of which agents are told otherwise, with their QoS; nothing else is new."""
    log = house.commit(list(writes))
    told = {"fdb", "fib", "neighbor", "flood", "evi", "vrf", "node", "advertised", "originated"}
    assert not told & log.keys()
    found = log.get(LOCAL_PORT.name, ())
    return {key: new.port.qos if new else None for key, _old, new in found}


def with_policy(house: Engine, relation: Any, key: str, policy: str | None) -> Any:
    row = msgspec.structs.replace(house.rows(relation)[key], qos_policy_id=policy)
    return relation, key, row


LIMIT = BandwidthLimitRule(id="l", qos_policy_id="q", max_kbps=1000)
MARK = DscpMarkingRule(id="d", qos_policy_id="q", dscp_mark=46)
GOLD = Qos(egress=Limit(1000, 800), dscp=46)


def test_what_a_policy_touches(house: Engine) -> None:
    port = min(house.rows(LOCAL_PORT))
    policy = (QOS_POLICY, "q", QosPolicy(id="q"))
    rules = ((BANDWIDTH_LIMIT_RULE, "l", LIMIT), (DSCP_MARKING_RULE, "d", MARK))
    assert changed(house, policy, *rules) == {}
    assert changed(house, with_policy(house, PORT, port, "q")) == {port: GOLD}
    other = msgspec.structs.replace(LIMIT, max_kbps=10, max_burst_kbps=3, direction="ingress")
    assert changed(house, (BANDWIDTH_LIMIT_RULE, "l", other)) == {
        port: Qos(ingress=Limit(10, 3), dscp=46)
    }
    none = msgspec.structs.replace(LIMIT, max_kbps=0)
    assert changed(house, (BANDWIDTH_LIMIT_RULE, "l", none)) == {port: Qos(dscp=46)}
    assert changed(house, (DSCP_MARKING_RULE, "d", None)) == {port: None}
    assert changed(house, (QOS_POLICY, "q", None)) == {}


def test_a_ports_own_policy_comes_before_its_networks(house: Engine) -> None:
    house.commit(
        [
            (QOS_POLICY, "q", QosPolicy(id="q")),
            (BANDWIDTH_LIMIT_RULE, "l", LIMIT),
            (DSCP_MARKING_RULE, "d", MARK),
            (QOS_POLICY, "plain", QosPolicy(id="plain")),
        ]
    )
    ports = house.rows(PORT)
    network = ports[min(house.rows(LOCAL_PORT))].network_id
    mine = sorted(p for p in house.rows(LOCAL_PORT) if ports[p].network_id == network)
    assert len(mine) > 1
    found = changed(house, with_policy(house, NETWORK, network, "q"))
    assert found == dict.fromkeys(mine, GOLD)
    assert changed(house, with_policy(house, PORT, mine[0], "plain")) == {mine[0]: None}
    served = msgspec.structs.replace(house.rows(PORT)[mine[1]], device_owner="network:dhcp")
    assert changed(house, (PORT, mine[1], served)) == {mine[1]: None}


def test_a_subport_is_one_resource(house: Engine) -> None:
    """And its trunk's own port is as it was."""
    parent, port = sorted(house.rows(LOCAL_PORT))[:2]
    row = msgspec.structs.replace(house.rows(PORT)[port], subport=Subport("t", parent, 7))
    assert changed(house, (PORT, port, row)) == {port: None}
    told = house.rows(LOCAL_PORT)[port].port
    assert (told.parent, told.vlan) == (parent, 7)
