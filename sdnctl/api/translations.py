"""What stands for a guest outside, and what follows when the guest or its network changes.

Promise: floating IPs and port forwardings always stand for an address that its port has, behind a
router that has its gateway on the floating IP's network. A port that goes takes its forwardings
with it and leaves its floating IPs to their owners; a router's interface stays while it is needed.
A port without either costs two looks at indexes. Errors are Neutron's.
"""

from __future__ import annotations

from sdnctl.api.errors import ApiError, bad, conflict
from sdnctl.api.work import Work
from sdnctl.intent import FixedIp, FloatingIp, Port, PortForwarding, Router, Subnet
from sdnctl.types import Ip


def router_between(work: Work, port: Port, subnet_id: str, external_id: str) -> str | None:
    """The router between a guest's subnet and an external network."""
    for interface in work.tx.find(Port, "interface_network", port.network_id):
        if any(fixed.subnet_id == subnet_id for fixed in interface.fixed_ips):
            router = work.tx.get(Router, interface.device_id)
            gateway = router.gateway if router is not None else None
            if gateway is not None and gateway.network_id == external_id:
                return interface.device_id
    return None


def check_interface_leaves(work: Work, router: Router, subnet: Subnet) -> None:
    """An interface stays while a floating IP needs it."""
    for floating in work.tx.find(FloatingIp, "router_id", router.id):
        stands_for = [(floating.port_id, floating.fixed_ip)]
        stands_for += [(f.port_id, f.fixed_ip) for f in forwardings(work, floating.id)]
        for port_id, ip in stands_for:
            port = work.tx.get(Port, port_id)
            if port is not None and ip is not None and FixedIp(subnet.id, ip) in port.fixed_ips:
                raise conflict(
                    "RouterInterfaceInUseByFloatingIP",
                    f"Router interface for subnet {subnet.id} on router {router.id} cannot be "
                    "deleted, as it is required by one or more floating IPs.",
                )


def forwardings(work: Work, floatingip_id: str) -> list[PortForwarding]:
    """Those of a floating IP."""
    return work.tx.find(PortForwarding, "floatingip_id", floatingip_id)


def addresses_change(work: Work, port: Port, fixed_ips: tuple[FixedIp, ...]) -> None:
    """A port is to have other addresses: those of floating IPs stay, forwardings go with theirs."""
    kept = {fixed.ip for fixed in fixed_ips}
    for floating in work.tx.find(FloatingIp, "port_id", port.id):
        if floating.fixed_ip not in kept:
            raise bad(
                "port",
                f"Cannot update the fixed_ips of the port {port.id}, because its original "
                "fixed_ip has been associated to a floating ip",
            )
    _forget(work, port, kept)


def port_leaves(work: Work, port: Port) -> None:
    """A port is deleted."""
    for floating in work.tx.find(FloatingIp, "port_id", port.id):
        if not work.caller.is_admin and floating.project_id != work.caller.project_id:
            raise conflict(
                "FipAssociated",
                f'Unable to complete the operation on port "{port.id}" because the port still has '
                "an associated floating IP.",
            )
        work.put(floating, port_id="", fixed_ip=None, router_id="")
    _forget(work, port, set())


def _forget(work: Work, port: Port, kept: set[Ip]) -> None:
    for forwarding in work.tx.find(PortForwarding, "port_id", port.id):
        if forwarding.fixed_ip not in kept:
            forget(work, forwarding)


def forget(work: Work, forwarding: PortForwarding) -> None:
    """A forwarding goes; the last one of a floating IP leaves it without a router."""
    work.tx.delete(PortForwarding, forwarding.id)
    floating = work.tx.get(FloatingIp, forwarding.floatingip_id)
    if floating is not None and not forwardings(work, floating.id):
        work.put(floating, router_id="")


def guest(port: Port, ip: Ip | None, what: str) -> FixedIp:
    """The IPv4 address of a port that something is to stand for: ``ip``, or its only one."""
    if port.device_owner.startswith("network:"):
        raise bad(what, f"Port {port.id} is unable to be assigned a floating IP")
    if ip is None:
        return _only(port, what)
    if ip.version != 4:
        raise bad(
            what,
            f"Cannot process floating IP association with {ip}, since that is not an IPv4 address",
        )
    for fixed in port.fixed_ips:
        if fixed.ip == ip:
            return fixed
    raise bad(what, f"Port {port.id} does not have fixed ip {ip}")


def _only(port: Port, what: str) -> FixedIp:
    found = [fixed for fixed in port.fixed_ips if fixed.ip.version == 4]
    if not found:
        raise bad(
            what, f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses"
        )
    if len(found) > 1:
        raise bad(
            what,
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 "
            "address when assigning a floating IP",
        )
    return found[0]


def already_associated(floating: FloatingIp, port_id: str, ip: Ip) -> ApiError:
    """The guest's address or the floating IP is taken."""
    return conflict(
        "FloatingIPPortAlreadyAssociated",
        f"Cannot associate floating IP {floating.ip} ({floating.id}) with port {port_id} using "
        f"fixed IP {ip}, as that fixed IP already has a floating IP on external network "
        f"{floating.network_id}.",
    )
