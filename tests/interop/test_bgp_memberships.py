"""Route target constraint (RFC 4684) with GoBGP, the one of the three that has it."""

from __future__ import annotations

import msgspec
import pytest

from sdnctl.bgp.peer import Family
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, MembershipRoute, Path, RouteKey
from sdnctl.types import Ip, Prefix, RouteTarget
from tests.interop.base import ASN
from tests.interop.cases import CASES, MPLS, THEIR_RD
from tests.interop.routers import Gobgp, Lab, Link
from tests.waiting import becomes, until

pytestmark = [pytest.mark.interop, pytest.mark.netns]

RED, BLUE = RouteTarget.parse("64512:101"), RouteTarget.parse("64512:102")
WANTED = Path(next_hop=Ip(bytes(4)), route_targets=(), encapsulations=())
EVERYTHING = MembershipRoute(0, None, 0)


class Constrained(Gobgp):
    """GoBGP that tells its peers what it wants, and sends them what they want."""

    families = (Family.IPV4_VPN, Family.ROUTE_TARGET)

    def memberships(self) -> set[str]:
        """Of the speaker, as origin AS and target."""
        return {
            path["nlri"]["prefix"]
            for paths in self.rib(Family.ROUTE_TARGET).values()
            for path in paths
            if path.get("neighbor-ip") == self.neighbor
        }


@pytest.fixture
async def gobgp(lab: Lab, link: Link) -> Constrained:
    router = lab.add(Constrained, "gw")
    router.start()
    link.set_peers([router.peer()])
    await until(lambda: link.up("gw"))
    return router


def want(link: Link, membership: MembershipRoute, *, on: bool = True) -> None:
    link.update([Change(RouteKey("gw", membership), None, WANTED if on else None)])


async def test_ask(link: Link, gobgp: Constrained) -> None:
    """A peer holds what we ask for, and sends that alone."""
    keys = {}
    for target, text in ((RED, "10.1.0.0/24"), (BLUE, "10.2.0.0/24")):
        nlri = IpPrefixRoute(THEIR_RD, Prefix.parse(text))
        hop = Ip.parse(gobgp.address)
        gobgp.say(nlri, msgspec.structs.replace(MPLS, next_hop=hop, route_targets=(target,)))
        keys[target] = RouteKey("gw", nlri)

    def heard() -> set[RouteKey]:
        return {key for key in link.learned if isinstance(key.nlri, IpPrefixRoute)}

    red, blue = (MembershipRoute(ASN, target) for target in (RED, BLUE))
    want(link, red)
    await becomes(gobgp.memberships, {f"{ASN}:{RED}"})
    await becomes(heard, {keys[RED]})
    want(link, blue)
    await becomes(gobgp.memberships, {f"{ASN}:{RED}", f"{ASN}:{BLUE}"})
    await becomes(heard, {keys[RED], keys[BLUE]})
    want(link, red, on=False)
    await becomes(gobgp.memberships, {f"{ASN}:{BLUE}"})
    await becomes(heard, {keys[BLUE]})


async def test_be_asked(link: Link, gobgp: Constrained) -> None:
    """We hear what a peer asks for, until it asks for it no more."""
    key = RouteKey("gw", MembershipRoute(ASN, RED))
    gobgp.gobgp("vrf", "add", "red", "id", "1", "rd", "64512:9", "rt", "both", str(RED))
    await until(lambda: key in link.learned)
    gobgp.gobgp("vrf", "del", "red")
    await until(lambda: key not in link.learned)


async def test_speaker_killed(lab: Lab, link: Link, gobgp: Constrained) -> None:
    """What we ask for, and with it what we get, outlives the speaker."""
    nlri = IpPrefixRoute(THEIR_RD, Prefix.parse("10.1.0.0/24"))
    hop = Ip.parse(gobgp.address)
    gobgp.say(nlri, msgspec.structs.replace(CASES[0].path, next_hop=hop, route_targets=(RED,)))
    want(link, MembershipRoute(ASN, RED))
    await until(lambda: RouteKey("gw", nlri) in link.learned)
    link.changes.clear()
    lab.kill_speaker()
    await until(lambda: link.up("gw") and link.heard, 60)
    await becomes(gobgp.memberships, {f"{ASN}:{RED}"})
    assert RouteKey("gw", nlri) in link.learned
    assert link.changes == []
