"""Whether a caller may: the checks that follow from the table of the policy.

Promise: another project's row does not exist for a caller (404); a row that may be seen and not
changed is refused (403). Whatever can be computed before a request comes is: an administrator's
request costs one comparison, a tenant's a few. Knows nothing of how a caller was found out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from sdnctl.api.caller import Identity, Rank, Who
from sdnctl.api.errors import ApiError, bad_request, not_found
from sdnctl.api.policy import POLICY, Rules
from sdnctl.intent import EVERYBODY, KIND_OF, Network, Row, Shareable

if TYPE_CHECKING:
    from sdnctl.api.schema import Read, Resource
    from sdnctl.store import Store

R = TypeVar("R", bound=Row)

# Plain numbers: to combine flags as such takes ten times as long.
_SHARED: Final = int(Who.SHARED)
_EXTERNAL: Final = int(Who.EXTERNAL)
_OPEN: Final = _SHARED | _EXTERNAL
_BY_NETWORK: Final = int(Who.NETWORK_READER | Who.NETWORK_MEMBER | Who.NETWORK_MANAGER) | _OPEN

Get = Callable[[type[Network], str], Network | None]
"""How a row's network is found: in a transaction, or in what is committed."""


def forbidden(verb: str, name: str, *attributes: str) -> ApiError:
    """The caller may see the row and not do that with it."""
    rule = f"rule:{verb}_{name}"
    if attributes:
        rule = f"({' and '.join((rule, *(f'{rule}:{a}' for a in attributes)))})"
    return ApiError(403, "PolicyNotAuthorized", f"{rule} is disallowed by policy")


def sees(caller: Identity, row: Row, get: Get) -> bool:
    """Whether the row exists for the caller."""
    if caller.sees_all:
        return True
    rules = POLICY.get(KIND_OF[type(row)])
    return rules is not None and _may(int(rules.see), caller, row, get)


def _may(rule: int, caller: Identity, row: Row, get: Get) -> bool:
    if rule & caller.anywhere or (row.project_id == caller.project_id and rule & caller.own):
        return True
    if not rule & _BY_NETWORK:
        return False
    return bool(rule & _by_sharing(caller, _shared_with(row, get)))


def _shared_with(row: Row, get: Get) -> Shareable | None:
    """What a row is seen through by others than its owner: itself, or its network."""
    if isinstance(row, Shareable):
        return row
    id_: str | None = getattr(row, "network_id", None)
    return None if id_ is None else get(Network, id_)


def _by_sharing(caller: Identity, thing: Shareable | None) -> int:
    if thing is None:
        return 0
    found = caller.on_network if thing.project_id == caller.project_id else 0
    if thing.shared or caller.project_id in thing.shared_with:
        found |= _SHARED
    if isinstance(thing, Network) and not {EVERYBODY, caller.project_id}.isdisjoint(
        thing.external_to
    ):
        found |= _EXTERNAL
    return found


def as_seen(caller: Identity, row: R) -> R:
    """What is shared with the caller's project is shared, to whom it is shared with."""
    if isinstance(row, Shareable) and caller.project_id in row.shared_with and not row.shared:
        return msgspec.structs.replace(row, shared=True)
    return row


def may_update(caller: Identity, row: Row, get: Get) -> bool:
    """Whether the caller may change the row, whatever in it."""
    rules = POLICY.get(KIND_OF[type(row)], Rules())
    return caller.is_admin or _may(int(rules.update), caller, row, get)


@dataclasses.dataclass(frozen=True, slots=True)
class _Limit:
    """One attribute's rule for a verb."""

    rule: int
    attribute: str
    label: str
    when: Callable[[Any], bool] | None
    default: Any


