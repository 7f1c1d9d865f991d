"""Subnet pools, which subnets get their prefixes from, and the address scopes that they are in.

Promise: prefixes from one pool never overlap, nor do pools of one address scope; what a pool
lent comes back when its subnet is deleted, and nothing that is lent leaves the pool. Allocation
looks at the subnets of the pool.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sdnctl.api import prefixes, rbac, values
from sdnctl.api.errors import ApiError, bad_request, conflict, invalid_input, not_found
from sdnctl.api.schema import REQUIRED, UNSET, Resource, converted, shown, stored
from sdnctl.api.standard import STANDARD
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Work
from sdnctl.intent import AddressScope, Network, Row, Subnet, SubnetPool
from sdnctl.types import Prefix

_LEAST: Final = {4: 8, 6: 64}
"""The shortest prefix that is lent unless the pool says otherwise, by IP version."""
_MOST: Final = {4: 32, 6: 128}
_PREFIXES: Final = values.sequence(values.PREFIX, most=256)
_COUNT: Final = values.integer(0, (1 << 31) - 1)
_LENGTH: Final = Type(_COUNT.convert, {"type": ["string", "integer"]}, str)
"""Shown as a string, as Neutron does."""


def _refused(kind: str, message: str) -> ApiError:
    return ApiError(400, kind, message)


# ---- pools -------------------------------------------------------------------------------------


def _bounds(row: dict[str, Any], version: int) -> None:
    """Fill in the lengths that were not given, and refuse those that do not fit."""
    least = row.setdefault("min_prefixlen", _LEAST[version])
    most = row.setdefault("max_prefixlen", _MOST[version])
    default = row.setdefault("default_prefixlen", least)
    if most > _MOST[version]:
        raise _refused(
            "UnsupportedMinSubnetPoolPrefix",
            f"Prefix '{most}' not supported in IPv{version} pool.",
        )
    for name, length, base, bound, wrong in (
        ("min_prefixlen", least, "max_prefixlen", most, least > most),
        ("default_prefixlen", default, "min_prefixlen", least, default < least),
        ("default_prefixlen", default, "max_prefixlen", most, default > most),
    ):
        if wrong:
            raise _refused(
                "IllegalSubnetPoolPrefixBounds",
                f"Illegal prefix bounds: {name}={length}, {base}={bound}.",
            )


def _check_prefixes(given: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    if not given:
        raise _refused("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
    if len({prefix.version for prefix in given}) > 1:
        raise _refused(
            "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool."
        )
    return prefixes.compacted(given)


def _check_default(work: Work, pool: SubnetPool) -> None:
    if pool.is_default and any(
        other.id != pool.id for other in work.tx.find(SubnetPool, "default", pool.version)
    ):
        raise invalid_input(
            "A default subnetpool for this IP family has already been set. Only one default may "
            "exist per IP family"
        )


def _check_scope(work: Work, pool: SubnetPool) -> None:
    """The address scope of a pool, if it is in one."""
    if pool.address_scope_id is None:
        return
    scope = work.visible(AddressScope, pool.address_scope_id)
    if scope is None:
        raise not_found("AddressScope", pool.address_scope_id)
    if pool.shared and not scope.shared:
        raise _refused(
            "IllegalSubnetPoolUpdate",
            "Illegal subnetpool update : Shared subnet pool cannot be associated with an "
            "unshared address scope.",
        )
    if scope.ip_version != pool.version:
        raise _refused(
            "IllegalSubnetPoolIpVersionAssociationToAddressScope",
            f"Illegal subnetpool association: subnetpool {pool.id} cannot associate with address "
            f"scope {scope.id} because subnetpool ip_version is not {scope.ip_version}.",
        )
    for other in work.tx.find(SubnetPool, "address_scope_id", scope.id):
        if other.id != pool.id and prefixes.intersect(other.prefixes, pool.prefixes):
            raise conflict(
                "AddressScopePrefixConflict",
                "Failed to associate address scope: subnetpools within an address scope must "
                "have unique prefixes.",
            )


def _check_owned(work: Work, pool: SubnetPool) -> None:
    """A pool in another project's address scope is changed by administrators alone."""
    if pool.address_scope_id is None or work.caller.is_admin:
        return
    scope = work.tx.get(AddressScope, pool.address_scope_id)
    if scope is not None and scope.project_id != work.caller.project_id:
        raise _refused(
            "IllegalSubnetPoolUpdate",
            f"Illegal subnetpool update : subnetpool {pool.id} cannot be updated when associated "
            f"with shared address scope {scope.id}.",
        )


def _check_affinity(work: Work, pool: SubnetPool) -> None:
    """Subnets that move to another address scope leave none behind on their networks."""
    for subnet in work.tx.find(Subnet, "subnetpool_id", pool.id):
        for other in work.tx.find(Subnet, "network_id", subnet.network_id):
            if other.prefix.version == pool.version and other.subnetpool_id != pool.id:
                raise _scope_affinity()


