"""How the looking glass answers: JSON, and refusals in Neutron's shape."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

encode: Final = msgspec.json.Encoder().encode


def as_json(value: Any, status: int = 200) -> Response:
    """Any value that msgspec can encode."""
    return Response(encode(value), status, media_type="application/json")


def error(status: int, kind: str, message: str) -> Response:
    """What the API's clients know as an error."""
    return as_json({"NeutronError": {"type": kind, "message": message, "detail": ""}}, status)


def refused(message: str) -> Response:
    """The question makes no sense."""
    return error(400, "InvalidInput", message)
