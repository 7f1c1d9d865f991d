"""How the looking glass answers: JSON, and refusals in Neutron's shape."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

encode: Final = msgspec.json.Encoder().encode


def as_json(value: Any, status: int = 200) -> Response:
    """Any value that msgspec can encode."""
    return Response(encode(value), status, media_type="application/json")


def refused(message: str) -> Response:
    """The question makes no sense."""
    body = {"NeutronError": {"type": "InvalidInput", "message": message, "detail": ""}}
    return as_json(body, 400)
