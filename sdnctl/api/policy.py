"""Who may see and do what: one table, and the checks that follow from it.

Promise: the table says it all, in the words of ``Who``; it is Neutron's default policy
(neutron/conf/policies, networking_bgpvpn/policies), and what it does not name is for
administrators alone. Another project's row does not exist for a caller (404); a row that may be
seen and not changed is refused (403). Whatever can be computed before a request comes is: an
administrator's request costs one comparison, a tenant's a few.

Beside Neutron: an administrator may set ``binding:profile`` too; a reader of the whole system
may look at everything; ``sdn:*``, which could join one tenant's network to another's, is the
administrator's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sdnctl.api.caller import Identity, Rank, Who
from sdnctl.api.errors import ApiError, bad_request, not_found
from sdnctl.intent import EVERYBODY, KIND_OF, Network, Row, Shareable

if TYPE_CHECKING:
    from sdnctl.api.schema import Read, Resource
    from sdnctl.store import Store

R = TypeVar("R", bound=Row)

ADMIN: Final = Who.ADMIN
READER: Final = Who.READER
MEMBER: Final = Who.MEMBER
MANAGER: Final = Who.MANAGER
NETWORK_READER: Final = Who.NETWORK_READER
NETWORK_MEMBER: Final = Who.NETWORK_MEMBER
NETWORK_MANAGER: Final = Who.NETWORK_MANAGER
SHARED: Final = Who.SHARED
EXTERNAL: Final = Who.EXTERNAL
SERVICE: Final = Who.SERVICE
ANYBODY: Final = Who.ANYBODY


@dataclasses.dataclass(frozen=True, slots=True)
class Attr:
    """Who may see and set attributes beyond who may the row; None is just those.

    ``name`` may be a pattern. With ``when`` a rule holds for such values only, and ``part`` is
    what they are called in the refusal.
    """

    name: str
    _: dataclasses.KW_ONLY
    see: Who | None = None
    create: Who | None = None
    update: Who | None = None
    part: str = ""
    when: Callable[[Any], bool] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Who may see, create, update (with its tags and actions) and delete rows of a kind."""

    see: Who = ADMIN
    create: Who = ADMIN
    update: Who = ADMIN
    delete: Who = ADMIN
    attributes: tuple[Attr, ...] = ()


def _hidden(name: str) -> Attr:
    return Attr(name, see=ADMIN, create=ADMIN, update=ADMIN)


def _settable(name: str) -> Attr:
    return Attr(name, create=ADMIN, update=ADMIN)


def _is_network_device(owner: str) -> bool:
    return owner.startswith("network:")


def _names_address(wishes: Iterable[Any]) -> bool:
    return any(wish.ip_address is not None for wish in wishes)


def _names_subnet(wishes: Iterable[Any]) -> bool:
    return any(wish.subnet_id is not None for wish in wishes)


def _says(part: str) -> Callable[[Any], bool]:
    """Whether a wish for a gateway has that member."""
    return lambda wish: wish is not None and part in wish.said


_OWNERS: Final = Rules(see=READER, create=MEMBER, update=MEMBER, delete=MEMBER)
"""What is its project's alone."""

_MANAGERS: Final = Rules(see=READER, create=MANAGER, update=MANAGER, delete=MANAGER)
"""What is its project's alone, and its manager's to change."""

_ASSOCIATION: Final = dataclasses.replace(
    _OWNERS, attributes=(_hidden("project_id"), _hidden("tenant_id"), _hidden("sdn:*"))
)

