"""What operators say of an agent in Neutron's words: what it is for, and that it is gone.

Promise: an agent is its hypervisor's, so its description is the hypervisor's and its end the
hypervisor's end, which is refused while ports are bound to it. An agent is always up: where
guests run is Nova's to say. How agents are shown is in ``views``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sdnctl.api import values
from sdnctl.api.authorization import forbidden
from sdnctl.api.caller import Identity
from sdnctl.api.errors import bad_request, not_allowed, not_found
from sdnctl.api.http import JsonResponse, read_body
from sdnctl.api.operators import HYPERVISORS
from sdnctl.api.schema import converted
from sdnctl.api.values import Json
from sdnctl.api.views import agent
from sdnctl.api.work import Context, Work
from sdnctl.intent import Hypervisor
from sdnctl.store import Transaction

T = TypeVar("T")

TYPES: Final = {
    "description": values.optional(values.DESCRIPTION),
    "admin_state_up": values.BOOLEAN,
}
"""What may be said of an agent."""


async def change(context: Context, request: Request) -> Response:
    """The answer to a PUT or DELETE of the agent that the path names; ApiError if it cannot be."""
    caller: Identity = request.scope["caller"]
    verb = {"PUT": "update", "DELETE": "delete"}.get(request.method)
    if verb is None:
        raise not_allowed()
    id_: str = request.path_params["id"]
    if not caller.sees_all:
        raise not_found("Agent", id_)
    if not caller.is_admin:
        raise forbidden(verb, "agent")
    if verb == "delete":
        await _transact(context, caller, id_, _delete)
        return JsonResponse(None, 204)
    given = _given(await read_body(request.receive, context.settings.max_body))

    def update(work: Work, row: Hypervisor) -> Hypervisor:
        return work.put(row, **given)

    row = await _transact(context, caller, id_, update)
    return JsonResponse({"agent": agent(context, row)})


def _given(body: bytes) -> dict[str, Any]:
    """The fields of the hypervisor that a PUT changes."""
    try:
        decoded: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise bad_request("The request body is not valid JSON") from None
    said = decoded.get("agent") if isinstance(decoded, dict) else None
    if not isinstance(said, dict):
        raise bad_request("Unable to find 'agent' in request body")
    for name in said:
        if name not in TYPES:
            raise bad_request(f"Cannot update read-only attribute {name}")
    given = {name: converted(name, TYPES[name], value) for name, value in said.items()}
    if not given.pop("admin_state_up", True):
        raise bad_request("An agent's admin_state_up is always True: disable its host in Nova")
    return {name: value or "" for name, value in given.items()}


def _delete(work: Work, row: Hypervisor) -> None:
    HYPERVISORS.delete(work, row)
    work.tx.delete(Hypervisor, row.id)


async def _transact(
    context: Context, caller: Identity, id_: str, do: Callable[[Work, Hypervisor], T]
) -> T:
    now = int(time.time())

    def run(tx: Transaction) -> T:
        row = tx.get(Hypervisor, id_)
        if row is None:
            raise not_found("Agent", id_)
        return do(Work(tx, context.settings, now, caller), row)

    return await context.store.transact(run)
