"""Security groups, their rules, those of new groups, and the address groups that rules name.

Knows nothing of the ports that have them.
"""

from __future__ import annotations

from typing import Final

from sdnctl.intent.projects import Shareable
from sdnctl.intent.row import Row
from sdnctl.types import Prefix

DEFAULT_GROUP: Final = "default"
"""The name of a project's default security group, which no other has."""


class SecurityGroup(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """A set of rules that ports share; what no rule of a port's groups allows is dropped.

    ``stateful`` lets the answers to what is allowed pass without a rule.
    """

    stateful: bool = True

    @property
    def is_default(self) -> bool:
        """Whether it is its project's default group."""
        return self.name == DEFAULT_GROUP


class RuleTerms(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What is allowed.

    ``direction`` is ``ingress`` (to the port) or ``egress``. ``protocol`` is IANA's number, None
    for any, and ``protocol_name`` how it was said. ``port_range_min`` and ``port_range_max`` are
    the destination ports; type and code of ICMP. At most one of the three remotes is given.
    ``cidr`` is ``remote_ip_prefix`` as it was said.
    """

    direction: str
    ethertype: str = "IPv4"
    protocol: int | None = None
    protocol_name: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: Prefix | None = None
    cidr: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None

    @property
    def remote_id(self) -> str | None:
        """The set of addresses that it refers to, if any."""
        return self.remote_group_id or self.remote_address_group_id


class SecurityGroupRule(RuleTerms, frozen=True, kw_only=True, omit_defaults=True):
    """What a security group allows."""

    security_group_id: str


ITSELF: Final = "PARENT"
"""The remote group of a rule for new groups that is to be the new group."""


class DefaultRule(RuleTerms, frozen=True, kw_only=True, omit_defaults=True):
    """A rule that new security groups have from the start.

    Those are projects' default groups (``used_in_default_sg``), or all others. Its remote group may
    be ``ITSELF``.
    """

    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True


class AddressGroup(Shareable, frozen=True, kw_only=True, omit_defaults=True):
    """Prefixes that rules refer to together."""

    addresses: tuple[Prefix, ...] = ()
