"""BGP VPNs: how what several say is put together, and what a change of one touches."""

from __future__ import annotations

import msgspec
import pytest

from sdnctl.graph.engine import Engine
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.attachments import ATTACHMENT
from sdnctl.graph.relations.inputs import (
    BGPVPN,
    BGPVPN_NETWORK,
    BGPVPN_PORT,
    BGPVPN_ROUTER,
    NETWORK,
    PORT,
    SUBNET,
)
from sdnctl.graph.relations.instances import EVI_INSTANCE, NETWORK_IRB, VRF_INSTANCE
from sdnctl.graph.relations.routes import ORIGINATED
from sdnctl.graph.relations.vpns import TERMS, Policy, joined
from sdnctl.intent import (
    BgpVpn,
    BgpVpnNetwork,
    BgpVpnPort,
    BgpVpnRouter,
    Network,
    PortRoute,
    Subnet,
)
from sdnctl.routes import IpPrefixRoute
from sdnctl.types import Ip, Label, Mac, Prefix, RouteTarget, Vni
from tests.bench.worlds import cloud

ONE, TWO = RouteTarget.parse("65001:1"), RouteTarget.parse("65001:2")
AUTOMATIC = RouteTarget.parse("64512:8000001")
PORTS = 200
"""In ten networks of two routers."""


@pytest.fixture
def house() -> Engine:
    engine = make_engine(64512)
    engine.commit(cloud(PORTS, 4))
    return engine


def touched(house: Engine, relation: object, key: str, row: object) -> int:
    """How many originated routes a write changes."""
    return len(house.commit([(relation, key, row)]).get(ORIGINATED.name, ()))  # type: ignore[list-item]


def test_joined() -> None:
    assert joined([]) == Policy()
    assert joined([Policy((TWO,), None, (3,)), Policy((ONE, TWO), 50), Policy((), 20, (1, 3))]) == (
        Policy((ONE, TWO), 50, (1, 3))
    )
    assert joined([Policy((), 0), Policy()]).local_preference == 0


def test_automatic_targets_are_left_out(house: Engine) -> None:
    row = BgpVpn(id="v", route_targets=(ONE, AUTOMATIC), import_targets=(TWO, AUTOMATIC))
    house.commit([(BGPVPN, "v", row)])
    terms = house.rows(TERMS)["v"]
    assert terms.imports == (ONE, TWO)
    assert terms.policy.targets == (ONE,)


def test_a_bgp_vpn_touches_its_members_only(house: Engine) -> None:
    assert touched(house, BGPVPN, "v", BgpVpn(id="v", route_targets=(ONE,))) == 0
    router = BgpVpnRouter(id="j", bgpvpn_id="v", router_id="r0")
    assert touched(house, BGPVPN_ROUTER, "j", router) == PORTS // 2
    assert ONE in house.rows(VRF_INSTANCE)["r0"].imports
    assert ONE not in house.rows(VRF_INSTANCE)["r1"].imports
    assert touched(house, BGPVPN, "v", BgpVpn(id="v", route_targets=(ONE,), name="new")) == 0
    assert touched(house, BGPVPN_ROUTER, "j", None) == PORTS // 2

    network = BgpVpnNetwork(
        id="k",
        bgpvpn_id="v",
        network_id="n0",
        vni=Vni(77),
        label=Label(77),
        number=77,
        mac=Mac(bytes(6)),
    )
    assert touched(house, BGPVPN_NETWORK, "k", network) == PORTS // 10
    assert "k" not in house.rows(VRF_INSTANCE)  # its router has it
    assert touched(house, BGPVPN_NETWORK, "k", None) == PORTS // 10

    port = BgpVpnPort(id="l", bgpvpn_id="v", port_id="p0")
    assert touched(house, BGPVPN_PORT, "l", port) == 1


def test_a_layer_2_one_joins_the_segment(house: Engine) -> None:
    network = BgpVpnNetwork(
        id="k",
        bgpvpn_id="v",
        network_id="n0",
        vni=Vni(77),
        label=Label(77),
        number=77,
        mac=Mac(bytes(6)),
    )
    row = BgpVpn(id="v", type="l2", route_targets=(ONE,), local_preference=7, communities=(3,))
    house.commit([(BGPVPN, "v", row), (BGPVPN_NETWORK, "k", network)])
    assert ONE in house.rows(EVI_INSTANCE)["n0"].imports
    for key, path in house.rows(ORIGINATED).items():
        bridged = path.vni == 5000 and not isinstance(key.nlri, IpPrefixRoute)
        assert (ONE in path.route_targets) == bridged
        assert (path.local_preference, path.communities) == ((7, (3,)) if bridged else (100, ()))


