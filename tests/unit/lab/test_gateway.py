"""The gateway's configuration, GoBGP's table and the flows, without either running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdnctl.lab.errors import LabError
from sdnctl.lab.gateway import flows, table
from sdnctl.lab.gateway.config import Gateway, load
from sdnctl.lab.gateway.table import VpnRoute
from sdnctl.types import Ip, Label, Prefix, RouteTarget

DEMO = Path(__file__).parents[3] / "labs" / "demo" / "gateway.toml"

# What GoBGP 3.10 prints for `gobgp global rib -a vpnv4 -j`.
RECORDED = """
{"192.0.2.1:1:203.0.113.0/24":[{"nlri":{"prefix":"203.0.113.0/24","labels":[101],
"rd":{"type":1,"admin":"192.0.2.1","assigned":1}},"age":1795168918,"best":true,"attrs":[
{"type":1,"value":2},{"type":2,"as_paths":[]},{"type":5,"value":100},{"type":16,"value":[
{"type":0,"subtype":2,"value":"64512:101"},{"type":3,"subtype":12,"tunnel_type":2}]},
{"type":14,"nexthop":"192.0.2.1","afi":1,"safi":128,"value":[{"prefix":"203.0.113.0/24",
"labels":[101],"rd":{"type":1,"admin":"192.0.2.1","assigned":1}}]}],"stale":false,
"source-id":"192.0.2.1","neighbor-ip":"192.0.2.1"}]}
"""


@pytest.fixture
def gateway() -> Gateway:
    return load(DEMO)


def _route(prefix: str, target: str = "64512:1", hop: str = "192.0.2.11", *kinds: int) -> VpnRoute:
    return VpnRoute(
        f"{hop}:1",
        Prefix.parse(prefix),
        Ip.parse(hop),
        Label(17),
        frozenset((RouteTarget.parse(target),)),
        frozenset(kinds),
    )


def test_a_recorded_table_is_read() -> None:
    assert table.parse(RECORDED) == {
        VpnRoute(
            "192.0.2.1:1",
            Prefix.parse("203.0.113.0/24"),
            Ip.parse("192.0.2.1"),
            Label(101),
            frozenset((RouteTarget.parse("64512:101"),)),
            frozenset((2,)),
        )
    }
    worse = json.loads(RECORDED)
    worse["192.0.2.1:1:203.0.113.0/24"][0]["best"] = False
    assert table.parse(json.dumps(worse)) == set()
    assert table.parse("{}") == set()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": [{}]}', '{"a": [{"best": true}]}', "7"])
def test_a_table_that_is_none_raises(text: str) -> None:
    with pytest.raises(LabError, match="GoBGP's table"):
        table.parse(text)


def test_a_vrf_imports_by_target_what_gre_can_follow(gateway: Gateway) -> None:
    red = gateway.vrf[0]
    wanted = [
        _route("10.0.0.1/32", "64512:1", "192.0.2.11", 8, 2),
        _route("10.0.0.2/32"),
        _route("fd00::1/128", "64512:1", "192.0.2.11", 2),
    ]
    others = [
        _route("10.0.0.3/32", "64512:2"),
        _route("10.0.0.4/32", "64512:1", "192.0.2.11", 8),
        _route("10.0.0.5/32", "64512:1", "192.0.2.254", 2),
    ]
    assert flows.imported(gateway, red, [*others, *wanted]) == sorted(
        wanted, key=lambda r: r.prefix
    )


def test_of_several_next_hops_the_lowest_wins_whatever_the_order(gateway: Gateway) -> None:
    near, far = _route("10.0.0.1/32"), _route("10.0.0.1/32", hop="192.0.2.12")
    for order in ([near, far], [far, near]):
        assert flows.imported(gateway, gateway.vrf[0], order) == [near]
    assert flows.render(gateway, [near, far]) == flows.render(gateway, [far, near])


def test_each_vrf_keeps_its_routes_to_itself(gateway: Gateway) -> None:
    made = flows.render(gateway, [_route("10.0.0.1/32"), _route("10.0.0.1/32", "64512:2")])
    fib = [f for f in made if "nw_dst=10.0.0.1/32" in f]
    assert [f.split(",")[2] for f in fib] == ["reg0=1", "reg0=2"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'import_targets = ["64512:2"]',
            'import_targets = ["64512:1"]',
            "vrf blue: import target 64512:1 is already red's",
        ),
        ("label = 900002", "label = 900001", "vrf blue: label 900001 is already red's"),
        ('name = "blue"', 'name = "red"', "name red is already red's"),
        ("label_ipv6 = 900011", "label_ipv6 = 900001", "vrf red: label 900001 is already red's"),
        ("label = 900001", "label = 3", "label 3 of IPv4"),
        ("label_ipv6 = 900011", "", "label 0 of IPv6"),
        ('"2001:db8:71::/64"', '"2001:db8:71::1/64"', "host bits set"),
        ('"02:00:5e:00:71:01"', '"02:00"', "is not a MAC address"),
        ('"192.0.2.254:1"', '"x"', "is not a route distinguisher"),
        ("address = ", "adress = ", "adress"),
        ("[[vrf]]", "[[vrf]", "gateway.toml"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = DEMO.read_text()
    assert old in text
    file = tmp_path / "gateway.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(LabError, match=said):
        load(file)
