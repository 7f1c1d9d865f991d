"""Bindings of a port: the host where its guest is, and those where it is about to be or was.

Promise: Neutron's extension ``binding-extended``, as Nova uses it for live migration. The active
binding is what the port's own ``binding:*`` attributes say; activating another one is one
transaction, and counts as a move of the port. A binding that was active stays, inactive, until it
is deleted. Bindings are the administrators' and Nova's.

What is beside Neutron: an inactive binding says how its VIF is plugged even where the guest was
before, because it still is; and the last binding's end leaves the port unbound.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from sdnctl.api import snat, trunks, values, vifs
from sdnctl.api.authorization import forbidden, sees
from sdnctl.api.caller import Identity
from sdnctl.api.errors import (
    ApiError,
    bad_request,
    conflict,
    no_such_path,
    not_allowed,
    not_found,
    of_store,
)
from sdnctl.api.http import JsonResponse, read_body
from sdnctl.api.openapi_beside import binding_paths
from sdnctl.api.policy import POLICY
from sdnctl.api.schema import converted
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import Binding, Port
from sdnctl.store import StoreError, Transaction

ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"

_GIVEN: Final = {
    "host": values.NONEMPTY,
    "vnic_type": vifs.VNIC_TYPES,
    "profile": values.OBJECT,
}
"""What may be said of a binding."""

_SHOWN: Final = ("host", "vif_type", "vif_details", "vnic_type", "profile", "status")
_FILTERS: Final = ("host", "vif_type", "vnic_type", "status")

_OWNERS: Final = ("compute:", "manila:")
"""How the owners of ports begin that may have several bindings, as in Neutron."""


class BindingApi:
    """``/v2.0/ports/ID/bindings``, as an ASGI application for it and what is below."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ApiError if it cannot be."""
        params = scope["path_params"]
        path = [part for part in params.get("path", "").split("/") if part]
        body = await read_body(receive, self._context.settings.max_body)
        try:
            status, answer = await self._answer(scope, params["port_id"], path, body)
        except StoreError as error:
            raise of_store(error) from error
        await JsonResponse(answer, status)(scope, receive, send)

    async def _answer(
        self, scope: Scope, port_id: str, path: list[str], body: bytes
    ) -> tuple[int, Json]:
        caller: Identity = scope["caller"]
        match scope["method"], path:
            case "GET", []:
                return 200, {"bindings": self._list(caller, port_id, scope["query_string"])}
            case "POST", []:
                given = _parsed(body, need=True)
                made = await self._change(caller, "create", port_id, _create, given)
                return 201, {"binding": made}
            case "GET", [host]:
                asked = _asked(scope["query_string"], ())
                return 200, {"binding": self._show(caller, port_id, host, asked["fields"])}
            case "PUT", [host]:
                given = _parsed(body, need=False)
                made = await self._change(caller, "update", port_id, _update, host, given)
                return 200, {"binding": made}
            case "DELETE", [host]:
                await self._change(caller, "delete", port_id, _delete, host)
                return 204, None
            case "PUT", [host, "activate"]:
                return 200, await self._change(caller, "update", port_id, _activate, host)
            case _, [] | [_] | [_, "activate"]:
                raise not_allowed()
        raise no_such_path()

    def _list(self, caller: Identity, port_id: str, query: bytes) -> list[Json]:
        asked = _asked(query, _FILTERS)
        fields = asked.pop("fields")
        port = self._port(caller, port_id)
        rows = [self._shown(port, host) for host in _hosts(port)] if _may("see", caller) else []
        return [
            _chosen(row, fields)
            for row in rows
            if all(str(row[name]) in texts for name, texts in asked.items())
        ]

    def _show(self, caller: Identity, port_id: str, host: str, fields: list[str]) -> Json:
        port = self._port(caller, port_id)
        if host not in _hosts(port) or not _may("see", caller):
            raise _missing(port_id, host)
        return _chosen(self._shown(port, host), fields)

    def _port(self, caller: Identity, port_id: str) -> Port:
        get = self._context.store.get
        port = get(Port, port_id)
        if port is None or not sees(caller, port, get):
            raise not_found("Port", port_id)
        return _movable(port)

    async def _change(
        self,
        caller: Identity,
        verb: str,
        port_id: str,
        change: Callable[..., tuple[Port, str]],
        *args: Any,
    ) -> Json:
        """The binding after a change, if it is still there."""
        settings, now = self._context.settings, int(time.time())

        def run(tx: Transaction) -> tuple[Port, str]:
            work = Work(tx, settings, now, caller)
            port = work.visible(Port, port_id)
            if port is None:
                raise not_found("Port", port_id)
            if not _may(verb, caller):
                raise forbidden(verb, "port_binding")
            new, host = change(work, _movable(port), *args)
            if new.host != port.host:
                trunks.follow(work, port, new.host)
            snat.port_changed(work, port, new)
            return work.put_changed(port, new), host

        port, host = await self._context.store.transact(run)
        return self._shown(port, host) if host in _hosts(port) else None

    def _shown(self, port: Port, host: str) -> dict[str, Json]:
        row = _binding(port, host)
        return {
            "host": host,
            "vif_type": vifs.vif_type(self._context, host, row.vnic_type),
            "vif_details": vifs.vif_details(self._context, host, row.vnic_type),
            "vnic_type": row.vnic_type,
            "profile": row.profile,
            "status": ACTIVE if host == port.host else INACTIVE,
        }


# ---- changes, each within a transaction: the port as it is to be, and the binding's host --------


def _create(work: Work, port: Port, given: dict[str, Any]) -> tuple[Port, str]:
    binding = Binding(**given)
    if binding.host in _hosts(port):
        _exists(port, binding.host)
    _check_bindable(work, port, binding)
    return work.replace(port, {"bindings": (*port.bindings, binding)}), binding.host


