"""Answers of the read views: JSON, and errors as the API's clients know them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

encode: Final = msgspec.json.Encoder().encode
"""A value as JSON."""


def json(value: Any, status: int = 200) -> Response:
    """Any value that msgspec can encode."""
    return Response(encode(value), status, media_type="application/json")


def error(status: int, kind: str, message: str) -> Response:
    """In Neutron's shape."""
    body = {"NeutronError": {"type": kind, "message": message, "detail": ""}}
    return json(body, status)


def refused(message: str) -> Response:
    """What was asked makes no sense."""
    return error(400, "InvalidInput", message)
