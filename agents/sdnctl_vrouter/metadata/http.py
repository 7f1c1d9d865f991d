"""A guest's HTTP request to the request that Nova's metadata service expects.

Promise: nothing that a guest says about who it is gets through; the instance, its project and its
address are what the controller said of the port. Requests are HTTP/1.0 or 1.1 with at most a body
of known length (RFC 9112); anything else gets an error, whatever the octets. No socket here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from http import HTTPStatus
from typing import Final, NamedTuple

from sdnctl.types import Ip
from sdnctl_vrouter.responder.guest import Guest

LONGEST_HEAD: Final = 16384
LONGEST_BODY: Final = 65536

_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_HEADER: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*"
)

_NOT_PASSED: Final = frozenset(
    (
        # Who it is: said by us alone.
        b"x-instance-id",
        b"x-instance-id-signature",
        b"x-tenant-id",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"forwarded",
        b"x-metadata-provider",
        b"x-metadata-provider-signature",
        # Of one hop (RFC 9110 section 7.6.1).
        b"connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
        b"content-length",
        b"expect",
    )
)


class RefusedError(Exception):
    """A request that gets this answer instead."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Head(NamedTuple):
    """A request without its body, which has ``length`` octets."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    length: int


def parse(data: bytes) -> Head:
    """The octets up to the empty line; RefusedError if they are no request."""
    line, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    found = _LINE.fullmatch(line)
    if found is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST)
    headers = []
    lengths = set()
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        name, value = header[1].lower(), header[2]
        if name == b"transfer-encoding":
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED)
        if name == b"content-length":
            lengths.add(value)
        if b"_" not in name:  # to a WSGI server it would be a dash, and so one of ours
            headers.append((name, value))
    if len(lengths) > 1:
        raise RefusedError(HTTPStatus.BAD_REQUEST)
    return Head(found[1], found[2], tuple(headers), _length(*lengths))


def _length(text: bytes = b"0") -> int:
    if not re.fullmatch(rb"[0-9]{1,10}", text):
        raise RefusedError(HTTPStatus.BAD_REQUEST)
    if int(text) > LONGEST_BODY:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(text)


def signature(secret: bytes, instance: str) -> str:
    """What Nova checks: neutron's ``metadata_proxy_shared_secret`` over the instance's id."""
    return hmac.new(secret, instance.encode(), hashlib.sha256).hexdigest()


def request(head: Head, body: bytes, guest: Guest, address: Ip, secret: bytes) -> bytes:
    """The request to pass on; RefusedError if the port is no instance's."""
    instance = guest.port.device_id
    if not instance:
        raise RefusedError(HTTPStatus.NOT_FOUND)
    said = {
        "X-Forwarded-For": str(address),
        "X-Instance-ID": instance,
        "X-Tenant-ID": guest.port.project_id,
        "X-Instance-ID-Signature": signature(secret, instance),
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [head.method + b" " + head.target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in head.headers if name not in _NOT_PASSED]
    lines += [f"{name}: {_one_line(value)}".encode() for name, value in said.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _one_line(text: str) -> str:
    """A device's id is a tenant's to choose, and a header ends with its line."""
    return "".join(c for c in text if c.isascii() and c.isprintable())


def refusal(status: HTTPStatus) -> bytes:
    """A whole answer."""
    body = f"{status.value} {status.phrase}\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
