"""FRR's zebra and bgpd in a node of a lab: a whole router on the node's own kernel.

``bridge`` and ``router`` make EVPN gateways of it, with a kernel VXLAN device.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sdnctl.lab.process import run, wait_for
from tests.interop.house import ASN, CONTROLLER, House


class FrrNode:
    """Zebra and bgpd with a configuration; ended with the house.

    Args:
        house: the lab.
        node: one of its gateways.
        bgpd: its configuration, without ``log``.
        zebra: likewise. Apart, because each reads what it can of the other's: the ``vni`` of an
            EVPN instance would be a layer 3 VNI to zebra.
    """

    def __init__(self, house: House, node: str, bgpd: str, zebra: str = "") -> None:
        self.house = house
        self.node = node
        self.folder = house.folder / node
        self.folder.mkdir()
        self.log = self.folder / "log"
        shutil.chown(self.folder, "frr", "frr")
        head = f"log file {self.log} debugging\n"
        for daemon, config in (("zebra", zebra), ("bgpd", f"debug bgp updates in\n{bgpd}")):
            file = self.folder / f"{daemon}.conf"
            file.write_text(head + config)
            shutil.chown(file, "frr", "frr")
            self.start(daemon)

    def start(self, daemon: str) -> None:
        """Start one of the two, and wait until it answers."""
        at = self.folder
        (at / f"{daemon}.vty").unlink(missing_ok=True)
        process = self.house.lab.start(
            self.node,
            daemon,
            [
                *(
                    f"/usr/lib/frr/{daemon}",
                    "-f",
                    f"{at}/{daemon}.conf",
                    "-i",
                    f"{at}/{daemon}.pid",
                ),
                *("-z", f"{at}/zserv", "--vty_socket", str(at)),
                *("-A", "127.0.0.1", "-P", "0"),
            ],
        )
        socket = at / f"{daemon}.vty"
        wait_for(f"{daemon} of {self.node}", socket.exists, process=process, timeout=30)

    def vtysh(self, command: str) -> str:
        return run(["vtysh", "--vty_socket", str(self.folder), "-c", command])

    def withdrawals(self) -> list[str]:
        """Lines of its log that tell of a withdrawn route."""
        text = Path(self.log).read_text(errors="replace")
        return [line for line in text.splitlines() if "withdrawn" in line]


BGP = f"""
router bgp {ASN}
 bgp router-id {{address}}
 no bgp default ipv4-unicast
 neighbor {CONTROLLER} remote-as {ASN}
 neighbor {CONTROLLER} timers connect 1
 neighbor {CONTROLLER} advertisement-interval 0
"""

BRIDGE = f"""{BGP}
 address-family l2vpn evpn
  neighbor {CONTROLLER} activate
  advertise-all-vni
  vni {{vni}}
   route-target both {{target}}
  exit-vni
 exit-address-family
exit
"""

ROUTER = f"""{BGP}
 address-family ipv4 unicast
  network 203.0.113.0/24
 exit-address-family
 address-family l2vpn evpn
  neighbor {CONTROLLER} activate
  advertise-all-vni
  advertise ipv4 unicast
  rd {{address}}:1
  route-target both {{target}}
 exit-address-family
exit
"""


def bridge(site: House, node: str, address: str, vni: int, target: str = f"{ASN}:2") -> FrrNode:
    """A switch that stretches its segment: a VNI in a bridge, filled by EVPN alone."""
    site.exec(
        node,
        f"ip address add {address}/24 dev eth1; ip link add br0 type bridge;"
        f"ip link add vx type vxlan id {vni} local {address} dstport 4789 nolearning;"
        "for i in vx eth2; do ip link set $i master br0 up; done; ip link set br0 up",
    )
    return FrrNode(site, node, BRIDGE.format(address=address, vni=vni, target=target))


def router(site: House, node: str, address: str, vni: int, target: str = f"{ASN}:1") -> FrrNode:
    """A router with a layer 3 VNI: its SVI is a bridge with nothing but the VXLAN device."""
    site.exec(
        node,
        f"ip address add {address}/24 dev eth1; ip address add 203.0.113.1/24 dev eth2;"
        "sysctl -qw net.ipv4.ip_forward=1;"
        "ip link add svi type bridge;"
        f"ip link add vx type vxlan id {vni} local {address} dstport 4789 nolearning;"
        "ip link set vx master svi up; ip link set svi up",
    )
    return FrrNode(site, node, ROUTER.format(address=address, target=target), f"vni {vni}\n")
