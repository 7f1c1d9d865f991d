"""Rules of security groups, as Neutron has them: what is accepted, and how it is shown.

``TERMS``, ``said`` and ``accepted`` serve the templates of new groups' rules too.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from sdnctl.api import values
from sdnctl.api.authorization import forbidden
from sdnctl.api.errors import ApiError, not_found
from sdnctl.api.schema import REQUIRED, Attribute, Of, Resource, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import (
    ITSELF,
    AddressGroup,
    DefaultRule,
    Row,
    RuleTerms,
    SecurityGroup,
    SecurityGroupRule,
)
from sdnctl.types import Prefix

T = TypeVar("T", bound=RuleTerms)

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

_OF_IPV6: Final = {number for name, number in PROTOCOLS.items() if name.startswith("ipv6-")}
"""Extension headers of IPv6 and what else is carried by it alone, as Neutron has it."""


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
    prefix = values.address_or_prefix(value)
    return prefix, value if "/" in value else str(prefix)


_CIDR: Final = values.Type(_cidr, values.optional(values.ADDRESS_OR_PREFIX).schema)


def _invalid(kind: str, message: str) -> ApiError:
    return ApiError(400, kind, message)


_PORT: Final = values.integer(0, 65535)


def _port(value: Json) -> int:
    try:
        number: int = _PORT.convert(value)
    except ValueError:
        raise _invalid(
            "SecurityGroupInvalidPortValue", f"Invalid value for port {str(value)[:40]}"
        ) from None
    return number


_NUMBER: Final = values.optional(values.Type(_port, _PORT.schema))


def said(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row that follow from what is said in two ways."""
    number, name = given["protocol"]
    prefix, cidr = given["remote_ip_prefix"] or (None, None)
    return {
        "protocol": number,
        "protocol_name": name,
        "remote_ip_prefix": prefix,
        "cidr": cidr,
    }


def accepted(work: Work, rule: T) -> T:
    """The rule, in which everything fits together; ApiError if it does not."""
    _check_remote(work, rule)
    rule = _of_version(work, rule)
    _check_ports(rule)
    return rule


def _create_rule(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    rule = SecurityGroupRule(**row | said(given))
    group = work.visible(SecurityGroup, rule.security_group_id)
    if group is None:
        raise not_found("SecurityGroup", rule.security_group_id)
    if not work.caller.is_admin and group.project_id != work.caller.project_id:
        # Whom a group is shared with uses it as it is.
        raise forbidden("create", "security_group_rule")
    # Whoever adds it: the group's owner sees it and takes it away.
    rule = work.replace(accepted(work, rule), {"project_id": group.project_id})
    work.touch(group)
    return rule


def _check_remote(work: Work, rule: RuleTerms) -> None:
    remotes = (rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise _invalid(
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be "
            "provided.",
        )
    group = rule.remote_group_id
    itself = isinstance(rule, DefaultRule) and group == ITSELF
    if group and not itself and work.visible(SecurityGroup, group) is None:
        raise not_found("SecurityGroup", group)
    address_group = rule.remote_address_group_id
    if address_group and work.visible(AddressGroup, address_group) is None:
        raise not_found("AddressGroup", address_group)
    prefix = rule.remote_ip_prefix
    if prefix is not None and f"IPv{prefix.version}" != rule.ethertype:
        raise _invalid(
            "SecurityGroupRuleParameterConflict",
            f"Conflicting value ethertype {rule.ethertype} for CIDR {rule.cidr}",
        )


def _of_version(work: Work, rule: T) -> T:
    """ICMP is ICMPv6 in IPv6; what is IPv6's is a mistake in IPv4."""
    if rule.ethertype == "IPv6" and rule.protocol == ICMP:
        return work.replace(rule, {"protocol": ICMPV6, "protocol_name": "ipv6-icmp"})
    if rule.ethertype == "IPv4" and rule.protocol in _OF_IPV6:
        raise _invalid(
            "SecurityGroupEthertypeConflictWithProtocol",
            f"Invalid ethertype {rule.ethertype} for protocol {rule.protocol_name}.",
        )
    return rule


def _check_ports(rule: RuleTerms) -> None:
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
    group = work.tx.get(SecurityGroup, rule.security_group_id)
    if group is not None:
        work.touch(group)


def _normalized(_context: Context, rule: SecurityGroupRule) -> Json:
    return None if rule.remote_ip_prefix is None else str(rule.remote_ip_prefix)


def _of_default(context: Context, rule: SecurityGroupRule) -> Json:
    group = context.store.get(SecurityGroup, rule.security_group_id)
    return group is not None and group.is_default


_FIXED: Final = {"put": False}

TERMS: Final[tuple[Attribute, ...]] = (
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
        of=(),
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
        of=(),
        match=lambda _c, rule, text: (rule.cidr or "") == text,
    ),
    stored(
        "remote_group_id",
        values.optional(values.NAME),  # what is no id is not found, as in Neutron
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
)
"""What a rule says that it allows, whatever has the rule."""

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
        *TERMS,
        shown("normalized_cidr", values.optional(values.NAME), _normalized, filter=True, of=()),
        shown(
            "belongs_to_default_sg",
            values.BOOLEAN,
            _of_default,
            filter=True,
            of=(Of(SecurityGroup, "security_group_id"),),
        ),
    ),
)
