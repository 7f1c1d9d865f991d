"""Resources as data: attributes with their types, and what may be done with each.

Promise: one declaration is the source of validation, defaults, filters, sorting, ``fields``
and the OpenAPI document; nothing about an attribute is said twice. The behaviour of a
resource is three plain functions over a transaction. Knows nothing of HTTP.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from sdnctl.api import values
from sdnctl.api.caller import Identity
from sdnctl.api.errors import ApiError, bad_request, invalid_value, not_found
from sdnctl.api.values import Json, Type
from sdnctl.api.work import Context, Work
from sdnctl.intent import Row
from sdnctl.store import Store

REQUIRED: Final = object()
"""As a default: a POST must give it."""

UNSET: Final = object()
"""As a default: left out of the values, for the resource to decide within the transaction."""

Read = Callable[[Context, Any], Json]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A read of what the row keeps, as it is."""

    name: str

    def __call__(self, context: Context, row: Any) -> Json:
        """The value."""
        del context
        return getattr(row, self.name)


@dataclasses.dataclass(frozen=True, slots=True)
class Sparse:
    """A read of what few rows have: an attribute that is None is not shown at all."""

    read: Read

    def __call__(self, context: Context, row: Any) -> Json:
        """The value."""
        return self.read(context, row)


def _without(shown: dict[str, Json], sparse: tuple[str, ...]) -> Json:
    for name in sparse:
        if name in shown and shown[name] is None:
            del shown[name]
    return shown


def _sparse(readers: Mapping[str, Read]) -> tuple[str, ...]:
    return tuple(name for name, read in readers.items() if isinstance(read, Sparse))


def shower(context: Context, readers: Mapping[str, Read]) -> Callable[[Row], Json]:
    """What makes the JSON of many rows: what rows keep as it is, is taken in one go."""
    kept = {name: read.name for name, read in readers.items() if isinstance(read, Field)}
    computed = [(name, read) for name, read in readers.items() if name not in kept]
    sparse = _sparse(readers)
    if len(kept) < 2:  # attrgetter makes a tuple of two and more
        return lambda row: _without({n: read(context, row) for n, read in readers.items()}, sparse)
    names, get = tuple(kept), attrgetter(*kept.values())

    def show(row: Row) -> Json:
        shown = dict(zip(names, get(row), strict=True))
        for name, read in computed:
            shown[name] = read(context, row)
        return _without(shown, sparse) if sparse else shown

    return show


@dataclasses.dataclass(frozen=True, slots=True)
class Lookup:
    """How a filter is answered by an index of the store."""

    index: str
    value: object


class Of(NamedTuple):
    """Another row that what is shown of one depends on: of ``kind``, its id in ``field``."""

    kind: type[Row]
    field: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute.

    ``field`` is the field of the row that keeps it as it is; ``read`` computes what is shown,
    by default from ``field``. ``index`` names the store's index that answers filters on it.
    ``order`` is a field of the same order as what is shown.
    ``match`` and ``lookup`` serve attributes whose filters are not plain equality. ``of`` are the
    rows that ``read`` looks at beside its own, if these are all that it depends on; without it,
    it may depend on anything.
    """

    name: str
    type: Type
    default: Any = UNSET
    post: bool = False
    put: bool = False
    visible: bool = True
    filter: bool = False
    sort: bool = False
    field: str = ""
    read: Read | None = None
    index: str = ""
    order: str = ""
    match: Callable[[Context, Any, str], bool] | None = None
    lookup: Callable[[str], Lookup | None] | None = None
    of: tuple[Of, ...] | None = None

    @property
    def depends(self) -> tuple[Of, ...] | None:
        """The rows that what is shown depends on beside its own; None if on anything."""
        return self.of if self.read is not None else ()

    def reader(self) -> Read:
        """What computes the shown value."""
        if self.read is not None:
            return self.read
        field, show = self.field, self.type.show
        if show is values.same:
            return Field(field)
        return lambda _context, row: show(getattr(row, field))


def stored(name: str, type_: Type, default: Any = UNSET, **more: Any) -> Attribute:
    """An attribute that the row keeps under the same name, unless ``field`` says another."""
    more.setdefault("field", name.replace(":", "_"))
    options = {"post": True, "put": True, "filter": True, "sort": True} | more
    return Attribute(name=name, type=type_, default=default, **options)


def shown(name: str, type_: Type, read: Read, **more: Any) -> Attribute:
    """An attribute that is only read."""
    return Attribute(name=name, type=type_, read=read, **more)


class Create(Protocol):
    """Makes the row, within the transaction; the caller puts it."""

    def __call__(self, work: Work, given: dict[str, Any], row: dict[str, Any]) -> Row:
        """``given`` are the converted values; ``row`` the struct's fields that follow as is."""
        ...


class Update(Protocol):
    """Makes the new row; the caller puts it and counts the revision."""

    def __call__(self, work: Work, old: Any, given: dict[str, Any], row: dict[str, Any]) -> Row:
        """As for ``Create``, with ``old`` the row as it is."""
        ...


Delete = Callable[[Work, Any], None]


class Bare(NamedTuple):
    """A row that an action answers with, without its name around it."""

    row: Row


Action = Callable[[Work, Any, dict[str, Json]], dict[str, Json] | Row | Bare]
"""What is done, and the answer's body; or the row, to be shown as it then is."""


class Sight(NamedTuple):
    """What is there without asking: ``there`` says whether it is, and ``make`` makes it so.

    Both are of a project: the caller's, or the one that an administrator names in a filter.
    """

    there: Callable[[Store, Identity, str], bool]
    make: Callable[[Work, str], object]


