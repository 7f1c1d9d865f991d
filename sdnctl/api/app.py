"""The API as an ASGI application.

Promise: every answer that is not a success has Neutron's shape and leaks nothing; a handler
that crashes costs one 500, logged under the request's id. A body is read up to a limit. With a
token set, only ``/`` answers without it.

``make_app`` takes the routes of other parts (read views) beside its own.
"""

from __future__ import annotations

import hmac
import itertools
import logging
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sdnctl.api.bgpvpns import BGPVPNS
from sdnctl.api.errors import ApiError, no_such_path, not_allowed
from sdnctl.api.extensions import EXTENSIONS
from sdnctl.api.networks import NETWORKS
from sdnctl.api.observed import NothingObserved, Observed
from sdnctl.api.openapi import document
from sdnctl.api.operators import BGP_PEERS, GATEWAYS, HYPERVISORS, LINKS
from sdnctl.api.ports import PORTS
from sdnctl.api.quotas import limits, usage
from sdnctl.api.routers import ROUTERS
from sdnctl.api.schema import Context, Resource
from sdnctl.api.service import Request, Service
from sdnctl.api.settings import Settings
from sdnctl.api.status import status
from sdnctl.api.subnets import SUBNETS
from sdnctl.api.values import Json
from sdnctl.store import Store

log = logging.getLogger(__name__)

NEUTRON: Final = {r.path: r for r in (NETWORKS, SUBNETS, PORTS, ROUTERS, BGPVPNS)}
"""What is served under /v2.0."""

OWN: Final = {r.path: r for r in (HYPERVISORS, LINKS, GATEWAYS, BGP_PEERS)}
"""What is served under /sdn/v1."""

_encode: Final = msgspec.json.Encoder().encode


class JsonResponse(Response):
    """Any value that msgspec can encode."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """The value as JSON."""
        return b"" if content is None else _encode(content)


def make_app(
    store: Store,
    settings: Settings | None = None,
    observed: Observed | None = None,
    *,
    routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The application. ``routes`` come first; they are under the same authentication."""
    context = Context(store, settings or Settings(), observed or NothingObserved())
    return _Guard(_router(context, routes), context)


def _router(context: Context, routes: Sequence[BaseRoute]) -> Router:
    openapi = _encode(document({"/v2.0": NEUTRON, "/sdn/v1": OWN}))

    async def own_status(_request: StarletteRequest) -> Response:
        return JsonResponse({"status": status(context)})

    async def quota_usage(request: StarletteRequest) -> Response:
        project_id = request.path_params["project_id"]
        return JsonResponse({"quota": usage(context, NEUTRON, project_id)})

    async def openapi_document(_request: StarletteRequest) -> Response:
        # A response of its own: the headers of an answer are added to it.
        return Response(openapi, media_type=JsonResponse.media_type)

    return Router(
        [
            *routes,
            Route("/", _versions),
            *(Route(path, _neutron_resources) for path in ("/v2.0", "/v2.0/")),
            Route("/v2.0/extensions", _extensions),
            Route("/v2.0/extensions/{alias}", _extension),
            Route("/v2.0/quotas/{project_id}", _quotas),
            Route("/v2.0/quotas/{project_id}/default", _quotas),
            Route("/v2.0/quotas/{project_id}/details.json", quota_usage),
            Route("/openapi.json", openapi_document),
            Route("/sdn/v1/status", own_status),
            Route("/v2.0/{path:path}", _Endpoint(context, NEUTRON)),
            Route("/sdn/v1/{path:path}", _Endpoint(context, OWN)),
        ],
        redirect_slashes=False,
    )


