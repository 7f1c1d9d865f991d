"""Rows of intent for a site: its hypervisors, its external network, tenants as a test wants them.

All tenants have the same IPv4 addresses.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdnctl.graph.relations.inputs import (
    BGP_PEER,
    BGPVPN,
    BGPVPN_NETWORK,
    HYPERVISOR,
    NETWORK,
    PORT,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
)
from sdnctl.intent import (
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    BgpPeer,
    BgpVpn,
    BgpVpnNetwork,
    FixedIp,
    Hypervisor,
    Network,
    Port,
    Router,
    RouterGateway,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    VrfNumbers,
)
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni
from tests.netns.gateway import ROUTER_MAC, TARGET
from tests.netns.harness import Switch
from tests.properties.strategies.small import Write


def hypervisors(switches: Mapping[str, Switch], encapsulation: Encapsulation) -> list[Write]:
    """All of one encapsulation."""
    return [
        (
            HYPERVISOR,
            host,
            Hypervisor(id=host, vtep=switch.vtep, encapsulations=(encapsulation,)),
        )
        for host, switch in switches.items()
    ]


def external(peer: Ip) -> list[Write]:
    """The network ``ext`` in a BGP VPN with that peer, and a group ``open`` to all."""
    return [
        (SECURITY_GROUP, "open", SecurityGroup(id="open")),
        *(
            (
                SECURITY_GROUP_RULE,
                f"{way}{kind}",
                SecurityGroupRule(
                    id=f"{way}{kind}", security_group_id="open", direction=way, ethertype=kind
                ),
            )
            for way in ("ingress", "egress")
            for kind in ("IPv4", "IPv6")
        ),
        (
            NETWORK,
            "ext",
            Network(
                id="ext",
                vni=Vni(5000),
                label=Label(500),
                number=500,
                external=True,
                vrf=VrfNumbers(Vni(9000), Label(900), 900, Mac.parse("fa:16:3e:ee:00:01")),
            ),
        ),
        subnet("ext", Ip.parse("203.0.113.1"), 24),
        (BGPVPN, "up", BgpVpn(id="up", route_targets=(TARGET,))),
        (
            BGPVPN_NETWORK,
            "upext",
            BgpVpnNetwork(
                id="upext",
                bgpvpn_id="up",
                network_id="ext",
                vni=Vni(9999),
                label=Label(999),
                number=999,
                mac=ROUTER_MAC,
            ),
        ),
        (
            BGP_PEER,
            "gw",
            BgpPeer(
                id="gw",
                address=peer,
                asn=64512,
                families=("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn"),
            ),
        ),
    ]


def subnet(network: str, gateway: Ip, length: int) -> Write:
    """The subnet of a network of the version of its gateway's address."""
    row = Subnet(
        id=f"{network}{gateway.version}",
        network_id=network,
        prefix=Prefix.covering(gateway, length),
        gateway_ip=gateway,
    )
    return SUBNET, row.id, row


def tenant(n: int, *, distributed: bool = False, snat: bool = True) -> list[Write]:
    """Router ``rN`` with a way out, networks ``Na`` and ``Nb``; all IPv4 addresses overlap."""
    rows: list[Write] = [
        (
            ROUTER,
            f"r{n}",
            Router(
                id=f"r{n}",
                vni=Vni(9100 + n),
                label=Label(910 + n),
                number=910 + n,
                gateway=RouterGateway("ext", f"way{n}", snat),
                distributed=distributed,
                nat=1 + n,
            ),
        ),
        (
            PORT,
            f"way{n}",
            Port(
                id=f"way{n}",
                network_id="ext",
                mac=Mac.parse(f"fa:16:3e:ee:01:{n:02x}"),
                fixed_ips=(FixedIp("ext4", Ip.parse(f"203.0.113.{200 + n}")),),
                device_owner=ROUTER_GATEWAY_OWNER,
                device_id=f"r{n}",
            ),
        ),
    ]
    for m, name in enumerate("ab"):
        key = f"{n}{name}"
        four, six = Ip.parse(f"10.0.{m}.254"), Ip.parse(f"2001:db8:{n}:{m}::fe")
        rows += [
            (
                NETWORK,
                key,
                Network(
                    id=key,
                    vni=Vni(5100 + 10 * n + m),
                    label=Label(510 + 10 * n + m),
                    number=510 + 10 * n + m,
                    mtu=1400,
                ),
            ),
            subnet(key, four, 24),
            subnet(key, six, 64),
            (
                PORT,
                f"if{key}",
                Port(
                    id=f"if{key}",
                    network_id=key,
                    mac=Mac.parse(f"fa:16:3e:ff:{n:02x}:{m:02x}"),
                    fixed_ips=(FixedIp(f"{key}4", four), FixedIp(f"{key}6", six)),
                    device_owner=ROUTER_INTERFACE_OWNER,
                    device_id=f"r{n}",
                ),
            ),
        ]
    return rows


def hiding(host: str, last: int) -> Write:
    """An address of a hypervisor's own on the external network."""
    port = Port(
        id=f"hide-{host}",
        network_id="ext",
        mac=Mac.parse(f"fa:16:3e:ee:02:{last:02x}"),
        fixed_ips=(FixedIp("ext4", Ip.parse(f"203.0.113.{last}")),),
        device_owner=SNAT_OWNER,
        device_id=host,
        host=host,
    )
    return PORT, port.id, port
