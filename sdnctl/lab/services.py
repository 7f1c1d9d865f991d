"""What each role runs.

Promise: ``start`` returns when every service of every node answers. The order is that of a
data centre coming up: switches, controller, agents, gateways. What a service needs to know
stands in its node's ``env`` and ``binds``, where containerlab hands it to the container.

| role | env | binds |
|---|---|---|
| hypervisor | SDNCTL_CONTROLLER=ADDRESS:PORT (without: a switch and no agent) | |
| controller | SDNCTL_API, SDNCTL_AGENTS (ADDRESS:PORT), SDNCTL_ASN, SDNCTL_ROUTER_ID | |
| gateway | | /etc/gobgp/gobgp.toml, /etc/sdnctl/gateway.toml |
| router | | /etc/frr/frr.conf |
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sdnctl.lab import frr, netns
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import end, wait_for
from sdnctl.lab.switch import INTEGRATION_BRIDGE, UNDERLAY_BRIDGE
from sdnctl.lab.topology import Endpoint, Node, Role

SWITCH: Final = "ovs-vswitchd"
GOBGP_CONFIG: Final = "/etc/gobgp/gobgp.toml"
GATEWAY_CONFIG: Final = "/etc/sdnctl/gateway.toml"


def start(lab: Lab, progress: Callable[[str], None]) -> None:
    """Start every node's services and wait for them; LabError names the node that fails."""
    topology = lab.topology
    switches = topology.with_role(Role.HYPERVISOR, Role.GATEWAY)
    if switches:
        progress("switches")
        _start_switches(lab, switches)
    for node in topology.with_role(Role.CONTROLLER):
        progress(f"controller {node.name}")
        start_controller(lab, node)
    agents = [n for n in topology.with_role(Role.HYPERVISOR) if "SDNCTL_CONTROLLER" in n.env]
    if agents:
        progress("vrouter agents")
    for node in agents:
        start_agent(lab, node)
    for node in topology.with_role(Role.GATEWAY):
        progress(f"gateway {node.name}")
        start_gateway(lab, node)
    for node in topology.with_role(Role.ROUTER):
        progress(f"router {node.name}")
        frr.start(lab, node)


def underlay(lab: Lab, node: str) -> Endpoint:
    """A node's cable to the underlay: the one end with an address; LabError if not one."""
    found = [e for e in lab.topology.endpoints(node) if e.addresses]
    if len(found) != 1:
        raise LabError(f"node {node}: one link with an address (ipv4) is needed, not {len(found)}")
    return found[0]


def restart(lab: Lab, node: str, name: str) -> None:
    """End a service and start it as it was.

    A switch gets its address back with its bridge, a router its configuration.
    """
    old = lab.process(node, name)
    end([old])
    process = lab.start(node, name, old.argv)
    if name == SWITCH:
        # Its database has not changed, so that no vsctl waits for it.
        wait_for(
            f"node {node}: the switch",
            lambda: lab.answers(node, ["ovs-ofctl", "show", UNDERLAY_BRIDGE]),
            process=process,
        )
        _wire(lab, lab.node(node))
    elif name in frr.DAEMONS and lab.node(node).role is Role.ROUTER:
        socket = lab.router(node) / f"{name}.vty"
        wait_for(f"node {node}: {name}", lambda: _listens(socket), process=process)
        frr.configure(lab, lab.node(node))


def _start_switches(lab: Lab, nodes: Sequence[Node]) -> None:
    servers = [(n, lab.start(n.name, "ovsdb-server", lab.switch(n.name).prepare())) for n in nodes]
    for node, server in servers:
        wait_for(
            f"node {node.name}: the switch's database",
            lab.switch(node.name).database.is_socket,
            process=server,
        )
    for node in nodes:
        lab.start(node.name, SWITCH, lab.switch(node.name).daemon())
    for node in nodes:
        _wire(lab, node)


def _wire(lab: Lab, node: Node) -> None:
    """The bridges of a node; its underlay address goes to the bridge that holds the cable."""
    switch = lab.switch(node.name)
    cable = underlay(lab, node.name)
    switch.add_bridge(UNDERLAY_BRIDGE, [cable.interface], standalone=True)
    # The kernel sees what the switch's packet socket sees: it must not answer ARP by the cable's
    # own MAC address, which no tunnel ends at.
    lab.exec(node.name, ["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"])
    mtu = lab.topology.mtu(cable)
    switch.vsctl("set", "Interface", UNDERLAY_BRIDGE, f"mtu_request={mtu}")
    netns.configure(
        lab.namespace(node.name),
        [
            f"address flush dev {cable.interface}",
            f"link set dev {UNDERLAY_BRIDGE} up",
            *(f"address replace {a} dev {UNDERLAY_BRIDGE}" for a in cable.addresses),
        ],
    )
    switch.vsctl("set", "Open_vSwitch", ".", f"external_ids:hostname={node.name}")
    if node.role is Role.HYPERVISOR:
        switch.add_bridge(INTEGRATION_BRIDGE, standalone=False)


def start_controller(lab: Lab, node: Node) -> None:
    """Start ``sdnctl-controller``; its API then also listens on ``api_socket``."""
    folder = lab.folder / node.name
    process = lab.start(
        node.name,
        "sdnctl-controller",
        [
            *(sys.executable, "-m", "sdnctl.app", "--insecure"),
            *("--state-dir", str(folder)),
            *("--api", node.setting("SDNCTL_API", "127.0.0.1:9696")),
            *("--agents", node.setting("SDNCTL_AGENTS")),
            *("--asn", node.setting("SDNCTL_ASN")),
            *("--router-id", node.setting("SDNCTL_ROUTER_ID")),
        ],
    )
    wait_for(
        f"node {node.name}: the controller's API",
        lambda: _listens(api_socket(lab, node.name)),
        process=process,
    )


def api_socket(lab: Lab, node: str) -> Path:
    """Where a controller's API is reached from outside of its namespace."""
    return lab.folder / node / "api.sock"


def start_agent(lab: Lab, node: Node) -> None:
    """Start ``sdnctl-vrouter`` beside the node's switch."""
    lab.start(
        node.name,
        "sdnctl-vrouter",
        [
            *(sys.executable, "-m", "sdnctl_vrouter.app", "--insecure"),
            *("--name", node.name),
            *("--controller", node.setting("SDNCTL_CONTROLLER")),
            *("--ovs-rundir", str(lab.switch(node.name).rundir)),
            *("--datapath", "netdev"),
            *("--state-dir", str(lab.folder / node.name)),
        ],
    )


def start_gateway(lab: Lab, node: Node) -> None:
    """Start GoBGP and the data plane that follows its table."""
    config = node.file(GATEWAY_CONFIG)
    daemon = lab.start(
        node.name,
        "gobgpd",
        [
            *("gobgpd", "-f", str(node.file(GOBGP_CONFIG)), "--pprof-disable"),
            *("--api-hosts", "127.0.0.1:50051"),
        ],
    )
    wait_for(
        f"node {node.name}: GoBGP's API",
        lambda: lab.answers(node.name, ["gobgp", "global"]),
        process=daemon,
    )
    ready = lab.folder / node.name / "gateway.ready"
    plane = lab.start(
        node.name,
        "gateway",
        [
            *(sys.executable, "-m", "sdnctl.lab.gateway"),
            *("--config", str(config)),
            *("--rundir", str(lab.switch(node.name).rundir)),
            *("--ready", str(ready)),
        ],
    )
    wait_for(f"node {node.name}: the gateway's data plane", ready.exists, process=plane)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
