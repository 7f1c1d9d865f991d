"""Messages of the DNS (RFC 1035): one question, and answers that are addresses or names.

Promise: ``parse`` gives None for what is no plain question, whatever the octets. No socket here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from sdnctl.types import Ip
from sdnctl_vrouter.responder.packets import dns_name

A: Final = 1
PTR: Final = 12
AAAA: Final = 28
ANY: Final = 255

NO_ERROR: Final = 0
SERVER_FAILURE: Final = 2
NO_SUCH_NAME: Final = 3
REFUSED: Final = 5

TTL: Final = 30
"""Seconds: names move with their ports."""

_HEADER: Final = struct.Struct("!HHHHHH")
_RECORD: Final = struct.Struct("!HHHIH")
_RESPONSE: Final = 0x8000
_AUTHORITATIVE: Final = 0x0400
_RECURSION: Final = 0x0080
_OPCODE: Final = 0x7800
_RECURSION_DESIRED: Final = 0x0100
_QUESTION: Final = 0xC00C
"""A pointer to the name in the question (RFC 1035 section 4.1.4)."""


class Question(NamedTuple):
    """What is asked; ``name`` in lower case, without the last dot."""

    number: int
    flags: int
    name: str
    kind: int
    octets: bytes
    """As it came."""


def parse(data: bytes) -> Question | None:
    """The one question of a standard query of class IN."""
    if len(data) < _HEADER.size:
        return None
    number, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    if flags & (_RESPONSE | _OPCODE) or questions != 1 or answers:
        return None
    labels, at = [], _HEADER.size
    while at < len(data) and data[at]:
        size = data[at]
        if size > 63 or at + 1 + size > len(data) or at - _HEADER.size > 254:
            return None
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    if at + 5 > len(data):
        return None
    kind, class_ = struct.unpack_from("!HH", data, at + 1)
    if class_ != 1:
        return None
    name = b".".join(labels).decode("latin-1").lower()
    return Question(number, flags, name, kind, data[_HEADER.size : at + 5])


def answer(question: Question, code: int, records: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """A response with (type, data) records about the name that was asked for."""
    flags = _RESPONSE | _RECURSION | question.flags & _RECURSION_DESIRED | code
    if code in {NO_ERROR, NO_SUCH_NAME}:
        flags |= _AUTHORITATIVE
    out = _HEADER.pack(question.number, flags, 1, len(records), 0, 0) + question.octets
    for kind, data in records:
        out += _RECORD.pack(_QUESTION, kind, 1, TTL, len(data)) + data
    return out


def addresses(question: Question, found: Sequence[Ip]) -> bytes:
    """A response with those of the addresses that were asked for."""
    records = [(A if ip.version == 4 else AAAA, bytes(ip)) for ip in found]
    return answer(question, NO_ERROR, [r for r in records if question.kind in {r[0], ANY}])


def pointer(question: Question, name: str) -> bytes:
    """A response with the name of an address."""
    wanted = question.kind in {PTR, ANY}
    return answer(question, NO_ERROR, [(PTR, dns_name(name))] if wanted else [])


def reversed_ip(name: str) -> Ip | None:
    """The address that a name under in-addr.arpa or ip6.arpa is of (RFC 1035, RFC 3596)."""
    try:
        if name.endswith(".in-addr.arpa"):
            return Ip.parse(".".join(reversed(name.removesuffix(".in-addr.arpa").split("."))))
        if name.endswith(".ip6.arpa"):
            digits = "".join(reversed(name.removesuffix(".ip6.arpa").split(".")))
            return Ip(bytes.fromhex(digits)) if len(digits) == 32 else None
    except ValueError:
        return None
    return None
