"""Types to and from protobuf: the only codec of the agent stream.

Promise: ``decode(encode(x)) == x`` for every ``Desired``; equal resources encode to equal bytes,
so that a hash of the bytes is a version of the value. What a newer sender may say and this
decoder does not know raises ``UnknownResourceError`` with the key, and nothing else breaks.
"""

from sdnctl.wire.decoder import UnknownResourceError, decode
from sdnctl.wire.encoder import encode, version_of
from sdnctl.wire.messages import downstream, group_delta, read_downstream, read_upstream

__all__ = [
    "UnknownResourceError",
    "decode",
    "downstream",
    "encode",
    "group_delta",
    "read_downstream",
    "read_upstream",
    "version_of",
]
