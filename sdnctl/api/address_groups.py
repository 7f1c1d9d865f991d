"""Address groups: prefixes that rules of security groups refer to together, as Neutron has them."""

from __future__ import annotations

from typing import Any, Final

from sdnctl.api import rbac, values
from sdnctl.api.errors import ApiError, conflict
from sdnctl.api.schema import Resource, converted, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json
from sdnctl.api.work import Work
from sdnctl.intent import AddressGroup, DefaultRule, Row, RuleTerms, SecurityGroupRule
from sdnctl.types import Prefix

_ADDRESSES: Final = values.sequence(values.PREFIX, most=10_000, unique=False)
_NAMED: Final = values.sequence(values.ADDRESS_OR_PREFIX, most=10_000, unique=False)
"""As in Neutron, what comes and goes later may be an address without a length."""


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
    kinds: tuple[type[RuleTerms], ...] = (SecurityGroupRule, DefaultRule)
    if any(work.tx.first(kind, "remote_address_group_id", group.id) for kind in kinds):
        raise conflict(
            "AddressGroupInUse",
            f"Address group {group.id} is in use on one or more security group rules.",
        )
    rbac.forget(work, group)


def _named(body: dict[str, Json]) -> set[Prefix]:
    """The addresses that a request to add or remove names."""
    inner = body.get("addresses")
    if not isinstance(inner, list) or set(body) != {"addresses"}:
        raise ApiError(400, "HTTPBadRequest", "Must specify valid addresses.")
    return set(converted("addresses", _NAMED, inner))


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
    bodies={
        "add_addresses": {"addresses": _NAMED.schema},
        "remove_addresses": {"addresses": _NAMED.schema},
    },
    attributes=(
        *STANDARD,
        stored("addresses", _ADDRESSES, (), put=False, filter=False, sort=False),
        stored("shared", values.BOOLEAN, post=False, put=False, sort=False),
    ),
)
