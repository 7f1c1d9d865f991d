"""Lists say what is: nothing that is kept of a row outlives what it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdnctl.api import NothingObserved
from sdnctl.api.app import NEUTRON, OWN
from sdnctl.api.caller import Identity
from sdnctl.api.encoded import Encoded
from sdnctl.api.settings import Settings
from sdnctl.api.work import Context
from sdnctl.intent import Row
from sdnctl.store import Store
from tests.unit.api.client import Api, Known, opened


class Programmed(NothingObserved):
    def __init__(self) -> None:
        self.status = "DOWN"

    def port_status(self, port_id: str) -> str:
        return self.status


async def agree(api: Api) -> None:
    """Each list says of each row what the row says of itself."""
    for collection in ("networks", "subnets", "ports", "routers", "security-groups",
                       "security-group-rules"):  # fmt: skip
        name = collection.removesuffix("s").replace("-", "_")
        for row in await api.rows(collection):
            assert row == (await api.call("GET", f"{collection}/{row['id']}"))[name]


async def test_a_list_is_as_its_rows_are(tmp_path: Path) -> None:
    observed = Programmed()
    async with opened(tmp_path / "db", observed=observed) as api:
        network, [subnet] = await api.network("10.0.0.0/24", name="n")
        port = await api.create(
            "ports", network_id=network["id"], **{"binding:host_id": "cn1"}, dns_name="web"
        )
        path = f"ports/{port['id']}"

        async def shown() -> Any:
            await agree(api)
            return (await api.rows("ports"))[0]

        assert (await shown())["binding:vif_type"] == "binding_failed"
        await api.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
        assert (await shown())["binding:vif_type"] == "ovs"
        await api.update("/sdn/v1/hypervisors", "cn1", datapath_type="netdev")
        assert (await shown())["binding:vif_details"]["datapath_type"] == "netdev"
        observed.status = "ACTIVE"
        assert (await shown())["status"] == "ACTIVE"
        await api.update("networks", network["id"], dns_domain="red.", **{"router:external": True})
        assert (await shown())["dns_assignment"][0]["fqdn"] == "web.red."
        assert (await api.rows("subnets"))[0]["router:external"]
        await api.update("ports", port["id"], name="other")
        assert (await shown())["name"] == "other"
        await api.call("PUT", f"{path}/tags/x", status=201)
        assert (await shown())["tags"] == ["x"]
        group = (await api.rows("security-groups?name=default"))[0]
        await api.call("DELETE", path, status=204)
        await api.call("DELETE", f"security-groups/{group['id']}", status=204)
        await agree(api)
        assert await api.rows("ports") == []
        assert subnet["id"] in {row["id"] for row in await api.rows("subnets")}


async def test_what_is_kept_for_one_is_not_shown_to_another(tmp_path: Path) -> None:
    callers = Known(
        admin=Identity(project_id="red", roles=frozenset({"admin"})),
        red=Identity(project_id="red", roles=frozenset({"member"})),
    )
    async with opened(tmp_path / "db", authenticator=callers) as api:
        network = await api.by("red").create("networks")
        await api.by("red").create("ports", network_id=network["id"])
        for _ in range(2):
            for who, hidden in (("admin", False), ("red", True)):
                [port] = await api.by(who).rows("ports")
                assert ("binding:host_id" not in port) is hidden
                [shown] = await api.by(who).rows("networks")
                assert ("provider:segmentation_id" not in shown) is hidden


async def test_memory_is_bounded(api: Api) -> None:
    network = await api.create("networks")
    bodies = [{"network_id": network["id"]}] * 50
    await api.call("POST", "ports", {"ports": bodies}, status=201)
    context = Context(api.store, Settings(), NothingObserved())
    encoded = Encoded(context, most=10_000)
    resource = NEUTRON["ports"]
    write = encoded.kept(resource, resource.readers)
    rows = list(api.store.rows(resource.kind))
    first = write(rows)
    assert 0 < encoded._size <= 10_000
    assert write(rows) == first
    assert encoded.kept(resource, resource.readers) is write


class Only:
    """A store of which certain rows may be read, and nothing else."""

    def __init__(self, store: Store, allowed: set[tuple[type[Row], str]]) -> None:
        self._store = store
        self._allowed = allowed

    def get(self, kind: type[Row], id_: str) -> Row | None:
        assert (kind, id_) in self._allowed
        return self._store.get(kind, id_)


async def test_what_says_what_it_depends_on_depends_on_nothing_else(api: Api) -> None:
    await api.create("/sdn/v1/hypervisors", id="cn1", vtep="192.0.2.1")
    outside, _ = await api.network("203.0.113.0/24", **{"router:external": True})
    network, [subnet, _] = await api.network("10.0.0.0/24", "fd00::/64")
    await api.create("ports", network_id=network["id"], **{"binding:host_id": "cn1"})
    way_out = {"network_id": outside["id"]}
    router = await api.create("routers", external_gateway_info=way_out)
    path = f"routers/{router['id']}/add_router_interface"
    await api.call("PUT", path, {"subnet_id": subnet["id"]})
    await api.create("floatingips", floating_network_id=outside["id"])
    await api.create("address-groups", addresses=["10.0.0.0/8"])
    seen = 0
    for resource in {**NEUTRON, **OWN}.values():
        for row in api.store.rows(resource.kind):
            for attribute in resource.attributes:
                if attribute.depends is None or not attribute.visible:
                    continue
                allowed = {(of.kind, getattr(row, of.field)) for of in attribute.depends}
                context: Any = Context(Only(api.store, allowed), Settings(), None)  # type: ignore[arg-type]
                attribute.reader()(context, row)
                seen += bool(attribute.depends)
    assert seen > 10
