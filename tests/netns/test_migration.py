"""Live migration by the real controller, agents and switches, as Nova asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdnctl.lab.process import wait_for
from tests.netns.migration import Guest, Pings, Site, site, talk

pytestmark = [pytest.mark.netns, pytest.mark.alone]

RATE = 250

ICMP = {"direction": "ingress", "ethertype": "IPv4", "protocol": "icmp"}
TCP = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": 7000,
    "port_range_max": 7000,
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Site]:
    with site() as made:
        yield made


@pytest.fixture(scope="module")
def peer(cloud: Site) -> Guest:
    """Who the guests talk to."""
    return cloud.guest("peer", "red", "hv2", [cloud.group("peer", TCP, ICMP)])


def claims(cloud: Site, guest: Guest) -> dict[str, int]:
    """The sequence number of each hypervisor's claim to the guest's MAC address."""
    rows = cloud.api.list("/sdn/v1/routes", "routes")
    return {
        row["source"]: row["sequence"]
        for row in rows
        if row["type"] == "mac-ip" and row["prefix"] == guest.port["mac_address"]
    }


def lost(pings: Pings, begin: float, end: float) -> int:
    """Pings of that time that were lost."""
    return sum(count for sent, count in pings.gaps if begin <= sent < end)


@pytest.mark.parametrize("tenant", ["red", "blue"])
def test_a_guest_moves_under_traffic(cloud: Site, tenant: str) -> None:
    """From its own hypervisor, another, the destination's (routed), and through the gateway;
    red is on VXLAN, blue on MPLS over GRE, and the gateway on the latter for both."""
    guest = cloud.guest(f"{tenant}-mover", tenant, "hv1", [cloud.group("ping", ICMP)])
    sources = (f"{tenant}-web1", f"{tenant}-web3", f"{tenant}-db2", f"outside-{tenant}")
    for moves, (source, target) in enumerate((("hv1", "hv3"), ("hv3", "hv1"))):
        assert claims(cloud, guest) == {source: moves}
        with cloud.pings(RATE, guest.address, *sources) as pings:
            guest.bind(target)
            assert claims(cloud, guest) == {source: moves}, "it is not announced there yet"
            cut = time.monotonic()
            guest.run_at(target, off=source)
            guest.activate(target)
            assert guest.shown()["status"] == "ACTIVE", "its VIF was plugged there before"
            assert claims(cloud, guest) == {target: moves + 1}
            time.sleep(0.5)
            guest.unbind(source)
        for name, row in pings.items():
            assert row.sent > RATE, f"{name}: {row}"
            assert lost(row, cut - 0.05, cut + 1) <= RATE / 2, f"{name}: {row}"
            # A userspace switch that gets or loses a port may drop what is on its way just then.
            assert row.lost - lost(row, cut - 0.05, cut + 1) <= RATE / 5, f"{name}: {row}"
        assert guest.shown()["binding:host_id"] == target


def test_nova_without_port_bindings(cloud: Site) -> None:
    """It says ``migrating_to`` in the profile, and at the end another ``host_id``."""
    guest = cloud.guest("older", "red", "hv1", [cloud.group("ping", ICMP)])
    profile = {"binding:profile": {"migrating_to": "hv3"}}
    cloud.api.send("PUT", guest.path, {"port": profile})
    guest.plug("hv3")
    wait_for("the destination", lambda: cloud.plugged(guest, "hv3"))
    with cloud.pings(RATE, guest.address, "red-web3") as pings:
        guest.run_at("hv3", off="hv1")
        there: dict[str, Any] = {"binding:host_id": "hv3", "binding:profile": {}}
        cloud.api.send("PUT", guest.path, {"port": there})
        guest.unplug("hv1")
    assert pings["red-web3"].lost <= RATE / 2
    assert guest.shown()["status"] == "ACTIVE"
    assert claims(cloud, guest) == {"hv3": 1}


def test_a_migration_that_fails_leaves_all_as_it_was(cloud: Site) -> None:
    guest = cloud.guest("stays", "red", "hv1", [cloud.group("ping", ICMP)])
    with cloud.pings(RATE, guest.address, "red-web3") as pings:
        guest.bind("hv3")
        guest.unbind("hv3")
    assert pings["red-web3"].lost <= RATE / 5
    assert claims(cloud, guest) == {"hv1": 0}
    # And one that fails after the binding was activated goes back.
    guest.bind("hv3")
    guest.activate("hv3")
    guest.activate("hv1")
    guest.unbind("hv3")
    assert claims(cloud, guest) == {"hv1": 2}
    with cloud.pings(RATE, guest.address, "red-web3") as pings:
        pass
    assert not pings["red-web3"].lost


@pytest.mark.parametrize(
    ("guest_serves", "guest_sends", "peer_sends", "closed"),
    [
        pytest.param(False, 0, 0.02, False, id="it-downloads-with-no-rule-to-let-anything-in"),
        pytest.param(True, 0.02, 0, True, id="it-serves-with-no-rule-to-let-anything-out"),
        pytest.param(True, 0, 0.02, True, id="it-is-served-with-no-rule-to-let-anything-out"),
        pytest.param(False, 0.05, 0.05, False, id="both-speak"),
    ],
)
def test_a_connection_goes_on(
    cloud: Site,
    peer: Guest,
    guest_serves: bool,
    guest_sends: float,
    peer_sends: float,
    closed: bool,
) -> None:
    """There and back. The connection tracker of the destination has never heard of it, and in the
    first two cases no rule lets in, or out, what is said first."""
    rules = [TCP] if closed else []
    group = cloud.group("closed" if closed else "plain", *rules, closed=closed)
    guest = cloud.guest(f"talker{time.monotonic_ns()}", "red", "hv1", [group])
    client, server = (peer, guest) if guest_serves else (guest, peer)
    ours, theirs = ("server", "client") if guest_serves else ("client", "server")
    sends = {ours: guest_sends, theirs: peer_sends}
    hearers = [end for end, other in ((ours, theirs), (theirs, ours)) if sends[other]]
    with talk(
        *(cloud, client.namespace, server.namespace, server.address),
        client_sends=sends["client"],
        server_sends=sends["server"],
    ) as made:
        for source, target in (("hv1", "hv3"), ("hv3", "hv1")):
            for end in hearers:
                made.hears(end)
            guest.migrate(source, target)
            for end in hearers:
                made.hears(end)


def test_removing_a_rule_cuts_what_was_picked_up(cloud: Site, peer: Guest) -> None:
    """A download that came along: the rule that let the guest ask for it goes."""
    group = cloud.group("plain")
    guest = cloud.guest("cut", "red", "hv1", [group])
    with talk(
        *(cloud, guest.namespace, peer.namespace, peer.address), client_sends=0, server_sends=0.02
    ) as made:
        made.hears("client")
        guest.migrate("hv1", "hv3")
        made.hears("client")
        rules = cloud.api.list(
            f"/v2.0/security-group-rules?security_group_id={group}&direction=egress",
            "security_group_rules",
        )
        for rule in rules:
            cloud.api.send("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
        wait_for("silence", lambda: made.is_silent("client", 2), timeout=15)
