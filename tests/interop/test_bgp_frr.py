"""The speaker against FRR: what FRR's own VPN table, sessions and log say."""

from __future__ import annotations

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.interop.routers import Lab, Link, VpnRoute, run
from tests.waiting import becomes, until

pytestmark = [pytest.mark.interop, pytest.mark.netns]

RD = "10.0.0.1:7"
ROUTE = IpPrefixRoute(RouteDistinguisher.parse(RD), Prefix.parse("10.1.0.5/32"))
SHOWN = f"{RD} 10.1.0.5/32"
PATH = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"),),
    encapsulations=(Encapsulation.MPLS_GRE,),
    label=Label(1000),
)


def put(link: Link, peer: str, nlri: Nlri, path: Path | None) -> None:
    link.update([Change(RouteKey(peer, nlri), None, path)])


def shown(
    *, next_hop: str = "10.0.0.1", label: int = 1000, target: str = "64512:7", stale: bool = False
) -> VpnRoute:
    return VpnRoute(next_hop, label, frozenset((f"RT:{target}", "ET:2")), stale)


async def test_announce_change_withdraw(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw")
    frr.start()
    link.set_peers([frr.peer()])
    put(link, "gw", ROUTE, PATH)
    await becomes(frr.routes, {SHOWN: shown()})

    put(link, "gw", ROUTE, msgspec.structs.replace(PATH, label=Label(1001)))
    await becomes(frr.routes, {SHOWN: shown(label=1001)})

    put(link, "gw", ROUTE, msgspec.structs.replace(PATH, next_hop=Ip.parse("10.0.0.2")))
    await becomes(frr.routes, {SHOWN: shown(next_hop="10.0.0.2")})

    other = (RouteTarget.parse("64512:8"),)
    put(link, "gw", ROUTE, msgspec.structs.replace(PATH, route_targets=other))
    await becomes(frr.routes, {SHOWN: shown(target="64512:8")})
    assert frr.withdrawals() == []

    sent = link.sessions[0].updates_sent
    frr.vtysh(f"clear bgp ipv4 vpn {frr.speaker_address} soft in")  # route refresh, RFC 2918
    await until(lambda: link.sessions[0].updates_sent > sent)
    await becomes(frr.routes, {SHOWN: shown(target="64512:8")})

    put(link, "gw", ROUTE, None)
    await becomes(frr.routes, {})
    assert link.settled
    (session,) = link.sessions
    assert session.up
    assert session.established == 1


async def test_ipv6_vpn_has_a_mapped_next_hop(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw")
    frr.start()
    frr.announce("2001:db8:9::/48", 77)
    link.set_peers([frr.peer(Family.IPV4_VPN, Family.IPV6_VPN)])
    route = IpPrefixRoute(ROUTE.rd, Prefix.parse("2001:db8:1::5/128"))
    put(link, "gw", route, PATH)
    expected = shown(next_hop="::ffff:a00:1")
    await becomes(lambda: frr.routes("ipv6"), {f"{RD} 2001:db8:1::5/128": expected})
    await until(lambda: link.learned)
    ((key, path),) = link.learned.items()
    assert str(key.nlri.prefix) == "2001:db8:9::/48"  # type: ignore[union-attr]
    assert (path.label, path.next_hop) == (77, Ip.parse(frr.address))


async def test_learn_change_withdraw(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw", asn=64600)
    frr.start(f" neighbor {frr.speaker_address} ebgp-multihop 2")
    link.set_peers([frr.peer()])
    frr.announce("203.0.113.0/24", 100)
    await until(lambda: link.learned)
    ((key, path),) = link.learned.items()
    assert key.source == "gw"
    assert key.nlri == IpPrefixRoute(
        RouteDistinguisher.parse("64512:1"), Prefix.parse("203.0.113.0/24")
    )
    assert path == Path(
        next_hop=Ip.parse(frr.address),
        route_targets=(RouteTarget.parse("64512:1"),),
        encapsulations=(),
        label=Label(100),
        as_path=(64600,),
        peer=True,
        ebgp=True,
        router_id=Ip.parse(frr.address),
    )
    frr.announce("203.0.113.0/24", 100, on=False)
    frr.announce("203.0.114.0/24", 101)
    await until(lambda: len(link.learned) == 1 and key not in link.learned)
    assert [(c.old is None, c.new is None) for c in link.changes if c.key == key] == [
        (True, False),
        (False, True),
    ]
    # To an eBGP peer the next hop stays the hypervisor's, and our AS is put in front.
    put(link, "gw", ROUTE, PATH)
    await becomes(frr.routes, {SHOWN: shown()})


async def test_peer_killed_and_back(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw")
    frr.start(" bgp graceful-restart", " bgp graceful-restart preserve-fw-state")
    link.set_peers([frr.peer()])
    put(link, "gw", ROUTE, PATH)
    frr.announce("203.0.113.0/24", 100)
    frr.announce("203.0.114.0/24", 100)
    await until(lambda: len(link.learned) == 2)
    await becomes(frr.routes, {SHOWN: shown()})
    link.changes.clear()

    frr.kill()
    await until(link.up)
    assert link.changes == []  # RFC 4724: forwarding goes on
    frr.restart()
    await until(lambda: link.up("gw"))
    await becomes(frr.routes, {SHOWN: shown()})
    # Its vtysh configuration is lost: End-of-RIB sweeps what it does not repeat.
    await until(lambda: link.learned == {})
    assert all(change.new is None for change in link.changes)


async def test_speaker_killed_and_back(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw")
    frr.start()
    link.set_peers([frr.peer()])
    put(link, "gw", ROUTE, PATH)
    frr.announce("203.0.113.0/24", 100)
    await becomes(frr.routes, {SHOWN: shown()})
    await until(lambda: link.learned)
    link.changes.clear()
    lab.kill_speaker()
    await becomes(frr.routes, {SHOWN: shown(stale=True)})
    await until(lambda: link.up("gw"))
    await becomes(frr.routes, {SHOWN: shown()})
    assert frr.connections() == (2, 1)
    assert frr.withdrawals() == []
    await until(lambda: link.sessions[0].routes_in == 1)
    assert link.changes == []

    # A route that went while the speaker was away is swept by End-of-RIB.
    lab.kill_speaker()
    await until(lambda: not link.connected)
    put(link, "gw", ROUTE, None)
    await becomes(frr.routes, {})


async def test_controller_restart(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw")
    frr.start()
    gone = IpPrefixRoute(ROUTE.rd, Prefix.parse("10.1.0.6/32"))
    link.set_peers([frr.peer()])
    put(link, "gw", ROUTE, PATH)
    put(link, "gw", gone, PATH)
    frr.announce("203.0.113.0/24", 100)
    await until(lambda: len(frr.routes()) == 2)
    await until(lambda: link.learned)
    await link.stop(keep_speaker=True)

    after = Link(lab)
    after.set_peers([frr.peer()])
    put(after, "gw", ROUTE, PATH)
    await after.start()
    try:
        await becomes(frr.routes, {SHOWN: shown()})
        assert frr.connections() == (1, 0)
        (line,) = frr.withdrawals()
        assert "10.1.0.6/32" in line
        await until(lambda: after.learned == link.learned)
    finally:
        await after.stop()


async def test_peers_do_not_disturb_each_other(lab: Lab, link: Link) -> None:
    stays, goes = lab.frr("stays"), lab.frr("goes")
    stays.start()
    goes.start()
    link.set_peers([stays.peer(), goes.peer()])
    for name in ("stays", "goes"):
        put(link, name, ROUTE, PATH)
    goes.announce("203.0.113.0/24", 100)
    await becomes(lambda: stays.routes() | goes.routes(), {SHOWN: shown()})
    await until(lambda: link.learned)

    link.set_peers([stays.peer()])
    assert link.learned == {}
    # Cease: the routes are gone at once, graceful restart or not.
    await becomes(goes.routes, {})
    assert "Cease/Peer De-configured" in str(goes.session().values()) or (
        goes.session()["lastResetDueTo"] == "BGP Notification received"
    )

    link.set_peers([stays.peer(), goes.peer(hold_time=30)])
    await becomes(goes.routes, {SHOWN: shown()})
    await until(lambda: link.learned)

    # Other settings of the same peer: its session restarts, its routes do not.
    link.changes.clear()
    link.set_peers([stays.peer(), goes.peer(hold_time=60)])
    await until(lambda: goes.session().get("bgpTimerHoldTimeMsecs") == 60000)
    await becomes(goes.routes, {SHOWN: shown()})
    assert goes.withdrawals() == []
    assert link.changes == []
    assert stays.connections() == (1, 0)


async def test_password(lab: Lab, link: Link, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "pa ss;wo{rd}"
    frr = lab.frr("gw", password="hush-hush")
    frr.start()
    wrong = msgspec.structs.replace(frr.peer(), password=secret)
    link.set_peers([wrong])
    await until(lambda: link.connected)
    await until(lambda: link.sessions[0].last_error, what="an error")
    assert link.up()
    link.set_peers([frr.peer()])
    await until(lambda: link.up("gw"))
    for pid in lab.speakers():
        for name in ("cmdline", "environ"):
            assert "hush" not in run("cat", f"/proc/{pid}/{name}")
    captured = "".join(capfd.readouterr())
    assert "hush" not in captured
    assert secret not in captured
    assert "hush" not in repr(frr.peer())
    assert lab.socket.stat().st_mode & 0o777 == 0o600


async def test_passive(lab: Lab, link: Link) -> None:
    frr = lab.frr("gw", password="hush")
    frr.start()
    settings = {"local_address": Ip.parse(frr.speaker_address), "passive": True}
    link.set_peers([frr.peer(**settings)])
    put(link, "gw", ROUTE, PATH)
    await becomes(frr.routes, {SHOWN: shown()})
    lab.kill_speaker()
    await until(lambda: not link.connected)
    await until(lambda: link.up("gw"))
    await becomes(frr.routes, {SHOWN: shown()})
    assert frr.withdrawals() == []


async def test_vxlan_is_not_a_vpnv4_route(lab: Lab, link: Link) -> None:
    """A path that accepts both worlds goes as VPNv4 for MPLS and as EVPN type 5 for VXLAN."""
    frr = lab.frr("gw")
    frr.start()
    link.set_peers([frr.peer(Family.IPV4_VPN, Family.EVPN)])
    both = msgspec.structs.replace(
        PATH, encapsulations=(Encapsulation.VXLAN, Encapsulation.MPLS_GRE), vni=Vni(70000)
    )
    put(link, "gw", ROUTE, both)
    await becomes(frr.routes, {SHOWN: shown()})
    await until(lambda: "[32]:[10.1.0.5]" in frr.vtysh("show bgp l2vpn evpn route"))
    put(link, "gw", ROUTE, msgspec.structs.replace(both, label=Label(0)))
    await becomes(frr.routes, {})
    assert "[32]:[10.1.0.5]" in frr.vtysh("show bgp l2vpn evpn route")
