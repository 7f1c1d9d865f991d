"""What a guest is told, as attributes: ``extra_dhcp_opts``, and names in the DNS.

Neutron's extensions extra_dhcp_opt and dns-integration: lists of options are merged on update, and
a value of null takes an option away. Unlike there, an option that could not be sent is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from sdnctl.api import values
from sdnctl.api.schema import Attribute, Of, shown, stored
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context
from sdnctl.graph.dhcp_options import encode
from sdnctl.graph.guests import name_by_address
from sdnctl.intent import DEFAULT_DNS_DOMAIN, ExtraDhcpOption, Network, Port

_MAY_BE_BLANK: Final = {"router", "classless-static-route"}
"""Options that may be told to be left out, by an empty value."""

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
"""RFC 1123 section 2.1."""


class OptionWish(NamedTuple):
    """An entry of ``extra_dhcp_opts`` as given; the value None takes the option away."""

    name: str
    value: str | None
    ip_version: int


def _wish(fields: dict[str, Any]) -> OptionWish:
    name: str = fields["opt_name"].strip()
    value: str | None = fields["opt_value"]
    version: int = fields.get("ip_version", 4)
    if not name:
        raise ValueError("an opt_name must not be empty")
    if value is not None:
        if not value.strip() and name not in _MAY_BE_BLANK:
            raise ValueError(f"the opt_value of '{name}' must not be empty")
        encode(name, value.strip(), version)
    return OptionWish(name, value, version)


_OPTIONS: Final = values.sequence(
    values.record(
        _wish,
        {
            "opt_name": values.string(64),
            "opt_value": values.optional(values.string(255)),
            "ip_version": values.choice(4, 6),
            "id": values.optional(values.UUID),
        },
        need=2,
    ),
    most=100,
)


def merged(
    old: tuple[ExtraDhcpOption, ...], wishes: tuple[OptionWish, ...]
) -> tuple[ExtraDhcpOption, ...]:
    """The options once the wishes are granted: by name and version, the last word counts."""
    found = {(option.name, option.ip_version): option for option in old}
    for name, value, version in wishes:
        if value is None:
            found.pop((name, version), None)
        else:
            found[name, version] = ExtraDhcpOption(name, value.strip(), version)
    return tuple(found.values())


def _show_options(_context: Context, port: Port) -> Json:
    return [
        {"opt_name": o.name, "opt_value": o.value, "ip_version": o.ip_version}
        for o in port.extra_dhcp_options
    ]


def _domain_name(value: Json) -> str:
    name = values.NAME.convert("" if value is None else value).lower()
    if name and not (name.endswith(".") and _NAME.fullmatch(name[:-1])):
        raise ValueError(f"'{value}' is not a fully qualified domain name, which ends in a dot")
    return name  # type: ignore[no-any-return]


def _host_name(value: Json) -> str:
    name = values.NAME.convert("" if value is None else value).lower()
    if name and not _NAME.fullmatch(name):
        raise ValueError(f"'{value}' is not a host name")
    return name  # type: ignore[no-any-return]


def _assignment(context: Context, port: Port) -> Json:
    network = context.store.get(Network, port.network_id)
    domain = (network.dns_domain if network else "") or DEFAULT_DNS_DOMAIN
    found = []
    for fixed in port.fixed_ips:
        name = port.dns_name or name_by_address(fixed.ip)
        found.append({"ip_address": str(fixed.ip), "hostname": name, "fqdn": f"{name}.{domain}"})
    return found


_STRING: Final = values.NAME.schema

DOMAIN_NAME: Final = Type(_domain_name, _STRING)
HOST_NAME: Final = Type(_host_name, _STRING)

DNS_DOMAIN: Final = stored("dns_domain", DOMAIN_NAME, "")
"""Of networks."""

PORT_ATTRIBUTES: Final = (
    Attribute(
        name="extra_dhcp_opts",
        type=_OPTIONS,
        default=(),
        post=True,
        put=True,
        read=_show_options,
        of=(),
    ),
    stored("dns_name", HOST_NAME, ""),
    shown(
        "dns_assignment",
        values.sequence(values.OBJECT),
        _assignment,
        of=(Of(Network, "network_id"),),
    ),
)
