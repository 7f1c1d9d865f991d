"""Security groups, their rules, and address groups, as Neutron has them.

Promise: every project has one default group from the moment that anything asks for it; what is
in use is not deleted; a group says nothing twice. Errors are Neutron's, by name and sentence.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from sdnctl.api import values
from sdnctl.api.errors import ApiError, conflict, not_found
from sdnctl.api.schema import (
    REQUIRED,
    STANDARD,
    Attribute,
    Context,
    Resource,
    Sight,
    Work,
    converted,
    shown,
    stored,
)
from sdnctl.api.values import Json
from sdnctl.intent import (
    DEFAULT_GROUP,
    AddressGroup,
    Port,
    Row,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.types import Ip, Prefix

PROTOCOLS: Final = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
"""IANA's numbers by Neutron's names."""

_WITH_PORTS: Final = {6, 17, 132}
"""TCP, UDP and SCTP: Open vSwitch matches the ports of no other."""

ICMP, ICMPV6 = 1, 58


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
    _add_rules(work, group)
    return group.id


def _add_rules(work: Work, group: SecurityGroup) -> None:
    """What a group allows from the start: all that goes out; if default, its own members in."""
    wanted: list[tuple[str, str | None]] = [("egress", None)]
    if group.is_default:
        wanted.append(("ingress", group.id))
    for direction, remote in wanted:
        for ethertype in ("IPv4", "IPv6"):
            rule = SecurityGroupRule(
                id=str(uuid.uuid4()),
                project_id=group.project_id,
                created_at=work.now,
                updated_at=work.now,
                security_group_id=group.id,
                direction=direction,
                ethertype=ethertype,
                remote_group_id=remote,
            )
            work.tx.put(rule)


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
    _add_rules(work, group)
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
    if group.is_default:
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
    sight=Sight("default_of", ensure_default),
    attributes=(
        *STANDARD,
        stored("stateful", values.BOOLEAN, True, sort=False),
        shown("shared", values.BOOLEAN, lambda _c, _g: False, filter=True),
        shown("security_group_rules", values.sequence(values.OBJECT), _rules_of),
    ),
)


# ---- rules


def _protocol(value: Json) -> tuple[int | None, str | None]:
    """The number, None for any, and how it was said."""
    text = str(value).lower() if isinstance(value, (str, int)) else ""
    if value is None or text in {"any", "-1", ""}:
        if value is not None and not text:
            raise ValueError(f"'{value}' is not a protocol")
        return None, None
    if text in PROTOCOLS:
        return PROTOCOLS[text], text
    if text.isascii() and text.isdigit() and int(text) <= 255:
        return int(text), str(int(text))
    raise ApiError(
        400,
        "SecurityGroupRuleInvalidProtocol",
        f"Security group rule protocol {text[:40]} not supported. Only protocol values "
        f"{[None, *PROTOCOLS]} and integer representations [0 to 255] are supported.",
    )


_PROTOCOL: Final = values.Type(_protocol, {"type": ["string", "integer", "null"]})


def _ethertype(value: Json) -> str:
    for known in ("IPv4", "IPv6"):
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise ApiError(
        400,
        "SecurityGroupRuleInvalidEtherType",
        f"Security group rule for ethertype '{str(value)[:40]}' not supported. "
        "Allowed values are ['IPv4', 'IPv6'].",
    )


_ETHERTYPE: Final = values.Type(_ethertype, {"enum": ["IPv4", "IPv6"]})


def _cidr(value: Json) -> tuple[Prefix, str] | None:
    """The prefix, and how it was said."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"'{value}' is not an IP prefix")
    return _prefix(value), value if "/" in value else str(_prefix(value))


def _prefix(text: str) -> Prefix:
    if "/" not in text:
        return Prefix.host(Ip.parse(text))
    prefix: Prefix = values.PREFIX.convert(text)
    return prefix


_CIDR: Final = values.Type(_cidr, {"type": ["string", "null"], "description": "IP prefix"})
_NUMBER: Final = values.optional(values.integer(0, 65535))


def _invalid(kind: str, message: str) -> ApiError:
    return ApiError(400, kind, message)


