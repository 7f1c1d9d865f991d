"""Every call of the API by every role: what is expected follows from the policy's table.

A new resource, attribute or action is covered by being declared; a wrong table is found by
``test_projects``, which is written by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from sdnctl.api.app import NEUTRON, OWN
from sdnctl.api.caller import Identity, Who
from sdnctl.api.policy import POLICY, Rules
from sdnctl.api.schema import REQUIRED, Resource
from sdnctl.intent import KIND_OF
from tests.unit.api.client import Api, Known, opened


def identity(*roles: str, project: str = "", system: bool = False) -> Identity:
    return Identity(project_id=project, roles=frozenset(roles), system=system)


CALLERS = {
    "reader": identity("reader", project="red"),
    "member": identity("member", project="red"),
    "manager": identity("manager", project="red"),
    "admin": identity("admin", project="red"),
    "foreign": identity("manager", project="blue"),
    "unscoped": identity(),
    "service": identity("service", project="nova"),
    "auditor": identity("reader", system=True),
}

_NETWORKS = Who.NETWORK_READER | Who.NETWORK_MEMBER | Who.NETWORK_MANAGER
GRANTS = {
    "reader": Who.READER | Who.NETWORK_READER | Who.ANYBODY,
    "member": Who.READER | Who.MEMBER | Who.NETWORK_READER | Who.NETWORK_MEMBER | Who.ANYBODY,
    "manager": Who.READER | Who.MEMBER | Who.MANAGER | _NETWORKS | Who.ANYBODY,
    "foreign": Who.ANYBODY,
    "unscoped": Who(0),
    "service": Who.SERVICE,
    "auditor": Who(0),
}
"""What each is to a row of the project red on a private network of red."""

SERVED = [*((f"/v2.0/{path}", r) for path, r in NEUTRON.items())]
SERVED += [
    (f"{path}/{{{resource.name}_id}}/{part.collection}", part)
    for path, resource in list(SERVED)
    for part in resource.parts
]
SERVED += [(f"/sdn/v1/{path}", r) for path, r in OWN.items()]

ALIASED = [
    (f"/v2.0/{part.aliased.path}", part.aliased)
    for resource in NEUTRON.values()
    for part in resource.parts
    if part.alias
]
"""What is served under its own ids too; lists and creates are not."""

TAGGED = [
    (f"/v2.0/{r.collection}", r) for r in NEUTRON.values() if r.prefix and "tags" in r.by_name
]
"""Where Neutron has the tags of what is served behind a prefix, and nothing else of it."""

CALLED = [*SERVED, *ALIASED, *TAGGED]

SAMPLES: dict[str, Any] = {
    "ip_version": 4,
    "cidr": "10.0.0.0/24",
    "asn": 64512,
    "direction": "ingress",
    "a": "one",
    "b": "two",
    "name": "x",
    "prefixes": ["10.0.0.0/8"],
    "object_type": "network",
    "target_tenant": "green",
    "action": "access_as_shared",
    "max_kbps": 1000,
    "dscp_mark": 10,
    "min_kbps": 10,
    "protocol": "tcp",
    "external_port": 8080,
    "internal_port": 80,
    "internal_ip_address": "10.0.0.2",
}
"""Required attributes that are neither an id nor unique."""

ALSO = {"cidr", "external_port", "internal_port"}
"""What is not required by itself, but one way of saying what is."""

ACTIONS: dict[str, dict[str, Any]] = {
    "add_addresses": {"addresses": []},
    "remove_addresses": {"addresses": []},
    "add_router_interface": {"subnet_id": "subnet"},
    "remove_router_interface": {"subnet_id": "attached"},
    "add_extraroutes": {"router": {"routes": []}},
    "remove_extraroutes": {"router": {"routes": []}},
    "add_prefixes": {"prefixes": ["192.168.0.0/16"]},
    "remove_prefixes": {"prefixes": ["10.0.0.0/9"]},
    "add_subports": {"sub_ports": []},
    "remove_subports": {"sub_ports": []},
}
"""An action's body; a text is the name of what it refers to."""

_numbers = itertools.count(1)


