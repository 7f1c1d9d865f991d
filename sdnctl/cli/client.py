"""The controller's REST API over TCP or a unix socket.

Promise: an answer's body as Python values, or a CliError that says what to do. Knows Neutron's
conventions (wrapping, errors, name look-up, pagination), no resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx

from sdnctl.cli.errors import CliError, UnreachableError, UsageError

DEFAULT_URL: Final = "http://127.0.0.1:9696"
TIMEOUT_S: Final = 30.0

Params = Mapping[str, str | list[str]]
Item = dict[str, Any]


class Client:
    """One connection to a controller; a context manager."""

    def __init__(self, url: str = DEFAULT_URL, token: str = "") -> None:
        """Open no connection yet.

        Args:
            url: ``http://``, ``https://`` or ``unix:///path/of/socket``.
            token: sent as ``X-Auth-Token``; empty sends none.

        Raises:
            UsageError: the URL is none of these.
        """
        self._url = url
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            transport, base = httpx.HTTPTransport(uds=parts.path), "http://localhost"
        elif parts.scheme in ("http", "https") and parts.netloc:
            transport, base = httpx.HTTPTransport(), url.rstrip("/")
        else:
            raise UsageError(f"{url!r} is no URL: http://HOST:PORT, https://... or unix:///PATH")
        headers = {"Accept": "application/json"}
        if token:
            headers["X-Auth-Token"] = token
        self._http = httpx.Client(
            base_url=base, transport=transport, headers=headers, timeout=TIMEOUT_S
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Any:
        """The body of a GET."""
        return self._request("GET", path, params=params)

    def post(self, path: str, body: Item) -> Any:
        """The body that a POST answers."""
        return self._request("POST", path, body=body)

    def put(self, path: str, body: Item) -> Any:
        """The body that a PUT answers."""
        return self._request("PUT", path, body=body)

    def delete(self, path: str) -> None:
        """DELETE."""
        self._request("DELETE", path)

    def list(self, path: str, plural: str, params: Params | None = None) -> list[Item]:
        """Every item of a collection, page after page."""
        items: list[Item] = []
        page: str | None = path
        while page is not None:
            body = self.get(page, params)
            items += body[plural]
            links = {x["rel"]: x["href"] for x in body.get(f"{plural}_links", ())}
            # The link holds the query already, and the host as the server sees itself.
            page, params = _path_and_query(links.get("next")), None
        return items

    def find(self, path: str, singular: str, plural: str, name: str, called: str = "name") -> Item:
        """The item with that id, or the only one with that name, which is its ``called``.

        Raises:
            CliError: none, or several.
        """
        try:
            found: Item = self.get(f"{path}/{quote(name, safe='')}")[singular]
        except NotFoundError:
            named = self.list(path, plural, {called: name})
            if not named:
                raise CliError(f"no {singular.replace('_', ' ')} {name!r}") from None
            if len(named) > 1:
                ids = "\n  ".join(sorted(str(x["id"]) for x in named))
                raise CliError(
                    f"{len(named)} are named {name!r}: give an id instead, one of\n  {ids}"
                ) from None
            found = named[0]
        return found

    def _request(
        self, method: str, path: str, params: Params | None = None, body: Item | None = None
    ) -> Any:
        try:
            answer = self._http.request(method, path, params=params, json=body)
        except httpx.TimeoutException:
            raise UnreachableError(f"no answer from {self._url} within {TIMEOUT_S:g} s") from None
        except httpx.TransportError as error:
            raise UnreachableError(
                f"no controller at {self._url} ({error}); say where it is with --url or SDNCTL_URL"
            ) from None
        if answer.is_success:
            return self._json(answer) if answer.content else None
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise CliError(
                f"{self._url} wants a token: set SDNCTL_TOKEN, --token-file or OS_AUTH_URL"
            )
        kind = NotFoundError if answer.status_code == httpx.codes.NOT_FOUND else CliError
        raise kind(self._reason(answer))

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise CliError(
                f"{answer.url} answered something else than JSON: is {self._url} a controller?"
            ) from None

    @staticmethod
    def _reason(answer: httpx.Response) -> str:
        """What Neutron's error body says; else the status."""
        try:
            error = answer.json()["NeutronError"]
            return str(error["message"] if isinstance(error, dict) else error)
        except (ValueError, KeyError, TypeError):
            request = answer.request
            return (
                f"{request.method} {request.url.path}: {answer.status_code} {answer.reason_phrase}"
            )


class NotFoundError(CliError):
    """404."""


def _path_and_query(href: str | None) -> str | None:
    if href is None:
        return None
    parts = urlsplit(href)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
