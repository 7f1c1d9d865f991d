"""Agents that are cut off, slow, deaf and restarted end up with exactly what they should hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.delivery import session
from tests.properties.mirror import Agent, House
from tests.properties.oracle import expected
from tests.properties.strategies.small import HOSTS, Write
from tests.properties.test_graph import world_of
from tests.properties.worlds import populated

accidents = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "deaf", "cut", "connect", "reboot", "restart"]),
        st.sampled_from(HOSTS),
    ),
    max_size=6,
)

pytestmark = pytest.mark.timeout(1500)  # a thousand worlds, on a busy machine


@pytest.fixture(autouse=True, scope="module")
def _small() -> Any:
    """A window and chunks so small that they matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "WINDOW", 3)
        patch.setattr(session, "CHUNK", 2)
        yield


@given(populated(), st.data())
def test_mirror_equals_desired(steps: list[list[Write]], data: st.DataObject) -> None:
    house = House()
    epoch = 1
    for host in HOSTS:
        house.connect(host)
    for writes in steps:
        house.commit(writes)
        for what, host in data.draw(accidents):
            if what == "deliver":
                house.deliver(host)
            elif what == "deaf":
                house.deliver(host, lose_acks=True)
            elif what == "cut":
                house.cut(host)
            elif what == "connect":
                house.connect(host)
            elif what == "reboot":  # the agent forgets everything, its epoch file stays
                house.cut(host)
                house.agents[host] = Agent()
            else:
                epoch += 1
                house.restart(epoch)
    # A stream whose acknowledgements were lost is dead in the end; the agent comes back.
    for host in HOSTS:
        house.cut(host)
    house.settle()
    wanted = expected(world_of(house.engine))
    for host, agent in house.agents.items():
        assert agent.desired == wanted.get(host, {})
        assert agent.in_sync
        live = house.live[host]
        assert live.programmed == live.received
        of_groups = [group.rows for group in agent.session.groups.values()]
        assert sum(map(len, of_groups)) == len(agent.desired), "a key is of one group"
    # A second look costs nothing: everyone holds the versions that the tables have.
    for host in HOSTS:
        house.cut(host)
        house.connect(host)
        assert len(house.agents[host].inbox) == 1  # InSync alone
