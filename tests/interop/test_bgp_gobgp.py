"""The speaker against GoBGP, which announces the encapsulation community and keeps EVPN whole."""

from __future__ import annotations

import json

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    Nlri,
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
from tests.interop.routers import Lab, Link
from tests.waiting import becomes, until

pytestmark = [pytest.mark.interop, pytest.mark.netns]

RD = RouteDistinguisher.parse("10.0.0.1:7")
ROUTE = IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32"))
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"), RouteTarget.parse("10.9.9.9:3")),
    encapsulations=(Encapsulation.MPLS_GRE, Encapsulation.MPLS_UDP),
    label=Label(1000),
)
OVERLAY = msgspec.structs.replace(
    PATH, encapsulations=(Encapsulation.VXLAN,), vni=Vni(0xABCDE1), label=Label(0)
)


def put(link: Link, nlri: Nlri, path: Path | None) -> None:
    link.update([Change(RouteKey("gw", nlri), None, path)])


async def test_announce_change_withdraw(lab: Lab, link: Link) -> None:
    gobgp = lab.gobgp("gw")
    gobgp.start()
    link.set_peers([gobgp.peer()])
    put(link, ROUTE, PATH)

    def shown(label: int, next_hop: str, *targets: str) -> dict[str, tuple[str, int, set[str]]]:
        tunnels = {"2", "13"}  # RFC 9012: GRE, MPLS in UDP
        return {"10.0.0.1:7:10.1.0.5/32": (next_hop, label, tunnels | set(targets))}

    await becomes(gobgp.routes, shown(1000, "10.0.0.1", "64512:7", "10.9.9.9:3"))
    put(link, ROUTE, msgspec.structs.replace(PATH, label=Label(1001)))
    await becomes(gobgp.routes, shown(1001, "10.0.0.1", "64512:7", "10.9.9.9:3"))
    put(link, ROUTE, msgspec.structs.replace(PATH, next_hop=Ip.parse("10.0.0.2")))
    await becomes(gobgp.routes, shown(1000, "10.0.0.2", "64512:7", "10.9.9.9:3"))
    only = (RouteTarget.parse("64512:8"),)
    put(link, ROUTE, msgspec.structs.replace(PATH, route_targets=only))
    await becomes(gobgp.routes, shown(1000, "10.0.0.1", "64512:8"))
    put(link, ROUTE, None)
    await becomes(gobgp.routes, {})


async def test_learn_with_encapsulation(lab: Lab, link: Link) -> None:
    gobgp = lab.gobgp("gw")
    gobgp.start()
    link.set_peers([gobgp.peer(Family.IPV4_VPN, Family.IPV6_VPN)])
    for family, prefix in (("vpnv4", "0.0.0.0/0"), ("vpnv6", "2001:db8::/32")):
        next_hop = gobgp.address if family == "vpnv4" else "2001:db8:ffff::1"
        gobgp.gobgp("global", "rib", "add", "-a", family, prefix, "label", "100",
                    "rd", "64512:1", "rt", "64512:1", "nexthop", next_hop, "med", "5")  # fmt: skip
    await until(lambda: len(link.learned) == 2)
    rd = RouteDistinguisher.parse("64512:1")
    path = link.learned[RouteKey("gw", IpPrefixRoute(rd, Prefix.parse("0.0.0.0/0")))]
    assert path == Path(
        next_hop=Ip.parse(gobgp.address),
        route_targets=(RouteTarget.parse("64512:1"),),
        encapsulations=(Encapsulation.MPLS_GRE,),
        label=Label(100),
        origin=2,
        med=5,
        peer=True,
        router_id=Ip.parse(gobgp.address),
    )
    six = link.learned[RouteKey("gw", IpPrefixRoute(rd, Prefix.parse("2001:db8::/32")))]
    assert six.next_hop == Ip.parse("2001:db8:ffff::1")
    gobgp.gobgp("global", "rib", "del", "-a", "vpnv4", "0.0.0.0/0", "label", "100",
                "rd", "64512:1")  # fmt: skip
    await until(lambda: len(link.learned) == 1)


async def test_killed_speaker_withdraws_nothing(lab: Lab, link: Link) -> None:
    gobgp = lab.gobgp("gw")
    gobgp.start()
    monitor = gobgp.monitor("vpnv4")
    link.set_peers([gobgp.peer()])
    put(link, ROUTE, PATH)
    await until(gobgp.routes)
    lab.kill_speaker()
    await until(lambda: gobgp.stale() == 1)
    await until(lambda: link.up("gw"))
    await until(lambda: gobgp.stale() == 0)
    assert len(gobgp.routes()) == 1
    put(link, ROUTE, None)
    await becomes(gobgp.routes, {})
    events = [json.loads(line) for line in monitor.read_text().splitlines()]
    withdrawn = [event for event in events if "withdrawal" in json.dumps(event)]
    assert len(withdrawn) == 1, events


