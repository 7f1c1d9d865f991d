"""Hypervisors' own addresses on external networks: there exactly while a guest needs them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sdnctl.intent import SNAT_OWNER, Port
from tests.unit.api.client import Api
from tests.unit.api.cloud import a_cloud, attach, external_network, set_gateway

OWNER = f"ports?device_owner={SNAT_OWNER}"


async def hosts(api: Api, *names: str) -> None:
    for number, name in enumerate(names, 1):
        await api.create("/sdn/v1/hypervisors", id=name, vtep=f"192.0.2.{number}")


def addresses(api: Api) -> set[tuple[str, str]]:
    """(external network, hypervisor) of each port; each is what it is to be."""
    ports = [port for port in api.store.rows(Port) if port.device_owner == SNAT_OWNER]
    for port in ports:
        assert (port.device_id, port.project_id) == (port.host, "")
        assert [fixed.ip.version for fixed in port.fixed_ips] == [4]
        assert not port.port_security_enabled
        assert not port.security_groups
    found = {(port.network_id, port.host) for port in ports}
    assert len(found) == len(ports)
    return found


async def test_it_comes_with_the_first_guest_and_goes_with_the_last(api: Api) -> None:
    await hosts(api, "cn1", "cn2")
    cloud = await a_cloud(api, distributed=True)
    out = cloud.external["id"]
    assert addresses(api) == set()
    await api.update("ports", cloud.guest["id"], **{"binding:host_id": "cn1"})
    assert addresses(api) == {(out, "cn1")}
    [shown] = await api.rows(OWNER)
    assert (shown["status"], shown["binding:host_id"]) == ("ACTIVE", "cn1")
    await api.refused("DELETE", f"ports/{shown['id']}", None, 409, "ServicePortInUse")
    second = await api.create("ports", network_id=cloud.network["id"], **{"binding:host_id": "cn1"})
    assert [one["id"] for one in await api.rows(OWNER)] == [shown["id"]]
    # One moves, the other goes.
    await api.update("ports", second["id"], **{"binding:host_id": "cn2"})
    assert addresses(api) == {(out, "cn1"), (out, "cn2")}
    await api.call("DELETE", f"ports/{cloud.guest['id']}", status=204)
    assert addresses(api) == {(out, "cn2")}
    await api.update("ports", second["id"], **{"binding:host_id": None})
    assert addresses(api) == set()
    # A hypervisor that nobody told of has none; one that is told of late gets it then.
    await api.update("ports", second["id"], **{"binding:host_id": "cn3"})
    assert addresses(api) == set()
    await api.create("/sdn/v1/hypervisors", id="cn3", vtep="192.0.2.3")
    assert addresses(api) == {(out, "cn3")}
    await api.refused("DELETE", "/sdn/v1/hypervisors/cn3", None, 409, "HypervisorInUse")
    await api.call("DELETE", f"ports/{second['id']}", status=204)
    await api.call("DELETE", "/sdn/v1/hypervisors/cn3", status=204)


async def test_it_is_there_before_a_guest_that_is_migrated(api: Api) -> None:
    """So that what it needs at the destination is no reason for the move itself to fail."""
    await hosts(api, "cn1", "cn2")
    cloud = await a_cloud(api, distributed=True)
    out = cloud.external["id"]
    guest, path = cloud.guest["id"], f"ports/{cloud.guest['id']}/bindings"
    bound = {"binding:host_id": "cn1", "device_owner": "compute:nova"}
    await api.update("ports", guest, **bound)
    await api.call("POST", path, {"binding": {"host": "cn2"}}, status=201)
    assert addresses(api) == {(out, "cn1"), (out, "cn2")}
    for distributed in (False, True):
        await api.update(
            "routers", cloud.router["id"], admin_state_up=False, distributed=distributed
        )
        assert addresses(api) == ({(out, "cn1"), (out, "cn2")} if distributed else set())
    await api.call("PUT", f"{path}/cn2/activate")
    assert addresses(api) == {(out, "cn1"), (out, "cn2")}
    await api.call("DELETE", f"{path}/cn1", status=204)
    assert addresses(api) == {(out, "cn2")}
    await api.call("POST", path, {"binding": {"host": "cn1"}}, status=201)
    await api.call("DELETE", f"{path}/cn1", status=204)
    assert addresses(api) == {(out, "cn2")}


async def test_it_follows_the_router(api: Api) -> None:
    await hosts(api, "cn1")
    cloud = await a_cloud(api)
    out, router = cloud.external["id"], cloud.router["id"]
    info = {"network_id": out}
    await api.update("ports", cloud.guest["id"], **{"binding:host_id": "cn1"})
    assert addresses(api) == set()
    for distributed in (True, False, True):
        await api.update("routers", router, admin_state_up=False, distributed=distributed)
        assert addresses(api) == ({(out, "cn1")} if distributed else set())
    await set_gateway(api, router, info | {"enable_snat": False})
    assert addresses(api) == set()
    await set_gateway(api, router, info)
    assert addresses(api) == {(out, "cn1")}
    other, _ = await external_network(api, "198.51.100.0/24")
    await set_gateway(api, router, {"network_id": other["id"]})
    assert addresses(api) == {(other["id"], "cn1")}
    await set_gateway(api, router, None)
    assert addresses(api) == set()
    await api.call("DELETE", f"networks/{other['id']}", status=204)
    await set_gateway(api, router, info)
    path = f"routers/{router}/remove_router_interface"
    await api.call("PUT", path, {"subnet_id": cloud.subnet["id"]})
    assert addresses(api) == set()
    await attach(api, router, cloud.subnet["id"])
    assert addresses(api) == {(out, "cn1")}


async def test_routers_share_it(api: Api) -> None:
    await hosts(api, "cn1")
    cloud = await a_cloud(api, distributed=True)
    info = {"network_id": cloud.external["id"]}
    other = await api.create("routers", distributed=True, external_gateway_info=info)
    network, [subnet] = await api.network("10.1.0.0/24")
    await attach(api, other["id"], subnet["id"])
    for id_ in (cloud.network["id"], network["id"]):
        await api.create("ports", network_id=id_, **{"binding:host_id": "cn1"})
    [port] = await api.rows(OWNER)
    await set_gateway(api, other["id"], None)
    assert [one["id"] for one in await api.rows(OWNER)] == [port["id"]]
    await set_gateway(api, cloud.router["id"], None)
    assert addresses(api) == set()


async def test_an_external_network_without_ipv4_needs_none_yet(api: Api) -> None:
    await hosts(api, "cn1")
    external, _ = await external_network(api, "2001:db8::/64")
    info = {"network_id": external["id"]}
    router = await api.create("routers", distributed=True, external_gateway_info=info)
    network, [subnet] = await api.network("10.1.0.0/24")
    await attach(api, router["id"], subnet["id"])
    await api.create("ports", network_id=network["id"], **{"binding:host_id": "cn1"})
    assert addresses(api) == set()
    await api.create("subnets", network_id=external["id"], cidr="203.0.113.0/24", ip_version=4)
    assert addresses(api) == {(external["id"], "cn1")}


async def test_a_guest_is_refused_where_there_is_no_way_out_for_it(api: Api) -> None:
    await hosts(api, "cn1", "cn2")
    external, _ = await external_network(api, "203.0.113.0/29")
    info = {"network_id": external["id"]}
    router = await api.create("routers", distributed=True, external_gateway_info=info)
    network, [subnet] = await api.network("10.1.0.0/24")
    await attach(api, router["id"], subnet["id"])
    for _ in range(3):
        await api.create("floatingips", floating_network_id=external["id"])
    await api.create("ports", network_id=network["id"], **{"binding:host_id": "cn1"})
    body = {"port": {"network_id": network["id"], "binding:host_id": "cn2"}}
    await api.refused("POST", "ports", body, 409, "IpAddressGenerationFailure", external["id"])


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_they_are_those_that_are_needed(api: Api, seed: int) -> None:
    """Random changes; after each, what is there is what follows from the present state."""
    rng = random.Random(seed)
    await hosts(api, "cn1", "cn2")
    outs = [(await external_network(api, f"203.0.{n}.0/24"))[0]["id"] for n in (1, 2)]
    insides = [await api.network(f"10.{n}.0.0/24") for n in range(3)]
    subnet_of = {network["id"]: subnets[0]["id"] for network, subnets in insides}
    routers = [(await api.create("routers", admin_state_up=False))["id"] for _ in range(2)]
    attached: dict[str, str] = {}
    ports: dict[str, tuple[str, str]] = {}
    also: dict[str, set[str]] = {}
    modes: dict[str, Any] = {id_: {"distributed": False, "gateway": None} for id_ in routers}

    def needed() -> set[tuple[str, str]]:
        found = set()
        for id_, (network, at) in ports.items():
            mode = modes.get(attached.get(network, ""), {})
            if mode.get("distributed") and mode["gateway"]:
                hosts = {at, *also.get(id_, ())} - {""}
                found |= {(mode["gateway"], host) for host in hosts}
        return found

    async def interface(network: str) -> None:
        if network in attached:
            router = attached.pop(network)
            path = f"routers/{router}/remove_router_interface"
            await api.call("PUT", path, {"subnet_id": subnet_of[network]})
        else:
            attached[network] = rng.choice(routers)
            await attach(api, attached[network], subnet_of[network])

    for _ in range(60):
        network, router = rng.choice(list(subnet_of)), rng.choice(routers)
        host = rng.choice(["", "cn1", "cn2"])
        match rng.randrange(8):
            case 0:
                fields = {"binding:host_id": host, "device_owner": "compute:nova"}
                made = await api.create("ports", network_id=network, **fields)
                ports[made["id"]] = (network, host)
            case 1 if ports:
                id_ = rng.choice(list(ports))
                await api.update("ports", id_, **{"binding:host_id": host})
                ports[id_] = (ports[id_][0], host)
                also[id_] = also.get(id_, set()) - {host}
            case 2 if ports:
                id_ = rng.choice(list(ports))
                del ports[id_]
                also.pop(id_, None)
                await api.call("DELETE", f"ports/{id_}", status=204)
            case 3:
                await interface(network)
            case 5 if ports:
                id_ = rng.choice(list(ports))
                at, path = ports[id_][1], f"/v2.0/ports/{id_}/bindings"
                other = "cn2" if host == "cn1" else "cn1"
                if rng.random() < 0.5:
                    made = await api.send("POST", path, {"binding": {"host": other}})
                    if made.status_code == 201:
                        also[id_] = {*also.get(id_, ()), other}
                elif other != at and rng.random() < 0.5:
                    if (await api.send("PUT", f"{path}/{other}/activate")).status_code == 200:
                        also[id_] = (also[id_] | {at}) - {other, ""}
                        ports[id_] = (ports[id_][0], other)
                elif other != at:
                    await api.send("DELETE", f"{path}/{other}")
                    also[id_] = also.get(id_, set()) - {other}
            case 4:
                out, snat = rng.choice([*outs, None]), rng.random() < 0.7
                info = out and {"network_id": out, "enable_snat": snat}
                await set_gateway(api, router, info)
                modes[router]["gateway"] = out if snat else None
            case _:
                modes[router]["distributed"] = not modes[router]["distributed"]
                await api.update("routers", router, distributed=modes[router]["distributed"])
        assert addresses(api) == needed()