class Policy:
    """The rules of one resource, made ready. A kind without rules is the administrators'."""

    def __init__(self, resource: Resource) -> None:
        rules = POLICY.get(KIND_OF[resource.kind], Rules())
        self.name = resource.name
        self._rules: dict[str, int] = {
            verb: int(getattr(rules, verb)) for verb in ("see", "create", "update", "delete")
        }
        self._limits = {verb: _limits(resource, rules, verb) for verb in ("create", "update")}
        self._readers: dict[Rank, dict[str, Read]] = {
            Rank.ALL: resource.readers,
            Rank.SERVICE: _shown(resource, rules, Who.SERVICE),
            Rank.PROJECT: _shown(resource, rules, Who.READER | Who.MEMBER),
        }

    def readers(self, caller: Identity) -> Mapping[str, Read]:
        """The attributes that the caller may be shown."""
        return self._readers[caller.rank]

    def sees(self, caller: Identity, row: Row, get: Get) -> bool:
        """Whether the row exists for the caller."""
        return caller.sees_all or _may(self._rules["see"], caller, row, get)

    def check_project(self, caller: Identity, given: Mapping[str, Any]) -> None:
        """Only administrators and services create what is another project's."""
        if caller.is_admin or caller.anywhere & Who.SERVICE or "project_id" not in given:
            return
        if given["project_id"] != caller.project_id:
            raise bad_request(
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in "
                "request requires admin privileges"
            )

    def check_create(
        self, caller: Identity, project_id: str, given: Mapping[str, Any], get: Get
    ) -> None:
        """Refuse what the caller may not create for that project."""
        if caller.is_admin:
            return
        grants = caller.anywhere | (caller.own if project_id == caller.project_id else 0)
        if self._rules["create"] & _BY_NETWORK:
            id_ = given["network_id"]
            network = get(Network, id_)
            if network is None or not sees(caller, network, get):
                raise not_found("Network", id_)
            grants |= _by_sharing(caller, network)
        self._check("create", grants, given)

    def check_update(self, caller: Identity, row: Row, given: Mapping[str, Any], get: Get) -> None:
        """Refuse what the caller may not change of a row that it sees."""
        if caller.is_admin:
            return
        grants = caller.anywhere | (caller.own if row.project_id == caller.project_id else 0)
        self._check("update", grants | _by_sharing(caller, _shared_with(row, get)), given)

    def check(self, verb: str, caller: Identity, row: Row, get: Get) -> None:
        """Refuse ``update`` or ``delete`` of a row that the caller sees."""
        if not (caller.is_admin or _may(self._rules[verb], caller, row, get)):
            raise forbidden(verb, self.name)

    def _check(self, verb: str, grants: int, given: Mapping[str, Any]) -> None:
        if not self._rules[verb] & grants:
            raise forbidden(verb, self.name)
        refused = [
            limit.label
            for limit in self._limits[verb]
            if limit.attribute in given
            and not limit.rule & grants
            and (value := given[limit.attribute]) != limit.default
            and (limit.when is None or limit.when(value))
        ]
        if refused:
            raise forbidden(verb, self.name, *refused)

    def narrower(self, caller: Identity, store: Store, kind: type[Row], count: int) -> bool:
        """Whether ``scope`` looks at fewer rows than the ``count`` that a filter leaves."""
        if caller.sees_all or self._rules["see"] & caller.anywhere:
            return False
        return store.count(kind, "project_id", caller.project_id) + _FEW < count

    def scope_count(self, caller: Identity, store: Store, kind: type[Row]) -> int:
        """About how many rows ``scope`` looks at."""
        if caller.sees_all or self._rules["see"] & caller.anywhere:
            return len(store.rows(kind))
        return store.count(kind, "project_id", caller.project_id)

    def scope(self, caller: Identity, store: Store, kind: type[R]) -> list[R]:
        """The rows that exist for the caller, without a look at the others."""
        see = self._rules["see"]
        if caller.sees_all or see & caller.anywhere:
            return list(store.rows(kind))
        rows = store.find(kind, "project_id", caller.project_id) if see & caller.own else []
        if not see & _BY_NETWORK:
            return rows
        found = {row.id: row for row in rows}
        through: type[Any] = kind if issubclass(kind, Shareable) else Network
        for thing in self._shareables(caller, store, through):
            more = [thing] if through is kind else store.find(kind, "network_id", thing.id)
            found.update((row.id, row) for row in more)
        return list(found.values())

    def _shareables(self, caller: Identity, store: Store, kind: type[Any]) -> list[Any]:
        """Those that the caller sees, or sees something through."""
        see, project_id = self._rules["see"], caller.project_id
        things = store.find(kind, "open", True) if see & _OPEN else []
        if see & _OPEN and project_id:
            things += store.find(kind, "granted", project_id)
        if see & caller.on_network:
            things += store.find(kind, "project_id", project_id)
        return [thing for thing in things if see & _by_sharing(caller, thing)]


_FEW: Final = 64
"""Rows that are looked at sooner than it is worked out which are the caller's."""


def _limits(resource: Resource, rules: Rules, verb: str) -> tuple[_Limit, ...]:
    found = []
    for attribute in resource.attributes:
        for said in rules.attributes:
            rule = said.create if verb == "create" else said.update
            if rule is None or not fnmatchcase(attribute.name, said.name):
                continue
            found.append(
                _Limit(
                    rule=int(rule),
                    attribute=attribute.name,
                    label=f"{attribute.name}:{said.part}" if said.part else attribute.name,
                    when=said.when,
                    # As in Neutron, who creates may name a default.
                    default=attribute.default if verb == "create" else _limits,
                )
            )
    return tuple(found)


def _shown(resource: Resource, rules: Rules, whom: Who) -> dict[str, Read]:
    """What ``whom`` may be shown; an attribute that is not spoken of is as its row."""
    hidden = [a.name for a in rules.attributes if a.see is not None and not a.see & whom]
    return {
        name: read
        for name, read in resource.readers.items()
        if not any(fnmatchcase(name, pattern) for pattern in hidden)
    }
