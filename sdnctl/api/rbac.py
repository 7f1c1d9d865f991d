"""RBAC policies: to whom what can be shared is open.

That are networks, subnet pools, address scopes, QoS policies, security groups and address groups.

Promise: the policies and what they say of their object, ``shared`` and ``shared_with`` (and of a
network ``external`` and ``external_to``) of its row, change in one transaction, so that who sees
what is read off the row. ``shared`` is the policy for everybody. A policy that somebody depends
on stays.
"""

from __future__ import annotations

import uuid
from typing import Any, Final, TypeVar

from sdnctl.api import outside, values
from sdnctl.api.authorization import forbidden
from sdnctl.api.errors import ApiError, conflict, invalid_input, not_found
from sdnctl.api.schema import REQUIRED, Resource, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.work import Work
from sdnctl.intent import (
    EVERYBODY,
    AddressGroup,
    AddressScope,
    FloatingIp,
    Network,
    Port,
    QosPolicy,
    RbacPolicy,
    Router,
    Row,
    SecurityGroup,
    SecurityGroupRule,
    Shareable,
    Subnet,
    SubnetPool,
)

SHARED: Final = "access_as_shared"
EXTERNAL: Final = "access_as_external"

T = TypeVar("T", bound=Shareable)

_KINDS: Final[dict[str, type[Shareable]]] = {
    "network": Network,
    "subnetpool": SubnetPool,
    "address_scope": AddressScope,
    "qos_policy": QosPolicy,
    "security_group": SecurityGroup,
    "address_group": AddressGroup,
}
_TITLES: Final = {name: kind.__name__ for name, kind in _KINDS.items()}
_TYPE_OF: Final = {kind: name for name, kind in _KINDS.items()}


# ---- what follows from the policies of an object -----------------------------------------------


def _targets(work: Work, object_id: str, action: str) -> tuple[str, ...]:
    policies = work.tx.find(RbacPolicy, "object_id", object_id)
    return tuple(p.target_project for p in policies if p.action == action)


def said(work: Work, thing: T) -> T:
    """The object as its policies say."""
    shared = _targets(work, thing.id, SHARED)
    fields: dict[str, Any] = {
        "shared": EVERYBODY in shared,
        "shared_with": tuple(target for target in shared if target != EVERYBODY),
    }
    if isinstance(thing, Network):
        fields |= _outside(work, thing)
    return work.replace(thing, fields)


def _outside(work: Work, network: Network) -> dict[str, Any]:
    """As in Neutron, what is external to somebody is an external network, and nothing else."""
    targets = _targets(work, network.id, EXTERNAL)
    was = work.tx.get(Network, network.id)
    if was is not None and was.external and not targets:
        outside.check_closes(work, network)
    if targets and (was is None or not was.external):
        outside.check_opens(work, network)
    vrf = outside.numbers(work, network) if targets else network.vrf
    return {"external_to": targets, "external": bool(targets), "vrf": vrf}


def follow(work: Work, old: Shareable | None, new: Shareable) -> None:
    """Keep the policies for everybody in step with ``shared`` and ``external`` of a row.

    ``old`` is None for a new row. The lists of projects of ``new`` are as they were.
    """
    was, was_out = (old.shared, _is_external(old)) if old is not None else (False, False)
    for action, before, now in (
        (SHARED, was, new.shared),
        (EXTERNAL, was_out, _is_external(new)),
    ):
        if before == now:
            continue
        if now:
            if EVERYBODY not in _targets(work, new.id, action):
                _put(work, new, action)
        else:
            for policy in work.tx.find(RbacPolicy, "object_id", new.id):
                if policy.action == action and (
                    action == EXTERNAL or policy.target_project == EVERYBODY
                ):
                    work.tx.delete(RbacPolicy, policy.id)


def _is_external(thing: Shareable) -> bool:
    return isinstance(thing, Network) and thing.external


def _put(work: Work, thing: Shareable, action: str) -> None:
    work.tx.put(
        RbacPolicy(
            id=str(uuid.uuid4()),
            project_id=thing.project_id,
            object_type=_TYPE_OF[type(thing)],
            object_id=thing.id,
            action=action,
            target_project=EVERYBODY,
            revision_number=1,
            created_at=work.now,
            updated_at=work.now,
        )
    )


def forget(work: Work, thing: Shareable) -> None:
    """The object goes, and its policies with it."""
    for policy in work.tx.find(RbacPolicy, "object_id", thing.id):
        work.tx.delete(RbacPolicy, policy.id)


def users(work: Work, thing: Shareable) -> set[str]:
    """The projects, beside the owner, that have something which needs to see the object."""
    rows: list[Any] = []
    match thing:
        case Network():
            rows = work.tx.find(Port, "network_id", thing.id)
        case SubnetPool():
            rows = work.tx.find(Subnet, "subnetpool_id", thing.id)
        case AddressScope():
            rows = work.tx.find(SubnetPool, "address_scope_id", thing.id)
        case QosPolicy():
            rows = work.tx.find(Port, "qos_policy_id", thing.id)
            rows += work.tx.find(Network, "qos_policy_id", thing.id)
            rows += work.tx.find(FloatingIp, "qos_policy_id", thing.id)
            rows += work.tx.find(Router, "qos_policy_id", thing.id)
        case SecurityGroup():
            rows = work.tx.find(Port, "security_group", thing.id)
        case AddressGroup():
            rows = work.tx.find(SecurityGroupRule, "remote_address_group_id", thing.id)
    # The controller's own ports on an external network are no project's.
    return {row.project_id for row in rows} - {thing.project_id, ""}


