"""Several gateways at once: shared, preferred, and lost without a word.

The hold time of the sessions is 90 seconds, so nothing that is asserted here is BGP's doing.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdnctl.lab import netns, services
from sdnctl.lab.process import wait_for
from tests.interop.failover import GATEWAYS, OUTSIDE, Pair, lose_the_one_in_use, pair

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.alone]


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    with pair() as made:
        yield made


def test_equal_gateways_share_the_flows(both: Pair) -> None:
    targets = [f"203.0.113.{host}" for host in range(11, 43)]
    for name in GATEWAYS:
        both.house.exec(
            f"out-{name}", "; ".join(f"ip address add {a}/24 dev eth1" for a in targets)
        )
    before = {name: both.carried(name) for name in GATEWAYS}
    for address in targets:
        assert netns.ping(both.house.namespace("web"), address)
    assert all(both.carried(name) - before[name] > 3 for name in GATEWAYS)


def test_the_other_takes_over_and_it_comes_back(both: Pair) -> None:
    sent, lost, longest = lose_the_one_in_use(both)
    print(f"lost {lost} of {sent}, silent for {longest:.2f} s")
    assert 0 < lost < sent / 2
    assert longest < 10, "far below the hold time"


def test_the_preferred_gateway_is_used_while_it_is_there(both: Pair) -> None:
    for preferred, other in (("gw1", "gw2"), ("gw2", "gw1")):
        both.set(other, local_preference=None)
        both.set(preferred, local_preference=200)
        both.best(preferred)
        both.uses(preferred)
        both.cut(preferred)
        both.told(preferred)
        assert both.user() == other
        both.best(preferred)
        both.mend(preferred)
        both.told()
        both.uses(preferred)
    both.set("gw2", local_preference=None)
    both.best(*GATEWAYS)


def test_with_none_left_the_routes_stay(both: Pair) -> None:
    for name in GATEWAYS:
        both.cut(name)
    both.told(*GATEWAYS)
    for name in GATEWAYS:
        both.mend(name)
    # Before it is trusted again: a chance is better than none.
    both.house.reaches("web", OUTSIDE)
    both.told()
    assert netns.ping(both.house.namespace("web"), OUTSIDE)


def test_restarts_of_controller_and_agent_forget_no_dead_gateway(both: Pair) -> None:
    used = both.user()
    other = next(name for name in GATEWAYS if name != used)
    both.cut(used)
    both.told(used)
    with both.house.none_lost(("web", OUTSIDE)):
        both.house.kill_controller()
        both.told(used)
    both.house.kill("hv1", "sdnctl-vrouter")
    services.start_agent(both.house.lab, both.house.lab.node("hv1"))
    both.told(used)
    assert both.user() == other
    both.mend(used)
    both.told()


def test_who_is_not_probed_is_not_taken_out(both: Pair) -> None:
    used = both.user()
    both.cut(used)
    both.told(used)
    both.set(used, probe_interval=0)
    both.told()
    wait_for("trust", lambda: not netns.ping(both.house.namespace("web"), OUTSIDE))
    both.mend(used)
    both.set(used, probe_interval=200)
    both.house.reaches("web", OUTSIDE)
