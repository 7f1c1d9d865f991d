"""The host's interface on the bridge, and what is served on it.

Promise: services are there while the interface is, whatever becomes of it; a switch that restarts
brings another of the same name, and sockets are opened anew on that.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sdnctl.types import Ip
from sdnctl_vrouter.metadata.addresses import HOST_4, HOST_6
from sdnctl_vrouter.responder.packets import SERVICE_MAC

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether the interface is still the same."""

ADDRESSES: Final = ((HOST_4, 4), (HOST_6, 48))
"""With the lengths of prefixes that cover all names of ports."""


class Service(Protocol):
    """Something that is served."""

    async def serve(self, interface: str, address: Ip) -> list[Callable[[], None]]:
        """Open sockets on an address; return what closes them. OSError if it cannot."""


async def run(interface: str, services: Sequence[Service]) -> None:
    """For ever."""
    served = 0
    closers: list[Callable[[], None]] = []
    try:
        while True:
            index = _index_of(interface)
            if index != served:
                _close(closers)
                if index:
                    closers += await _open(interface, services)
                served = index if closers else 0
            await asyncio.sleep(LOOK_EVERY)
    finally:
        _close(closers)


async def _open(interface: str, services: Sequence[Service]) -> list[Callable[[], None]]:
    """On each address that there can be."""
    closers = []
    for address, length in ADDRESSES:
        try:
            await _configure(interface, address, length)
            for service in services:
                closers += await service.serve(interface, address)
        except OSError as error:
            log.warning("%s on %s: %s", address, interface, error)
    return closers


def _close(closers: list[Callable[[], None]]) -> None:
    for close in closers:
        close()
    closers.clear()


def cut_off(tasks: set[asyncio.Task[None]]) -> None:
    """End what was being answered."""
    for task in list(tasks):
        task.cancel()


def bound(interface: str, address: Ip, port: int, kind: int) -> socket.socket:
    """On that interface alone: nobody else may say by its address which port it is."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.bind((str(address), port))
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def _index_of(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


async def _configure(interface: str, address: Ip, length: int) -> None:
    """An address; no ARP, so every frame goes to the switch."""
    commands = (
        f"link set dev {interface} address {SERVICE_MAC} arp off up",
        f"address replace {address}/{length} dev {interface}"
        + (" nodad" if address.version == 6 else ""),
    )
    process = await asyncio.create_subprocess_exec(
        *("ip", "-batch", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate("\n".join(commands).encode())
    if process.returncode:
        raise OSError(errors.decode(errors="replace").strip())
