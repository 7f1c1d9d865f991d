"""From shapes to ``templates.py``: one ``pack`` function per shape.

Where a field lies in a message is found by serialising the shape twice, with the field all
zero and all one. A packed message lacks its OpenFlow header; a FlowMod lacks its cookie as
well, which is the hash of the rest.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.shapes.words import IP4, IP6, KINDS, SHAPES, Kind


class Spot(NamedTuple):
    """Where a field lies in the packed message."""

    offset: int
    size: int
    code: str
    name: str


def kinds(name: str, build: Callable[..., Any]) -> dict[str, Kind]:
    """The fields of a shape."""
    family = IP6 if name.endswith("_6") else IP4
    families = {"ip": family, "mask": family, "vtep": family}
    return {
        field: families.get(field) or KINDS[field] for field in inspect.signature(build).parameters
    }


def serialize(build: Callable[..., Any], values: dict[str, Any]) -> bytes:
    """The message as os-ken writes it, without what the agent adds (header, cookie)."""
    message = build(**values)
    if isinstance(message, list):
        packed = bytearray()
        for action in message:
            action.serialize(packed, len(packed))
        return bytes(packed)
    if isinstance(message, p.OFPMatch):
        match = bytearray()
        length = message.serialize(match, 0) and int.from_bytes(match[2:4], "big")
        return bytes(match[4:length])
    message.xid = 0
    message.serialize()
    return bytes(message.buf[16 if isinstance(message, p.OFPFlowMod) else 8 :])


def spots(name: str, build: Callable[..., Any]) -> tuple[bytes, list[Spot]]:
    """The all-zero message and where its fields lie."""
    fields = kinds(name, build)
    zero = {field: kind.zero for field, kind in fields.items()}
    found = []
    for field, kind in fields.items():
        # os-ken masks the address itself: look for it under a full mask, and for the mask
        # over an address of zero.
        base = zero | ({"mask": fields["mask"].ones} if field == "ip" and "mask" in fields else {})
        base |= {"port_mask": 0xFFFF} if field == "port" and "port_mask" in fields else {}
        low = serialize(build, base | {field: kind.zero})
        high = serialize(build, base | {field: kind.ones})
        if len(low) != len(high):
            raise ValueError(f"{name}: {field} changes the length")
        differs = [at for at in range(len(low)) if low[at] != high[at]]
        size = struct.calcsize(f"!{kind.code}")
        if not differs or len(differs) % size:
            raise ValueError(f"{name}: {field} was found at {differs}")
        for start in range(0, len(differs), size):
            if differs[start : start + size] != list(range(differs[start], differs[start] + size)):
                raise ValueError(f"{name}: {field} was found at {differs}")
            found.append(Spot(differs[start], size, kind.code, field))
    return serialize(build, zero), sorted(found)


def template(name: str, build: Callable[..., Any]) -> str:
    """The source of one pack function."""
    fields = kinds(name, build)
    base, found = spots(name, build)
    layout, arguments, at = "!", [], 0
    for spot in found:
        if spot.offset > at:
            layout += f"{spot.offset - at}s"
            arguments.append(repr(base[at : spot.offset]))
        layout += spot.code
        arguments.append(spot.name)
        at = spot.offset + spot.size
    doc = inspect.getdoc(build)
    summary = doc.splitlines()[0] if doc else ""
    if not found:
        return f'\n\ndef {name}() -> bytes:\n    """{summary}"""\n    return {base!r}\n'
    if at < len(base):
        layout += f"{len(base) - at}s"
        arguments.append(repr(base[at:]))
    parameters = ", ".join(f"{field}: {kind.annotation}" for field, kind in fields.items())
    return (
        f"\n\n_{name} = Struct({layout!r}).pack\n"
        f"\n\ndef {name}({parameters}) -> bytes:\n"
        f'    """{summary}"""\n'
        f"    return _{name}({', '.join(arguments)})\n"
    )


def compile_all() -> str:
    """The source of ``templates.py``."""
    head = (
        '"""GENERATED from shapes/ by ``make templates``: packed flows. Do not edit."""\n\n'
        "# ruff: noqa\n# fmt: off\n\nfrom struct import Struct\n"
    )
    return head + "".join(template(name, build) for name, build in SHAPES.items())
