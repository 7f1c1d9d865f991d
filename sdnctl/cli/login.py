"""A token from the environment that OpenStack's clients use (``OS_TOKEN``, ``OS_AUTH_URL``...).

Promise: with ``OS_TOKEN`` that one; else, with ``OS_AUTH_URL``, one of an identity v3 service,
ours or Keystone, for ``OS_USERNAME`` and ``OS_PASSWORD`` and the scope that the others name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import httpx

from sdnctl.cli.errors import CliError, UnreachableError, UsageError

TIMEOUT_S: Final = 30.0


class Login(NamedTuple):
    """A token, and where its catalogue says that the network API is; empty if it does not."""

    token: str
    url: str = ""


def from_environment(environ: Mapping[str, str]) -> Login:
    """What the environment says; an empty token if it says nothing."""
    if environ.get("OS_TOKEN") or not environ.get("OS_AUTH_URL"):
        return Login(environ.get("OS_TOKEN", ""))
    base = environ["OS_AUTH_URL"].rstrip("/")
    url = f"{base if base.endswith('/v3') else f'{base}/v3'}/auth/tokens"
    try:
        answer = httpx.post(url, json={"auth": _auth(environ)}, timeout=TIMEOUT_S)
    except httpx.TransportError as error:
        raise UnreachableError(f"no identity service at {base} ({error})") from None
    if answer.status_code != httpx.codes.CREATED:
        raise CliError(f"{base} lets nobody in with these OS_ variables: {answer.status_code}")
    try:
        catalog = answer.json()["token"].get("catalog", [])
        return Login(answer.headers["x-subject-token"], _network_url(catalog, environ))
    except (ValueError, KeyError, TypeError):
        raise CliError(f"{base} is no identity v3 service") from None


def _auth(environ: Mapping[str, str]) -> dict[str, Any]:
    for name in ("OS_USERNAME", "OS_PASSWORD"):
        if not environ.get(name):
            raise UsageError(f"OS_AUTH_URL is set and {name} is not")
    user = {"name": environ["OS_USERNAME"], "password": environ["OS_PASSWORD"]}
    auth: dict[str, Any] = {
        "identity": {
            "methods": ["password"],
            "password": {"user": user | {"domain": _domain(environ, "USER")}},
        }
    }
    if environ.get("OS_SYSTEM_SCOPE"):
        auth["scope"] = {"system": {"all": True}}
    elif environ.get("OS_PROJECT_ID"):
        auth["scope"] = {"project": {"id": environ["OS_PROJECT_ID"]}}
    elif environ.get("OS_PROJECT_NAME"):
        project = {"name": environ["OS_PROJECT_NAME"], "domain": _domain(environ, "PROJECT")}
        auth["scope"] = {"project": project}
    return auth


def _domain(environ: Mapping[str, str], whose: str) -> dict[str, str]:
    if environ.get(f"OS_{whose}_DOMAIN_ID"):
        return {"id": environ[f"OS_{whose}_DOMAIN_ID"]}
    return {"name": environ.get(f"OS_{whose}_DOMAIN_NAME", "Default")}


def _network_url(catalog: list[dict[str, Any]], environ: Mapping[str, str]) -> str:
    wanted = environ.get("OS_INTERFACE", "public").removesuffix("URL")
    region = environ.get("OS_REGION_NAME")
    for service in catalog:
        for endpoint in service["endpoints"] if service["type"] == "network" else ():
            if endpoint["interface"] == wanted and region in {None, endpoint["region_id"]}:
                return str(endpoint["url"])
    return ""
