"""Whatever is asked of the way out, in whatever order, what is kept fits together."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from sdnctl.intent import (
    FLOATING_IP_OWNER,
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    FixedIp,
    FloatingIp,
    Network,
    Port,
    PortForwarding,
    Router,
    Subnet,
)
from sdnctl.store import Store
from tests.unit.api.client import Api
from tests.unit.api.cloud import external_network

NOBODY = "11111111-1111-1111-1111-111111111111"


def router_of(store: Store, port: Port) -> Router:
    [interface, *_] = store.find(Port, "interface_network", port.network_id)
    router = store.get(Router, interface.device_id)
    assert router is not None
    return router


def stands(store: Store, floating: FloatingIp, port_id: str, ip: Any) -> None:
    """A guest that a floating IP stands for is there, with its address, behind the router."""
    port = store.get(Port, port_id)
    assert port is not None
    assert ip in {fixed.ip for fixed in port.fixed_ips}
    router = router_of(store, port)
    assert router.id == floating.router_id
    assert router.gateway is not None
    assert router.gateway.network_id == floating.network_id


def check(store: Store) -> None:
    """What holds at every revision."""
    forwarding_of = Counter(row.floatingip_id for row in store.rows(PortForwarding))
    for floating in store.rows(FloatingIp):
        holder = store.get(Port, floating.floating_port_id)
        assert holder is not None
        assert (holder.device_owner, holder.device_id) == (FLOATING_IP_OWNER, floating.id)
        assert [fixed.ip for fixed in holder.fixed_ips] == [floating.ip]
        assert not (floating.port_id and forwarding_of[floating.id])
        used = floating.port_id or forwarding_of[floating.id]
        assert bool(floating.router_id) == bool(used)
        assert bool(floating.port_id) == (floating.fixed_ip is not None)
        if floating.port_id:
            stands(store, floating, floating.port_id, floating.fixed_ip)
    bound = {row.port_id for row in store.rows(FloatingIp)} - {""}
    for row in store.rows(PortForwarding):
        its = store.get(FloatingIp, row.floatingip_id)
        assert its is not None
        stands(store, its, row.port_id, row.fixed_ip)
        assert row.port_id not in bound
    for router in store.rows(Router):
        ports = store.find(Port, "device_id", router.id)
        gateways = [p.id for p in ports if p.device_owner == ROUTER_GATEWAY_OWNER]
        assert gateways == ([router.gateway.port_id] if router.gateway else [])
        assert not router.gateway or router.nat
        inside = [s for p in ports for f in p.fixed_ips if (s := store.get(Subnet, f.subnet_id))]
        if router.gateway:
            inside += store.find(Subnet, "network_id", router.gateway.network_id)
        assert all(any(route.nexthop in s.prefix for s in inside) for route in router.routes)
    zones = [router.nat for router in store.rows(Router) if router.nat]
    assert len(set(zones)) == len(zones)
    for port in store.rows(Port):
        network = store.get(Network, port.network_id)
        assert network is not None
        match port.device_owner:
            case "network:floatingip":
                assert store.get(FloatingIp, port.device_id) is not None
            case "network:router_gateway":
                assert network.external
                assert store.get(Router, port.device_id) is not None
            case "network:router_interface":
                assert not network.external
    for network in store.rows(Network):
        assert network.vrf is not None or not network.external
    fixed = Counter(f for port in store.rows(Port) for f in port.fixed_ips)
    assert not {at for at, count in fixed.items() if count > 1}
    assert all(isinstance(at, FixedIp) for at in fixed)


@pytest.mark.parametrize("seed", range(10))
async def test_what_is_kept_fits_together(api: Api, seed: int) -> None:
    rng = random.Random(seed)
    outs = [(await external_network(api, f"203.0.{n}.0/28"))[0]["id"] for n in (1, 2)]
    insides = {}
    for n in range(3):
        network, subnets = await api.network(f"10.{n}.0.0/24", f"10.{n}.1.0/24")
        insides[network["id"]] = [subnet["id"] for subnet in subnets]
    routers = [(await api.create("routers"))["id"] for _ in range(2)]
    done: Counter[str] = Counter()

    async def ask(method: str, path: str, body: Any = None) -> None:
        answer = await api.send(method, f"/v2.0/{path}", body)
        assert answer.status_code < 500, answer.text
        kind = "port_forwardings" if "port_forwardings" in path else path.partition("/")[0]
        done[f"{method} {kind} {answer.status_code // 100}"] += 1
        check(api.store)

    def some(kind: type[Any], **wanted: str) -> str:
        """The id of one that is there, or of none."""
        rows = [
            r.id for r in api.store.rows(kind) if all(getattr(r, k) == v for k, v in wanted.items())
        ]
        return str(rng.choice(rows)) if rows and rng.random() < 0.95 else NOBODY

    def address(port_id: str) -> str:
        port = api.store.get(Port, port_id)
        return str(rng.choice(port.fixed_ips).ip) if port and port.fixed_ips else "10.0.0.9"

    # A way out for everybody, to begin with.
    for router, network, out in zip(routers, insides, outs, strict=False):
        info = {"external_gateway_info": {"network_id": out}}
        await ask("PUT", f"routers/{router}", {"router": info})
        for subnet in insides[network]:
            await ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})
        for _ in range(2):
            await ask("POST", "ports", {"port": {"network_id": network}})
            await ask("POST", "floatingips", {"floatingip": {"floating_network_id": out}})

    for _ in range(150):
        network, router, out = rng.choice(list(insides)), rng.choice(routers), rng.choice(outs)
        subnet, guest = rng.choice(insides[network]), some(Port, device_owner="")
        floating = some(FloatingIp)
        pfs = f"floatingips/{floating}/port_forwardings"
        match rng.choice([0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 6, 7, 8, 8, 8, 8, 9, 10, 10]):
            case 0:
                wish = [{"subnet_id": s} for s in rng.sample(insides[network], rng.randint(1, 2))]
                await ask("POST", "ports", {"port": {"network_id": network, "fixed_ips": wish}})
            case 1:
                await ask("DELETE", f"ports/{some(Port)}")
            case 2:
                await ask("PUT", f"ports/{guest}", {"port": {"fixed_ips": [{"subnet_id": subnet}]}})
            case 3:
                body = {"subnet_id": subnet}
                await ask("PUT", f"routers/{router}/add_router_interface", body)
            case 4:
                body = {"subnet_id": subnet}
                await ask("PUT", f"routers/{router}/remove_router_interface", body)
            case 5:
                info = rng.choice([{"network_id": out}, {"network_id": out}, {}])
                await ask("PUT", f"routers/{router}", {"router": {"external_gateway_info": info}})
            case 6:
                body = {"floating_network_id": out, "port_id": rng.choice([guest, None])}
                await ask("POST", "floatingips", {"floatingip": body})
            case 7:
                body = {"port_id": rng.choice([guest, guest, None])}
                if body["port_id"] and rng.random() < 0.7:
                    body["fixed_ip_address"] = address(guest)
                await ask("PUT", f"floatingips/{floating}", {"floatingip": body})
            case 9:
                await ask("DELETE", f"floatingips/{floating}")
            case 8:
                forwarding = {
                    "protocol": rng.choice(["tcp", "udp"]),
                    "external_port": rng.randint(1, 5),
                    "internal_port": rng.randint(1, 5),
                    "internal_port_id": guest,
                    "internal_ip_address": address(guest),
                }
                if rng.random() < 0.7:
                    await ask("POST", pfs, {"port_forwarding": forwarding})
                else:
                    id_ = some(PortForwarding, floatingip_id=floating)
                    await ask("PUT", f"{pfs}/{id_}", {"port_forwarding": forwarding})
            case 10 if rng.random() < 0.3:
                await ask("DELETE", f"{pfs}/{some(PortForwarding, floatingip_id=floating)}")
            case _:
                interface = some(Port, device_owner=ROUTER_INTERFACE_OWNER)
                hop = rng.choice(["10.0.0.200", "10.1.1.200", "203.0.1.14"])
                route = {"destination": "192.0.2.0/24", "nexthop": hop}
                if rng.random() < 0.5:
                    body = {"router": {"routes": [route]}}
                    action = rng.choice(["add_extraroutes", "remove_extraroutes"])
                    await ask("PUT", f"routers/{router}/{action}", body)
                else:
                    fixed = {"fixed_ips": [{"subnet_id": subnet}]}
                    await ask("PUT", f"ports/{interface}", {"port": fixed})
    for what in ("POST floatingips", "POST port_forwardings", "PUT floatingips", "PUT routers"):
        assert done[f"{what} 2"], what
        assert done[f"{what} 4"], what