class _Endpoint:
    """The resources of one API, under its prefix."""

    def __init__(self, context: Context, resources: dict[str, Resource]) -> None:
        self._service = Service(context, resources)
        self._max_body = context.settings.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = tuple(scope["path_params"]["path"].removesuffix("/").split("/"))
        if "" in path:
            raise no_such_path()
        if_match = next((v for k, v in scope["headers"] if k == b"if-match"), b"")
        answer = await self._service.handle(
            Request(
                method=scope["method"],
                path=path,
                query=scope["query_string"],
                body=await _body(receive, self._max_body),
                if_match=if_match.decode("latin-1"),
                url=_base_url(scope) + scope["path"],
            )
        )
        await JsonResponse(answer.body, answer.status)(scope, receive, send)


async def _body(receive: Receive, limit: int) -> bytes:
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
        raise _Gone
    if len(body) > limit:
        raise ApiError(413, "HTTPRequestEntityTooLarge", f"The body exceeds {limit} octets.")
    return body


class _Gone(Exception):
    """The client went away before its request was complete."""


class _Guard:
    """Authentication before, errors after."""

    def __init__(self, router: Router, context: Context) -> None:
        self._router = router
        self._store = context.store
        self._token = context.settings.token.encode()
        self._prefix = f"req-{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        request_id = f"{self._prefix}-{next(self._numbers)}"
        started = False

        async def send_with_id(message: dict[str, Json]) -> None:
            nonlocal started
            if not started:
                started = True
                message["headers"] += (
                    (b"x-openstack-request-id", request_id.encode()),
                    # What this answer is true of; /sdn/v1/convergence says when it is programmed.
                    (b"x-sdnctl-revision", str(self._store.revision).encode()),
                )
            await send(message)

        # Starlette's routes then raise their 404 and 405 instead of answering in plain text.
        scope["app"] = self
        try:
            if self._token and scope["path"] != "/":
                self._authenticate(scope)
            await self._router(scope, receive, send_with_id)  # type: ignore[arg-type]
        except _Gone:
            pass
        except Exception as error:
            answer = _answer(error)
            if answer.status >= 500:
                log.exception("%s %s %s failed", request_id, scope["method"], scope["path"])
            if started:
                raise
            response = JsonResponse(answer.body(), answer.status)
            await response(scope, receive, send_with_id)  # type: ignore[arg-type]

    def _authenticate(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"x-auth-token" and hmac.compare_digest(value, self._token):
                return
        raise ApiError(
            401, "HTTPUnauthorized", "The request you have made requires authentication."
        )


def _answer(error: Exception) -> ApiError:
    """What the client is told; nothing of the program's inside."""
    match error:
        case ApiError():
            return error
        case HTTPException(status_code=404):
            return no_such_path()
        case HTTPException(status_code=405):
            return not_allowed()
        case _:
            return ApiError(
                500,
                "HTTPInternalServerError",
                "Request Failed: internal server error while processing your request.",
            )


def _base_url(scope: Scope) -> str:
    """Where the client found us, by its own account."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return f"{scope['scheme']}://{host.decode('latin-1')}"


async def _versions(request: StarletteRequest) -> Response:
    href = f"{_base_url(request.scope)}/v2.0/"
    links = [{"rel": "self", "href": href}]
    return JsonResponse({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


async def _neutron_resources(request: StarletteRequest) -> Response:
    base = f"{_base_url(request.scope)}/v2.0/"
    return JsonResponse(
        {
            "resources": [
                {
                    "name": resource.name,
                    "collection": resource.collection,
                    "links": [{"rel": "self", "href": base + path}],
                }
                for path, resource in NEUTRON.items()
            ]
        }
    )


async def _extensions(_request: StarletteRequest) -> Response:
    return JsonResponse({"extensions": list(EXTENSIONS.values())})


async def _quotas(_request: StarletteRequest) -> Response:
    return JsonResponse({"quota": limits(NEUTRON)})


async def _extension(request: StarletteRequest) -> Response:
    alias = request.path_params["alias"]
    if alias not in EXTENSIONS:
        raise ApiError(404, "ExtensionNotFound", f"Extension with alias {alias} does not exist")
    return JsonResponse({"extension": EXTENSIONS[alias]})
