"""What a BGP peer tells and is told, in pages that hold up nobody."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Router

from sdnctl.bgp.peer import families_of
from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import BGP_PEER, LEARNED
from sdnctl.inspect import show
from sdnctl.inspect.adjribs import SLICE, AdjRibs, Question, order
from sdnctl.inspect.rest import make_routes
from sdnctl.inspect.show import leads_to, parse_destination
from sdnctl.intent import BgpPeer
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Path,
    RouteKey,
)
from sdnctl.types import (
    Encapsulation,
    Ip,
    Label,
    Mac,
    Prefix,
    RouteDistinguisher,
    RouteTarget,
    Vni,
)
from tests.scenarios.test_scenarios import Script

CLOUD = """
hypervisor h1 vtep=192.0.2.1
network red vni=5001
subnet red4 network=red prefix=10.0.0.0/24
router r vni=9001 label=901 imports=65001:1
port i network=red router=r mac=fa:16:3e:00:00:01 ip=10.0.0.1
port a network=red mac=fa:16:3e:00:00:0a ip=10.0.0.10 host=h1
route edge 10.9.0.0/16 via 198.51.100.1 target=65001:1 label=77
route edge 10.9.1.0/24 via 198.51.100.1 target=65001:2 label=78
route other 10.9.2.0/24 via 198.51.100.2 target=65001:1 label=79
"""

SESSIONS: list[dict[str, Any]] = [
    {"peer": "edge", "state": "established", "last_error": "", "families": ["ipv4-vpn"]},
    {"peer": "other", "state": "connect", "last_error": "refused", "families": []},
]

RD = RouteDistinguisher.parse("198.51.100.1:7")
PATH = Path(
    next_hop=Ip.parse("198.51.100.1"),
    route_targets=(RouteTarget.parse("65001:1"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(100),
    peer=True,
)


def cloud() -> Engine:
    script = Script(CLOUD)
    for line in CLOUD.splitlines():
        script.line(line)
    script.commit()
    engine: Engine = script.house.engine
    engine.commit(
        (BGP_PEER, name, BgpPeer(id=name, address=Ip.parse("198.51.100.9"), asn=65001))
        for name in ("edge", "other")
    )
    return engine


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    engine = cloud()
    app = Router(make_routes(engine, Delivery(1, Observed()), list, SESSIONS.copy, families_of))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sdn.test") as client:
        yield client


async def get(http: httpx.AsyncClient, path: str, expected: int = 200, /, **query: Any) -> Any:
    answer = await http.get(f"/sdn/v1/{path}", params=query)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def test_what_a_peer_tells_and_who_imports_it(http: httpx.AsyncClient) -> None:
    answer = await get(http, "bgp-peers/edge/received")
    assert answer["next"] == ""
    assert [(r["prefix"], r["vrfs"], r["label"]) for r in answer["routes"]] == [
        ("10.9.0.0/16", [9001], 77),
        ("10.9.1.0/24", [], 78),
    ]
    assert {tuple(r["families"]) for r in answer["routes"]} == {("ipv4-vpn",)}
    assert {r["source"] for r in answer["routes"]} == {"edge"}


async def test_what_a_peer_is_told(http: httpx.AsyncClient) -> None:
    for peer in ("edge", "other"):
        [route] = (await get(http, f"bgp-peers/{peer}/advertised"))["routes"]
        assert (route["prefix"], route["next_hop"], route["label"]) == (
            "10.0.0.10/32",
            "192.0.2.1",
            901,
        )
        assert (route["source"], route["learned"]) == ("h1", False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"destination": "10.8.0.0/15"}, ["10.9.0.0/16", "10.9.1.0/24"]),
        ({"destination": "10.9.1.7"}, ["10.9.0.0/16", "10.9.1.0/24"]),
        ({"destination": "10.9.1.0/24"}, ["10.9.1.0/24"]),
        ({"destination": "fa:16:3e:00:00:0a"}, []),
        ({"family": "ipv4-vpn"}, ["10.9.0.0/16", "10.9.1.0/24"]),
        ({"family": "ipv6-vpn"}, []),
        ({"family": "l2vpn-evpn"}, []),
    ],
)
async def test_filters(http: httpx.AsyncClient, query: dict[str, str], expected: list[str]) -> None:
    answer = await get(http, "bgp-peers/edge/received", **query)
    assert [r["prefix"] for r in answer["routes"]] == expected


async def test_pages(http: httpx.AsyncClient) -> None:
    first = await get(http, "bgp-peers/edge/received", limit="1")
    assert [r["prefix"] for r in first["routes"]] == ["10.9.0.0/16"]
    second = await get(http, "bgp-peers/edge/received", limit="1", marker=first["next"])
    assert [r["prefix"] for r in second["routes"]] == ["10.9.1.0/24"]
    assert second["next"] == ""
    beyond = await get(http, "bgp-peers/edge/received", marker="ff")
    assert beyond == {"routes": [], "next": ""}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "5001"},
        {"limit": "many"},
        {"marker": "zz"},
        {"family": "ipv4"},
        {"destination": "nowhere"},
        {"destination": "10.0.0.1/8"},
    ],
)
async def test_what_makes_no_sense_is_refused(
    http: httpx.AsyncClient, query: dict[str, str]
) -> None:
    answer = await get(http, "bgp-peers/edge/received", 400, **query)
    assert answer["NeutronError"]["type"] == "InvalidInput"
    unknown = await get(http, "bgp-peers/nobody/advertised", 404)
    assert "nobody" in unknown["NeutronError"]["message"]


def keys() -> st.SearchStrategy[RouteKey]:
    four = st.integers(0, 7).map(lambda n: Prefix(Ip.from_number(n << 28, 4), 8))
    six = st.integers(0, 7).map(lambda n: Prefix(Ip.from_number(n << 120, 6), 64))
    rds = st.integers(1, 3).map(lambda n: RouteDistinguisher.of(Ip.parse("192.0.2.1"), n))
    macs = st.integers(0, 3).map(lambda n: Mac(bytes((2, 0, 0, 0, 0, n))))
    ips = st.none() | st.integers(0, 3).map(lambda n: Ip.from_number(n, 4))
    nlris = (
        st.builds(IpPrefixRoute, rds, four | six)
        | st.builds(MacIpRoute, rds, macs, ips)
        | st.builds(InclusiveMulticastRoute, rds, st.just(Ip.parse("192.0.2.1")))
        | st.builds(
            MembershipRoute,
            st.integers(1, 2),
            st.none() | st.just(RouteTarget.parse("1:1")),
            st.sampled_from([0, 64]),
        )
    )
    return st.builds(RouteKey, st.just("edge"), nlris, st.integers(0, 2))


@settings(deadline=None)
@given(st.sets(keys(), max_size=30), st.integers(1, 5))
def test_pages_are_the_whole_in_order(routes: set[RouteKey], limit: int) -> None:
    engine = make_engine(64512)
    engine.commit([(BGP_PEER, "edge", BgpPeer(id="edge", address=Ip.parse("198.51.100.9"), asn=1))])
    engine.commit((LEARNED, key, PATH) for key in routes)
    ribs = AdjRibs(engine, families_of)

    async def walk() -> list[Any]:
        found: list[Any] = []
        marker = ""
        for _page in range(40):
            asked = Question("edge", "received", limit=limit, marker=bytes.fromhex(marker))
            rows, marker = await ribs.page(asked)
            assert len(rows) <= limit
            found += rows
            if not marker:
                return found
        raise AssertionError("pages without an end")

    found = asyncio.run(walk())
    assert len(found) == len(routes)
    assert len({order(key) for key in routes}) == len(routes)
    expected = [show.route(key, PATH) for key in sorted(routes, key=order)]
    for row, shown in zip(found, expected, strict=True):
        assert row.items() >= shown.items()


async def test_many_routes_hold_up_nobody() -> None:
    """Others have their turn while a page is made, and what they change does no harm."""
    engine = make_engine(64512)
    engine.commit([(BGP_PEER, "edge", BgpPeer(id="edge", address=Ip.parse("198.51.100.9"), asn=1))])
    many = [
        RouteKey("edge", IpPrefixRoute(RD, Prefix(Ip.from_number(n << 8, 4), 24)))
        for n in range(20 * SLICE)
    ]
    engine.commit((LEARNED, key, PATH) for key in many)
    ribs = AdjRibs(engine, families_of)
    turns = 0
    gone = iter(many)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            engine.commit((LEARNED, key, None) for key in itertools.islice(gone, 2))
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    rows, marker = await ribs.page(Question("edge", "received", limit=SLICE * 4))
    task.cancel()
    assert turns >= 20
    assert len(rows) == SLICE * 4
    assert marker


QUERIES = st.dictionaries(
    st.sampled_from(["limit", "marker", "family", "destination", "vrf", "evi", "x"]),
    st.text(max_size=12)
    | st.sampled_from(["1", "00ff", "ipv4-vpn", "10.0.0.0/8", "10.9.1.7", "fa:16:3e:00:00:0a"]),
)
VIEWS = [
    "explanations",
    *(
        f"bgp-peers/{peer}/{view}"
        for peer in ("edge", "x")
        for view in ("received", "advertised", "why")
    ),
]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(VIEWS), QUERIES), max_size=6))
def test_no_query_breaks_a_view(asked: list[tuple[str, dict[str, str]]]) -> None:
    app = Router(make_routes(cloud(), Delivery(1, Observed()), list, SESSIONS.copy, families_of))

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sdn.test") as client:
            for view, query in asked:
                answer = await client.get(f"/sdn/v1/{view}", params=query)
                assert answer.status_code in {200, 400, 404}, (view, query)
                assert answer.json()

    asyncio.run(ask())


def test_destinations() -> None:
    prefix = IpPrefixRoute(RD, Prefix.parse("10.0.0.0/24"))
    mac = MacIpRoute(RD, Mac.parse("fa:16:3e:00:00:01"), Ip.parse("10.0.0.5"))
    bare = MacIpRoute(RD, Mac.parse("fa:16:3e:00:00:01"), None)
    flood = InclusiveMulticastRoute(RD, Ip.parse("192.0.2.1"))
    for text, expected in {
        "10.0.0.0/24": [prefix, mac],
        "10.0.0.0/25": [mac],
        "10.0.0.5": [prefix, mac],
        "fd00::/8": [],
        "0.0.0.0/0": [prefix, mac, flood],
        "fa-16-3e-00-00-01": [mac, bare],
        "192.0.2.1": [flood],
    }.items():
        wanted = parse_destination(text)
        assert [n for n in (prefix, mac, bare, flood) if leads_to(n, wanted)] == expected


async def test_why_a_peer_is_told(http: httpx.AsyncClient) -> None:
    why = (await get(http, "bgp-peers/edge/why", destination="10.0.0.10/32"))["why"]
    assert why["session"]["state"] == "established"
    assert why["received"] == []
    told = {row["family"]: (row["advertised"], row["reason"]) for row in why["advertised"]}
    assert told["ipv4-vpn"] == (True, "the peer has the family and a tunnel leads here")
    assert told["l2vpn-evpn"] == (False, "the peer is not configured with the family")
    why = (await get(http, "bgp-peers/other/why", destination="10.0.0.10/32"))["why"]
    told = {row["family"]: (row["advertised"], row["reason"]) for row in why["advertised"]}
    assert told["ipv4-vpn"] == (False, "the session is connect")
    why = (await get(http, "bgp-peers/edge/why", destination="fa:16:3e:00:00:0a"))["why"]
    assert [row["type"] for row in why["advertised"]] == ["mac-ip"]
    # What another peer said is passed on to nobody.
    why = (await get(http, "bgp-peers/edge/why", destination="10.9.2.0/24"))["why"]
    assert {row["advertised"] for row in why["advertised"]} == {False}


async def test_memberships() -> None:
    """Who wants which targets is told and heard like routes (RFC 4684)."""
    engine = cloud()
    families = ("ipv4-vpn", "route-target")
    edge = BgpPeer(id="edge", address=Ip.parse("198.51.100.9"), asn=65001, families=families)
    wish = MembershipRoute(65001, RouteTarget.parse("64512:7"))
    engine.commit([(BGP_PEER, "edge", edge), (LEARNED, RouteKey("edge", wish), PATH)])
    session = SESSIONS[0] | {"families": list(families)}
    app = Router(make_routes(engine, Delivery(1, Observed()), list, lambda: [session], families_of))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sdn.test") as client:
        only = {"family": "route-target"}
        [heard] = (await get(client, "bgp-peers/edge/received", **only))["routes"]
        assert (heard["type"], heard["prefix"], heard["rd"]) == ("membership", "64512:7", None)
        told = (await get(client, "bgp-peers/edge/advertised", **only))["routes"]
        assert "65001:1" in {row["prefix"] for row in told}
        why = (await get(client, "bgp-peers/edge/why", destination="65001:1"))["why"]
        assert [(row["family"], row["advertised"]) for row in why["advertised"]] == [
            ("route-target", True)
        ]
        why = (await get(client, "bgp-peers/edge/why", destination="64512:7"))["why"]
        assert "a membership" in why["received"][0]["reason"]
        # It asked for nothing that the port's VRF exports.
        why = (await get(client, "bgp-peers/edge/why", destination="10.0.0.10/32"))["why"]
        reasons = {row["family"]: row["reason"] for row in why["advertised"]}
        assert reasons["ipv4-vpn"].startswith("constrained")


async def test_why_what_a_peer_tells_is_used(http: httpx.AsyncClient) -> None:
    why = (await get(http, "bgp-peers/edge/why", destination="10.9.1.7"))["why"]
    assert [(row["prefix"], row["table"], row["used"]) for row in why["received"]] == [
        ("10.9.0.0/16", "vrf/9001", True),
        ("10.9.1.0/24", "", False),
    ]
    assert "65001:2" in why["received"][1]["reason"]
    nothing = (await get(http, "bgp-peers/edge/why", destination="203.0.113.0/24"))["why"]
    assert (nothing["advertised"], nothing["received"], nothing["more"]) == ([], [], False)
    await get(http, "bgp-peers/nobody/why", 404, destination="10.9.1.7")
    await get(http, "bgp-peers/edge/why", 400)


async def test_explanations_by_prefix_address_and_mac(http: httpx.AsyncClient) -> None:
    answer = await get(http, "explanations", destination="10.9.1.7")
    [one] = answer["explanations"]
    assert (one["table"], one["entry"], one["destination"]) == ("vrf/9001", "fib", "10.9.0.0/16")
    assert [route["source"] for route in one["routes"]] == ["edge"]
    assert "vrf_instance/imports/65001:1" in one["routes"][0]["computed_from"]
    answer = await get(http, "explanations", destination="fa:16:3e:00:00:0a", evi="5001")
    assert [e["entry"] for e in answer["explanations"]] == ["fdb"]
    answer = await get(http, "explanations", destination="10.0.0.10")
    assert [e["entry"] for e in answer["explanations"]] == ["fib", "neighbor"]
    answer = await get(http, "explanations", destination="10.0.0.10", vrf=str(Vni(9001)))
    assert [e["entry"] for e in answer["explanations"]] == ["fib"]
    assert (await get(http, "explanations", destination="10.0.0.10", vrf="7")) == {
        "explanations": []
    }
    for query in ({}, {"destination": "x"}, {"destination": "10.0.0.1", "evi": "red"}):
        await get(http, "explanations", 400, **query)
