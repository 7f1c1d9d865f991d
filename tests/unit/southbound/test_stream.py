"""The agent stream over real gRPC: its rules (DESIGN.md section 6), one after the other.

The controller's side is the real engine, delivery and server; the agent's the real stream and
session over a data plane that holds what it is told, as slowly or as badly as a test wants.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time

import grpc
import msgspec
import pytest

from sdnctl.delivery import session as delivery_session
from sdnctl.delivery.observed import Vif, VifChange
from sdnctl.graph.relations.inputs import PORT
from sdnctl.southbound.server import METHOD
from sdnctl.vrouter.v1 import vrouter_pb2 as pb
from sdnctl_vrouter import stream
from sdnctl_vrouter.drivers.base import Failure, VifStatus
from sdnctl_vrouter.session import ClientSession
from tests.unit.southbound.house import House, attached, port, until


async def test_bad_keys_do_not_block_the_others(house: House) -> None:
    agent = house.agent("h1")
    agent.switch.broken["fdb/5001/fa:00:00:00:00:01"] = "no room"
    house.ports(3, "h1")
    await until(lambda: "port/n1p2" in agent.switch.programmed)
    session = house.delivery.sessions["h1"]
    await until(lambda: session.failures == {"fdb/5001/fa:00:00:00:00:01": "no room"})
    await until(lambda: session.programmed == session.sent)  # the refusal may come before
    agent.stream.key_failed(Failure("fdb/5001/fa:00:00:00:00:01", ""))  # another try held
    await until(lambda: not session.failures)


async def test_a_failure_is_forgotten_with_what_it_was_about(house: House) -> None:
    """A key that failed and then changed or went: nobody would ever say that it recovered."""
    agent = house.agent("h1")
    agent.switch.broken = {"fdb/5001/fa:00:00:00:00:00": "no room", "port/n1p1": "no such"}
    house.ports(2, "h1")
    session = await attached(house, "h1")
    await until(lambda: len(session.failures) == 2)
    agent.switch.broken = {}
    house.commit((PORT, "n1p0", None))
    relation, key, row = port(1, "h1")
    house.commit((relation, key, msgspec.structs.replace(row, port_security_enabled=False)))
    await until(lambda: not session.failures)


async def test_streams_that_die_under_fire_leave_no_complaint(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut while messages are queued: no task's exception goes unseen, nothing is left over."""
    for _round in range(5):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{house.port}")
        call = channel.stream_stream(METHOD)(metadata=(("hypervisor", "h1"),))
        await call.write(pb.Upstream(hello=pb.Hello()).SerializeToString())
        await until(lambda: "h1" in house.delivery.sessions)
        for n in range(40):
            relation, key, row = port(n % 5, "h1")
            house.commit((relation, key, row if n % 2 else None))
        call.cancel()
        await channel.close()
        await until(lambda: "h1" not in house.delivery.sessions)
    gc.collect()
    await asyncio.sleep(0.05)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert house.server._streams == {}


async def test_an_epoch_that_could_not_be_saved_is_saved_the_next_time() -> None:
    disk_full = [True]
    saved: list[int] = []

    def save(epoch: int) -> None:
        if disk_full:
            raise OSError(28, "No space left on device")
        saved.append(epoch)

    session = ClientSession(1, save)
    message = pb.Downstream(nonce=1, epoch=2).SerializeToString()
    with pytest.raises(OSError, match="No space"):
        session.receive(message)
    disk_full.clear()
    session.receive(message)
    assert (session.epoch, saved) == (2, [2])


async def test_reconnecting_costs_the_difference(house: House) -> None:
    agent = house.agent("h1")
    house.ports(200, "h1")
    await until(lambda: len(agent.switch.programmed) == 603)  # node, EVI, flood; three a port
    applied = agent.switch.applied
    await house.stop()
    await house.start()  # another controller process: it has no history, and needs none
    await until(lambda: agent.switch.syncs == 2)
    assert agent.switch.applied == applied
    session = house.delivery.sessions["h1"]
    house.server._streams["h1"].close()
    agent.task.cancel()
    house.commit(port(200, "h1"))
    agent.task = asyncio.create_task(agent._run())
    house.tasks.append(agent.task)
    await until(lambda: "port/n1p200" in agent.switch.programmed)
    assert house.delivery.sessions["h1"] is not session
    assert agent.switch.applied == applied + 3


