"""Quotas, as far as clients must be able to ask for them: nothing is limited.

Nova asks before it makes ports and takes -1 for no limit. Setting one is not served.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdnctl.api.caller import Identity
from sdnctl.api.policy import forbidden
from sdnctl.api.schema import Context, Resource
from sdnctl.api.values import Json


def check(caller: Identity, project_id: str) -> None:
    """A project asks for its own; ApiError for another's."""
    if not (caller.sees_all or (caller.own and caller.project_id == project_id)):
        raise forbidden("get", "quota")


def limits(resources: Mapping[str, Resource]) -> Json:
    """The limit of each resource, for any project."""
    return {resource.name: -1 for resource in resources.values()}


def usage(context: Context, resources: Mapping[str, Resource], project_id: str) -> Json:
    """The limit of each resource and what the project has."""
    return {
        resource.name: {
            "limit": -1,
            "used": len(context.store.find(resource.kind, "project_id", project_id)),
            "reserved": 0,
        }
        for resource in resources.values()
    }
