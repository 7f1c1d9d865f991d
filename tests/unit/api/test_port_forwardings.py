"""Port forwardings: made, changed, refused, and what they keep and leave."""

from __future__ import annotations

from typing import Any

from sdnctl.intent import FloatingIp, PortForwarding
from sdnctl.types import Ip
from tests.unit.api.client import Api
from tests.unit.api.cloud import Cloud, a_cloud, attach

NOBODY = "11111111-1111-1111-1111-111111111111"


async def a_floating_ip(api: Api, cloud: Cloud) -> Any:
    return await api.create(
        "floatingips", floating_network_id=cloud.external["id"], project_id="red"
    )


def to(guest: Any, external: int = 8080, internal: int = 80, **more: Any) -> dict[str, Any]:
    """What makes a forwarding to a guest."""
    return {
        "protocol": "tcp",
        "external_port": external,
        "internal_port": internal,
        "internal_port_id": guest["id"],
        "internal_ip_address": guest["fixed_ips"][0]["ip_address"],
    } | more


async def test_it_has_all_that_neutron_shows(api: Api) -> None:
    cloud = await a_cloud(api)
    floating = await a_floating_ip(api, cloud)
    path = f"floatingips/{floating['id']}/port_forwardings"
    made = await api.create(path, **to(cloud.guest, description="web"))
    assert made == {
        "id": made["id"],
        "external_port": 8080,
        "external_port_range": "8080:8080",
        "protocol": "tcp",
        "internal_port_id": cloud.guest["id"],
        "internal_ip_address": "10.1.0.2",
        "internal_port": 80,
        "internal_port_range": "80:80",
        "description": "web",
    }
    assert api.store.get(PortForwarding, made["id"]) == PortForwarding(
        id=made["id"],
        description="web",
        project_id="red",
        revision_number=1,
        created_at=api.store.get(FloatingIp, floating["id"]).created_at,  # type: ignore[union-attr]
        updated_at=api.store.get(FloatingIp, floating["id"]).created_at,  # type: ignore[union-attr]
        floatingip_id=floating["id"],
        protocol=6,
        external=(8080, 8080),
        internal=(80, 80),
        port_id=cloud.guest["id"],
        fixed_ip=Ip.parse("10.1.0.2"),
    )
    shown = (await api.call("GET", f"floatingips/{floating['id']}"))["floatingip"]
    assert (shown["port_id"], shown["router_id"]) == (None, cloud.router["id"])
    assert shown["status"] == "ACTIVE"
    assert shown["port_forwardings"] == [
        {
            "id": made["id"],
            "protocol": "tcp",
            "internal_port_id": cloud.guest["id"],
            "internal_ip_address": "10.1.0.2",
            "internal_port": 80,
            "external_port": 8080,
        }
    ]
    changed = await api.update(path, made["id"], external_port=8081, protocol="UDP", description="")
    assert (changed["external_port_range"], changed["protocol"]) == ("8081:8081", "udp")
    assert (await api.call("GET", f"{path}/{made['id']}"))["port_forwarding"] == changed
    await api.refused(
        "DELETE", f"floatingips/{floating['id']}", None, 409, "FipInUseByPortForwarding"
    )
    await api.call("DELETE", f"{path}/{made['id']}", status=204)
    shown = (await api.call("GET", f"floatingips/{floating['id']}"))["floatingip"]
    assert (shown["router_id"], shown["status"], shown["port_forwardings"]) == (None, "DOWN", [])
    await api.refused(
        "GET",
        f"{path}/{made['id']}",
        None,
        404,
        "PortForwardingNotFound",
        f"Port Forwarding {made['id']} could not be found.",
    )
    await api.call("DELETE", f"floatingips/{floating['id']}", status=204)


