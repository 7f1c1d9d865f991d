"""What the command line shows of routes, sessions, peers and ways out."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from tests.unit.cli.site import MIGRATIONS, ROUTES, SESSIONS, TOPOLOGY, Sdnctl, Site


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
