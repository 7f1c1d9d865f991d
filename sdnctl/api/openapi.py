"""The OpenAPI 3.1 document, from the same table that validates and answers requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sdnctl.api.authorization import Policy
from sdnctl.api.caller import Identity
from sdnctl.api.schema import REQUIRED, UNSET, Attribute, Resource
from sdnctl.api.values import Json

_ERROR: Final = {
    "type": "object",
    "properties": {
        "NeutronError": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("type", "message", "detail")},
            "required": ["type", "message", "detail"],
        }
    },
    "required": ["NeutronError"],
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
            if resource.prefix and "tags" in resource.by_name:
                where = f"{prefix}/{resource.collection}/{{id}}/tags"
                paths |= by_alias(_tag_paths(where, resource))
            for part in resource.parts:
                schemas |= _schemas(part)
                below = f"{path}/{{{resource.name}_id}}/{part.collection}"
                for found, operations in _paths(below, part).items():
                    above = _in_path(f"{resource.name}_id")
                    paths[found] = operations | {
                        "parameters": above + operations.get("parameters", [])
                    }
                if part.alias:
                    paths |= _alias_paths(prefix, part)
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


def _alias_paths(prefix: str, part: Resource) -> dict[str, Json]:
    """A part's members under their own ids alone."""
    where = f"{prefix}/{part.aliased.path}"
    return by_alias({f"{where}/{{id}}": _paths(where, part.aliased)[f"{where}/{{id}}"]})


