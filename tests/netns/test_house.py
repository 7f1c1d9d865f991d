"""The whole house on the demo's topology, and each of its processes killed under traffic.

Controller, agents, speaker, switches and gateway are the real processes in namespaces; pings go
500 times a second through both encapsulations and through the gateway while one process after
the other dies by SIGKILL and comes back.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from sdnctl.lab import netns, services
from sdnctl.lab.process import wait_for
from tests.netns.harness import Namespace
from tests.netns.house import PATHS, Cloud, management, standing, traffic
from tests.netns.wire import Wire

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with standing() as made:
        yield made


def test_agent_killed(cloud: Cloud) -> None:
    with traffic(cloud, *PATHS):
        for _round in range(3):
            for node in ("hv1", "hv2"):
                cloud.kill(node, "sdnctl-vrouter")
                services.start_agent(cloud.lab, cloud.lab.node(node))
            cloud.await_agents()


def test_controller_killed(cloud: Cloud) -> None:
    before = cloud.session()
    with traffic(cloud, *PATHS):
        cloud.kill("controller", "sdnctl-controller")
        time.sleep(1)
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()
        wait_for(
            "the session as it was",
            lambda: cloud.session()["state"] == "established",
            timeout=20,
        )
    assert cloud.session()["since"] == before["since"], "the BGP session did not notice"
    assert all(cloud.status(name) == "ACTIVE" for name in cloud.ports)


def test_controller_restarted(cloud: Cloud) -> None:
    """In order, as for an upgrade: the speaker goes too, and the gateway's routes are learned
    anew. Agents are not told in between that there are none."""
    with traffic(cloud, *PATHS):
        cloud.kill("controller", "sdnctl-controller", signal.SIGTERM)
        services.start_controller(cloud.lab, cloud.lab.node("controller"))
        cloud.await_agents()
        wait_for("a new session", lambda: cloud.session()["state"] == "established", timeout=20)
        time.sleep(2)
    assert cloud.session()["routes_received"] > 0


def test_speaker_killed(cloud: Cloud) -> None:
    routes = cloud.gateway_routes()
    assert routes
    (pid,) = (
        int(line)
        for line in subprocess.run(
            ["pgrep", "-f", f"speaker.*{cloud.lab.folder}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )
    since = cloud.session()["since"]
    with traffic(cloud, *PATHS):
        os.kill(pid, signal.SIGKILL)
        wait_for(
            "a new session",
            lambda: cloud.session()["state"] == "established" and cloud.session()["since"] > since,
            timeout=30,
        )
        for _look in range(10):
            assert cloud.gateway_routes() == routes
            time.sleep(0.1)


def test_headless_and_then_the_difference(cloud: Cloud) -> None:
    """What happens while an agent is away reaches it when it is back, and nothing else does."""
    cloud.kill("hv3", "sdnctl-vrouter")
    network = cloud.ports["red-web1"]["network_id"]
    added = cloud.api.create(
        "/v2.0/ports", "port", network_id=network, **{"binding:host_id": "hv3"}
    )
    services.start_agent(cloud.lab, cloud.lab.node("hv3"))
    cloud.await_agents()
    flows = cloud.lab.exec(
        "hv3", ["ovs-ofctl", "-O", "OpenFlow14", "dump-flows", f"unix:{management(cloud, 'hv3')}"]
    )
    assert added["fixed_ips"][0]["ip_address"] in flows
    cloud.api.send("DELETE", f"/v2.0/ports/{added['id']}")
    cloud.await_agents()


def test_switch_killed(cloud: Cloud) -> None:
    """Not without loss, but without help: the agent puts everything back.

    The agent's own way to the controller is through that switch.
    """
    node = cloud.lab.node("hv2")
    cloud.kill("hv2", "ovs-vswitchd")
    time.sleep(1)
    cloud.lab.start(node.name, "ovs-vswitchd", cloud.lab.switch(node.name).daemon())
    source = cloud.lab.namespace("red-web1")
    wait_for("the ping is back", lambda: netns.ping(source, "10.0.0.13"), timeout=30)
    wait_for("ACTIVE", lambda: cloud.status("red-web3") == "ACTIVE", timeout=20)
    with traffic(cloud, *PATHS):
        time.sleep(0.5)


def test_a_port_goes_down_with_its_hypervisor(
    cloud: Cloud,
) -> None:
    cloud.kill("hv3", "sdnctl-vrouter")
    wait_for("DOWN after the grace time", lambda: cloud.status("red-db2") == "DOWN", timeout=30)
    assert cloud.status("red-web1") == "ACTIVE"
    assert netns.ping(cloud.lab.namespace("red-web1"), "10.0.1.31"), "the packets go on"
    services.start_agent(cloud.lab, cloud.lab.node("hv3"))
    wait_for("ACTIVE", lambda: cloud.status("red-db2") == "ACTIVE", timeout=20)


def test_deletes_in_the_wrong_order_are_refused(cloud: Cloud) -> None:
    network = cloud.ports["red-web1"]["network_id"]
    for path in (
        f"/v2.0/networks/{network}",
        "/sdn/v1/hypervisors/hv1",
    ):
        with pytest.raises(Exception, match="409"):
            cloud.api.send("DELETE", path)


def test_a_trunk_and_a_policy(cloud: Cloud) -> None:
    """From the API to the wire: a subport behind a tag, its agent killed, and a mark."""
    api, parent, far = cloud.api, cloud.ports["red-web1"], cloud.ports["red-db1"]
    subport = api.create(
        *("/v2.0/ports", "port"),
        network_id=far["network_id"],
        security_groups=parent["security_groups"],
    )
    wish = {"port_id": subport["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    trunk = api.create("/v2.0/trunks", "trunk", port_id=parent["id"], sub_ports=[wish])
    path = f"/v2.0/trunks/{trunk['id']}"

    def status() -> str:
        return str(api.send("GET", path)["trunk"]["status"])

    def answered() -> bool:
        """A ping behind the tag, to the other network's guest on another host."""
        addresses = [
            next(f["ip_address"] for f in port["fixed_ips"] if "." in f["ip_address"])
            for port in (subport, far)
        ]
        head = Ether(src=subport["mac_address"], dst=far["mac_address"]) / Dot1Q(vlan=7)
        mark = b"behind-a-tag-of-red"
        ping = IP(src=addresses[0], dst=addresses[1]) / ICMP(id=7) / Raw(mark)
        with Wire(Namespace(cloud.lab.namespace("red-web1"))) as wire:
            wire.send(bytes(head / ping))
            return wire.count(mark, enough=1) == 1

    wait_for("the trunk", lambda: status() == "ACTIVE", timeout=20)
    assert answered()
    number = ["ovs-ofctl", "-O", "OpenFlow14", "dump-ports-desc",
              f"unix:{management(cloud, 'hv1')}"]  # fmt: skip
    before = re.findall(r"(\d+)\(sd[it]-[^)]*\)", cloud.lab.exec("hv1", number))
    assert len(before) == 2
    cloud.kill("hv1", "sdnctl-vrouter")
    services.start_agent(cloud.lab, cloud.lab.node("hv1"))
    cloud.await_agents()
    assert answered()
    assert re.findall(r"(\d+)\(sd[it]-[^)]*\)", cloud.lab.exec("hv1", number)) == before

    policy = api.send("POST", "/v2.0/qos/policies", {"policy": {}})["policy"]
    rule = {"dscp_marking_rule": {"dscp_mark": 46}}
    api.send("POST", f"/v2.0/qos/policies/{policy['id']}/dscp_marking_rules", rule)
    marked = {"port": {"qos_policy_id": policy["id"]}}
    api.send("PUT", f"/v2.0/ports/{parent['id']}", marked)
    cloud.await_agents()
    with Wire(Namespace(cloud.lab.namespace("red-web3"))) as wire:
        assert netns.ping(cloud.lab.namespace("red-web1"), "10.0.0.13")
        echoes = [Ether(f)[IP] for f in wire.received() if f[12:14] == b"\x08\0"]
    assert {e.tos for e in echoes if e.dst == "10.0.0.13"} == {46 << 2}

    api.send("PUT", f"/v2.0/ports/{parent['id']}", {"port": {"qos_policy_id": None}})
    api.send("DELETE", path)
    cloud.await_agents()
    assert not answered()
    wait_for("its patch ports go", lambda: "sdi-" not in cloud.lab.exec("hv1", number))
    api.send("DELETE", f"/v2.0/ports/{subport['id']}")