async def test_agents_wait_until_all_is_known(house: House) -> None:
    """A controller that has not heard the gateways yet takes no route away from anybody."""
    agent = house.agent("h1")
    house.ports(2, "h1")
    await until(lambda: "port/n1p1" in agent.switch.programmed)
    before = dict(agent.switch.programmed)
    ports = dict(house.engine.rows(PORT))
    await house.stop()
    house.engine.commit([(PORT, key, None) for key in ports])  # not known yet
    await house.start(hold=True)
    await until(lambda: agent.stream._call is not None)
    await asyncio.sleep(0.1)
    assert agent.switch.programmed == before
    house.commit(*((PORT, key, row) for key, row in ports.items()))
    applied = agent.switch.applied
    house.server.admit()
    await until(lambda: house.delivery.sessions["h1"].in_sync if house.delivery.sessions else 0)
    assert agent.switch.programmed == before
    assert agent.switch.applied == applied


async def test_an_agent_with_a_mistyped_name_is_told_of(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.agent("h11")
    await until(lambda: "no hypervisor has this agent's name" in caplog.text)
    caplog.clear()
    house.agent("h1")
    await attached(house, "h1")
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_in_sync_comes_after_everything(house: House) -> None:
    house.ports(1200, "h1")  # three messages' worth
    agent = house.agent("h1")
    at_sync: list[int] = []
    agent.switch.in_sync = lambda: at_sync.append(len(agent.switch.programmed))  # type: ignore[method-assign]
    await until(lambda: at_sync)
    assert at_sync == [1200 * 3 + 3]


async def test_two_acknowledgements(house: House) -> None:
    agent = house.agent("h1")
    await until(lambda: agent.switch.syncs)
    agent.switch.held = True
    revision = house.ports(1, "h1")
    session = house.delivery.sessions["h1"]
    await until(lambda: session.received == session.sent)
    assert session.programmed < session.sent
    way = house.delivery.observed.convergence(revision)
    assert way is not None
    assert way.outstanding == {"h1"}
    agent.switch.release()
    await until(lambda: not way.outstanding)
    assert way.programmed_ns > way.committed_ns


async def test_headless(house: House) -> None:
    agent = house.agent("h1")
    house.ports(5, "h1")
    await until(lambda: "port/n1p4" in agent.switch.programmed)
    held = dict(agent.switch.programmed)
    await house.stop()
    await asyncio.sleep(0.5)
    assert agent.switch.programmed == held
    await house.start()
    await until(lambda: agent.switch.syncs == 2)
    assert agent.switch.programmed == held


async def test_election(house: House) -> None:
    agent = house.agent("h1")
    await until(lambda: agent.epochs == [1])
    await house.stop()
    await house.start(epoch=7)
    await until(lambda: agent.epochs == [1, 7])
    await house.stop()
    await house.start(epoch=3)  # one that lost its store, or was cut off for long
    house.commit(port(0, "h1"))
    await asyncio.sleep(1)
    assert "port/n1p0" not in agent.switch.programmed
    assert house.delivery.sessions == {}
    await house.stop()
    await house.start(epoch=8)
    await until(lambda: "port/n1p0" in agent.switch.programmed)
    rebooted = house.agent("h2", epoch=9)  # the file remembers
    await asyncio.sleep(0.5)
    assert rebooted.switch.syncs == 0


async def test_a_slow_agent_owes_at_most_one_update_a_key(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_session, "WINDOW", 4)
    quick = house.agent("h1")
    house.ports(1, "h1")
    await until(lambda: "port/n1p0" in quick.switch.programmed)
    house.commit(port(99, "h2"))  # h2 is a member, and does not read at all
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{house.port}")
    call = channel.stream_stream(METHOD)(metadata=(("hypervisor", "h2"),))
    await call.write(pb.Upstream(hello=pb.Hello()).SerializeToString())
    await until(lambda: "h2" in house.delivery.sessions)
    slow = house.delivery.sessions["h2"]
    for n in range(500):
        relation, key, row = port(n % 5 + 10, "h1")
        house.commit((relation, key, row if n % 2 else None))
    house.ports(20, "h1")
    await until(lambda: len([k for k in quick.switch.programmed if k.startswith("port/")]) >= 20)
    owed = sum(len(pending.keys) for pending in slow._pending.values())
    assert slow.sent == 4
    assert 0 < owed <= 3 * 26
    # When it wakes up it is sent what holds now, each key once.
    mirror = ClientSession(0, lambda _epoch: None)
    while slow._pending or slow.received < slow.sent:
        batch = mirror.receive(await call.read())
        assert not batch.nacks
        mirror.programmed(batch.nonce)
        await call.write(mirror.ack(1, 1))
        await asyncio.sleep(0.01)
    assert slow.sent < 10
    group = mirror.groups["evi/5001"]
    assert group.version == house.delivery.tables.table("evi/5001").version
    call.cancel()
    await channel.close()


async def test_one_agents_status_is_nobody_elses_business(house: House) -> None:
    first, second = house.agent("h1"), house.agent("h2")
    house.commit(port(1, "h1"), port(2, "h2"))
    await until(lambda: len(first.switch.programmed) == 9 and len(second.switch.programmed) == 9)
    sent = house.delivery.sessions["h2"].sent
    for up in (True, False) * 20:
        first.stream.vif_changed(VifStatus("n1p1", up, "" if up else "unplugged"))
    first.stream.key_failed(Failure("fdb/5001/fa:00:00:00:00:02", "no room"))
    first.stream.vif_changed(VifStatus("n1p1", up=True))
    observed = house.delivery.observed
    await until(lambda: observed.port_is_up("n1p1", "h1", time.monotonic()))
    await until(lambda: house.delivery.sessions["h1"].failures)
    assert house.delivery.sessions["h2"].sent == sent
    assert not observed.port_is_up("n1p1", "h2", time.monotonic())
    house.commit((PORT, "n1p1", None))
    assert not observed.port_is_up("n1p1", "h1", time.monotonic())


async def test_a_new_stream_tells_since_when_a_vif_is_there(house: House) -> None:
    """So that a controller that was restarted knows what is old news."""
    house.agent("h1")
    house.commit(port(1, "h1"))
    observed = house.delivery.observed
    await until(lambda: observed.port_is_up("n1p1", "h1", time.monotonic()))
    known = time.monotonic()
    await house.stop()
    await asyncio.sleep(0.2)
    await house.start(hold=True)
    heard: list[VifChange] = []
    house.delivery.on_vif = heard.append
    house.server.admit()
    await until(lambda: bool(heard))
    assert (heard[0].port_id, heard[0].old, heard[0].new) == ("n1p1", Vif.GONE, Vif.UP)
    assert known - 5 < heard[0].since <= known + 0.05


async def test_members_only(house: House) -> None:
    agents = [house.agent(f"h{n}") for n in (1, 2, 3)]
    await until(lambda: all(agent.switch.syncs for agent in agents))
    house.commit(port(1, "h1", "n1"), port(2, "h2", "n1"), port(3, "h3", "n2"))
    await until(
        lambda: len(agents[0].switch.programmed) == 9 and len(agents[2].switch.programmed) == 6
    )
    assert not any("5001" in key for key in agents[2].switch.programmed)
    house.commit((PORT, "n1p1", None))
    await until(lambda: set(agents[0].switch.programmed) == {"node"})  # it has left the network
    await until(lambda: "fdb/5001/fa:00:00:00:00:01" not in agents[1].switch.programmed)


async def test_garbage_closes_the_stream_and_harms_nobody(house: House) -> None:
    agent = house.agent("h1")
    await until(lambda: agent.switch.syncs)
    for first in (b"\xff\xff\xff", pb.Upstream(ack=pb.Ack()).SerializeToString(), b""):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{house.port}") as channel:
            call = channel.stream_stream(METHOD)(metadata=(("hypervisor", "h2"),))
            await call.write(first)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call.read()
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    async with grpc.aio.insecure_channel(f"127.0.0.1:{house.port}") as channel:
        nameless = channel.stream_stream(METHOD)()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await nameless.read()
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    house.ports(1, "h1")
    await until(lambda: "port/n1p0" in agent.switch.programmed)


async def test_the_newer_stream_of_a_hypervisor_wins(house: House) -> None:
    first = house.agent("h1")
    await until(lambda: first.switch.syncs)
    first.task.cancel()
    second = house.agent("h1")
    await until(lambda: second.switch.syncs)
    house.ports(1, "h1")
    await until(lambda: "port/n1p0" in second.switch.programmed)


async def test_what_is_refused_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "DROPS_SECONDS", 0.01)
    house.ports(1, "h1")
    agent = house.agent("h1")
    house.tasks.append(asyncio.create_task(agent.stream.watch_drops()))
    await attached(house, "h1")
    for count in (3, 4):
        agent.switch.dropped = {"spoofed_ip": count}
        await until(lambda: house.delivery.observed.agent("h1").drops == agent.switch.dropped)
    # A new controller is told anew.
    await house.stop()
    await house.start()
    await until(lambda: house.delivery.observed.agent("h1").drops == {"spoofed_ip": 4})
