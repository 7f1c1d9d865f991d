"""The types of attributes: from JSON (or a query string) to a value, and back.

Promise: ``convert`` takes whatever JSON can hold and returns a value of the house's types or
raises ValueError with a reason for a person. As Neutron does, numbers and booleans may come
as strings. ``schema`` is the JSON Schema of what it accepts, for the OpenAPI document.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec

from sdnctl.types import (
    MAX_LABEL,
    MIN_LABEL,
    Encapsulation,
    Ip,
    Mac,
    Prefix,
    RouteTarget,
    format_community,
    parse_community,
)

MAX_OBJECT: Final = 4095
"""Octets of a free-form object as JSON: Neutron's limit of ``binding:profile``. It bounds the
depth as well."""

Json = Any
"""What msgspec makes of a JSON text: the boundary where types end."""


def same(value: Any) -> Json:
    """The value is its own JSON."""
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Type:
    """A type of attribute: ``show`` is the inverse of ``convert``."""

    convert: Callable[[Json], Any]
    schema: dict[str, Any]
    show: Callable[[Any], Json] = same


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "1"}:
        return True
    if isinstance(value, str) and value.lower() in {"false", "0"}:
        return False
    if value in (0, 1) and isinstance(value, int):
        return bool(value)
    raise ValueError(f"'{value}' cannot be converted to boolean")


def string(length: int) -> Type:
    """A string of at most ``length`` characters."""

    def convert(value: Json) -> str:
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a valid string")
        if len(value) > length:
            raise ValueError(f"'{value[:40]}...' exceeds maximum length of {length}")
        return value

    return Type(convert, {"type": "string", "maxLength": length})


def integer(low: int, high: int) -> Type:
    """A whole number, both ends included."""

    def convert(value: Json) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"'{value}' is not an integer")
        if not low <= value <= high:
            raise ValueError(f"'{value}' is not in the range {low} to {high}")
        return value

    return Type(convert, {"type": "integer", "minimum": low, "maximum": high})


def choice(*values: str | int | None) -> Type:
    """One of a few values; numbers may come as strings."""
    texts = {str(v): v for v in values if isinstance(v, int)}

    def convert(value: Json) -> str | int | None:
        if isinstance(value, str):
            value = texts.get(value, value)
        if isinstance(value, (list, dict, bool)) or value not in values:
            raise ValueError(f"'{value}' is not in {list(values)}")
        return value  # type: ignore[no-any-return]

    return Type(convert, {"enum": list(values)})


def parsed(parse: Callable[[str], Any], description: str, **schema: Json) -> Type:
    """A value of the house with a text form, which ``schema`` tells more about."""

    def convert(value: Json) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a valid {description}")
        return parse(value)

    return Type(convert, {"type": "string", "description": description} | schema, str)


def optional(inner: Type) -> Type:
    """``inner`` or null."""

    def convert(value: Json) -> Any:
        return None if value is None else inner.convert(value)

    def show(value: Any) -> Json:
        return None if value is None else inner.show(value)

    return Type(convert, {"anyOf": [inner.schema, {"type": "null"}]}, show)


def sequence(inner: Type, *, most: int = 1000, unique: bool = True) -> Type:
    """A list of ``inner``, as a tuple; null is the empty list, as Neutron has it."""

    def convert(value: Json) -> tuple[Any, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise ValueError(f"'{value}' is not a list")
        if len(value) > most:
            raise ValueError(f"a list of {len(value)} is longer than {most}")
        found = tuple(inner.convert(item) for item in value)
        if unique and len(set(map(repr, found))) != len(found):
            raise ValueError(f"duplicate items in the list: '{value}'")
        return found

    def show(value: Any) -> Json:
        return [inner.show(item) for item in value]

    schema = {"type": "array", "items": inner.schema}
    return Type(convert, schema, list if inner.show is same else show)


def listed(inner: Type) -> Type:
    """``inner``, a sequence, where one item may stand for the list of it, as Neutron has it."""
    return dataclasses.replace(
        inner, convert=lambda value: inner.convert([value] if isinstance(value, str) else value)
    )


def record(make: Callable[[dict[str, Any]], Any], fields: dict[str, Type], *, need: int) -> Type:
    """An object with these fields, the first ``need`` of them required; shown by the caller."""
    required = list(fields)[:need]

    def convert(value: Json) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"'{value}' is not a dictionary")
        unknown = sorted(set(value) - set(fields))
        missing = [name for name in required if name not in value]
        if unknown or missing:
            raise ValueError(
                f"the keys of '{value}' must be of {list(fields)}, with {required} present"
            )
        return make({name: fields[name].convert(item) for name, item in value.items()})

    return Type(
        convert,
        {
            "type": "object",
            "properties": {name: inner.schema for name, inner in fields.items()},
            "required": required,
            "additionalProperties": False,
        },
    )


def _uuid(value: Json) -> str:
    if isinstance(value, str):
        try:
            if str(uuid.UUID(value)) == value.lower():
                return value.lower()
        except ValueError:
            pass
    raise ValueError(f"'{value}' is not a valid UUID")


def _unicast_mac(text: str) -> Mac:
    mac = Mac.parse(text)
    if mac.is_multicast or not any(mac):
        raise ValueError(f"'{text}' is not the address of one station")
    return mac


def _canonical_prefix(text: str) -> Prefix:
    ip, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit():
        raise ValueError(f"'{text}' isn't a recognized IP subnet cidr")
    parsed_ip = Ip.parse(ip)
    if int(length) > parsed_ip.bits:
        raise ValueError(f"'{text}' isn't a recognized IP subnet cidr")
    return Prefix.covering(parsed_ip, int(length))


def address_or_prefix(text: str) -> Prefix:
    """An address is the prefix of that one."""
    return _canonical_prefix(text) if "/" in text else Prefix.host(Ip.parse(text))


def _plain_object(value: Json) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")
    if len(msgspec.json.encode(value)) > MAX_OBJECT:
        raise ValueError(f"it is longer than {MAX_OBJECT} octets as JSON")
    return value


def _name_of_own(value: Json) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", value):
        raise ValueError(f"'{value}' is not a name (letters, digits, dots, dashes, underscores)")
    return value


def _nonempty(value: Json) -> str:
    text: str = NAME.convert(value)
    if not text.strip():
        raise ValueError(f"'{text}' Blank strings are not permitted")
    return text


def _nothing(value: Json) -> None:
    if value not in (None, {}, []):
        raise ValueError("not supported here, leave it out")


BOOLEAN: Final = Type(_boolean, {"type": "boolean"})
UUID: Final = Type(_uuid, {"type": "string", "format": "uuid"})
NAME: Final = string(255)
NONEMPTY: Final = Type(_nonempty, NAME.schema | {"minLength": 1})
HOST: Final = Type(lambda value: "" if value is None else NAME.convert(value), NAME.schema)
"""A host's name; null, which Nova sends to unbind a port, is none."""
DESCRIPTION: Final = string(1024)
_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"{_OCTET}(\.{_OCTET}){{3}}"
_PREFIXES: Final = [
    {"pattern": rf"^{_IPV4}/(3[0-2]|[12]?[0-9])$"},
    {"pattern": "^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$"},
]
_ADDRESSES: Final = [{"format": "ipv4"}, {"format": "ipv6"}]

