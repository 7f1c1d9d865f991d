"""Requests made up from the OpenAPI document, by schemathesis: none is answered with a 5xx, and
every answer is what the document says of it, to an administrator and to a tenant.

What is made up names things that are there half of the time, or else everything would only ever
be not found. The run is the same each time; ``EXAMPLES=200`` looks further.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, checks
from schemathesis.specs.openapi import checks as openapi_checks

from tests.server import running

pytestmark = pytest.mark.interop

EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
PASSWORD = "correct horse"

TENANTS = re.compile("/v2.0/(?!bgpvpn|quotas|agents|segments)")

SINGULAR = {
    "network-ip-availabilities": "network-ip-availability",
    "rbac-policies": "rbac-policy",
    "policies": "policy",
}

CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


class World:
    """A server, who may call it, and what is there to be named: ids by what they are called."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        self.session = requests.Session()
        self.tokens = {"admin": self._token("admin", PASSWORD, "admin")}
        self.ids: dict[str, list[str]] = {}
        self.filled = 0
        project = self._admin("/identity/v3/projects", project={"name": "red"})["project"]["id"]
        user = {"name": "rita", "password": PASSWORD, "default_project_id": project}
        rita = self._admin("/identity/v3/users", user=user)["user"]["id"]
        roles = self._call("GET", "/identity/v3/roles", "admin").json()["roles"]
        member = next(role["id"] for role in roles if role["name"] == "member")
        path = f"/identity/v3/projects/{project}/users/{rita}/roles/{member}"
        self._call("PUT", path, "admin").raise_for_status()
        self.tokens["member"] = self._token("rita", PASSWORD, "red")
        self.project = project
        network = {"router:external": True}
        self.outside = self._admin("/v2.0/networks", network=network)["network"]["id"]
        subnet = {"network_id": self.outside, "ip_version": 4, "cidr": "100.64.0.0/16"}
        self._admin("/v2.0/subnets", subnet=subnet)

    def _token(self, user: str, password: str, project: str) -> str:
        domain = {"id": "default"}
        who = {"user": {"name": user, "password": password, "domain": domain}}
        identity = {"methods": ["password"], "password": who}
        scope = {"project": {"name": project, "domain": domain}}
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = self.http.post("/identity/v3/auth/tokens", json=body)
        answer.raise_for_status()
        return answer.headers["x-subject-token"]

    def _call(self, method: str, path: str, who: str, body: Any = None) -> httpx.Response:
        headers = {"X-Auth-Token": self.tokens[who]}
        return self.http.request(method, path, json=body, headers=headers)

    def _admin(self, path: str, **body: Any) -> Any:
        answer = self._call("POST", path, "admin", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def fill(self, who: str) -> None:
        """Make one of each thing that a tenant has, so that there is always one to be named."""

        def make(collection: str, kind: str, /, **attributes: Any) -> Any:
            answer = self._call("POST", f"/v2.0/{collection}", who, {kind: attributes})
            assert answer.status_code == 201, answer.text
            made = answer.json()[kind]
            self.ids.setdefault(f"{kind}_id", []).append(made["id"])
            return made

        tail = f"{self.filled // 250}.{self.filled % 250}"
        number, cidr = self.filled, f"10.{tail}.0/24"
        self.filled += 1
        network = make("networks", "network")["id"]
        subnet = make("subnets", "subnet", network_id=network, ip_version=4, cidr=cidr)["id"]
        port = make("ports", "port", network_id=network)
        way_out = {"network_id": self.outside}
        router = make("routers", "router", external_gateway_info=way_out)["id"]
        body = {"subnet_id": subnet}
        self._call("PUT", f"/v2.0/routers/{router}/add_router_interface", who, body)
        free = make("networks", "network")["id"]
        floating = make("floatingips", "floatingip", floating_network_id=self.outside)["id"]
        make(
            f"floatingips/{floating}/port_forwardings",
            "port_forwarding",
            internal_port_id=port["id"],
            internal_ip_address=port["fixed_ips"][0]["ip_address"],
            internal_port=80,
            external_port=80,
            protocol="tcp",
        )
        group = make("security-groups", "security_group")["id"]
        rule = {"security_group_id": group, "direction": "ingress"}
        make("security-group-rules", "security_group_rule", **rule)
        parent = make("ports", "port", network_id=free)["id"]
        make("trunks", "trunk", port_id=parent)
        make("address-groups", "address_group")
        make("address-scopes", "address_scope", ip_version=4)
        make("subnetpools", "subnetpool", name="p", prefixes=[cidr])
        policy = {"object_type": "network", "object_id": network, "action": "access_as_shared"}
        make("rbac-policies", "rbac_policy", target_tenant="x", **policy)
        if who == "admin":
            quality = f"qos/policies/{make('qos/policies', 'policy', name='q')['id']}"
            make(f"{quality}/bandwidth_limit_rules", "bandwidth_limit_rule", max_kbps=1000)
            make(f"{quality}/dscp_marking_rules", "dscp_marking_rule", dscp_mark=26)
            least = {"min_kbps": 100, "direction": "egress"}
            make(f"{quality}/minimum_bandwidth_rules", "minimum_bandwidth_rule", **least)
            template = {"direction": "egress", "remote_ip_prefix": cidr}
            make("default-security-group-rules", "default_security_group_rule", **template)
            vpn = f"bgpvpn/bgpvpns/{make('bgpvpn/bgpvpns', 'bgpvpn')['id']}"
            make(f"{vpn}/network_associations", "network_association", network_id=free)
            make(f"{vpn}/router_associations", "router_association", router_id=router)
            make(f"{vpn}/port_associations", "port_association", port_id=port["id"])
            make("../sdn/v1/hypervisors", "hypervisor", id=f"cn{number}", vtep=f"172.16.{tail}")
            make("../sdn/v1/links", "link", id=f"l{number}", a="cn1", b="leaf")
            make("../sdn/v1/gateways", "gateway", id=f"g{number}", address=f"172.17.{tail}")
            make(
                "../sdn/v1/bgp-peers",
                "bgp_peer",
                id=f"g{number}",
                asn=1,
                address=f"172.18.{tail}",
            )
        self.ids["agent_id"] = self.ids.get("hypervisor_id", [])
        self.ids["segment_id"] = self.ids["network_id"]
        self.ids["network_ip_availability_id"] = self.ids["network_id"]
        self.ids["object_id"] = self.ids["network_id"]
        self.ids["internal_port_id"] = self.ids["port_id"]
        self.ids["floating_network_id"] = [self.outside]
        self.ids["project_id"] = [self.project]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("api") / "db", identity=PASSWORD) as server:
        world = World(f"http://127.0.0.1:{server.port}")
        with contextlib.closing(world.http), world.session:
            yield world


