"""What the parts of the API have in common over HTTP: bodies in, JSON out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sdnctl.api.errors import ApiError
from sdnctl.api.values import Json

_encode: Final = msgspec.json.Encoder().encode


class JsonResponse(Response):
    """Any value that msgspec can encode."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """The value as JSON."""
        return b"" if content is None else _encode(content)


async def send_json(send: Send, status: int, content: Json) -> None:
    """Send an answer; None is an empty body."""
    body = b"" if content is None else _encode(content)
    await _send(send, status, body)


async def _send(send: Send, status: int, body: bytes) -> None:
    """Neither head nor body is sent before it is whole: a row may still fail."""
    headers = [(b"content-type", b"application/json")]
    if status != 204:  # RFC 9110 section 8.6: not in what has no content
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


LONG: Final = 1000
"""Rows of a list that still goes in one piece, with its length."""

SLICE: Final = 500
"""Rows of a long list that are encoded before others have their turn: a few milliseconds."""


class Listing(NamedTuple):
    """A list: ``write`` makes the JSON of rows, if the list is long when their turn comes.

    ``rows`` are of ``revision`` or, where it took long to find them, later; what is computed from
    other rows is as of its row's turn. ``rest`` are the members of the answer that follow the list.
    """

    name: str
    rows: Sequence[Any]
    write: Callable[[Sequence[Any]], list[bytes]]
    """In parts, a comma after each row."""
    rest: Mapping[str, Json]
    revision: int

    async def send(self, send: Send) -> None:
        """Send the answer; whoever else waits has a turn after each slice of a long one."""
        before = _encode({self.name: []})[:-2]
        end = b"]" + (b"," + _encode(self.rest)[1:] if self.rest else b"}")
        if len(self.rows) <= LONG:
            await _send(send, 200, b"".join((before, *self.write(self.rows)[:-1], end)))
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at in range(0, len(self.rows), SLICE):
            body = b"".join((before, *self.write(self.rows[at : at + SLICE])[:-1]))
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(0)
            before = b","
        await send({"type": "http.response.body", "body": end, "more_body": False})


class Gone(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The body of a request, of at most ``limit`` octets."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        body = b"".join(chunks)
    if message["type"] == "http.disconnect":
        raise Gone
    if len(body) > limit:
        raise ApiError(413, "HTTPRequestEntityTooLarge", f"The body exceeds {limit} octets.")
    return body


def header(scope: Scope, name: bytes) -> bytes:
    """The first header of that lower-case name; empty if there is none."""
    return next((value for key, value in scope["headers"] if key == name), b"")


def base_url(scope: Scope) -> str:
    """Where the client found us, by its own account."""
    return f"{scope['scheme']}://{header(scope, b'host').decode('latin-1')}"
