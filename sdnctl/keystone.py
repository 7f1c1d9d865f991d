"""Logging in to a Keystone as a service does: the account, the token, the catalogue with it.

Promise: whatever goes wrong is one exception whose words hold no secret. Keeps nothing; who calls
remembers the token and knows when it is over.
"""

from __future__ import annotations

import configparser
import dataclasses
import ssl
from typing import Any, Final, NamedTuple

import httpx

TIMEOUT_S: Final = 10.0

_METHODS: Final = ("", "password", "v3password")
"""What ``auth_type`` may say: there is one way in."""


class KeystoneError(Exception):
    """Keystone does not answer, does not let us in, or does not know what we ask for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where Keystone is, and as whom we come. Of a domain its id counts, if it is given."""

    auth_url: str
    username: str
    password: str = dataclasses.field(repr=False)
    project_name: str = "service"
    user_domain_name: str = "Default"
    user_domain_id: str = ""
    project_domain_name: str = "Default"
    project_domain_id: str = ""
    cafile: str = ""

    @property
    def url(self) -> str:
        """Of identity v3, however ``auth_url`` names it."""
        return f"{self.auth_url.rstrip('/').removesuffix('/v3')}/v3"


class Login(NamedTuple):
    """A token, and the services that it is good for."""

    token: str
    catalog: list[dict[str, Any]]

    def endpoint(self, service: str, interface: str, region: str) -> str:
        """Where a service is; KeystoneError if the catalogue has none such."""
        try:
            for entry in self.catalog:
                for found in entry["endpoints"] if entry["type"] == service else ():
                    if found["interface"] == interface and region in ("", found.get("region_id")):
                        return str(found["url"]).rstrip("/")
        except (KeyError, TypeError, AttributeError):
            raise KeystoneError("Keystone's catalogue makes no sense") from None
        where = f" in region {region}" if region else ""
        raise KeystoneError(f"Keystone knows no {interface} endpoint of {service}{where}")


def read_account(text: str, section: str) -> tuple[Account, dict[str, str]]:
    """An account out of a section of a file as OpenStack's services have it, and all of that.

    ValueError, whose text goes on after the file's name, if it is not whole.
    """
    parser = configparser.ConfigParser(interpolation=None)
    names = {field.name for field in dataclasses.fields(Account)}
    try:
        parser.read_string(text)
        options = dict(parser[section])
        account = Account(**{name: value for name, value in options.items() if name in names})
    except (configparser.Error, KeyError, TypeError) as error:
        # Not the parser's words, which quote the line.
        raise ValueError(
            f"has no [{section}] with auth_url, username and password ({type(error).__name__})"
        ) from None
    if options.get("auth_type", "") not in _METHODS:
        raise ValueError(f"has an auth_type in [{section}] that is not password")
    return account, options


def make_client(account: Account, timeout: float = TIMEOUT_S) -> httpx.AsyncClient:
    """For Keystone and what stands beside it, behind the same authority."""
    cafile = account.cafile
    verify: Any = ssl.create_default_context(cafile=cafile) if cafile else True
    return httpx.AsyncClient(timeout=timeout, verify=verify)


async def log_in(http: httpx.AsyncClient, account: Account) -> Login:
    """A token of the account's project; KeystoneError if there is none to be had."""
    user = {
        "name": account.username,
        "domain": _domain(account.user_domain_id, account.user_domain_name),
        "password": account.password,
    }
    project = {
        "name": account.project_name,
        "domain": _domain(account.project_domain_id, account.project_domain_name),
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    try:
        answer = await http.post(f"{account.url}/auth/tokens", json=body)
    except httpx.HTTPError as error:
        raise KeystoneError(f"Keystone does not answer: {type(error).__name__}") from None
    if answer.status_code != httpx.codes.CREATED:
        raise KeystoneError(f"Keystone does not let us in: {answer.status_code}")
    try:
        catalog = answer.json()["token"].get("catalog", [])
        return Login(answer.headers["x-subject-token"], catalog)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeystoneError("Keystone's answer makes no sense") from None


def _domain(id_: str, name: str) -> dict[str, str]:
    return {"id": id_} if id_ else {"name": name}
