"""Sessions of every kind with every router: eBGP, four-octet AS, MD5, TTL security, reflectors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Ip, Label, Prefix, Vni
from tests.interop.cases import CASES, MPLS, RD, theirs
from tests.interop.routers import Bird, Frr, Gobgp, Lab, Link, Router, run
from tests.interop.world import ROUTERS
from tests.waiting import becomes, until

pytestmark = [pytest.mark.interop, pytest.mark.netns]

VPNV4, VPNV6 = CASES[0], CASES[1]
NLRI, PATH = VPNV4.nlri, VPNV4.path


def put(link: Link, peer: str, nlri: Nlri, path: Path | None) -> None:
    link.update([Change(RouteKey(peer, nlri), None, path)])


def all_routers(lab: Lab, **settings: Any) -> dict[str, Router]:
    """One of each, started."""
    routers: dict[str, Router] = {n: lab.add(kind, n, **settings) for n, kind in ROUTERS.items()}
    for router in routers.values():
        router.start()
    return routers


async def holds(router: Router, family: Family, expected: dict[Nlri, Path]) -> None:
    await becomes(lambda: router.table(family), expected, 30)


async def hears(link: Link, key: RouteKey) -> Path:
    path: Path = await until(lambda: link.learned.get(key), 30, str(key))
    return path


async def exchange(link: Link, routers: dict[str, Router]) -> dict[str, Path]:
    """One VPNv4 route to each of them and one back; gives those."""
    link.set_peers(router.peer() for router in routers.values())
    heard: dict[str, Path] = {}
    for name, router in routers.items():
        put(link, name, NLRI, PATH)
        router.say(*theirs(VPNV4, router))
    for name, router in routers.items():
        await holds(router, Family.IPV4_VPN, {NLRI: PATH})
        nlri, path = theirs(VPNV4, router)
        heard[name] = await hears(link, RouteKey(name, nlri))
        assert heard[name].next_hop == path.next_hop
        assert heard[name].label == path.label
    return heard


@pytest.mark.parametrize(
    ("asn", "speaker_asn"),
    [(64600, 64512), (4200000001, 64512), (64600, 4200000002), (4200000001, 4200000002)],
)
async def test_ebgp(lab: Lab, link: Link, asn: int, speaker_asn: int) -> None:
    """The next hop stays the hypervisor's; AS numbers have two octets or four (RFC 6793)."""
    routers = all_routers(lab, asn=asn, speaker_asn=speaker_asn)
    for path in (await exchange(link, routers)).values():
        assert path.ebgp
        assert path.as_path == (asn,)


async def test_passwords_and_ttl_security(lab: Lab, link: Link) -> None:
    """RFC 2385 and RFC 5082, as each router has them."""
    await exchange(link, all_routers(lab, password="hush-hush", ttl_security=True))