class Above(NamedTuple):
    """What a resource is part of: ``field`` of its row is the id of a row of ``kind``.

    It is indexed by the store, and named ``title`` in errors; without ``named`` in its own only,
    not in those about parts.
    """

    kind: type[Row]
    title: str
    field: str
    named: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of thing that is served under ``collection``, behind ``prefix`` if it has one.

    ``title`` is its name in errors and in the OpenAPI document. ``own_ids`` says that the
    operator chooses the id. ``delete`` checks, and deletes what goes with the row. ``parts`` are
    served below each of its members; they say what they are part of in ``above``. ``actions`` are
    served by PUT below each member, ``looks`` by GET; ``bodies`` are the properties of what an
    action is told, by its name, as JSON Schemas. Members of a part are served under ``alias``
    too, if it has one, by their own ids alone. ``absent`` says that there is none with an id, in
    other words than usual. ``sight`` makes what there is of it before anybody asks for the first
    time.
    """

    name: str
    collection: str
    title: str
    kind: type[Row]
    attributes: tuple[Attribute, ...]
    create: Create
    update: Update
    delete: Delete
    actions: Mapping[str, Action] = dataclasses.field(default_factory=dict)
    bodies: Mapping[str, dict[str, Json]] = dataclasses.field(default_factory=dict)
    looks: Mapping[str, Read] = dataclasses.field(default_factory=dict)
    own_ids: bool = False
    sight: Sight | None = None
    prefix: str = ""
    above: Above | None = None
    parts: tuple[Resource, ...] = ()
    alias: str = ""
    absent: Callable[[str, str], ApiError] | None = None
    by_name: dict[str, Attribute] = dataclasses.field(init=False)
    readers: dict[str, Read] = dataclasses.field(init=False)
    sparse: tuple[str, ...] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        by_name = {a.name: a for a in self.attributes}
        readers = {a.name: a.reader() for a in self.attributes if a.visible}
        object.__setattr__(self, "by_name", by_name)
        object.__setattr__(self, "readers", readers)
        object.__setattr__(self, "sparse", _sparse(readers))

    @property
    def path(self) -> str:
        """Where it is served within its API."""
        return f"{self.prefix}/{self.collection}" if self.prefix else self.collection

    def part(self, collection: str) -> Resource | None:
        """Its part that is served under ``collection``."""
        return next((part for part in self.parts if part.collection == collection), None)

    @property
    def aliased(self) -> Resource:
        """The same under its alias: members have another name in bodies."""
        return dataclasses.replace(self, name=f"alias_{self.name}", collection=self.alias)

    def missing(self, id_: str, above: str = "") -> ApiError:
        """There is no such row; a part is named with what it would be part of."""
        if self.absent is not None:
            return self.absent(id_, above)
        if self.above is None or not self.above.named:
            return not_found(self.title, id_)
        name = f"{self.above.title} {self.name.replace('_', ' ')}"
        return ApiError(
            404,
            f"{self.title}NotFound",
            f"{name} {id_} could not be found for {self.above.title} {above}",
        )

    def show(self, context: Context, row: Row, readers: Mapping[str, Read] | None = None) -> Json:
        """The row as JSON; of ``readers`` only, if given."""
        chosen = self.readers if readers is None else readers
        return _without({name: read(context, row) for name, read in chosen.items()}, self.sparse)

    def parse_create(self, body: Json) -> dict[str, Any]:
        """The converted values of a POST, with defaults; ApiError if it is not acceptable."""
        given = self._parse(body, "post")
        for attribute in self.attributes:
            if attribute.post and attribute.name not in given:
                if attribute.default is REQUIRED:
                    raise bad_request(
                        "Failed to parse request. "
                        f"Required attribute '{attribute.name}' not specified"
                    )
                if attribute.default is not UNSET:
                    given[attribute.name] = attribute.default
        return given

    def parse_update(self, body: Json) -> dict[str, Any]:
        """The converted values of a PUT; ApiError if it is not acceptable."""
        return self._parse(body, "put")

    def fields(self, given: dict[str, Any]) -> dict[str, Any]:
        """The struct's fields that follow from ``given`` as they are."""
        return {
            attribute.field: given[name]
            for name in given
            if (attribute := self.by_name[name]).field
        }

    def _parse(self, body: Json, verb: str) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise bad_request("Resource body required")
        unknown = [name for name in body if name not in self.by_name]
        if unknown:
            raise bad_request(f"Unrecognized attribute(s) '{', '.join(sorted(unknown))}'")
        given: dict[str, Any] = {}
        for name, value in body.items():
            attribute = self.by_name[name]
            if not (attribute.post if verb == "post" else attribute.put):
                raise bad_request(
                    f"Attribute '{name}' not allowed in POST"
                    if verb == "post"
                    else f"Cannot update read-only attribute {name}"
                )
            given[name] = converted(name, attribute.type, value, secret=not attribute.visible)
        tenant = given.pop("tenant_id", None)
        if tenant is not None and given.setdefault("project_id", tenant) != tenant:
            raise bad_request("'project_id' and 'tenant_id' do not match")
        return given


def converted(name: str, type_: Type, value: Json, *, secret: bool = False) -> Any:
    """The value as the type has it; ApiError, without the value if it is secret."""
    try:
        return type_.convert(value)
    except (ValueError, RecursionError) as error:
        # RecursionError: a value too deep to be written into the reason.
        plain = isinstance(error, ValueError) and not secret
        raise invalid_value(name, error if plain else "the value is not acceptable") from None
