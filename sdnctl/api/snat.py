"""The addresses that hypervisors translate to: for the guests of their own, of distributed routers.

Promise: a hypervisor has one port with one IPv4 address on an external network exactly while a
guest is bound there, be it about to be migrated there, whose network's router is distributed, has
its gateway on that external network and translates (``enable_snat``). It is made and deleted in
the transaction that makes the difference. A port costs one look at an index where its network has
no router; one that leaves costs a look at the others of its host, and only where its router is
distributed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sdnctl.api import outside
from sdnctl.api.work import Work
from sdnctl.intent import (
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    Hypervisor,
    Port,
    Router,
)


def port_changed(work: Work, old: Port | None, new: Port | None) -> None:
    """A port comes, goes or changes; whether it is put yet makes no difference."""
    port, before, after = new or old, _hosts(old), _hosts(new)
    if before == after or port is None:
        return
    external = _outside_of(work, port.network_id)
    if external is None:
        return
    for host in sorted(after - before):
        _ensure(work, external, host)
    for host in sorted(before - after):
        _release(work, external, host, without=port.id)


def router_changed(
    work: Work, router_id: str, before: Router | None, networks: Iterable[str]
) -> None:
    """A router is put with another gateway or mode, or has an interface more or less.

    ``before`` is the router as it was; ``networks`` are those that it is or was between.
    """
    router = work.tx.get(Router, router_id)
    externals = {external for r in (before, router) if (external := _translates(r)) is not None}
    if not externals:
        return
    hosts = {
        host: None
        for network in networks
        for port in work.tx.find(Port, "network_id", network)
        for host in sorted(_hosts(port))
    }
    for host in hosts:
        for external in sorted(externals):
            if _needed(work, external, host):
                _ensure(work, external, host)
            else:
                _release(work, external, host)


def hypervisor_comes(work: Work, host: str) -> None:
    """Guests may be bound to it before it is told of; it is put."""
    networks = {port.network_id for port in _guests_of(work, host)}
    externals = {_outside_of(work, network) for network in networks} - {None}
    for external in sorted(e for e in externals if e is not None):
        _ensure(work, external, host)


def network_changed(work: Work, external: str) -> None:
    """An external network has a subnet more: who needs an address there may get one now."""
    gateways = work.tx.find(Port, "outside", (ROUTER_GATEWAY_OWNER, external))
    for gateway in gateways:
        router_changed(work, gateway.device_id, None, interface_networks(work, gateway.device_id))


def interface_networks(work: Work, router_id: str) -> list[str]:
    """The networks that a router has interfaces on."""
    ports = work.tx.find(Port, "device_id", router_id)
    found = {p.network_id: None for p in ports if p.device_owner == ROUTER_INTERFACE_OWNER}
    return list(found)


def _hosts(port: Port | None) -> set[str]:
    """Where a guest is bound; the ports of routers and of the controller are nowhere for us.

    Where it is about to be migrated to, the way out is there before it is.
    """
    if port is None or port.device_owner.startswith("network:"):
        return set()
    return {port.host, *(binding.host for binding in port.bindings)} - {""}


def _guests_of(work: Work, host: str) -> Iterator[Port]:
    for index in ("host", "also_at"):
        for port in work.tx.each(Port, index, host):
            if _hosts(port):
                yield port


def _translates(router: Router | None) -> str | None:
    """The external network that a router's guests leave to by their hypervisors' addresses."""
    if router is None or not router.distributed or router.gateway is None:
        return None
    return router.gateway.network_id if router.gateway.enable_snat else None


def _outside_of(work: Work, network_id: str) -> str | None:
    """The same of a network's router."""
    port = work.tx.first(Port, "interface_network", network_id)
    return None if port is None else _translates(work.tx.get(Router, port.device_id))


def _port(work: Work, external: str, host: str) -> Port | None:
    for port in work.tx.find(Port, "device_id", host):
        if port.device_owner == SNAT_OWNER and port.network_id == external:
            return port
    return None


def _needed(work: Work, external: str, host: str, without: str = "") -> bool:
    known: dict[str, bool] = {}
    for port in _guests_of(work, host):
        if port.id == without:
            continue
        network = port.network_id
        if network not in known:
            known[network] = _outside_of(work, network) == external
        if known[network]:
            return True
    return False


def _ensure(work: Work, external: str, host: str) -> None:
    tx = work.tx
    if tx.get(Hypervisor, host) is None or _port(work, external, host) is not None:
        return
    if outside.ipv4_subnets(work, external, SNAT_OWNER):
        fixed = outside.any_ipv4(work, external, SNAT_OWNER)
        mac = tx.allocate_mac(external)
        outside.add_port(work, external, mac, (fixed,), owner=SNAT_OWNER, device_id=host, host=host)


def _release(work: Work, external: str, host: str, without: str = "") -> None:
    port = _port(work, external, host)
    if port is not None and not _needed(work, external, host, without):
        work.tx.delete(Port, port.id)
