"""The real ``openstack`` client and SDK with the built-in identity service, and no Keystone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack as sdk
import pytest
from openstack import exceptions

from tests.interop.client import Client
from tests.server import running

pytestmark = pytest.mark.interop

PASSWORD = "correct horse"


class Cloud:
    """A server, and clients of it by who they are."""

    def __init__(self, port: int) -> None:
        self.auth_url = f"http://127.0.0.1:{port}/identity/v3"

    def client(self, user: str, password: str, **scope: str) -> Client:
        return Client(
            OS_AUTH_URL=self.auth_url,
            OS_USERNAME=user,
            OS_PASSWORD=password,
            OS_USER_DOMAIN_NAME="Default",
            OS_PROJECT_DOMAIN_NAME="Default",
            OS_IDENTITY_API_VERSION="3",
            **scope,
        )

    @property
    def admin(self) -> Client:
        return self.client("admin", PASSWORD, OS_PROJECT_NAME="admin")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("identity") / "db", identity=PASSWORD) as server:
        yield Cloud(server.port)


def test_an_operator_manages_projects_users_and_roles(cloud: Cloud) -> None:
    token, project, listed, user, roles, named, projects, users, catalog, endpoints = cloud.admin(
        "token issue -f json",
        "project create --description hello -f json m-red",
        "project list -f json",
        "user create --project m-red --password first -f json m-rita",
        "role list -f json",
        "role add --project m-red --user m-rita member",
        "role add --system all --user m-rita reader",
        "role assignment list --user m-rita --names -f json",
        "project list --user m-rita -f json",
        "user list --project m-red -f json",
        "catalog list -f json",
        "endpoint list --service network -f json",
    )
    assert token["id"]
    assert (project["name"], project["description"]) == ("m-red", "hello")
    assert {"admin", "m-red"} <= {row["Name"] for row in listed}
    assert user["default_project_id"] == project["id"]
    assert {row["Name"] for row in roles} == {"admin", "manager", "member", "reader", "service"}
    assert {(row["Role"], row["Project"], row["System"]) for row in named} == {
        ("member", "m-red@Default", ""),
        ("reader", "", "all"),
    }
    assert [row["Name"] for row in projects] == ["m-red"]
    assert [row["Name"] for row in users] == ["m-rita"]
    assert {row["Type"] for row in catalog} == {"identity", "network"}
    assert {row["Interface"] for row in endpoints} == {"public", "internal", "admin"}
    changed, shown, left = cloud.admin(
        "project set --name m-crimson m-red",
        "project show -f json m-crimson",
        "user set --password second --email r@example.net m-rita",
        "user show -f json m-rita",
        "role remove --system all --user m-rita reader",
        "role remove --project m-crimson --user m-rita member",
        "role assignment list --user m-rita -f json",
        "user delete m-rita",
        "project delete m-crimson",
    )
    assert changed["id"] == project["id"]
    assert shown["email"] == "r@example.net"
    assert left == []
    assert "m-crimson" in cloud.admin.fails("project show m-crimson")


def test_tenants_do_not_meet(cloud: Cloud) -> None:
    cloud.admin(
        *(
            command
            for name in ("red", "blue")
            for command in (
                f"project create -f json t-{name}",
                f"user create --password pw-{name} -f json u-{name}",
                f"role add --project t-{name} --user u-{name} member",
            )
        ),
        "user create --password pw-looker -f json u-looker",
        "role add --project t-red --user u-looker reader",
        "network create --share -f json t-common",
    )
    red = cloud.client("u-red", "pw-red", OS_PROJECT_NAME="t-red")
    blue = cloud.client("u-blue", "pw-blue", OS_PROJECT_NAME="t-blue")
    looker = cloud.client("u-looker", "pw-looker", OS_PROJECT_NAME="t-red")
    network, _, port, _, reds, quota = red(
        "network create -f json t-web",
        "subnet create --network t-web --subnet-range 10.0.0.0/24 -f json t-sub",
        "port create --network t-web -f json t-port",
        "router create -f json t-router",
        "router add subnet t-router t-sub",
        "network list -f json",
        "quota show --network -f json",
    )
    assert network["provider:segmentation_id"] is None
    assert port["binding_host_id"] is None
    assert {row["Name"] for row in reds} == {"t-web", "t-common"}
    assert quota
    [blues] = blue("network list -f json")
    assert [row["Name"] for row in blues] == ["t-common"]
    assert "No Network found" in blue.fails(f"port create --network {network['id']} x")
    assert f"No Port found for {port['id']}" in blue.fails(f"port show {port['id']}")
    assert "disallowed by policy" in red.fails("network create --share t-mine")
    assert "disallowed by policy" in looker.fails("network create t-mine")
    assert "not authorized" in red.fails("user create nobody")
    [seen] = looker("network list -f json")
    assert {row["Name"] for row in seen} == {"t-web", "t-common"}
    [port] = blue("port create --network t-common -f json t-blues")
    red(
        "router remove subnet t-router t-sub",
        "router delete t-router",
        "port delete t-port",
        "network delete t-web",
    )
    blue("port delete t-blues")
    foreign = cloud.client("u-red", "pw-red", OS_PROJECT_NAME="t-blue")
    assert "401" in foreign.fails("network list")


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_sdk_by_clouds_yaml(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds: Any = {
        "clouds": {
            name: {
                "auth": {
                    "auth_url": cloud.auth_url,
                    "username": "admin",
                    "password": PASSWORD,
                    "user_domain_name": "Default",
                    **scope,
                },
                "region_name": "RegionOne",
            }
            for name, scope in {
                "project": {"project_name": "admin", "project_domain_name": "Default"},
                "system": {"system_scope": "all"},
            }.items()
        }
    }
    config = tmp_path / "clouds.yaml"
    config.write_text(json.dumps(clouds))  # which is YAML
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    connect: Any = sdk.connect  # its types are those of every version of the API at once
    with connect(cloud="project") as here:
        project = here.identity.create_project(name="s-red")
        user = here.identity.create_user(name="s-rita", password="pw")
        role = here.identity.find_role("member")
        here.identity.assign_project_role_to_user(project, user, role)
        assert here.identity.validate_user_has_project_role(project, user, role)
        network = here.network.create_network(name="s-net", project_id=project.id)
        with here.connect_as(username="s-rita", password="pw", project_name="s-red") as tenant:
            assert [row.id for row in tenant.network.networks(is_shared=False)] == [network.id]
            with pytest.raises(exceptions.ForbiddenException):
                list(tenant.identity.users())
        here.network.delete_network(network)
        here.identity.delete_user(user)
        here.identity.delete_project(project)
    with connect(cloud="system") as everywhere:
        assert "admin" in {row.name for row in everywhere.identity.projects()}
        assert list(everywhere.network.networks()) is not None


def test_a_token_and_a_credential_of_its_own(cloud: Cloud) -> None:
    """As scripts have it: a token from one client, used by another and revoked."""
    made, credential, listed = cloud.admin(
        "token issue -f json",
        "application credential create --role reader -f json ci",
        "application credential list -f json",
    )
    assert [row["Name"] for row in listed] == ["ci"]
    script = Client(
        OS_AUTH_TYPE="v3applicationcredential",
        OS_AUTH_URL=cloud.auth_url,
        OS_APPLICATION_CREDENTIAL_ID=credential["ID"],
        OS_APPLICATION_CREDENTIAL_SECRET=credential["Secret"],
    )
    script("network list -f json")
    assert "disallowed by policy" in script.fails("network create mine")
    endpoint = cloud.auth_url.removesuffix("/identity/v3")
    holder = Client(OS_AUTH_TYPE="admin_token", OS_ENDPOINT=endpoint, OS_TOKEN=made["id"])
    holder("network list -f json")
    cloud.admin(f"token revoke {made['id']}", "application credential delete ci")
    assert "401" in holder.fails("network list")


def test_our_own_client_logs_in_as_openstacks_does(cloud: Cloud) -> None:
    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        login = {"OS_AUTH_URL": cloud.auth_url, "OS_USERNAME": "admin", "OS_PASSWORD": PASSWORD}
        return subprocess.run(
            [sys.executable, "-m", "sdnctl.cli.main", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ | login | environment,
        )

    made = run("hypervisor", "create", "cn1", "--vtep", "192.0.2.1", OS_PROJECT_NAME="admin")
    assert made.returncode == 0, made.stderr
    listed = run("hypervisor", "list", "-o", "json", OS_SYSTEM_SCOPE="all")
    assert [row["id"] for row in json.loads(listed.stdout)] == ["cn1"]
    wrong = run("hypervisor", "list", OS_PASSWORD="guess", OS_PROJECT_NAME="admin")
    assert wrong.returncode == 1
    assert "lets nobody in" in wrong.stderr
    assert "guess" not in wrong.stderr
    missing = run("hypervisor", "list", OS_PASSWORD="")
    assert (missing.returncode, "OS_PASSWORD is not" in missing.stderr) == (2, True)
