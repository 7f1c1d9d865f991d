"""The gRPC server of the agent stream.

Promise: bytes that delivery has encoded go out as they are, in order, one task a stream and only
while there is something to write; a slow stream delays no other. Who speaks is named by its
certificate, or by metadata where the stream is in plain text. Knows nothing of what it carries
but the Hello that opens a stream.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from sdnctl.delivery.delivery import Delivery, Outgoing, SupersededError
from sdnctl.delivery.tables import group_of_node
from sdnctl.wire import read_upstream

METHOD: Final = "/sdnctl.vrouter.v1.VRouter/Attach"
MAX_MESSAGE: Final = 16 << 20
HELLO_SECONDS: Final = 10.0

OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    # A hypervisor that vanishes without a word is noticed, and not by its silence alone.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

_log = logging.getLogger(__name__)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a status could not be sent to an agent that is gone: gRPC calls that an error."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, grpc.aio.InternalError)


logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)


class _Stream:
    """The way out to one agent."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._queue: deque[bytes] = deque()
        self._pump: asyncio.Task[None] | None = None

    def send(self, data: bytes) -> None:
        self._queue.append(data)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._context.write(self._queue.popleft())
        except (grpc.aio.BaseError, asyncio.InvalidStateError, grpc.RpcError, OSError):
            self._queue.clear()  # the stream is gone; its reader says so

    def close(self) -> None:
        self._queue.clear()
        if self._pump is not None:
            self._pump.cancel()


class AgentServer:
    """Accepts agents and feeds them from ``delivery``.

    ``credentials`` None serves plain text, where an agent is whom it says it is.
    """

    def __init__(self, delivery: Delivery, credentials: grpc.ServerCredentials | None) -> None:
        self._delivery = delivery
        self._credentials = credentials
        self._streams: dict[str, _Stream] = {}
        self._server: grpc.aio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Let agents wait, with what they have, until ``admit``: not all is known yet."""
        self._open.clear()

    def admit(self) -> None:
        """Answer those that wait, and all that come."""
        self._open.set()

    async def start(self, address: str) -> int:
        """Listen on ``host:port``; returns the port. OSError if that cannot be had."""
        server = grpc.aio.server(options=OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(self._attach)
        service, _slash, method = METHOD.removeprefix("/").partition("/")
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        try:
            port: int = (
                server.add_insecure_port(address)
                if self._credentials is None
                else server.add_secure_port(address, self._credentials)
            )
        except RuntimeError as error:
            raise OSError(f"cannot listen for agents on {address}: {error}") from error
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """Close every stream; the agents go on without a controller."""
        if self._server is not None:
            await self._server.stop(grace=0.2)

    def send(self, out: Outgoing) -> None:
        """Messages of delivery on their way; an agent that is not connected is skipped."""
        for host, data in out:
            stream = self._streams.get(host)
            if stream is not None:
                stream.send(data)

    def _who(self, context: Any) -> str:
        if self._credentials is not None:
            names = context.auth_context().get("x509_common_name", [])
            return names[0].decode() if names else ""
        for key, value in context.invocation_metadata() or ():
            if key == "hypervisor":
                return str(value)
        return ""

    async def _attach(self, requests: AsyncIterator[bytes], context: Any) -> None:
        host = self._who(context)
        if not host:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "say which hypervisor this is")
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = read_upstream(await anext(requests))
            if first.WhichOneof("body") != "hello":
                raise ValueError("the first message is not a Hello")
            await self._open.wait()
            out = self._delivery.attach(host, first.hello, time.monotonic())
            await self._talk(host, out, requests, _Stream(context))
        except asyncio.CancelledError:
            # The stream was cut, or this server stops: an end like any other. To swallow it
            # would have gRPC send a status to nobody, and complain that it cannot.
            raise
        except grpc.aio.BaseError:
            pass
        except SupersededError as error:
            _log.error("superseded", extra={"hypervisor": host, "reason": str(error)})
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except (ValueError, StopAsyncIteration, TimeoutError) as error:
            _log.warning("stream refused", extra={"hypervisor": host, "reason": repr(error)})
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error) or "no Hello")

    async def _talk(
        self, host: str, out: Outgoing, requests: AsyncIterator[bytes], stream: _Stream
    ) -> None:
        """From the answer to the Hello until the stream ends, or a newer one replaces it."""
        session = self._delivery.sessions[host]
        former, self._streams[host] = self._streams.get(host), stream
        if former is not None:
            former.close()
        _log.info("agent attached", extra={"hypervisor": host, "messages": len(out)})
        if not self._delivery.tables.table(group_of_node(host)).entries:
            _log.warning("no hypervisor has this agent's name", extra={"hypervisor": host})
        try:
            self.send(out)
            async for data in requests:
                if self._streams.get(host) is not stream:
                    break
                message = read_upstream(data)
                self.send(
                    self._delivery.received(session, message, time.monotonic(), time.time_ns())
                )
        finally:
            stream.close()
            if self._streams.get(host) is stream:
                del self._streams[host]
            self._delivery.detach(host, session, time.monotonic())
            _log.info("agent detached", extra={"hypervisor": host})