async def test_ranges(api: Api) -> None:
    cloud = await a_cloud(api)
    floating = await a_floating_ip(api, cloud)
    path = f"floatingips/{floating['id']}/port_forwardings"
    ranges = {"external_port_range": "2000:2009", "internal_port_range": "3000:3009"}
    body = to(cloud.guest) | ranges
    del body["external_port"], body["internal_port"]
    made = await api.create(path, **body)
    assert (made["external_port"], made["internal_port"]) == (None, None)
    assert {name: made[name] for name in ranges} == ranges
    # Many ports may stand for one.
    wide = to(cloud.guest, internal=22) | {"external_port_range": "4000:4001"}
    del wide["external_port"]
    both = await api.create(path, **wide)
    assert (both["internal_port"], both["external_port"]) == (22, None)
    shown = (await api.call("GET", f"floatingips/{floating['id']}"))["floatingip"]
    assert "external_port" not in shown["port_forwardings"][0]
    alone = to(cloud.guest, 5000, 5001) | {"external_port_range": "5000"}
    assert (await api.create(path, **alone))["external_port"] == 5000
    assert await api.ids(f"{path}?external_port_range=2000:2009") == {made["id"]}
    assert await api.ids(f"{path}?external_port=5000&protocol=tcp") != {made["id"]}
    assert await api.ids(f"{path}?external_port_range=5000") != set()
    assert await api.ids(f"{path}?protocol=udp") == set()
    for query in ("external_port_range=x", "external_port=x", "protocol=x", "internal_port_id=x"):
        name = query.partition("=")[0]
        await api.refused("GET", f"{path}?{query}", None, 400, "HTTPBadRequest", name)
    for order in ("asc", "desc"):
        by_port = await api.rows(f"{path}?sort_key=external_port&sort_dir={order}&fields=id")
        assert len(by_port) == 3
    assert len(await api.rows(f"{path}?internal_port_id={cloud.guest['id']}")) == 3
    ports: list[tuple[dict[str, Any], str]] = [
        ({"external_port_range": "6000:6003", "internal_port_range": "1:2"}, "N-N or 1-N"),
        ({"external_port_range": "6000:6000", "internal_port_range": "1:2"}, "N-N or 1-N"),
        ({"external_port_range": "6000:9000", "internal_port_range": "6000:9000"}, "longer than"),
        ({"external_port_range": "2009:2010", "internal_port": 7}, "external_port_range"),
        ({"external_port": 2000, "internal_port": 7}, "2000:2009 and 2000:2000"),
        ({"external_port": 7000, "internal_port_range": "3009:3009"}, "internal_port_range"),
        ({"external_port": 7000, "external_port_range": "7001", "internal_port": 1}, "differ"),
        ({"internal_port": 1}, "external_port or external_port_range"),
        ({"external_port": 1}, "internal_port or internal_port_range"),
    ]
    for said, text in ports:
        wanted = {k: v for k, v in to(cloud.guest).items() if "_port" not in k or "_id" in k}
        await api.refused("POST", path, {"port_forwarding": wanted | said}, 400, "BadRequest", text)
    for value in ("2:1", "0:5", "1:65536", "a:b", "1:2:3", "", True):
        body = {"port_forwarding": to(cloud.guest) | {"external_port_range": value}}
        await api.refused("POST", path, body, 400, "HTTPBadRequest", "external_port_range")
    # The same ports of another protocol are others.
    await api.create(path, **to(cloud.guest, 2000, 3000, protocol="udp"))


async def test_what_cannot_be(api: Api) -> None:
    cloud = await a_cloud(api)
    floating = await a_floating_ip(api, cloud)
    path = f"floatingips/{floating['id']}/port_forwardings"
    lonely, _ = await api.network("10.3.0.0/24")
    stranger = await api.create("ports", network_id=lonely["id"])
    bare = await api.create("ports", network_id=cloud.network["id"], fixed_ips=[])
    bound = await api.create("ports", network_id=cloud.network["id"])
    other = await a_floating_ip(api, cloud)
    await api.update("floatingips", other["id"], port_id=bound["id"])
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        (to({"id": NOBODY, "fixed_ips": [{"ip_address": "1.1.1.1"}]}), 404, "PortNotFound", NOBODY),
        (to(stranger), 400, "BadRequest", "is not reachable from subnet"),
        (to(cloud.guest) | {"internal_port_id": bare["id"]}, 400, "BadRequest", "IPv4 address"),
        (
            to(cloud.guest) | {"internal_ip_address": "10.1.0.77"},
            400,
            "BadRequest",
            "Requested internal IP address 10.1.0.77 is not suitable",
        ),
        (to(bound), 409, "PortHasBindingFloatingIP", other["floating_ip_address"]),
        (to(cloud.guest) | {"protocol": "icmp"}, 400, "HTTPBadRequest", "protocol"),
        (to(cloud.guest) | {"external_port": 0}, 400, "HTTPBadRequest", "external_port"),
        (to(cloud.guest) | {"colour": 0}, 400, "HTTPBadRequest", "colour"),
    ]
    for body, status, kind, text in cases:
        await api.refused("POST", path, {"port_forwarding": body}, status, kind, text)
    for name in ("protocol", "internal_port_id", "internal_ip_address"):
        wanted = to(cloud.guest)
        del wanted[name]
        body = {"port_forwarding": wanted}
        await api.refused("POST", path, body, 400, "HTTPBadRequest", name)
    nowhere = f"floatingips/{NOBODY}/port_forwardings"
    for method in ("GET", "POST"):
        sent = {"port_forwarding": to(cloud.guest)} if method == "POST" else None
        await api.refused(method, nowhere, sent, 404, "FloatingIPNotFound", NOBODY)
    # A floating IP is for one guest whole, or for several by their ports.
    await api.refused(
        "POST",
        f"floatingips/{other['id']}/port_forwardings",
        {"port_forwarding": to(cloud.guest)},
        409,
        "FloatingIPPortAlreadyAssociated",
        other["id"],
    )
    made = await api.create(path, **to(cloud.guest))
    await api.refused(
        "GET",
        f"floatingips/{other['id']}/port_forwardings/{made['id']}",
        None,
        404,
        "PortForwardingNotFound",
    )
    free = await api.create("ports", network_id=cloud.network["id"])
    await api.refused(
        "PUT",
        f"floatingips/{floating['id']}",
        {"floatingip": {"port_id": free["id"]}},
        409,
        "FipInUseByPortForwarding",
        floating["id"],
    )
    third = await a_floating_ip(api, cloud)
    await api.refused(
        "PUT",
        f"floatingips/{third['id']}",
        {"floatingip": {"port_id": cloud.guest["id"]}},
        400,
        "PortHasPortForwarding",
        cloud.guest["id"],
    )
    # What stands for nobody already may be told so again.
    kept = await api.update("floatingips", floating["id"], port_id=None)
    assert kept["router_id"] == cloud.router["id"]


