"""Security groups, as Neutron has them; their rules are in ``security_rules``.

Promise: every project has one default group from the moment that anything asks for it; what is
in use is not deleted; a group says nothing twice. Errors are Neutron's, by name and sentence.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from sdnctl.api import default_rules, quotas, rbac, values
from sdnctl.api.caller import Identity
from sdnctl.api.errors import conflict, not_found
from sdnctl.api.schema import Resource, Sight, shown, stored
from sdnctl.api.security_rules import SECURITY_GROUP_RULES
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    DEFAULT_GROUP,
    DefaultRule,
    Port,
    Row,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.store import Store


def ensure_default(work: Work, project_id: str) -> str:
    """The id of a project's default group, made if there is none."""
    found = work.tx.first(SecurityGroup, "default_of", project_id)
    if found is not None:
        return found.id
    group = SecurityGroup(
        id=str(uuid.uuid4()),
        name=DEFAULT_GROUP,
        description="Default security group",
        project_id=project_id,
        revision_number=1,
        created_at=work.now,
        updated_at=work.now,
    )
    work.tx.put(group)
    default_rules.begin(work, group)
    return group.id


def check_groups(work: Work, ids: tuple[str, ...]) -> None:
    """All are there, and either all of them know connections or none does."""
    stateful = set()
    for id_ in ids:
        group = work.visible(SecurityGroup, id_)
        if group is None:
            raise not_found("SecurityGroup", id_)
        stateful.add(group.stateful)
    if len(stateful) > 1:
        raise conflict(
            "SecurityGroupConflict",
            "Error Cannot apply both stateful and stateless security groups on the same port "
            "while attempting the operation.",
        )


# ---- groups


def _is_named_default(name: object) -> bool:
    return isinstance(name, str) and name.lower() == DEFAULT_GROUP


def _create_group(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    if _is_named_default(row["name"]):
        raise conflict(
            "SecurityGroupDefaultAlreadyExists", "Default security group already exists."
        )
    ensure_default(work, row["project_id"])
    group = SecurityGroup(**row)
    default_rules.begin(work, group)
    quotas.check_made(work, SECURITY_GROUP_RULES, group.project_id)
    return group


def _in_use(work: Work, group: SecurityGroup) -> None:
    if work.tx.first(Port, "security_group", group.id) is not None:
        raise conflict("SecurityGroupInUse", f"Security Group {group.id} in use.")


def _update_group(
    work: Work, old: SecurityGroup, given: dict[str, Any], row: dict[str, Any]
) -> Row:
    del given
    if row.get("name", old.name) != old.name:
        if old.is_default:
            raise conflict(
                "SecurityGroupCannotUpdateDefault",
                "Updating default security group not allowed.",
            )
        if _is_named_default(row["name"]):
            raise conflict(
                "SecurityGroupDefaultAlreadyExists", "Default security group already exists."
            )
    if row.get("stateful", old.stateful) != old.stateful:
        _in_use(work, old)
    return work.replace(old, row)


def _delete_group(work: Work, group: SecurityGroup) -> None:
    _in_use(work, group)
    if group.is_default and not work.caller.is_admin:
        raise conflict(
            "SecurityGroupCannotRemoveDefault",
            "Insufficient rights for removing default security group.",
        )
    tx = work.tx
    rules = {
        rule.id
        for index in ("security_group_id", "remote_group_id")
        for rule in tx.find(SecurityGroupRule, index, group.id)
    }
    for rule_id in sorted(rules):
        tx.delete(SecurityGroupRule, rule_id)
    for template in tx.find(DefaultRule, "remote_group_id", group.id):
        tx.delete(DefaultRule, template.id)
    rbac.forget(work, group)


def _has_default(store: Store, caller: Identity, project_id: str) -> bool:
    """Who is in no project has none, but for an administrator."""
    if not (project_id or caller.is_admin):
        return True
    return bool(store.find(SecurityGroup, "default_of", project_id))


def _rules_of(context: Context, group: SecurityGroup) -> Json:
    rules = context.store.find(SecurityGroupRule, "security_group_id", group.id)
    return [SECURITY_GROUP_RULES.show(context, rule) for rule in rules]


SECURITY_GROUPS: Final = Resource(
    name="security_group",
    collection="security-groups",
    title="SecurityGroup",
    kind=SecurityGroup,
    create=_create_group,
    update=_update_group,
    delete=_delete_group,
    sight=Sight(_has_default, ensure_default),
    attributes=(
        *STANDARD,
        stored("stateful", values.BOOLEAN, True, sort=False),
        stored("shared", values.BOOLEAN, post=False, put=False, sort=False),
        shown("security_group_rules", values.sequence(values.OBJECT), _rules_of),
    ),
)