def test_a_port_says_what_is_behind_it_with_its_own_preference(house: Engine) -> None:
    behind = Prefix.parse("172.16.0.0/12")
    own = Prefix.host(house.rows(ATTACHMENT)["p0"].addresses[0])
    routes = (PortRoute(prefix=behind, local_preference=0), PortRoute(prefix=own))
    association = BgpVpnPort(
        id="l", bgpvpn_id="v", port_id="p0", advertise_fixed_ips=False, routes=routes
    )
    row = BgpVpn(id="v", route_targets=(ONE,), local_preference=150)
    house.commit([(BGPVPN, "v", row), (BGPVPN_PORT, "l", association)])
    port = house.rows(ATTACHMENT)["p0"]
    assert port.behind == (behind,)
    said = {
        key.nlri.prefix: path.local_preference
        for key, path in house.rows(ORIGINATED).items()
        if isinstance(key.nlri, IpPrefixRoute) and ONE in path.route_targets
    }
    assert said == {behind: 0, own: 150}


def test_a_network_has_one_gateway_of_those_that_its_bgp_vpns_could_give() -> None:
    """The first association's; none where the gateway's address is not of the subnet."""
    engine = make_engine(64512)
    gateway = Ip.parse("10.0.0.1")
    subnet = Subnet(id="s", network_id="n", prefix=Prefix.parse("10.0.0.0/24"), gateway_ip=gateway)
    engine.commit(
        [
            (NETWORK, "n", Network(id="n", vni=Vni(5), label=Label(55), number=5)),
            (SUBNET, "s", subnet),
            (BGPVPN, "v", BgpVpn(id="v", route_targets=(ONE,))),
            (BGPVPN, "w", BgpVpn(id="w", route_targets=(TWO,))),
        ]
    )
    for number, (key, vpn) in enumerate((("b", "v"), ("a", "w")), 70):
        row = BgpVpnNetwork(
            id=key,
            bgpvpn_id=vpn,
            network_id="n",
            vni=Vni(number),
            label=Label(number),
            number=number,
            mac=Mac(bytes(6)),
        )
        engine.commit([(BGPVPN_NETWORK, key, row)])
    assert list(engine.rows(NETWORK_IRB)) == list(engine.rows(VRF_INSTANCE)) == ["a"]
    assert {ONE, TWO} < set(engine.rows(VRF_INSTANCE)["a"].imports)
    elsewhere = msgspec.structs.replace(subnet, gateway_ip=Ip.parse("10.9.0.1"))
    engine.commit([(SUBNET, "s", elsewhere)])
    assert not engine.rows(NETWORK_IRB)
    assert not engine.rows(VRF_INSTANCE)
    engine.commit([(SUBNET, "s", subnet), (BGPVPN, "w", BgpVpn(id="w", type="l2"))])
    assert list(engine.rows(NETWORK_IRB)) == ["b"]


def test_who_does_not_import(house: Engine) -> None:
    """A router in a layer 2 BGP VPN, and one that a network has an interface of but is not in."""
    house.commit(
        [
            (BGPVPN, "two", BgpVpn(id="two", type="l2", route_targets=(TWO,))),
            (BGPVPN_ROUTER, "j", BgpVpnRouter(id="j", bgpvpn_id="two", router_id="r0")),
            (BGPVPN, "one", BgpVpn(id="one", route_targets=(ONE,))),
            (
                BGPVPN_NETWORK,
                "k",
                BgpVpnNetwork(
                    id="k",
                    bgpvpn_id="one",
                    network_id="n0",
                    vni=Vni(77),
                    label=Label(77),
                    number=77,
                    mac=Mac(bytes(6)),
                ),
            ),
        ]
    )
    second = msgspec.structs.replace(house.rows(PORT)["i0"], id="i00", device_id="r1")
    house.commit([(PORT, "i00", second)])
    vrfs = house.rows(VRF_INSTANCE)
    assert TWO not in vrfs["r0"].imports
    assert ONE in vrfs["r0"].imports
    assert ONE not in vrfs["r1"].imports
    house.commit([(PORT, "i0", None)])
    assert ONE not in vrfs["r0"].imports
    assert ONE in vrfs["r1"].imports
