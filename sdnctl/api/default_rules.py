"""What new security groups allow from the start: templates of rules, as Neutron has them.

Promise: they begin as Neutron's four: all that goes out, and into a project's default group its own
members. An administrator adds others and takes any away; groups that are there stay as they are.
What a template names is there as long as it names it.

Beside Neutron: a template that names no group or address group that is there is refused, where
Neutron fails to make groups afterwards.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec

from sdnctl.api import values
from sdnctl.api.caller import Identity
from sdnctl.api.schema import Attribute, Resource, Sight, stored
from sdnctl.api.security_rules import TERMS, accepted, said
from sdnctl.api.standard import STANDARD
from sdnctl.api.work import Work
from sdnctl.intent import (
    ITSELF,
    DefaultRule,
    Row,
    RuleTerms,
    SecurityGroup,
    SecurityGroupRule,
    Seeded,
)
from sdnctl.store import Store

_KIND: Final = "default_rule"


def _seed(work: Work) -> None:
    """Put Neutron's four there, if that was not done before."""
    if work.tx.get(Seeded, _KIND) is not None:
        return
    work.tx.put(Seeded(id=_KIND, created_at=work.now, updated_at=work.now))
    for direction in ("egress", "ingress"):
        for ethertype in ("IPv4", "IPv6"):
            work.tx.put(
                DefaultRule(
                    id=str(uuid.uuid4()),
                    description=f"Legacy default SG rule for {direction} traffic",
                    direction=direction,
                    ethertype=ethertype,
                    remote_group_id=ITSELF if direction == "ingress" else None,
                    used_in_default_sg=True,
                    used_in_non_default_sg=direction == "egress",
                    revision_number=1,
                    created_at=work.now,
                    updated_at=work.now,
                )
            )


def begin(work: Work, group: SecurityGroup) -> None:
    """Put the rules that a new group has."""
    _seed(work)
    for template in work.tx.find(
        DefaultRule, "used_in", "default" if group.is_default else "other"
    ):
        terms = {name: getattr(template, name) for name in _TERMS}
        if template.remote_group_id == ITSELF:
            terms["remote_group_id"] = group.id
        work.tx.put(
            SecurityGroupRule(
                id=str(uuid.uuid4()),
                project_id=group.project_id,
                created_at=work.now,
                updated_at=work.now,
                security_group_id=group.id,
                **terms,
            )
        )


_TERMS: Final = sorted(
    {field.name for field in msgspec.structs.fields(RuleTerms)}
    - {field.name for field in msgspec.structs.fields(Row)}
)
"""The fields that say what is allowed."""


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    _seed(work)
    # It is for all projects, so it is nobody's.
    return accepted(work, DefaultRule(**row | said(given) | {"project_id": ""}))


def _update(work: Work, old: DefaultRule, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    return work.replace(old, row)


def _delete(work: Work, rule: DefaultRule) -> None:
    """Nothing hangs on a template."""


def _there(store: Store, caller: Identity, project_id: str) -> bool:
    del caller, project_id
    return store.get(Seeded, _KIND) is not None


def _secret(attribute: Attribute) -> Attribute:
    return stored(
        attribute.name,
        attribute.type,
        put=False,
        visible=False,
        filter=False,
        sort=False,
        field="project_id",
    )


DEFAULT_RULES: Final = Resource(
    name="default_security_group_rule",
    collection="default-security-group-rules",
    title="DefaultSecurityGroupRule",
    kind=DefaultRule,
    create=_create,
    update=_update,
    delete=_delete,
    sight=Sight(_there, lambda work, _project_id: _seed(work)),
    attributes=(
        *(
            _secret(attribute) if attribute.name in {"project_id", "tenant_id"} else attribute
            for attribute in STANDARD
            if attribute.name not in {"name", "description", "tags"}
        ),
        stored("description", values.DESCRIPTION, "", put=False, sort=False),
        *TERMS,
        stored("used_in_default_sg", values.BOOLEAN, False, put=False, sort=False),
        stored("used_in_non_default_sg", values.BOOLEAN, True, put=False, sort=False),
    ),
)