def _create_rule(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    row["protocol"], row["protocol_name"] = given["protocol"]
    prefix = given["remote_ip_prefix"]
    if prefix is not None:
        row["remote_ip_prefix"], row["cidr"] = prefix
    rule = SecurityGroupRule(**row)
    group = work.visible(SecurityGroup, rule.security_group_id)
    if group is None:
        raise not_found("SecurityGroup", rule.security_group_id)
    _check_remote(work, rule)
    rule = _of_version(work, rule)
    _check_ports(rule)
    return rule


def _check_remote(work: Work, rule: SecurityGroupRule) -> None:
    remotes = (rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise _invalid(
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be "
            "provided.",
        )
    if rule.remote_group_id and work.visible(SecurityGroup, rule.remote_group_id) is None:
        raise not_found("SecurityGroup", rule.remote_group_id)
    address_group = rule.remote_address_group_id
    if address_group and work.visible(AddressGroup, address_group) is None:
        raise not_found("AddressGroup", address_group)
    prefix = rule.remote_ip_prefix
    if prefix is not None and f"IPv{prefix.version}" != rule.ethertype:
        raise _invalid(
            "SecurityGroupRuleParameterConflict",
            f"Conflicting value ethertype {rule.ethertype} for CIDR {rule.cidr}",
        )


def _of_version(work: Work, rule: SecurityGroupRule) -> SecurityGroupRule:
    """ICMP is ICMPv6 in IPv6, and the other way round it is a mistake."""
    if rule.ethertype == "IPv6" and rule.protocol == ICMP:
        return work.replace(rule, {"protocol": ICMPV6, "protocol_name": "ipv6-icmp"})
    if rule.ethertype == "IPv4" and rule.protocol == ICMPV6:
        raise _invalid(
            "SecurityGroupEthertypeConflictWithProtocol",
            f"Invalid ethertype {rule.ethertype} for protocol {rule.protocol_name}.",
        )
    return rule


def _check_ports(rule: SecurityGroupRule) -> None:
    first, last = rule.port_range_min, rule.port_range_max
    if first is None and last is None:
        return
    if rule.protocol is None:
        raise _invalid(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        )
    if rule.protocol in {ICMP, ICMPV6}:
        for field, attribute, value in (
            ("type", "port_range_min", first),
            ("code", "port_range_max", last),
        ):
            if value is not None and value > 255:
                raise _invalid(
                    "SecurityGroupInvalidIcmpValue",
                    f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.",
                )
        if first is None:
            raise _invalid(
                "SecurityGroupMissingIcmpType",
                f"ICMP code (port-range-max) {last} is provided but ICMP type (port-range-min) "
                "is missing.",
            )
        return
    if rule.protocol not in _WITH_PORTS:
        raise _invalid(
            "SecurityGroupInvalidProtocolForPort",
            f"Invalid protocol {rule.protocol_name} for port range, only supported for TCP, UDP "
            "and SCTP.",
        )
    if first is None or last is None or first > last:
        raise _invalid(
            "SecurityGroupInvalidPortRange",
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        )
    if first == 0:
        raise _invalid("SecurityGroupInvalidPortValue", "Invalid value for port 0")


def _update_rule(
    work: Work, old: SecurityGroupRule, given: dict[str, Any], row: dict[str, Any]
) -> Row:
    del given
    return work.replace(old, row)


def _delete_rule(work: Work, rule: SecurityGroupRule) -> None:
    """Nothing hangs on a rule."""


def _normalized(_context: Context, rule: SecurityGroupRule) -> Json:
    return None if rule.remote_ip_prefix is None else str(rule.remote_ip_prefix)


def _of_default(context: Context, rule: SecurityGroupRule) -> Json:
    group = context.store.get(SecurityGroup, rule.security_group_id)
    return group is not None and group.is_default


_FIXED: Final = {"put": False}

SECURITY_GROUP_RULES: Final = Resource(
    name="security_group_rule",
    collection="security-group-rules",
    title="SecurityGroupRule",
    kind=SecurityGroupRule,
    create=_create_rule,
    update=_update_rule,
    delete=_delete_rule,
    attributes=(
        *STANDARD,
        stored("security_group_id", values.UUID, REQUIRED, index="security_group_id", **_FIXED),
        stored("direction", values.choice("ingress", "egress"), REQUIRED, **_FIXED),
        stored("ethertype", _ETHERTYPE, "IPv4", **_FIXED),
        Attribute(
            name="protocol",
            type=_PROTOCOL,
            default=(None, None),
            post=True,
            filter=True,
            sort=True,
            read=lambda _c, rule: rule.protocol_name,
            match=lambda _c, rule, text: rule.protocol == _protocol(text)[0],
        ),
        stored("port_range_min", _NUMBER, None, **_FIXED),
        stored("port_range_max", _NUMBER, None, **_FIXED),
        Attribute(
            name="remote_ip_prefix",
            type=_CIDR,
            default=None,
            post=True,
            filter=True,
            sort=True,
            read=lambda _c, rule: rule.cidr,
            match=lambda _c, rule, text: (rule.cidr or "") == text,
        ),
        shown("normalized_cidr", values.optional(values.NAME), _normalized, filter=True),
        stored(
            "remote_group_id",
            values.optional(values.UUID),
            None,
            index="remote_group_id",
            **_FIXED,
        ),
        stored(
            "remote_address_group_id",
            values.optional(values.UUID),
            None,
            index="remote_address_group_id",
            **_FIXED,
        ),
        shown("belongs_to_default_sg", values.BOOLEAN, _of_default, filter=True),
    ),
)


# ---- address groups


_ADDRESSES: Final = values.sequence(
    values.parsed(_prefix, "IP address or prefix"), most=10_000, unique=False
)


def _sorted(prefixes: set[Prefix]) -> tuple[Prefix, ...]:
    return tuple(sorted(prefixes, key=lambda p: (p.version, p)))


def _create_addresses(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del work, given
    return AddressGroup(**row | {"addresses": _sorted(set(row["addresses"]))})


def _update_addresses(
    work: Work, old: AddressGroup, given: dict[str, Any], row: dict[str, Any]
) -> Row:
    del given
    return work.replace(old, row)


def _delete_addresses(work: Work, group: AddressGroup) -> None:
    if work.tx.first(SecurityGroupRule, "remote_address_group_id", group.id) is not None:
        raise conflict(
            "AddressGroupInUse",
            f"Address group {group.id} is in use on one or more security group rules.",
        )


def _named(body: dict[str, Json]) -> set[Prefix]:
    """The addresses that a request to add or remove names."""
    inner = body.get("addresses")
    if not isinstance(inner, list) or set(body) != {"addresses"}:
        raise ApiError(400, "HTTPBadRequest", "Must specify valid addresses.")
    return set(converted("addresses", _ADDRESSES, inner))


def _listed(prefixes: set[Prefix]) -> str:
    return str([str(prefix) for prefix in _sorted(prefixes)])


def _changed(work: Work, old: AddressGroup, prefixes: set[Prefix]) -> dict[str, Json]:
    new = work.put(old, addresses=_sorted(prefixes))
    addresses = [str(prefix) for prefix in new.addresses]
    return {"address_group": {"id": new.id, "name": new.name, "addresses": addresses}}


def _add_addresses(work: Work, group: AddressGroup, body: dict[str, Json]) -> dict[str, Json]:
    asked, present = _named(body), set(group.addresses)
    if asked & present:
        raise ApiError(
            400,
            "AddressesAlreadyExist",
            f"Addresses {_listed(asked & present)} already exist in the address group {group.id}.",
        )
    return _changed(work, group, present | asked)


def _remove_addresses(work: Work, group: AddressGroup, body: dict[str, Json]) -> dict[str, Json]:
    asked, present = _named(body), set(group.addresses)
    if asked - present:
        raise ApiError(
            404,
            "AddressesNotFound",
            f"Addresses {_listed(asked - present)} not found in the address group {group.id}.",
        )
    return _changed(work, group, present - asked)


ADDRESS_GROUPS: Final = Resource(
    name="address_group",
    collection="address-groups",
    title="AddressGroup",
    kind=AddressGroup,
    create=_create_addresses,
    update=_update_addresses,
    delete=_delete_addresses,
    actions={"add_addresses": _add_addresses, "remove_addresses": _remove_addresses},
    attributes=(
        *STANDARD,
        stored("addresses", _ADDRESSES, (), put=False, filter=False, sort=False),
        shown("shared", values.BOOLEAN, lambda _c, _g: False, filter=True),
    ),
)