POLICY: Final[dict[str, Rules]] = {
    "network": Rules(
        see=READER | SERVICE | SHARED | EXTERNAL,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(
            _settable("shared"),
            _settable("router:external"),
            _settable("is_default"),
            _hidden("segments"),
            _hidden("provider:*"),
            _hidden("sdn:*"),
        ),
    ),
    "subnet": Rules(
        see=READER | NETWORK_READER | SHARED | EXTERNAL | SERVICE,
        create=NETWORK_MEMBER,
        update=MEMBER | NETWORK_MEMBER,
        delete=MEMBER | NETWORK_MEMBER,
        attributes=(_hidden("segment_id"), _settable("service_types")),
    ),
    "port": Rules(
        see=READER | NETWORK_READER | SERVICE,
        create=NETWORK_MEMBER | SHARED | SERVICE,
        update=MEMBER | SERVICE,
        delete=MEMBER | NETWORK_MEMBER | SERVICE,
        attributes=(
            Attr(
                "device_owner",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
                when=_is_network_device,
            ),
            Attr("mac_address", create=NETWORK_MEMBER | SERVICE, update=NETWORK_MANAGER | SERVICE),
            Attr(
                "fixed_ips",
                create=NETWORK_MEMBER | SHARED | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "fixed_ips",
                part="ip_address",
                when=_names_address,
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "fixed_ips",
                part="subnet_id",
                when=_names_subnet,
                create=NETWORK_MEMBER | SHARED | SERVICE,
                update=NETWORK_MEMBER | SHARED | SERVICE,
            ),
            Attr(
                "port_security_enabled",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr(
                "allowed_address_pairs",
                create=NETWORK_MEMBER | SERVICE,
                update=NETWORK_MEMBER | SERVICE,
            ),
            Attr("binding:host_id", see=SERVICE, create=SERVICE, update=SERVICE),
            Attr("binding:profile", see=SERVICE, create=SERVICE, update=SERVICE),
            Attr("binding:vif_*", see=SERVICE),
            Attr("binding:vnic_type", create=MEMBER | SERVICE, update=MEMBER | SERVICE),
            _hidden("resource_request"),
            _hidden("hints"),
            _hidden("trusted"),
            _settable("data_plane_status"),
        ),
    ),
    "trunk": _OWNERS,
    "qos_policy": dataclasses.replace(
        _MANAGERS, see=READER | SHARED, attributes=(_settable("shared"),)
    ),
    # That they are of a policy of the caller's is checked where they are made.
    "bandwidth_limit_rule": _MANAGERS,
    "dscp_marking_rule": _MANAGERS,
    "minimum_bandwidth_rule": _MANAGERS,
    "port_binding": Rules(see=SERVICE, create=SERVICE, update=SERVICE, delete=SERVICE),
    "address_scope": Rules(
        see=READER | SHARED,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(_settable("shared"),),
    ),
    "subnetpool": Rules(
        see=READER | SHARED,
        create=MEMBER,
        update=MEMBER,
        delete=MEMBER,
        attributes=(_settable("shared"), _settable("is_default")),
    ),
    # Whom one may be for is checked where it is made: everybody is an administrator's word.
    "rbac_policy": Rules(see=READER, create=MEMBER, update=MEMBER, delete=MEMBER),
    "router": dataclasses.replace(
        _OWNERS,
        attributes=(
            _hidden("distributed"),
            _hidden("ha"),
            *(
                Attr(
                    "external_gateway_info",
                    part=part,
                    when=_says(part),
                    create=ADMIN,
                    update=ADMIN,
                )
                for part in ("enable_snat", "external_fixed_ips")
            ),
            _hidden("sdn:*"),
        ),
    ),
    "floatingip": dataclasses.replace(
        _OWNERS, attributes=(Attr("floating_ip_address", create=MANAGER),)
    ),
    "port_forwarding": _OWNERS,
    "security_group": dataclasses.replace(_OWNERS, see=READER | SHARED),
    "security_group_rule": _OWNERS,
    "default_rule": Rules(see=ANYBODY),
    "address_group": dataclasses.replace(_OWNERS, see=READER | SHARED),
    "bgpvpn": Rules(
        see=READER,
        update=MEMBER,
        attributes=(
            _hidden("project_id"),
            _hidden("tenant_id"),
            _hidden("*_targets"),
            _hidden("route_distinguishers"),
            _hidden("vni"),
            _hidden("sdn:*"),
        ),
    ),
    "bgpvpn_network": _ASSOCIATION,
    "bgpvpn_router": _ASSOCIATION,
    "bgpvpn_port": _ASSOCIATION,
    "hypervisor": Rules(),
    "link": Rules(),
    "gateway": Rules(),
    "bgp_peer": Rules(),
}
"""By the kind of the rows. What is not said of an attribute is as for the row."""

# Plain numbers: to combine flags as such takes ten times as long.
_SHARED: Final = int(SHARED)
_EXTERNAL: Final = int(EXTERNAL)
_OPEN: Final = _SHARED | _EXTERNAL
_BY_NETWORK: Final = int(NETWORK_READER | NETWORK_MEMBER | NETWORK_MANAGER) | _OPEN

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
            Rank.SERVICE: _shown(resource, rules, SERVICE),
            Rank.PROJECT: _shown(resource, rules, READER | MEMBER),
        }

    def readers(self, caller: Identity) -> Mapping[str, Read]:
        """The attributes that the caller may be shown."""
        return self._readers[caller.rank]

    def sees(self, caller: Identity, row: Row, get: Get) -> bool:
        """Whether the row exists for the caller."""
        return caller.sees_all or _may(self._rules["see"], caller, row, get)

    def check_project(self, caller: Identity, given: Mapping[str, Any]) -> None:
        """Only administrators and services create what is another project's."""
        if caller.is_admin or caller.anywhere & SERVICE or "project_id" not in given:
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
