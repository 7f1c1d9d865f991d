"""The looking glass shows what agents are told, and only looks at what is asked for."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.desired import FdbEntry, FibEntry, FloodEntry
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.resources import FIB
from sdnctl.graph.relations.routes import IMPORTED
from sdnctl.inspect import glass
from sdnctl.types import Prefix, Vni
from tests.properties.agreed import ASN
from tests.properties.mirror import House
from tests.properties.strategies.small import Write
from tests.properties.worlds import populated
from tests.scenarios.test_scenarios import Script

CLOUD = """
hypervisor h1 vtep=192.0.2.1
hypervisor h2 vtep=192.0.2.2
network red vni=5001
subnet red4 network=red prefix=10.0.0.0/24
subnet red6 network=red prefix=2001:db8::/64
router r vni=9001 label=901 imports=65001:1
port i network=red router=r mac=fa:16:3e:00:00:01 ip=10.0.0.1
port a network=red mac=fa:16:3e:00:00:0a ip=10.0.0.10,2001:db8::10 host=h1
port b network=red mac=fa:16:3e:00:00:0a ip=10.0.0.11 host=h2
route gw1 0.0.0.0/0 via 198.51.100.1 target=65001:1 label=77
route gw2 0.0.0.0/0 via 198.51.100.2 target=65001:1 label=78 as_path=65001,65002
"""


def cloud() -> House:
    script = Script(CLOUD)
    for line in CLOUD.splitlines():
        script.line(line)
    script.commit()
    return script.house


def look(house: House, table: str, **only: str) -> list[dict[str, Any]]:
    return glass.routes(house.engine, house.delivery, table, **only)


def test_tables() -> None:
    house = cloud()
    assert glass.tables(house.delivery) == ["evi/5001", "vrf/9001"]
    assert glass.tables(house.delivery, vrf=9001) == ["vrf/9001"]
    assert glass.tables(house.delivery, evi=7) == ["evi/7"]
    assert glass.tables(house.delivery, evi=7, vrf=8) == []
    assert look(house, "evi/7") == []


def test_the_better_of_two_gateways_is_marked() -> None:
    rows = [row for row in look(cloud(), "vrf/9001") if row["prefix"] == "0.0.0.0/0"]
    assert [(row["source"], row["best"]) for row in rows] == [("gw1", True), ("gw2", False)]


def test_every_address_of_the_mac_that_wins_is_marked() -> None:
    rows = [row for row in look(cloud(), "evi/5001") if row["type"] == "mac-ip"]
    assert [(row["ip"], row["best"]) for row in rows] == [
        ("10.0.0.10", True),
        ("2001:db8::10", True),
        ("10.0.0.11", False),
    ]


def test_by_hypervisor_and_by_source() -> None:
    house = cloud()
    assert {row["next_hop"] for row in look(house, "evi/5001", hypervisor="h2")} == {"192.0.2.2"}
    assert {row["source"] for row in look(house, "vrf/9001", source="gw2")} == {"gw2"}
    assert look(house, "vrf/9001", hypervisor="nobody") == []


@given(populated())
def test_best_is_what_agents_are_told(steps: list[list[Write]]) -> None:
    """And no route is left out: an imported one shows in each table that imports it."""
    engine = make_engine(ASN)
    delivery = Delivery(1, Observed())
    for revision, writes in enumerate(steps):
        delivery.commit(revision, engine.commit(writes), 0)
    house = House()
    house.engine, house.delivery = engine, delivery
    shown = 0
    for table in glass.tables(delivery):
        rows = look(house, table)
        shown += len(rows)
        best: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            if row["best"]:
                # A MAC/IP route of a gateway is a host route of a VRF as well (RFC 9135).
                kind = {"mac-ip": "fdb", "prefix": "fib", "multicast": "flood"}[row["type"]]
                kind = "fib" if table.startswith("vrf/") else kind
                best.setdefault((kind, row["prefix"]), set()).add(row["next_hop"])
        told: dict[tuple[str, str], set[str]] = {}
        for relation in ("fdb", "fib", "flood"):
            found = next(r.output for r in engine.rules if r.output.name == relation)
            for entry in engine.rows(found).values():
                match entry:
                    case FibEntry() if table == f"vrf/{entry.vrf}":
                        told["fib", str(entry.prefix)] = {str(hop.vtep) for hop in entry.via}
                    case FdbEntry() if table == f"evi/{entry.vni}":
                        told["fdb", str(entry.mac)] = {str(entry.via.vtep)}
                    case FloodEntry() if table == f"evi/{entry.vni}":
                        told["flood", str(entry.via.vtep)] = {str(entry.via.vtep)}
                    case _:
                        pass
        assert best == told
    assert shown == sum(len(r.evis) + len(r.vrfs) for r in engine.rows(IMPORTED).values())


def test_explain_names_what_a_route_was_made_of() -> None:
    house = cloud()
    prefix = Prefix.parse("0.0.0.0/0")
    assert glass.explain(house.engine, FIB, (Vni(9001), prefix)) == [
        f"imported/prefix/{(9001, prefix)}"
    ]
    key = next(k for k, row in house.engine.rows(IMPORTED).items() if k.source == "gw1")
    why = glass.explain(house.engine, IMPORTED, key)
    assert "vrf_instance/imports/65001:1" in why
    assert "hypervisor/vtep/198.51.100.1/True" in why
