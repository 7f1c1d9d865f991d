"""The two sockets, fed in pieces by a server of the test's own."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.types import Ip, Mac
from sdnctl_vrouter.drivers.ovs import discovery
from sdnctl_vrouter.platform.openflow import Connection, Outcome, Refusal
from sdnctl_vrouter.platform.ovsdb import Column, Ovsdb

SCHEMA = {
    "Bridge": {"name": Column.ONE, "ports": Column.SET},
    "Interface": {"ofport": Column.ONE, "external_ids": Column.MAP},
}


class Peer:
    """The other end of the socket."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connected.set()

    async def trickle(self, data: bytes, size: int) -> None:
        """Send in pieces."""
        for at in range(0, len(data), size):
            self.writer.write(data[at : at + size])
            await self.writer.drain()
            await asyncio.sleep(0)


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[tuple[Peer, str]]:
    peer, path = Peer(), str(tmp_path / "s")
    server = await asyncio.start_unix_server(peer.accept, path)
    try:
        yield peer, path
    finally:
        if peer.connected.is_set():
            peer.writer.close()
        server.close()
        await server.wait_closed()


async def _request(peer: Peer) -> dict[str, Any]:
    await peer.connected.wait()
    text = b""
    while True:
        text += await peer.reader.read(4096)
        try:
            request: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return request


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_ovsdb_mirrors_differences(peer: tuple[Peer, str], size: int) -> None:
    server, path = peer
    changes: list[tuple[str, str]] = []
    opening = asyncio.create_task(Ovsdb.open(path, SCHEMA, changes.extend))
    request = await _request(server)
    assert request["method"] == "monitor_cond"
    initial = {
        "Bridge": {"b": {"initial": {"name": "br-\u00fc\U0001f600", "ports": ["uuid", "p1"]}}},
        "Interface": {"i": {"initial": {"external_ids": ["map", [["k", "v"], ["l", "w"]]]}}},
    }
    reply = {"id": request["id"], "result": initial, "error": None}
    await server.trickle(json.dumps(reply, ensure_ascii=False).encode(), size)
    ovsdb = await opening
    assert ovsdb.tables["Bridge"]["b"] == {"name": "br-\u00fc\U0001f600", "ports": {"p1"}}
    assert ovsdb.tables["Interface"]["i"] == {"ofport": None, "external_ids": {"k": "v", "l": "w"}}
    update = {
        "Bridge": {"b": {"modify": {"ports": ["set", [["uuid", "p1"], ["uuid", "p2"]]]}}},
        "Interface": {
            "i": {"modify": {"ofport": 3, "external_ids": ["map", [["k", "v"], ["l", "x"]]]}},
            "j": {"insert": {"ofport": 4}},
        },
    }
    messages: list[dict[str, Any]] = [{"id": None, "method": "update2", "params": [None, update]}]
    messages.append({"id": "echo", "method": "echo", "params": ["hello"]})
    await server.trickle(b"".join(json.dumps(m).encode() for m in messages), size)
    assert await _request(server) == {"id": "echo", "result": ["hello"], "error": None}
    assert ovsdb.tables["Bridge"]["b"]["ports"] == {"p2"}
    assert ovsdb.tables["Interface"] == {
        "i": {"ofport": 3, "external_ids": {"l": "x"}},
        "j": {"ofport": 4, "external_ids": {}},
    }
    assert changes == [("Bridge", "b"), ("Interface", "i"), ("Interface", "j")]
    calling = asyncio.create_task(ovsdb.transact({"op": "comment", "comment": "x"}))
    request = await _request(server)
    result = [{"error": "constraint violation", "details": "no"}]
    reply = {"id": request["id"], "result": result, "error": None}
    await server.trickle(json.dumps(reply).encode(), size)
    with pytest.raises(OSError, match="constraint violation: no"):
        await calling
    await ovsdb.close()


async def test_garbage_from_ovsdb_ends_the_connection(peer: tuple[Peer, str]) -> None:
    server, path = peer
    opening = asyncio.create_task(Ovsdb.open(path, SCHEMA, lambda _: None))
    await _request(server)
    await server.trickle(b"\xff\xfe\xff\xff\xff\xff", 2)
    with pytest.raises(ConnectionResetError):
        await opening


