"""Where a real Keystone says that Nova is, and its tokens there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openstack as sdk
import pytest

from sdnctl.nova.compute import AwayError, Compute, read_options
from sdnctl.nova.events import Event
from tests.interop import keystone
from tests.interop.keystone import PASSWORD
from tests.nova import Nova

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(keystone.MISSING), reason=keystone.MISSING),
]

EVENT = Event("network-vif-plugged", "6a1b8cbe-4c36-4d5f-9f2b-0d7a7a7f6f10", "port")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[keystone.Running]:
    with keystone.running(tmp_path_factory.mktemp("keystone")) as found:
        yield found


class Tokens(set[str]):
    """Those that Keystone says are a service's."""

    def __init__(self, auth_url: str, own: str) -> None:
        super().__init__()
        self._url = f"{auth_url}/auth/tokens"
        self._own = own

    def __contains__(self, token: object) -> bool:
        headers = {"X-Auth-Token": self._own, "X-Subject-Token": str(token)}
        answer = httpx.get(self._url, headers=headers)
        if answer.status_code != 200:
            return False
        return "service" in {role["name"] for role in answer.json()["token"]["roles"]}


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
async def test_the_account_of_a_service_finds_nova(server: keystone.Running) -> None:
    connect: Any = sdk.connect
    cloud = connect(
        auth_url=server.auth_url,
        region_name="RegionOne",
        username="admin",
        password=PASSWORD,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
    )
    identity = cloud.identity
    project = identity.create_project(name="service", domain_id="default")
    user = identity.create_user(name="neutron", password="per%cent", domain_id="default")
    role = identity.find_role("service") or identity.create_role(name="service")
    identity.assign_project_role_to_user(project, user, role)
    service = identity.create_service(type="compute", name="nova")
    with Nova() as nova:
        nova.tokens = Tokens(server.auth_url, cloud.auth_token)
        where = {"service_id": service.id, "region_id": "RegionOne"}
        identity.create_endpoint(interface="internal", url=f"{nova.url}/v2.1/", **where)
        given = {
            "auth_url": server.auth_url,
            "password": "per%cent",
            "user_domain_id": "default",
            "project_domain_name": "Default",
        }
        compute = Compute(read_options(nova.options(**given, endpoint_type="internal")))
        assert await compute.tell([EVENT]) == (1, [])
        assert nova.told == [EVENT]
        # A token that Keystone has taken back is renewed.
        headers = {"X-Auth-Token": cloud.auth_token, "X-Subject-Token": compute._token}
        url = f"{server.auth_url}/auth/tokens"
        assert httpx.delete(url, headers=headers).status_code == 204
        assert await compute.tell([EVENT]) == (1, [])
        await compute.close()
        compute = Compute(read_options(nova.options(**given)))
        with pytest.raises(AwayError, match="no public endpoint of compute"):
            await compute.tell([EVENT])
        await compute.close()
        wrong = {**given, "password": "wrong"}
        compute = Compute(read_options(nova.options(**wrong, endpoint_type="internal")))
        with pytest.raises(AwayError, match="does not let us in: 401"):
            await compute.tell([EVENT])
        await compute.close()