def _create_pool(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    row["prefixes"] = _check_prefixes(row["prefixes"])
    _bounds(row, row["prefixes"][0].version)
    pool = SubnetPool(**row)
    _check_default(work, pool)
    _check_scope(work, pool)
    rbac.follow(work, None, pool)
    return pool


def _update_pool(work: Work, old: SubnetPool, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    _check_owned(work, old)
    if "prefixes" in row:
        row["prefixes"] = _check_prefixes(row["prefixes"])
        if row["prefixes"][0].version != old.version or not prefixes.contains(
            row["prefixes"], old.prefixes
        ):
            raise _refused(
                "IllegalSubnetPoolPrefixUpdate",
                "Illegal update to prefixes: Existing prefixes must be a subset of the new "
                "prefixes.",
            )
    new = work.replace(old, row)
    _bounds(msgspec.structs.asdict(new), new.version)
    _check_default(work, new)
    _check_scope(work, new)
    if new.address_scope_id != old.address_scope_id:
        _check_affinity(work, new)
    return new


def _delete_pool(work: Work, pool: SubnetPool) -> None:
    if work.tx.first(Subnet, "subnetpool_id", pool.id) is not None:
        raise _refused(
            "SubnetPoolDeleteError",
            "Unable to delete subnet pool: Subnet pool has existing allocations.",
        )
    rbac.forget(work, pool)


def _asked(body: dict[str, Json]) -> tuple[Prefix, ...]:
    if set(body) != {"prefixes"}:
        raise bad_request("Unable to find 'prefixes' in request body")
    return _check_prefixes(converted("prefixes", _PREFIXES, body["prefixes"]))


def _add_prefixes(work: Work, pool: SubnetPool, body: dict[str, Json]) -> dict[str, Json]:
    _check_owned(work, pool)
    new = work.replace(pool, {"prefixes": _check_prefixes((*pool.prefixes, *_asked(body)))})
    _check_scope(work, new)
    work.put_changed(pool, new)
    return {"prefixes": _PREFIXES.show(new.prefixes)}


def _remove_prefixes(work: Work, pool: SubnetPool, body: dict[str, Json]) -> dict[str, Json]:
    removed = _asked(body)
    _check_owned(work, pool)
    lent = [subnet.prefix for subnet in work.tx.find(Subnet, "subnetpool_id", pool.id)]
    if prefixes.intersect(lent, removed):
        raise _refused(
            "IllegalSubnetPoolPrefixUpdate",
            "Illegal update to prefixes: One or more the prefixes to be removed is in use by a "
            "subnet.",
        )
    kept = prefixes.without(pool.prefixes, removed)
    new = work.put(pool, prefixes=_check_prefixes(kept))
    return {"prefixes": _PREFIXES.show(new.prefixes)}


SUBNETPOOLS: Final = Resource(
    name="subnetpool",
    collection="subnetpools",
    title="SubnetPool",
    kind=SubnetPool,
    create=_create_pool,
    update=_update_pool,
    delete=_delete_pool,
    actions={"add_prefixes": _add_prefixes, "remove_prefixes": _remove_prefixes},
    bodies={
        "add_prefixes": {"prefixes": _PREFIXES.schema},
        "remove_prefixes": {"prefixes": _PREFIXES.schema},
    },
    attributes=(
        *(attribute for attribute in STANDARD if attribute.name != "name"),
        stored("name", values.NONEMPTY, REQUIRED, index="name"),
        stored("prefixes", _PREFIXES, REQUIRED, filter=False, sort=False),
        stored("default_quota", values.optional(_COUNT), None),
        shown("ip_version", values.choice(4, 6), lambda _c, p: p.version, filter=True, sort=True),
        stored("default_prefixlen", _LENGTH, UNSET),
        stored("min_prefixlen", _LENGTH, UNSET),
        stored("max_prefixlen", _LENGTH, UNSET),
        stored("is_default", values.BOOLEAN, False),
        stored("shared", values.BOOLEAN, False, put=False),
        stored("address_scope_id", values.optional(values.UUID), None, index="address_scope_id"),
    ),
)


# ---- what a subnet gets of a pool --------------------------------------------------------------


def bad_subnet(reason: str) -> ApiError:
    """The request for a subnet contradicts itself or what there is."""
    return _refused("BadRequest", f"Bad subnets request: {reason}.")


def pool_of(work: Work, given: dict[str, Any]) -> SubnetPool | None:
    """The pool that a new subnet's prefix comes from, if it names one or asks for the default."""
    id_, version = given.get("subnetpool_id"), given["ip_version"]
    if given["use_default_subnetpool"]:
        if id_ is not None:
            raise bad_subnet("subnetpool_id and use_default_subnetpool cannot both be specified")
        default = work.tx.first(SubnetPool, "default", version)
        if default is None:
            raise bad_subnet(f"No default subnetpool found for IPv{version}")
        return default
    if id_ is None:
        return None
    pool = work.visible(SubnetPool, id_)
    if pool is None:
        raise not_found("SubnetPool", id_)
    if pool.version != version:
        raise bad_subnet(f"Cannot allocate IPv{version} subnet from IPv{pool.version} subnet pool")
    return pool


def lend(work: Work, pool: SubnetPool, given: dict[str, Any], project_id: str) -> Prefix:
    """The prefix for a new subnet: the one that it names, or a free one of its length."""
    asked: Prefix | None = given.get("cidr")
    if asked is None and given.get("allocation_pools"):
        raise bad_subnet("allocation_pools allowed only for specific subnet requests")
    length: int = asked.length if asked else given.get("prefixlen", pool.default_prefixlen)
    for name, wrong, bound in (
        ("Max", length > pool.max_prefixlen, pool.max_prefixlen),
        ("Min", length < pool.min_prefixlen, pool.min_prefixlen),
    ):
        if wrong:
            word = {"Max": "maximum", "Min": "minimum"}[name]
            raise _refused(
                f"{name}PrefixSubnetAllocationError",
                f"Unable to allocate subnet with prefix length {length}, {word} allowed prefix "
                f"is {bound}.",
            )
    lent = work.tx.find(Subnet, "subnetpool_id", pool.id)
    if pool.default_quota:
        # In /32 and /64, as Neutron counts.
        unit = 32 if pool.version == 4 else 64
        mine = [s.prefix.length for s in lent if s.project_id == project_id]
        if sum(2.0 ** (unit - used) for used in (*mine, length)) > pool.default_quota:
            raise conflict(
                "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded."
            )
    free = prefixes.without(pool.prefixes, [subnet.prefix for subnet in lent])
    if asked is not None:
        if not any(asked.ip in prefix and prefix.length <= length for prefix in free):
            raise _no_room("Cannot allocate requested subnet from the available set of prefixes")
        return asked
    found = prefixes.fit(free, length)
    if found is None:
        raise _no_room(f"Insufficient prefix space to allocate subnet size /{length}")
    return found


def check_pool_of_network(
    work: Work, network: Network, version: int, pool: SubnetPool | None
) -> None:
    """Subnets of a network and IP version are of one address scope, or else of one pool."""
    for subnet in work.tx.find(Subnet, "network_id", network.id):
        if subnet.prefix.version != version:
            continue
        other = work.tx.get(SubnetPool, subnet.subnetpool_id) if subnet.subnetpool_id else None
        scope = other.address_scope_id if other is not None else None
        if scope is not None:
            if pool is None or pool.address_scope_id != scope:
                raise _scope_affinity()
        elif pool is not None and pool.id != subnet.subnetpool_id:
            raise _refused(
                "NetworkSubnetPoolAffinityError",
                "Subnets hosted on the same network must be allocated from the same subnet pool.",
            )


def _no_room(reason: str) -> ApiError:
    return conflict("SubnetAllocationError", f"Failed to allocate subnet: {reason}.")


def _scope_affinity() -> ApiError:
    return _refused(
        "NetworkAddressScopeAffinityError",
        "Subnets of the same address family hosted on the same network must all be allocated "
        "from the same address scope.",
    )


# ---- address scopes ----------------------------------------------------------------------------


def _create_scope(work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    scope = AddressScope(**row)
    rbac.follow(work, None, scope)
    return scope


def _update_scope(work: Work, old: AddressScope, given: dict[str, Any], row: dict[str, Any]) -> Row:
    del given
    if old.shared and not row.get("shared", True):
        raise _refused(
            "AddressScopeUpdateError",
            f"Unable to update address scope {old.id} : Shared address scope can't be unshared",
        )
    new = work.replace(old, row)
    rbac.follow(work, old, new)
    return new


def _delete_scope(work: Work, scope: AddressScope) -> None:
    if work.tx.first(SubnetPool, "address_scope_id", scope.id) is not None:
        raise conflict(
            "AddressScopeInUse",
            f"Unable to complete operation on address scope {scope.id}. There are one or more "
            "subnet pools in use on the address scope.",
        )
    rbac.forget(work, scope)


ADDRESS_SCOPES: Final = Resource(
    name="address_scope",
    collection="address-scopes",
    title="AddressScope",
    kind=AddressScope,
    create=_create_scope,
    update=_update_scope,
    delete=_delete_scope,
    attributes=(
        *(a for a in STANDARD if a.name in {"id", "name", "project_id", "tenant_id"}),
        stored("shared", values.BOOLEAN, False),
        stored("ip_version", values.choice(4, 6), REQUIRED, put=False),
    ),
)
