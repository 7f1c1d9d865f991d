"""The command line against the real API on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdnctl.api import JsonResponse, Settings, make_app
from sdnctl.bgp.peer import families_of
from sdnctl.cli import completion
from sdnctl.cli.client import Client
from sdnctl.cli.main import commands, main
from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.inspect.rest import make_routes
from sdnctl.store import Store
from tests.unit.inspect.test_adjribs import SESSIONS as PEERS
from tests.unit.inspect.test_adjribs import cloud

ROUTES = [
    {
        "table": "vrf/1000",
        "type": "prefix",
        "prefix": "10.0.0.5/32",
        "rd": "192.0.2.11:7",
        "next_hop": "192.0.2.11",
        "encapsulations": ["vxlan", "mpls-gre"],
        "label": 1017,
        "vni": 1000,
        "source": "hv1",
        "best": True,
        "route_targets": ["64512:8000001"],
    },
    {
        "table": "evi/1001",
        "type": "mac-ip",
        "prefix": "fa:16:3e:00:00:01",
        "ip": "10.0.0.5",
        "rd": "192.0.2.11:8",
        "next_hop": "192.0.2.11",
        "encapsulations": [],
        "label": 0,
        "vni": 1001,
        "source": "hv1",
        "best": False,
        "route_targets": [],
    },
]
TOPOLOGY = {
    "nodes": [
        {"id": "hv1", "kind": "hypervisor", "address": "192.0.2.11"},
        {"id": "leaf", "kind": "switch", "address": None},
    ],
    "links": [{"a": "hv1", "b": "leaf", "cost": 3}],
    "evis": [{"vni": 1001, "name": "web", "network_id": "n-1", "members": ["hv1"]}],
    "vrfs": [{"vni": 1000, "label": 17, "name": "red", "router_id": "r-1", "members": ["hv1"]}],
}

AGENTS = [
    {
        "hypervisor": "hv1",
        "revision": 7,
        "in_sync": True,
        "sent": 9,
        "received": 9,
        "programmed": 8,
        "failures": {"port/p-1": "no such interface"},
        "drops": {"spoofed_ip": 3},
    }
]
MIGRATIONS = [
    {
        "port_id": "p-1",
        "mac_address": "fa:16:3e:00:00:01",
        "hypervisor": "hv2",
        "role": "destination",
        "plugged": True,
        "active": "hv1",
        "active_plugged": True,
        "sent_on": False,
    }
]
SESSIONS = [
    {
        "peer": "gateway",
        "state": "established",
        "since": 1795168918,
        "established": True,
        "families": ["ipv4-vpn"],
        "routes_advertised": 10,
        "routes_received": 2,
        "last_error": "",
    }
]


class Site(NamedTuple):
    """A running API; ``queries`` are those that the read views were asked."""

    url: str
    socket: Path
    queries: list[dict[str, str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The API with recorded read views, on TCP and on a unix socket."""
    folder = tmp_path_factory.mktemp("s")
    queries: list[dict[str, str]] = []

    async def routes(request: Request) -> Response:
        queries.append(dict(request.query_params))
        return JsonResponse({"routes": ROUTES})

    async def topology(request: Request) -> Response:
        return JsonResponse({"topology": TOPOLOGY})

    async def agents(request: Request) -> Response:
        return JsonResponse({"agents": AGENTS})

    async def migrations(request: Request) -> Response:
        return JsonResponse({"migrations": MIGRATIONS})

    async def sessions(request: Request) -> Response:
        return JsonResponse({"bgp_sessions": SESSIONS})

    glass = make_routes(cloud(), Delivery(1, Observed()), list, PEERS.copy, families_of)
    views = [
        *(view for view in glass if view.path.startswith(("/sdn/v1/bgp-peers", "/sdn/v1/expl"))),
        Route("/sdn/v1/agents", agents),
        Route("/sdn/v1/migrations", migrations),
        Route("/sdn/v1/bgp-sessions", sessions),
        Route("/sdn/v1/routes", routes),
        Route("/sdn/v1/topology", topology),
    ]
    listeners = [socket.socket(), socket.socket(socket.AF_UNIX)]
    listeners[0].bind(("127.0.0.1", 0))
    listeners[1].bind(str(folder / "api.sock"))
    port = listeners[0].getsockname()[1]
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        store = await Store.open(folder / "store.db")
        app = make_app(store, Settings(), routes=views)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        servers.append(server)
        ready.set()
        await server.serve(sockets=listeners)
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(url).raise_for_status()
        yield Site(url, folder / "api.sock", queries)
    finally:
        servers[0].should_exit = True
        thread.join(10)
        for listener in listeners:
            listener.close()


