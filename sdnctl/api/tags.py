"""Tags of a resource, as Neutron's ``standard-attr-tag`` has them."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from sdnctl.api.errors import ApiError, bad_request
from sdnctl.api.schema import converted
from sdnctl.api.standard import COMMON
from sdnctl.api.values import Json
from sdnctl.intent import Row

R = TypeVar("R", bound=Row)

TAGS: Final = {
    ("GET", 0),
    ("PUT", 0),
    ("POST", 0),
    ("DELETE", 0),
    ("GET", 1),
    ("PUT", 1),
    ("DELETE", 1),
}
"""What is served: (method, 1 if a tag is named)."""

_TYPE: Final = next(attribute.type for attribute in COMMON if attribute.name == "tags")


def tagged(method: str, row: R, tag: str | None, body: Json) -> tuple[R, int, Json]:
    """The row as the request leaves it, and the answer's status and body."""
    if tag is None:
        match method:
            case "GET":
                return row, 200, {"tags": list(row.tags)}
            case "DELETE":
                return _with(row, ()), 204, None
            case _:
                if not isinstance(body, dict) or set(body) != {"tags"}:
                    raise bad_request("Unable to find 'tags' in request body")
                given = _converted(body["tags"])
                tags = given if method == "PUT" else (*row.tags, *given)
                new = _with(row, _converted(list(dict.fromkeys(tags))))
                return new, 200, {"tags": list(new.tags)}
    if method == "PUT":
        return _with(row, _converted(list(dict.fromkeys((*row.tags, tag))))), 201, None
    if tag not in row.tags:
        raise ApiError(404, "TagNotFound", f"Tag {tag} could not be found.")
    if method == "DELETE":
        return _with(row, tuple(t for t in row.tags if t != tag)), 204, None
    return row, 204, None


def _converted(value: Json) -> tuple[str, ...]:
    tags: tuple[str, ...] = converted("tags", _TYPE, value)
    return tags


def _with(row: R, tags: tuple[str, ...]) -> R:
    return row if tags == row.tags else msgspec.structs.replace(row, tags=tags)