def by_alias(paths: dict[str, Json]) -> dict[str, Json]:
    """The same operations once more, each with a name of its own."""
    for operations in paths.values():
        for verb in operations.keys() & {"get", "put", "post", "delete"}:
            operations[verb]["operationId"] += "ByAlias"
    return paths


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _schemas(resource: Resource) -> dict[str, Json]:
    title = resource.title
    shown = {a.name: a.type.schema for a in resource.attributes if a.visible}
    return {
        title: _object(
            shown,
            # What everybody is shown; the rest of it is for administrators or services.
            [n for n in Policy(resource).readers(Identity()) if n not in resource.sparse],
        ),
        # Of what was asked for with ``fields``, as much as there is.
        f"{title}Fields": _object(
            {a.name: a.type.schema for a in resource.attributes if a.visible}
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
    chosen = {"$ref": f"#/components/schemas/{title}Fields"}
    found, new = {name: one}, {"$ref": f"#/components/schemas/{title}Create"}
    id_ = _in_path("id")
    paths: dict[str, Json] = {
        path: {
            "get": {
                "operationId": f"list{title}",
                "parameters": _list_parameters(resource),
                "responses": _answer(200, {plural: {"type": "array", "items": chosen}}),
            },
            "post": {
                "operationId": f"create{title}",
                "requestBody": {
                    "required": True,
                    "content": _json({"anyOf": [_object({name: new}, [name]), _many(plural, new)]}),
                },
                "responses": {
                    "201": {
                        "description": "Made: all or nothing.",
                        "content": _json({"anyOf": [_object(found, [name]), _many(plural, one)]}),
                    }
                }
                | _ERRORS,
            },
        },
        f"{path}/{{id}}": {
            "parameters": id_,
            "get": {
                "operationId": f"show{title}",
                "parameters": [_parameter("fields", *_PAGING["fields"])],
                "responses": _answer(200, {name: chosen}),
            },
            "put": {
                "operationId": f"update{title}",
                "parameters": [
                    {
                        "name": "If-Match",
                        "in": "header",
                        "description": "revision_number=NUMBER",
                        "schema": {"type": "string", "pattern": "^revision_number=[0-9]{1,18}$"},
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
        paths |= _tag_paths(f"{path}/{{id}}/tags", resource)
    for action in resource.actions:
        paths[f"{path}/{{id}}/{action}"] = {
            "parameters": id_,
            "put": {
                "operationId": action,
                "requestBody": _body(resource.bodies.get(action, {}), required=False),
                "responses": _answer(200, None),
            },
        }
    for look in resource.looks:
        paths[f"{path}/{{id}}/{look}"] = {
            "parameters": id_,
            "get": {"operationId": look, "responses": _answer(200, {})},
        }
    return paths


def _many(plural: str, one: Json) -> Json:
    return _object({plural: {"type": "array", "items": one, "minItems": 1}}, [plural])


def _tag_paths(path: str, resource: Resource) -> dict[str, Json]:
    title, tags = resource.title, {"tags": resource.by_name["tags"].type.schema}
    gone = {"204": {"description": "Gone."}} | _ERRORS
    return {
        path: {
            "parameters": _in_path("id"),
            "get": {"operationId": f"listTagsOf{title}", "responses": _answer(200, tags)},
            "put": {
                "operationId": f"replaceTagsOf{title}",
                "requestBody": _body(tags),
                "responses": _answer(200, tags),
            },
            "post": {
                "operationId": f"addTagsTo{title}",
                "requestBody": _body(tags),
                "responses": _answer(200, tags),
            },
            "delete": {"operationId": f"removeTagsOf{title}", "responses": gone},
        },
        f"{path}/{{tag}}": {
            "parameters": _in_path("id") + _in_path("tag"),
            "get": {
                "operationId": f"showTagOf{title}",
                "responses": {"204": {"description": "It is there."}} | _ERRORS,
            },
            "put": {
                "operationId": f"addTagTo{title}",
                "responses": {"201": {"description": "It is there."}} | _ERRORS,
            },
            "delete": {"operationId": f"removeTagOf{title}", "responses": gone},
        },
    }


def view_paths(path: str, name: str, plural: str, *, by_id: bool) -> dict[str, Json]:
    """The paths of what is only looked at; its rows are not described further."""
    title, rows = _camel(name), {"type": "array", "items": {"type": "object"}}
    found: dict[str, Json] = {
        path: {
            "get": {
                "operationId": f"list{title}",
                "responses": _answer(200, {plural: rows}),
            }
        }
    }
    if by_id:
        one = _answer(200, {name: {"type": "object"}})
        found[f"{path}/{{id}}"] = {
            "parameters": _in_path("id"),
            "get": {"operationId": f"show{title}", "responses": one},
        }
    return found


def agent_changes(given: dict[str, Json]) -> dict[str, Json]:
    """What is done to an agent; ``given`` is what may be said of one."""
    return {
        "put": {
            "operationId": "updateAgent",
            "requestBody": _body({"agent": _object(given)}),
            "responses": _answer(200, {"agent": {"type": "object"}}),
        },
        "delete": {
            "operationId": "deleteAgent",
            "responses": {"204": {"description": "Gone."}} | _ERRORS,
        },
    }


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


def _filter(name: str, value: Json = None) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": "Equals; repeated values are alternatives.",
        "schema": {"type": "array", "items": value or {"type": "string"}},
    }


def _list_parameters(resource: Resource) -> list[Json]:
    filters = [_filter(a.name, _compared(a)) for a in resource.attributes if a.filter]
    return filters + [_parameter(name, *about) for name, about in _PAGING.items()]


def _parameter(name: str, kind: str, text: str) -> Json:
    items = {"items": {"type": "string"}} if kind == "array" else {}
    return {"name": name, "in": "query", "description": text, "schema": {"type": kind} | items}


def _compared(attribute: Attribute) -> Json:
    """What a filter compares with: a value as it is shown, or nothing for rows without one."""
    if attribute.match is not None or not _is_scalar(attribute.type.schema):
        return {"type": "string"}
    return {"anyOf": [attribute.type.schema, {"const": ""}]}


def _is_scalar(schema: Json) -> bool:
    kinds = schema.get("type", [])
    return not {"array", "object"}.intersection([kinds] if isinstance(kinds, str) else kinds) and (
        all(map(_is_scalar, schema.get("anyOf", ())))
    )


def _body(properties: dict[str, Json], *, required: bool = True) -> Json:
    return {
        "required": True,
        "content": _json(_object(properties, list(properties) if required else None)),
    }


def _answer(status: int, properties: dict[str, Json] | None) -> Json:
    """What is there on success; None is an object of its own."""
    schema: Json = {"type": "object"}
    if properties is not None:
        schema |= {"properties": properties, "required": list(properties)[:1]}
    return {str(status): {"description": "Done.", "content": _json(schema)}} | _ERRORS