HELLO = struct.pack("!BBHI", 5, 0, 8, 1)


@pytest.mark.parametrize("size", [1, 5, 4096])
async def test_openflow_finds_the_place_of_an_error(peer: tuple[Peer, str], size: int) -> None:
    server, path = peer
    opening = asyncio.create_task(Connection.open(path))
    await server.connected.wait()
    await server.trickle(HELLO, size)
    connection = await opening
    assert await server.reader.readexactly(16) == struct.pack("!BBHIHHI", 5, 0, 16, 0, 1, 8, 32)
    told: list[Outcome] = []
    one = connection.bundle([[(14, b"a" * 8), (14, b"b" * 8)], [(15, b"c" * 8)]], told.append)
    two = connection.bundle([[(14, b"d" * 8)]])
    three = connection.bundle([[(14, b"e" * 8)]])
    sizes = [32, 32, 32, 16, 32, 16, 32, 16]
    sent = [await server.reader.readexactly(n) for n in sizes]
    xids = [struct.unpack_from("!I", message, 4)[0] for message in sent]
    assert [struct.unpack_from("!I", m, 20)[0] for m in sent if len(m) == 32] == [
        xid for xid, m in zip(xids, sent, strict=True) if len(m) == 32
    ]

    def error(xid: int, kind: int, code: int) -> bytes:
        return struct.pack("!BBHIHH", 5, 1, 12, xid, kind, code)

    def control(xid: int, kind: int) -> bytes:
        return struct.pack("!BBHIIHH", 5, 33, 16, xid, 1, kind, 0)

    answers = [error(xids[1], 4, 8), control(xids[3], 5)]
    answers += [struct.pack("!BBHI4s", 5, 2, 12, 9, b"ping")]
    answers += [error(xids[4], 2, 9), error(xids[5], 17, 13)]
    answers += [error(xids[6], 4, 8), error(xids[7], 17, 2)]
    await server.trickle(b"".join(answers), size)
    assert await one == Outcome(committed=True, refused={1: Refusal(4, 8)})
    assert told == [await one]
    assert await two == Outcome(committed=False, refused={0: Refusal(2, 9)})
    assert await three == Outcome(committed=True, refused={0: Refusal(4, 8)})
    echo = await server.reader.readexactly(12)
    assert echo == struct.pack("!BBHI4s", 5, 3, 12, 9, b"ping")
    late, dump = connection.bundle([[(14, b"e" * 8)]]), connection.cookies(1, 1)
    waiting = asyncio.ensure_future(dump)
    await asyncio.sleep(0)
    server.writer.close()
    for future in (late, waiting):
        with pytest.raises(ConnectionResetError):
            await future
    with pytest.raises(ConnectionResetError):
        await connection.bundle([[(14, b"f" * 8)]])


async def test_a_switch_that_says_nothing(peer: tuple[Peer, str]) -> None:
    server, path = peer
    opening = asyncio.create_task(Connection.open(path))
    await server.connected.wait()
    server.writer.close()
    with pytest.raises(ConnectionResetError):
        await opening


def test_a_solicitation_is_answered_and_nothing_else() -> None:
    mac, asker = Mac.parse("fa:16:3e:ff:00:01"), Mac.parse("fa:16:3e:00:00:01")
    ip, source = Ip.parse("fd00::fe"), Ip.parse("fd00::1")
    head = asker + asker + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 32, 58, 255)
    question = head + source + ip + struct.pack("!BBHI", 135, 0, 0, 0) + ip + b"\x01\x01" + asker
    assert discovery.target(question) == ip
    answer = discovery.advertisement(question, ip, mac)
    assert answer[:12] == asker + mac
    assert answer[22:54] == ip + source
    assert answer[54] == 136
    assert answer[62:78] == ip
    assert answer[78:] == b"\x02\x01" + mac
    pseudo = answer[22:54] + struct.pack("!II", 32, 58) + answer[54:]
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    assert total % 0xFFFF == 0
    for garbage in (b"", question[:60], question[:12] + b"\x08\x00" + question[14:], answer):
        assert discovery.target(garbage) is None