async def test_wrong_password(lab: Lab, link: Link, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "pa ss;wo{rd}"
    frr = lab.add(Frr, "gw", password="hush-hush")
    frr.start()
    link.set_peers([frr.peer(password=secret)])
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


@pytest.mark.parametrize("kind", [Frr, Gobgp])
async def test_route_reflector(lab: Lab, link: Link, kind: type[Frr] | type[Gobgp]) -> None:
    """RFC 4456: another client hears us, and we hear it, by way of the reflector alone."""
    client_address = "10.99.2.2"
    reflector = lab.add(kind, "reflector", clients=(client_address,))
    client = lab.add(Bird, "client", neighbor=reflector.address)
    assert client.address == client_address
    reflector.start()
    client.start()
    link.set_peers([reflector.peer()])
    for case in (VPNV4, VPNV6):
        put(link, "reflector", case.nlri, case.path)
        nlri, path = theirs(case, client)
        client.say(nlri, path)
        await holds(client, case.family, {case.nlri: case.path})
        heard = await hears(link, RouteKey("reflector", nlri))
        assert (heard.next_hop, heard.label) == (path.next_hop, path.label)
        assert heard.router_id == Ip.parse(client.address)
        put(link, "reflector", case.nlri, None)
        client.unsay(nlri)
        await holds(client, case.family, {})
        await becomes(lambda: link.learned, {})


async def test_mapped_next_hop(lab: Lab, link: Link) -> None:
    """VPNv6 over an IPv4 underlay (RFC 4659 section 3.2.1.2); BIRD refuses it."""
    path = msgspec.structs.replace(VPNV6.path, next_hop=MPLS.next_hop)
    kinds: tuple[type[Router], ...] = (Frr, Gobgp)
    routers = [lab.add(kind, kind.__name__) for kind in kinds]
    for router in routers:
        router.start()
        put(link, router.name, VPNV6.nlri, path)
    link.set_peers(router.peer() for router in routers)
    for router in routers:
        await holds(router, Family.IPV6_VPN, {VPNV6.nlri: path})


async def test_route_refresh(lab: Lab, link: Link) -> None:
    """RFC 2918: they ask, and get all again. GoBGP asks nobody: it keeps what it was told."""
    routers: dict[str, Frr | Bird] = {
        "frr": lab.add(Frr, "frr"),
        "bird": lab.add(Bird, "bird"),
    }
    for router in routers.values():
        router.start()
    await exchange(link, dict(routers))

    def sent() -> dict[str, int]:
        return {session.peer: session.updates_sent for session in link.sessions}

    before = sent()
    for router in routers.values():
        router.ask_again()
    await until(lambda: all(sent()[name] > before[name] for name in routers))
    for router in routers.values():
        assert router.table(Family.IPV4_VPN) == {NLRI: PATH}
        assert router.withdrawals() == []


async def test_peers_do_not_disturb_each_other(lab: Lab, link: Link) -> None:
    stays, goes = lab.add(Frr, "stays"), lab.add(Frr, "goes")
    stays.start()
    goes.start()
    await exchange(link, {"stays": stays, "goes": goes})
    family = Family.IPV4_VPN

    link.set_peers([stays.peer()])
    assert {key.source for key in link.learned} == {"stays"}
    # Cease: the routes are gone at once, graceful restart or not.
    await holds(goes, family, {})
    withdrawn = len(goes.withdrawals())

    link.set_peers([stays.peer(), goes.peer(hold_time=30)])
    await holds(goes, family, {NLRI: PATH})
    await until(lambda: len(link.learned) == 2)

    # Other settings of the same peer: its session restarts, its routes do not.
    link.changes.clear()
    link.set_peers([stays.peer(), goes.peer(hold_time=60)])
    await until(lambda: goes.session().get("bgpTimerHoldTimeMsecs") == 60000)
    await holds(goes, family, {NLRI: PATH})
    assert len(goes.withdrawals()) == withdrawn
    assert link.changes == []
    assert stays.losses() == 0


async def test_passive(lab: Lab, link: Link) -> None:
    frr = lab.add(Frr, "gw", password="hush")
    frr.start()
    settings = {"local_address": Ip.parse(frr.speaker_address), "passive": True}
    link.set_peers([frr.peer(**settings)])
    put(link, "gw", NLRI, PATH)
    await holds(frr, Family.IPV4_VPN, {NLRI: PATH})
    lab.kill_speaker()
    await until(lambda: not link.connected)
    await until(lambda: link.up("gw"), 30)
    await holds(frr, Family.IPV4_VPN, {NLRI: PATH})
    assert frr.withdrawals() == []


async def test_prefix_of_both_worlds(lab: Lab, link: Link) -> None:
    """A path that accepts MPLS and VXLAN goes as VPNv4 and as EVPN type 5."""
    frr = lab.add(Frr, "gw")
    frr.start()
    link.set_peers([frr.peer()])
    nlri = IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32"))
    mpls = msgspec.structs.replace(MPLS, encapsulations=(Encapsulation.MPLS_GRE,))
    tunnels = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    both = msgspec.structs.replace(mpls, encapsulations=tunnels, vni=Vni(70000))
    vxlan = msgspec.structs.replace(both, encapsulations=tunnels[:1], label=Label(0))
    put(link, "gw", nlri, both)
    await holds(frr, Family.IPV4_VPN, {nlri: mpls})
    await holds(frr, Family.EVPN, {nlri: vxlan})
    put(link, "gw", nlri, vxlan)
    await holds(frr, Family.IPV4_VPN, {})
    await holds(frr, Family.EVPN, {nlri: vxlan})
