"""An address that two guests share (VRRP): whoever says that it has it is reached by it.

As keepalived does it: the new master has the address on its interface and says so, gratuitously.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from sdnctl.lab import netns, services
from sdnctl.lab.process import run, wait_for
from tests.netns.migration import Guest, Site, site

pytestmark = [pytest.mark.netns, pytest.mark.alone]

RATE = 250
VIP = "10.0.0.200"
ICMP = {"direction": "ingress", "ethertype": "IPv4", "protocol": "icmp"}

GRATUITOUS = """
import socket, sys
ip, mac = socket.inet_aton(sys.argv[1]), bytes.fromhex(sys.argv[2].replace(":", ""))
op = sys.argv[3]
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
for _ in range(2):
    sock.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + b"\\0\\1\\x08\\0\\6\\4" + bytes((0, int(op)))
              + mac + ip + b"\\xff" * 6 + ip)
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Site]:
    with site() as made:
        yield made


def take(guest: Guest, op: int = 1) -> None:
    """It becomes the master."""
    netns.configure(guest.namespace, [f"address replace {VIP}/32 dev eth0"])
    mac = guest.port["mac_address"]
    run(netns.inside(guest.namespace, [sys.executable, "-c", GRATUITOUS, VIP, mac, str(op)]))


def leave(guest: Guest) -> None:
    """It is the master no more."""
    netns.configure(guest.namespace, [f"address delete {VIP}/32 dev eth0"])


def reaches(cloud: Site, source: str) -> bool:
    return netns.ping(cloud.lab.namespace(source), VIP)


def holders(cloud: Site) -> dict[str, int]:
    """Which hypervisors' routes lead to the address, and their numbers in MAC mobility."""
    rows = cloud.api.list("/sdn/v1/routes", "routes")
    return {row["source"]: row["sequence"] for row in rows if row.get("ip") == VIP}


SOURCES = ("red-web3", "red-web1", "red-db2", "red-db1", "outside-red")
"""In its network, by the router from two hypervisors, and through the gateway."""


def test_a_shared_address_follows_who_takes_it(cloud: Site) -> None:
    groups = [cloud.group("ping", ICMP)]
    one, two = (cloud.guest(f"vrrp-{host}", "red", host, groups) for host in ("hv1", "hv3"))
    for guest in (one, two):
        pairs = {"allowed_address_pairs": [{"ip_address": VIP}]}
        cloud.api.send("PUT", guest.path, {"port": pairs})
    assert not any(reaches(cloud, source) for source in SOURCES[2:]), "nobody has it yet"
    take(one)
    for source in SOURCES:
        wait_for(f"{source} reaches it", lambda s=source: reaches(cloud, s))  # type: ignore[misc]
    assert holders(cloud) == {"hv1": 0}

    for number, (old, new, op) in enumerate(((one, two, 1), (two, one, 2)), 1):
        with cloud.pings(RATE, VIP, *SOURCES) as pings:
            leave(old)
            take(new, op)
            time.sleep(0.5)
        assert holders(cloud) == {"hv3" if new is two else "hv1": number}
        for source, row in pings.items():
            assert row.lost < RATE, f"{source}: {row}"

    # A controller that is killed learns it again from the agents, and who said so last has it.
    process = cloud.lab.process("controller", "sdnctl-controller")
    cloud.lab.exec("controller", ["kill", "-9", str(process.pid)])
    wait_for("the end of the controller", lambda: not process.alive)
    time.sleep(1)
    services.start_controller(cloud.lab, cloud.lab.node("controller"))
    wait_for("the address is known again", lambda: set(holders(cloud)) == {"hv1"}, timeout=30)
    for source in SOURCES:
        wait_for(f"{source} reaches it", lambda s=source: reaches(cloud, s))  # type: ignore[misc]

    # Whoever may not have it any more has not.
    cloud.api.send("PUT", one.path, {"port": {"allowed_address_pairs": []}})
    wait_for("it is gone", lambda: not holders(cloud))
    assert not reaches(cloud, "red-db1")
