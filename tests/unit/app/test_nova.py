"""What a controller tells Nova: the process, an agent's stream and Nova's API, over sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdnctl.nova.events import Event
from sdnctl_vrouter.drivers.base import VifStatus
from sdnctl_vrouter.drivers.fake import FakeDriver
from sdnctl_vrouter.session import ClientSession
from sdnctl_vrouter.stream import Stream
from tests.controller import Process, free_port
from tests.nova import PASSWORD, Nova

SERVER = "6a1b8cbe-4c36-4d5f-9f2b-0d7a7a7f6f10"


class Switch(FakeDriver):
    """Programs what it is told, and tells of VIFs as the test says."""

    async def start(self, *heard: Any) -> None:
        del heard
        await super().start(lambda _status: None, lambda _failure: None)


class Agent:
    def __init__(self, name: str, controller: str) -> None:
        self.switch = Switch()
        session = ClientSession(0, lambda _epoch: None)
        self.stream = Stream(name, [controller], session, self.switch)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.switch.start()
        await self.stream.run()

    async def vif(self, port_id: str, **status: Any) -> None:
        """It has the port, and its VIF is so."""
        await until(lambda: f"port/{port_id}" in self.switch.programmed)
        self.stream.vif_changed(VifStatus(port_id, **status))


class Cloud:
    """A controller that may be killed and started, its API, and two hypervisors."""

    def __init__(self, tmp_path: Path, nova: Nova) -> None:
        self._tmp_path = tmp_path
        self.account = tmp_path / "nova.conf"
        self.account.touch(0o600)
        self.account.write_text(nova.options())
        self.api_address, self.agents_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.process = self.start()
        self.agents = {name: Agent(name, self.agents_address) for name in ("hv1", "hv2")}
        self.http = httpx.AsyncClient(base_url=f"http://{self.api_address}", timeout=10)

    def start(self) -> Process:
        doors = ("--api", self.api_address, "--agents", self.agents_address)
        log = self._tmp_path / "log"
        return Process(self._tmp_path / "state", log, *doors, "--nova", str(self.account))

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def create(self, kind: str, **fields: Any) -> Any:
        root = "/sdn/v1" if kind == "hypervisor" else "/v2.0"
        return (await self.call("POST", f"{root}/{kind}s", {kind: fields}))[kind]

    async def nova(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", "/sdn/v1/status"))["status"]["nova"]
        return found


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def nova() -> Iterator[Nova]:
    with Nova() as running:
        yield running


@asynccontextmanager
async def opened(tmp_path: Path, nova: Nova) -> AsyncIterator[Cloud]:
    made = Cloud(tmp_path, nova)
    try:
        await asyncio.to_thread(made.process.ready)
        for number, name in enumerate(made.agents, 1):
            await made.create("hypervisor", id=name, vtep=f"192.0.2.{number}")
        yield made
    finally:
        await made.http.aclose()
        for agent in made.agents.values():
            agent.task.cancel()
        await asyncio.gather(*(a.task for a in made.agents.values()), return_exceptions=True)
        made.process.kill()


@pytest.fixture
async def cloud(tmp_path: Path, nova: Nova) -> AsyncIterator[Cloud]:
    async with opened(tmp_path, nova) as made:
        yield made


async def booted(cloud: Cloud) -> str:
    """A port of a server on hv1, without its VIF."""
    network = await cloud.create("network", name="web")
    await cloud.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    bound = {"device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "hv1"}
    port = await cloud.create("port", network_id=network["id"], **bound)
    port_id: str = port["id"]
    return port_id


async def test_a_server_lives_and_moves_and_dies(cloud: Cloud, nova: Nova) -> None:
    port_id = await booted(cloud)
    plugged = Event("network-vif-plugged", SERVER, port_id)
    changed = Event("network-changed", SERVER, port_id)
    await cloud.agents["hv1"].vif(port_id, up=False, reason="no device", awaited=True)
    await cloud.agents["hv1"].vif(port_id, up=True)
    await until(lambda: nova.told == [plugged])
    shown = await cloud.call("GET", f"/v2.0/ports/{port_id}")
    assert shown["port"]["status"] == "ACTIVE"

    port = f"/v2.0/ports/{port_id}"
    await cloud.call("PUT", port, {"port": {"fixed_ips": [{"ip_address": "10.0.0.77"}]}})
    await until(lambda: nova.told == [plugged, changed])

    await cloud.call("POST", f"{port}/bindings", {"binding": {"host": "hv2"}})
    await cloud.agents["hv2"].vif(port_id, up=False, reason="no device", awaited=True)
    await until(lambda: nova.told == [plugged, changed, plugged])
    await cloud.agents["hv2"].vif(port_id, up=True)
    await cloud.call("PUT", f"{port}/bindings/hv2/activate")
    await cloud.agents["hv1"].vif(port_id, up=False, reason="gone")
    await cloud.call("DELETE", f"{port}/bindings/hv1")

    await cloud.agents["hv2"].vif(port_id, up=False, reason="gone")
    unplugged = Event("network-vif-unplugged", SERVER, port_id)
    await until(lambda: nova.told == [plugged, changed, plugged, unplugged])
    await cloud.call("DELETE", port)
    deleted = Event("network-vif-deleted", SERVER, port_id)
    await until(lambda: nova.told == [plugged, changed, plugged, unplugged, deleted])
    async with asyncio.timeout(10):
        while (state := await cloud.nova())["taken"] < 5:
            await asyncio.sleep(0.01)
    assert (state["taken"], state["queued"], state["reachable"]) == (5, 0, True)
    assert PASSWORD not in cloud.process.log.read_text()


async def test_a_failure_that_lasts_is_told(cloud: Cloud, nova: Nova) -> None:
    port_id = await booted(cloud)
    await cloud.agents["hv1"].vif(port_id, up=False, reason="no room", failed=True)
    failed = Event("network-vif-plugged", SERVER, port_id, "failed")
    await until(lambda: nova.told == [failed])


async def test_a_killed_controller_tells_what_it_could_not(cloud: Cloud, nova: Nova) -> None:
    """Nova was away when the VIF came up, and the controller when Nova was back."""
    port_id = await booted(cloud)
    nova.behave = lambda: (503, {})
    await cloud.agents["hv1"].vif(port_id, up=True)
    await until(lambda: nova.tries > 1)
    state = await cloud.nova()
    assert (state["reachable"], state["error"]) == (False, "Nova answers 503")
    # Nothing else waits for it.
    shown = await cloud.call("GET", f"/v2.0/ports/{port_id}")
    assert shown["port"]["status"] == "ACTIVE"
    await asyncio.to_thread(cloud.process.kill)
    nova.behave = lambda: None
    await asyncio.sleep(0.3)
    assert nova.calls == []
    cloud.process = cloud.start()
    await until(lambda: nova.told == [Event("network-vif-plugged", SERVER, port_id)])
    await asyncio.to_thread(cloud.process.ready)


async def test_it_comes_up_while_the_controller_is_away(cloud: Cloud, nova: Nova) -> None:
    port_id = await booted(cloud)
    agent = cloud.agents["hv1"]
    await until(lambda: f"port/{port_id}" in agent.switch.programmed)
    await asyncio.to_thread(cloud.process.kill)
    await agent.vif(port_id, up=True)
    cloud.process = cloud.start()
    await until(lambda: nova.told == [Event("network-vif-plugged", SERVER, port_id)])
    await asyncio.to_thread(cloud.process.ready)


def test_the_account_is_the_operators_alone(tmp_path: Path, nova: Nova) -> None:
    path = tmp_path / "nova.conf"
    path.write_text(nova.options())
    path.chmod(0o644)
    for text, reason in (
        (nova.options(), "readable by everybody"),
        (f"[nova]\npassword = {PASSWORD}\n", "no [nova] with auth_url"),
    ):
        path.write_text(text)
        process = Process(tmp_path / "state", tmp_path / f"log{len(text)}", "--nova", str(path))
        try:
            refusal = process.refusal()
        finally:
            process.kill()
        assert reason in refusal
        assert PASSWORD not in refusal
        path.chmod(0o600)