class World:
    """Fresh objects of the project red, made by an administrator."""

    def __init__(self, api: Api) -> None:
        self.admin = api.by("admin")
        self.ids: dict[str, str] = {}

    async def id(self, name: str) -> str:
        """The id of a fresh ``name``."""
        if name not in self.ids:
            self.ids[name] = await self._make(name)
        return self.ids[name]

    async def _make(self, name: str) -> str:
        if name == "attached":
            subnet = await self.id("subnet")
            path = f"/v2.0/routers/{await self.id('router')}/add_router_interface"
            await self.admin.call("PUT", path, {"subnet_id": subnet})
            return subnet
        if name == "floating_network":
            return await self._outside()
        if name == "internal_port":
            return await self._behind_a_gateway()
        path, resource = next((p, r) for p, r in SERVED if r.name == name)
        where = await self.path(path)
        body = await self.body(resource)
        if "project_id" in resource.by_name:
            body["project_id"] = "red"
        made = await self.admin.call("POST", where, {name: body}, status=201)
        return str(made[name]["id"])

    async def _outside(self) -> str:
        """An external network with addresses."""
        body = {"network": {"router:external": True, "project_id": "red"}}
        network = (await self.admin.call("POST", "networks", body, status=201))["network"]
        await self.admin.create(
            "subnets", network_id=network["id"], cidr="203.0.113.0/24", ip_version=4
        )
        return str(network["id"])

    async def _behind_a_gateway(self) -> str:
        """A port that the floating network is reached from."""
        info = {"network_id": await self.id("floating_network")}
        await self.admin.update("routers", await self.id("router"), external_gateway_info=info)
        await self.id("attached")
        return await self.id("port")

    async def path(self, path: str) -> str:
        """The path with what it is below of."""
        if "{" not in path:
            return path
        name = path.partition("{")[2].partition("_id}")[0]
        return path.replace(f"{{{name}_id}}", await self.id(name))

    async def body(self, resource: Resource) -> dict[str, Any]:
        """The least that makes one."""
        body: dict[str, Any] = {}
        if resource.name == "default_security_group_rule":  # none says what another does
            body["remote_ip_prefix"] = "192.0.{}.{}".format(*divmod(next(_numbers), 256))
        for attribute in resource.attributes:
            name = attribute.name
            if not attribute.post or (attribute.default is not REQUIRED and name not in ALSO):
                continue
            if name == "id":
                body[name] = f"x{next(_numbers)}"
            elif name in {"address", "vtep"}:
                body[name] = "192.0.{}.{}".format(*divmod(next(_numbers), 256))
            elif name in SAMPLES:
                body[name] = SAMPLES[name]
            else:
                assert name.endswith("_id"), f"say in SAMPLES what {resource.name}.{name} may be"
                named = "network" if name == "object_id" else name.removesuffix("_id")
                body[name] = await self.id(named)
        return body


class Call(NamedTuple):
    """A call of a member: what follows its path, and the status of who may."""

    method: str
    below: str
    verb: str
    body: Any
    done: int


def calls_of(path: str, resource: Resource) -> list[Call]:
    """Every call of a member that the table makes, but for the actions."""
    calls = _calls_of(resource)
    if (path, resource) in TAGGED:
        return [call for call in calls if call.below.startswith("/tags")]
    return calls


def _calls_of(resource: Resource) -> list[Call]:
    name = resource.name
    texts = ("description", "name", "target_tenant", *(SAMPLES.keys() & resource.by_name.keys()))
    said = next(n for n in texts if n in resource.by_name)
    calls = [
        Call("GET", "", "see", None, 200),
        Call("PUT", "", "update", {name: {said: SAMPLES.get(said, "x")}}, 200),
        Call("PUT", "", "update", {name: {}}, 200),
        Call("DELETE", "", "delete", None, 204),
    ]
    if "tags" in resource.by_name:
        calls += [
            Call("GET", "/tags", "see", None, 200),
            Call("PUT", "/tags", "update", {"tags": ["a"]}, 200),
            Call("POST", "/tags", "update", {"tags": ["b"]}, 200),
            Call("DELETE", "/tags", "update", None, 204),
            Call("GET", "/tags/there", "see", None, 204),
            Call("PUT", "/tags/c", "update", None, 201),
            Call("DELETE", "/tags/there", "update", None, 204),
        ]
    return calls + [Call("GET", f"/{look}", "see", None, 200) for look in resource.looks]


