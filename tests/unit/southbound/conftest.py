"""A house for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sdnctl.graph.relations.inputs import HYPERVISOR, NETWORK
from sdnctl.intent import Hypervisor, Network
from sdnctl.types import Ip, Label, Vni
from tests.unit.southbound.house import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    for n in (1, 2, 3):
        row = Hypervisor(id=f"h{n}", vtep=Ip.parse(f"192.0.2.{n}"))
        made.engine.commit([(HYPERVISOR, row.id, row)])
        net = Network(id=f"n{n}", vni=Vni(5000 + n), label=Label(100 + n), number=n)
        made.engine.commit([(NETWORK, net.id, net)])
    await made.start()
    yield made
    await made.close()