async def test_guests_of_one_router_share_a_floating_ip(api: Api) -> None:
    cloud = await a_cloud(api)
    floating = await a_floating_ip(api, cloud)
    path = f"floatingips/{floating['id']}/port_forwardings"
    second = await api.create("ports", network_id=cloud.network["id"])
    first = await api.create(path, **to(cloud.guest))
    other = await api.create(path, **to(second, 8081))
    info = {"network_id": cloud.external["id"]}
    router = await api.create("routers", external_gateway_info=info)
    elsewhere, [subnet] = await api.network("10.5.0.0/24")
    await attach(api, router["id"], subnet["id"])
    far = await api.create("ports", network_id=elsewhere["id"])
    for method, at, body in (
        ("POST", path, to(far, 8082)),
        (
            "PUT",
            f"{path}/{first['id']}",
            {"internal_port_id": far["id"], "internal_ip_address": "10.5.0.2"},
        ),
    ):
        await api.refused(
            method,
            at,
            {"port_forwarding": body},
            400,
            "BadRequest",
            f"had been set on router {cloud.router['id']}",
        )
    await api.refused(
        "PUT",
        f"{path}/{first['id']}",
        {"port_forwarding": {"external_port": 8081}},
        400,
        "BadRequest",
        "collide",
    )
    moved = await api.update(
        path,
        first["id"],
        internal_port_id=second["id"],
        internal_ip_address=second["fixed_ips"][0]["ip_address"],
        internal_port=81,
    )
    assert moved["internal_port_id"] == second["id"]
    await api.refused(
        "PUT",
        f"{path}/{other['id']}",
        {"port_forwarding": {"internal_port": 81}},
        400,
        "BadRequest",
        "internal_port_range",
    )
    # The way stays while it is needed.
    detach = f"routers/{cloud.router['id']}/remove_router_interface"
    await api.refused(
        "PUT", detach, {"subnet_id": cloud.subnet["id"]}, 409, "RouterInterfaceInUseByFloatingIP"
    )
    await api.refused(
        "PUT",
        f"routers/{cloud.router['id']}",
        {"router": {"external_gateway_info": None}},
        409,
        "RouterExternalGatewayInUseByFloatingIp",
    )
    # A guest takes its forwardings with it, and the last one the router.
    await api.call("DELETE", f"ports/{second['id']}", status=204)
    assert await api.rows(path) == []
    shown = (await api.call("GET", f"floatingips/{floating['id']}"))["floatingip"]
    assert shown["router_id"] is None
    await api.call("PUT", detach, {"subnet_id": cloud.subnet["id"]})


async def test_a_forwarding_goes_with_the_address(api: Api) -> None:
    cloud = await a_cloud(api)
    floating = await a_floating_ip(api, cloud)
    path = f"floatingips/{floating['id']}/port_forwardings"
    subnet = cloud.subnet["id"]
    guest = await api.create(
        "ports", network_id=cloud.network["id"], fixed_ips=[{"subnet_id": subnet}] * 2
    )
    first, second = (fixed["ip_address"] for fixed in guest["fixed_ips"])
    kept = await api.create(path, **to(guest))
    await api.create(path, **to(guest, 8081) | {"internal_ip_address": second})
    await api.update("ports", guest["id"], fixed_ips=[{"ip_address": first}])
    assert await api.ids(path) == {kept["id"]}
    await api.update("ports", guest["id"], fixed_ips=[])
    assert await api.ids(path) == set()
