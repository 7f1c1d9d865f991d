"""The API as an ASGI application.

Promise: every answer that is not a success has Neutron's shape and leaks nothing; a handler
that crashes costs one 500, logged under the request's id. A body is read up to a limit. With a
token set, only ``/`` answers without it.

``make_app`` takes the routes of other parts (read views) beside its own.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sdnctl.api import agents, bindings
from sdnctl.api.address_groups import ADDRESS_GROUPS
from sdnctl.api.authentication import AnyOf, Authenticator, Nobody, StaticToken
from sdnctl.api.authorization import forbidden
from sdnctl.api.bgpvpns import BGPVPNS
from sdnctl.api.caller import Identity
from sdnctl.api.default_rules import DEFAULT_RULES
from sdnctl.api.errors import ApiError, no_such_path, not_allowed
from sdnctl.api.extensions import EXTENSIONS
from sdnctl.api.floatingips import FLOATINGIPS
from sdnctl.api.http import (
    Gone,
    JsonResponse,
    Listing,
    base_url,
    header,
    read_body,
    send_json,
)
from sdnctl.api.identity import Directory, IdentityApi, is_open
from sdnctl.api.networks import NETWORKS
from sdnctl.api.observed import NothingObserved, Observed
from sdnctl.api.openapi import by_alias, document
from sdnctl.api.openapi_beside import agent_changes, quota_paths, view_paths
from sdnctl.api.operators import BGP_PEERS, GATEWAYS, HYPERVISORS, LINKS
from sdnctl.api.ports import PORTS
from sdnctl.api.qos import QOS_POLICIES
from sdnctl.api.quotas import QuotaApi, names
from sdnctl.api.rbac import RBAC_POLICIES
from sdnctl.api.routers import ROUTERS
from sdnctl.api.schema import Resource
from sdnctl.api.security import SECURITY_GROUPS
from sdnctl.api.security_rules import SECURITY_GROUP_RULES
from sdnctl.api.service import Request, Service
from sdnctl.api.settings import Settings
from sdnctl.api.status import status
from sdnctl.api.subnetpools import ADDRESS_SCOPES, SUBNETPOOLS
from sdnctl.api.subnets import SUBNETS
from sdnctl.api.trunks import TRUNKS
from sdnctl.api.values import Json
from sdnctl.api.views import VIEWS, View, answer
from sdnctl.api.work import Context
from sdnctl.store import Store

log = logging.getLogger(__name__)

NEUTRON: Final = {
    r.path: r
    for r in (
        NETWORKS,
        SUBNETS,
        PORTS,
        ROUTERS,
        TRUNKS,
        FLOATINGIPS,
        SECURITY_GROUPS,
        SECURITY_GROUP_RULES,
        DEFAULT_RULES,
        ADDRESS_GROUPS,
        SUBNETPOOLS,
        ADDRESS_SCOPES,
        RBAC_POLICIES,
        QOS_POLICIES,
        BGPVPNS,
    )
}
"""What is served under /v2.0."""

OWN: Final = {r.path: r for r in (HYPERVISORS, LINKS, GATEWAYS, BGP_PEERS)}
"""What is served under /sdn/v1."""

_BINDINGS: Final = "/v2.0/ports/{port_id}/bindings"

_EVERYBODYS: Final = ("/v2.0", "/openapi.json", "/identity/")
"""What is served to more than operators, each with its own checks."""

_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}

_METHODS: Final = tuple(_VERBS)

_encode: Final = msgspec.json.Encoder().encode


def make_app(
    store: Store,
    settings: Settings | None = None,
    observed: Observed | None = None,
    *,
    authenticator: Authenticator | None = None,
    directory: Directory | None = None,
    routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The application. ``routes`` come first; they are under the same authentication.

    Who calls is said by the token of the settings, by ``authenticator`` and by ``directory``,
    which is then served as the identity service. With none of them everybody is an administrator.
    """
    context = Context(store, settings or Settings(), observed or NothingObserved())
    settings = context.settings
    known: list[Authenticator] = [StaticToken(settings.token)] if settings.token else []
    known += [one for one in (authenticator, directory) if one is not None]
    if directory is not None:
        api = IdentityApi(directory)
        routes = [*routes, *(Route(path, api) for path in ("/identity", "/identity/{path:path}"))]
    who = AnyOf(*known) if len(known) > 1 else known[0] if known else Nobody(settings)
    resources = _Endpoint(context, NEUTRON)
    return _Guard(_ByCollection(_router(context, routes, resources), resources), context, who)