def operations() -> set[tuple[str, str]]:
    """The methods and paths that are called here, as the OpenAPI document has them."""
    found = set()
    for path, resource in CALLED:
        member = f"{path}/{{id}}"
        for call in calls_of(path, resource):
            below = call.below
            tag = below.startswith("/tags/")
            found.add((call.method, f"{member}/tags/{{tag}}" if tag else f"{member}{below}"))
        if (path, resource) in SERVED:
            found |= {("PUT", f"{member}/{action}") for action in resource.actions}
            found |= {("GET", path), ("POST", path)}
    return found


def granted(caller: str, rule: Who) -> bool:
    return caller == "admin" or bool(GRANTS[caller] & rule)


def sees(caller: str, rules: Rules) -> bool:
    return caller == "auditor" or granted(caller, rules.see)


def expected(caller: str, resource: Resource, verb: str, done: int) -> int:
    """The status that the table promises."""
    rules = POLICY[KIND_OF[resource.kind]]
    if resource.path in OWN and caller != "admin":
        return done if caller == "auditor" and verb == "see" else 403
    if verb == "create":
        if resource.above is not None and not sees(caller, POLICY[KIND_OF[resource.above.kind]]):
            return 404
        if "network_id" in resource.by_name and not sees(caller, POLICY["network"]):
            return 404
        refers = {"object_id", "security_group_id", "port_id"}
        needed = {a.name for a in resource.attributes if a.default is REQUIRED}
        if caller == "foreign" and refers & needed:
            return 404
        if caller == "foreign" and resource.above is None and "network_id" not in resource.by_name:
            caller = "manager"  # of the project that it makes it for
        return done if granted(caller, rules.create) else 403
    if not sees(caller, rules):
        return 404
    if verb == "see":
        return done
    return done if granted(caller, getattr(rules, verb)) else 403


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path / "db", authenticator=Known(**CALLERS)) as found:
        yield found


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("path", "resource"), CALLED, ids=[path for path, _ in CALLED])
async def test_every_call(api: Api, caller: str, path: str, resource: Resource) -> None:
    name, by = resource.name.removeprefix("alias_"), api.by(caller)
    for method, below, verb, body, done in calls_of(path, resource):
        world = World(api)
        id_ = await world.id(name)
        where = await world.path(path)
        if below.startswith("/tags/"):
            await world.admin.call("PUT", f"{where}/{id_}/tags/there", status=201)
        answer = await by.send(method, f"{where}/{id_}{below}", body)
        wanted = expected(caller, resource, verb, done)
        if method == "PUT" and not below:
            said = next(iter(body[resource.name]), None)
            if said is not None and not resource.by_name[said].put:
                wanted = 400  # before anybody asks who it is
        assert answer.status_code == wanted, (method, below, answer.text)
        gone = method == "DELETE" and not below and wanted == done
        assert (api.store.get(resource.kind, id_) is None) is gone

    if (path, resource) not in SERVED:
        return
    world = World(api)
    id_, where = await world.id(name), await world.path(path)
    answer = await by.send("GET", where)
    if resource.above is not None or resource.path in OWN:
        assert answer.status_code == expected(caller, resource, "see", 200)
    else:
        assert answer.status_code == 200
    if answer.status_code == 200:
        rows = answer.json()[resource.collection.replace("-", "_")]
        # Whoever looks has a default security group of its own.
        listed = {row["id"] for row in rows if row.get("name") != "default"}
        assert (id_ in listed) is (expected(caller, resource, "see", 200) == 200)
        see = POLICY[KIND_OF[resource.kind]].see
        if caller in {"foreign", "unscoped"} and not granted(caller, see):
            assert listed == set()

    for action in resource.actions:
        assert action in ACTIONS, f"say in ACTIONS what the body of {action} names"
        world = World(api)
        body = {
            field: await world.id(said) if isinstance(said, str) else said
            for field, said in ACTIONS[action].items()
        }
        answer = await by.send("PUT", f"{where}/{await world.id(name)}/{action}", body)
        assert answer.status_code == expected(caller, resource, "update", 200), answer.text


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("path", "resource"), SERVED, ids=[r.name for _, r in SERVED])
async def test_creating(api: Api, caller: str, path: str, resource: Resource) -> None:
    for bulk in (False, True):
        world = World(api)
        where = await world.path(path)
        body = await world.body(resource)
        plural = resource.collection.replace("-", "_")
        revision = api.store.revision
        answer = await api.by(caller).send(
            "POST", where, {plural: [body]} if bulk else {resource.name: body}
        )
        wanted = expected(caller, resource, "create", 201)
        assert answer.status_code == wanted, answer.text
        assert (api.store.revision == revision) is (wanted != 201)


