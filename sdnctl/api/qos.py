"""QoS policies and their rules, as Neutron has them, and who uses a policy.

Promise: what is used stays; a policy says a thing once; a project has one default policy, which
its networks get that name none when they are made. Rules are of their policy's project. Errors
are Neutron's, by name and sentence.

A minimum bandwidth is kept and shown and carried out by nobody, as it would need Placement's
account of each link: its type is not among the rule types.
"""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import rbac, values
from sdnctl.api.authorization import forbidden
from sdnctl.api.errors import ApiError, conflict, not_found
from sdnctl.api.schema import REQUIRED, Above, Attribute, Of, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    BandwidthLimitRule,
    DscpMarkingRule,
    FloatingIp,
    MinimumBandwidthRule,
    Network,
    Port,
    QosPolicy,
    Router,
    Row,
)

Rule = BandwidthLimitRule | DscpMarkingRule | MinimumBandwidthRule

DSCP_MARKS: Final = (
    *(0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56),
)
"""The code points that have a meaning (RFC 4594): Neutron takes no others."""

_KBPS: Final = values.integer(0, (1 << 31) - 1)
_DIRECTION: Final = values.choice("ingress", "egress")


# ---- who uses a policy -------------------------------------------------------------------------


def default_of(work: Work, project_id: str) -> str | None:
    """The id of a project's default policy."""
    found = work.tx.first(QosPolicy, "default_of", project_id)
    return found.id if found is not None else None


def check(work: Work, new: str | None, old: str | None = None) -> None:
    """A network, port, floating IP or gateway may have this policy instead of the old one."""
    if new == old:
        return
    if new is not None and work.visible(QosPolicy, new) is None:
        raise not_found("QosPolicy", new)
    # What somebody else put upon it, who may not see that cannot take off.
    if old is not None and work.visible(QosPolicy, old) is None:
        raise ApiError(
            403,
            "PolicyRemoveAuthorizationError",
            f"Failed to remove provided policy {old} because you are not authorized.",
        )


def check_update(work: Work, row: dict[str, Any], old: Network | Port | FloatingIp) -> None:
    """The same of a change, which need not name a policy."""
    if "qos_policy_id" in row:
        check(work, row["qos_policy_id"], old.qos_policy_id)


POLICY_ID: Final[Attribute] = stored(
    "qos_policy_id",
    values.optional(values.UUID),
    None,
    sort=False,
    index="qos_policy_id",
)
"""Of networks, ports and floating IPs."""


def _network_policy(context: Context, port: Port) -> Json:
    network = context.store.get(Network, port.network_id)
    return network.qos_policy_id if network is not None else None


NETWORK_POLICY_ID: Final[Attribute] = shown(
    "qos_network_policy_id",
    values.optional(values.UUID),
    _network_policy,
    of=(Of(Network, "network_id"),),
)
"""Of ports."""


# ---- policies ----------------------------------------------------------------------------------


def _create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    policy = QosPolicy(**row)
    rbac.follow(work, None, policy)
    return policy


