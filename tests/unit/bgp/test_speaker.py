"""The speaker process against peers and controllers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path as FilePath

import grpc
import msgspec

from sdnctl.bgp import wire
from sdnctl.bgp.link import SpeakerLink
from sdnctl.bgp.peer import Family, Peer, Secret
from sdnctl.bgp.supervisor import speaker_command
from sdnctl.delta import Change
from sdnctl.routes import RouteKey
from sdnctl.speaker.v1 import speaker_pb2 as pb
from sdnctl.types import Ip, Label, RouteTarget
from tests.unit.bgp.conftest import PATH, Link, Start, host_route, peer, speakers
from tests.unit.bgp.raw_peer import (
    END_OF_RIB,
    EVPN,
    UPDATE,
    VPNV4,
    RawPeer,
    attribute,
    frame,
    update,
    vpnv4,
)
from tests.waiting import becomes, until


async def test_garbage_costs_its_own_session_only(link: Link, start: Start) -> None:
    bad, good = await start(), await start()
    link.set_peers([peer("bad", bad), peer("good", good)])
    await until(lambda: bad.up.is_set() and good.up.is_set())
    good.send(update(vpnv4(1)))
    bad.send(update(vpnv4(2)))
    await until(lambda: len(link.learned) == 2)
    broken = [
        frame(UPDATE, b"\0"),
        frame(UPDATE, b"\xff\xff"),
        frame(UPDATE, b"\0\0\0\4\x80\x0e\1\0"),
        frame(9, b"what"),
        frame(6, b"what"),
        frame(0, b"what"),
        b"\0" * 19,
        frame(UPDATE, update(vpnv4(3))[19:-3]),
    ]
    for number, message in enumerate(broken, 1):
        await until(bad.up.is_set)
        bad.send(message)
        await becomes(lambda: bad.sessions, number + 1)
        # RFC 4724 section 4.2: a NOTIFICATION ends what graceful restart would keep.
        assert [key.source for key in link.learned] == ["good"]
    # Not each arrives: what is unread when the speaker closes makes the kernel reset.
    assert bad.notifications()
    assert good.sessions == 1
    assert good.notifications() == []
    assert next(s for s in link.sessions if s.peer == "bad").established == len(broken) + 1


async def test_small_updates_go_together_and_each_is_counted(link: Link, start: Start) -> None:
    """Each route has a target of its own, so each is an UPDATE; the peer parses all of them."""
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    count = 300
    targets = [RouteTarget.parse(f"64512:{number}") for number in range(count)]
    link.update([
        Change(
            RouteKey("raw", host_route(number)),
            None,
            msgspec.structs.replace(PATH, route_targets=(target,)),
        )
        for number, target in enumerate(targets)
    ])  # fmt: skip
    await until(lambda: len(raw.updates()) >= count)
    routes = [body for body in raw.updates() if bytes(PATH.next_hop) in body]
    assert len(routes) == count
    for target in targets:
        assert sum(bytes(target) in body for body in routes) == 1
    await becomes(lambda: link.sessions[0].updates_sent, len(raw.updates()))
    assert raw.sessions == 1


async def test_unknown_families_and_attributes_are_passed_over(link: Link, start: Start) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    unknown = b"\xc0\xf0\3abc" + b"\x80\xf1\3abc"
    raw.send(update(attribute(0x80, 14, EVPN + b"\4" + bytes(5))))
    raw.send(update(attribute(0x80, 15, EVPN + b"what")))
    raw.send(update(unknown, vpnv4(1)))
    await until(lambda: link.learned)
    assert raw.notifications() == []


async def test_malformed_communities_withdraw_the_route(link: Link, start: Start) -> None:
    """RFC 7606 section 7.14: treat-as-withdraw; the session stays."""
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    for number in (1, 2):
        raw.send(update(vpnv4(number)))
    await until(lambda: len(link.learned) == 2)
    raw.send(update(attribute(0xC0, 16, bytes(7)), vpnv4(1)))
    await until(lambda: len(link.learned) == 1)
    assert raw.notifications() == []


async def test_lost_peer_without_graceful_restart(link: Link, start: Start) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    raw.send(update(vpnv4(1)))
    await until(lambda: link.learned)
    raw.drop()
    await until(lambda: not link.learned)


async def test_stale_routes_expire(link: Link, start: Start) -> None:
    raw = await start(restart_time=2)
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    raw.send(update(vpnv4(1)))
    raw.send(frame(UPDATE, END_OF_RIB + VPNV4))
    await until(lambda: link.learned)
    await raw.stop()
    await until(lambda: not link.sessions[0].up)
    assert link.learned
    await until(lambda: not link.learned, 6)


async def test_link_keeps_learned_routes_over_a_killed_speaker(link: Link, start: Start) -> None:
    raw = await start(restart_time=30)
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    for number in (1, 2):
        raw.send(update(vpnv4(number)))
    await until(lambda: len(link.learned) == 2)
    link.changes.clear()
    for pid in speakers(link):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: raw.sessions == 2)
    raw.send(update(vpnv4(1)))
    await until(lambda: link.sessions[0].routes_in == 1)
    assert link.changes == []
    raw.send(frame(UPDATE, END_OF_RIB + VPNV4))
    await until(lambda: len(link.learned) == 1)
    assert [change.new for change in link.changes] == [None]


async def test_speaker_that_stands_still_is_killed(link: Link, start: Start) -> None:
    raw = await start(restart_time=60)
    link.set_peers([peer("raw", raw)])
    await until(lambda: link.sessions and link.sessions[0].up)
    (pid,) = speakers(link)
    raw.send(update(vpnv4(1)))
    await until(lambda: link.learned)
    link.changes.clear()
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: not link.sessions[0].up)
    assert link.sessions[0].last_error == "the speaker does not answer"
    link.update([Change(RouteKey("raw", host_route(1)), None, PATH)])
    await until(lambda: speakers(link) not in ([pid], []), 60)
    await until(lambda: link.settled and link.sessions[0].up, 30)
    await until(lambda: link.sessions[0].routes_out == 1)
    assert raw.sessions == 2
    assert link.changes == []


async def test_speaker_that_stands_still_for_a_moment_is_left_alone(
    link: Link, start: Start
) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(lambda: link.sessions and link.sessions[0].up)
    (pid,) = speakers(link)
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: not link.sessions[0].up)
    os.kill(pid, signal.SIGCONT)
    await until(lambda: link.settled and link.sessions[0].up)
    assert speakers(link) == [pid]
    assert raw.sessions == 1


async def test_peer_that_does_not_read_delays_nobody(link: Link, start: Start) -> None:
    stuck, good = await start(), await start()
    link.set_peers([peer("stuck", stuck), peer("good", good)])
    await until(lambda: stuck.up.is_set() and good.up.is_set())
    stuck.reading.clear()
    count = 60_000
    for name in ("stuck", "good"):
        link.update(Change(RouteKey(name, host_route(n)), None, PATH) for n in range(count))
    await until(lambda: sum(map(len, good.updates())) > 16 * count, 60)
    (pid,) = speakers(link)
    before = cpu_seconds(pid)
    await asyncio.sleep(1)
    assert cpu_seconds(pid) - before < 0.5
    stuck.reading.set()
    await until(lambda: sum(map(len, stuck.updates())) > 16 * count, 60)
    assert (stuck.sessions, good.sessions) == (1, 1)


async def test_end_of_rib_follows_the_replay_once(tmp_path: FilePath, start: Start) -> None:
    raw = await start()
    link = Link(tmp_path / "speaker.sock")
    link.set_peers([peer("raw", raw)])
    link.update(Change(RouteKey("raw", host_route(n)), None, PATH) for n in range(5000))
    await link.start()
    marker = b"\0\0\0\7\x90\x0f\0\3" + VPNV4  # as ExaBGP writes it
    try:
        await until(lambda: marker in raw.updates())
        assert raw.updates()[-1] == marker
        assert sum(map(len, raw.updates())) > 16 * 5000
        # A second controller that wants the same: nothing is sent.
        await link.stop(keep_speaker=True)
        sent = len(raw.updates())
        after = Link(tmp_path / "speaker.sock")
        after.set_peers([peer("raw", raw)])
        after.update(Change(RouteKey("raw", host_route(n)), None, PATH) for n in range(5000))
        await after.start()
        await until(lambda: after.settled)
        await asyncio.sleep(0.2)
        assert len(raw.updates()) == sent
        assert raw.sessions == 1
        await after.stop()
    finally:
        await link.stop()
    await until(raw.down.is_set)
    assert raw.notifications() == []


async def test_peer_over_ipv6(link: Link, start: Start) -> None:
    raw = await start(host="::1")
    link.set_peers([Peer(
        name="six", address=Ip.parse("::1"), asn=64512, local_asn=64512,
        router_id=Ip.parse("127.0.0.8"), port=raw.port,
        families=(Family.IPV4_VPN,),
    )])  # fmt: skip
    await until(raw.up.is_set)


async def test_peer_that_cannot_be_configured_costs_itself_only(link: Link, start: Start) -> None:
    raw = await start()
    odd = [
        peer("hold", raw, hold_time=1 << 20),
        peer("word", raw, password=Secret("ü")),
        peer("long", raw, password=Secret("x" * 200)),
        peer("listen", raw, local_address=Ip.parse("192.0.2.1"), passive=True),
    ]
    link.set_peers([*odd, peer("raw", raw)])
    await until(lambda: any(s.peer == "raw" and s.up for s in link.sessions))
    errors = {session.peer: session.last_error for session in link.sessions}
    assert "at most 80 ASCII" in errors["word"]
    assert "at most 80 ASCII" in errors["long"]


async def test_peer_that_restarted_unnoticed_may_call_again(link: Link, start: Start) -> None:
    """RFC 4724 section 4.2: the old connection is dead, whatever we think of it."""
    raw = await start(restart_time=30)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    passive = msgspec.structs.replace(peer("raw", raw), passive=True, port=port)
    link.set_peers([passive])
    first, second = RawPeer(restart_time=30), RawPeer(restart_time=30)

    await first.call_until_answered(port)
    await until(lambda: link.sessions[0].up)
    first.send(update(vpnv4(1)))
    first.send(update(vpnv4(2)))
    await until(lambda: len(link.learned) == 2)
    link.changes.clear()
    await second.call_until_answered(port)
    await until(second.up.is_set)
    second.send(update(vpnv4(1)))
    second.send(frame(UPDATE, END_OF_RIB + VPNV4))
    await until(lambda: len(link.learned) == 1)
    assert [change.new for change in link.changes] == [None]
    assert link.sessions[0].established == 2
    for caller in (first, second):
        await caller.stop()


async def test_listens_as_soon_as_it_can(link: Link, start: Start) -> None:
    raw = await start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        local = Ip.parse("127.0.0.1")
        settings = {"passive": True, "port": port, "local_address": local}
        link.set_peers([msgspec.structs.replace(peer("raw", raw), **settings)])
        await until(lambda: "cannot listen" in link.sessions[0].last_error)

    await raw.call_until_answered(port)
    await until(lambda: link.sessions[0].up)
    assert link.sessions[0].last_error == ""


async def test_garbage_on_the_socket(link: Link, start: Start) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    (pid,) = speakers(link)
    _, writer = await asyncio.open_unix_connection(link.socket_path)
    writer.write(os.urandom(5000))
    writer.close()

    early = pb.Downstream(batch=pb.Batch(sequence=9)).SerializeToString()
    for request in (b"\xff\xff\xff", b"", early):
        with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
            async with (
                asyncio.timeout(2),
                grpc.aio.insecure_channel(f"unix:{link.socket_path}") as channel,
            ):
                async for _ in channel.stream_stream(wire.METHOD)(iter([request])):
                    pass
    link.update([Change(RouteKey("raw", host_route(1)), None, PATH)])
    await until(lambda: len(raw.updates()) == 2)
    assert speakers(link) == [pid]
    assert raw.sessions == 1


async def test_one_speaker_per_socket(link: Link) -> None:
    await until(lambda: link.connected)
    second = await asyncio.create_subprocess_exec(
        *speaker_command(link.socket_path), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert b"another speaker serves" in errors
    assert len(speakers(link)) == 1


async def test_link_survives_a_route_that_has_no_encoding(link: Link, start: Start) -> None:
    raw = await start()
    link.set_peers([peer("raw", raw)])
    await until(raw.up.is_set)
    bad = msgspec.structs.replace(PATH, label=Label(1 << 40))
    link.update([Change(RouteKey("raw", host_route(1)), None, bad)])
    await until(lambda: not link.connected)
    link.update([
        Change(RouteKey("raw", host_route(1)), None, PATH),
        Change(RouteKey("raw", host_route(2)), None, PATH),
    ])  # fmt: skip
    await until(lambda: link.settled and link.sessions[0].routes_out == 2)
    assert raw.sessions == 1


async def test_speaker_that_cannot_be_started(tmp_path: FilePath) -> None:
    link = SpeakerLink(
        tmp_path / "socket", lambda _: None, lambda _: None, command=("no-such-speaker",)
    )
    await link.start()
    await asyncio.sleep(0.7)
    assert not link.connected
    await link.stop()


async def test_newest_controller_wins(link: Link) -> None:
    await until(lambda: link.connected)
    other = SpeakerLink(link.socket_path, lambda _: None, lambda _: None)
    await other.start()
    await until(lambda: other.connected and not link.connected)
    await asyncio.sleep(0.3)
    assert other.connected
    await other.stop()
    assert len(speakers(link)) == 1


async def test_says_why_a_session_does_not_come_up(link: Link, start: Start) -> None:
    raw = await start()
    await raw.stop()
    closed = peer("closed", raw)
    open_again = await start()
    other_as = msgspec.structs.replace(peer("as", open_again), asn=64999)
    link.set_peers([closed, other_as])

    def errors() -> dict[str, str]:
        return {session.peer: session.last_error for session in link.sessions}

    await until(lambda: all(errors().values()))
    assert "refused" in errors()["closed"], errors()
    assert "did not match ASN expected" in errors()["as"]


async def test_runs_with_few_capabilities(link: Link) -> None:
    await until(lambda: link.connected)
    (pid,) = speakers(link)
    status = FilePath(f"/proc/{pid}/status").read_text()
    held = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")]
    assert int(held[0], 16) == (1 << 10 if os.geteuid() == 0 else 0)


def test_sigterm_ends_it(tmp_path: FilePath) -> None:
    path = tmp_path / "speaker.sock"
    with subprocess.Popen(speaker_command(path), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "serving" in process.stderr.readline()
        assert path.stat().st_mode & 0o777 == 0o600
        process.terminate()
        assert process.wait(10) == 0
    assert not path.exists()


def test_socket_that_cannot_be_made(tmp_path: FilePath) -> None:
    done = subprocess.run(
        speaker_command(tmp_path / ("x" * 200)), capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 1


def cpu_seconds(pid: int) -> float:
    fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