MAC: Final = parsed(
    _unicast_mac, "MAC address", pattern="^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$"
)
IP: Final = parsed(Ip.parse, "IP address", anyOf=_ADDRESSES)
PREFIX: Final = parsed(_canonical_prefix, "IP prefix in CIDR form", anyOf=_PREFIXES)
ADDRESS_OR_PREFIX: Final = parsed(
    address_or_prefix, "IP address or prefix", anyOf=[*_ADDRESSES, *_PREFIXES]
)
ENCAPSULATION: Final = parsed(
    Encapsulation.parse, "encapsulation", enum=[str(one) for one in Encapsulation]
)
_TARGET: Final = rf"^([0-9]{{1,10}}|{_IPV4}):[0-9]{{1,10}}$"
ROUTE_TARGET: Final = parsed(RouteTarget.parse, "route target, ASN:number", pattern=_TARGET)
ROUTE_TARGETS: Final = sequence(ROUTE_TARGET)
_COMMUNITY: Final = parsed(parse_community, "community, ASN:number or a well-known name")
COMMUNITY: Final = Type(_COMMUNITY.convert, _COMMUNITY.schema, format_community)
LABEL: Final = integer(MIN_LABEL, MAX_LABEL)
OBJECT: Final = Type(_plain_object, {"type": "object"})
OWN_NAME: Final = Type(_name_of_own, {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"})
NOTHING: Final = Type(_nothing, {"type": "null"})
STRINGS: Final = sequence(string(255))
UUIDS: Final = sequence(UUID)
TIME: Final = Type(same, {"type": ["string", "null"], "format": "date-time"})