def _update(work: Work, old: QosPolicy, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    new = work.replace(old, row)
    if new.shared != old.shared:
        rbac.follow(work, old, new)
        new = rbac.said(work, new)
        lost = rbac.shut_out(work, new)
        if lost:
            raise conflict(
                "RbacPolicyInUse",
                f"RBAC policy on object {old.id} cannot be removed because other objects depend "
                f"on it.\nDetails: projects {sorted(lost)} use it",
            )
    return new


def _delete(work: Work, policy: QosPolicy) -> None:
    users: dict[str, type[Network | Port | FloatingIp | Router]] = {
        "network": Network,
        "port": Port,
        "fip": FloatingIp,
        "router": Router,
    }
    for name, using in users.items():
        user = work.tx.first(using, "qos_policy_id", policy.id)
        if user is not None:
            raise conflict("QosPolicyInUse", f"QoS Policy {policy.id} is used by {name} {user.id}.")
    for kind in _KINDS:
        for rule in work.tx.find(kind, "qos_policy_id", policy.id):
            work.tx.delete(kind, rule.id)
    rbac.forget(work, policy)


def _show_rules(context: Context, policy: QosPolicy) -> Json:
    rules = []
    for part in _PARTS:
        for rule in context.store.find(part.kind, "qos_policy_id", policy.id):
            kind = part.name.removesuffix("_rule")
            rules.append(part.show(context, rule) | {"qos_policy_id": policy.id, "type": kind})
    return rules


# ---- rules -------------------------------------------------------------------------------------


def _rules(work: Work, policy_id: str) -> list[Rule]:
    return [rule for kind in _KINDS for rule in work.tx.find(kind, "qos_policy_id", policy_id)]


def _checked(work: Work, rule: Rule) -> Rule:
    """The rule, which neither repeats another of its policy nor contradicts it."""
    for other in _rules(work, rule.qos_policy_id):
        if other.id == rule.id:
            continue
        way = getattr(rule, "direction", "") == getattr(other, "direction", "")
        if type(other) is type(rule) and way:
            raise conflict(
                "QoSRulesConflict",
                f"Rule {_type(rule)} conflicts with rule {other.id} which already exists in QoS "
                f"Policy {rule.qos_policy_id}.",
            )
        if way and not _agree(rule, other):
            raise conflict(
                "QoSRuleParameterConflict",
                f"Unable to add the rule with value {_value(rule)} to the policy "
                f"{rule.qos_policy_id} as the existing rule of type {_type(other)} has value "
                f"{_value(other)}.",
            )
    return rule


def _agree(one: Rule, other: Rule) -> bool:
    """No less is allowed than is promised."""
    match one, other:
        case (BandwidthLimitRule() as limit, MinimumBandwidthRule() as least) | (
            MinimumBandwidthRule() as least,
            BandwidthLimitRule() as limit,
        ):
            return least.min_kbps <= limit.max_kbps
    return True


def _value(rule: Rule) -> int:
    match rule:
        case BandwidthLimitRule(max_kbps=value) | MinimumBandwidthRule(min_kbps=value):
            return value
        case DscpMarkingRule(dscp_mark=value):
            return value


def _type(rule: Rule) -> str:
    return next(part.name for part in _PARTS if part.kind is type(rule)).removesuffix("_rule")


def _rule(name: str, kind: type[Rule], *attributes: Attribute) -> Resource:
    def create(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
        del given
        policy = work.tx.get(QosPolicy, row["qos_policy_id"])
        if policy is None:
            raise not_found("QosPolicy", row["qos_policy_id"])
        if not work.caller.is_admin and policy.project_id != work.caller.project_id:
            raise forbidden("create", f"policy_{name}")
        row["project_id"] = policy.project_id
        return _checked(work, kind(**row))

    def update(work: Work, old: Rule, given: dict[str, Any], row: dict[str, Any]) -> Row:
        del given
        new: Rule = work.replace(old, row)
        return new if new is old else _checked(work, new)

    return Resource(
        name=name,
        collection=f"{name}s",
        alias=f"alias-{name.replace('_', '-')}s",
        prefix="qos",
        title="Qos" + "".join(word.capitalize() for word in name.split("_")),
        kind=kind,
        above=Above(QosPolicy, "QosPolicy", "qos_policy_id"),
        absent=_no_rule,
        create=create,
        update=update,
        delete=lambda _work, _row: None,
        attributes=(stored("id", values.UUID, post=False, put=False), *attributes),
    )


def _no_rule(id_: str, policy_id: str) -> ApiError:
    return ApiError(
        404,
        "QosRuleNotFound",
        f"QoS rule {id_} for policy {policy_id} could not be found.",
    )


_KINDS: Final[tuple[type[Rule], ...]] = (
    BandwidthLimitRule,
    DscpMarkingRule,
    MinimumBandwidthRule,
)

_PARTS: Final = (
    _rule(
        "bandwidth_limit_rule",
        BandwidthLimitRule,
        stored("max_kbps", _KBPS, REQUIRED),
        stored("max_burst_kbps", _KBPS, 0),
        stored("direction", _DIRECTION, "egress"),
    ),
    _rule(
        "dscp_marking_rule",
        DscpMarkingRule,
        stored("dscp_mark", values.choice(*DSCP_MARKS), REQUIRED),
    ),
    _rule(
        "minimum_bandwidth_rule",
        MinimumBandwidthRule,
        stored("min_kbps", _KBPS, REQUIRED),
        stored("direction", _DIRECTION, "egress"),
    ),
)

_OBJECTS: Final[Type] = values.sequence(values.OBJECT)

QOS_POLICIES: Final = Resource(
    name="policy",
    prefix="qos",
    collection="policies",
    title="QosPolicy",
    kind=QosPolicy,
    create=_create,
    update=_update,
    delete=_delete,
    parts=_PARTS,
    attributes=(
        *STANDARD,
        stored("shared", values.BOOLEAN, False, sort=False),
        stored("is_default", values.BOOLEAN, False, sort=False),
        shown("rules", _OBJECTS, _show_rules),
    ),
)