def _update(work: Work, port: Port, host: str, given: dict[str, Any]) -> tuple[Port, str]:
    if host not in _hosts(port) or not host:
        raise _missing(port.id, host)
    new = msgspec.structs.replace(_binding(port, host), **given)
    if new.host != host and new.host in _hosts(port):
        _exists(port, new.host)
    _check_bindable(work, port, new)
    if host != port.host:
        bindings = tuple(new if b.host == host else b for b in port.bindings)
        return work.replace(port, {"bindings": bindings}), new.host
    return work.replace(port, _active(port, new)), new.host


def _delete(work: Work, port: Port, host: str) -> tuple[Port, str]:
    if host not in _hosts(port) or not host:
        raise _missing(port.id, host)
    if host == port.host:
        return work.replace(port, _active(port, Binding("", port.vnic_type))), host
    bindings = tuple(b for b in port.bindings if b.host != host)
    return work.replace(port, {"bindings": bindings}), host


def _activate(work: Work, port: Port, host: str) -> tuple[Port, str]:
    if host == port.host:
        raise conflict(
            "PortBindingAlreadyActive",
            f"Binding for port {port.id} on host {host} is already active.",
        )
    if host not in _hosts(port):
        raise _missing(port.id, host)
    others = [b for b in port.bindings if b.host != host]
    if port.host:
        others.append(msgspec.structs.replace(_binding(port, port.host), left=True))
    fields = _active(port, _binding(port, host))
    return work.replace(port, fields | {"bindings": tuple(others)}), host


def _active(port: Port, binding: Binding) -> dict[str, Any]:
    """The fields of a port whose active binding that is."""
    return {
        "host": binding.host,
        "vnic_type": binding.vnic_type,
        "profile": binding.profile,
        "moves": moves(port, binding.host),
    }


def moves(port: Port, host: str) -> int:
    """How often the port will have left a host, if it goes to that one."""
    return port.moves + 1 if port.host and host != port.host else port.moves


def without(port: Port, host: str) -> tuple[Binding, ...]:
    """The other bindings of a port that is bound to that host by its own attributes."""
    return tuple(b for b in port.bindings if b.host != host)


# ---- what there is -----------------------------------------------------------------------------


def _hosts(port: Port) -> list[str]:
    """The hosts of all bindings, the active one's first: "" while the port is bound to none."""
    return [port.host, *(binding.host for binding in port.bindings)]


def _binding(port: Port, host: str) -> Binding:
    if host == port.host:
        return Binding(host, port.vnic_type, port.profile)
    return next(binding for binding in port.bindings if binding.host == host)


def _movable(port: Port) -> Port:
    if not port.device_owner.startswith(_OWNERS):
        raise ApiError(
            400,
            "BadRequest",
            f"Bad port request: Invalid port {port.id}. "
            "Operation only valid on compute and shared filesystem ports.",
        )
    return port


def _check_bindable(work: Work, port: Port, binding: Binding) -> None:
    if not vifs.can_bind(work.tx, binding.host, binding.vnic_type):
        # As in Neutron: Nova looks for another host then.
        raise ApiError(
            500,
            "PortBindingError",
            f"Binding for port {port.id} on host {binding.host} could not be created or updated.",
        )


def _exists(port: Port, host: str) -> NoReturn:
    raise conflict(
        "PortBindingAlreadyExists", f"Binding for port {port.id} on host {host} already exists."
    )


def _missing(port_id: str, host: str) -> ApiError:
    return ApiError(
        404,
        "PortBindingNotFound",
        f"Binding for port {port_id} for host {host} could not be found.",
    )


def _may(verb: str, caller: Identity) -> bool:
    if caller.is_admin or (verb == "see" and caller.sees_all):
        return True
    return bool(int(getattr(POLICY["port_binding"], verb)) & caller.anywhere)


# ---- requests ----------------------------------------------------------------------------------


def _parsed(body: bytes, *, need: bool) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise bad_request("The request body is not valid JSON") from None
    binding: Any = decoded.get("binding") if isinstance(decoded, dict) else None
    if not isinstance(binding, dict):
        raise bad_request("Unable to find 'binding' in request body")
    asked = dict(binding)
    if need:
        for name in ("project_id", "tenant_id"):  # whose port it is, is known
            asked.pop(name, None)
    unknown = sorted(set(asked) - set(_GIVEN))
    if unknown:
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    if need and "host" not in asked:
        raise bad_request("Failed to parse request. Required attribute 'host' not specified")
    return {name: converted(name, _GIVEN[name], value) for name, value in asked.items()}


def _asked(query: bytes, filters: tuple[str, ...]) -> dict[str, list[str]]:
    """``fields``, and the values of each filter."""
    asked: dict[str, list[str]] = {"fields": []}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise bad_request("The query string is not valid") from None
    for name, value in pairs:
        if name != "fields" and name not in filters:
            raise bad_request(f"['{name}'] is invalid attribute for filtering")
        asked.setdefault(name, []).append(value)
    return asked


def _chosen(row: dict[str, Json], fields: list[str]) -> dict[str, Json]:
    return {name: row[name] for name in fields if name in row} if fields else row


# ---- the document ------------------------------------------------------------------------------


def paths(path: str) -> dict[str, Json]:
    """The paths of bindings, below that of a port."""
    text: Json = {"type": "string"}
    given = {name: type_.schema for name, type_ in _GIVEN.items()}
    shown = dict.fromkeys(_SHOWN, text) | given
    shown |= {"host": text, "vif_details": values.OBJECT.schema}
    return binding_paths(path, shown, given, _FILTERS)
