"""The paths of the OpenAPI document of what is served beside the table of resources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sdnctl.api.openapi import ERRORS, answers, body_of, filter_by, in_path, object_of
from sdnctl.api.values import Json


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def view_paths(path: str, name: str, plural: str, *, by_id: bool) -> dict[str, Json]:
    """The paths of what is only looked at; its rows are not described further."""
    title, rows = _camel(name), {"type": "array", "items": {"type": "object"}}
    found: dict[str, Json] = {
        path: {
            "get": {
                "operationId": f"list{title}",
                "responses": answers(200, {plural: rows}),
            }
        }
    }
    if by_id:
        one = answers(200, {name: {"type": "object"}})
        found[f"{path}/{{id}}"] = {
            "parameters": in_path("id"),
            "get": {"operationId": f"show{title}", "responses": one},
        }
    return found


def agent_changes(given: dict[str, Json]) -> dict[str, Json]:
    """What is done to an agent; ``given`` is what may be said of one."""
    return {
        "put": {
            "operationId": "updateAgent",
            "requestBody": body_of({"agent": object_of(given)}),
            "responses": answers(200, {"agent": {"type": "object"}}),
        },
        "delete": {
            "operationId": "deleteAgent",
            "responses": {"204": {"description": "Gone."}} | ERRORS,
        },
    }


def quota_paths(path: str, names: Iterable[str]) -> dict[str, Json]:
    """The paths of quotas, which have a limit of each name."""
    limit = {"type": "integer", "minimum": -1}
    usage = object_of(dict.fromkeys(("limit", "used", "reserved"), limit))
    limits, usages = object_of(dict.fromkeys(names, limit)), object_of(dict.fromkeys(names, usage))
    shown, id_ = answers(200, {"quota": limits}), in_path("project_id")
    details = answers(200, {"quota": usages})
    return view_paths(path, "quota", "quotas", by_id=False) | {
        f"{path}/{{project_id}}": {
            "parameters": id_,
            "get": {"operationId": "showQuota", "responses": shown},
            "put": {
                "operationId": "updateQuota",
                "requestBody": body_of({"quota": {"type": "object", "additionalProperties": True}}),
                "responses": shown,
            },
            "delete": {
                "operationId": "deleteQuota",
                "responses": {"204": {"description": "Gone."}} | ERRORS,
            },
        },
        f"{path}/{{project_id}}/default": {
            "parameters": id_,
            "get": {"operationId": "showDefaultQuota", "responses": shown},
        },
        f"{path}/{{project_id}}/details.json": {
            "parameters": id_,
            "get": {"operationId": "showQuotaDetails", "responses": details},
        },
    }


def binding_paths(
    path: str, shown: dict[str, Json], given: dict[str, Json], filters: Iterable[str]
) -> dict[str, Json]:
    """The paths of a port's bindings; ``given`` is what may be said of one, its host first."""
    one = object_of(shown, list(shown))
    found = answers(200, {"binding": one})
    port, host = in_path("port_id"), [*in_path("port_id"), *in_path("host")]
    needed = list(given)[:1]
    return {
        path: {
            "parameters": port,
            "get": {
                "operationId": "listPortBinding",
                "parameters": [filter_by(name) for name in filters],
                "responses": answers(200, {"bindings": {"type": "array", "items": one}}),
            },
            "post": {
                "operationId": "createPortBinding",
                "requestBody": body_of({"binding": object_of(given, needed)}),
                "responses": answers(201, {"binding": one}) | _NOT_BOUND,
            },
        },
        f"{path}/{{host}}": {
            "parameters": host,
            "get": {"operationId": "showPortBinding", "responses": found},
            "put": {
                "operationId": "updatePortBinding",
                "requestBody": body_of({"binding": object_of(given)}),
                "responses": found | _NOT_BOUND,
            },
            "delete": {
                "operationId": "deletePortBinding",
                "responses": {"204": {"description": "Gone."}} | ERRORS,
            },
        },
        f"{path}/{{host}}/activate": {
            "parameters": host,
            "put": {"operationId": "activatePortBinding", "responses": answers(200, shown)},
        },
    }


_NOT_BOUND: Final = {
    "500": {
        "description": "PortBindingError: no agent there would plug it.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
}
"""Neutron's answer where a port cannot be bound."""
