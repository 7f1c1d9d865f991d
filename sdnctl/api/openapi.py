"""The OpenAPI 3.1 document, from the same table that validates and answers requests."""

from __future__ import annotations

from collections.abc import Mapping
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

ERRORS: Final = {"4XX": {"$ref": "#/components/responses/Error"}}
"""What any operation may answer."""

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
                    above = in_path(f"{resource.name}_id")
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
        title: object_of(
            shown,
            # What everybody is shown; the rest of it is for administrators or services.
            [n for n in Policy(resource).readers(Identity()) if n not in resource.sparse],
        ),
        # Of what was asked for with ``fields``, as much as there is.
        f"{title}Fields": object_of(
            {a.name: a.type.schema for a in resource.attributes if a.visible}
        ),
        f"{title}Create": object_of(
            {a.name: _with_default(a) for a in resource.attributes if a.post},
            [a.name for a in resource.attributes if a.post and a.default is REQUIRED],
        ),
        f"{title}Update": object_of({a.name: a.type.schema for a in resource.attributes if a.put}),
    }


def object_of(properties: dict[str, Json], required: list[str] | None = None) -> Json:
    """An object of these and no other properties; all may be missing but ``required``."""
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


def in_path(name: str) -> list[Json]:
    """A parameter of the path."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]


def _paths(path: str, resource: Resource) -> dict[str, Json]:
    title, name = resource.title, resource.name
    plural = resource.collection.replace("-", "_")
    one = {"$ref": f"#/components/schemas/{title}"}
    chosen = {"$ref": f"#/components/schemas/{title}Fields"}
    found, new = {name: one}, {"$ref": f"#/components/schemas/{title}Create"}
    id_ = in_path("id")
    paths: dict[str, Json] = {
        path: {
            "get": {
                "operationId": f"list{title}",
                "parameters": _list_parameters(resource),
                "responses": answers(200, {plural: {"type": "array", "items": chosen}}),
            },
            "post": {
                "operationId": f"create{title}",
                "requestBody": {
                    "required": True,
                    "content": _json(
                        {"anyOf": [object_of({name: new}, [name]), _many(plural, new)]}
                    ),
                },
                "responses": {
                    "201": {
                        "description": "Made: all or nothing.",
                        "content": _json({"anyOf": [object_of(found, [name]), _many(plural, one)]}),
                    }
                }
                | ERRORS,
            },
        },
        f"{path}/{{id}}": {
            "parameters": id_,
            "get": {
                "operationId": f"show{title}",
                "parameters": [_parameter("fields", *_PAGING["fields"])],
                "responses": answers(200, {name: chosen}),
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
                "requestBody": body_of({name: {"$ref": f"#/components/schemas/{title}Update"}}),
                "responses": answers(200, found),
            },
            "delete": {
                "operationId": f"delete{title}",
                "responses": {"204": {"description": "Gone."}} | ERRORS,
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
                "requestBody": body_of(resource.bodies.get(action, {}), required=False),
                "responses": answers(200, None),
            },
        }
    for look in resource.looks:
        paths[f"{path}/{{id}}/{look}"] = {
            "parameters": id_,
            "get": {"operationId": look, "responses": answers(200, {})},
        }
    return paths


def _many(plural: str, one: Json) -> Json:
    return object_of({plural: {"type": "array", "items": one, "minItems": 1}}, [plural])


def _tag_paths(path: str, resource: Resource) -> dict[str, Json]:
    title, tags = resource.title, {"tags": resource.by_name["tags"].type.schema}
    gone = {"204": {"description": "Gone."}} | ERRORS
    return {
        path: {
            "parameters": in_path("id"),
            "get": {"operationId": f"listTagsOf{title}", "responses": answers(200, tags)},
            "put": {
                "operationId": f"replaceTagsOf{title}",
                "requestBody": body_of(tags),
                "responses": answers(200, tags),
            },
            "post": {
                "operationId": f"addTagsTo{title}",
                "requestBody": body_of(tags),
                "responses": answers(200, tags),
            },
            "delete": {"operationId": f"removeTagsOf{title}", "responses": gone},
        },
        f"{path}/{{tag}}": {
            "parameters": in_path("id") + in_path("tag"),
            "get": {
                "operationId": f"showTagOf{title}",
                "responses": {"204": {"description": "It is there."}} | ERRORS,
            },
            "put": {
                "operationId": f"addTagTo{title}",
                "responses": {"201": {"description": "It is there."}} | ERRORS,
            },
            "delete": {"operationId": f"removeTagOf{title}", "responses": gone},
        },
    }


def filter_by(name: str, value: Json = None) -> dict[str, Any]:
    """A filter of a list; of plain text unless ``value`` says otherwise."""
    return {
        "name": name,
        "in": "query",
        "description": "Equals; repeated values are alternatives.",
        "schema": {"type": "array", "items": value or {"type": "string"}},
    }


def _list_parameters(resource: Resource) -> list[Json]:
    filters = [filter_by(a.name, _compared(a)) for a in resource.attributes if a.filter]
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


def body_of(properties: dict[str, Json], *, required: bool = True) -> Json:
    """A request's body."""
    return {
        "required": True,
        "content": _json(object_of(properties, list(properties) if required else None)),
    }


def answers(status: int, properties: dict[str, Json] | None) -> Json:
    """What is there on success; None is an object of its own."""
    schema: Json = {"type": "object"}
    if properties is not None:
        schema |= {"properties": properties, "required": list(properties)[:1]}
    return {str(status): {"description": "Done.", "content": _json(schema)}} | ERRORS
