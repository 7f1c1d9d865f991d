"""An operator's day with real peers: made, looked at, changed and removed through ``sdnctl``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.cli.client import Client
from tests.interop.routers import Gobgp, Lab
from tests.waiting import wait_for

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}

Sdnctl = Callable[[str], Any]


@pytest.fixture
def url(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """Of a controller in the namespace that the routers are around."""
    inside = ("ip", "netns", "exec", lab.namespace, sys.executable, "-m", "sdnctl.app")
    options = ("--api", "127.0.0.1:9696", "--agents", "127.0.0.1:9697", "--insecure")
    socket = tmp_path / "state" / "api.sock"
    with (tmp_path / "log").open("wb") as log:
        command = (*inside, "--state-dir", str(socket.parent), *options, "--router-id", "10.99.0.1")
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or socket.exists(), 30)
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield f"unix://{socket}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def sdnctl(url: str) -> Sdnctl:
    """Run a command as an operator does; what it answers in JSON, if it answers."""

    def run(line: str) -> Any:
        program = [sys.executable, "-m", "sdnctl.cli.main", "--url", url, "-o", "json"]
        done = subprocess.run(
            [*program, *line.split()],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return run


VPNS = "/v2.0/bgpvpn/bgpvpns"


def tenant(url: str) -> str:
    """A routed network with a port at 10.0.0.50, whose router is in a BGP VPN of 64512:1.

    The path of the router's association with it.
    """
    with Client(url) as api:
        api.post("/sdn/v1/hypervisors", {"hypervisor": {"id": "hv1", "vtep": "10.99.0.7"}})
        network = api.post("/v2.0/networks", {"network": {}})["network"]["id"]
        subnet = {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}
        subnet_id = api.post("/v2.0/subnets", {"subnet": subnet})["subnet"]["id"]
        router = api.post("/v2.0/routers", {"router": {}})["router"]["id"]
        api.put(f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet_id})
        port = {
            "network_id": network,
            "fixed_ips": [{"ip_address": "10.0.0.50"}],
            "binding:host_id": "hv1",
        }
        api.post("/v2.0/ports", {"port": port})
        vpn = {"route_targets": ["64512:1"], "local_pref": 150, "sdn:communities": ["64512:77"]}
        where = f"{VPNS}/{api.post(VPNS, {'bgpvpn': vpn})['bgpvpn']['id']}/router_associations"
        one = api.post(where, {"router_association": {"router_id": router}})
        return f"{where}/{one['router_association']['id']}"


def test_peers_come_change_and_go(lab: Lab, url: str, sdnctl: Sdnctl) -> None:
    routers: dict[str, Gobgp] = {}
    for name in ("g1", "g2"):
        routers[name] = lab.add(Gobgp, name, asn=64520)
        routers[name].start()
    association = tenant(url)

    def sessions() -> dict[str, Any]:
        return {session["peer"]: session for session in sdnctl("bgp sessions")}

    def up(*names: str) -> bool:
        return {n for n, s in sessions().items() if s["state"] == "established"} == set(names)

    def received(name: str) -> list[tuple[str, list[int]]]:
        return [(r["prefix"], r["vrfs"]) for r in sdnctl(f"bgp routes {name} received")]

    def holds(name: str) -> bool:
        return "10.0.0.50/32" in routers[name].gobgp("global", "rib", "-a", "vpnv4")

    for name, router in routers.items():
        families = f"--family ipv4-vpn --family ipv6-vpn --group {name}"
        sdnctl(f"bgp peer create {name} --address {router.address} --asn 64520 {families}")
    wait_for(lambda: up("g1", "g2"), 30)

    # What they are told, by their own account.
    for name, router in routers.items():
        wait_for(lambda: holds(name), 30)  # noqa: B023 - called before the next
        [told] = sdnctl(f"bgp routes {name} advertised 10.0.0.0/24")
        assert (told["prefix"], told["next_hop"]) == ("10.0.0.50/32", "10.99.0.7")
        assert "64512:1" in told["route_targets"]
        own = router.gobgp("global", "rib", "-a", "vpnv4")
        assert "[64512:1]" in own
        assert "{Communities: 64512:77}" in own
        assert (told["local_preference"], told["communities"]) == (150, ["64512:77"])
        assert "ipv4-vpn" in told["families"]
        [why] = [
            said
            for said in sdnctl(f"bgp why {name} 10.0.0.50/32")["advertised"]
            if said["family"] == "ipv4-vpn"
        ]
        assert why["advertised"] is True, why

    # What they tell.
    def announce(target: str, prefix: str) -> None:
        rd = ("rd", "64520:1", "rt", target, "nexthop", routers["g1"].address)
        words = ("add", "-a", "vpnv4", prefix, "label", "100", *rd)
        routers["g1"].gobgp("global", "rib", *words)

    announce("64512:1", "203.0.113.0/24")
    announce("64512:9", "198.51.100.0/24")
    wait_for(lambda: len(received("g1")) == 2, 30)
    assert received("g2") == []
    (_, nowhere), (_, vrfs) = received("g1")
    assert (nowhere, len(vrfs)) == ([], 1)
    [used] = sdnctl("bgp why g1 203.0.113.0/24")["received"]
    assert (used["used"], used["table"]) == (True, f"vrf/{vrfs[0]}")
    [unused] = sdnctl("bgp why g1 198.51.100.0/24")["received"]
    assert (unused["used"], "64512:9" in unused["reason"]) == (False, True)
    [explained] = sdnctl("route explain 203.0.113.9")
    assert [route["source"] for route in explained["routes"]] == ["g1"]

    # What leaves the BGP VPN is used no longer, and announced with the automatic target alone.
    with Client(url) as api:
        api.delete(association)
    [unused] = sdnctl("bgp why g1 203.0.113.0/24")["received"]
    assert unused["used"] is False
    [told] = sdnctl("bgp routes g1 advertised 10.0.0.0/24")
    assert "64512:1" not in told["route_targets"]

    # One changes, and then goes; the other's session stays as it was.
    other = sessions()["g2"]
    first = sessions()["g1"]
    sdnctl("bgp peer set g1 --hold-time 30")
    wait_for(lambda: up("g1", "g2") and sessions()["g1"]["since"] > first["since"], 60)
    wait_for(lambda: len(received("g1")) == 2, 30)
    sdnctl("bgp peer delete g1")
    wait_for(lambda: up("g2"), 30)
    wait_for(lambda: not holds("g1"), 60)
    assert sdnctl("route list --source g1") == []
    assert sessions()["g2"]["since"] == other["since"]
    assert sdnctl("bgp why g2 203.0.113.0/24")["advertised"] == []