async def test_killed_peer_keeps_its_routes(lab: Lab, link: Link) -> None:
    gobgp = lab.gobgp("gw")
    gobgp.start()
    families = [family for family in Family if family is not Family.ROUTE_TARGET]
    link.set_peers([gobgp.peer(*families)])
    add = ("global", "rib", "add", "-a", "vpnv4", "0.0.0.0/0", "label", "100",
           "rd", "64512:1", "rt", "64512:1", "nexthop", gobgp.address)  # fmt: skip
    gobgp.gobgp(*add)
    await until(lambda: link.learned)
    link.changes.clear()
    gobgp.kill()
    await until(link.up)
    assert link.sessions[0].last_error
    gobgp.cable("down")  # until it has again what it had
    gobgp.restart("--graceful-restart")
    gobgp.gobgp(*add)
    gobgp.cable("up")
    # A restarting GoBGP waits for End-of-RIB of every family that it is configured with.
    await until(lambda: link.up("gw") and link.sessions[0].updates_received >= len(families))
    assert link.changes == []
    assert len(link.learned) == 1


async def test_evpn_both_ways(lab: Lab, link: Link) -> None:
    """Types 2, 3 and 5."""
    gobgp = lab.gobgp("gw")
    gobgp.start()
    link.set_peers([gobgp.peer(Family.EVPN)])
    mac_ip = MacIpRoute(RD, Mac.parse("fa:16:3e:00:00:01"), Ip.parse("10.1.0.5"))
    six = MacIpRoute(RD, Mac.parse("fa:16:3e:00:00:01"), Ip.parse("2001:db8::5"))
    mac = MacIpRoute(RD, Mac.parse("fa:16:3e:00:00:02"), None)
    moved = msgspec.structs.replace(OVERLAY, sequence=3)
    routed = msgspec.structs.replace(OVERLAY, router_mac=Mac.parse("02:00:00:00:00:09"))
    wanted: dict[Nlri, Path] = {
        mac_ip: moved,
        six: OVERLAY,
        mac: msgspec.structs.replace(OVERLAY, sticky=True),
        InclusiveMulticastRoute(RD, Ip.parse("10.0.0.1")): OVERLAY,
        IpPrefixRoute(RD, Prefix.parse("10.1.0.0/24")): routed,
        IpPrefixRoute(RD, Prefix.parse("2001:db8::/64")): routed,
    }
    for nlri, path in wanted.items():
        put(link, nlri, path)
    await until(lambda: len(gobgp.rib("evpn")) == len(wanted))
    text = gobgp.gobgp("global", "rib", "-a", "evpn")
    assert text.count(str(0xABCDE1)) >= len(wanted) - 1
    # A change of the VNI alone replaces the route; it does not stand beside the old one.
    for nlri, path in wanted.items():
        put(link, nlri, msgspec.structs.replace(path, vni=Vni(77)))
    await until(lambda: str(0xABCDE1) not in gobgp.gobgp("global", "rib", "-a", "evpn"))
    assert len(gobgp.rib("evpn")) == len(wanted)
    for nlri in wanted:
        put(link, nlri, None)
    await becomes(lambda: gobgp.rib("evpn"), {})

    learned = gobgp.gobgp
    learned("global", "rib", "add", "-a", "evpn", "macadv", "fa:16:3e:00:00:03", "10.1.0.7",
            "etag", "0", "label", "5001", "rd", "64512:1", "rt", "64512:1", "encap", "vxlan",
            "nexthop", gobgp.address)  # fmt: skip
    learned("global", "rib", "add", "-a", "evpn", "multicast", gobgp.address, "etag", "0",
            "rd", "64512:1", "rt", "64512:1", "encap", "vxlan",
            "pmsi", "ingress-repl", "5001", gobgp.address)  # fmt: skip
    learned("global", "rib", "add", "-a", "evpn", "prefix", "10.7.0.0/16", "etag", "0",
            "label", "5002", "rd", "64512:1", "rt", "64512:1", "encap", "vxlan",
            "router-mac", "02:00:00:00:00:01")  # fmt: skip
    await until(lambda: len(link.learned) == 3)
    vnis = sorted(path.vni for path in link.learned.values())
    assert vnis == [5001, 5001, 5002]
    assert {path.encapsulations for path in link.learned.values()} == {(Encapsulation.VXLAN,)}