def shut_out(work: Work, thing: Shareable) -> set[str]:
    """The users that would no longer see the object as it is now."""
    if thing.shared:
        return set()
    return users(work, thing) - set(thing.shared_with)


# ---- the resource ------------------------------------------------------------------------------


def _object(work: Work, object_type: str, object_id: str) -> Shareable:
    thing = work.visible(_KINDS[object_type], object_id)
    if thing is None:
        raise not_found(_TITLES[object_type], object_id)
    return thing


def _check_target(work: Work, verb: str, target: str) -> None:
    if target == EVERYBODY and not work.caller.is_admin:
        raise forbidden(verb, "rbac_policy", "target_tenant")


def _check_scope(work: Work, thing: Shareable, target: str) -> None:
    """Who uses a pool uses the address scope that it is in."""
    if not isinstance(thing, SubnetPool) or thing.address_scope_id is None:
        return
    scope = work.tx.get(AddressScope, thing.address_scope_id)
    if scope is not None and not (
        scope.shared or target == scope.project_id or target in scope.shared_with
    ):
        raise invalid_input(
            f"subnetpool {thing.id} cannot be shared with {target}, with whom its address scope "
            f"{scope.id} is not shared"
        )


def _check_new(work: Work, policy: RbacPolicy) -> None:
    for other in work.tx.find(RbacPolicy, "object_id", policy.object_id):
        same = (other.action, other.target_project) == (policy.action, policy.target_project)
        if same and other.id != policy.id:
            raise conflict(
                "DuplicateRbacPolicy", "An RBAC policy already exists with those values."
            )


def _applied(work: Work, thing: Shareable) -> None:
    """Make the object's row say what its policies do; ApiError if somebody is shut out."""
    new = said(work, thing)
    # An administrator may have let others use what they do not see: they lose nothing.
    if thing.shared or thing.shared_with:
        lost = shut_out(work, new) - shut_out(work, thing)
        if lost:
            raise _in_use(thing, f"projects {sorted(lost)} use it")
    if _narrower(thing, new) and _outsiders(work, thing) - _outsiders(work, new):
        raise _in_use(
            thing,
            "There are routers attached to this network that depend on this policy for access.",
        )
    work.put_changed(thing, new)


def _narrower(thing: Shareable, new: Shareable) -> bool:
    """Whether an external network is there for less than before."""
    if not (isinstance(thing, Network) and isinstance(new, Network)):
        return False
    return not set(thing.external_to) <= set(new.external_to)


def _outsiders(work: Work, thing: Shareable) -> set[str]:
    """The projects, of those whose routers have a gateway there, that may have it."""
    if not isinstance(thing, Network):
        return set()
    projects = outside.users(work, thing)
    return projects if EVERYBODY in thing.external_to else projects & {*thing.external_to}


def _in_use(thing: Shareable, details: str) -> ApiError:
    return conflict(
        "RbacPolicyInUse",
        f"RBAC policy on object {thing.id} cannot be removed because other objects depend on it.\n"
        f"Details: {details}",
    )


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    thing = _object(work, row["object_type"], row["object_id"])
    if not work.caller.is_admin and thing.project_id != work.caller.project_id:
        raise invalid_input("Only admins can manipulate policies on objects they do not own")
    if row["action"] == EXTERNAL and not isinstance(thing, Network):
        raise invalid_input(f"action {EXTERNAL} is not valid for {row['object_type']}")
    _check_target(work, "create", row["target_project"])
    _check_scope(work, thing, row["target_project"])
    policy = RbacPolicy(**row)
    _check_new(work, policy)
    work.tx.put(policy)
    _applied(work, thing)
    return policy


def _update(work: Work, old: RbacPolicy, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    new = work.replace(old, row)
    if new is not old:
        _check_target(work, "update", new.target_project)
        thing = work.tx.get(_KINDS[new.object_type], new.object_id)
        if thing is not None:
            _check_scope(work, thing, new.target_project)
        _check_new(work, new)
        work.tx.put(new)
        _reapply(work, old)
        work.tx.put(old)  # the caller puts the new one, and counts its revision
    return new


def _delete(work: Work, policy: RbacPolicy) -> None:
    work.tx.delete(RbacPolicy, policy.id)
    _reapply(work, policy)
    work.tx.put(policy)  # the caller deletes it


def _reapply(work: Work, policy: RbacPolicy) -> None:
    thing = work.tx.get(_KINDS[policy.object_type], policy.object_id)
    if thing is not None:
        _applied(work, thing)


RBAC_POLICIES: Final = Resource(
    name="rbac_policy",
    collection="rbac-policies",
    title="RbacPolicy",
    kind=RbacPolicy,
    create=_create,
    update=_update,
    delete=_delete,
    attributes=(
        *(a for a in STANDARD if a.name in {"id", "project_id", "tenant_id"}),
        stored("object_type", values.choice(*_KINDS), REQUIRED, put=False),
        stored("object_id", values.UUID, REQUIRED, put=False, index="object_id"),
        stored("target_tenant", values.NONEMPTY, REQUIRED, field="target_project"),
        stored("action", values.choice(SHARED, EXTERNAL), REQUIRED, put=False),
    ),
)