def _router(context: Context, routes: Sequence[BaseRoute], resources: _Endpoint) -> Router:
    beside = quota_paths("/v2.0/quotas", names(NEUTRON))
    for view in VIEWS:
        plural = view.collection.rpartition("/")[2].replace("-", "_")
        by_id = view.one is not None
        beside |= view_paths(f"/v2.0/{view.collection}", view.name, plural, by_id=by_id)
        if view.also:
            also = f"/v2.0/{view.also}"
            beside |= by_alias(view_paths(also, view.name, plural, by_id=by_id))
    beside["/v2.0/agents/{id}"] |= agent_changes(
        {name: type_.schema for name, type_ in agents.TYPES.items()}
    )
    beside |= bindings.paths(_BINDINGS)
    openapi = _encode(document({"/v2.0": NEUTRON, "/sdn/v1": OWN}, beside))
    quotas = QuotaApi(context, NEUTRON)
    binding_api = bindings.BindingApi(context)

    async def own_status(_request: StarletteRequest) -> Response:
        return JsonResponse({"status": status(context)})

    async def agent_changed(request: StarletteRequest) -> Response:
        return await agents.change(context, request)

    def viewed(view: View) -> Callable[[StarletteRequest], Awaitable[Response]]:
        async def answered(request: StarletteRequest) -> Response:
            return answer(context, view, request)

        return answered

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
            *(Route(path, quotas) for path in ("/v2.0/quotas", "/v2.0/quotas/{path:path}")),
            Route("/v2.0/agents/{id}", agent_changed, methods=("PUT", "DELETE")),
            *(
                Route(f"/v2.0/{path}{end}", viewed(view), methods=_METHODS)
                for view in VIEWS
                for path in filter(None, (view.collection, view.also))
                for end in ("", "/{id}")
            ),
            *(Route(f"{_BINDINGS}{end}", binding_api) for end in ("", "/{path:path}")),
            Route("/openapi.json", openapi_document),
            Route("/sdn/v1/status", own_status),
            Route("/v2.0/{path:path}", resources),
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
        answer = await self._service.handle(
            Request(
                caller=scope["caller"],
                method=scope["method"],
                path=path,
                query=scope["query_string"],
                body=await read_body(receive, self._max_body),
                if_match=header(scope, b"if-match").decode("latin-1"),
                url=base_url(scope) + scope["path"],
            )
        )
        if isinstance(answer.body, Listing):
            scope["revision"] = answer.body.revision
            await answer.body.send(send)
        else:
            await send_json(send, answer.status, answer.body)


class _ByCollection:
    """Collections and what is in them, which nearly all requests are for, by one look.

    A router tries all its routes one by one; what is left to it has paths of other forms.
    """

    def __init__(self, router: Router, resources: _Endpoint) -> None:
        self._router = router
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version, _slash, path = scope["path"][1:].partition("/")
        collection, _slash, id_ = path.partition("/")
        if version == "v2.0" and collection in NEUTRON and "/" not in id_:
            scope["path_params"] = {"path": path}
            await self._resources(scope, receive, send)
        else:
            await self._router(scope, receive, send)


class _Guard:
    """Authentication before, errors after."""

    def __init__(self, router: ASGIApp, context: Context, authenticator: Authenticator) -> None:
        self._router = router
        self._store = context.store
        self._authenticator = authenticator
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
                revision = scope.get("revision", self._store.revision)
                message["headers"] += (
                    (b"x-openstack-request-id", request_id.encode()),
                    # What this answer is true of; /sdn/v1/convergence says when it is programmed.
                    (
                        b"x-sdnctl-revision",
                        str(revision).encode(),
                    ),
                )
            await send(message)

        # Starlette's routes then raise their 404 and 405 instead of answering in plain text.
        scope["app"] = self
        try:
            if not (scope["path"] == "/" or is_open(scope)):
                scope["caller"] = await self._authenticated(scope)
            await self._router(scope, receive, send_with_id)  # type: ignore[arg-type]
        except Gone:
            pass
        except Exception as error:
            answer = _answer(error)
            if answer.status >= 500:
                # What is answered on purpose needs no stack.
                cause = answer is not error or error.__cause__ is not None
                what = (request_id, scope["method"], scope["path"], answer.kind)
                log.log(
                    logging.ERROR if cause else logging.WARNING,
                    "%s %s %s failed: %s",
                    *what,
                    exc_info=cause,
                )
            if started:
                raise
            identity = scope["path"].startswith("/identity")
            body = answer.identity_body() if identity else answer.body()
            response = JsonResponse(body, answer.status)
            await response(scope, receive, send_with_id)  # type: ignore[arg-type]

    async def _authenticated(self, scope: Scope) -> Identity:
        caller = await self._authenticator.identify(header(scope, b"x-auth-token"))
        if caller is None:
            raise ApiError(
                401, "HTTPUnauthorized", "The request you have made requires authentication."
            )
        path: str = scope["path"]
        if caller.is_admin or path.startswith(_EVERYBODYS):
            return caller
        # Whatever else is served is the operators', who may look without being able to act.
        if not (caller.sees_all and scope["method"] in {"GET", "HEAD"}):
            raise forbidden(_VERBS.get(scope["method"], "use"), "operator_api")
        return caller


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


async def _versions(request: StarletteRequest) -> Response:
    href = f"{base_url(request.scope)}/v2.0/"
    links = [{"rel": "self", "href": href}]
    return JsonResponse({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


async def _neutron_resources(request: StarletteRequest) -> Response:
    base = f"{base_url(request.scope)}/v2.0/"
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


async def _extension(request: StarletteRequest) -> Response:
    alias = request.path_params["alias"]
    if alias not in EXTENSIONS:
        raise ApiError(404, "ExtensionNotFound", f"Extension with alias {alias} does not exist")
    return JsonResponse({"extension": EXTENSIONS[alias]})