@pytest.mark.parametrize("caller", ["reader", "member", "service", "auditor", "admin"])
@pytest.mark.parametrize(("path", "resource"), SERVED, ids=[r.name for _, r in SERVED])
async def test_what_is_shown(api: Api, caller: str, path: str, resource: Resource) -> None:
    world = World(api)
    id_ = await world.id(resource.name)
    answer = await api.by(caller).send("GET", f"{await world.path(path)}/{id_}")
    if answer.status_code != 200:
        return
    rules = POLICY[KIND_OF[resource.kind]]
    hidden = {
        name
        for name in resource.readers
        for said in rules.attributes
        if fnmatchcase(name, said.name) and said.see is not None
        if caller not in {"admin", "auditor"} and not granted(caller, said.see)
    }
    shown = answer.json()[resource.name]
    assert set(shown) == set(resource.readers) - hidden - set(resource.sparse)
    document = await api.by("admin").call("GET", "/openapi.json")
    jsonschema.validate(shown, document["components"]["schemas"][resource.title])


@pytest.mark.parametrize("caller", ["member", "manager", "service"])
@pytest.mark.parametrize(("path", "resource"), SERVED, ids=[r.name for _, r in SERVED])
async def test_what_may_be_set(api: Api, caller: str, path: str, resource: Resource) -> None:
    """An attribute that is somebody else's to set is refused, by its name."""
    values: dict[str, Any] = {
        "shared": True,
        "is_default": True,
        "router:external": True,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": 77,
        "sdn:encapsulation": "vxlan",
        "sdn:vni": 78,
        "sdn:label": 79,
        "sdn:rd_number": 80,
        "sdn:import_targets": ["1:1"],
        "sdn:export_targets": ["1:1"],
        "sdn:communities": ["1:1"],
        "device_owner": "network:mine",
        "mac_address": "fa:16:3e:00:00:77",
        "port_security_enabled": False,
        "allowed_address_pairs": [{"ip_address": "10.0.0.9"}],
        "binding:host_id": "cn1",
        "binding:profile": {"a": 1},
        "binding:vnic_type": "direct",
        "route_targets": ["1:1"],
        "import_targets": ["1:1"],
        "export_targets": ["1:1"],
        "route_distinguishers": ["1:1"],
        "vni": 81,
        "project_id": "red",
        "tenant_id": "red",
        "fixed_ips": [],
        "service_types": ["compute:nova"],
        "distributed": True,
        "ha": True,
        "floating_ip_address": "203.0.113.99",
    }
    rules = POLICY[KIND_OF[resource.kind]]
    for verb, method in (("create", "POST"), ("update", "PUT")):
        if expected(caller, resource, verb, 200) != 200:
            continue
        for said, attribute in itertools.product(rules.attributes, resource.attributes):
            rule = getattr(said, verb)
            settable = attribute.post if verb == "create" else attribute.put
            if rule is None or not settable or not fnmatchcase(attribute.name, said.name):
                continue
            if said.part or attribute.name in {"project_id", "tenant_id"}:
                continue  # test_projects
            assert attribute.name in values, f"say a value of {attribute.name}"
            world = World(api)
            where = await world.path(path)
            body = {attribute.name: values[attribute.name]}
            if attribute.name == "port_security_enabled":
                body["security_groups"] = []  # only such a port may be without
            if verb == "create":
                body = await world.body(resource) | body
            else:
                where += f"/{await world.id(resource.name)}"
            answer = await api.by(caller).send(method, where, {resource.name: body})
            if granted(caller, rule):
                assert answer.status_code < 300, answer.text
            elif values[attribute.name] != attribute.default:
                assert answer.status_code == 403, (attribute.name, answer.text)
                assert f"{verb}_{resource.name}:{attribute.name}" in answer.text
