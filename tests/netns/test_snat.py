"""SNAT on each hypervisor and on one, with failover; port forwardings; what is never translated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sdnctl.graph.relations.inputs import HYPERVISOR_DOWN
from sdnctl.graph.relations.wayout import ELECTED
from sdnctl.types import Encapsulation
from tests.netns.site import WORLD_4, WORLD_6, Site
from tests.netns.test_floating import ENCAPSULATIONS

pytestmark = pytest.mark.netns

MakeSite = Callable[[int, Encapsulation], Awaitable[Site]]


async def drops(here: Site, host: str) -> dict[str, int]:
    return await here.agents[host].reconciler.drops()


@ENCAPSULATIONS
async def test_each_hypervisor_hides_its_own(site: MakeSite, encapsulation: Encapsulation) -> None:
    here = await site(2, encapsulation)
    await here.commit(
        *here.tenant(0, distributed=True),
        *here.tenant(1, distributed=True),
        here.hiding("h0", 100),
        here.hiding("h1", 101),
    )
    await here.commit(
        here.guest("0a", 1, "h0"),
        here.guest("1a", 1, "h0"),  # the same addresses
        here.guest("0b", 2, "h1"),
        here.guest("1b", 3, "h0"),
        here.guest("0b", 4, "h1"),
    )
    await here.commit(here.floating(53, "1b3"), here.floating(54, "0b4"))
    here.serve("world", 7777)
    here.serve("1b3", 7777)
    for guest, address in (("0a1", "203.0.113.100"), ("1a1", "203.0.113.100"),
                           ("0b2", "203.0.113.101")):  # fmt: skip
        assert await here.ping(guest, WORLD_4) == 3
        for kind in ("udp", "tcp"):
            # two tenants' guests with one address and port are told apart
            seen = await here.ask(guest, kind, WORLD_4, 7777, 4444)
            assert seen[:1] == [address], (guest, kind)
            seen = await here.ask(guest, kind, "203.0.113.53", 7777, 4444)
            assert seen[:1] == [address], (guest, kind)
        assert await here.ping(guest, "203.0.113.54") == 3  # of the other tenant, of one's own
        assert await here.ping(guest, WORLD_6) == 3
    seen = await here.ask("0a1", "udp", WORLD_6, 7777)
    assert seen[0] == "2001:db8::1"
    before = await drops(here, "h0")
    for _ in range(3):
        assert await here.ask("world", "udp", "203.0.113.100", 7777) == [], "nobody asked for it"
    after = await drops(here, "h0")
    assert after["not_translated"] - before.get("not_translated", 0) == 3
    for address in ("203.0.113.100", "203.0.113.101"):
        for source in ("world", "0a1", "0b2"):
            assert await here.ping(source, address) == 3, (source, address)
    assert await here.ping("world", "2001:db8:0:0::1") == 3
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []


@ENCAPSULATIONS
async def test_one_hypervisor_hides_all_and_another_takes_over(
    site: MakeSite, encapsulation: Encapsulation
) -> None:
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0), *here.tenant(1))
    await here.commit(
        here.guest("0a", 1, "h0"),
        here.guest("0b", 2, "h1"),
        here.guest("1a", 1, "h0"),
        here.guest("1a", 3, "h1"),
    )
    await here.commit(here.floating(53, "1a3"))
    here.serve("world", 7777)
    guests = {"0a1": "203.0.113.200", "0b2": "203.0.113.200", "1a1": "203.0.113.201"}
    for _turn in range(2):
        for guest, address in guests.items():
            assert await here.ping(guest, WORLD_4) == 3, guest
            for kind in ("udp", "tcp"):
                seen = await here.ask(guest, kind, WORLD_4, 7777)
                assert seen[:1] == [address], (guest, kind)
            assert await here.ping(guest, "203.0.113.53") == 3
            assert await here.ping(guest, WORLD_6) == 3
            assert (
                await here.ping("world", f"2001:db8:{guest[0]}:{'ab'.index(guest[1])}::{guest[2]}")
                == 3
            )
        elected = here.reached()["203.0.113.200"]
        assert here.row(ELECTED, "r0").host == elected
        for source in ("world", *guests):
            assert await here.ping(source, "203.0.113.200") == 3, source
        await here.commit((HYPERVISOR_DOWN, elected, True))
        assert here.reached()["203.0.113.200"] != elected
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []


@ENCAPSULATIONS
@pytest.mark.parametrize("distributed", [False, True])
@pytest.mark.parametrize("snat", [False, True])
async def test_ports_of_a_floating_ip_are_forwarded(
    site: MakeSite, encapsulation: Encapsulation, distributed: bool, snat: bool
) -> None:
    here = await site(2, encapsulation)
    await here.commit(*here.tenant(0, distributed=distributed, snat=snat))
    if distributed and snat:
        await here.commit(here.hiding("h0", 100), here.hiding("h1", 101))
    await here.commit(here.guest("0a", 1, "h0"), here.guest("0b", 2, "h1"))
    await here.commit(
        *here.forwarded(60, "0a1", 6, 80, 80, 8080, 8080),
        *here.forwarded(60, "0b2", 6, 81, 81, 8080, 8080),
        *here.forwarded(60, "0b2", 17, 5000, 5003, 6000, 6003),
        *here.forwarded(60, "0a1", 17, 7000, 7003, 6000, 6000),
    )
    here.serve("0a1", 8080, 6000)
    here.serve("0b2", 8080, 6001, 6003)
    here.serve("world", 7777)
    world = [WORLD_4]
    for kind, port in (("tcp", 80), ("tcp", 81), ("udp", 5001), ("udp", 5003), ("udp", 7000),
                       ("udp", 7002)):  # fmt: skip
        seen = await here.ask("world", kind, "203.0.113.60", port)
        assert seen[:1] == world, (kind, port)
    assert await here.ask("world", "tcp", "203.0.113.60", 82) == []
    assert await here.ask("world", "udp", "203.0.113.60", 5000) == ["ConnectionRefusedError"]
    for guest, host in (("0a1", "100"), ("0b2", "101")):
        seen = await here.ask(guest, "udp", WORLD_4, 7777)
        address = f"203.0.113.{host if distributed else 200}"
        if snat:
            assert seen[:1] == [address]
        else:
            assert seen[0].startswith("10.0.")
    for agent in here.agents.values():
        assert await agent.reconciler.audit() == []
