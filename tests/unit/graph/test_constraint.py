"""Route target constraint: what a membership covers, and what it touches (RFC 4684)."""

from __future__ import annotations

import pytest

from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.reasons import why_advertised
from sdnctl.graph.relations.inputs import BGP_PEER, LEARNED, PORT, membership_prefix
from sdnctl.graph.relations.routes import ADVERTISED, ORIGINATED, WANTED
from sdnctl.intent import BgpPeer
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Path, RouteKey
from sdnctl.types import Ip, RouteTarget
from tests.bench.worlds import cloud, guest

PORTS = 200
"""In ten networks of two routers."""

SAID = Path(next_hop=Ip.parse("198.51.100.1"), route_targets=(), encapsulations=(), peer=True)
FIRST_ROUTER = RouteTarget.parse("64512:8040000")


@pytest.fixture
def house() -> Engine:
    engine = make_engine(64512)
    engine.commit(cloud(PORTS, 4))
    families = ("ipv4-vpn", "l2vpn-evpn", "route-target")
    row = BgpPeer(id="rr", address=Ip.parse("198.51.100.1"), asn=64512, families=families)
    engine.commit([(BGP_PEER, "rr", row)])
    return engine


def ask(engine: Engine, target: RouteTarget | None, length: int = 64, *, gone: bool = False) -> int:
    """How many routes to peers a membership changes."""
    key = RouteKey("rr", MembershipRoute(65001, target, length))
    log = engine.commit([(LEARNED, key, None if gone else SAID)])
    return len(log.get(ADVERTISED.name, ()))


def test_it_touches_the_routes_of_its_target_only(house: Engine) -> None:
    memberships = len(house.rows(WANTED))
    assert memberships == 12  # ten networks, two routers
    assert len(house.rows(ADVERTISED)) == memberships
    # A hundred ports of the first router: a prefix and a MAC/IP route each.
    assert ask(house, FIRST_ROUTER) == 200
    # Of a peer that is not ours there is nobody to tell.
    log = house.commit([(LEARNED, RouteKey("other", MembershipRoute(1, FIRST_ROUTER)), SAID)])
    assert ADVERTISED.name not in log
    assert ask(house, FIRST_ROUTER, gone=True) == 200
    assert ask(house, RouteTarget.parse("65001:1")) == 0


def test_prefixes_of_targets(house: Engine) -> None:
    # 64512:8040000 and 64512:8040001 differ in the last bit.
    assert ask(house, FIRST_ROUTER, 63) == 400
    assert ask(house, FIRST_ROUTER, 64) == 0
    assert ask(house, FIRST_ROUTER, 63, gone=True) == 200
    routers = 10 * 4  # their addresses, at every member of their networks
    everything = len(house.rows(ORIGINATED)) + routers - 200
    assert ask(house, None, 0) == everything
    assert ask(house, FIRST_ROUTER, gone=True) == 0


def test_a_port_that_comes_is_told_where_it_was_asked_for(house: Engine) -> None:
    ask(house, FIRST_ROUTER)
    write = guest(PORTS, PORTS, 4)
    log = house.commit([write])
    assert {type(change.key.nlri).__name__ for change in log[ADVERTISED.name]} == {
        "MacIpRoute",
        "IpPrefixRoute",
    }
    assert len(house.commit([(PORT, write[1], None)])[ADVERTISED.name]) == 2


def test_the_reason(house: Engine) -> None:
    key = next(k for k in house.rows(ORIGINATED) if isinstance(k.nlri, IpPrefixRoute))
    targets = ", ".join(map(str, house.rows(ORIGINATED)[key].route_targets))
    reason = f"constrained: the peer announced no membership for {targets} (RFC 4684)"
    assert {said.reason for said in why_advertised(house, "rr", key)} == {reason}
    ask(house, None, 0)
    assert all(said.advertised for said in why_advertised(house, "rr", key))
    wanted = RouteKey("", next(iter(house.rows(WANTED).values())))
    assert [said.family for said in why_advertised(house, "rr", wanted)] == ["route-target"]
    assert why_advertised(house, "rr", wanted)[0].advertised


@pytest.mark.parametrize(
    ("target", "length", "prefix"),
    [
        (None, 0, (0, 0)),
        (None, 64, (0, 0)),
        (RouteTarget(bytes(7) + b"\x05"), 64, (64, 5)),
        (RouteTarget(bytes(7) + b"\x05"), 63, (63, 2)),
        (RouteTarget(bytes(7) + b"\x05"), 0, (0, 0)),
        (RouteTarget(bytes(7) + b"\x05"), 99, (64, 5)),
    ],
)
def test_membership_prefix(
    target: RouteTarget | None, length: int, prefix: tuple[int, int]
) -> None:
    assert membership_prefix(target, length) == prefix
