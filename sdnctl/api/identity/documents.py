"""How identity v3 writes things as JSON, and what it lists that never changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sdnctl.api.identity.directory import DOMAIN, ROLES, Session
from sdnctl.api.identity.tokens import SYSTEM
from sdnctl.api.values import Json
from sdnctl.intent import Project, User

PREFIX: Final = "/identity/v3"
REGION: Final = "RegionOne"

_DOMAIN: Final = {"id": DOMAIN, "name": "Default"}
_SERVICES: Final = {"identity": "keystone", "network": "neutron"}
_INTERFACES: Final = ("public", "internal", "admin")


def version(base: str) -> Json:
    """The one version there is."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}{PREFIX}/"}],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
    }


def linked(base: str, collection: str, document: dict[str, Json]) -> Json:
    """With the address of what is described."""
    return document | {"links": {"self": f"{base}{PREFIX}/{collection}/{document['id']}"}}


def project(row: Project) -> dict[str, Json]:
    """A project."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "domain_id": row.domain_id,
        "parent_id": row.domain_id,
        "is_domain": False,
        "options": {},
        "tags": list(row.tags),
    }


def user(row: User) -> dict[str, Json]:
    """A user, without anything secret."""
    shown: dict[str, Json] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "domain_id": row.domain_id,
        "password_expires_at": None,
        "options": {},
    }
    if row.email:
        shown["email"] = row.email
    if row.default_project_id:
        shown["default_project_id"] = row.default_project_id
    return shown


def domain() -> dict[str, Json]:
    """The one domain there is."""
    return _DOMAIN | {"description": "", "enabled": True, "options": {}, "tags": []}


def roles() -> list[dict[str, Json]]:
    """The roles there are."""
    return [
        {"id": name, "name": name, "domain_id": None, "description": "", "options": {}}
        for name in ROLES
    ]


def region() -> dict[str, Json]:
    """The one region there is."""
    return {"id": REGION, "description": "", "parent_region_id": None}


def services() -> list[dict[str, Json]]:
    """What is in the catalogue."""
    return [
        {"id": type_, "type": type_, "name": name, "enabled": True, "description": ""}
        for type_, name in _SERVICES.items()
    ]


def endpoints(base: str) -> list[dict[str, Json]]:
    """Where each service is, by the client's own account of where we are."""
    urls = {"identity": f"{base}{PREFIX}", "network": base}
    return [
        {
            "id": f"{type_}-{interface}",
            "interface": interface,
            "region": REGION,
            "region_id": REGION,
            "service_id": type_,
            "url": urls[type_],
            "enabled": True,
        }
        for type_ in _SERVICES
        for interface in _INTERFACES
    ]


def catalog(base: str) -> list[Json]:
    """The catalogue of a token."""
    shown = ("id", "interface", "region", "region_id", "url")
    return [
        {
            "id": type_,
            "type": type_,
            "name": name,
            "endpoints": [
                {field: endpoint[field] for field in shown}
                for endpoint in endpoints(base)
                if endpoint["service_id"] == type_
            ],
        }
        for type_, name in _SERVICES.items()
    ]


def token(session: Session, base: str, *, with_catalog: bool) -> Json:
    """What a token says."""
    found: dict[str, Json] = {
        "methods": list(session.token.methods),
        "user": {
            "id": session.user.id,
            "name": session.user.name,
            "domain": _DOMAIN,
            "password_expires_at": None,
        },
        "audit_ids": list(session.token.audit_ids),
        "issued_at": moment(session.token.issued_at),
        "expires_at": moment(session.token.expires_at),
    }
    if session.project is not None:
        row = session.project
        found["project"] = {"id": row.id, "name": row.name, "domain": _DOMAIN}
        found["is_domain"] = False
    elif session.token.target == SYSTEM:
        found["system"] = {"all": True}
    elif session.token.target:
        found["domain"] = _DOMAIN
    if session.token.target:
        found["roles"] = [{"id": name, "name": name} for name in session.roles]
        if with_catalog:
            found["catalog"] = catalog(base)
    return {"token": found}


def moment(microseconds: int) -> str:
    """A time as Keystone writes it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    then = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