def named(value: Any, world: World, chance: random.Random) -> Any:
    """The value with ids of things that are there in place of some that are made up."""
    if isinstance(value, dict):
        return {
            name: chance.choice(world.ids[name])
            if name in world.ids and chance.random() < 0.7
            else named(inner, world, chance)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [named(inner, world, chance) for inner in value]
    return value


class Examination:
    """What one caller is answered."""

    def __init__(self, world: World, who: str) -> None:
        self.world = world
        self.who = who
        world.ids = {}
        world.fill(who)
        self.chance = random.Random(7)
        self.statuses: dict[str, set[int]] = {}

    def of(self, operation: APIOperation[Any, Any, Any, Any]) -> str:
        """What is wrong with the answers to one operation."""
        world, chance = self.world, self.chance
        if operation.method == "delete" and operation.path.endswith("{id}"):
            world.fill(self.who)
        statuses = self.statuses.setdefault(operation.label, set())
        collection = operation.path.split("/{id}", maxsplit=1)[0].rpartition("/")[2]
        name = SINGULAR.get(collection, collection.removesuffix("s")).replace("-", "_")
        ids = world.ids.get(f"{name}_id", [])

        @settings(
            max_examples=EXAMPLES if "/tags" not in operation.path else max(1, EXAMPLES // 4),
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def asked(case: Any) -> None:
            parameters = dict(case.path_parameters or {})
            if "id" in parameters and ids and chance.random() < 0.7:
                parameters["id"] = chance.choice(ids)
            case.path_parameters = named(parameters, world, chance)
            case.body = named(case.body, world, chance)
            if chance.random() < 0.7:
                case.headers.pop("If-Match", None)
            response = case.call(
                base_url=str(world.http.base_url),
                headers={"X-Auth-Token": world.tokens[self.who]},
                session=world.session,
            )
            statuses.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        try:
            asked()
        except Exception as error:  # all of them are told of at the end
            return f"{operation.label}: {error}"
        return ""


@pytest.mark.parametrize("who", ["admin", "member"])
def test_every_answer_is_as_the_document_says(world: World, who: str) -> None:
    document = world._call("GET", "/openapi.json", who).json()
    examination = Examination(world, who)
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [result.ok() for result in found]
    wrong = [text for operation in operations if (text := examination.of(operation))]
    assert not wrong, "\n\n".join(wrong)
    # And not because everything is refused.
    served = {label for label in examination.statuses if who == "admin" or TENANTS.search(label)}
    done = {label for label, found in examination.statuses.items() if min(found) < 300}
    assert len(done) > len(served) / 2, sorted(served - done)
