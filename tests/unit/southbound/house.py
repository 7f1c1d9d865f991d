"""A controller's end of the stream, and agents whose driver only remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from sdnctl.delivery.delivery import Delivery
from sdnctl.delivery.observed import Observed
from sdnctl.delivery.session import AgentSession
from sdnctl.delta import Change
from sdnctl.desired import Desired
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import PORT
from sdnctl.intent import FixedIp, Port
from sdnctl.southbound.server import AgentServer
from sdnctl.types import Ip, Mac
from sdnctl_vrouter.drivers.base import Failure
from sdnctl_vrouter.drivers.fake import FakeDriver
from sdnctl_vrouter.session import ClientSession
from sdnctl_vrouter.stream import Stream


class Switch(FakeDriver):
    """The data plane in memory, that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.applied = 0
        self.syncs = 0

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        self.applied += len(changes)
        super().apply(changes, done)

    def in_sync(self) -> None:
        self.syncs += 1


class House:
    """A controller's half and any number of agents."""

    def __init__(self) -> None:
        self.engine = make_engine(64512)
        self.revision = 0
        self.epoch = 0
        self.port = 0
        self.credentials: grpc.ServerCredentials | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.delivery = Delivery(0, Observed())
        self.server = AgentServer(self.delivery, None)

    async def start(self, epoch: int | None = None, *, hold: bool = False) -> None:
        """A new controller that computes everything from the same intent."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        self.delivery = Delivery(self.epoch, Observed())
        self.engine = self.engine.recompute()
        log = {
            rule.output.name: [
                Change(key, None, row) for key, row in self.engine.rows(rule.output).items()
            ]
            for rule in self.engine.rules
        }
        self.delivery.commit(self.revision, log, 0)
        self.server = AgentServer(self.delivery, self.credentials)
        if hold:
            self.server.hold()
        self.port = await self.server.start(f"127.0.0.1:{self.port}")

    async def stop(self) -> None:
        await self.server.stop()

    def commit(self, *writes: Any) -> int:
        self.revision += 1
        log = self.engine.commit(writes)
        self.server.send(self.delivery.commit(self.revision, log, time.time_ns()))
        return self.revision

    def ports(self, count: int, host: str, network: str = "n1") -> int:
        return self.commit(*(port(n, host, network) for n in range(count)))

    def agent(self, name: str, **options: Any) -> Agent:
        agent = Agent(self, name, **options)
        self.tasks.append(agent.task)
        return agent

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.stop()


class Agent:
    """An agent's half: the real stream over a switch of the test's."""

    def __init__(self, house: House, name: str, epoch: int = 0, credentials: Any = None) -> None:
        self.name = name
        self.switch = Switch()
        self.epochs: list[int] = []
        self.session = ClientSession(epoch, self.epochs.append)
        self.stream = Stream(
            name,
            [f"127.0.0.1:{house.port}"],
            self.session,
            self.switch,
            credentials=credentials,
        )
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.switch.start(self.stream.vif_changed, self.stream.key_failed)
        await self.stream.run()


def port(n: int, host: str, network: str = "n1") -> Any:
    mac = Mac((0xFA << 40 | n).to_bytes(6, "big"))
    ip = FixedIp("s1", Ip.from_number(0x0A000002 + n, 4))
    key = f"{network}p{n}"
    return PORT, key, Port(id=key, network_id=network, mac=mac, fixed_ips=(ip,), host=host)


async def attached(house: House, host: str) -> AgentSession:
    await until(lambda: host in house.delivery.sessions)
    return house.delivery.sessions[host]


async def until(condition: Callable[[], object], what: str = "") -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what
