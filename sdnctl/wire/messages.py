"""Messages of the stream, put together from parts that are encoded already.

Serialised protobuf messages concatenate: a field that was encoded once goes into any number of
messages. Tags are (field number << 3 | wire type 2), from vrouter.proto.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from sdnctl.vrouter.v1 import vrouter_pb2 as pb

_GROUPS: Final = bytes((1 << 3 | 2,))
_UPSERTS: Final = bytes((4 << 3 | 2,))
_REMOVALS: Final = bytes((5 << 3 | 2,))


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def group_delta(
    group: str,
    version: int,
    upserts: list[bytes],
    removals: list[str],
    *,
    snapshot: bool = False,
    partial: bool = False,
    leave: bool = False,
) -> bytes:
    """The ``groups`` field of a Downstream, from resources that are encoded already."""
    head = pb.GroupDelta(
        group=group, version=version, snapshot=snapshot, partial=partial, leave=leave
    ).SerializeToString()
    parts = [head]
    for resource in upserts:
        parts += (_UPSERTS, _varint(len(resource)), resource)
    for key in removals:
        name = key.encode()
        parts += (_REMOVALS, _varint(len(name)), name)
    body = b"".join(parts)
    return _GROUPS + _varint(len(body)) + body


def downstream(
    deltas: list[bytes], nonce: int, revision: int, *, in_sync: bool = False, epoch: int = 0
) -> bytes:
    """A whole Downstream for one agent."""
    tail = pb.Downstream(nonce=nonce, revision=revision, in_sync=in_sync, epoch=epoch)
    return b"".join((*deltas, tail.SerializeToString()))


def read_downstream(data: bytes) -> pb.Downstream:
    """Parse; ValueError if it is no such message."""
    try:
        return pb.Downstream.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a message of the agent stream: {error}") from error


def read_upstream(data: bytes) -> pb.Upstream:
    """Parse; ValueError if it is no such message."""
    try:
        return pb.Upstream.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a message of the agent stream: {error}") from error
