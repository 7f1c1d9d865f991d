"""Nova's calls of a live migration by the real SDK against a real server.

The ``openstack`` command has none for the bindings of a port; what it shows of the port follows
the active one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import openstack as sdk
import pytest
from openstack import exceptions

from tests.server import running

pytestmark = pytest.mark.interop


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
def test_bindings_of_a_port(tmp_path: Path) -> None:
    with running(tmp_path / "db") as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        with sdk.connect(auth_type="none", auth={"endpoint": endpoint}) as cloud:
            network = cloud.network
            for n in (1, 2):
                row = {"id": f"cn{n}", "vtep": f"192.0.2.{n}"}
                assert cloud.session.post(
                    f"{endpoint}/sdn/v1/hypervisors", json={"hypervisor": row}
                ).ok
            assert network.find_extension("binding-extended") is not None
            web = network.create_network(name="web")
            port = network.create_port(
                network_id=web.id,
                device_owner="compute:nova",
                device_id="vm",
                binding_host_id="cn1",
            )
            made = network.create_port_binding(
                port, host="cn2", vnic_type="normal", profile={"a": "b"}
            )
            assert (made.host, made.status, made.vif_type) == ("cn2", "INACTIVE", "ovs")
            rows = {row.host: row.status for row in network.port_bindings(port)}
            assert rows == {"cn1": "ACTIVE", "cn2": "INACTIVE"}
            with pytest.raises(exceptions.ConflictException, match="already exists"):
                network.create_port_binding(port, host="cn2")
            active = network.activate_port_binding(port, "cn2")
            assert active is not None
            assert (active.host, active.status) == ("cn2", "ACTIVE")
            with pytest.raises(exceptions.ConflictException, match="already active"):
                network.activate_port_binding(port, "cn2")
            network.delete_port_binding(port, "cn1", ignore_missing=False)
            assert [row.host for row in network.port_bindings(port)] == ["cn2"]
            with pytest.raises(exceptions.NotFoundException):
                network.delete_port_binding(port, "cn1", ignore_missing=False)
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("openstack"), "--os-auth-type", "none"),
                *("--os-endpoint", endpoint, "port", "show", port.id, "-f", "json"),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        shown = json.loads(done.stdout)
        assert (shown["binding_host_id"], shown["binding_profile"]) == ("cn2", {"a": "b"})
