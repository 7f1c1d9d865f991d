"""The command line against the real API on a real socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from sdnctl.cli.client import Client
from tests.unit.cli.site import Sdnctl, Site


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
