"""What Nova hears when os-vif and a virtual machine do what they do: by all the real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdnctl.nova.events import Event
from tests.controller import ROOT, Process, free_port
from tests.netns.harness import DATAPATH, Lab, Switch
from tests.nova import Nova
from tests.waiting import wait_for

pytestmark = pytest.mark.netns

SERVER = "6a1b8cbe-4c36-4d5f-9f2b-0d7a7a7f6f10"


@pytest.fixture
def nova() -> Iterator[Nova]:
    with Nova() as running:
        yield running


@pytest.fixture
def switches() -> Iterator[list[Switch]]:
    lab = Lab(quiet=True)
    try:
        yield [lab.hypervisor(), lab.hypervisor()]
    finally:
        lab.close()


class Cloud:
    """The processes, but for the switches'."""

    def __init__(self, folder: Path, nova: Nova, switches: list[Switch]) -> None:
        account = folder / "nova.conf"
        account.touch(0o600)
        account.write_text(nova.options())
        self._doors = {"--api": f"127.0.0.1:{free_port()}", "--agents": f"127.0.0.1:{free_port()}"}
        self._options = [*sum(self._doors.items(), ()), "--nova", str(account)]
        self._folder = folder
        self.http = httpx.Client(base_url=f"http://{self._doors['--api']}", timeout=10)
        self._agents: list[subprocess.Popen[bytes]] = []
        self.controller = self.start()
        for number, switch in enumerate(switches, 1):
            row = {"id": f"hv{number}", "vtep": str(switch.vtep)}
            self.call("POST", "/sdn/v1/hypervisors", {"hypervisor": row})
            self._agents.append(self._agent(f"hv{number}", switch))

    def start(self) -> Process:
        process = Process(self._folder / "state", self._folder / "log", *self._options)
        process.ready()
        return process

    def _agent(self, name: str, switch: Switch) -> subprocess.Popen[bytes]:
        words = {
            "--name": name,
            "--controller": self._doors["--agents"],
            "--state-dir": str(self._folder / name),
            "--ovs-rundir": str(switch.rundir),
            "--datapath": DATAPATH,
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "sdnctl_vrouter", *sum(words.items(), ())],
                stderr=log,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'agents'}"},
            )

    def close(self) -> None:
        self.http.close()
        for agent in self._agents:
            agent.kill()
            agent.wait()
        self.controller.kill()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def cloud(tmp_path: Path, nova: Nova, switches: list[Switch]) -> Iterator[Cloud]:
    made = Cloud(tmp_path, nova, switches)
    try:
        yield made
    finally:
        made.close()


def plug(switch: Switch, port_id: str) -> None:
    """What os-vif does; the switch need not have seen it."""
    row = ("--", "set", "Interface", "vif", f"external_ids:iface-id={port_id}")
    switch.vsctl("--no-wait", "add-port", "br-int", "vif", *row)


def start(switch: Switch) -> None:
    """The virtual machine makes the device."""
    switch.vsctl("set", "Interface", "vif", "type=internal")


def test_a_server_boots_moves_and_goes(cloud: Cloud, nova: Nova, switches: list[Switch]) -> None:
    def make(kind: str, **fields: Any) -> str:
        made = cloud.call("POST", f"/v2.0/{kind}s", {kind: fields})
        return str(made[kind]["id"])

    network = make("network", name="web")
    make("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/24")
    bound = {"device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "hv1"}
    port_id = make("port", network_id=network, **bound)
    port = f"/v2.0/ports/{port_id}"
    plugged = Event("network-vif-plugged", SERVER, port_id)
    unplugged = Event("network-vif-unplugged", SERVER, port_id)
    deleted = Event("network-vif-deleted", SERVER, port_id)

    wait_for(lambda: "br-int" in switches[0].vsctl("list-br"), 20)
    plug(switches[0], port_id)
    start(switches[0])
    wait_for(lambda: nova.told == [plugged], 20)
    assert cloud.call("GET", port)["port"]["status"] == "ACTIVE"

    # A migration: the machine, and with it the device, waits for Nova's word.
    cloud.call("POST", f"{port}/bindings", {"binding": {"host": "hv2"}})
    wait_for(lambda: "br-int" in switches[1].vsctl("list-br"), 20)
    plug(switches[1], port_id)
    wait_for(lambda: nova.told == [plugged, plugged], 20)

    # The controller dies meanwhile: what Nova may be waiting for is told once more.
    cloud.controller.kill()
    cloud.controller = cloud.start()
    wait_for(lambda: nova.told == [plugged] * 3, 30)

    start(switches[1])
    migration = "/sdn/v1/migrations"
    wait_for(lambda: cloud.call("GET", migration)["migrations"][0]["plugged"], 20)
    cloud.call("PUT", f"{port}/bindings/hv2/activate", {})
    switches[0].vsctl("del-port", "br-int", "vif")
    cloud.call("DELETE", f"{port}/bindings/hv1")
    assert cloud.call("GET", port)["port"]["status"] == "ACTIVE"
    switches[1].vsctl("del-port", "br-int", "vif")
    wait_for(lambda: nova.told[3:] == [unplugged], 20)
    cloud.call("DELETE", port)
    wait_for(lambda: nova.told[3:] == [unplugged, deleted], 20)
