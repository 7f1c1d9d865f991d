"""OVSDB (RFC 7047) in asyncio: one database mirrored by ``monitor_cond``, and transactions.

Promise: ``tables`` holds what the server has said, ``on_change`` tells which rows changed, and
a change costs what changed (an update names the elements of a set that came and went).
Knows the protocol, and of the schema only which columns its caller asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, cast

from sdnctl_vrouter.platform.transports import hang_up

DATABASE: Final = "Open_vSwitch"

Row = dict[str, Any]
"""Columns by name: sets as ``set``, maps as ``dict``, optional scalars as the value or None."""


class Column(Enum):
    """How a column's value is written: the protocol does not say it with the value."""

    ONE = 0
    """A scalar, or an optional one."""
    SET = 1
    MAP = 2


Schema = Mapping[str, Mapping[str, Column]]
"""The columns to mirror, by table."""


class Ovsdb(asyncio.Protocol):
    """One connection to the server; of no use once it is lost."""

    def __init__(
        self,
        schema: Schema,
        on_change: Callable[[list[tuple[str, str]]], None],
        database: str = DATABASE,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in schema}
        self.lost: asyncio.Future[None] = loop.create_future()
        self._schema = schema
        self._on_change = on_change
        self._database = database
        self._loop = loop
        self._decoder = json.JSONDecoder()
        self._bytes = b""
        self._buffer = ""
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    @classmethod
    async def open(
        cls,
        path: str,
        schema: Schema,
        on_change: Callable[[list[tuple[str, str]]], None],
        database: str = DATABASE,
    ) -> Ovsdb:
        """Connect and mirror; OSError if it cannot.

        ``on_change`` gets the (table, uuid) pairs of each later update, after all of it is in
        ``tables``.
        """
        loop = asyncio.get_running_loop()
        _, ovsdb = await loop.create_unix_connection(lambda: cls(schema, on_change, database), path)
        try:
            async with asyncio.timeout(10):
                await ovsdb.monitor()
        except BaseException:
            await ovsdb.close()
            raise
        return ovsdb

    async def monitor(self) -> None:
        """Mirror the tables from now on."""
        requests = {table: [{"columns": list(cols)}] for table, cols in self._schema.items()}
        self._update(await self._call("monitor_cond", self._database, None, requests))

    async def close(self) -> None:
        """Hang up, and wait until it is so."""
        await hang_up(self._transport, self.lost)

    async def transact(self, *operations: dict[str, Any]) -> list[Any]:
        """Run operations as one transaction; OSError with the server's words if it fails."""
        results: list[Any] = await self._call("transact", self._database, *operations)
        for result in results:
            if isinstance(result, dict) and result.get("error"):
                raise OSError(f"OVSDB: {result['error']}: {result.get('details', '')}")
        return results

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """JSON texts come back to back, without frames (RFC 7047 section 4)."""
        # Names and external_ids may hold any UTF-8; a cut character waits for its rest.
        self._bytes += data
        try:
            text, self._bytes = self._bytes.decode(), b""
        except UnicodeDecodeError as error:
            if len(self._bytes) - error.start > 3:
                self._transport.abort()
                return
            text, self._bytes = self._bytes[: error.start].decode(), self._bytes[error.start :]
        self._buffer += text
        at = 0
        while at < len(self._buffer):
            try:
                message, at = self._decoder.raw_decode(self._buffer, at)
            except ValueError:
                break
            self._receive(message)
        self._buffer = self._buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits."""
        error = ConnectionResetError(f"OVSDB hung up: {exc}" if exc else "OVSDB hung up")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        if not self.lost.done():
            self.lost.set_result(None)

    # ---- JSON-RPC

    def _call(self, method: str, *params: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.lost.done():
            future.set_exception(ConnectionResetError("OVSDB hung up"))
            return future
        number = next(self._ids)
        self._waiting[number] = future
        self._send({"id": number, "method": method, "params": params})
        return future

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.write(json.dumps(message, separators=(",", ":")).encode())

    def _receive(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "echo":
                self._send({"id": message["id"], "result": message["params"], "error": None})
            case "update2":
                self._on_change(self._update(message["params"][1]))
            case None:
                future = self._waiting.pop(message["id"], None)
                if future is None or future.done():
                    return
                if message.get("error"):
                    future.set_exception(OSError(f"OVSDB: {message['error']}"))
                else:
                    future.set_result(message["result"])

    def _update(self, updates: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
        """Rows that came, changed or went (ovsdb-server(7), <table-updates2>)."""
        changed = []
        for table, rows in updates.items():
            columns, mirror = self._schema[table], self.tables[table]
            for uuid, update in rows.items():
                if "delete" in update:
                    mirror.pop(uuid, None)
                elif "modify" in update:
                    row = mirror[uuid]
                    for name, value in (update["modify"] or {}).items():
                        row[name] = _apply(columns[name], row[name], value)
                else:
                    values = update.get("insert") or update.get("initial") or {}
                    mirror[uuid] = {
                        name: _parse(kind, values.get(name, ["set", []]))
                        for name, kind in columns.items()
                    }
                changed.append((table, uuid))
        return changed


def _parse(kind: Column, value: Any) -> Any:
    """A value as written in JSON (RFC 7047 section 5.1)."""
    match kind, value:
        case Column.MAP, ["map", pairs]:
            return {_atom(key): _atom(item) for key, item in pairs}
        case Column.MAP, _:
            return {}
        case Column.SET, ["set", items]:
            return {_atom(item) for item in items}
        case Column.SET, _:
            return {_atom(value)}
        case Column.ONE, ["set", items]:
            return _atom(items[0]) if items else None
        case _:
            return _atom(value)


def _apply(kind: Column, old: Any, value: Any) -> Any:
    """A difference: elements that came or went, pairs that came, changed or went."""
    new = _parse(kind, value)
    match kind:
        case Column.SET:
            return old ^ new
        case Column.MAP:
            result = dict(old)
            for key, item in new.items():
                if result.get(key) == item:
                    del result[key]
                else:
                    result[key] = item
            return result
        case Column.ONE:
            return new


def _atom(value: Any) -> Any:
    return value[1] if isinstance(value, list) else value
