"""Lists: filters, ``fields``, sorting and pages, from the query string of a GET.

Promise: a filter on an attribute that the store indexes, or on the id, looks at the rows that
match and no others. Values of one filter are alternatives, filters add up (Neutron's API,
"Filtering and Column Selection"). Knows the attributes only by their declaration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from sdnctl.api.authorization import Policy, as_seen
from sdnctl.api.caller import Identity
from sdnctl.api.errors import bad_request, invalid_value
from sdnctl.api.pages import Test, order_of, passing, walked, walks
from sdnctl.api.schema import Attribute, Lookup, Read, Resource, converted
from sdnctl.api.values import BOOLEAN, Json, integer
from sdnctl.api.work import Context
from sdnctl.intent import Row, Shareable

_TAGS: Final[dict[str, Callable[[set[str], set[str]], bool]]] = {
    "tags": lambda asked, has: asked <= has,
    "tags-any": lambda asked, has: not asked.isdisjoint(has),
    "not-tags": lambda asked, has: not asked <= has,
    "not-tags-any": lambda asked, has: asked.isdisjoint(has),
}

_LIMIT: Final = integer(0, 1 << 31)


@dataclasses.dataclass(slots=True)
class Query:
    """What a GET of a collection asks for."""

    filters: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    tags: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    fields: list[str] = dataclasses.field(default_factory=list)
    sort_keys: list[str] = dataclasses.field(default_factory=list)
    sort_dirs: list[str] = dataclasses.field(default_factory=list)
    limit: int = 0
    marker: str = ""
    page_reverse: bool = False


class Scope(NamedTuple):
    """Whose list it is; that of a part is of the rows of ``above``, which it is part of."""

    caller: Identity
    policy: Policy
    above: str = ""


def parse(resource: Resource, query_string: bytes, readers: Mapping[str, Read]) -> Query:
    """Read a query string; ApiError if it asks for what is not there.

    What is not in ``readers`` is not there: a filter or an order would tell of it.
    """
    query = Query()
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise bad_request("The query string is not valid") from None
    for name, value in pairs:
        _take(query, name, value)
    _check(resource, query, readers)
    return query


def _take(query: Query, name: str, value: str) -> None:
    match name:
        case "fields":
            query.fields.append(value)
        case "sort_key":
            query.sort_keys.append(value)
        case "sort_dir":
            query.sort_dirs.append(value)
        case "limit":
            query.limit = converted(name, _LIMIT, value)
        case "marker":
            query.marker = value
        case "page_reverse":
            query.page_reverse = converted(name, BOOLEAN, value)
        case _ if name in _TAGS:
            query.tags.setdefault(name, []).extend(value.split(","))
        case _:
            query.filters.setdefault(name, []).append(value)


def _check(resource: Resource, query: Query, readers: Mapping[str, Read]) -> None:
    for name in query.filters:
        attribute = resource.by_name.get(name)
        # Some attributes are there to be filtered by, and shown to nobody.
        if attribute is None or not attribute.filter or (attribute.visible and name not in readers):
            raise bad_request(f"['{name}'] is invalid attribute for filtering")
    for name in query.sort_keys:
        if name not in readers or not resource.by_name[name].sort:
            raise bad_request(f"'{name}' is not a valid sort key")
    if query.sort_dirs and len(query.sort_dirs) != len(query.sort_keys):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    if not {"asc", "desc"}.issuperset(query.sort_dirs):
        raise bad_request("sort_dir must be asc or desc")


def chosen(readers: Mapping[str, Read], fields: list[str]) -> Mapping[str, Read]:
    """What computes the attributes in ``fields``, all if it is empty. Unknown ones are ignored."""
    return {name: readers[name] for name in fields if name in readers} if fields else readers


async def select(context: Context, resource: Resource, query: Query, scope: Scope) -> list[Row]:
    """The rows of one page in their order."""
    paged = bool(query.sort_keys or query.limit or query.marker)
    if resource.above is not None:
        found = context.store.find(resource.kind, resource.above.field, scope.above)
        rows, left = _visible(context, scope, found), query.filters
    else:
        choice = _choice(context, resource, query, scope)
        if paged and choice.about is not None:
            field = order_of(resource, query.sort_keys)
            total = len(context.store.rows(resource.kind))
            # An order is kept for good, and costs memory: tenants have the one by id.
            known = field == "id" or (field and scope.caller.sees_all)
            if known and walks(total, choice.about, query.limit):
                return await _walk(context, resource, query, scope, field)
        rows, left = choice.rows(), choice.left
    rows = await passing(rows, _tests(context, resource, query, left, scope.caller))
    return _page(context, resource, query, scope, rows) if paged else rows


def _tests(
    context: Context,
    resource: Resource,
    query: Query,
    filters: dict[str, list[str]],
    caller: Identity,
) -> list[Test]:
    tests = []
    for name, texts in filters.items():
        test = _test(context, resource.by_name[name], texts)
        if name == "shared" and issubclass(resource.kind, Shareable):
            test = _seen_by(caller, test)
        tests.append(test)
    return tests + [_tag_test(name, set(texts)) for name, texts in query.tags.items()]


def _seen_by(caller: Identity, test: Test) -> Test:
    return lambda row: test(as_seen(caller, row))


def _visible(context: Context, scope: Scope, rows: list[Row]) -> list[Row]:
    caller, get = scope.caller, context.store.get
    if caller.sees_all:
        return rows
    return [row for row in rows if scope.policy.sees(caller, row, get)]


class _Choice(NamedTuple):
    """What to look at.

    ``rows`` gives it, ``about`` is how many they are, None if few; ``left`` are the filters that
    are not settled by having found them.
    """

    rows: Callable[[], list[Row]]
    about: int | None
    left: dict[str, list[str]]


def _choice(context: Context, resource: Resource, query: Query, scope: Scope) -> _Choice:
    """The fewest rows to look at that an index knows of."""
    filters, store, kind = query.filters, context.store, resource.kind
    if "id" in filters:
        left = {name: texts for name, texts in filters.items() if name != "id"}
        ids = dict.fromkeys(filters["id"])

        def by_id() -> list[Row]:
            rows = (store.get(kind, id_) for id_ in ids)
            return _visible(context, scope, [row for row in rows if row is not None])

        return _Choice(by_id, None, left)
    fewest: tuple[int, str, list[Lookup]] | None = None
    for name, lookups in _lookups(resource, query):
        count = sum(store.count(kind, one.index, one.value) for one in lookups)
        if fewest is None or count < fewest[0]:
            fewest = count, name, lookups
    if fewest is None or scope.policy.narrower(scope.caller, store, kind, fewest[0]):
        count = scope.policy.scope_count(scope.caller, store, kind)
        return _Choice(lambda: scope.policy.scope(scope.caller, store, kind), count, filters)
    count, name, found = fewest
    left = {other: texts for other, texts in filters.items() if other != name}

    def by_index() -> list[Row]:
        rows = {row.id: row for one in found for row in store.find(kind, one.index, one.value)}
        return _visible(context, scope, list(rows.values()))

    return _Choice(by_index, count, left)


def _lookups(resource: Resource, query: Query) -> Iterator[tuple[str, list[Lookup]]]:
    """What the indexes can answer, by the names of filters; of tags, what each has to have."""
    for name, texts in query.filters.items():
        lookups = [_lookup(resource.by_name[name], text) for text in texts]
        # An empty value is under most rows: no index is better than looking at each.
        known = [lookup for lookup in lookups if lookup is not None and lookup.value != ""]
        if known and len(known) == len(lookups):
            yield name, known
    for tag in query.tags.get("tags", ()):
        yield "", [Lookup("tag", tag)]
    if query.tags.get("tags-any"):
        yield "", [Lookup("tag", tag) for tag in query.tags["tags-any"]]


async def _walk(
    context: Context, resource: Resource, query: Query, scope: Scope, field: str
) -> list[Row]:
    marker = _marker(context, resource, query, scope)
    tests = _tests(context, resource, query, query.filters, scope.caller)
    if not scope.caller.sees_all:
        sees, caller, get = scope.policy.sees, scope.caller, context.store.get
        tests.append(lambda row: sees(caller, row, get))
    backwards = ("desc" in query.sort_dirs) != query.page_reverse
    rows = await walked(
        context, resource.kind, field, tests, limit=query.limit, marker=marker, backwards=backwards
    )
    return rows[::-1] if query.page_reverse else rows


def _marker(context: Context, resource: Resource, query: Query, scope: Scope) -> Row | None:
    if not query.marker:
        return None
    marker = context.store.get(resource.kind, query.marker)
    if marker is None or not _visible(context, scope, [marker]):
        raise resource.missing(query.marker)
    return marker


def _lookup(attribute: Attribute, text: str) -> Lookup | None:
    if attribute.lookup is not None:
        try:
            return attribute.lookup(text)
        except ValueError as reason:
            raise invalid_value(attribute.name, reason) from None
    if attribute.index and text:
        return Lookup(attribute.index, converted(attribute.name, attribute.type, text))
    return None


def _test(context: Context, attribute: Attribute, texts: list[str]) -> Callable[[Row], bool]:
    match, read = attribute.match, attribute.reader()
    if match is not None:

        def matches(row: Row) -> bool:
            try:
                return any(match(context, row, text) for text in texts)
            except ValueError as reason:
                raise invalid_value(attribute.name, reason) from None

        return matches
    # An empty value asks for rows that have none.
    wanted = [
        attribute.type.show(converted(attribute.name, attribute.type, text)) if text else None
        for text in texts
    ]
    if "" in texts:
        wanted.append("")
    return lambda row: read(context, row) in wanted


def _tag_test(name: str, asked: set[str]) -> Callable[[Row], bool]:
    test = _TAGS[name]
    return lambda row: test(asked, set(row.tags))


def _page(
    context: Context, resource: Resource, query: Query, scope: Scope, rows: list[Row]
) -> list[Row]:
    marker = _marker(context, resource, query, scope)
    if marker is not None:
        rows = [row for row in rows if row.id != marker.id] + [marker]
    # Equal ones are in the order of their ids, which is turned round with the one sort key.
    down = query.sort_dirs == ["desc"]
    rows.sort(key=lambda row: row.id, reverse=down)
    directions = query.sort_dirs or ["asc"] * len(query.sort_keys)
    for name, direction in reversed(list(zip(query.sort_keys, directions, strict=True))):
        rows.sort(key=_sort_key(context, resource.by_name[name]), reverse=direction == "desc")
    if query.marker:
        at = next(i for i, row in enumerate(rows) if row.id == query.marker)
        rows = rows[:at] if query.page_reverse else rows[at + 1 :]
    if not query.limit or len(rows) <= query.limit:
        return rows
    return rows[-query.limit :] if query.page_reverse else rows[: query.limit]


def _sort_key(context: Context, attribute: Attribute) -> Callable[[Row], Any]:
    read = attribute.reader()

    def key(row: Row) -> tuple[bool, Any]:
        value = read(context, row)
        return value is not None, value

    return key


def links(url: str, query_string: bytes, query: Query, rows: list[Row]) -> Json:
    """The ``COLLECTION_links`` of a page; empty if the request set no limit."""
    if not query.limit:
        return []
    kept = [
        (name, value)
        for name, value in parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        if name not in {"marker", "page_reverse"}
    ]
    # As in Neutron, which looks no further than the page: a full one may be followed by nothing.
    full, found = len(rows) >= query.limit, []
    if full or query.page_reverse:
        found.append({"rel": "next", "href": _url(url, [*kept, *_after(rows[-1:])])})
    if full or not query.page_reverse:
        back = [*_after(rows[:1]), ("page_reverse", "True")]
        found.append({"rel": "previous", "href": _url(url, [*kept, *back])})
    return found


def _after(rows: list[Row]) -> list[tuple[str, str]]:
    """Where another page begins; an empty one is where the list ends, and leads to its end."""
    return [("marker", row.id) for row in rows]


def _url(url: str, pairs: list[tuple[str, str]]) -> str:
    return f"{url}?{urlencode(pairs)}"
