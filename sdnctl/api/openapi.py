"""The OpenAPI 3.1 document, from the same table that validates and answers requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sdnctl.api.caller import Identity
from sdnctl.api.policy import Policy
from sdnctl.api.schema import REQUIRED, UNSET, Attribute, Resource
from sdnctl.api.values import Json

_ERROR: Final = {
    "type": "object",
    "properties": {
        "NeutronError": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("type", "message", "detail")},
        }
    },
}

_ERRORS: Final = {"4XX": {"$ref": "#/components/responses/Error"}}

_PAGING: Final = {
    "fields": ("array", "Attributes to show; all without it."),
    "sort_key": ("array", "Attributes to sort by."),
    "sort_dir": ("array", "asc or desc, one for each sort_key."),
    "limit": ("integer", "Rows in a page; 0 is all."),
    "marker": ("string", "The id after which the page begins."),
    "page_reverse": ("boolean", "The page that ends before the marker."),
    "tags": ("string", "Has all of these, separated by commas."),
    "tags-any": ("string", "Has any of these."),
    "not-tags": ("string", "Has not all of these."),
    "not-tags-any": ("string", "Has none of these."),
}


def document(
    apis: Mapping[str, Mapping[str, Resource]], beside: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """The document of the APIs, resources by collection, each under its prefix.

    ``beside`` are the paths of what is not a resource of the table.
    """
    schemas: dict[str, Json] = {"Error": _ERROR}
    paths: dict[str, Json] = dict(beside or {})
    for prefix, resources in apis.items():
        for collection, resource in resources.items():
            path = f"{prefix}/{collection}"
            schemas |= _schemas(resource)
            paths |= _paths(path, resource)
            for part in resource.parts:
                schemas |= _schemas(part)
                below = f"{path}/{{{resource.name}_id}}/{part.collection}"
                for found, operations in _paths(below, part).items():
                    above = _in_path(f"{resource.name}_id")
                    paths[found] = operations | {
                        "parameters": above + operations.get("parameters", [])
                    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "sdnctl", "version": "2.0", "description": "Neutron v2.0 and our own."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Error": {
                    "description": "Neutron's error.",
                    "content": _json({"$ref": "#/components/schemas/Error"}),
                }
            },
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Auth-Token",
                    "description": "Of Keystone, of POST /identity/v3/auth/tokens, or the one.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _schemas(resource: Resource) -> dict[str, Json]:
    title = resource.title
    return {
        title: _object(
            {a.name: a.type.schema for a in resource.attributes if a.visible},
            # What everybody is shown; the rest of it is for administrators or services.
            list(Policy(resource).readers(Identity())),
        ),
        f"{title}Create": _object(
            {a.name: _with_default(a) for a in resource.attributes if a.post},
            [a.name for a in resource.attributes if a.post and a.default is REQUIRED],
        ),
        f"{title}Update": _object({a.name: a.type.schema for a in resource.attributes if a.put}),
    }


def _object(properties: dict[str, Json], required: list[str] | None = None) -> Json:
    found: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return found | {"required": required} if required else found


def _with_default(attribute: Attribute) -> Json:
    if attribute.default is REQUIRED or attribute.default is UNSET:
        return attribute.type.schema
    return attribute.type.schema | {"default": attribute.type.show(attribute.default)}


def _in_path(name: str) -> list[Json]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]


def _paths(path: str, resource: Resource) -> dict[str, Json]:
    title, name = resource.title, resource.name
    plural = resource.collection.replace("-", "_")
    one = {"$ref": f"#/components/schemas/{title}"}
    found = {name: one}
    id_ = _in_path("id")
    paths: dict[str, Json] = {
        path: {
            "get": {
                "operationId": f"list{title}",
                "parameters": _list_parameters(resource),
                "responses": _answer(200, {plural: {"type": "array", "items": one}}),
            },
            "post": {
                "operationId": f"create{title}",
                "requestBody": _body({name: {"$ref": f"#/components/schemas/{title}Create"}}),
                "responses": _answer(201, found),
            },
        },
        f"{path}/{{id}}": {
            "parameters": id_,
            "get": {"operationId": f"show{title}", "responses": _answer(200, found)},
            "put": {
                "operationId": f"update{title}",
                "parameters": [
                    {
                        "name": "If-Match",
                        "in": "header",
                        "description": "revision_number=NUMBER",
                        "schema": {"type": "string"},
                    }
                ],
                "requestBody": _body({name: {"$ref": f"#/components/schemas/{title}Update"}}),
                "responses": _answer(200, found),
            },
            "delete": {
                "operationId": f"delete{title}",
                "responses": {"204": {"description": "Gone."}} | _ERRORS,
            },
        },
    }
    if "tags" in resource.by_name:
        paths[f"{path}/{{id}}/tags"] = {
            "parameters": id_,
            "put": {
                "operationId": f"replaceTagsOf{title}",
                "requestBody": _body({"tags": {"type": "array", "items": {"type": "string"}}}),
                "responses": _answer(200, {"tags": {"type": "array"}}),
            },
        }
    for action in resource.actions:
        paths[f"{path}/{{id}}/{action}"] = {
            "parameters": id_,
            "put": {"operationId": action, "responses": _answer(200, {})},
        }
    return paths


def view_paths(path: str, name: str, plural: str, *, by_id: bool) -> dict[str, Json]:
    """The paths of what is only looked at; its rows are not described further."""
    title, rows = _camel(name), {"type": "array", "items": {"type": "object"}}
    found: dict[str, Json] = {
        path: {"get": {"operationId": f"list{title}", "responses": _answer(200, {plural: rows})}}
    }
    if by_id:
        one = _answer(200, {name: {"type": "object"}})
        found[f"{path}/{{id}}"] = {
            "parameters": _in_path("id"),
            "get": {"operationId": f"show{title}", "responses": one},
        }
    return found


def quota_paths(path: str, names: Iterable[str]) -> dict[str, Json]:
    """The paths of quotas, which have a limit of each name."""
    limit = {"type": "integer", "minimum": -1}
    usage = _object(dict.fromkeys(("limit", "used", "reserved"), limit))
    limits, usages = _object(dict.fromkeys(names, limit)), _object(dict.fromkeys(names, usage))
    shown, id_ = _answer(200, {"quota": limits}), _in_path("project_id")
    details = _answer(200, {"quota": usages})
    return view_paths(path, "quota", "quotas", by_id=False) | {
        f"{path}/{{project_id}}": {
            "parameters": id_,
            "get": {"operationId": "showQuota", "responses": shown},
            "put": {
                "operationId": "updateQuota",
                "requestBody": _body({"quota": {"type": "object", "additionalProperties": True}}),
                "responses": shown,
            },
            "delete": {
                "operationId": "deleteQuota",
                "responses": {"204": {"description": "Gone."}} | _ERRORS,
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
    one = _object(shown, list(shown))
    found = _answer(200, {"binding": one})
    port, host = _in_path("port_id"), [*_in_path("port_id"), *_in_path("host")]
    needed = list(given)[:1]
    return {
        path: {
            "parameters": port,
            "get": {
                "operationId": "listPortBinding",
                "parameters": [_filter(name) for name in filters],
                "responses": _answer(200, {"bindings": {"type": "array", "items": one}}),
            },
            "post": {
                "operationId": "createPortBinding",
                "requestBody": _body({"binding": _object(given, needed)}),
                "responses": _answer(201, {"binding": one}) | _NOT_BOUND,
            },
        },
        f"{path}/{{host}}": {
            "parameters": host,
            "get": {"operationId": "showPortBinding", "responses": found},
            "put": {
                "operationId": "updatePortBinding",
                "requestBody": _body({"binding": _object(given)}),
                "responses": found | _NOT_BOUND,
            },
            "delete": {
                "operationId": "deletePortBinding",
                "responses": {"204": {"description": "Gone."}} | _ERRORS,
            },
        },
        f"{path}/{{host}}/activate": {
            "parameters": host,
            "put": {"operationId": "activatePortBinding", "responses": _answer(200, shown)},
        },
    }


_NOT_BOUND: Final = {
    "500": {
        "description": "PortBindingError: no agent there would plug it.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
}
"""Neutron's answer where a port cannot be bound."""


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _filter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": "Equals; repeated values are alternatives.",
        "schema": {"type": "array", "items": {"type": "string"}},
    }


def _list_parameters(resource: Resource) -> list[Json]:
    filters = [_filter(a.name) for a in resource.attributes if a.filter]
    paging = [
        {
            "name": name,
            "in": "query",
            "description": text,
            "schema": {"type": kind} | ({"items": {"type": "string"}} if kind == "array" else {}),
        }
        for name, (kind, text) in _PAGING.items()
    ]
    return filters + paging


def _body(properties: dict[str, Json]) -> Json:
    return {"required": True, "content": _json({"type": "object", "properties": properties})}


def _answer(status: int, properties: dict[str, Json]) -> Json:
    return {
        str(status): {
            "description": "Done.",
            "content": _json({"type": "object", "properties": properties}),
        }
    } | _ERRORS