Sdnctl = Callable[..., str]


@pytest.fixture
def sdnctl(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sdnctl:
    """Run a command in this process; its output, or its error where one is expected."""
    monkeypatch.setenv("SDNCTL_URL", site.url)
    monkeypatch.delenv("SDNCTL_TOKEN", raising=False)

    def run(line: str, exit_code: int = 0) -> str:
        try:
            code = main(line.split())
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        assert code == exit_code, said.err
        return said.err if exit_code else said.out

    return run


@pytest.fixture
def network(site: Site) -> Iterator[dict[str, Any]]:
    with httpx.Client(base_url=site.url) as client:
        body = {"network": {"name": "web", "sdn:encapsulation": "vxlan"}}
        made = client.post("/v2.0/networks", json=body).json()["network"]
        yield made
        client.delete(f"/v2.0/networks/{made['id']}")


def test_a_hypervisor_is_made_changed_shown_and_deleted(sdnctl: Sdnctl) -> None:
    sdnctl("hypervisor create hv1 --vtep 192.0.2.11 --mtu 9000 --encapsulation mpls-gre")
    assert "hv1   192.0.2.11  mpls-gre        9000" in sdnctl("hypervisor list")
    sdnctl("hypervisor set hv1 --encapsulation vxlan --encapsulation mpls-gre")
    shown = json.loads(sdnctl("hypervisor show hv1 -o json"))
    assert shown["encapsulations"] == ["vxlan", "mpls-gre"]
    assert shown["mtu"] == 9000
    assert sdnctl("-o name hypervisor list") == "hv1\n"
    assert "nothing to change" in sdnctl("hypervisor set hv1", 2)
    assert sdnctl("hypervisor delete hv1") == "hypervisor hv1 is deleted\n"
    assert "no hypervisor 'hv1'" in sdnctl("hypervisor show hv1", 1)
    assert sdnctl("hypervisor list -o json") == "[]\n"


def test_our_own_kinds_take_their_settings(sdnctl: Sdnctl, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hidden\n")
    sdnctl("gateway create gw --address 192.0.2.254 --encapsulation mpls-gre")
    sdnctl("link create l1 --a hv1 --b gw --cost 7")
    sdnctl(
        f"bgp peer create rr --address 192.0.2.254 --asn 64512 --family ipv4-vpn --passive"
        f" --no-admin-state-up --password-file {secret}"
    )
    peer = json.loads(sdnctl("bgp peer show rr -o json"))
    assert (peer["passive"], peer["admin_state_up"]) == (True, False)
    assert "hidden" not in json.dumps(peer)
    assert "hv1  gw  7" in sdnctl("link list")
    assert "192.0.2.254  mpls-gre" in sdnctl("gateway list")
    for noun, name in (("gateway", "gw"), ("link", "l1"), ("bgp peer", "rr")):
        sdnctl(f"{noun} delete {name}")


def test_names_resolve_and_ambiguity_is_an_error(
    sdnctl: Sdnctl, network: dict[str, Any], site: Site
) -> None:
    assert json.loads(sdnctl("network show web -o json"))["id"] == network["id"]
    assert network["id"] in sdnctl(f"network show {network['id']}")
    with httpx.Client(base_url=site.url) as client:
        other = client.post("/v2.0/networks", json={"network": {"name": "web"}}).json()["network"]
        try:
            said = sdnctl("network show web", 1)
        finally:
            client.delete(f"/v2.0/networks/{other['id']}")
    assert "2 are named 'web'" in said
    assert network["id"] in said
    assert other["id"] in said
    assert "no network 'a/../b?c'" in sdnctl("network show a/../b?c", 1)


def test_lists_are_filtered_by_the_name_of_a_network(
    sdnctl: Sdnctl, network: dict[str, Any], site: Site
) -> None:
    with httpx.Client(base_url=site.url) as client:
        subnet = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
        client.post("/v2.0/subnets", json={"subnet": subnet}).raise_for_status()
        port = {"network_id": network["id"], "name": "p\x1b[31m"}
        made = client.post("/v2.0/ports", json={"port": port})
        made.raise_for_status()
    assert "10.0.0.0/24" in sdnctl("subnet list --network web")
    shown = sdnctl("port list --network web --status DOWN")
    assert "\x1b" not in shown, "what a tenant wrote steers no terminal"
    assert "10.0.0.2" in shown
    assert "no network 'none'" in sdnctl("port list --network none", 1)
    httpx.delete(f"{site.url}/v2.0/ports/{made.json()['port']['id']}")


def test_every_page_of_a_list_is_read(sdnctl: Sdnctl, site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        body = {"networks": [{"name": f"n{i}"} for i in range(5)]}
        made = client.post("/v2.0/networks", json=body).json()["networks"]
        with Client(site.url) as ours:
            found = ours.list("/v2.0/networks", "networks", {"limit": "2"})
        for one in made:
            client.delete(f"/v2.0/networks/{one['id']}")
    assert {n["id"] for n in made} <= {n["id"] for n in found}


def test_what_the_api_refuses_is_said_in_its_words(sdnctl: Sdnctl) -> None:
    said = sdnctl("hypervisor create hv1 --vtep nonsense", 1)
    assert "vtep" in said
    assert "nonsense" in said
    sdnctl("gateway create gw --address 192.0.2.254")
    assert "exists already" in sdnctl("gateway create gw --address 192.0.2.254", 1)
    sdnctl("gateway delete gw")


def test_wrong_usage_is_2_and_says_what_to_do(sdnctl: Sdnctl) -> None:
    assert "invalid choice: 'netwrk'" in sdnctl("netwrk list", 2)
    assert "--vtep" in sdnctl("hypervisor create hv1", 2)
    assert "is no URL" in sdnctl("--url nonsense status", 2)
    assert "No such file" in sdnctl("--token-file /nowhere status", 2)


def test_no_controller_is_3_and_says_where_it_was_sought(sdnctl: Sdnctl, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        said = sdnctl(f"port list --url {url}", 3)
    assert url in said
    assert "SDNCTL_URL" in said
    # By itself: httpx leaves the socket that could not connect to the garbage collector.
    argv = [sys.executable, "-m", "sdnctl.cli.main", "status", "--url", f"unix://{tmp_path}/none"]
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"{tmp_path}/none" in done.stderr


def test_the_api_is_reached_by_its_unix_socket(sdnctl: Sdnctl, site: Site) -> None:
    status = json.loads(sdnctl(f"status -o json --url unix://{site.socket}"))
    assert status["revision"] >= 0
    assert "rows.network" in sdnctl("status")


def test_routes_are_asked_by_vni_or_name(sdnctl: Sdnctl, site: Site) -> None:
    sdnctl("hypervisor create routed --vtep 192.0.2.77")
    lines = sdnctl("route list --vrf red --evi 1001 --hypervisor routed").splitlines()
    sdnctl("hypervisor delete routed")
    assert site.queries[-1] == {"vrf": "1000", "evi": "1001", "hypervisor": "routed"}
    assert "no hypervisor 'nobody'" in sdnctl("route list --hypervisor nobody", 1)
    assert re.split(r"  +", lines[0].strip())[:4] == ["TABLE", "TYPE", "PREFIX / MAC", "RD"]
    assert "vxlan, mpls-gre" in lines[2]
    assert lines[1].index("192.0.2.11") == lines[2].index("192.0.2.11"), "aligned"
    assert json.loads(sdnctl("route list -o json")) == ROUTES
    assert "10.0.0.5/32" in sdnctl("route show 10.0.0.5/32")
    shown = sdnctl("route show 10.0.0.5")
    assert "fa:16:3e:00:00:01 10.0.0.5" in shown
    assert "10.0.0.5/32" in shown
    assert "no route to '10.9.0.0/16'" in sdnctl("route show 10.9.0.0/16", 1)
    assert "no vrf named 'blue'; there are: red (1000)" in sdnctl("route list --vrf blue", 1)


def test_the_topology_is_a_tree_for_people(sdnctl: Sdnctl) -> None:
    shown = sdnctl("topology")
    assert "hv1  hypervisor  192.0.2.11" in shown
    assert "to leaf, cost 3" in shown
    assert "red  VNI 1000  label 17" in shown
    assert json.loads(sdnctl("topology -o json")) == TOPOLOGY


def test_agents_and_sessions_are_listed(sdnctl: Sdnctl) -> None:
    assert "hv1         yes      9     9         8           port/p-1=no such interface" in (
        sdnctl("agent list")
    )
    assert "gateway  established" in sdnctl("bgp sessions")
    assert "2026-11-20T10:01:58Z  ipv4-vpn" in sdnctl("bgp sessions")
    assert sdnctl("agent list -o name") == "hv1\n"
    shown = " ".join(sdnctl("migration list").split())
    assert "p-1 hv2 destination yes hv1 yes no" in shown
    assert json.loads(sdnctl("migration list -o json")) == MIGRATIONS
    assert json.loads(sdnctl("bgp sessions -o json")) == SESSIONS


@pytest.fixture
def edge(sdnctl: Sdnctl) -> Iterator[str]:
    sdnctl("bgp peer create edge --address 198.51.100.1 --asn 65001")
    yield "edge"
    sdnctl("bgp peer delete edge")


def test_a_peer_takes_every_setting(sdnctl: Sdnctl, edge: str) -> None:
    sdnctl(
        f"bgp peer set {edge} --family l2vpn-evpn --family route-target --group core --port 1179"
        " --hold-time 9 --graceful-restart 60 --long-lived-stale 3600 --ttl-security 1"
        " --max-prefixes 5000 --add-path"
    )
    peer = json.loads(sdnctl(f"bgp peer show {edge} -o json"))
    assert peer["families"] == ["l2vpn-evpn", "route-target"]
    assert (peer["group"], peer["port"], peer["hold_time"]) == ("core", 1179, 9)
    assert (peer["graceful_restart"], peer["long_lived_stale"]) == (60, 3600)
    assert (peer["ttl_security"], peer["max_prefixes"], peer["add_path"]) == (1, 5000, True)
    assert "edge  198.51.100.1  65001" in sdnctl("bgp peer list")
    assert "hold_time must be 0" in sdnctl(f"bgp peer set {edge} --hold-time 1", 1)
    sdnctl("gateway create gw --address 198.51.100.1 --probe-interval 100 --local-preference 200")
    assert "198.51.100.1  -               200         100" in sdnctl("gateway list")
    sdnctl("gateway delete gw")


def test_the_routes_of_a_peer(sdnctl: Sdnctl, edge: str) -> None:
    received = sdnctl(f"bgp routes {edge} received").splitlines()
    assert re.split(r"  +", received[0])[:4] == ["PREFIX / MAC", "RD", "NEXT HOP", "FAMILIES"]
    assert [line.split()[0] for line in received[1:]] == ["10.9.0.0/16", "10.9.1.0/24"]
    assert received[1].split()[-2:] == ["9001", "-"]
    routes = json.loads(sdnctl(f"bgp routes {edge} received 10.9.1.0/24 -o json"))
    assert [(r["prefix"], r["label"], r["vrfs"]) for r in routes] == [("10.9.1.0/24", 78, [])]
    told = json.loads(sdnctl(f"bgp routes {edge} advertised --family ipv4-vpn -o json"))
    assert [(r["prefix"], r["next_hop"]) for r in told] == [("10.0.0.10/32", "192.0.2.1")]
    assert json.loads(sdnctl(f"bgp routes {edge} advertised --family ipv6-vpn -o json")) == []
    assert "and more" in sdnctl(f"bgp routes {edge} received --limit 1")
    assert "and more" not in sdnctl(f"bgp routes {edge} received --limit 2")
    assert sdnctl(f"bgp routes {edge} received -o name") == "10.9.0.0/16\n10.9.1.0/24\n"
    assert "no bgp peer 'nobody'" in sdnctl("bgp routes nobody received", 1)
    assert "invalid choice: 'sent'" in sdnctl(f"bgp routes {edge} sent", 2)
    assert "'x' is not a prefix" in sdnctl(f"bgp routes {edge} received x", 1)
    assert "--limit" in sdnctl(f"bgp routes {edge} received --limit 0", 2)


def test_bgpvpns_are_listed(sdnctl: Sdnctl, network: dict[str, Any], site: Site) -> None:
    with httpx.Client(base_url=f"{site.url}/v2.0/bgpvpn/bgpvpns") as client:
        body = {"bgpvpn": {"name": "office", "route_targets": ["64512:1"]}}
        made = client.post("", json=body).json()["bgpvpn"]["id"]
        body = {"network_association": {"network_id": network["id"]}}
        client.post(f"/{made}/network_associations", json=body).raise_for_status()
        assert f"office  l3    64512:1  -        -        {network['id']}" in sdnctl("bgpvpn list")
        assert json.loads(sdnctl("bgpvpn show office -o json"))["networks"] == [network["id"]]
        client.delete(f"/{made}").raise_for_status()


def test_ways_out_are_listed(sdnctl: Sdnctl, network: dict[str, Any], site: Site) -> None:
    with httpx.Client(base_url=f"{site.url}/v2.0") as client:

        def make(collection: str, name: str, /, **attributes: Any) -> dict[str, Any]:
            answer = client.post(f"/{collection}", json={name: attributes})
            found: dict[str, Any] = answer.raise_for_status().json()[name]
            return found

        inside = make(
            "subnets", "subnet", network_id=network["id"], cidr="10.1.0.0/24", ip_version=4
        )
        outside = make("networks", "network", name="out", **{"router:external": True})
        make("subnets", "subnet", network_id=outside["id"], cidr="203.0.113.0/24", ip_version=4)
        info = {"network_id": outside["id"]}
        router = make("routers", "router", name="edge", external_gateway_info=info)
        client.put(
            f"/routers/{router['id']}/add_router_interface", json={"subnet_id": inside["id"]}
        ).raise_for_status()
        guest = make("ports", "port", name="vm", network_id=network["id"])
        other = make("ports", "port", network_id=network["id"])
        outer = {"floating_network_id": outside["id"]}
        first = make("floatingips", "floatingip", port_id=guest["id"], **outer)
        second = make("floatingips", "floatingip", **outer)
        make(
            f"floatingips/{second['id']}/port_forwardings",
            "port_forwarding",
            protocol="tcp",
            external_port=8080,
            internal_port=80,
            internal_port_id=other["id"],
            internal_ip_address=other["fixed_ips"][0]["ip_address"],
        )
        listed = sdnctl("router list")
        assert f"{outside['id']}  203.0.113.2         yes   no" in listed
        assert "EXTERNAL ADDRESSES  SNAT  DISTRIBUTED" in listed
        listed = sdnctl("floatingip list --network out --router edge")
        assert f"203.0.113.3  {first['id']}  {outside['id']}  10.1.0.2" in listed
        assert "tcp 8080 to 10.1.0.3:80" in listed
        assert sdnctl("floatingip list --port vm -o name") == f"{first['id']}\n"
        assert "203.0.113.4" in sdnctl("floatingip list --status ACTIVE")
        shown = json.loads(sdnctl("floatingip show 203.0.113.3 -o json"))
        assert shown["id"] == first["id"]
        assert "no floatingip '203.0.113.9'" in sdnctl("floatingip show 203.0.113.9", 1)
        for path in (f"ports/{guest['id']}", f"ports/{other['id']}", f"floatingips/{first['id']}"):
            client.delete(f"/{path}").raise_for_status()
        client.delete(f"/floatingips/{second['id']}").raise_for_status()
        client.put(
            f"/routers/{router['id']}/remove_router_interface", json={"subnet_id": inside["id"]}
        ).raise_for_status()
        client.delete(f"/routers/{router['id']}").raise_for_status()
        client.delete(f"/networks/{outside['id']}").raise_for_status()


def test_why_of_a_peer(sdnctl: Sdnctl, edge: str) -> None:
    shown = sdnctl(f"bgp why {edge} 10.9.0.0/16")
    assert "the session with edge is established" in shown
    assert re.search(r"10\.9\.0\.0/16 .* vrf/9001  yes   the only path", shown)
    assert "received: no route to 10.0.0.10, the peer announced none" in (
        sdnctl(f"bgp why {edge} 10.0.0.10")
    )
    told = json.loads(sdnctl(f"bgp why {edge} 10.0.0.10/32 -o json"))["advertised"]
    assert (True, "ipv4-vpn") in {(row["advertised"], row["family"]) for row in told}
    assert sdnctl(f"bgp why {edge} 10.9.1.0/24 -o name") == "10.9.1.0/24\n"
    assert "is not a prefix" in sdnctl(f"bgp why {edge} x", 1)


def test_a_route_is_explained(sdnctl: Sdnctl) -> None:
    shown = sdnctl("route explain 10.9.0.5")
    assert "vrf/9001  fib  10.9.0.0/16" in shown
    assert "by 198.51.100.1, said by edge" in shown
    assert "vrf_instance/imports/65001:1" in shown
    [one] = json.loads(sdnctl("route explain fa:16:3e:00:00:0a --evi 5001 -o json"))
    assert (one["table"], one["entry"]) == ("evi/5001", "fdb")
    assert (
        sdnctl("route explain 10.0.0.10 -o name") == "vrf/9001 10.0.0.10/32\nevi/5001 10.0.0.10\n"
    )
    assert "nothing leads to '203.0.113.1'" in sdnctl("route explain 203.0.113.1", 1)


def test_an_output_that_is_no_terminal_has_no_colour_and_cuts_nothing(
    site: Site, network: dict[str, Any]
) -> None:
    env = {**os.environ, "SDNCTL_URL": site.url, "COLUMNS": "20", "PYTHONPATH": ":".join(sys.path)}
    argv = [sys.executable, "-m", "sdnctl.cli.main", "network", "list"]
    shown = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in shown
    (line,) = [x for x in shown.splitlines() if network["id"] in x]
    assert "web" in line
    assert line == line.rstrip()


def test_a_reader_that_goes_away_is_no_error(site: Site) -> None:
    env = {**os.environ, "SDNCTL_URL": site.url, "PYTHONPATH": ":".join(sys.path)}
    line = f"{sys.executable} -m sdnctl.cli.main status -o json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


COMPLETE = """
source <(sdnctl completion bash)
COMP_WORDS=({words}) COMP_CWORD={at}
_sdnctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sdnctl hyp", {"hypervisor"}),
        ("sdnctl hypervisor ''", {"list", "show", "create", "set", "delete"}),
        ("sdnctl -o json lab ''", {"up", "down", "exec", "check"}),
        ("sdnctl port list --st", {"--status"}),
        ("sdnctl port list --status ''", {"ACTIVE", "DOWN"}),
        ("sdnctl port list --network ''", {"web"}),
        ("sdnctl network show w", {"web"}),
        ("sdnctl network list -o ''", {"json", "table", "name"}),
        ("sdnctl completion ''", {"bash", "zsh"}),
        ("sdnctl bgp ''", {"peer", "sessions", "routes", "why"}),
        ("sdnctl bgp peer ''", {"list", "show", "create", "set", "delete"}),
        ("sdnctl bgp peer set ''", {"edge"}),
        ("sdnctl bgp peer set edge --family ''", {"ipv6-vpn", "route-target"}),
        ("sdnctl bgp routes e", {"edge"}),
        ("sdnctl bgp routes edge ''", {"received", "advertised"}),
        ("sdnctl route ''", {"list", "show", "explain"}),
    ],
)
def test_bash_completes_words_options_values_and_names(
    site: Site,
    network: dict[str, Any],
    edge: str,
    tmp_path: Path,
    line: str,
    expected: set[str],
) -> None:
    program = tmp_path / "sdnctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sdnctl.cli.main "$@"\n')
    program.chmod(0o755)
    env = {
        **os.environ,
        "SDNCTL_URL": site.url,
        "PYTHONPATH": ":".join(sys.path),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    script = COMPLETE.format(words=line, at=len(line.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert expected <= set(done.stdout.split()), done.stderr


def test_every_command_has_help_and_is_in_the_completion(sdnctl: Sdnctl) -> None:
    scripts = {shell: completion.script(shell, commands()) for shell in completion.SHELLS}
    for command in commands():
        assert command.help
        assert command.path[-1] in sdnctl(f"{' '.join(command.path)} --help")
        for script in scripts.values():
            assert " ".join(command.path) in script
    assert "bashcompinit" in scripts["zsh"]
