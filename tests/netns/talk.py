"""Who talks to whom, by TCP and UDP: servers that say what they see, and clients that ask.

Run inside of namespaces by ``python -m``; standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any


class _Datagrams(asyncio.DatagramProtocol):
    """Answers with the address that it was asked from."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(f"{addr[0]} {addr[1]}\n".encode(), addr)


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same, a line for each that comes."""
    peer = writer.get_extra_info("peername")
    with contextlib.suppress(ConnectionError):
        while await reader.readline():
            writer.write(f"{peer[0]} {peer[1]}\n".encode())
            await writer.drain()
    writer.close()


async def serve(*ports: int) -> None:
    """Until killed."""
    loop = asyncio.get_running_loop()
    for port in ports:
        for host in ("0.0.0.0", "::"):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            await asyncio.start_server(_connected, host, port, family=family)
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            sock.setblocking(False)
            await loop.create_datagram_endpoint(_Datagrams, sock=sock)
    print("ready", flush=True)
    await asyncio.Event().wait()


def ask(kind: str, host: str, port: int, *more: str) -> str:
    """What the server sees of this client; "" if it does not answer."""
    source = int(more[0]) if more else 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", source))
        sock.settimeout(2)
        try:
            sock.connect((host, port))
            sock.send(b"who\n")
            return sock.recv(100).decode().strip()
        except OSError as error:
            return "" if isinstance(error, TimeoutError) else f"{type(error).__name__}"


def chat(host: str, port: int) -> None:
    """One connection: a question for each line of standard input, its answer to the output."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect((host, port))
        for line in sys.stdin:
            try:
                sock.send(line.encode())
                print(sock.recv(100).decode().strip(), flush=True)
            except OSError as error:
                print(type(error).__name__, flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", *ports]:
            asyncio.run(serve(*map(int, ports)))
        case ["chat", host, port]:
            chat(host, int(port))
        case ["ask", kind, host, port, *more]:
            print(ask(kind, host, int(port), *more))
