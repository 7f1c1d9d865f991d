"""What the parts of the API have in common over HTTP: bodies in, JSON out."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope

from sdnctl.api.errors import ApiError
from sdnctl.api.values import Json

_encode: Final = msgspec.json.Encoder().encode


class JsonResponse(Response):
    """Any value that msgspec can encode."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """The value as JSON."""
        return b"" if content is None else _encode(content)


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
